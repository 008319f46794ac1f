"""The store made anew from the log: beside the old one, which serves until the new one is whole."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from truecount.datasets import CANARY_ID
from truecount.log.files import sync_folder
from truecount.log.reader import LogReader

from .client import Store
from .deletion import Deletions
from .errors import QueryFailed, StoreRefused
from .trouble import DAMAGED, missing_of, moved_away

NEW: Final = "store.new"
OLD: Final = "store.old"
_Items = dict[tuple[str, str], int]
"""Copies by door and dataset."""


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
        deletions = Deletions()
        for door in ends:
            deletions.follow(reader, door)
    before: _Items = {}
    if (folder / "store").is_dir():
        with engine(folder, ["--no-upkeep", "--no-load"]) as store:
            before = _refuse_to_shrink(folder, store, ends, deletions)
    shutil.rmtree(folder / NEW, ignore_errors=True)
    total = sum(ends.values())

    def tell(loader: dict[str, object]) -> None:
        doors = loader["doors"]
        if told and isinstance(doors, dict):
            told(sum(doors.values()), total)

    try:
        with engine(folder, ["--no-upkeep", "--store", NEW]) as store:
            wait_for_all(store, tell)
            copies, aside = _counts(store)
            now = _items(store)
        _refuse_less(before, now)
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


def _refuse_to_shrink(folder: Path, store: Store, ends: dict[str, int], deletions: Deletions) -> _Items:
    """What the store holds. StoreRefused when it has entries that the log has not."""
    known = {
        str(row[0]) for row in store.query_rows("SELECT name FROM system.tables WHERE database = currentDatabase()")
    }
    if not {"batches", "copies", "set_aside"} <= known:
        return {}
    try:
        for door, last in ends_in(store).items():
            if last > ends.get(door, 0):
                raise StoreRefused(
                    f"{missing_of(door, last, ends.get(door, 0))}, and history would shrink. Put them back; the store "
                    "is as it was"
                )
    except QueryFailed as error:
        if error.code not in DAMAGED:
            raise
        raise StoreRefused(
            f"the store is so damaged (code {error.code}) that it does not tell how much it holds. If `truecount "
            f"doctor` finds the log whole: {moved_away(folder / 'store')}"
        ) from None
    try:
        return _items(store, deletions)
    except QueryFailed as error:
        if error.code not in DAMAGED:
            raise
        return {}  # no entry is missing; how many copies were made of each cannot be compared


def ends_in(store: Store) -> dict[str, int]:
    """The last entry of each door that was ever loaded, or begun to be."""
    found = store.query_rows("SELECT door, max(last_seq) FROM batches GROUP BY door ORDER BY door")
    return {str(door): int(last) for door, last in found}


def damaged_parts(store: Store) -> list[str]:
    """Parts of the tables that cannot be read, or were put aside because they could not. Reads the whole store."""
    tables = [
        str(name)
        for (name,) in store.query_rows(
            "SELECT name FROM system.tables WHERE database = currentDatabase() "
            "AND engine LIKE '%MergeTree' ORDER BY name"
        )
    ]
    found = [
        f"{table}/detached/{name}"
        for table, name in store.query_rows(
            "SELECT table, name FROM system.detached_parts "
            "WHERE database = currentDatabase() AND reason LIKE '%broken%' ORDER BY table, name"
        )
    ]
    for table in tables:
        said = store.query_raw(f"CHECK TABLE `{table}` SETTINGS check_query_single_value_result = 0")
        for line in said.splitlines():
            part = json.loads(line)
            if not part["is_passed"]:
                found.append(f"{table}/{part['part_path']}")
    return found


def _refuse_less(before: _Items, now: _Items) -> None:
    """No entry is missing (reading the log would have said so), but fewer copies of one door came out of it."""
    for door in sorted({door for door, _ in before}):
        had, has = (sum(n for (at, _), n in items.items() if at == door) for items in (before, now))
        if has < had:
            less = ", ".join(
                f"{dataset or 'unknown'} ({n} before, {now.get((at, dataset), 0)} now)"
                for (at, dataset), n in sorted(before.items())
                if at == door and now.get((at, dataset), 0) < n
            )
            raise StoreRefused(
                f"door {door}: the store holds {had} copies, the log gives {has}, though none of its entries is "
                f"missing. Datasets: {less}. The store is as it was; delete its folder to have what the log gives"
            )


def _items(store: Store, deletions: Deletions | None = None) -> _Items:
    """Copies, and those set aside, by door and dataset; without what `deletions` cover, loaded yet or not."""
    found: _Items = {}
    for table, count in (("copies", "count()"), ("set_aside", "sumIf(n, kind = 1)")):
        covered = deletions.where(table) if deletions else "0"
        sql = f"SELECT door, dataset, {count} FROM {table} WHERE NOT {covered} GROUP BY door, dataset"
        for door, dataset, n in store.query_rows(sql):
            place = (str(door), str(dataset))
            found[place] = found.get(place, 0) + int(n)
    return found


def _counts(store: Store) -> tuple[int, int]:
    """Copies (canaries are none), rows of set_aside."""
    (copies,) = store.query_rows("SELECT count() FROM copies WHERE dataset != {id:String}", {"id": CANARY_ID})[0]
    (rows,) = store.query_rows("SELECT count() FROM set_aside")[0]
    return int(copies), int(rows)
