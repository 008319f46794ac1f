"""What deleted datasets had received, blanked in the log; everything else stays byte for byte, and all keeps its place.

Run by the engine after upkeep. Files are sealed first, so that no page of SQLite, no WAL and no side table remembers.
The rewritten file takes the old one's place in one step: wherever a crash cuts it, the old or the new one is there, and
the next run takes it up.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from truecount import copies

from .deleted import Deleted
from .entries import Kind
from .errors import LogError
from .files import PARTIAL, LogFile, doors_of, files_of, log_folder
from .reader import LogReader
from .segment import LEVEL, Sealed, Segment, identity, rewrite_segment
from .upkeep import alone, ask_to_roll, close_last

NOTE: Final = "erased.json"
"""In the log's folder: the sealed files that hold nothing more to blank."""


class Blanked(msgspec.Struct):
    """What `blank_deleted` did."""

    files: int = 0
    """Sealed files that were looked through."""
    copies: int = 0
    """Copies that were blanked in them."""
    problems: list[str] = msgspec.field(default_factory=list)
    """What could not be done, in words; the rest was."""


class _Note(msgspec.Struct):
    """Only spares looking: without it, and after a deletion, all files are read again."""

    begins: dict[str, int] = msgspec.field(default_factory=dict)
    """The deletions that were looked for (Deleted.begins)."""
    files: dict[str, tuple[Any, ...]] = msgspec.field(default_factory=dict)
    """door/name -> identity of each file. One that was put back from a backup has another."""


def blank_deleted(folder: Path, deleted: Deleted, *, level: int = LEVEL, stop: Callable[[], bool] = bool) -> Blanked:
    """Blank in sealed files what deleted datasets had received; let open files that hold some be closed.

    To be run again and again, after upkeep.run, which seals what is closed. `deleted` is the caller's, for all runs.
    Asks `stop` between files. Does nothing while another process does upkeep. LogError where it cannot be known what
    was deleted: nothing is changed then.
    """
    done = Blanked()
    with alone(folder) as is_alone, LogReader(folder) as reader:
        if not is_alone:
            return done
        # Listed before the records are read: what made a dataset anew was written before anything came for it, so it is
        # known of each file that got no more entries by then.
        listed = {door: files_of(log_folder(folder) / door) for door in doors_of(folder)}
        for door in reader.doors():
            deleted.follow(reader, door)
        if deleted.unreadable:
            raise LogError("nothing is blanked: this version cannot read what the log says of some datasets")
        if not deleted.begins:
            return done
        known = _read_note(folder)
        note = known if known.begins == deleted.begins else _Note(dict(deleted.begins))
        if note is not known:
            for door, files in listed.items():
                for file in files[-1:]:
                    with _told(done, door):
                        _let_close(file, deleted, reader)
        for door, files in listed.items():
            for file in files:
                name = f"{door}/{file.path.name}"
                with _told(done, door):
                    if file.sealed and note.files.get(name) != identity(file.path) and not stop():
                        done.copies += _blank_file(file.path, deleted, level)
                        note.files[name] = identity(file.path)
                        done.files += 1
        if done.files or note is not known:
            _write_note(folder, note)
    return done


@contextmanager
def _told(done: Blanked, door: str) -> Iterator[None]:
    """What goes wrong with one file is told, and the others are done."""
    try:
        yield
    except (LogError, OSError, sqlite3.Error) as error:
        done.problems.append(f"{door}: {error}")


def _let_close(file: LogFile, deleted: Deleted, reader: LogReader) -> None:
    """Let the open file of a door be closed, if it holds what is to be blanked; it is sealed once it is loaded."""
    if file.sealed:
        return
    entries = reader.all(file.path.parent.name, file.first - 1, (Kind.COPIES,))
    if any(deleted.blank(entry.body, entry.written_us)[1] for entry in entries) and not close_last(file.path.parent):
        ask_to_roll(file.path.parent)


def _blank_file(path: Path, deleted: Deleted, level: int) -> int:
    """Blank what is to be blanked in a sealed file. Returns the number of copies; the file is not touched for none."""

    def blank(row: Sealed) -> tuple[bytes, int]:
        return deleted.blank(row.body, row.written_us) if row.kind == Kind.COPIES else (row.body, 0)

    def blanked(row: Sealed) -> Sealed:
        body, n = blank(row)
        return msgspec.structs.replace(row, body=body, format=copies.FORMAT) if n else row

    segment = Segment(path)
    try:
        n = sum(blank(row)[1] for row in segment.all_rows())
    finally:
        segment.close()
    if n:
        rewrite_segment(path, blanked, level=level)
    return n


def _read_note(folder: Path) -> _Note:
    try:
        return msgspec.json.decode((log_folder(folder) / NOTE).read_bytes(), type=_Note)
    except (OSError, msgspec.MsgspecError):
        return _Note()


def _write_note(folder: Path, note: _Note) -> None:
    path = log_folder(folder) / NOTE
    partial = path.with_name(NOTE + PARTIAL)
    partial.write_bytes(msgspec.json.encode(note))
    os.rename(partial, path)
