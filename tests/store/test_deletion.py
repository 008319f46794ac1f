"""Deleted datasets: the log alone decides what stays, whatever is loaded first, and however often."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truecount.copies import Copy
from truecount.datasets import Dataset
from truecount.log import upkeep
from truecount.log.blanking import blank_deleted
from truecount.log.deleted import Deleted
from truecount.log.entries import Entry, Tally, settings_entry, tallies_entry
from truecount.log.folder import DataFolder
from truecount.log.reader import LogReader
from truecount.log.registry import Registry
from truecount.log.writer import LogWriter
from truecount.store import service
from truecount.store.client import Store
from truecount.store.errors import StoreRefused
from truecount.store.loader import Loader
from truecount.store.local import open_store, replay
from truecount.vocabulary import Mark

from .helpers import START_US, MemoryLog, Remote, a_copy, digest, empty, engine, entry_of, eventually, places_in

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


orders = given(
    loads=st.lists(st.integers(0, 9), max_size=3), rows=st.integers(1, 8), doors=st.permutations(["a", "b", "c", "d"])
)
"""The doors' names decide which is loaded first; `loads` are the moments at which a store is opened."""


@settings(max_examples=3, deadline=None, derandomize=True)
@orders
def test_the_order_of_loading_and_restarts_decide_nothing(
    shared_tables: Store, loads: list[int], rows: int, doors: list[str]
) -> None:
    check_order(shared_tables, loads, rows, doors)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@orders
def test_more_orders_of_loading_and_restarts_decide_nothing(
    shared_tables: Store, loads: list[int], rows: int, doors: list[str]
) -> None:
    check_order(shared_tables, loads, rows, doors)


def check_order(shared_tables: Store, loads: list[int], rows: int, doors: list[str]) -> None:
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


@pytest.mark.slow
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


def _receive(folder: Path, *numbers: int) -> None:
    """Hits of the dataset that is deleted and of another one, in one entry; a refusal; and imported ones."""
    with LogWriter(folder, "door-1") as writer:
        now_us = writer.now_us()
        copies = [a_copy(n, received_us=now_us, em=digest(f"maya {n}")) for n in numbers]
        copies.append(a_copy(numbers[0], dataset="2002", received_us=now_us, em=digest(f"other {numbers[0]}")))
        entries = [
            entry_of(copies, 2),
            tallies_entry([Tally("1001", "browser", "refused", "no_event_name", 2, now_us)]),
        ]
        writer.append(entries, b"203.0.113.7 Firefox", first_us=now_us, last_us=now_us)
    _import(folder, range(numbers[0], numbers[-1] + 1))


def _loaded(folder: Path) -> dict[str, int]:
    with LogReader(folder) as reader:
        return {door: reader.last_seq(door) for door in reader.doors()}


def _blank(folder: Path) -> int:
    """What upkeep does in the end, all of the log loaded; the number of copies blanked."""
    deleted, n = Deleted(), 0
    for _ in range(2):
        upkeep.run(folder, _loaded(folder), START_US)
        n += blank_deleted(folder, deleted).copies
    return n


def _everything(store: Store) -> list[bytes]:
    return [
        store.query_raw(f"SELECT * FROM {table} ORDER BY door, seq, pos")
        for table in ("copies", "tallies", "settings", "set_aside")
    ]


def _is_somewhere(folder: Path, value: bytes) -> bool:
    """Whether any file of a data folder holds these bytes, SQLite's WAL and the store's parts included."""
    for place, _, names in os.walk(folder):  # the engine removes what it merged meanwhile: walk minds that, rglob not
        for name in names:
            try:
                if value in (Path(place) / name).read_bytes():
                    return True
            except FileNotFoundError:
                continue
    return False


@pytest.mark.parametrize("rounds", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_after_blanking_the_store_is_the_same_live_restarted_replayed_and_made_anew(folder: Path, rounds: int) -> None:
    with Registry.open(folder) as registry:
        registry.create("A", id="1001")
        registry.create("B", id="2002")
        _receive(folder, 1, 2, 3)
        registry.delete("1001")
        _receive(folder, 4, 5)  # by doors that did not know yet
        registry.create("A", id="1001")
        _receive(folder, 6, 7)
    with open_store(folder) as store:
        before, places = _everything(store), places_in(store)
    assert len(places) == 2 + 2 + 3
    assert _blank(folder) == (3 + 3) + (2 + 2)
    for _ in range(rounds):
        with open_store(folder) as store:
            assert _everything(store) == before
        assert replay(folder).copies == len(places)
    shutil.rmtree(folder / "store")
    with open_store(folder) as store:
        assert _everything(store) == before
    # Blanked while the store has not loaded the deletion: it is as if it had.
    with Registry.open(folder) as registry:
        registry.delete("1001")
    assert _blank(folder) == 4
    with open_store(folder) as store:
        assert {row[0] for row in store.query_rows("SELECT dataset FROM copies")} == {"2002"}
        after = _everything(store)
    assert replay(folder).copies == 3
    with open_store(folder) as store:
        assert _everything(store) == after


def test_while_a_server_runs_the_engine_blanks_and_no_file_of_the_folder_holds_a_digest_any_more(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "UPKEEP_EVERY_S", 0.05)
    people = [digest(f"maya {n}") for n in (1, 2)]
    loader = SimpleNamespace(state=lambda: SimpleNamespace(recovered=True, doors=_loaded(folder)))
    stop = threading.Event()
    with Registry.open(folder) as registry:
        registry.create("A", id="1001")
        registry.create("B", id="2002")
        _receive(folder, 1, 2)
        with engine(folder) as (_, store):
            eventually(lambda: len(places_in(store)) == 5, "all is loaded")
            assert all(_is_somewhere(folder, person) for person in people)
            registry.delete("1001")
            eventually(lambda: len(places_in(store)) == 1, "it is deleted")
            running = threading.Thread(target=service._upkeep, args=(folder, loader, 7, stop))
            running.start()
            try:
                for trace in (*people, b"203.0.113.7"):
                    eventually(lambda trace=trace: not _is_somewhere(folder, trace), "its bytes are gone")
            finally:
                stop.set()
                running.join()
            assert store.query_rows("SELECT dataset, hex(em[1]) FROM copies") == [
                ("2002", digest("other 1").hex().upper())
            ]
    assert _is_somewhere(folder, digest("other 1"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return DataFolder(tmp_path / "data").path
