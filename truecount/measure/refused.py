"""What was not accepted: refused, withheld and set aside, by reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from truecount.datasets import Dataset
from truecount.resolve.actions import AMENDMENT, Actions
from truecount.resolve.definitions import text_of
from truecount.resolve.scratch import Sql
from truecount.vocabulary import Outcome, Reason

from .forms import time_of_us

PACKAGE: Final = "truecount.measure"
EVER_US: Final = 2**62


class Refused(msgspec.Struct, kw_only=True):
    """`n` items that ended alike. `event_name` is "" where it never came to be known."""

    event_name: str
    source: str
    outcome: str
    reason: str
    n: int
    first_time: str
    last_time: str


def refused(store: Sql, dataset: Dataset, since_us: int | None = None, until_us: int | None = None) -> list[Refused]:
    """What was received in [since, until) and not accepted, by event name, source, outcome and reason, in that order.

    Amendments whose original is missing are among it: set aside, as long as none comes.
    """
    found = tallied(store, dataset, since_us, until_us) + unamended(store, dataset, since_us, until_us)
    return sorted(found, key=lambda item: (item.event_name, item.source, item.outcome, item.reason))


def tallied(store: Sql, dataset: Dataset, since_us: int | None = None, until_us: int | None = None) -> list[Refused]:
    """What tallies and the loader say was not accepted."""
    params = {"dataset": dataset.id, "edges": [], **_range(since_us, until_us)}
    return [
        _item(str(name), str(source), str(outcome), str(reason), int(n), int(first), int(last))
        for name, source, outcome, reason, n, first, last, _ in store.query_rows(text_of("refused", PACKAGE), params)
    ]


def numbers_refused(store: Sql, dataset: Dataset, edges_us: Sequence[int]) -> list[dict[str, int]]:
    """For each period between two edges: how many items were refused in it, by event name."""
    params = {"dataset": dataset.id, "edges": list(edges_us), **_range(edges_us[0], edges_us[-1])}
    found: list[dict[str, int]] = [{} for _ in edges_us[1:]]
    for name, _, outcome, _, n, _, _, period in store.query_rows(text_of("refused", PACKAGE), params):
        if outcome == Outcome.REFUSED:
            of_period = found[int(period) - 1]
            of_period[str(name)] = of_period.get(str(name), 0) + int(n)
    return found


def unamended(store: Sql, dataset: Dataset, since_us: int | None = None, until_us: int | None = None) -> list[Refused]:
    """Amendments (AppendValue) that name no copy that is there."""
    there = "SELECT count() FROM copies WHERE dataset = {dataset:String} AND event_name = {name:String}"
    if not int(store.query_rows(there, {"dataset": dataset.id, "name": AMENDMENT})[0][0]):
        return []
    with Actions(store, dataset) as actions:
        actions.put("originals", "originals")
        return [
            _item(str(name), str(source), Outcome.SET_ASIDE, Reason.NO_ORIGINAL, int(n), int(first), int(last))
            for name, source, n, first, last in actions.rows("unamended", PACKAGE, **_range(since_us, until_us))
        ]


def _range(since_us: int | None, until_us: int | None) -> dict[str, int]:
    return {
        "since_us": -EVER_US if since_us is None else since_us,
        "until_us": EVER_US if until_us is None else until_us,
    }


def _item(name: str, source: str, outcome: str, reason: str, n: int, first_us: int, last_us: int) -> Refused:
    return Refused(
        event_name=name,
        source=source,
        outcome=str(outcome),
        reason=str(reason),
        n=n,
        first_time=time_of_us(first_us),
        last_time=time_of_us(last_us),
    )
