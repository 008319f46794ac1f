"""Periods: what `events` and `buckets` tell of periods that adjoin, from one count of all actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from truecount.datasets import Dataset
from truecount.resolve.actions import AMENDMENT, EVER_MS, Actions, Moment
from truecount.resolve.scratch import Sql

from .buckets import Bucket, put_together, sums_in
from .events import EventTotals, Sums, of_amendments, told, totals_of
from .refused import numbers_refused
from .settled import check_settled, until_settled
from .sums import PACKAGE, Sum, want_all


class Periods:
    """The actions of a dataset, added up between cuts, for any questions whose edges are among them.

    `cuts` ascend, in ms since 1970; `edges` are those that bound the periods. All is of one moment of the log: of
    `moment`, or of now. ValueError for edges that are no cuts.
    """

    def __init__(
        self, store: Sql, dataset: Dataset, cuts: Sequence[int], edges: Sequence[int], moment: Moment | None = None
    ) -> None:
        self._cuts = list(cuts)
        if self._cuts != sorted(set(cuts)):
            raise ValueError("cuts of periods ascend")
        self._check(edges)
        self._sums: list[Sum] = []
        self.totals: list[list[EventTotals]] = []
        """For each period the counts of each event, by name."""
        until_settled(store, dataset, moment, lambda at: self._count(store, dataset, edges, at))

    def _count(self, store: Sql, dataset: Dataset, edges: Sequence[int], moment: Moment | None) -> None:
        # All time is counted: what all actions have must be what there is.
        with Actions(store, dataset, moment=moment, periods=edges) as actions:
            has_any = want_all(actions) is not None
            self._sums = sums_in(actions, [-EVER_MS, *self._cuts, EVER_MS])
            check_settled(actions, sum(one.copies for one in self._sums))
            refused = numbers_refused(store, dataset, [edge * 1000 for edge in edges])
            self.totals = [
                self._totals(actions, number, since_ms, until_ms, has_any, refused[number - 1])
                for number, (since_ms, until_ms) in enumerate(pairwise(edges), 1)
            ]

    def buckets(self, edges: Sequence[int], event_name: str) -> list[Bucket]:
        """Actions of one event in the buckets that the edges bound; those without actions are left out."""
        self._check(edges)
        return put_together(
            one._replace(bucket=max(edge for edge in edges if edge <= one.bucket))
            for one in self._sums
            if one.event_name == event_name and edges[0] <= one.bucket < edges[-1]
        )

    def _check(self, edges: Sequence[int]) -> None:
        if len(edges) < 2 or list(edges) != sorted(set(edges)) or not set(edges) <= set(self._cuts):
            raise ValueError("edges of periods are two at least, ascend, and are among the cuts")

    def _totals(
        self,
        actions: Actions,
        number: int,
        since_ms: int,
        until_ms: int,
        has_amendments: bool,
        refused: Mapping[str, int],
    ) -> list[EventTotals]:
        names: dict[str, Sums] = {}
        for row in actions.profile:
            if row.period == number and row.event_name != AMENDMENT:
                names.setdefault(row.event_name, Sums()).add_marks(row, actions)
        for one in self._sums:
            if since_ms <= one.bucket < until_ms:
                names.setdefault(one.event_name, Sums()).add(one.currency, one[3:])
        if has_amendments:
            [found] = actions.rows("amendments_found", PACKAGE, since_ms=since_ms, until_ms=until_ms)
            names[AMENDMENT] = of_amendments([int(value) for value in found])
        return [totals_of(one) for one in told(names, refused)]
