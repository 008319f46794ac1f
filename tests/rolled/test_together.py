"""Several questions to rolled-up counts that go forward meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.resolve.loading import START_US, load
from tests.resolve.reference import Row
from truecount.copies import Copy
from truecount.datasets import Dataset, DatasetSettings
from truecount.rolled.keeping import build, forward
from truecount.rolled.reading import Gone, Rolled
from truecount.store.client import Store

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
