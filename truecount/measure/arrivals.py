"""What arrived between two moments of the log, and what dedup says of it: for a view that follows the doors.

A moment is a frontier: door -> last entry that is visible, as the loader tells (`Store.loaded`). All between two is
there, whole, whatever the clock says: so nothing is missed and nothing comes twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from truecount.datasets import Dataset
from truecount.resolve.actions import Actions
from truecount.resolve.definitions import text_of
from truecount.resolve.scratch import Sql
from truecount.store.client import Store
from truecount.vocabulary import BROWSER_SIDE, DIGEST_KEYS, Mark

from .forms import money, time_of_ms, time_of_us
from .listing import Door

PACKAGE: Final = "truecount.measure"
Frontier = Mapping[str, int]
MOST: Final = 500
"""Copies that are looked at one by one; what goes beyond is counted."""
MOST_TALLIES: Final = 50


class Offset(NamedTuple):
    """Where a copy lies in the log."""

    door: str
    seq: int
    pos: int

    def __str__(self) -> str:
        return f"{self.door}:{self.seq}:{self.pos}"


def offset_of(text: str) -> Offset:
    """Read "door:entry:position". ValueError where it is none."""
    door, seq, pos = [*text.rsplit(":", 2), "", ""][:3]
    if not (door and seq.isdecimal() and pos.isdecimal() and len(seq) < 19 and len(pos) < 10 and len(door) < 100):
        raise ValueError("an action is named by the place of its first copy in the log, door:entry:position")
    return Offset(door, int(seq), int(pos))


class Filter(NamedTuple):
    """Which copies a viewer wants to see; "" lets all pass."""

    code: str = ""
    """Test code."""
    event: str = ""
    """Event name."""
    page: str = ""
    """A part of the page's address."""


EVERYTHING: Final = Filter()


class Arrival(NamedTuple):
    """A copy that arrived."""

    door: str
    seq: int
    pos: int
    received_us: int
    source: str
    event_name: str
    event_id: str
    url: str
    code: str

    @property
    def offset(self) -> Offset:
        return Offset(self.door, self.seq, self.pos)

    def passes(self, wanted: Filter) -> bool:
        """The same question that the SQL answers."""
        return (
            (not wanted.code or self.code == wanted.code)
            and (not wanted.event or self.event_name == wanted.event)
            and (not wanted.page or wanted.page in self.url)
        )


class Tallied(NamedTuple):
    """`n` items that ended alike and were not accepted."""

    door: str
    seq: int
    pos: int
    received_us: int
    source: str
    outcome: str
    reason: str
    n: int
    event_name: str


class SeenCopy(msgspec.Struct, frozen=True):
    """A copy of an action."""

    offset: Offset
    source: str
    received_us: int
    event_id: str
    order_id: str
    url: str
    code: str
    marks: int
    notes: Sequence[str]
    removed: Sequence[str]
    kept: bool
    rule: str
    is_asked: bool
    """It is one of those that were asked for."""

    @property
    def of_browser(self) -> bool:
        return self.source in BROWSER_SIDE


class SeenAction(msgspec.Struct, frozen=True):
    """An action with its copies in log order, or a copy that forms none (`counts` False)."""

    event_name: str
    copies: Sequence[SeenCopy]
    n: int
    """Copies that it has; more than are given here where they are very many."""
    browser_copies: int
    """Of these, those of the browser's side."""
    counts: bool

    @property
    def id(self) -> str:
        """Where its first copy lies: what names it for as long as the log is."""
        return str(self.copies[0].offset)

    @property
    def door(self) -> Door:
        if 0 < self.browser_copies < self.n:
            return "both"
        return "browser_only" if self.browser_copies else "server_only"


def arrivals(
    store: Sql,
    dataset: str,
    after: Frontier,
    upto: Frontier,
    since_us: int,
    wanted: Filter = EVERYTHING,
    limit: int = MOST,
) -> list[Arrival]:
    """The copies between two frontiers, the newest first. `since_us` bounds the time of receipt."""
    params = {**_between(dataset, after, upto, since_us), **wanted._asdict(), "limit": limit}
    return [Arrival(*row) for row in store.query_rows(text_of("arrivals", PACKAGE), params)]


def number_of_arrivals(
    store: Sql, dataset: str, after: Frontier, upto: Frontier, since_us: int, wanted: Filter = EVERYTHING
) -> int:
    """How many they are."""
    params = {**_between(dataset, after, upto, since_us), **wanted._asdict()}
    return int(store.query_rows(text_of("arrivals_number", PACKAGE), params)[0][0])


def tallies(
    store: Sql, dataset: str, after: Frontier, upto: Frontier, since_us: int, event: str = "", limit: int = MOST_TALLIES
) -> list[Tallied]:
    """What was not accepted between two frontiers, the newest first. One whose name is not known passes each filter."""
    params = {**_between(dataset, after, upto, since_us), "event": event, "limit": limit}
    return [Tallied(*row) for row in store.query_rows(text_of("tallies_between", PACKAGE), params)]


def _between(dataset: str, after: Frontier, upto: Frontier, since_us: int) -> dict[str, Any]:
    # An empty door in front: ClickHouse cannot tell the type of an empty array's values.
    return {
        "dataset": dataset,
        "since_us": since_us,
        "after_doors": ["", *after],
        "after_seqs": [0, *after.values()],
        "upto_doors": ["", *upto],
        "upto_seqs": [0, *upto.values()],
    }


def seen(store: Sql, dataset: Dataset, found: Sequence[Arrival], upto: Frontier) -> list[SeenAction]:
    """The actions that hold these copies, as dedup sees them when nothing after `upto` had come. In log order."""
    if not found:
        return []
    with Actions(store, dataset, sorted({one.event_name for one in found}), each=True) as actions:
        # The store may be further by now. What is not yet told of must not show in a row that is.
        actions.params["seqs"] = [
            min(seq, upto.get(door, 0) + 1)
            for door, seq in zip(actions.params["doors"], actions.params["seqs"], strict=True)
        ]
        places = [actions.place(one.received_us, *one.offset) for one in found if one.door in actions.params["doors"]]
        actions.put("targets", "targets_by_place", places=places)
        actions.want_key_b()
        actions.want_places("targets")
        actions.fill(1)
        rows: list[Sequence[Any]] = []
        if actions.resolve():
            actions.keep("verdicts")
            rows = list(actions.rows("seen", PACKAGE))
        # Nearly always all are there: what forms no action is asked for only where some are missing.
        is_all = sum(bool(row[-1]) for row in rows) >= len(found)
        lone = [] if is_all else list(actions.rows("seen_left_out", PACKAGE))
    return sorted([*_grouped(rows, True), *_grouped(lone, False)], key=lambda one: one.copies[-1].received_us)


def _grouped(rows: Sequence[Sequence[Any]], counts: bool) -> list[SeenAction]:
    groups: dict[int, list[Sequence[Any]]] = {}
    for row in rows:
        groups.setdefault(int(row[0]), []).append(row)
    return [
        SeenAction(str(group[0][10]), [_copy(row) for row in group], int(group[0][3]), int(group[0][4]), counts)
        for group in groups.values()
    ]


def _copy(row: Sequence[Any]) -> SeenCopy:
    (
        _,
        kept,
        rule,
        _,
        _,
        door,
        seq,
        pos,
        source,
        received_us,
        _,
        event_id,
        order_id,
        url,
        code,
        marks,
        notes,
        removed,
        asked,
    ) = row
    return SeenCopy(
        offset=Offset(str(door), int(seq), int(pos)),
        source=str(source),
        received_us=int(received_us),
        event_id=str(event_id),
        order_id=str(order_id),
        url=str(url),
        code=str(code),
        marks=int(marks),
        notes=[str(note) for note in notes],
        removed=[str(one) for one in removed],
        kept=bool(kept),
        rule=str(rule),
        is_asked=bool(asked),
    )


def at(store: Sql, dataset: Dataset, offset: Offset) -> Arrival | None:
    """The copy at an offset, with what finds its action. None where there is none."""
    params = {"dataset": dataset.id, "door": offset.door, "seq": offset.seq, "pos": offset.pos}
    rows = store.query_rows(text_of("copy_at", PACKAGE), params)
    return Arrival(*offset, int(rows[0][0]), "", str(rows[0][1]), "", "", "") if rows else None


HIDDEN: Final = frozenset({"dataset", "weak", "imported_us", "door", "seq", "pos", "marks", "notes", "removed"})
"""Columns that are no part of a payload, or are shown in another way."""


class Payload(msgspec.Struct, frozen=True):
    """One copy as it is kept: what is not empty, by the column's name, in the order of the table."""

    offset: Offset
    kept: dict[str, Any]
    marks: list[str]
    notes: list[str]
    removed: list[str]


def payloads(store: Store, dataset: Dataset, copies: Sequence[SeenCopy], event_name: str) -> list[Payload]:
    """Copies with all that is kept of them, in log order."""
    digests = ", ".join(f"arrayMap(digest -> lower(hex(digest)), {name}) as {name}" for name in DIGEST_KEYS)
    sql = (
        f"SELECT * REPLACE ({digests}) FROM copies WHERE dataset = {{dataset:String}} "
        "AND event_name = {name:String} AND received_us >= {from_us:Int64} AND received_us <= {to_us:Int64} "
        "AND (toString(door), seq, pos) IN (SELECT arrayJoin(arrayZip("
        "{doors:Array(String)}, {seqs:Array(UInt64)}, {poss:Array(UInt32)}))) ORDER BY received_us, door, seq, pos"
    )
    params = {
        "dataset": dataset.id,
        "name": event_name,
        "from_us": min(one.received_us for one in copies),
        "to_us": max(one.received_us for one in copies),
        "doors": [one.offset.door for one in copies],
        "seqs": [one.offset.seq for one in copies],
        "poss": [one.offset.pos for one in copies],
    }
    lines = store.query_raw(sql, params).split(b"\n")  # no line end stands in a line: JSON escapes it
    return [_payload(msgspec.json.decode(line)) for line in lines if line]


def _payload(row: dict[str, Any]) -> Payload:
    kept = {name: value for name, value in row.items() if name not in HIDDEN and value not in ("", [], {}, None)}
    if not row["original_time_ms"]:
        kept.pop("original_time_ms", None)
    if "value_e4" in kept:
        kept["value_e4"] = money(int(kept["value_e4"]))
    for name in ("event_time_ms", "original_time_ms"):
        if name in kept:
            kept[name] = time_of_ms(int(kept[name]))
    kept["received_us"] = time_of_us(int(row["received_us"]))
    return Payload(
        offset=Offset(str(row["door"]), int(row["seq"]), int(row["pos"])),
        kept=kept,
        marks=marks_of(int(row["marks"])),
        notes=list(row["notes"]),
        removed=list(row["removed"]),
    )


def marks_of(marks: int) -> list[str]:
    """The names of marks."""
    return [str(mark.name).lower() for mark in Mark if mark & marks]
