"""Buckets of time hold exactly the actions of the plain reference, and add up to `events`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from truecount.measure.buckets import Bucket, buckets
from truecount.measure.events import events
from truecount.measure.forms import time_of_ms
from truecount.resolve.actions import left_out_marks
from truecount.store.client import Store

from . import reference
from .histories import drawn_of_each_kind, placed
from .loading import load
from .reference import Row
from .test_law import DATASET

HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def histories() -> list[list[Row]]:
    return [placed(history, number) for number, history in enumerate(drawn_of_each_kind(5))]


@pytest.fixture(scope="module")
def loaded(store: Store, histories: list[list[Row]]) -> Iterator[Store]:
    store.command("TRUNCATE TABLE copies")
    load(store, [row for rows in histories for row in rows])
    yield store
    store.command("TRUNCATE TABLE copies")


def kept_times(histories: list[list[Row]]) -> Iterator[tuple[str, int, str]]:
    """Name, event time and side of each action of the reference."""
    marks = left_out_marks(DATASET)
    for rows in histories:
        _, actions = reference.resolve(row for row in rows if not row.copy.marks & marks)
        for action in actions:
            sides = {row.is_browser for row in action}
            side = "both" if len(sides) == 2 else "browser_only" if True in sides else "server_only"
            yield action[0].copy.event_name, action[0].copy.event_time_ms, side


def counted(found: list[Bucket]) -> Counter[tuple[str, str, str]]:
    sides = ("both", "browser_only", "server_only")
    return Counter(
        {(one.event_name, one.since, side): n for one in found for side in sides if (n := getattr(one, side))}
    )


def edges_over(times: list[int], step_ms: int) -> list[int]:
    first, last = min(times) // step_ms, max(times) // step_ms
    return [n * step_ms for n in range(first, last + 2)]


@pytest.mark.parametrize("step_ms", [HOUR_MS, 24 * HOUR_MS, 10_000 * HOUR_MS])
def test_each_action_lies_in_the_bucket_of_its_kept_copy(
    loaded: Store, histories: list[list[Row]], step_ms: int
) -> None:
    right = list(kept_times(histories))
    edges = edges_over([time for _, time, _ in right], step_ms)
    found = buckets(loaded, DATASET, edges)
    wanted = Counter((name, time_of_ms(time // step_ms * step_ms), side) for name, time, side in right)
    assert counted(found) == wanted
    assert [(one.event_name, one.since) for one in found] == sorted((one.event_name, one.since) for one in found)


@pytest.mark.slow
def test_buckets_add_up_to_events_with_their_value(loaded: Store, histories: list[list[Row]]) -> None:
    times = [time for _, time, _ in kept_times(histories)]
    edges = edges_over(times, (max(times) - min(times)) // 40 + 1)
    assert len(edges) > 10
    middle = edges[len(edges) // 2]
    for part in (edges, [edge for edge in edges if edge <= middle], [edge for edge in edges if edge >= middle]):
        found: dict[str, list[Bucket]] = {}
        for one in buckets(loaded, DATASET, part):
            found.setdefault(one.event_name, []).append(one)
        for row in events(loaded, DATASET, part[0] * 1000, part[-1] * 1000):
            if row.event_name == "AppendValue":
                continue
            mine = found.get(row.event_name, [])
            assert sum(one.actions for one in mine) == row.actions
            assert sum(one.both for one in mine) == row.both
            worth: dict[str, float] = {}
            for one in mine:
                for currency, amount in one.value.items():
                    worth[currency] = round(worth.get(currency, 0) + float(amount), 4)
            assert worth == {currency: float(amount) for currency, amount in row.value.items()}


def test_names_limit_the_answer(loaded: Store, histories: list[list[Row]]) -> None:
    times = [time for _, time, _ in kept_times(histories)]
    edges = edges_over(times, 24 * HOUR_MS)
    everything = buckets(loaded, DATASET, edges)
    for name in sorted({one.event_name for one in everything})[::60]:
        assert buckets(loaded, DATASET, edges, [name]) == [one for one in everything if one.event_name == name]


@pytest.mark.parametrize("edges", [[], [1], [2, 1], [1, 1, 2]])
def test_edges_that_bound_nothing_are_an_error(store: Store, edges: list[int]) -> None:
    with pytest.raises(ValueError, match="ascend"):
        buckets(store, DATASET, edges)
