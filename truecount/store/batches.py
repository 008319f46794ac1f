"""Batches: rows of entries into the tables, each exactly once, whatever fails on the way.

A batch is written down (table batches: which entries) before its rows are inserted. An insert may end half done: the
process is killed, the disk is full. So whenever it is not known how one ended, what is there of the batch is looked up
by offset, and what is missing is inserted. It is done when its rows were counted.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec
import numpy as np

from truecount.log.entries import Stored

from .columns import Part, parts_at, stream_of, table_of
from .deletion import Deletions
from .errors import QueryFailed
from .sift import Rows, copy_aside, halves, rows_of

if TYPE_CHECKING:
    import pyarrow as pa

WAITS_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Pauses before a batch that failed is tried again; the last one is repeated."""
TRIES: Final = 3
"""So often a batch fails for an unknown reason before it is searched for the copy at fault."""

LATER: Final = frozenset({3, 74, 75, 76, 159, 164, 202, 203, 209, 210, 236, 241, 243, 252, 319, 394, 439, 999})
"""ClickHouse codes that say nothing of the data: disk, memory, time, parts, network. Wait, then try again."""
SCHEMA: Final = frozenset({16, 47, 60, 62, 81, 115, 218, 497})
"""Codes that say the tables are not as they should be. No copy is at fault: wait for a person, or a restart."""
TABLES: Final = ("copies", "tallies", "settings", "set_aside")
INSERT_SETTINGS: Final = {
    "max_partitions_per_insert_block": "0",
    "max_execution_time": "600",
    "max_insert_block_size": "1048576",
    "min_insert_block_size_rows": "0",
    "min_insert_block_size_bytes": "0",
    "input_format_parallel_parsing": "0",
}


class Tables(Protocol):
    """What the loader needs of an engine: the embedded one, or a client of another. QueryFailed, StoreDown."""

    def rows(self, sql: str) -> list[list[Any]]: ...
    def command(self, sql: str) -> None: ...
    def insert(self, into: str, form: str, data: bytes, settings: Mapping[str, str]) -> int: ...


class Stopped(Exception):
    """The loader was asked to stop while it waited."""


class Batches:
    """Puts batches into tables. `stopping` ends its waiting: Stopped is raised then."""

    def __init__(self, tables: Tables, stopping: threading.Event) -> None:
        self._tables = tables
        self._stopping = stopping
        self.deletions = Deletions()
        self.totals: dict[str, int] = {}
        self.error = ""

    def read(self) -> list[tuple[str, int, int, int]]:
        """Each door's last batch: door, number, first and last entry."""
        self.totals = self._count_all()
        found = self._tables.rows("SELECT door, batch, first_seq, last_seq FROM batches FINAL ORDER BY door")
        return [(str(door), int(batch), int(first), int(last)) for door, batch, first, last in found]

    def write_down(self, number: int, entries: Sequence[Stored]) -> None:
        """Note which entries a batch holds. Its number is new, so a repetition of a note is the same note."""
        noted: dict[str, dict[str, Any]] = {}
        for entry in entries:
            first = {"door": entry.door, "batch": number, "first_seq": entry.seq, "items": 0}
            note = noted.setdefault(entry.door, first)
            note["last_seq"] = entry.seq
            note["items"] += entry.n

        def attempt() -> None:
            self._insert_json("batches", list(noted.values()))
            there = self._tables.rows(f"SELECT uniqExact(door) FROM batches WHERE batch = {number}")
            if int(there[0][0]) != len(noted):
                raise QueryFailed("a batch was noted, and the note is not there", 243)

        self._persist(attempt)

    def load(self, entries: Sequence[Stored], *, fresh: bool) -> None:
        """Put the rows of entries into the tables, whatever it takes. Returns when they were counted."""
        rows = rows_of(entries)
        self.deletions.drop(rows)
        spans = _spans(entries)
        known = fresh

        def attempt() -> None:
            nonlocal known
            before = dict(self.totals)
            left = rows if known else self._missing(rows, spans)
            known = False
            self._insert(left)
            self._check(rows, left, before, spans)

        self._persist(attempt, lambda: self._search(rows, spans))
        taken = False

        def delete() -> None:
            nonlocal taken
            taken = self.deletions.apply(self._tables, rows)

        if any(row["deleted"] for row in rows.settings):
            self._persist(delete)
            if taken:
                self.totals = self._count_all()

    def _persist(self, attempt: Callable[[], None], search: Callable[[], None] | None = None) -> None:
        """Do it until it is done. `search` is tried too when the reason may lie in the data."""
        failed = 0
        suspicious = 0
        while True:
            try:
                attempt()
                break
            except QueryFailed as error:
                self.note(error)
                if error.code not in LATER and error.code not in SCHEMA:
                    suspicious += 1
                if search and suspicious >= TRIES:
                    suspicious = 0
                    try:
                        search()
                    except QueryFailed as again:
                        self.note(again)
            if self._stopping.wait(WAITS_S[min(failed, len(WAITS_S) - 1)]):
                raise Stopped
            failed += 1
        self.error = ""

    def _insert(self, rows: Rows) -> None:
        if rows.parts:
            self._insert_parts(rows.parts, rows.table)
        if rows.tallies:
            self._insert_json("tallies", rows.tallies)
        if rows.settings:
            self._insert_json("settings", rows.settings)
        if rows.aside:
            self._insert_json("set_aside", [msgspec.structs.asdict(row) for row in rows.aside])

    def _insert_parts(self, parts: Sequence[Part], table: pa.Table | None = None) -> None:
        table = table_of(parts) if table is None else table
        names = ", ".join(table.column_names)
        self._tables.insert(f"copies ({names})", "ArrowStream", stream_of(table), INSERT_SETTINGS)

    def _insert_json(self, table: str, rows: Sequence[dict[str, Any]]) -> None:
        data = b"\n".join(map(msgspec.json.encode, rows))
        self._tables.insert(table, "JSONEachRow", data, INSERT_SETTINGS)

    def _search(self, rows: Rows, spans: _Spans) -> None:
        """Find the copies that the engine does not take, and set them aside. Others are inserted on the way."""

        def use(parts: list[Part]) -> list[Part]:
            missing = self._missing(Rows(parts, [], [], []), spans).parts
            if not missing:
                return parts
            try:
                self._insert_parts(missing)
                return parts
            except QueryFailed as error:
                if error.code in LATER or error.code in SCHEMA:
                    raise
                if sum(part.n for part in parts) == 1:
                    rows.aside.append(copy_aside(parts[0], f"the store does not take it (code {error.code})"))
                    return []
            first, second = halves(parts)
            return use(first) + use(second)

        if rows.parts:
            rows.parts, rows.table = use(rows.parts), None

    def _missing(self, rows: Rows, spans: _Spans) -> Rows:
        """The rows that are not in the tables yet."""
        left = Rows([], [], [], [])
        if rows.parts:
            there = self._places("copies", spans)
            for part in rows.parts:
                left.parts += _without(part, there.get((part.door, part.seq), ()))
        for name in ("tallies", "settings"):
            wanted = getattr(rows, name)
            if wanted:
                there = self._places(name, spans)
                setattr(left, name, [r for r in wanted if r["pos"] not in there.get((r["door"], r["seq"]), ())])
        if rows.aside:
            there = self._places("set_aside", spans)
            left.aside = [r for r in rows.aside if r.pos not in there.get((r.door, r.seq), ())]
        return left

    def _places(self, table: str, spans: _Spans) -> dict[tuple[str, int], set[int]]:
        found = self._tables.rows(
            f"SELECT door, seq, groupArray(pos) FROM {table} WHERE {spans.where()} GROUP BY door, seq"
        )
        return {(str(door), int(seq)): set(map(int, places)) for door, seq, places in found}

    def _check(self, rows: Rows, left: Rows, before: dict[str, int], spans: _Spans) -> None:
        """Count what was inserted: on a full disk the engine can say done, and nothing is there.

        Comparing the tables' totals costs no reading. When they do not fit (a mutation ran, or rows are lost), the
        batch itself is counted.
        """
        after = self._count_all()
        grown = {
            "copies": left.n_copies,
            "tallies": len(left.tallies),
            "settings": len(left.settings),
            "set_aside": len(left.aside),
        }
        if any(after[table] - before.get(table, 0) != n for table, n in grown.items()):
            wanted = {
                "copies": rows.n_copies,
                "tallies": len(rows.tallies),
                "settings": len(rows.settings),
                "set_aside": len(rows.aside),
            }
            for table, n in wanted.items():
                # Of what a deletion further on covers, rows may still be there.
                covered = self.deletions.where(table)
                counted = self._tables.rows(f"SELECT count() FROM {table} WHERE {spans.where()} AND NOT {covered}")
                if int(counted[0][0]) != n:
                    raise QueryFailed(f"{n} rows were inserted into {table}, {counted[0][0]} are there", 243)
        self.totals = after

    def _count_all(self) -> dict[str, int]:
        found = self._tables.rows(
            "SELECT name, total_rows FROM system.tables WHERE database = currentDatabase() "
            f"AND name IN ({', '.join(map(repr, TABLES))})"
        )
        return {str(name): int(total or 0) for name, total in found}

    def note(self, error: Exception) -> None:
        """Remember an error, and say it once."""
        text = f"{type(error).__name__}: {error}"[:1000]
        if isinstance(error, QueryFailed) and error.code not in LATER and error.code not in SCHEMA:
            # ClickHouse's words on wrong data show the data.
            text = f"{type(error).__name__}: the store does not take a batch (code {error.code})"
        if text != self.error:
            self.error = text
            say(text)


def say(text: str) -> None:
    """A line on stderr. Nothing that a full disk does to it may stop the loader."""
    try:
        print(f"loader: {text}", file=sys.stderr, flush=True)
    except (OSError, ValueError):
        pass


class _Spans(msgspec.Struct, frozen=True):
    """Which entries a batch holds: first and last sequence number of each door."""

    doors: tuple[tuple[str, int, int], ...]

    def where(self) -> str:
        return "(" + " OR ".join(
            f"(door = '{door}' AND seq BETWEEN {first} AND {last})" for door, first, last in self.doors
        ) + ")"  # fmt: skip


def _spans(entries: Sequence[Stored]) -> _Spans:
    spans: dict[str, tuple[int, int]] = {}
    for entry in entries:
        first, _ = spans.get(entry.door, (entry.seq, 0))
        spans[entry.door] = (first, entry.seq)
    return _Spans(tuple((door, first, last) for door, (first, last) in spans.items()))


def _without(part: Part, there: Sequence[int] | set[int]) -> list[Part]:
    """A part without the places that are there, as parts of places that follow each other."""
    if not there:
        return [part]
    return parts_at(part, ~np.isin(np.arange(part.pos, part.pos + part.n), np.fromiter(there, np.int64, len(there))))
