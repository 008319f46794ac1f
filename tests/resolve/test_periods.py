"""Periods from one count say what `events` and `buckets` say of each."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from msgspec.structs import replace

from truecount.measure.buckets import buckets
from truecount.measure.events import events, totals_of
from truecount.measure.periods import Periods
from truecount.store.client import Store

from .histories import drawn_of_each_kind, placed
from .loading import load
from .reference import Row
from .test_law import DATASET

DRAWN = [row for number, one in enumerate(drawn_of_each_kind(3)) for row in placed(one, number)]
# Copies of one action have event times of their own: what an action counts for depends on which of them is kept.
ROWS = [
    Row(
        row.door,
        row.seq,
        row.pos,
        replace(row.copy, event_time_ms=row.copy.event_time_ms + at * 7_919_000 % 100_000_000),
    )
    for at, row in enumerate(DRAWN)
]
TIMES = sorted({row.copy.event_time_ms for row in ROWS})
LOW, MIDDLE, HIGH = (TIMES[len(TIMES) * at // 10] for at in (1, 5, 9))
EDGES = {
    "two parts": [LOW, MIDDLE, HIGH],
    "by the millisecond": [MIDDLE - 1, MIDDLE, MIDDLE + 1, MIDDLE + 10_000_001],
    "all and nothing": [TIMES[0], TIMES[-1] + 1, TIMES[-1] + 1000],
}


@pytest.fixture(scope="module")
def loaded(store: Store) -> Iterator[Store]:
    store.command("TRUNCATE TABLE copies")
    load(store, ROWS)
    # Refused items lie in the period in which they came.
    store.command(
        "INSERT INTO tallies (dataset, event_name, source, outcome, reason, n, received_us, door, seq, pos) "
        "SELECT {dataset:String}, name, 'server', 'refused', 'bad_shape', number + 1, "
        "{start:Int64} + number * {step:Int64}, 'd1', number, 0 FROM numbers(40) "
        "ARRAY JOIN ['Purchase', ''] AS name",
        {"dataset": DATASET.id, "start": TIMES[0] * 1000, "step": (TIMES[-1] - TIMES[0]) * 30},
    )
    yield store
    for table in ("copies", "tallies"):
        store.command(f"TRUNCATE TABLE {table}")


@pytest.mark.parametrize("edges", EDGES.values(), ids=EDGES)
def test_each_period_has_the_counts_that_events_gives(loaded: Store, edges: list[int]) -> None:
    found = Periods(loaded, DATASET, edges, edges)
    expected = [
        [totals_of(one) for one in events(loaded, DATASET, since * 1000, until * 1000)]
        for since, until in pairwise(edges)
    ]
    assert found.totals == expected
    assert any(one.actions for period in expected for one in period)


def test_the_bars_of_a_name_are_its_buckets_whatever_the_cuts_between(loaded: Store) -> None:
    edges = EDGES["two parts"]
    step = (edges[2] - edges[1]) // 9
    bars = [edges[1], *range(edges[1] + step, edges[2] - step, step), edges[2]]
    found = Periods(loaded, DATASET, sorted({*edges, *bars, edges[1] + 7, edges[2] - 5}), edges)
    expected = buckets(loaded, DATASET, bars)
    assert len(expected) > 20
    for name in {one.event_name for one in expected}:
        assert found.buckets(bars, name) == [one for one in expected if one.event_name == name]
    assert found.buckets(bars, "never came") == []
    with pytest.raises(ValueError, match="among the cuts"):
        found.buckets([bars[0], bars[1] + 1], "Purchase")


@pytest.mark.parametrize(
    ("cuts", "edges"),
    [([1, 2], [1]), ([1, 2, 3], [1, 3, 2]), ([1, 2, 3], [1, 4]), ([1, 3, 2], [1, 2]), ([1, 1, 2], [1, 2])],
)
def test_edges_that_are_no_cuts_are_an_error(store: Store, cuts: list[int], edges: list[int]) -> None:
    with pytest.raises(ValueError, match="of periods"):
        Periods(store, DATASET, cuts, edges)
