"""Deleted datasets: what was received for one before it was deleted is taken out of the tables, whenever it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from truecount.vocabulary import Mark

from .sift import Rows

if TYPE_CHECKING:
    from .batches import Tables

_TABLES: Final = ("copies", "tallies", "set_aside")


class Deletions:
    """The deletions that are known. Applying one again changes nothing.

    Imported copies keep times of their own, so for them the order of loading decides: what is loaded after the deletion
    belongs to a new dataset of the same id, if there is one. All doors' copies go by their time of receipt.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._deleted: dict[str, tuple[int, bool]] = {}

    def read(self) -> None:
        """Learn from the settings table what was deleted, when, and whether the dataset is still deleted."""
        found = self._tables.rows(
            "SELECT dataset, maxIf(changed_us, deleted), argMax(deleted, (changed_us, door, seq)) FROM settings "
            "GROUP BY dataset HAVING countIf(deleted) > 0 ORDER BY dataset"
        )
        self._deleted = {str(dataset): (int(at_us), bool(still)) for dataset, at_us, still in found}

    def concern(self, rows: Rows) -> bool:
        """True when a batch deletes a dataset, makes it again, or holds rows of one that was deleted."""
        return any(row["deleted"] for row in rows.settings) or bool(self._deleted and self._touched(rows))

    def apply(self, rows: Rows) -> None:
        """Take out of the tables what these rows, which are in them, should not have put or left there."""
        now = {str(row["dataset"]) for row in rows.settings if row["deleted"]}
        self.read()
        for dataset in sorted(now | self._touched(rows)):
            at_us, still = self._deleted[dataset]
            by_time = f"received_us <= {at_us}"
            if dataset in now or still:
                copies = f"({by_time} OR bitAnd(marks, {int(Mark.IMPORTED)}) != 0)"
            else:
                copies = f"{by_time} AND bitAnd(marks, {int(Mark.IMPORTED)}) = 0"
            # The literal stays in a file of the mutation for a while; an id of a dataset tells nothing of anyone.
            for table in _TABLES:
                which = copies if table == "copies" else by_time
                self._tables.command(
                    f"ALTER TABLE {table} DELETE WHERE dataset = '{_escaped(dataset)}' AND {which} "
                    "SETTINGS mutations_sync = 2"
                )

    def _touched(self, rows: Rows) -> set[str]:
        touched = {str(row["dataset"]) for row in (*rows.tallies, *rows.settings)}
        touched.update(row.dataset for row in rows.aside)
        for part in rows.parts:
            touched.update(part.columns.get("dataset", ()))
        return touched & self._deleted.keys()


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
