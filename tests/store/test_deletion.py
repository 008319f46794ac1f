"""Deleted datasets: the log alone decides what stays, whatever is loaded first, and however often."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truecount.copies import Copy
from truecount.datasets import Dataset
from truecount.log.entries import Entry, Tally, settings_entry, tallies_entry
from truecount.log.folder import DataFolder
from truecount.log.registry import Registry
from truecount.log.writer import LogWriter
from truecount.store.client import Store
from truecount.store.errors import StoreRefused
from truecount.store.loader import Loader
from truecount.store.local import open_store, replay
from truecount.vocabulary import Mark

from .helpers import START_US, MemoryLog, Remote, a_copy, empty, entry_of, places_in

DAY_US = 86_400_000_000


class Counting(Remote):
    """Tables that count the mutations."""

    mutations = 0

    def command(self, sql: str) -> None:
        self.mutations += sql.startswith("ALTER TABLE") and " DELETE " in sql
        super().command(sql)


def load_all(log: MemoryLog, tables: Any, rows: int = 50_000) -> None:
    loader = Loader(tables, log, batch_rows=rows)
    loader.recover()
    while loader.step():
        pass


def is_from(us: int, **fields: Any) -> Dataset:
    return Dataset(id="1001", name="shop", created_us=us, **fields)


def imported(number: int, received_us: int) -> Copy:
    return a_copy(number, marks=int(Mark.IMPORTED), received_us=received_us)


def test_of_a_deleted_dataset_nothing_stays_and_others_do(tables: Store) -> None:
    log = MemoryLog()
    log.append("d", entry_of([a_copy(1), a_copy(2, dataset="other"), a_copy(3)]))
    log.append("d", tallies_entry([Tally("1001", "browser", "refused", "no_event_name", 2, START_US)]))
    log.append("d", settings_entry(is_from(1, deleted=True)), us=START_US + 5_000)
    load_all(log, Remote(tables))
    assert places_in(tables) == [("d", 1, 1)]
    assert tables.query_rows("SELECT count() FROM tallies") == [(0,)]


def test_hits_answered_while_a_dataset_is_deleted_go_and_do_not_show_up_in_the_next_one_of_its_id(
    tables: Store,
) -> None:
    log = MemoryLog()
    log.append("m", settings_entry(is_from(1)), us=START_US)
    log.append("m", settings_entry(is_from(1, deleted=True)), us=START_US + 2_000)
    log.append("d", entry_of([a_copy(1), a_copy(3)]), us=START_US + 3_000)  # 3: a door that did not know yet
    load_all(log, Remote(tables))
    assert places_in(tables) == []
    log.append("m", settings_entry(is_from(START_US + 5_000)), us=START_US + 5_000)
    log.append("d", entry_of([a_copy(4), a_copy(5), a_copy(6)]), us=START_US + 7_000)
    load_all(log, Remote(tables))
    assert places_in(tables) == [("d", 2, 1), ("d", 2, 2)]
    load_all(log, Remote(empty(tables)))
    assert places_in(tables) == [("d", 2, 1), ("d", 2, 2)]


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    loads=st.lists(st.integers(0, 9), max_size=3), rows=st.integers(1, 8), doors=st.permutations(["a", "b", "c", "d"])
)
def test_the_order_of_loading_and_restarts_decide_nothing(
    shared_tables: Store, loads: list[int], rows: int, doors: list[str]
) -> None:
    """The doors' names decide which is loaded first; `loads` are the moments at which a store is opened."""
    imports, hits, registry, later = doors
    history: list[tuple[str, Entry]] = [
        (registry, settings_entry(is_from(START_US))),
        (imports, entry_of([imported(n, n) for n in range(5)])),
        (hits, entry_of([a_copy(1)])),
        (registry, settings_entry(is_from(START_US, deleted=True))),
        (hits, entry_of([a_copy(4)])),
        (later, settings_entry(is_from(START_US + 5_000))),
        (imports, entry_of([imported(n, n) for n in range(5, 10)])),
        (hits, entry_of([a_copy(7), a_copy(4)])),
    ]
    wanted = sorted([(imports, 2, pos) for pos in range(5)] + [(hits, 3, 0)])
    store = empty(shared_tables)
    log = MemoryLog()
    for at, (door, entry) in enumerate(history):
        log.append(door, entry, us=START_US + at * 1_000)
        if at in loads:
            load_all(log, Remote(store), rows)
    for _ in range(2):
        load_all(log, Remote(store), rows)
        assert places_in(store) == wanted
    load_all(log, Remote(empty(store)), rows + 1)
    assert places_in(store) == wanted


def test_a_restart_does_not_bring_back_what_was_imported_before_the_deletion(tables: Store) -> None:
    log = MemoryLog()
    log.append("import", entry_of([imported(n, START_US + DAY_US) for n in (1, 2)]))
    load_all(log, Remote(tables))
    log.append("m", settings_entry(is_from(1, deleted=True)), us=START_US + 5_000)
    for _ in range(3):
        load_all(log, Remote(tables))
        assert places_in(tables) == []
    log.append("m", settings_entry(is_from(START_US + 6_000)), us=START_US + 6_000)
    for _ in range(2):
        load_all(log, Remote(tables))
        assert places_in(tables) == []


def test_a_deletion_rewrites_the_tables_once_and_not_where_there_is_nothing(tables: Store) -> None:
    log, counting = MemoryLog(), Counting(tables)
    log.append("d", entry_of([a_copy(1)]))
    load_all(log, counting)
    log.append("m", settings_entry(is_from(1, deleted=True)), us=START_US + 2_000)
    log.append("m", settings_entry(is_from(START_US + 3_000)), us=START_US + 3_000)
    load_all(log, counting)
    assert counting.mutations == 1
    for number in range(4, 8):
        log.append("d", entry_of([a_copy(1), a_copy(number)]), us=START_US + number * 1_000)
        load_all(log, counting)
    assert counting.mutations == 1
    assert places_in(tables) == [("d", seq, 1) for seq in range(2, 6)]
    load_all(log, Counting(empty(tables)))
    assert places_in(tables) == [("d", seq, 1) for seq in range(2, 6)]


def test_a_name_with_a_quote_in_it_is_deleted_as_any_other(tables: Store) -> None:
    log = MemoryLog()
    for name in ("it's", "a\\'b"):
        log.append("d", entry_of([a_copy(1, dataset=name)]))
        load_all(log, Remote(tables))
        log.append("d", settings_entry(Dataset(id=name, name="x", created_us=1, deleted=True)), us=START_US + 9_000)
    load_all(log, Remote(tables))
    assert places_in(tables) == []


def _import(folder: Path, numbers: range) -> None:
    with LogWriter(folder, "import") as writer:
        writer.append([entry_of([imported(n, START_US - DAY_US + n) for n in numbers])], first_us=1, last_us=2)


def test_created_imported_deleted_created_and_imported_it_is_the_same_live_restarted_replayed_and_made_anew(
    tmp_path: Path,
) -> None:
    folder = DataFolder(tmp_path / "data").path
    with Registry.open(folder) as registry:
        registry.create("A", id="1001")
        _import(folder, range(5))
        with open_store(folder) as store:
            assert len(places_in(store)) == 5
        registry.delete("1001")
        registry.create("A", id="1001")
        _import(folder, range(5, 10))
    wanted = [("import", 2, pos) for pos in range(5)]
    with open_store(folder) as store:
        assert places_in(store) == wanted
    assert replay(folder).copies == 5
    with open_store(folder) as store:
        assert places_in(store) == wanted
    shutil.rmtree(folder / "store")
    with open_store(folder) as store:
        assert places_in(store) == wanted
    with Registry.open(folder) as registry:
        registry.delete("1001")
    # The store has not loaded the deletion: it holds more than the log gives, and nothing is wrong with that.
    assert replay(folder).copies == 0


def test_a_replay_that_would_give_less_names_door_and_dataset_and_calls_no_file_missing(folder: Path) -> None:
    _import(folder, range(3))
    with open_store(folder) as store:
        store.command("INSERT INTO copies (dataset, door, seq, pos) VALUES ('1001', 'import', 1, 9)")
    with pytest.raises(StoreRefused, match=r"door import: .*none of its entries is missing.*1001 \(4 before, 3 now\)"):
        replay(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return DataFolder(tmp_path / "data").path
