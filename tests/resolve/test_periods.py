"""Periods from one count say what `events` and `buckets` say of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from truecount.copies import Copy
from truecount.datasets import Dataset, DatasetSettings
from truecount.measure.buckets import buckets
from truecount.measure.events import EventTotals, events, totals_of
from truecount.measure.periods import Periods
from truecount.resolve.scratch import Sql
from truecount.store.client import Statement, Store
from truecount.vocabulary import Mark

from .histories import drawn_of_each_kind, placed
from .loading import START_US, load
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


COUNTED = Dataset(id="between", name="counts bots", created_us=0, settings=DatasetSettings(count_bots=True))


def test_what_comes_between_two_questions_is_in_the_whole_answer_or_in_none_of_it(loaded: Store, way: str) -> None:
    class Late:
        """A store in which a row of an earlier batch becomes visible behind one of the first questions."""

        def __init__(self, at: int, row: Row) -> None:
            self.left = at
            self.row = row

        def _asked(self) -> None:
            self.left -= 1
            if self.left == 0:
                load(loaded, [self.row])

        def query_rows(self, sql: str, params: Mapping[str, Any] | None = None) -> Sequence[Sequence[Any]]:
            self._asked()
            return loaded.query_rows(sql, params)

        def script(self, commands: Sequence[Statement], select: Statement | None = None) -> Sequence[Sequence[Any]]:
            self._asked()
            return loaded.script(commands, select)

    start_ms = START_US // 1000
    edges = [start_ms - 1000, start_ms, start_ms + 1000]

    def bot(at: int) -> Row:
        """A copy with a mark: the profile tells of marks, and the sums of actions."""
        copy = Copy(
            dataset=COUNTED.id,
            source="server",
            event_name=f"E{at % 2}",
            event_id=f"{way}{at}",
            marks=int(Mark.BOT),
            received_us=START_US,
            event_time_ms=start_ms,
        )
        return Row("between", 1, at * 2 + (way == "whole"), copy)

    def counted(store: Sql) -> list[list[EventTotals]]:
        return Periods(store, COUNTED, edges, edges).totals

    load(loaded, [bot(98), bot(99)])
    seen = []
    for at in range(2, 98):
        before = counted(loaded)
        late = Late(at, bot(at))
        found = counted(late)
        if late.left > 0:
            break  # no question is left
        after = counted(loaded)
        assert sum(one.bots for one in after[1]) == sum(one.bots for one in before[1]) + 1
        assert found in (before, after), at
        seen.append(found == after)
    assert any(seen)
