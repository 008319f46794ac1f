"""Reading the log, open and sealed files alike, while doors write."""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

from .entries import Stored
from .errors import LogDamaged
from .files import LogFile, doors_of, files_of, log_folder
from .segment import Segment, identity
from .tables import connect_to_read, rows, trouble, unpack_body

_COLUMNS: Final = "seq, kind, n, first_us, last_us, format, rules, packing, body, written_us"
_STEP: Final = 64
"""Rows asked for at a time: a limit in bytes is found by looking, and what is too much is thrown away."""
_TRIES: Final = 5


class LogReader:
    """Reads the log of a data folder. Sees what is committed, at once; never changes a thing.

    Not for several threads at a time. Every method may raise LogDamaged when a file cannot be read, and LogBroken when
    it cannot be read now.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = Path(folder)
        self._log = log_folder(self._folder)
        self._open: dict[str, tuple[Path, sqlite3.Connection]] = {}
        self._sealed: dict[str, Segment] = {}

    def doors(self) -> list[str]:
        """Names of the doors that ever wrote, sorted."""
        return doors_of(self._folder)

    def read(
        self, door: str, after_seq: int = 0, limit_bytes: int = 16 * 1024 * 1024, kinds: Collection[int] | None = None
    ) -> list[Stored]:
        """Entries of a door behind `after_seq`, in order, until their bodies reach `limit_bytes`; at least one if any
        is there. `kinds` reads entries of some kinds alone.
        """
        for _ in range(_TRIES):
            found: list[Stored] = []
            try:
                self._collect(door, after_seq, limit_bytes, kinds, found)
            except FileNotFoundError:
                # A file was sealed since the folder was listed. What is found is in order; the next call goes on.
                if not found:
                    continue
            return found
        raise self._restless(door)

    def all(self, door: str, after_seq: int = 0, kinds: Collection[int] | None = None) -> Iterator[Stored]:
        """All entries of a door behind `after_seq`, read piece by piece."""
        while batch := self.read(door, after_seq, 4 * 1024 * 1024, kinds):
            yield from batch
            after_seq = batch[-1].seq

    def private(self, door: str, seq: int) -> bytes | None:
        """What was given as `private` with the append that began at `seq`; None once it is forgotten."""
        for file in reversed(files_of(self._log / door)):
            if file.first <= seq:
                if file.sealed:
                    return None
                try:
                    found = self._rows(door, file, "select packing, body from private where seq = ?", seq)
                except FileNotFoundError:
                    return None
                return unpack_body(*found[0]) if found else None
        return None

    def last_seq(self, door: str) -> int:
        """Sequence number of a door's newest entry; 0 when it has none."""
        for _ in range(_TRIES):
            files = files_of(self._log / door)
            if not files:
                return 0
            newest = files[-1]
            try:
                if newest.sealed:
                    return self._segment(door, newest).index.last_seq
                found = self._rows(door, newest, "select max(seq) from log")
            except FileNotFoundError:
                continue
            # The name of an empty file says what its first entry will be.
            return found[0][0] if found and found[0][0] is not None else newest.first - 1
        raise self._restless(door)

    def high_water_us(self, door: str | None = None) -> int:
        """The latest time at which anything in the log (of a door) was written, by the writers' clocks; 0 for none.

        Imports carry older or odd times of their own; they do not move it.
        """
        if door is not None:
            return self._door_high_us(door)
        return max((self._door_high_us(door) for door in self.doors()), default=0)

    def close(self) -> None:
        """Let go of all files."""
        for _, database in self._open.values():
            database.close()
        for segment in self._sealed.values():
            segment.close()
        self._open.clear()
        self._sealed.clear()

    def __enter__(self) -> LogReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _door_high_us(self, door: str) -> int:
        for _ in range(_TRIES):
            try:
                for file in reversed(files_of(self._log / door)):
                    if file.sealed:
                        return self._segment(door, file).index.high_us
                    found = self._rows(door, file, "select written_us from log order by seq desc limit 1")
                    if found:
                        return int(found[0][0])
                return 0
            except FileNotFoundError:
                continue
        raise self._restless(door)

    def _collect(
        self, door: str, after_seq: int, limit_bytes: int, kinds: Collection[int] | None, found: list[Stored]
    ) -> None:
        files = files_of(self._log / door)
        at = max(0, bisect_right([file.first for file in files], after_seq + 1) - 1)
        for file in files[at:]:
            if kinds is None and file.first > after_seq + 1:
                raise LogDamaged(file.path, f"entries {after_seq + 1} to {file.first - 1} before it are missing")
            for stored in self._entries(door, file, after_seq, kinds):
                found.append(stored)
                after_seq = stored.seq
                limit_bytes -= len(stored.body)
                if limit_bytes <= 0:
                    return

    def _entries(self, door: str, file: LogFile, after_seq: int, kinds: Collection[int] | None) -> Iterator[Stored]:
        if file.sealed:
            segment = self._segment(door, file)
            for frame in segment.index.frames:
                if frame.last_seq <= after_seq or (kinds is not None and not set(frame.kinds) & set(kinds)):
                    continue
                for row in segment.rows(frame):
                    if row.seq > after_seq and (kinds is None or row.kind in kinds):
                        yield Stored(
                            door,
                            row.seq,
                            row.kind,
                            row.n,
                            row.first_us,
                            row.last_us,
                            row.format,
                            row.rules,
                            row.body,
                            row.written_us,
                        )
            return
        chosen = "" if kinds is None else f" and kind in ({','.join(str(int(kind)) for kind in kinds)})"
        sql = f"select {_COLUMNS} from log where seq > ?{chosen} order by seq limit {_STEP}"
        while batch := self._rows(door, file, sql, after_seq):
            for seq, kind, n, first_us, last_us, form, rules, packing, body, written_us in batch:
                try:
                    plain = unpack_body(packing, body)
                except ValueError as error:
                    raise LogDamaged(file.path, f"entry {seq}: {error}") from None
                yield Stored(door, seq, kind, n, first_us, last_us, form, rules, plain, written_us)
            after_seq = batch[-1][0]

    def _rows(self, door: str, file: LogFile, sql: str, *parameters: int) -> list[Any]:
        """All rows of a query on an open file. FileNotFoundError when it is sealed meanwhile."""
        try:
            held = self._open.get(door)
            if held is None or held[0] != file.path:
                database = connect_to_read(file.path, closed=file.closed)
                if held:
                    held[1].close()
                held = self._open[door] = (file.path, database)
            return rows(held[1], sql, *parameters)
        except sqlite3.DatabaseError as error:
            if not file.path.exists():
                raise FileNotFoundError(file.path) from None
            raise trouble(file.path, error) from None

    def _segment(self, door: str, file: LogFile) -> Segment:
        """The sealed file, opened anew where another was written in its place."""
        held = self._sealed.get(door)
        if held and held.path == file.path and held.identity == identity(file.path):
            return held
        segment = Segment(file.path)
        if held:
            held.close()
        self._sealed[door] = segment
        return segment

    def _restless(self, door: str) -> LogDamaged:
        return LogDamaged(self._log / door, "its files come and go")
