"""Actions over time: what a chart draws. The actions of `events`, each in the bucket of its kept copy's event time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec

from truecount.datasets import Dataset
from truecount.resolve.actions import AMENDMENT, Actions, Moment
from truecount.resolve.scratch import Sql
from truecount.vocabulary import Source

from .forms import money, time_of_ms
from .sums import Sum, sum_up, want_all


class Bucket(msgspec.Struct, kw_only=True):
    """Actions of one event name in one bucket of time; `actions` = both + server_only + browser_only."""

    event_name: str
    since: str
    """Where the bucket begins; it ends where the next one does."""
    actions: int
    both: int
    server_only: int
    browser_only: int
    value: dict[str, str] = {}


def buckets(
    store: Sql,
    dataset: Dataset,
    edges: Sequence[int],
    names: Sequence[str] | None = None,
    moment: Moment | None = None,
) -> list[Bucket]:
    """Actions in the range [edges[0], edges[-1]), ms since 1970, in the buckets that the edges bound.

    Ordered by name and time; buckets without actions are left out. `names` limits the answer to these events, and
    `moment` to what was there then. ValueError for fewer than two edges, or edges that do not ascend.
    """
    if len(edges) < 2 or any(a >= b for a, b in pairwise(edges)):
        raise ValueError("edges of buckets ascend, and are two at least")
    with Actions(store, dataset, names, since_ms=edges[0], until_ms=edges[-1], moment=moment, amended=True) as actions:
        want_all(actions)
        found = sums_in(actions, edges)
    return put_together(one for one in found if names is None or one.event_name in names)


def sums_in(actions: Actions, edges: Sequence[int]) -> list[Sum]:
    """Add up all actions in the range of `actions`, after `want_all`, in the buckets that the edges bound."""
    bare = {row.event_name for row in actions.profile if row.bare and row.in_range and row.source != Source.OFFLINE}
    return list(sum_up(actions, sorted(bare - {AMENDMENT}), edges[:-1]))


def put_together(sums: Iterable[Sum]) -> list[Bucket]:
    """Sums as buckets, ordered by name and time."""
    found: dict[tuple[str, int], _Parts] = {}
    for one in sums:
        found.setdefault((one.event_name, one.bucket), _Parts()).add(one.currency, one[3:])
    return [parts.bucket(name, since_ms) for (name, since_ms), parts in sorted(found.items())]


class _Parts:
    """One bucket, before its currencies are put together."""

    def __init__(self) -> None:
        self.actions = self.browser_only = self.server_only = self.both = 0
        self.value_e4: dict[str, int] = {}

    def add(self, currency: str, numbers: Sequence[int]) -> None:
        self.actions += numbers[0]
        self.browser_only += numbers[2]
        self.server_only += numbers[3]
        self.both += numbers[4]
        if currency:
            self.value_e4[currency] = self.value_e4.get(currency, 0) + numbers[6]

    def bucket(self, event_name: str, since_ms: int) -> Bucket:
        return Bucket(
            event_name=event_name,
            since=time_of_ms(since_ms),
            actions=self.actions,
            both=self.both,
            server_only=self.server_only,
            browser_only=self.browser_only,
            value={currency: money(value) for currency, value in sorted(self.value_e4.items())},
        )
