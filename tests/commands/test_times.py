"""Times as people type them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from truecount.commands.times import read_range, read_time

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
S = 1_000_000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-11-24", 1795478400),
        ("2026-11-24T01:00:00", 1795482000),
        ("2026-11-24T01:00:00Z", 1795482000),
        ("2026-11-24T01:00:00+05:30", 1795482000 - 19800),
        ("2026-11-24T01:00:00.5Z", 1795482000.5),
        ("7d", 1795521600 - 7 * 86400),
        ("90m", 1795521600 - 5400),
        ("12h", 1795521600 - 43200),
        ("2w", 1795521600 - 14 * 86400),
    ],
)
def test_a_time_is_read(text: str, seconds: float) -> None:
    assert read_time(text, NOW) == int(seconds * S)


def test_a_date_as_an_end_counts_as_a_whole() -> None:
    assert read_time("2026-11-24", NOW, end=True) == 1795478400 * S + 86400 * S
    assert read_time("2026-11-24T00:00:00", NOW, end=True) == 1795478400 * S
    assert read_time("9999-12-31", NOW, end=True) - read_time("9999-12-31", NOW) == 86400 * S


@pytest.mark.parametrize("text", ["", "yesterday", "7", "7y", "2026-13-01", "24.11.2026", "9999999d", "-7d"])
def test_what_is_no_time_is_refused_with_what_is_wanted(text: str) -> None:
    with pytest.raises(ValueError, match="wanted: a date"):
        read_time(text, NOW)


def test_a_range_may_be_open_and_must_not_be_empty() -> None:
    assert read_range(None, None) == (None, None)
    since, until = read_range("2026-11-24", "2026-11-24")
    assert since is not None and until is not None and until - since == 86400 * S
    for start, end in (("", None), (None, "")):
        with pytest.raises(ValueError, match="'' is no time"):
            read_range(start, end)
    with pytest.raises(ValueError, match="before"):
        read_range("2026-11-25", "2026-11-24T23:59:59")
