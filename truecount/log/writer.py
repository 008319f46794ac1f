"""The writer of a door: group commit into SQLite, durable on return.

One process writes as one door (a lock sees to it); each `append` is one transaction. What returned is on disk; what
raised is not in the log, and the writer goes on by itself once the disk can.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NoReturn

import zstandard

from truecount import copies

from .entries import Entry
from .errors import LogBroken, LogDamaged, LogFull
from .files import DOOR, OPEN, ROLL, file_path, files_of, hold_door, log_folder, sync_folder
from .reader import LogReader
from .tables import DAMAGE, LEVEL, connect, pack_body, rows, unpack_body

DAY_US: Final = 86_400_000_000
ROLL_BYTES: Final = 64 * 1024 * 1024
"""A file is closed after this many bytes of packed bodies: sealing one then takes seconds, and little memory."""
LOOK_AT_DISK_S: Final = 0.1
_NEARLY_NOTHING: Final = 1024 * 1024

_INSERT: Final = "insert into log values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_PRIVATE: Final = "insert into private values (?, ?, ?)"


class LogWriter:
    """Appends entries as one door of a data folder.

    `reserve_bytes` is kept free on the disk: below it every append raises LogFull. `clock` gives nanoseconds since
    1970. LogBusy when another process writes as this door and does not end within `wait_s`; LogDamaged when the
    door's newest file cannot be read.
    """

    def __init__(
        self,
        folder: Path,
        door: str,
        *,
        reserve_bytes: int = 0,
        clock: Callable[[], int] = time.time_ns,
        roll_bytes: int = ROLL_BYTES,
        wait_s: float = 10.0,
    ) -> None:
        if not DOOR(door):
            raise ValueError(f"{door!r} is no name for a door: lower case letters, digits, - and _, at most 40")
        self.door = door
        self._folder = log_folder(folder) / door
        self._reserve = reserve_bytes
        self._clock = clock
        self._roll_bytes = roll_bytes
        self._mutex = threading.Lock()
        self._compressor = zstandard.ZstdCompressor(level=LEVEL)
        self._database: sqlite3.Connection | None = None
        self._looked = 0.0
        self._free = 0
        self._day = 0
        self._bytes = 0
        if not self._folder.is_dir():
            self._folder.mkdir(parents=True, exist_ok=True)
            sync_folder(self._folder.parent)
        self._lock = hold_door(self._folder, wait_s)
        self._last_us = 0
        self._next = 0
        try:
            self._open()
        except (LogFull, LogBroken):
            pass  # a full disk must not keep a door from answering 503: the first append after it opens the log
        except BaseException:
            os.close(self._lock)
            raise

    def now_us(self) -> int:
        """Time of receipt, microseconds since 1970. Never earlier than any stamp that lay in the folder when this
        writer started, nor than its own last; so it stands still while a clock that jumped back catches up.
        """
        self._last_us = max(self._last_us, self.clock_us())
        return self._last_us

    def not_before(self, us: int) -> None:
        """No later stamp is earlier than this, whatever the clock says. What comes after a record that is known here,
        such as that of a dataset made again, must not look as if it had come before.
        """
        self._last_us = max(self._last_us, us)

    def clock_us(self) -> int:
        """What the clock says, microseconds since 1970, be it behind `now_us`: ages are judged by it."""
        return self._clock() // 1000

    @property
    def next_seq(self) -> int:
        """The sequence number that the next entry gets. LogFull or LogBroken while the log could not be opened yet."""
        if not self._next:
            with self._mutex:
                self._open()
        return self._next

    def append(self, entries: Sequence[Entry], private: bytes | None = None, *, first_us: int, last_us: int) -> int:
        """Write entries as one transaction; durable on return. Returns the sequence number of the first.

        `private` (full addresses and user agents, in the order of the first entry's copies) lies apart under the first
        entry's number, until it is purged or its file is sealed. `first_us` and `last_us` span the items' receipt.

        LogFull: too little space. LogBroken: writing failed otherwise. After both nothing of it is in the log, and
        the next append tries anew.
        """
        if not entries:
            raise ValueError("nothing to append")
        with self._mutex:
            self._check_space()
            if not self._next:
                self._open()
                if first_us < self._last_us:
                    raise LogBroken("stamped before this writer could read the log's high-water mark: stamp again")
            database = self._database or self._open()
            written_us = self.now_us()
            if self._bytes >= self._roll_bytes or (self._bytes and written_us // DAY_US != self._day):
                database = self._roll()
            packed = [pack_body(entry.body, self._compressor) for entry in entries]
            size = sum(len(body) for _, body in packed)
            seq = self._next
            records = [
                (at, entry.kind, entry.n, first_us, last_us, written_us, copies.FORMAT, copies.RULES, packing, body)
                for at, (entry, (packing, body)) in enumerate(zip(entries, packed, strict=True), seq)
            ]
            try:
                if len(records) == 1 and private is None:
                    database.execute(_INSERT, records[0])  # a transaction of its own
                else:
                    database.execute("begin immediate")
                    database.executemany(_INSERT, records)
                    if private is not None:
                        packing, body = pack_body(private, self._compressor)
                        size += len(body)
                        database.execute(_INSERT_PRIVATE, (seq, packing, body))
                    database.execute("commit")
            except (sqlite3.Error, OSError) as error:
                self._give_up(error)
            if not self._bytes:
                self._day = written_us // DAY_US
            self._bytes += max(1, size)
            self._next = seq + len(records)
            return seq

    def roll(self) -> None:
        """Close the open file, so that it can be sealed once it is loaded; appends go on in a new one."""
        with self._mutex:
            if self._database and self._bytes:
                self._roll()

    def roll_if_due(self) -> None:
        """Close the open file if it holds entries of a day that is over, or upkeep asks for it. For doors that
        may stand idle: call it now and then; appends see to the day by themselves.
        """
        with self._mutex:
            asked = self._folder / ROLL
            is_asked = asked.exists()
            if self._database and self._bytes and (is_asked or self.now_us() // DAY_US != self._day):
                self._roll()
            if is_asked:
                asked.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the door. Everything appended is durable already."""
        with self._mutex:
            self._forget()
            if self._lock >= 0:
                os.close(self._lock)
                self._lock = -1

    def __enter__(self) -> LogWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_space(self) -> None:
        if not self._reserve:
            return
        now = time.monotonic()
        if now - self._looked >= LOOK_AT_DISK_S:
            self._free = self._free_bytes()
            self._looked = now
        if self._free < self._reserve:
            raise LogFull(f"{self._free} bytes are free on the log's disk, {self._reserve} are kept in reserve")

    def _is_full(self) -> bool:
        return self._free_bytes() < max(_NEARLY_NOTHING, self._reserve)

    def _free_bytes(self) -> int:
        status = os.statvfs(self._folder)
        return status.f_bavail * status.f_frsize

    def _start(self) -> None:
        """Find out where the door goes on, and from what time."""
        with LogReader(self._folder.parents[1]) as reader:
            for door in reader.doors():
                try:
                    self._last_us = max(self._last_us, reader.high_water_us(door))
                except LogDamaged:
                    if door == self.door:
                        raise
                    # Another door's damage is told by whoever reads it; it must not stop this one.
            self._next = reader.last_seq(self.door) + 1

    def _open(self) -> sqlite3.Connection:
        """Open the door's newest file, or a new one where it is sealed. Goes on behind what lies in it."""
        if self._lock < 0:
            raise LogBroken(f"the log of door {self.door} is closed")
        if not self._next:
            try:
                self._start()
            except LogBroken:
                if self._is_full():
                    raise LogFull("the log's disk is full") from None
                raise
        files = files_of(self._folder)
        newest = files[-1] if files and not files[-1].sealed else None
        path = newest.path if newest else file_path(self._folder, self._next, OPEN)
        try:
            database = connect(path)
        except (sqlite3.Error, OSError) as error:
            if getattr(error, "sqlite_errorcode", 0) in DAMAGE:
                raise LogDamaged(path, "is not a readable SQLite file") from None
            self._give_up(error)
        try:
            self._day = self._bytes = 0
            last = rows(database, "select seq, packing, body from log order by seq desc limit 1")
            if last:
                # Cheap stand-in for a full check: the newest row is where a torn write would show.
                seq, packing, body = last[0]
                unpack_body(packing, body)
                self._next = max(self._next, seq + 1)
                self._day = rows(database, "select written_us from log order by seq limit 1")[0][0] // DAY_US
                self._bytes = max(1, path.stat().st_size)
            if newest is None:
                sync_folder(self._folder)
        except ValueError as error:
            database.close()
            raise LogDamaged(path, f"its newest entry cannot be read: {error}") from None
        except (sqlite3.Error, OSError) as error:
            database.close()
            if getattr(error, "sqlite_errorcode", 0) in DAMAGE:
                raise LogDamaged(path, f"its newest entry cannot be read ({error})") from None
            self._give_up(error)
        self._database = database
        return database

    def _roll(self) -> sqlite3.Connection:
        # The old file is let go of before the new one shows: from then on upkeep may write to it.
        self._forget()
        path = file_path(self._folder, self._next, OPEN)
        try:
            database = connect(path)
            sync_folder(self._folder)
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)
        self._database = database
        self._bytes = 0
        return database

    def _forget(self) -> None:
        database, self._database = self._database, None
        if database:
            try:
                database.close()
            except sqlite3.Error:
                pass  # closing also moves the WAL into the file; where that fails, the next opening does it

    def _give_up(self, error: Exception) -> NoReturn:
        """Undo a transaction that failed, and say why in the log's own words. Always raises."""
        code = getattr(error, "sqlite_errorcode", 0) or 0
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        database = self._database
        if database:
            try:
                if database.in_transaction:
                    database.execute("rollback")
            except sqlite3.Error:
                self._forget()
            if code & 0xFF != sqlite3.SQLITE_FULL:
                # After a failed write or sync only a new opening knows what lies on the disk.
                self._forget()
        self._looked = 0.0
        if code & 0xFF == sqlite3.SQLITE_FULL or self._is_full():
            raise LogFull("the log's disk is full") from None
        raise LogBroken(f"the log cannot be written ({name})") from None
