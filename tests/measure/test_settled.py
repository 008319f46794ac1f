"""Answers while a batch comes in part by part: a whole moment's, or none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.resolve.loading import START_US, empty_store, load
from tests.resolve.reference import Row
from truecount.copies import Copy
from truecount.datasets import Dataset, DatasetSettings
from truecount.manager.ranges import period_of
from truecount.manager.shared import Manager
from truecount.manager.views import event as view
from truecount.measure.events import events
from truecount.measure.periods import Periods
from truecount.measure.settled import Moved
from truecount.resolve.actions import moment_of, whole_moment_of
from truecount.resolve.scratch import Sql
from truecount.store.client import Statement, Store

DATASET = Dataset(id="d", name="Shop", created_us=0, settings=DatasetSettings())
BATCH = 100
"""The first entry of the batch that is coming."""
HOUR_MS = 3_600_000


def row(seq: int, pos: int = 0) -> Row:
    copy = Copy(
        dataset=DATASET.id,
        source="server",
        event_name="Purchase",
        event_id=f"{seq}.{pos}",
        received_us=START_US + seq,
        event_time_ms=START_US // 1000,
    )
    return Row("d1", seq, pos, copy)


class Coming:
    """A store in which one more copy of the batch is visible at each question."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._come = 0

    def _comes(self) -> None:
        self._come += 1
        load(self._store, [row(BATCH, self._come)])

    def query_rows(self, sql: str, params: Mapping[str, Any] | None = None) -> Sequence[Sequence[Any]]:
        self._comes()
        return self._store.query_rows(sql, params)

    def script(self, commands: Sequence[Statement], select: Statement | None = None) -> Sequence[Sequence[Any]]:
        self._comes()
        return self._store.script(commands, select)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with empty_store(tmp_path_factory.mktemp("settled")) as store:
        yield store


@pytest.fixture
def store(engine: Store) -> Store:
    for table in ("copies", "batches"):
        engine.command(f"TRUNCATE TABLE {table}")
    load(engine, [row(seq) for seq in range(1, 6)])
    return engine


def of_all(store: Sql) -> int:
    return sum(one.actions for one in events(store, DATASET))


def of_a_range(store: Sql) -> int:
    return sum(one.actions for one in events(store, DATASET, START_US - HOUR_MS * 1000, START_US + HOUR_MS * 1000))


def of_periods(store: Sql) -> int:
    edges = [START_US // 1000 - HOUR_MS, START_US // 1000 + HOUR_MS]
    return sum(one.actions for one in Periods(store, DATASET, edges, edges).totals[0])


ANSWERS = [of_all, of_a_range, of_periods]


def note(store: Store, door: str, number: int, first: int, last: int) -> None:
    store.command(f"INSERT INTO batches VALUES ('{door}', {number}, {first}, {last}, 1)")


@pytest.mark.parametrize("count", ANSWERS)
def test_while_a_batch_comes_it_is_not_looked_at(store: Store, count: Callable[[Sql], int]) -> None:
    note(store, "d1", 1, 1, 5)
    note(store, "d2", 1, 1, 5)
    assert count(store) == 5
    note(store, "d1", 2, BATCH, BATCH)
    assert count(Coming(store)) == 5
    assert count(store) > 5  # as soon as nothing moves


@pytest.mark.parametrize("count", ANSWERS)
def test_where_something_changes_each_time_the_error_says_so(store: Store, count: Callable[[Sql], int]) -> None:
    with pytest.raises(Moved, match="try again"):
        count(Coming(store))  # no note tells of a batch


def test_a_whole_moment_ends_before_the_newest_batch_of_its_doors_alone(store: Store) -> None:
    load(store, [Row("d2", 9, 0, row(9).copy), row(BATCH)])
    assert whole_moment_of(store, DATASET) == moment_of(store, DATASET) == {"d1": BATCH, "d2": 9}
    note(store, "d2", 3, 1, 9)
    note(store, "d1", 3, 1, 99)
    note(store, "d1", 4, BATCH, BATCH)
    note(store, "d3", 4, 1, 7)
    assert whole_moment_of(store, DATASET) == {"d1": BATCH - 1, "d2": 9}


def test_the_count_of_an_event_and_its_bars_are_of_one_moment(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    note(store, "d1", 1, BATCH, BATCH)
    questions: dict[str, Callable[[Sql], Any]] = {}

    async def ask(_: Manager, asked: Mapping[str, Callable[[Sql], Any]]) -> Mapping[str, Any]:
        questions.update(asked)
        raise InterruptedError

    monkeypatch.setattr(view, "ask", ask)
    period = period_of("2026-09-20", "2026-09-30", "UTC")
    manager = cast("Manager", SimpleNamespace(rolling=SimpleNamespace(of=lambda *_: None)))
    with pytest.raises(InterruptedError):
        view.event(manager, DATASET, "Purchase", period).send(None)
    counted = questions["counts"](Coming(store))
    assert counted.sums.actions == sum(bar.actions for bar in counted.buckets) == 5
