"""The store made anew from the log: beside the old one, which serves until the new one is whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from truecount.log.files import sync_folder
from truecount.log.reader import LogReader

from .client import Store
from .errors import StoreRefused

NEW: Final = "store.new"
OLD: Final = "store.old"


class Rebuilt(NamedTuple):
    """What the new store holds."""

    copies: int
    set_aside: int
    doors: int

    def __str__(self) -> str:
        aside = f", {self.set_aside} rows set aside" if self.set_aside else ""
        return f"{self.copies} copies from {self.doors} doors{aside}"


def rebuild(folder: Path, told: Callable[[int, int], None] | None = None) -> Rebuilt:
    """Make the store anew from the log; the caller owns the folder. `told` gets (entries loaded, entries in the log).

    StoreRefused where the log holds less than the store does: history would shrink, so nothing is changed.
    """
    from .local import engine, wait_for_all

    folder = Path(folder)
    settle(folder)
    with LogReader(folder) as reader:
        ends = {door: reader.last_seq(door) for door in reader.doors()}
    before = 0
    if (folder / "store").is_dir():
        with engine(folder, ["--no-upkeep", "--no-load"]) as store:
            before = _refuse_to_shrink(store, ends)
    shutil.rmtree(folder / NEW, ignore_errors=True)
    total = sum(ends.values())

    def tell(loader: dict[str, object]) -> None:
        doors = loader["doors"]
        if told and isinstance(doors, dict):
            told(sum(doors.values()), total)

    try:
        with engine(folder, ["--no-upkeep", "--store", NEW]) as store:
            wait_for_all(store, tell)
            copies, aside, items = _counts(store)
        if copies + items < before:
            raise StoreRefused(
                f"the store holds {before} copies, the log gave {copies + items}: files of the log are missing. Put "
                "them back, then replay again; the store is as it was"
            )
    except BaseException:
        shutil.rmtree(folder / NEW, ignore_errors=True)
        raise
    _swap(folder)
    return Rebuilt(copies, aside, len(ends))


def settle(folder: Path) -> None:
    """Finish or undo a swap that a crash cut short. For the owner, before the store is opened."""
    store, old = folder / "store", folder / OLD
    if old.is_dir():
        if store.is_dir():
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.rename(old, store)  # the new one is made again when somebody asks for it again
            sync_folder(folder)


def _swap(folder: Path) -> None:
    store, new, old = folder / "store", folder / NEW, folder / OLD
    if store.is_dir():
        os.rename(store, old)
    os.rename(new, store)
    sync_folder(folder)
    shutil.rmtree(old, ignore_errors=True)


def _refuse_to_shrink(store: Store, ends: dict[str, int]) -> int:
    """The number of copies in the store. StoreRefused when it has entries that the log has not."""
    known = {
        str(row[0]) for row in store.query_rows("SELECT name FROM system.tables WHERE database = currentDatabase()")
    }
    if not {"batches", "copies", "set_aside"} <= known:
        return 0
    for door, last in store.query_rows("SELECT door, max(last_seq) FROM batches GROUP BY door ORDER BY door"):
        if last > ends.get(door, 0):
            raise StoreRefused(
                f"the store has entries up to {last} of door {door}, the log ends at {ends.get(door, 0)}: history "
                "would shrink. Put the missing files of the log back; the store is as it was"
            )
    copies, _, items = _counts(store)
    return copies + items


def _counts(store: Store) -> tuple[int, int, int]:
    """Copies, rows of set_aside, copies that these stand for."""
    (copies,) = store.query_rows("SELECT count() FROM copies")[0]
    rows, items = store.query_rows("SELECT count(), sumIf(n, kind = 1) FROM set_aside")[0]
    return int(copies), int(rows), int(items)
