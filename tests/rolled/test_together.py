"""Rolled-up counts and what may come between: several questions while they go forward, inserts that are doubled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from tests.resolve.loading import START_US, load
from tests.resolve.reference import Row
from truecount.copies import Copy
from truecount.datasets import Dataset, DatasetSettings
from truecount.rolled.keeping import DoesNotAddUp, build, forward
from truecount.rolled.reading import Gone, Rolled
from truecount.store.client import Statement, Store
from truecount.vocabulary import Mark

DATASET = Dataset(id="together", name="Shop", created_us=0, settings=DatasetSettings())
MINUTE_MS = START_US // 60_000_000 * 60_000
EDGES = [MINUTE_MS, MINUTE_MS + 60_000]


@pytest.fixture
def step(store: Store) -> Callable[[], None]:
    """One more sale, and counts that know it."""
    store.command("TRUNCATE TABLE rolled")
    store.command("DELETE FROM copies WHERE dataset = 'together'")
    made = [0]
    found = []

    def step() -> None:
        made[0] += 1
        sale = Copy(
            dataset=DATASET.id,
            source="server",
            event_name="Purchase",
            event_id=f"{made[0]}",
            received_us=START_US + made[0],
            event_time_ms=MINUTE_MS,
        )
        load(store, [Row("d1", made[0], 0, sale)])
        moment = {"d1": made[0]}
        found.append(forward(store, DATASET, found[-1], moment) if found else build(store, DATASET, moment))

    step()
    return step


def asked(rolled: Rolled, between: Callable[[], None]) -> tuple[int, int]:
    [[total]] = rolled.totals(EDGES)
    between()
    [bar] = rolled.buckets(EDGES, "Purchase")
    return total.actions, bar.actions


def test_questions_between_which_the_counts_went_on_are_asked_again(store: Store, step: Callable[[], None]) -> None:
    rolled = Rolled(store, DATASET)
    assert asked(rolled, step) == (1, 2)
    between = iter([step])
    assert rolled.together(lambda: asked(rolled, next(between, lambda: None))) == (3, 3)
    assert rolled.moment == {"d1": 3}


def test_counts_that_go_on_each_time_are_given_up(store: Store, step: Callable[[], None]) -> None:
    rolled = Rolled(store, DATASET)
    with pytest.raises(Gone):
        rolled.together(lambda: asked(rolled, step))


@pytest.mark.parametrize("doubled", ["rolled", "rolled ("])
def test_a_build_whose_insert_came_twice_is_not_read_and_the_next_one_is_right(store: Store, doubled: str) -> None:
    class Twice:
        """A store that takes one insert twice, as when the answer to the first was lost."""

        def __init__(self) -> None:
            self.left = 1

        def query_rows(self, sql: str, params: Mapping[str, Any] | None = None) -> Sequence[Sequence[Any]]:
            return store.query_rows(sql, params)

        def script(self, commands: Sequence[Statement], select: Statement | None = None) -> Sequence[Sequence[Any]]:
            sent = []
            for command in commands:
                sent.append(command)
                if self.left and command[0].startswith(f"INSERT INTO {doubled}"):
                    self.left -= 1
                    sent.append(command)
            return store.script(sent, select)

    store.command("TRUNCATE TABLE rolled")
    store.command("DELETE FROM copies WHERE dataset = 'together'")
    common = {"dataset": DATASET.id, "received_us": START_US, "event_time_ms": MINUTE_MS}
    rows = [
        Row("d1", at, 0, Copy(**common, source=source, event_name="Purchase", event_id=id))
        for at, (source, id) in enumerate([("server", "a"), ("browser", "a"), ("server", ""), ("server", "b")], 1)
    ]
    amendment = Copy(**common, source="server", event_name="AppendValue", original_event_id="a", value_e4=1)
    load(store, [*rows, Row("d1", 9, 0, amendment), Row("d1", 10, 0, replace(rows[3].copy, marks=int(Mark.BOT)))])
    with pytest.raises(DoesNotAddUp):
        build(Twice(), DATASET, {"d1": 10})
    with pytest.raises(Gone):
        Rolled(store, DATASET)
    build(store, DATASET, {"d1": 10})
    [totals] = Rolled(store, DATASET).totals(EDGES)
    assert {one.event_name: (one.actions, one.copies) for one in totals} == {"Purchase": (3, 5), "AppendValue": (0, 1)}
