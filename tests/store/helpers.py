"""What tests of the store share: an engine process, a log in memory, copies to load."""

from __future__ import annotations

import hashlib
import itertools
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from truecount.copies import Copy, pack_copies
from truecount.log.entries import Entry, Kind, Stored, join_parts
from truecount.store.client import Store
from truecount.store.local import _wait_ready, start, stop
from truecount.store.schema import migrate

START_US = 1_790_000_000_000_000
DEADLINE_S = 60.0
_databases = itertools.count(1)


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def a_copy(number: int = 1, **fields: Any) -> Copy:
    """A copy like those of a shop; `number` makes it differ from others."""
    values: dict[str, Any] = {
        "dataset": "1001",
        "source": "browser" if number % 2 else "server",
        "received_us": START_US + number * 1_000,
        "event_time_ms": (START_US + number * 1_000) // 1000,
        "event_name": ("PageView", "Purchase", "AddToCart")[number % 3],
        "event_id": f"id-{number}",
        "fbp": f"fb.1.1790000000000.{number}",
        "external_id": digest(f"person {number % 5}"),
    }
    return Copy(**{**values, **fields})


def entry_of(copies: Sequence[Copy], parts: int = 1) -> Entry:
    """A COPIES entry of these copies, cut into so many parts."""
    size = max(1, -(-len(copies) // parts))
    cut = [copies[at : at + size] for at in range(0, len(copies), size)]
    return Entry(Kind.COPIES, len(copies), join_parts([pack_copies(part) for part in cut]))


class MemoryLog:
    """A log in memory, read as LogReader is."""

    def __init__(self) -> None:
        self.entries: dict[str, list[Stored]] = {}

    def append(self, door: str, entry: Entry, us: int = START_US) -> int:
        seq = self.last_seq(door) + 1
        stored = Stored(door, seq, entry.kind, entry.n, us, us, 1, 1, entry.body, us)
        self.entries.setdefault(door, []).append(stored)
        return seq

    def doors(self) -> list[str]:
        return sorted(self.entries)

    def read(
        self, door: str, after_seq: int = 0, limit_bytes: int = 1 << 20, kinds: Collection[int] | None = None
    ) -> list[Stored]:
        found = []
        for stored in self.entries.get(door, [])[after_seq:]:
            if kinds is not None and stored.kind not in kinds:
                continue
            found.append(stored)
            limit_bytes -= len(stored.body)
            if limit_bytes <= 0:
                break
        return found

    def last_seq(self, door: str) -> int:
        return len(self.entries.get(door, []))


class Remote:
    """The loader's tables, through a client: what the loader sees of a cluster."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def rows(self, sql: str) -> list[list[Any]]:
        lines = self.store.query_raw(sql, form="JSONCompactEachRow").splitlines()
        return [msgspec.json.decode(line) for line in lines]

    def command(self, sql: str) -> None:
        self.store.command(sql)

    def insert(self, into: str, form: str, data: bytes, settings: Mapping[str, str]) -> int:
        return self.store.insert_raw(into, form, data, settings)


@contextmanager
def engine(folder: Path, *flags: str, port: int = 0) -> Iterator[tuple[Any, Store]]:
    """An engine process on a folder, and a client of it."""
    process, reading = start(folder, ["--no-upkeep", "--port", str(port), *flags])
    try:
        _wait_ready(process, reading)
        with Store.of_folder(folder) as store:
            yield process, store
    finally:
        os.close(reading)
        if process.poll() is None:
            stop(process)


@contextmanager
def fresh_tables(store: Store) -> Iterator[Store]:
    """A client whose tables are empty and nobody else's."""
    name = f"of_test_{next(_databases)}"
    store.command(f"CREATE DATABASE {name}")
    with Store(store._url, store._secret, database=name) as client:
        remote = Remote(client)
        migrate(remote.command, remote.rows)
        yield client
    store.command(f"DROP DATABASE {name} SYNC")


def empty(store: Store) -> Store:
    """The same client, its tables emptied: a tenth of the cost of new ones."""
    for table in ("copies", "tallies", "settings", "set_aside", "batches"):
        store.command(f"TRUNCATE TABLE {table}")
    return store


PAIRS: Final = [(number, at) for number in range(8) for at in range(10)]


def at_once(ask: Callable[[int, int], object]) -> dict[tuple[int, int], object]:
    """What is answered to each of PAIRS, asked by eight threads."""
    with ThreadPoolExecutor(8) as pool:
        return dict(zip(PAIRS, pool.map(lambda pair: ask(*pair), PAIRS), strict=True))


def eventually(check: Callable[[], bool], what: str) -> None:
    """Poll until it is so; fail after a minute."""
    until = time.monotonic() + DEADLINE_S
    while not check():
        assert time.monotonic() < until, what
        time.sleep(0.02)


def places_in(store: Store) -> list[tuple[Any, ...]]:
    return store.query_rows("SELECT door, seq, pos FROM copies ORDER BY door, seq, pos")
