"""The loader: entries of the log into the store, each exactly once, in batches.

A batch is written down (table batches: which entries) before its rows are inserted. An insert may end half done: the
process is killed, the disk is full. So whenever it is not known how one ended, what is there of a door's last batch is
looked up by offset, and what is missing is inserted. Earlier batches are whole: the next one is written down only after
the rows of this one were counted.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import msgspec
import numpy as np

from truecount.log.entries import Kind, Stored, dataset_of
from truecount.log.errors import LogError

from .columns import Part, slice_part, stream_of, table_of
from .deletion import Deletions
from .errors import QueryFailed, StoreRefused
from .sift import Rows, copy_aside, halves, rows_of

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
BATCH_ROWS: Final = 50_000
PAUSE_S: Final = 0.2
"""Time between two batches when little comes."""
READ_BYTES: Final = 8 * 1024 * 1024
WAITS_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Pauses before a batch that failed is tried again; the last one is repeated."""
HOLD_S: Final = 5.0
"""A door whose log cannot be read is tried again after so long."""
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


class Log(Protocol):
    """What the loader needs of a log."""

    def doors(self) -> list[str]: ...
    def read(self, door: str, after_seq: int = 0, limit_bytes: int = READ_BYTES) -> list[Stored]: ...
    def last_seq(self, door: str) -> int: ...


class LoaderState(msgspec.Struct, frozen=True):
    """How far the loader is. `lag_us`: all that was in the log so long ago is visible now."""

    doors: dict[str, int]
    lag_us: int
    set_aside: int
    copies: int
    batches: int
    recovered: bool
    caught_up: bool
    error: str


class Loader:
    """Loads a log into an engine, in a thread of its own (`start`, `stop`) or step by step (`recover`, `step`)."""

    def __init__(
        self,
        engine: Tables,
        log: Log,
        *,
        pause_s: float = PAUSE_S,
        batch_rows: int = BATCH_ROWS,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._engine = engine
        self._log = log
        self._pause_s = pause_s
        self._batch_rows = batch_rows
        self._clock = clock
        self._positions: dict[str, int] = {}
        self._read: dict[str, int] = {}
        self._ahead: dict[str, deque[Stored]] = {}
        self._deletions = Deletions(engine)
        self._batch = 0
        self._totals: dict[str, int] = {}
        self._current_us = clock() // 1000
        self._more = False
        self._caught_up = False
        self._recovered = False
        self._error = ""
        self._held: dict[str, float] = {}
        self._troubles: dict[str, str] = {}
        self._said: dict[str, str] = {}
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    # What others ask

    def state(self) -> LoaderState:
        """A picture of now."""
        with self._changed:
            return LoaderState(
                dict(self._positions),
                max(0, self._clock() // 1000 - self._current_us),
                self._totals.get("set_aside", 0),
                self._totals.get("copies", 0),
                self._batch,
                self._recovered,
                self._caught_up,
                self._error or next(iter(self._troubles.values()), ""),
            )

    def wait(self, needed: Mapping[str, int], timeout_s: float) -> bool:
        """Wait until each door named is loaded so far; nothing needed: until all is loaded that is there now."""
        self._wake.set()
        asked_us = self._clock() // 1000

        def there() -> bool:
            if not needed:
                return self._recovered and self._caught_up and self._current_us >= asked_us
            return self._recovered and all(self._positions.get(door, 0) >= seq for door, seq in needed.items())

        with self._changed:
            return self._changed.wait_for(there, timeout_s)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="loader", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Let the batch at hand end, at most so long. What is not loaded then is loaded at the next start."""
        self._stopping.set()
        self._wake.set()
        if self._thread:
            self._thread.join(timeout_s)

    # One step

    def recover(self) -> None:
        """Find out how far the store is, and fill in what is missing of each door's last batch.

        StoreRefused when the store is ahead of the log. A door whose log cannot be read is held back, the others go on.
        """
        found = [
            (str(door), int(batch), int(first), int(last))
            for door, batch, first, last in self._engine.rows(
                "SELECT door, batch, first_seq, last_seq FROM batches FINAL ORDER BY door"
            )
        ]
        self._held.clear()
        self._troubles.clear()
        for door, _, _, last in found:
            # Else entries that get these numbers again would be taken for loaded ones, without a word.
            there = self._readable(door, lambda door=door: self._log.last_seq(door))  # type: ignore[misc]
            if there is not None and there < last:
                raise StoreRefused(
                    f"the store holds entries up to {last} of door {door}, the log ends at {there}: put the missing "
                    "files of the log back, or delete the store folder, and it is rebuilt without them"
                )
        self._totals = self._count_all()
        self._ahead.clear()
        self._deletions.read()
        self._batch = max((batch for _, batch, _, _ in found), default=0)
        entries: list[Stored] = []
        for door, _, first, last in found:
            if door not in self._held:
                entries += self._readable(door, lambda span=(door, first, last): self._entries_between(*span)) or []  # type: ignore[misc]
        if entries:
            self._load(entries, fresh=False)
        with self._changed:
            self._positions = {door: last for door, _, _, last in found}
            self._read = dict(self._positions)
            self._recovered = True
            self._changed.notify_all()

    def step(self) -> int:
        """Load one batch. Returns the number of items in it; 0 when nothing is there."""
        if any(time.monotonic() - since > HOLD_S for since in self._held.values()):
            self.recover()
        looked_us = self._clock() // 1000
        entries, self._more = self._gather()
        items = sum(entry.n for entry in entries)
        if entries:
            ranges: dict[str, list[int]] = {}
            for entry in entries:
                ranges.setdefault(entry.door, [entry.seq, entry.seq, 0])
                ranges[entry.door][1] = entry.seq
                ranges[entry.door][2] += entry.n
            self._batch += 1
            noted = [
                {"door": door, "batch": self._batch, "first_seq": first, "last_seq": last, "items": n}
                for door, (first, last, n) in ranges.items()
            ]
            self._persist(lambda: self._note_batch(noted))
            self._load(entries, fresh=True)
        with self._changed:
            for entry in entries:
                self._positions[entry.door] = entry.seq
            self._caught_up = not self._more and not self._troubles
            if self._caught_up:
                self._current_us = looked_us
            self._changed.notify_all()
        return items

    # The thread

    def _run(self) -> None:
        failed = 0
        while not self._stopping.is_set():
            try:
                began = time.monotonic()
                if not self._recovered:
                    self.recover()
                self.step()
                failed = 0
                pause = 0.0 if self._more else max(0.0, began + self._pause_s - time.monotonic())
            except _Stopped:
                return
            except Exception as error:
                # Whatever it was, what is in the store is not known any more: recover finds out, and goes on.
                self._note(error)
                self._recovered = False
                pause = WAITS_S[min(failed, len(WAITS_S) - 1)]
                failed += 1
            if pause:
                self._wake.wait(pause)
                self._wake.clear()

    def _gather(self) -> tuple[list[Stored], bool]:
        """The next entries of all doors, at most a batch of them; whether more are there."""
        chosen: list[Stored] = []
        room = self._batch_rows
        more = False
        doors = self._log.doors()
        turn = self._batch % len(doors) if doors else 0
        for door in (
            doors[turn:] + doors[:turn]
        ):  # another one first each time: a backlog of one delays no other for long
            if door in self._held:
                continue
            ahead = self._ahead.setdefault(door, deque())
            while room > 0:
                if not ahead:
                    after = self._read.get(door, 0)
                    read = lambda door=door, after=after: self._log.read(door, after, READ_BYTES)  # noqa: E731
                    ahead.extend(self._readable(door, read) or ())
                    if not ahead:
                        break
                    self._read[door] = ahead[-1].seq
                entry = ahead.popleft()
                chosen.append(entry)
                room -= entry.n
                if entry.kind == Kind.SETTINGS and _deletes(entry):
                    room = 0  # what comes behind it in the log may be of a new dataset of the same id
            more = more or room <= 0
        return chosen, more

    def _readable(self, door: str, read: Callable[[], T]) -> T | None:
        """What reading a door's log gives. None when it cannot be read: that is said, the door is tried again later."""
        try:
            return read()
        except (LogError, OSError) as error:
            self._held[door] = time.monotonic()
            text = f"{type(error).__name__}: {error}"[:1000]
            if self._said.get(door) != text:
                self._said[door] = text
                _say(text)
            self._troubles[door] = text
            return None

    def _entries_between(self, door: str, first: int, last: int) -> list[Stored]:
        entries: list[Stored] = []
        after = first - 1
        while after < last:
            found = self._log.read(door, after, READ_BYTES)
            if not found:
                raise LogError(f"entries {after + 1} to {last} of door {door} are in the store but not in the log")
            entries += [entry for entry in found if entry.seq <= last]
            after = found[-1].seq
        return entries

    # Rows

    def _load(self, entries: Sequence[Stored], *, fresh: bool) -> None:
        """Put the rows of entries into the tables, whatever it takes. Returns when they were counted."""
        rows = rows_of(entries)
        spans = _spans(entries)
        known = fresh

        def attempt() -> None:
            nonlocal known
            before = dict(self._totals)
            left = rows if known else self._missing(rows, spans)
            known = False
            self._insert(left)
            self._check(rows, left, before, spans)

        self._persist(attempt, lambda: self._search(rows, spans))
        if self._deletions.concern(rows):
            self._persist(lambda: self._deletions.apply(rows))
            self._totals = self._count_all()

    def _persist(self, attempt: Callable[[], None], search: Callable[[], None] | None = None) -> None:
        """Do it until it is done. `search` is tried too when the reason may lie in the data."""
        failed = 0
        suspicious = 0
        while True:
            try:
                attempt()
                break
            except QueryFailed as error:
                self._note(error)
                if error.code not in LATER and error.code not in SCHEMA:
                    suspicious += 1
                if search and suspicious >= TRIES:
                    suspicious = 0
                    try:
                        search()
                    except QueryFailed as again:
                        self._note(again)
            if self._stopping.wait(WAITS_S[min(failed, len(WAITS_S) - 1)]):
                raise _Stopped
            failed += 1
        self._error = ""

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
        self._engine.insert(f"copies ({names})", "ArrowStream", stream_of(table), INSERT_SETTINGS)

    def _insert_json(self, table: str, rows: Sequence[dict[str, Any]]) -> None:
        data = b"\n".join(map(msgspec.json.encode, rows))
        self._engine.insert(table, "JSONEachRow", data, INSERT_SETTINGS)

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
        found = self._engine.rows(
            f"SELECT door, seq, groupArray(pos) FROM {table} WHERE {spans.where()} GROUP BY door, seq"
        )
        return {(str(door), int(seq)): set(map(int, places)) for door, seq, places in found}

    def _note_batch(self, noted: list[dict[str, Any]]) -> None:
        """Write a batch down. Its number is new, so a repetition of a note is the same note."""
        self._insert_json("batches", noted)
        there = self._engine.rows(f"SELECT uniqExact(door) FROM batches WHERE batch = {self._batch}")
        if int(there[0][0]) != len(noted):
            raise QueryFailed("a batch was noted, and the note is not there", 243)

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
                counted = self._engine.rows(f"SELECT count() FROM {table} WHERE {spans.where()}")
                if int(counted[0][0]) != n:
                    raise QueryFailed(f"{n} rows were inserted into {table}, {counted[0][0]} are there", 243)
        self._totals = after

    def _count_all(self) -> dict[str, int]:
        found = self._engine.rows(
            "SELECT name, total_rows FROM system.tables WHERE database = currentDatabase() "
            f"AND name IN ({', '.join(map(repr, TABLES))})"
        )
        return {str(name): int(total or 0) for name, total in found}

    def _note(self, error: Exception) -> None:
        """Remember an error, and say it once."""
        text = f"{type(error).__name__}: {error}"[:1000]
        if text != self._error:
            self._error = text
            _say(text)


def _say(text: str) -> None:
    """A line on stderr. Nothing that a full disk does to it may stop the loader."""
    try:
        print(f"loader: {text}", file=sys.stderr, flush=True)
    except (OSError, ValueError):
        pass


class _Stopped(Exception):
    """The loader was asked to stop while it waited."""


class _Spans(msgspec.Struct, frozen=True):
    """Which entries a batch holds: first and last sequence number of each door."""

    doors: tuple[tuple[str, int, int], ...]

    def where(self) -> str:
        return "(" + " OR ".join(
            f"(door = '{door}' AND seq BETWEEN {first} AND {last})" for door, first, last in self.doors
        ) + ")"  # fmt: skip


def _deletes(entry: Stored) -> bool:
    try:
        return dataset_of(entry.body).deleted
    except ValueError:
        return False  # it is set aside


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
    missing = np.array(sorted(set(range(part.pos, part.pos + part.n)) - set(there)), np.int64)
    if not missing.size:
        return []
    runs = np.split(missing, np.flatnonzero(np.diff(missing) != 1) + 1)
    return [slice_part(part, int(run[0]) - part.pos, int(run[-1]) + 1 - part.pos) for run in runs]
