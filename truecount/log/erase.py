"""Erasure in the log: copies that a record names by offset are rewritten, everything else stays byte for byte.

What a copy becomes is the caller's rule; this module finds it, in whatever file it lies. Files are sealed first, so
that no page of SQLite, no WAL and no side table remembers. The rewritten file takes the old one's place in one step.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import msgspec

from truecount import copies
from truecount.copies import Copy

from .entries import Kind, join_parts, split_parts
from .errors import LogBusy, LogDamaged
from .files import DOOR, LogFile, doors_of, files_of, log_folder
from .segment import LEVEL, Sealed, rewrite_segment
from .upkeep import UpkeepReport, alone, ask_to_roll, close_last, seal_file, tidy

Places = Mapping[int, Collection[int]]
"""Sequence number of an entry -> positions of the copies in it."""


def erase_offsets(
    folder: Path, offsets: Mapping[str, Places], change: Callable[[Copy], Copy], *, level: int = LEVEL
) -> int:
    """Rewrite the copies at `offsets` (door -> seq -> positions) as `change` gives them back. Returns their number.

    Files that hold none of them are not touched; doing it again does no harm. `change` must give each value the same
    token wherever it meets it, so that merges and counts stay.

    LogBusy when one lies in the file that a living door writes into: the door is asked to close it, try again a moment
    later. ValueError for an offset that is none. In both cases other files may be done by then.
    """
    _check(folder, offsets)
    done = 0
    waiting: list[str] = []
    with alone(folder, wait=True):
        for door, places in sorted(offsets.items()):
            door_folder = log_folder(folder) / door
            tidy(door_folder)
            last = files_of(door_folder)[-1:]
            if not last:
                raise ValueError(f"door {door} holds nothing")
            if not last[0].sealed and max(places, default=0) >= last[0].first and not close_last(door_folder):
                ask_to_roll(door_folder)
                waiting.append(door)
            for file in _concerned(door_folder, places):
                if file.closed or file.sealed:
                    done += _change_places(file if file.sealed else _seal(file, level), places, change, level)
    if waiting:
        raise LogBusy(f"copies to be erased lie in files that doors still write into: {', '.join(waiting)}")
    return done


def _check(folder: Path, offsets: Mapping[str, Places]) -> None:
    known = doors_of(folder)
    for door, places in offsets.items():
        if not DOOR(door) or door not in known:
            raise ValueError(f"there is no door {door!r}")
        if any(seq < 1 or min(at, default=0) < 0 for seq, at in places.items()):
            raise ValueError(f"an offset of door {door} is none")


def _concerned(door_folder: Path, places: Places) -> list[LogFile]:
    """The files that hold one of the entries, as far as their names tell."""
    files = files_of(door_folder)
    ends = [file.first for file in files[1:]] + [max(places, default=0) + 1]
    return [file for file, end in zip(files, ends, strict=True) if any(file.first <= seq < end for seq in places)]


def _seal(file: LogFile, level: int) -> LogFile:
    seal_file(file, level, UpkeepReport())
    return next(other for other in files_of(file.path.parent) if other.first == file.first)


def _change_places(file: LogFile, places: Places, change: Callable[[Copy], Copy], level: int) -> int:
    done = 0

    def changed(row: Sealed) -> Sealed:
        nonlocal done
        positions = set(places.get(row.seq, ()))
        if not positions or row.kind != Kind.COPIES:
            return row
        done += len(positions)
        return _changed(file.path, row, positions, change)

    rewrite_segment(file.path, changed, level=level)
    return done


def _changed(path: Path, row: Sealed, positions: set[int], change: Callable[[Copy], Copy]) -> Sealed:
    try:
        rows = [copies.copies_of(part) for part in split_parts(row.body)]
    except ValueError as error:
        raise LogDamaged(path, f"entry {row.seq}: {error}") from None
    if max(positions) >= sum(map(len, rows)):
        raise ValueError(f"entry {row.seq} of {path.parent.name} has no copy {max(positions)}")
    first = 0
    parts: list[bytes] = []
    for part in rows:
        parts.append(
            copies.pack_copies([change(copy) if at in positions else copy for at, copy in enumerate(part, first)])
        )
        first += len(part)
    return msgspec.structs.replace(row, body=join_parts(parts), format=copies.FORMAT)
