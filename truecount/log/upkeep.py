"""Upkeep of the log: seal what is loaded, forget addresses, tidy up after crashes, check what lies there.

Run by the engine, now and then. Sealing one file: its rows are written to a partial file, which is made durable,
renamed and read back, and only then the open form is removed. Wherever a crash cuts that, one whole form of the file is
there.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec

from .errors import LogBusy, LogDamaged, LogError
from .files import (
    OPEN,
    PARTIAL,
    ROLL,
    SEALED,
    LogFile,
    doors_of,
    file_path,
    files_of,
    hold_door,
    log_folder,
    sync_folder,
)
from .reader import LogReader
from .segment import LEVEL, Sealed, Segment, write_segment
from .tables import connect, connect_to_read, rows, trouble, unpack_body
from .writer import DAY_US

_ROWS: Final = "select seq, kind, n, first_us, last_us, written_us, format, rules, packing, body from log order by seq"
_BESIDE: Final = ("", "-wal", "-shm")


class UpkeepSettings(msgspec.Struct, frozen=True, kw_only=True):
    private_days: int = 7
    """Full addresses and user agents are forgotten after so many days, loaded or not; 0: at the next run."""
    level: int = LEVEL
    """zstd level of sealed files, 1 (fast) to 19 (small)."""


class UpkeepReport(msgspec.Struct, kw_only=True):
    sealed: int = 0
    """Files sealed."""
    bytes_open: int = 0
    """Their size before."""
    bytes_sealed: int = 0
    """Their size now."""
    purged: int = 0
    """Entries whose addresses and user agents were forgotten by age."""
    problems: list[str] = msgspec.field(default_factory=list)
    """What could not be done, in words; the rest was."""


def run(
    folder: Path,
    loaded: Mapping[str, int],
    now_us: int,
    settings: UpkeepSettings = UpkeepSettings(),  # noqa: B008 - frozen
    *,
    stop: Callable[[], bool] = bool,
) -> UpkeepReport:
    """Do all upkeep that is due. `loaded`: the last sequence number of each door that the store holds for good.

    Files behind `loaded` are sealed once they are closed: by size, by the end of their UTC day, and the last file of a
    door that nobody writes as. Asks `stop` between files. A file that can't be sealed is reported, and stays as it is.
    Does nothing while another process does upkeep.
    """
    report = UpkeepReport()
    with alone(folder) as is_alone:
        if not is_alone:
            return report
        for door in doors_of(folder):
            door_folder = log_folder(folder) / door
            try:
                tidy(door_folder)
                _close_idle(door_folder, now_us)
                for file, end in _closed(door_folder):
                    if stop():
                        return report
                    if end <= loaded.get(door, 0):
                        seal_file(file, settings.level, report)
                    else:
                        report.purged += _forget(file, now_us - settings.private_days * DAY_US)
            except (LogError, OSError, sqlite3.Error) as error:
                report.problems.append(f"{door}: {error}")
    return report


def verify(folder: Path) -> list[LogDamaged]:
    """Read the whole log and name every file that is damaged or missing. Doors may go on writing."""
    found: list[LogDamaged] = []
    with LogReader(folder) as reader:
        for door in reader.doors():
            after = 0
            for file in files_of(log_folder(folder) / door):
                try:
                    if file.first != after + 1:
                        raise LogDamaged(file.path, f"entries {after + 1} to {file.first - 1} before it are missing")
                    after = _verify_file(file)
                except FileNotFoundError:
                    after = _end_by_name(file)  # sealed meanwhile, which read all of it
                except LogDamaged as damaged:
                    found.append(damaged)
                    after = _end_by_name(file)
    return found


def remove_open_form(sealed: Path) -> None:
    """Remove the open form of a file that is sealed, and what SQLite kept beside it."""
    base = sealed.with_suffix(OPEN)
    gone = False
    for suffix in _BESIDE:
        try:
            os.unlink(f"{base}{suffix}")
            gone = True
        except FileNotFoundError:
            pass
    if gone:
        sync_folder(sealed.parent)


@contextmanager
def alone(folder: Path, *, wait: bool = False) -> Iterator[bool]:
    """Hold the lock of those who rewrite files of the log; False when another process does."""
    log_folder(folder).mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log_folder(folder) / "upkeep.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def tidy(door_folder: Path) -> None:
    """Remove what sealing left when it was cut short."""
    for name in os.listdir(door_folder):
        if name.endswith(PARTIAL):
            os.unlink(door_folder / name)
    for file in files_of(door_folder):
        if file.sealed and file.path.with_suffix(OPEN).exists():
            _check_sum(file.path)
            remove_open_form(file.path)


def _closed(door_folder: Path) -> list[tuple[LogFile, int]]:
    """Files that are not sealed and get no more entries, with their last sequence number."""
    files = files_of(door_folder)
    return [(file, after.first - 1) for file, after in pairwise(files) if not file.sealed]


def _close_idle(door_folder: Path, now_us: int) -> None:
    """Close the last file of a door that nobody writes as, when its day is over. A living door does it itself."""
    files = files_of(door_folder)
    if not files or files[-1].sealed:
        return
    ends = _read(files[-1], "select seq, written_us from log order by seq desc limit 1")
    if not ends or ends[0][1] // DAY_US >= now_us // DAY_US:
        return
    close_last(door_folder)


def close_last(door_folder: Path) -> bool:
    """Close the last file of a door that nobody writes as, if anything is in it; False for a living door."""
    try:
        lock = hold_door(door_folder, 0)
    except LogBusy:
        return False
    try:
        last = files_of(door_folder)[-1]
        if not last.sealed:
            ends = _read(last, "select max(seq) from log")
            if ends and ends[0][0] is not None:
                connect(file_path(door_folder, ends[0][0] + 1, OPEN)).close()
                sync_folder(door_folder)
    finally:
        os.close(lock)
    return True


def ask_to_roll(door_folder: Path) -> None:
    """Ask a living door to close its file; it does when it next calls LogWriter.roll_if_due."""
    (door_folder / ROLL).touch()


def _read(file: LogFile, sql: str) -> list[tuple[int, ...]]:
    try:
        database = connect_to_read(file.path, closed=file.closed)
        try:
            return rows(database, sql)
        finally:
            database.close()
    except sqlite3.DatabaseError as error:
        raise trouble(file.path, error) from None


def _connect(file: LogFile) -> sqlite3.Connection:
    try:
        return connect(file.path)
    except sqlite3.DatabaseError as error:
        raise trouble(file.path, error) from None


def _forget(file: LogFile, before_us: int) -> int:
    """Remove addresses and user agents written before a time; returns the number of entries they belonged to."""
    due = f"from private where seq in (select seq from log where written_us < {before_us:d})"
    if not _read(file, f"select 1 {due} limit 1"):
        return 0
    database = _connect(file)
    try:
        purged = database.execute(f"delete {due}").rowcount
        # The WAL still holds the old pages until it is emptied.
        database.execute("pragma wal_checkpoint(truncate)")
    finally:
        database.close()
    return purged


def seal_file(file: LogFile, level: int, report: UpkeepReport) -> None:
    path = file.path.with_suffix(SEALED)
    database = _connect(file)
    try:
        if not rows(database, "select 1 from log limit 1"):
            return
        database.execute("pragma wal_checkpoint(truncate)")
        size = file.path.stat().st_size
        write_segment(path, _rows_of(file.path, database), level=level)
    except sqlite3.DatabaseError as error:
        raise trouble(file.path, error) from None
    finally:
        database.close()
    try:
        _check_sum(path)
    except LogDamaged:
        os.unlink(path)  # the disk did not keep what was written: the open form is still the truth
        raise
    remove_open_form(path)
    report.sealed += 1
    report.bytes_open += size
    report.bytes_sealed += path.stat().st_size


def _check_sum(path: Path) -> None:
    segment = Segment(path)
    try:
        segment.verify()
    finally:
        segment.close()


def _rows_of(path: Path, database: sqlite3.Connection) -> Iterator[Sealed]:
    for seq, kind, n, first_us, last_us, written_us, form, rules, packing, body in database.execute(_ROWS):
        try:
            plain = unpack_body(packing, body)
        except ValueError as error:
            raise LogDamaged(path, f"entry {seq}: {error}") from None
        yield Sealed(seq, kind, n, first_us, last_us, written_us, form, rules, plain)


def _verify_file(file: LogFile) -> int:
    """Check a file as a whole; returns its last sequence number."""
    if file.sealed:
        expected = file.first
        segment = Segment(file.path)
        try:
            segment.verify()
            for frame in segment.index.frames:
                for row in segment.rows(frame):
                    if row.seq != expected:
                        raise LogDamaged(file.path, f"entry {expected} is missing")
                    expected += 1
        finally:
            segment.close()
        return expected - 1
    try:
        return _verify_open(file)
    except sqlite3.DatabaseError as error:
        if not file.path.exists():
            raise FileNotFoundError(file.path) from None
        raise trouble(file.path, error) from None


def _verify_open(file: LogFile) -> int:
    expected = file.first
    database = connect_to_read(file.path, closed=file.closed)
    try:
        faults = database.execute("pragma integrity_check(1)").fetchone()[0]
        if faults != "ok":
            raise LogDamaged(file.path, faults)
        if rows(database, "select 1 from log limit 1"):
            for row in _rows_of(file.path, database):
                if row.seq != expected:
                    raise LogDamaged(file.path, f"entry {expected} is missing")
                expected += 1
    finally:
        database.close()
    return expected - 1


def _end_by_name(file: LogFile) -> int:
    """Where a file ends, as the next one's name tells; its own start where there is none."""
    following = [other.first for other in files_of(file.path.parent) if other.first > file.first]
    return following[0] - 1 if following else file.first - 1
