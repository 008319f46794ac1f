"""Deleted datasets, as the log's settings records tell: which copies no longer count, and what blanking leaves of one.

Data of the log alone decides, so the order of reading changes nothing. Of a dataset that is deleted nothing counts,
whatever its time: a door may answer a few hits more before it knows. Of one that was made again, what came before that
does not: a door's copy goes by its receipt, an imported one by when it was written (it keeps times of its own).

A blanked copy keeps what this rule looks at, so it is left out as it was before; it also keeps its place.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from truecount.copies import DEFAULTS, PLACE, pack, unpack
from truecount.vocabulary import Mark

from .entries import Kind, Stored, dataset_of, join_parts, split_parts

NEVER: Final = 2**63 - 1
KEPT: Final = ("dataset", "source", "received_us", "marks")
"""Fields of a copy that blanking leaves."""
_READ_BYTES: Final = 8 * 1024 * 1024
_IMPORTED: Final = int(Mark.IMPORTED)

Columns = Mapping[str, Sequence[Any]]
"""Columns of a part, as copies.unpack gives them."""


class Log(Protocol):
    """What is needed of a log."""

    def last_seq(self, door: str) -> int: ...
    def read(
        self, door: str, after_seq: int = 0, limit_bytes: int = _READ_BYTES, kinds: Collection[int] | None = None
    ) -> list[Stored]: ...


class _Known(NamedTuple):
    """The newest record of a dataset."""

    order: tuple[int, str, int]
    begins_us: int
    """Nothing from before counts; NEVER while the dataset is deleted."""


class Deleted:
    """The datasets that were ever deleted."""

    def __init__(self) -> None:
        self.begins: dict[str, int] = {}
        """Dataset -> from when on its copies count; NEVER while it is deleted."""
        self.unreadable = 0
        """Settings records that this version cannot read."""
        self._newest: dict[str, _Known] = {}
        self._ever: set[str] = set()
        self._read: dict[str, int] = {}

    def follow(self, log: Log, door: str) -> None:
        """Take in the settings records of a door that were not read yet. LogError when they cannot be."""
        end = log.last_seq(door)
        after = self._read.get(door, 0)
        while after < end and (found := log.read(door, after, _READ_BYTES, (Kind.SETTINGS,))):
            self.learn(found)
            after = found[-1].seq
        self._read[door] = max(after, end)

    def learn(self, entries: Sequence[Stored]) -> None:
        """Take in SETTINGS entries, in any order. One that cannot be read tells nothing, and is counted."""
        for entry in entries:
            if entry.kind != Kind.SETTINGS:
                continue
            try:
                dataset = dataset_of(entry.body)
            except ValueError:
                self.unreadable += 1
                continue
            known = _Known((entry.last_us, entry.door, entry.seq), NEVER if dataset.deleted else dataset.created_us)
            newest = self._newest.get(dataset.id)
            if newest is None or newest.order < known.order:
                self._newest[dataset.id] = newest = known
            if dataset.deleted:
                self._ever.add(dataset.id)
            if dataset.id in self._ever:
                self.begins[dataset.id] = newest.begins_us

    def covers(self, n: int, columns: Columns, written_us: int) -> list[bool]:
        """Which copies of a part do not count. `written_us` is its entry's."""
        return [
            self._is_covered(dataset, us) or (is_blank and dataset in self.begins)
            for dataset, us, is_blank in _told(n, columns, written_us)
        ]

    def blank(self, body: bytes, written_us: int) -> tuple[bytes, int]:
        """A COPIES body with what does not count blanked, and the number of copies that this changed.

        Parts that cannot be read stay as they are: of which dataset they are is not known.
        """
        if not any(id.encode() in body for id in self.begins):
            return body, 0
        try:
            parts: list[bytes | memoryview] = list(split_parts(body))
        except ValueError:
            return body, 0
        changed = 0
        for at, part in enumerate(parts):
            try:
                n, columns = unpack(part)
            except ValueError:
                continue
            leaves = [
                self._is_covered(dataset, us) and not is_blank
                for dataset, us, is_blank in _told(n, columns, written_us)
            ]
            if any(leaves):
                parts[at] = pack(n, {name: _blanked(name, columns, leaves) for name in columns})
                changed += sum(leaves)
        return (join_parts(parts), changed) if changed else (body, 0)

    def _is_covered(self, dataset: str, us: int) -> bool:
        begins_us = self.begins.get(dataset)
        return begins_us is not None and (begins_us == NEVER or us < begins_us)


def _told(n: int, columns: Columns, written_us: int) -> Iterator[tuple[str, int, bool]]:
    """Of each copy: its dataset, the time it goes by, whether it is blank (one that came has a name and a time)."""
    names = ("dataset", "received_us", "marks", "event_name", "event_time_ms")
    values = (_values(name, columns, n) for name in names)
    for dataset, received_us, marks, event_name, time_ms in zip(*values, strict=True):
        imported = written_us and type(marks) is int and marks & _IMPORTED
        us = written_us if imported else received_us if type(received_us) is int else 0
        yield dataset if type(dataset) is str else "", us, not event_name and not time_ms


def _blanked(name: str, columns: Columns, leaves: Sequence[bool]) -> Sequence[Any]:
    values = _values(name, columns, len(leaves))
    if name in KEPT:
        return values
    default = DEFAULTS[PLACE[name]]
    return [default if leaving else value for value, leaving in zip(values, leaves, strict=True)]


def _values(name: str, columns: Columns, n: int) -> Sequence[Any]:
    column = columns.get(name, (DEFAULTS[PLACE[name]],))
    return column if len(column) == n else [*column] * n
