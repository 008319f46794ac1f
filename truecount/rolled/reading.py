"""Reading rolled-up counts: what `events`, `buckets`, `coverage` and `event_sums` say, of the moment they are of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple, TypeVar

from truecount.datasets import Dataset
from truecount.measure.buckets import Bucket
from truecount.measure.coverage import KEYS, Coverage
from truecount.measure.event_sums import CAUSES, Cause, EventSums, by_rule
from truecount.measure.events import EventTotals
from truecount.measure.forms import money, time_of_ms, time_of_us
from truecount.measure.listing import DOORS, Door
from truecount.measure.refused import numbers_refused
from truecount.resolve.actions import AMENDMENT
from truecount.resolve.definitions import text_of
from truecount.resolve.scratch import Sql

from .basis import MINUTE_MS, PACKAGE, QUARTER_MS, Generation, generation_of

TRIES: Final = 5
T = TypeVar("T")


class Row(NamedTuple):
    """A row of read.sql; the columns of `rolled`."""

    kind: str
    edge: int
    event_name: str
    group: int
    door: int
    word: str
    rule: str
    n: int
    copies: int
    browser_copies: int
    limited: int
    value_e4: int
    left_out: int
    bots: int
    tools: int
    keys: tuple[int, ...]
    """In the order of KEYS."""
    strong: int
    event_id: int
    first_ms: int
    last_ms: int
    last_us: int


class Gone(Exception):
    """There are no rolled-up counts of this dataset, or not of these periods."""


def fits(edges: Iterable[int]) -> bool:
    """Whether periods with these edges, in ms, can be read from minutes."""
    return all(edge % MINUTE_MS == 0 for edge in edges)


class Rolled:
    """What a dataset's counts were at one moment, for any number of questions.

    `edges` bound the periods that are asked for, ascending, in ms since 1970 and whole minutes. Gone where there is
    nothing to read. Each question is of one moment, and `moment` is that of the last; `together` has several be of one.
    """

    def __init__(self, store: Sql, dataset: Dataset) -> None:
        found = generation_of(store, dataset)
        if found is None:
            raise Gone
        self._store, self._dataset, self._found = store, dataset, found
        self._moments: list[Generation] = []

    @property
    def moment(self) -> dict[str, int]:
        return self._found.moment

    @property
    def generation(self) -> int:
        return self._found.number

    def rows(self, edges: Sequence[int], kinds: Sequence[str], names: Sequence[str] | None = None) -> list[Row]:
        """Sums of these kinds in the buckets between the edges."""
        if not fits(edges):
            raise Gone
        long, short = _ranges(edges)
        for _ in range(TRIES):
            found = [
                _row(*row)
                for row in self._store.query_rows(
                    text_of("read", PACKAGE),
                    {
                        "dataset": self._dataset.id,
                        "generation": self._found.number,
                        "kinds": list(kinds),
                        "all_names": int(names is None),
                        "names": list(names or ()),
                        "edges": list(edges[:-1]),
                        "since_ms": edges[0],
                        "until_ms": edges[-1],
                        "long_from": [a for a, _ in long],
                        "long_until": [b for _, b in long],
                        "short_from": [a for a, _ in short],
                        "short_until": [b for _, b in short],
                    },
                )
            ]
            if any(row.kind == "basis" for row in found):
                moment = {row.word: row.n for row in found if row.kind == "moment"}
                self._found = Generation(self._found.number, moment)
                self._moments.append(self._found)
                return [row for row in found if row.kind not in ("moment", "basis")]
            # A new generation took this one's place between two questions.
            there = generation_of(self._store, self._dataset)
            if there is None:
                break
            self._found = there
        raise Gone

    def together(self, count: Callable[[], T]) -> T:
        """What `count` makes of several questions, all of one moment. Gone where the counts go forward each time."""
        for _ in range(TRIES):
            self._moments = []
            made = count()
            if all(one == self._moments[0] for one in self._moments):
                return made
        raise Gone

    def totals(self, edges: Sequence[int]) -> list[list[EventTotals]]:
        """For each period between two edges: the counts of each event, by name."""
        rows = self.rows(edges, ("action", "amended", "copy"))
        refused = numbers_refused(self._store, self._dataset, [edge * 1000 for edge in edges])
        return [
            totals_of([row for row in rows if row.edge == since], refused_then)
            for since, refused_then in zip(edges[:-1], refused, strict=True)
        ]

    def coverage(self, since_ms: int, until_ms: int) -> list[Coverage]:
        """Coverage of the copies whose event time lies in [since, until), by name."""
        by_name: dict[str, list[Row]] = {}
        for row in self.rows([since_ms, until_ms], ("copy",)):
            by_name.setdefault(row.event_name, []).append(row)
        return [
            Coverage(
                event_name=name,
                copies=sum(row.n for row in rows),
                keys={key: sum(row.keys[at] for row in rows) for at, key in enumerate(KEYS)},
                strong=sum(row.strong for row in rows),
                event_id=sum(row.event_id for row in rows),
                last_received=time_of_us(max(row.last_us for row in rows)),
            )
            for name, rows in sorted(by_name.items())
        ]

    def buckets(self, edges: Sequence[int], event_name: str) -> list[Bucket]:
        """Actions of one event in the buckets that the edges bound; those without actions are left out."""
        by_edge: dict[int, list[Row]] = {}
        for row in self.rows(edges, ("action",), [event_name]):
            if row.n:
                by_edge.setdefault(row.edge, []).append(row)
        return [
            Bucket(
                event_name=event_name,
                since=time_of_ms(edge),
                actions=sum(row.n for row in rows),
                both=_of_door(rows, "both"),
                server_only=_of_door(rows, "server_only"),
                browser_only=_of_door(rows, "browser_only"),
                value=_value(rows),
            )
            for edge, rows in sorted(by_edge.items())
        ]

    def event_sums(self, event_name: str, since_ms: int, until_ms: int) -> EventSums:
        """The actions of one event in [since, until), and the copies that dedup removed, by cause and rule."""
        rows = self.rows([since_ms, until_ms], ("action", "removed", "amended", "copy"), [event_name])
        told = EventSums(event_name=event_name)
        [refused] = numbers_refused(self._store, self._dataset, [since_ms * 1000, until_ms * 1000])
        told.refused = refused.get(event_name, 0)
        received = [row for row in rows if row.kind == "copy"]
        if received:
            told.first_time = time_of_ms(min(row.first_ms for row in received))
            told.last_time = time_of_ms(max(row.last_ms for row in received))
        if event_name == AMENDMENT:
            amended = [row for row in rows if row.kind == "amended"]
            told.left_out = sum(row.left_out for row in amended)
            told.copies = sum(row.n for row in amended) - told.left_out
            return told
        actions = [row for row in rows if row.kind == "action"]
        told.left_out = sum(row.left_out for row in received)
        told.actions = sum(row.n for row in actions)
        told.copies = sum(row.copies for row in actions)
        told.browser_copies = sum(row.browser_copies for row in actions)
        told.server_copies = told.copies - told.browser_copies
        told.removed = told.copies - told.actions
        told.both = _of_door(actions, "both")
        told.server_only = _of_door(actions, "server_only")
        told.browser_only = _of_door(actions, "browser_only")
        told.value = _value(actions)
        removed: dict[tuple[int, Cause], int] = {}
        for row in actions:
            for cause, n in _removed_by(row).items():
                removed[row.group, cause] = removed.get((row.group, cause), 0) + n
        pooled = [(row.group, row.word, row.rule, row.n) for row in rows if row.kind == "removed"]
        told.duplicates = by_rule(removed, pooled)
        return told


def totals_of(rows: Sequence[Row], refused: Mapping[str, int]) -> list[EventTotals]:
    """The counts of each event, by name. Names without a copy or a refused item are left out."""
    by_name: dict[str, list[Row]] = {name: [] for name in refused}
    for row in rows:
        by_name.setdefault(row.event_name, []).append(row)
    found = []
    for name, all_of in sorted(by_name.items()):
        actions = [row for row in all_of if row.kind == "action"]
        received = [row for row in all_of if row.kind == "copy" and name != AMENDMENT]
        amended = [row for row in all_of if row.kind == "amended"]
        left_out = sum(row.left_out for row in (*received, *amended))
        one = EventTotals(
            event_name=name,
            copies=sum(row.copies for row in actions)
            + sum(row.left_out for row in received)
            + sum(row.n for row in amended),
            actions=sum(row.n for row in actions),
            browser_only=_of_door(actions, "browser_only"),
            server_only=_of_door(actions, "server_only"),
            both=_of_door(actions, "both"),
            value=_value(actions),
            refused=refused.get(name, 0),
            left_out=left_out,
            limited=sum(row.limited for row in actions),
            bots=sum(row.bots for row in received),
            tools=sum(row.tools for row in received),
        )
        if one.copies or one.refused:
            found.append(one)
    return found


def _of_door(rows: Iterable[Row], door: Door) -> int:
    return sum(row.n for row in rows if row.door == DOORS[door])


def _value(rows: Iterable[Row]) -> dict[str, str]:
    value_e4: dict[str, int] = {}
    for row in rows:
        if row.word and row.n:
            value_e4[row.word] = value_e4.get(row.word, 0) + row.value_e4
    return {currency: money(total) for currency, total in sorted(value_e4.items())}


def _removed_by(row: Row) -> dict[Cause, int]:
    """Copies that the actions of a row removed, by cause."""
    both = row.n if row.door == DOORS["both"] else 0
    server_copies = row.copies - row.browser_copies
    other, browser, server = CAUSES
    return {
        other: both,
        browser: row.browser_copies - (row.n if row.door != DOORS["server_only"] else 0),
        server: server_copies - (row.n if row.door != DOORS["browser_only"] else 0),
    }


def _row(*row: Any) -> Row:
    kind, edge, name, group, door, word, rule, *numbers = row
    n, copies, browser_copies, limited, value_e4, left_out, bots, tools, *more = map(int, numbers)
    *keys, strong, event_id, first_ms, last_ms, last_us = more
    return Row(
        kind=str(kind), edge=int(edge), event_name=str(name), group=int(group), door=int(door), word=str(word),
        rule=str(rule), n=n, copies=copies, browser_copies=browser_copies, limited=limited, value_e4=value_e4,
        left_out=left_out, bots=bots, tools=tools, keys=tuple(keys), strong=strong, event_id=event_id,
        first_ms=first_ms, last_ms=last_ms, last_us=last_us,
    )  # fmt: skip


def _ranges(edges: Sequence[int]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Which times to read as quarters of an hour, and which as minutes, so that no bucket lies across an edge."""
    long: list[tuple[int, int]] = []
    short: list[tuple[int, int]] = []
    for since, until in pairwise(edges):
        first = min(-(-since // QUARTER_MS) * QUARTER_MS, until)
        last = max(until // QUARTER_MS * QUARTER_MS, first)
        for a, b, into in ((since, first, short), (first, last, long), (last, until, short)):
            if a >= b:
                continue
            if into and into[-1][1] == a:
                into[-1] = (into[-1][0], b)
            else:
                into.append((a, b))
    return long, short
