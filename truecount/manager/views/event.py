"""Event: is this one healthy? One event name in a period: its count, what was removed, and what its copies carry."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final, Literal, NamedTuple

import msgspec

from truecount.datasets import Dataset
from truecount.manager.boxes import Box, Question, ask
from truecount.manager.ranges import Period
from truecount.manager.recorded import Recorded, Statement
from truecount.manager.shared import Manager
from truecount.manager.views.changes import ChangeMark
from truecount.manager.views.overview import bars
from truecount.measure.buckets import Bucket
from truecount.measure.event_copies import (
    DELAYS_MS,
    SOURCES,
    Delays,
    MatchKeys,
    NewestCopy,
    Parameters,
    delays,
    match_keys,
    newest,
    parameters,
)
from truecount.measure.event_sums import EventSums, event_sums
from truecount.measure.forms import time_of_ms, time_of_us
from truecount.measure.settled import Moved, until_settled
from truecount.resolve.actions import AMENDMENT, Moment, moment_of
from truecount.resolve.scratch import Sql
from truecount.rolled.reading import Gone, fits

Table = Literal["bars", "duplicates", "delays", "parameters", "match-keys", "newest"]
DELAY_WORDS: Final = (
    "Dated after its receipt",
    "Under 1 s",
    "1 to 5 s",
    "5 to 30 s",
    "30 s to 5 min",
    "5 min to 1 h",
    "1 h to 1 day",
    "1 day or more",
)
"""What the buckets of delays are called: one for each of DELAYS_MS."""


class Counted(msgspec.Struct):
    """Sums and bars, of one moment of the log."""

    as_of: str
    """All that the store had then is counted."""
    sums: EventSums
    buckets: list[Bucket]


class EventView(msgspec.Struct, kw_only=True):
    """The page of one event name. Times are UTC. `statements` are those that were asked for it, box by box."""

    event_name: str
    since: str
    until: str
    time_zone: str
    step_s: int
    counts: Box[Counted]
    delays: Box[list[Delays]]
    parameters: Box[Parameters]
    match_keys: Box[MatchKeys]
    newest: Box[list[NewestCopy]]
    statements: list[Statement]
    changes: list[ChangeMark] = []
    """Settings that were changed in the period, the oldest first."""

    @property
    def is_amendment(self) -> bool:
        return self.event_name == AMENDMENT


class Answer(NamedTuple):
    """A page with the period that its bars are of: an answer that is kept has that of its making."""

    view: EventView
    period: Period

    @property
    def is_whole(self) -> bool:
        view = self.view
        return all(box.is_there for box in (view.counts, view.delays, view.parameters, view.match_keys, view.newest))


async def event(manager: Manager, dataset: Dataset, name: str, period: Period) -> Answer:
    """Ask all there is to know of one event name, each box by itself."""
    since_ms, until_ms = period.since_ms, period.until_ms

    def counted(store: Sql) -> Counted:
        if fits(period.cuts()) and (found := manager.rolling.of(dataset, store)):
            rolled, as_of_us = found
            with suppress(Gone):  # between two looks
                sums, found_bars = rolled.together(
                    lambda: (rolled.event_sums(name, since_ms, until_ms), rolled.buckets(period.cuts(), name))
                )
                return Counted(time_of_us(as_of_us), sums, found_bars)

        def at(moment: Moment | None) -> Counted:
            as_of_us = time.time_ns() // 1000
            moment = moment or moment_of(store, dataset)
            sums = event_sums(store, dataset, name, since_ms, until_ms, moment)
            found = bars(store, dataset, period, name, moment)
            if sums.actions != sum(bar.actions for bar in found):
                raise Moved
            return Counted(time_of_us(as_of_us), sums, found)

        return until_settled(store, dataset, None, at)

    questions: dict[str, Callable[[Sql], Any]] = {
        "counts": counted,
        "delays": lambda store: delays(store, dataset, name, since_ms, until_ms),
        "parameters": lambda store: parameters(store, dataset, name, since_ms, until_ms),
        "match_keys": lambda store: match_keys(store, dataset, name, since_ms, until_ms),
        "newest": lambda store: newest(store, dataset, name, since_ms, until_ms),
    }
    statements: dict[str, list[Statement]] = {}

    def noting(box: str, question: Callable[[Sql], Any]) -> Question:
        def work(store: Sql) -> Any:
            recorded = Recorded(store, box)
            statements[box] = recorded.statements  # of the last try, where the engine had to be asked again
            return question(recorded)

        return work

    found: dict[str, Any] = await ask(manager, {box: noting(box, question) for box, question in questions.items()})
    view = EventView(
        event_name=name,
        since=time_of_ms(since_ms),
        until=time_of_ms(until_ms),
        time_zone=period.zone,
        step_s=period.step_s,
        statements=[one for box in questions for one in tuple(statements.get(box, ()))],
        **found,
    )
    return Answer(view, period)


def sources_of(*of_each: Iterable[str]) -> list[str]:
    """The sources of some tables, in the order of the vocabulary."""
    found = {source for one in of_each for source in one}
    return [source for source in SOURCES if source in found]


def problem_of(view: EventView, which: Table) -> str | None:
    """Why a table is not there; None where its question was answered."""
    box: Box[Any]
    match which:
        case "bars" | "duplicates":
            box = view.counts
        case "match-keys":
            box = view.match_keys
        case "delays" | "parameters" | "newest":
            box = getattr(view, which)
    return None if box.is_there else box.problem or ""


def table(view: EventView, which: Table) -> tuple[Sequence[str], list[Sequence[object]]]:
    """One table of the page: its columns and rows. Only where `problem_of` finds none."""
    match which:
        case "bars":
            found = view.counts.data.buckets if view.counts.data else []
            return ("since", "actions", "both", "server_only", "browser_only"), [
                (one.since, one.actions, one.both, one.server_only, one.browser_only) for one in found
            ]
        case "duplicates":
            removed = view.counts.data.sums.duplicates if view.counts.data else []
            return ("cause", "rule", "copies"), [(one.cause, one.rule, one.copies) for one in removed]
        case "delays":
            return ("source", "from_ms", "copies", "of_copies"), [
                (one.source, edge if at else "", n, one.copies)
                for one in view.delays.data or []
                for at, (edge, n) in enumerate(zip(DELAYS_MS, one.buckets, strict=True))
            ]
        case "parameters":
            told = view.parameters.data or Parameters(copies={}, one_in=1, parameters=[], more=0)
            return ("place", "name", "source", "copies", "of_copies", "empty", "word", "text_among_numbers"), [
                (
                    one.place,
                    one.name,
                    source,
                    has.copies,
                    told.copies.get(source, has.copies),
                    has.empty,
                    has.word,
                    has.text_among_numbers,
                )
                for one in told.parameters
                for source, has in one.by_source.items()
            ]
        case "match-keys":
            keys = view.match_keys.data or MatchKeys(copies={}, strong={}, keys=[])
            return ("name", "source", "copies", "of_copies"), [
                (one.name, source, n, keys.copies[source]) for one in keys.keys for source, n in one.by_source.items()
            ]
        case "newest":
            return NewestCopy.__struct_fields__, [msgspec.structs.astuple(one) for one in view.newest.data or []]
