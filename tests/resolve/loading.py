"""Copies into a store's table, without a log: for tests of what the store answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from truecount.copies import Copy, columns_of
from truecount.store.client import Store
from truecount.store.columns import Part, table_of
from truecount.store.local import engine

from .reference import Row

START_US = 1_790_000_000_000_000
"""A Monday in September 2026; the tests' own clock."""


@contextmanager
def empty_store(folder: Path) -> Iterator[Store]:
    """An engine process on an empty folder, that loads nothing by itself."""
    with engine(folder, ["--no-upkeep", "--no-load"]) as store:
        yield store


def load(store: Store, rows: Iterable[Row]) -> None:
    """Insert copies at the offsets they name."""
    parts = [
        Part(row.door, row.seq, row.pos, 1, {name: list(values) for name, values in columns_of([row.copy]).items()})
        for row in rows
    ]
    if parts:
        store.insert_arrow("copies", table_of(parts))


def rows_of(copies: Iterable[Copy], door: str = "d1") -> list[Row]:
    """Copies one after the other in one door's log."""
    return [Row(door, seq, 0, copy) for seq, copy in enumerate(copies, 1)]
