"""Overview: how many were there really, who reported them, and what they are worth."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Final

import msgspec

from truecount.datasets import Dataset
from truecount.manager.boxes import Box
from truecount.manager.ranges import Period
from truecount.manager.rolling import Rolling
from truecount.manager.views.changes import ChangeMark
from truecount.manager.views.diagnostics import KeptFinding
from truecount.measure.buckets import Bucket, buckets
from truecount.measure.coverage import Coverage, coverage
from truecount.measure.events import EventTotals
from truecount.measure.forms import time_of_ms, time_of_us
from truecount.measure.periods import Periods
from truecount.resolve.actions import Moment
from truecount.resolve.scratch import Sql
from truecount.rolled.reading import Gone, Rolled, fits

NEARNESS: Final = (
    "Purchase",
    "Subscribe",
    "StartTrial",
    "Donate",
    "AddPaymentInfo",
    "InitiateCheckout",
    "Schedule",
    "SubmitApplication",
    "Lead",
    "CompleteRegistration",
    "AddToCart",
    "AddToWishlist",
    "CustomizeProduct",
    "Contact",
    "FindLocation",
    "Search",
    "ViewContent",
    "PageView",
)
"""Standard events by nearness to the sale; all others stand behind them by name."""
HERO: Final = "Purchase"
ROWS: Final = 100
"""Events that the page draws at most: it draws them anew with each look. Twin and CSV have all."""


class Counts(msgspec.Struct):
    """The events of a period, and of the one before it, and one of them over time: all of one moment."""

    as_of: str
    """All that the store had then is counted."""
    now: list[EventTotals]
    before: list[EventTotals]
    has_before: bool
    event_name: str
    """The event that the answer is about: the chosen one, else Purchase, else the one of most actions."""
    buckets: list[Bucket]
    """Of that event."""


class OverviewView(msgspec.Struct, kw_only=True):
    """The page Overview of a dataset. Times are UTC; bars are of `event_name`."""

    since: str
    until: str
    time_zone: str
    step_s: int
    counts: Box[Counts]
    coverage: Box[list[Coverage]]
    findings: list[KeptFinding]
    """What is to be mended, most value at stake first: of the last look, which may be a minute old or not there yet."""
    changes: list[ChangeMark] = []
    """Settings that were changed in the period, the oldest first."""


def counts(store: Sql, dataset: Dataset, period: Period, chosen: str | None, rolling: Rolling) -> Counts:
    """The events of the period, and of the one before where the dataset was there already, and bars of one event.

    From rolled-up counts where the dataset has them and they know the period, else counted in full.
    """
    if fits(period.cuts()) and (kept := rolling.of(dataset, store)):
        with suppress(Gone):  # between two looks
            return _rolled_up(*kept, dataset, period, chosen)
    as_of_us = time.time_ns() // 1000
    edges = [*period.before(), period.until_ms]
    found = Periods(store, dataset, sorted({*edges, *period.cuts()}), edges)
    before, now = found.totals
    name = hero_of(now, chosen)
    return _counts(as_of_us, dataset, period, now, before, name, found.buckets(period.cuts(), name))


def _rolled_up(rolled: Rolled, as_of_us: int, dataset: Dataset, period: Period, chosen: str | None) -> Counts:
    def count() -> Counts:
        before, now = rolled.totals([period.before()[0], period.since_ms, period.until_ms])
        name = hero_of(now, chosen)
        return _counts(as_of_us, dataset, period, now, before, name, rolled.buckets(period.cuts(), name))

    return rolled.together(count)


def _counts(
    as_of_us: int,
    dataset: Dataset,
    period: Period,
    now: Sequence[EventTotals],
    before: Sequence[EventTotals],
    name: str,
    found: list[Bucket],
) -> Counts:
    # What was imported is older than its dataset.
    has_before = bool(before) or dataset.created_us // 1000 < period.before()[1]
    return Counts(time_of_us(as_of_us), in_order(now), in_order(before), has_before, name, found)


def in_order(rows: Sequence[EventTotals]) -> list[EventTotals]:
    place = {name: at for at, name in enumerate(NEARNESS)}
    return sorted(rows, key=lambda row: (place.get(row.event_name, len(place)), row.event_name))


def hero_of(rows: Sequence[EventTotals], chosen: str | None) -> str:
    """Which event the answer is about."""
    if chosen:
        return chosen
    names = [row.event_name for row in rows if row.actions]
    if HERO in names or not names:
        return HERO
    worth = max(rows, key=lambda row: (max(map(Decimal, row.value.values()), default=Decimal(0)), row.actions))
    return worth.event_name


def bars(store: Sql, dataset: Dataset, period: Period, name: str, moment: Moment) -> list[Bucket]:
    """Actions of one event in the bars of the period. The first and the last hold what lies in the period alone."""
    return buckets(store, dataset, period.cuts(), [name], moment)


def covered(store: Sql, dataset: Dataset, period: Period, rolling: Rolling) -> list[Coverage]:
    if fits((period.since_ms, period.until_ms)) and (found := rolling.of(dataset, store)):
        with suppress(Gone):
            return found[0].coverage(period.since_ms, period.until_ms)
    return coverage(store, dataset, period.since_ms, period.until_ms)


def row_of(rows: Sequence[EventTotals], name: str) -> EventTotals:
    """One event's counts; zeros where it is not there."""
    return next((row for row in rows if row.event_name == name), EventTotals(event_name=name))


def busiest(rows: Sequence[EventTotals], name: str) -> list[EventTotals]:
    """The ROWS events of most actions, and the one named, in the order in which they come."""
    wanted = sorted(rows, key=lambda row: (row.event_name != name, -row.actions, -row.copies))[:ROWS]
    names = {row.event_name for row in wanted}
    return [row for row in rows if row.event_name in names]


def overview(
    period: Period,
    found: Box[Counts],
    covered: Box[list[Coverage]],
    findings: list[KeptFinding],
) -> OverviewView:
    return OverviewView(
        since=time_of_ms(period.since_ms),
        until=time_of_ms(period.until_ms),
        time_zone=period.zone,
        step_s=period.step_s,
        counts=found,
        coverage=covered,
        findings=findings,
    )
