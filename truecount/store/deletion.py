"""Deleted datasets: what was received for one before it was made again is in no table, whenever it is loaded.

The rule is log.deleted's: the log alone decides, so the order of loading changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, Protocol

import numpy as np

from truecount.log.deleted import NEVER, Deleted

from .columns import Part, parts_at
from .sift import Rows

_TABLES: Final = {
    "copies": "if(imported_us > 0, imported_us, received_us)",
    "tallies": "received_us",
    "set_aside": "received_us",
}
"""Each table's time that is compared with the dataset's beginning."""


class _Tables(Protocol):
    def rows(self, sql: str) -> list[list[Any]]: ...
    def command(self, sql: str) -> None: ...


class Deletions(Deleted):
    """The datasets that were ever deleted, and what that means for tables."""

    def drop(self, rows: Rows) -> None:
        """Take out of a batch what deletions cover."""
        if not self.begins:
            return
        begins = self.begins
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
        begins = {id: us for id, us in sorted(self.begins.items()) if datasets is None or id in datasets}
        if not time or not begins:
            return "0"
        # A literal stays in a file of a mutation for a while; an id of a dataset tells nothing of anyone.
        return "(" + " OR ".join(
            f"dataset = '{_escaped(id)}'" if us == NEVER else f"(dataset = '{_escaped(id)}' AND {time} < {us})"
            for id, us in begins.items()
        ) + ")"  # fmt: skip

    def apply(self, tables: _Tables, rows: Rows) -> bool:
        """Take out of the tables what was there before the deletions of this batch; False where nothing was."""
        now = {str(row["dataset"]) for row in rows.settings if row["deleted"]} & self.begins.keys()
        done = False
        for table in _TABLES if now else ():
            which = self.where(table, now)
            if int(tables.rows(f"SELECT count() FROM {table} WHERE {which}")[0][0]):
                tables.command(f"ALTER TABLE {table} DELETE WHERE {which} SETTINGS mutations_sync = 2")
                done = True
        return done

    def _kept(self, part: Part) -> list[Part]:
        """A part without the copies that deletions cover: itself where there are none."""
        if self.begins.keys().isdisjoint(part.columns.get("dataset", [""])):
            return [part]
        return parts_at(part, np.logical_not(self.covers(part.n, part.columns, part.written_us)))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
