"""Deleted datasets: what was received for one before it was made again is in no table, whenever it is loaded.

Data of the log alone decides, so the order of loading changes nothing. Of a dataset that is deleted nothing stays,
whatever its time: a door may answer a few hits more before it knows. Of one that was made again, what came before that
goes: a door's copy by its receipt, all else by when it was written (imported copies keep times of their own).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple, Protocol

import numpy as np

from truecount.log.entries import Kind, Stored, dataset_of
from truecount.vocabulary import Mark

from .columns import Part, parts_at
from .sift import Rows

NEVER: Final = 2**63 - 1
_TABLES: Final = {
    "copies": "if(imported_us > 0, imported_us, received_us)",
    "tallies": "received_us",
    "set_aside": "received_us",
}
"""Each table's time that is compared with the dataset's beginning."""


class _Tables(Protocol):
    def rows(self, sql: str) -> list[list[Any]]: ...
    def command(self, sql: str) -> None: ...


class _Known(NamedTuple):
    """The newest record of a dataset."""

    order: tuple[int, str, int]
    begins_us: int
    """Nothing from before counts; NEVER while the dataset is deleted."""


class Deletions:
    """The datasets that were ever deleted, as the log tells."""

    def __init__(self) -> None:
        self._newest: dict[str, _Known] = {}
        self._begins: dict[str, int] = {}
        self._ever: set[str] = set()

    def learn(self, entries: Sequence[Stored]) -> None:
        """Take in SETTINGS entries, in any order, any number of times. One that cannot be read tells nothing."""
        for entry in entries:
            if entry.kind != Kind.SETTINGS:
                continue
            try:
                dataset = dataset_of(entry.body)
            except ValueError:
                continue
            known = _Known((entry.last_us, entry.door, entry.seq), NEVER if dataset.deleted else dataset.created_us)
            newest = self._newest.get(dataset.id)
            if newest is None or newest.order < known.order:
                self._newest[dataset.id] = newest = known
            if dataset.deleted:
                self._ever.add(dataset.id)
            if dataset.id in self._ever:
                self._begins[dataset.id] = newest.begins_us

    def drop(self, rows: Rows) -> None:
        """Take out of a batch what deletions cover."""
        if not self._begins:
            return
        begins = self._begins
        parts: list[Part] = []
        for part in rows.parts:
            parts += self._kept(part)
        if len(parts) != len(rows.parts) or any(a is not b for a, b in zip(parts, rows.parts, strict=True)):
            rows.parts, rows.table = parts, None
        rows.tallies = [row for row in rows.tallies if row["received_us"] >= begins.get(row["dataset"], -NEVER)]
        rows.aside = [row for row in rows.aside if row.received_us >= begins.get(row.dataset, -NEVER)]

    def where(self, table: str, datasets: Collection[str] | None = None) -> str:
        """SQL that is true for the rows of a table that deletions (of some datasets) cover; "0" for none."""
        time = _TABLES.get(table)
        begins = {id: us for id, us in sorted(self._begins.items()) if datasets is None or id in datasets}
        if not time or not begins:
            return "0"
        # A literal stays in a file of a mutation for a while; an id of a dataset tells nothing of anyone.
        return "(" + " OR ".join(
            f"dataset = '{_escaped(id)}'" if us == NEVER else f"(dataset = '{_escaped(id)}' AND {time} < {us})"
            for id, us in begins.items()
        ) + ")"  # fmt: skip

    def apply(self, tables: _Tables, rows: Rows) -> bool:
        """Take out of the tables what was there before the deletions of this batch; False where nothing was."""
        now = {str(row["dataset"]) for row in rows.settings if row["deleted"]} & self._begins.keys()
        done = False
        for table in _TABLES if now else ():
            which = self.where(table, now)
            if int(tables.rows(f"SELECT count() FROM {table} WHERE {which}")[0][0]):
                tables.command(f"ALTER TABLE {table} DELETE WHERE {which} SETTINGS mutations_sync = 2")
                done = True
        return done

    def _kept(self, part: Part) -> list[Part]:
        """A part without the copies that deletions cover: itself where there are none."""
        ids = part.columns.get("dataset", [""])
        if self._begins.keys().isdisjoint(ids):
            return [part]
        begins = np.fromiter((self._begins.get(id, -NEVER) for id in ids), np.int64, len(ids))
        imported = (_numbers(part, "marks") & int(Mark.IMPORTED)) != 0
        stays = np.where(imported, part.written_us or _numbers(part, "received_us"), _numbers(part, "received_us"))
        return parts_at(part, np.broadcast_to((begins != NEVER) & (stays >= begins), part.n))


def _numbers(part: Part, name: str) -> Any:
    return np.array(part.columns.get(name, [0]), np.int64)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
