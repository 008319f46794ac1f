"""What the tests of the log share: a writer with a clock of its own, and a plain look at what lies in a folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from truecount.log.entries import Entry, Kind, Stored
from truecount.log.reader import LogReader
from truecount.log.writer import LogWriter

DAY_S = 86_400
NOON_S = 1_790_000_000 // DAY_S * DAY_S + DAY_S // 2


class Clock:
    """A clock that stands until it is set, in seconds since 1970."""

    def __init__(self, now_s: float = NOON_S) -> None:
        self.now_s = now_s

    def __call__(self) -> int:
        return int(self.now_s * 1_000_000) * 1000

    @property
    def now_us(self) -> int:
        return self() // 1000


def writer_of(folder: Path, door: str = "door-1", clock: Clock | None = None, **options: int) -> LogWriter:
    return LogWriter(folder, door, clock=clock or Clock(), wait_s=0, **options)


def put(writer: LogWriter, *bodies: bytes, private: bytes | None = None, kind: int = Kind.COPIES) -> int:
    """Append bodies as one transaction, received now."""
    now_us = writer.now_us()
    return writer.append([Entry(kind, 1, body) for body in bodies], private, first_us=now_us, last_us=now_us)


def entries_of(folder: Path, door: str = "door-1") -> list[Stored]:
    with LogReader(folder) as reader:
        return list(reader.all(door))


def bodies_of(folder: Path, door: str = "door-1") -> list[bytes]:
    return [stored.body for stored in entries_of(folder, door)]


def forms_of(folder: Path, door: str = "door-1") -> list[str]:
    """Names of a door's log files, without what SQLite keeps beside them."""
    names = (path.name for path in (folder / "log" / door).iterdir())
    return sorted(name for name in names if name.endswith((".sqlite", ".seg")))


def total_order(entries: Iterable[Stored]) -> list[tuple[int, str, int]]:
    return sorted((stored.first_us, stored.door, stored.seq) for stored in entries)
