"""Periods of pages: what an address means, and the bars that a chart cuts it into."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truecount.manager.ranges import MOST_BARS, period_of, usual

NOW = datetime(2026, 11, 24, 9, 22, 40, tzinfo=UTC)


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("since", "until", "zone", "first", "last", "is_open"),
    [
        (None, None, "UTC", "2026-11-17T09:23:00+00:00", "2026-11-24T09:23:00+00:00", True),
        ("24h", None, "UTC", "2026-11-23T09:23:00+00:00", "2026-11-24T09:23:00+00:00", True),
        ("2026-11-01", "2026-11-20", "UTC", "2026-11-01T00:00:00+00:00", "2026-11-21T00:00:00+00:00", False),
        ("2026-11-01", "2026-11-20", "Asia/Kolkata", "2026-11-01T00:00:00+05:30", "2026-11-21T00:00:00+05:30", False),
        ("2026-11-20", None, "Asia/Kolkata", "2026-11-20T00:00:00+05:30", "2026-11-24T09:23:00+00:00", True),
        ("2026-11-20", "2026-12-31", "UTC", "2026-11-20T00:00:00+00:00", "2026-11-24T09:23:00+00:00", True),
        ("2026-10-25", "2026-10-25", "Europe/Berlin", "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00", False),
    ],
)
def test_a_period_includes_both_ends(
    since: str | None, until: str | None, zone: str, first: str, last: str, is_open: bool
) -> None:
    period = period_of(since, until, zone, NOW)
    assert (period.since_ms, period.until_ms) == (ms(first), ms(last))
    assert period.is_open is is_open


@pytest.mark.parametrize(
    ("since", "until"),
    [("x", None), ("0d", None), ("9999d", None), ("7d", "2026-11-24"), ("2026-02-30", None), ("2026-11-20", "x"),
     ("2026-11-20", "2026-11-19"), ("1900-01-01", None), ("2000-01-01", "2026-11-24"), ("7 d", None), ("٧d", None)],
)  # fmt: skip
def test_what_is_no_period_is_told(since: str, until: str | None) -> None:
    with pytest.raises(ValueError, match=r"since|until"):
        period_of(since, until, "UTC", NOW)


ZONES = ["UTC", "Asia/Kolkata", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1)),
    st.one_of(st.integers(1, 200).map("{}h".format), st.integers(1, 1200).map("{}d".format)),
    st.sampled_from(ZONES),
)
def test_bars_cover_the_period_in_order_and_begin_at_round_times(moment: datetime, since: str, zone: str) -> None:
    period = period_of(since, None, zone, moment.replace(tzinfo=UTC))
    edges = period.edges()
    assert edges[0] <= period.since_ms < edges[1]
    assert edges[-2] < period.until_ms <= edges[-1]
    assert edges == sorted(set(edges))
    assert len(edges) - 1 <= MOST_BARS + 2
    # Where clocks change by half an hour, hours begin at half past until that day ends.
    step_s = 1800 if zone == "Australia/Lord_Howe" and period.step_s == 3600 else period.step_s
    for edge in edges:
        clock = datetime.fromtimestamp(edge / 1000, ZoneInfo(zone))
        assert (clock.hour * 3600 + clock.minute * 60 + clock.second) % min(step_s, 86_400) == 0
    if period.step_s < 86_400:
        assert {abs(b - a - period.step_s * 1000) for a, b in pairwise(edges)} <= {0, 1_800_000, 3_600_000}


@pytest.mark.parametrize(
    ("since", "now", "clocks"),
    [
        ("7d", "2026-10-27T12:00+01:00", {"00", "03", "06", "09", "12", "15", "18", "21"}),
        ("28d", "2026-10-27T12:00+01:00", {"00", "12"}),
        ("7d", "2026-03-30T12:00+02:00", {"00", "03", "06", "09", "12", "15", "18", "21"}),
    ],
)
def test_bars_begin_at_the_same_hours_before_and_after_clocks_change(since: str, now: str, clocks: set[str]) -> None:
    edges = period_of(since, None, "Europe/Berlin", datetime.fromisoformat(now)).edges()
    assert {datetime.fromtimestamp(edge / 1000, ZoneInfo("Europe/Berlin")).strftime("%H") for edge in edges} == clocks


def test_a_day_that_was_left_out_has_no_bar() -> None:
    edges = period_of("7d", None, "Pacific/Apia", datetime(2012, 1, 2, tzinfo=UTC)).edges()
    assert edges == sorted(set(edges))
    assert not [edge for edge in edges if datetime.fromtimestamp(edge / 1000, ZoneInfo("Pacific/Apia")).day == 30]


def test_an_hour_that_comes_twice_is_two_bars() -> None:
    edges = period_of("24h", None, "Europe/Berlin", datetime.fromisoformat("2026-10-25T12:00+01:00")).edges()
    assert {b - a for a, b in pairwise(edges)} <= {1_800_000, 3_600_000}
    at_two = [
        e for e in edges if datetime.fromtimestamp(e / 1000, ZoneInfo("Europe/Berlin")).strftime("%H:%M") == "02:00"
    ]
    assert len(at_two) == 2


def test_a_day_of_25_hours_is_one_bar_of_that_length() -> None:
    edges = period_of("2026-10-10", "2026-11-10", "Europe/Berlin", NOW).edges()
    assert 25 * 3_600_000 in {b - a for a, b in pairwise(edges)}


def test_the_period_before_is_as_long_and_ends_where_this_one_begins() -> None:
    period = period_of("7d", None, "UTC", NOW)
    first, last = period.before()
    assert (last, last - first) == (period.since_ms, period.until_ms - period.since_ms)


def test_a_young_dataset_is_looked_at_closely() -> None:
    ages = {timedelta(minutes=5): "1h", timedelta(hours=5): "24h", timedelta(days=5): "7d"}
    assert {age: usual(int((NOW - age).timestamp() * 1e6), NOW) for age in ages} == ages


def test_moments_are_exact_and_the_last_one_is_excluded() -> None:
    period = period_of("2026-11-24T09:00:00Z", "2026-11-24T14:45:00+05:30", "Asia/Kolkata", NOW)
    assert (period.since_ms, period.until_ms) == (ms("2026-11-24T09:00:00+00:00"), ms("2026-11-24T09:15:00+00:00"))
    assert not period.is_open
    for since, until in [("2026-11-24T09:00", None), ("2026-11-24T09:00:00Z", "2026-11-24T08:00:00Z"), ("T", None)]:
        with pytest.raises(ValueError, match="since"):
            period_of(since, until, "UTC", NOW)
