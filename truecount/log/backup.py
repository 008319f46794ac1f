"""A consistent copy of a data folder while doors write into it.

The copy holds the log, the datasets, the manager's users, how far imports came, and the keys: `truecount serve --data
COPY` goes on from it, with a new store. Each file of the log is copied as of one moment; what is appended
later is not in it. Full addresses and user agents are left out: they are forgotten after days, and a backup would
remember them. So are sessions and one-time links of the manager.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from .errors import FolderRefused, LogDamaged
from .files import LogFile, doors_of, files_of, log_folder, sync_folder
from .folder import DataFolder
from .segment import Segment
from .tables import connect_to_read, trouble

_TRIES = 20


def backup(
    folder: Path,
    target: Path,
    *,
    progress: Callable[[Path, int], None] | None = None,
    damaged: Callable[[LogDamaged], None] | None = None,
) -> int:
    """Copy a data folder to `target`, which must not be there yet, or be empty. Returns the bytes copied.

    `progress` is told each file and its bytes. `damaged` is told each file of the log that is damaged: it is copied as
    it lies where that can be, and left out else; without `damaged` LogDamaged is raised. FolderRefused when the target
    will not do; OSError when the disk is full. Whatever goes wrong, no half copy stays under the target's name.
    """
    source = DataFolder(folder, create=False)
    target = Path(target).absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise FolderRefused(f"{target} is there already: a backup needs a new or an empty folder")
    if target.is_relative_to(source.path):
        raise FolderRefused(f"{target} lies inside the data folder {source.path}")
    partial = target.with_name(f"{target.name}.partial-{os.getpid()}")
    partial.mkdir(mode=0o700, parents=True)
    told = progress or (lambda path, size: None)
    try:
        # Settings before the log: where the log is ahead, it wins. Notes of imports after it: notes of what the copied
        # log does not have are dropped when they are next read, while rows without a note would be taken twice.
        if source.control.exists():
            told(source.control, _copy_database(source.control, partial / source.control.name))
        (partial / "keys").mkdir(mode=0o700)
        for key in sorted(source.keys.glob("*.key")):
            told(key, _copy_file(key, partial / "keys" / key.name))
        for door in doors_of(source.path):
            _copy_door(log_folder(source.path) / door, log_folder(partial) / door, told, damaged or _refuse)
        log_folder(partial).mkdir(exist_ok=True)
        users = source.path / "users.sqlite"
        if users.exists():
            told(users, _copy_database(users, partial / users.name, without=("sessions", "links")))
        imports = source.path / "imports.sqlite"
        if imports.exists():
            told(imports, _copy_database(imports, partial / imports.name))
        _copy_file(source.path / "truecount.version", partial / "truecount.version")
        size = sum(path.stat().st_size for path in partial.rglob("*") if path.is_file())
        sync_folder(partial)
        if target.exists():
            target.rmdir()
        os.rename(partial, target)
        sync_folder(target.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return size


def _refuse(damage: LogDamaged) -> None:
    raise damage


def _copy_door(
    source: Path, target: Path, told: Callable[[Path, int], None], damaged: Callable[[LogDamaged], None]
) -> None:
    target.mkdir(parents=True)
    left_out: set[int] = set()
    for _ in range(_TRIES):
        copied = {file.first for file in files_of(target)} | left_out
        try:
            for file in files_of(source):
                if file.first not in copied:
                    try:
                        told(file.path, _copy_log_file(file, target / file.path.name))
                    except LogDamaged as damage:
                        damaged(damage)
                        left_out.add(file.first)
                        continue
                    if what := _fault(target / file.path.name, file):
                        damaged(LogDamaged(file.path, what))
        except FileNotFoundError:
            continue  # sealed since the folder was listed: its other form is copied in the next round
        sync_folder(target)
        return
    raise LogDamaged(source, "its files come and go")


def _copy_log_file(file: LogFile, target: Path) -> int:
    if file.sealed:
        return _copy_file(file.path, target)
    try:
        return _copy_database(file.path, target, without=("private",))
    except sqlite3.DatabaseError as error:
        target.unlink(missing_ok=True)
        if not file.path.exists():
            raise FileNotFoundError(file.path) from None
        raise trouble(file.path, error) from None


def _fault(copy: Path, file: LogFile) -> str:
    """What is wrong with the copy of a file: the sum of a sealed one, the pages of an open one; "" when it is whole."""
    if file.sealed:
        try:
            segment = Segment(copy)
            try:
                segment.verify()
            finally:
                segment.close()
        except LogDamaged:
            return "it is damaged: its sum does not fit what it holds"
        return ""
    database = sqlite3.connect(copy)
    try:
        found = str(database.execute("pragma quick_check(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        found = str(error)
    finally:
        database.close()
    return "" if found == "ok" else found


def _copy_database(source: Path, target: Path, *, without: Sequence[str] = ()) -> int:
    """Copy a database but what is in these tables, where they are there."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    origin = connect_to_read(source)
    copy = sqlite3.connect(target, isolation_level=None)
    try:
        origin.backup(copy)
        copy.execute("pragma secure_delete = on")
        for table in without:
            if copy.execute("select 1 from sqlite_master where name = ?", (table,)).fetchone():
                copy.execute(f"delete from {table}")
        copy.execute("pragma wal_checkpoint(truncate)")
    finally:
        copy.close()
        origin.close()
    return target.stat().st_size


def _copy_file(source: Path, target: Path) -> int:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(source, "rb") as origin, os.fdopen(descriptor, "wb") as copy:
        shutil.copyfileobj(origin, copy, 1024 * 1024)
        copy.flush()
        os.fsync(copy.fileno())
        return copy.tell()
