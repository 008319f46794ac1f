"""Where the files of the log lie: log/<door>/<first sequence>.sqlite while open, .seg once sealed.

A file is named after the sequence number of its first entry, so the files of a door tell their ranges by their names
alone, a missing one shows, and no name is ever used twice. Where both forms of a file are there, sealing was cut short
after its last step but one: the sealed one is whole and counts.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from pathlib import Path
from typing import Final, NamedTuple

from .errors import LogBusy

DOOR: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}").fullmatch
"""Names of doors: folder names, and part of each offset."""
OPEN: Final = ".sqlite"
SEALED: Final = ".seg"
PARTIAL: Final = ".partial"
ROLL: Final = "roll"
"""A file of this name beside a door's log asks the door to close its open file."""
_NAME: Final = re.compile(r"([0-9]{12,})\.(sqlite|seg)").fullmatch


class LogFile(NamedTuple):
    first: int
    """Sequence number of its first entry (of the next to come, while it is empty)."""
    path: Path
    sealed: bool
    closed: bool = True
    """A later file is there: no entry will be added."""


def log_folder(folder: Path) -> Path:
    """The log inside a data folder."""
    return Path(folder) / "log"


def file_path(door_folder: Path, first: int, suffix: str) -> Path:
    return door_folder / f"{first:012d}{suffix}"


def doors_of(folder: Path) -> list[str]:
    """Names of all doors that ever wrote into a data folder, sorted."""
    try:
        return sorted(entry.name for entry in os.scandir(log_folder(folder)) if entry.is_dir() and DOOR(entry.name))
    except FileNotFoundError:
        return []


def files_of(door_folder: Path) -> list[LogFile]:
    """The files of a door in order, each once."""
    try:
        names = os.listdir(door_folder)
    except FileNotFoundError:
        return []
    files: dict[int, LogFile] = {}
    for name in sorted(names):  # .seg sorts before .sqlite, and stays
        match = _NAME(name)
        if match:
            first = int(match[1])
            files.setdefault(first, LogFile(first, door_folder / name, match[2] == "seg"))
    ordered = sorted(files.values())
    if ordered:
        ordered[-1] = ordered[-1]._replace(closed=False)
    return ordered


def sync_folder(folder: Path) -> None:
    """Make names created, renamed or removed in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def hold_door(door_folder: Path, wait_s: float) -> int:
    """Take the lock of a door's writer; the descriptor returned holds it until closed, or its process ends.

    LogBusy when another one still has it after the wait.
    """
    descriptor = os.open(door_folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < until:
                time.sleep(0.02)
                continue
            os.close(descriptor)
            raise LogBusy(f"another process writes as door {door_folder.name}; a door has one writer") from None
        return descriptor
