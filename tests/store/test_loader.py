"""The loader against a real engine: each copy once, whatever fails, in whatever batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truecount.copies import FIELDS, pack
from truecount.datasets import Dataset
from truecount.log.entries import Entry, Kind, Tally, join_parts, settings_entry, tallies_entry
from truecount.log.errors import LogDamaged
from truecount.store import batches
from truecount.store import loader as loading
from truecount.store.client import Store
from truecount.store.errors import QueryFailed, StoreRefused
from truecount.store.loader import Loader
from truecount.vocabulary import DIGEST_KEYS, Mark

from .helpers import START_US, MemoryLog, Remote, a_copy, digest, empty, entry_of, places_in

MONTH_US = 31 * 86_400_000_000


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "WAITS_S", (0.0,))
    monkeypatch.setattr(loading, "WAITS_S", (0.0,))
    monkeypatch.setattr(loading, "HOLD_S", 0.05)


def load_all(log: MemoryLog, tables: Any, rows: int = 50_000) -> Loader:
    """A loader that starts anew, and loads what is there."""
    loader = Loader(tables, log, batch_rows=rows)
    loader.recover()
    while loader.step():
        pass
    return loader


def everything(store: Store) -> list[tuple[Any, ...]]:
    return store.query_rows("SELECT * FROM copies ORDER BY door, seq, pos")


def test_a_copy_comes_out_as_it_went_in(tables: Store) -> None:
    copy = a_copy(
        5,
        source="server",
        action_source="website",
        url="https://shop.example/a?b=1",
        referrer="https://r.example/",
        value_e4=8990000,
        currency="INR",
        order_id="1001",
        item_number="7",
        fbc="fb.1.1.abc",
        em=digest("a") + digest("b"),
        country=digest("in"),
        other_keys={"lead_id": "12"},
        custom_data='{"a":1}',
        extra='{"b":2}',
        marks=Mark.BOT | Mark.LDU,
        test_event_code="TEST1",
        agent="tc1",
        browser="Chrome",
        visitor="person",
        campaign="spring",
        campaign_source="facebook",
        address="10.0.0.0",
        weak=-5,
        original_event_name="Purchase",
        original_event_id="x",
        original_order_id="y",
        original_time_ms=7,
        consent="granted",
        removed=("url:email",),
        notes=("md5:em",),
    )
    log = MemoryLog()
    log.append("d", entry_of([a_copy(1), copy]))
    load_all(log, Remote(tables))
    found = tables.query_rows(f"SELECT {', '.join(FIELDS)} FROM copies WHERE pos = 1")[0]
    for name, value in zip(FIELDS, found, strict=True):
        wanted = getattr(copy, name)
        if name in DIGEST_KEYS:
            assert b"".join(bytes(part) for part in value) == wanted, name
        elif name in {"removed", "notes"}:
            assert tuple(value) == wanted, name
        else:
            assert value == wanted, name


def test_money_that_is_not_there_is_null_and_zero_is_zero(tables: Store) -> None:
    log = MemoryLog()
    log.append("d", entry_of([a_copy(1, value_e4=None), a_copy(2, value_e4=0)]))
    load_all(log, Remote(tables))
    assert tables.query_rows("SELECT value_e4 FROM copies ORDER BY pos") == [(None,), (0,)]


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    sizes=st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 5)), min_size=1, max_size=6),
    rows=st.integers(1, 12),
    cut=st.integers(0, 6),
)
def test_batch_borders_restarts_and_the_order_of_loading_change_nothing(
    shared_tables: Store, sizes: list[tuple[str, int]], rows: int, cut: int
) -> None:
    log, at = MemoryLog(), 0
    wanted = []
    for door, size in sizes[:cut]:
        seq = log.append(door, entry_of([a_copy(at + n) for n in range(size)]))
        wanted += [(door, seq, pos) for pos in range(size)]
        at += size
    store = empty(shared_tables)
    load_all(log, Remote(store), rows)
    for door, size in sizes[cut:]:
        seq = log.append(door, entry_of([a_copy(at + n) for n in range(size)], parts=2))
        wanted += [(door, seq, pos) for pos in range(size)]
        at += size
    load_all(log, Remote(store), rows + 1)
    assert places_in(store) == sorted(wanted)


class Failing(Remote):
    """Tables that fail when told so: before an insert, after it, or half of it in."""

    def __init__(self, store: Store, fail: Callable[[str, bytes], str | None]) -> None:
        super().__init__(store)
        self.fail = fail

    def insert(self, into: str, form: str, data: bytes, settings: Mapping[str, str]) -> int:
        how = self.fail(into, data)
        if how == "before":
            raise QueryFailed("no space", 243)
        if how == "lie":
            return 1
        written = super().insert(into, form, data, settings)
        if how == "after":
            raise QueryFailed("lost", 209)
        return written


class Stop(Exception):
    """A kill, as near as a test in one process gets."""


@pytest.mark.parametrize(
    ("table", "how"),
    [
        *(("copies", how) for how in ("before", "after", "lie")),
        *(("batches", how) for how in ("after", "lie")),
        ("tallies", "after"),
        ("settings", "lie"),
        ("set_aside", "after"),
    ],
)
def test_an_insert_that_fails_is_repeated_without_loss_or_double(tables: Store, table: str, how: str) -> None:
    log = _mixed_log()
    failed = []

    def fail(into: str, data: bytes) -> str | None:
        if into.startswith(table) and len(failed) < 2:
            failed.append(into)
            return how
        return None

    load_all(log, Failing(tables, fail))
    assert failed
    _check_mixed(tables, log)


@pytest.mark.parametrize(
    ("table", "done"),
    [("copies", False), ("copies", True), ("tallies", True), ("settings", False), ("set_aside", False)],
)
def test_a_kill_at_an_insert_loses_and_doubles_nothing(tables: Store, table: str, done: bool) -> None:
    log = _mixed_log()

    class Killed(Remote):
        def insert(self, into: str, form: str, data: bytes, settings: Mapping[str, str]) -> int:
            if into.startswith(table) and not done:
                raise Stop
            written = super().insert(into, form, data, settings)
            if into.startswith(table):
                raise Stop
            return written

    with pytest.raises(Stop):
        load_all(log, Killed(tables))
    load_all(log, Remote(tables))
    _check_mixed(tables, log)


def test_of_an_insert_that_was_killed_between_two_months_the_missing_one_is_added(tables: Store) -> None:
    log = MemoryLog()
    log.append("d", entry_of([a_copy(1), a_copy(2, received_us=START_US + MONTH_US), a_copy(3)]))
    load_all(log, Remote(tables))
    partition = tables.query_rows("SELECT DISTINCT _partition_id FROM copies ORDER BY 1")[1][0]
    tables.command(f"ALTER TABLE copies DROP PARTITION ID '{partition}'")
    assert len(places_in(tables)) == 2
    load_all(log, Remote(tables))
    assert places_in(tables) == [("d", 1, 0), ("d", 1, 1), ("d", 1, 2)]


def test_copies_of_more_than_a_hundred_months_are_taken(tables: Store) -> None:
    log = MemoryLog()
    log.append("d", entry_of([a_copy(n, received_us=n * MONTH_US) for n in range(105)]))
    load_all(log, Remote(tables))
    assert len(places_in(tables)) == 105


def test_a_copy_that_the_store_does_not_take_is_found_and_set_aside(
    new_tables: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = new_tables
    tables.command("ALTER TABLE copies ADD CONSTRAINT no_seven CHECK event_id != 'id-7'")
    log = MemoryLog()
    log.append("d", entry_of([a_copy(n) for n in range(20)], parts=3))
    loader = load_all(log, Remote(tables))
    said = capsys.readouterr().err
    assert "code 469" in said and "id-7" not in said  # ClickHouse's own words name the value
    assert places_in(tables) == [("d", 1, pos) for pos in range(20) if pos != 7]
    assert tables.query_rows("SELECT door, seq, pos, n, event_name, reason FROM set_aside") == [
        ("d", 1, 7, 1, a_copy(7).event_name, "unreadable")
    ]
    assert loader.state().error == ""
    assert loader.state().set_aside == 1


@pytest.mark.parametrize("code", [243, 252, 241, 60], ids=["disk", "parts", "memory", "no table"])
def test_an_error_that_says_nothing_of_the_data_sets_nothing_aside(tables: Store, code: int) -> None:
    log = MemoryLog()
    log.append("d", entry_of([a_copy(1)]))
    failures = iter(range(batches.TRIES + 3))

    class Sick(Remote):
        def insert(self, into: str, form: str, data: bytes, settings: Mapping[str, str]) -> int:
            if into.startswith("copies") and next(failures, None) is not None:
                raise QueryFailed("sick", code)
            return super().insert(into, form, data, settings)

    load_all(log, Sick(tables))
    assert next(failures, None) is None
    assert places_in(tables) == [("d", 1, 0)]
    assert tables.query_rows("SELECT count() FROM set_aside") == [(0,)]


def test_a_store_that_is_ahead_of_its_log_is_not_loaded_on(tables: Store) -> None:
    log = MemoryLog()
    for n in range(3):
        log.append("d", entry_of([a_copy(n)]))
    load_all(log, Remote(tables))
    log.entries["d"].pop()
    with pytest.raises(StoreRefused, match="the log ends at 2"):
        load_all(log, Remote(tables))


def test_the_state_tells_how_far_each_door_is(tables: Store) -> None:
    log = MemoryLog()
    log.append("a", entry_of([a_copy(1)]))
    log.append("b", entry_of([a_copy(2)]))
    log.append("b", entry_of([a_copy(3)]))
    state = load_all(log, Remote(tables), rows=1).state()
    assert state.doors == {"a": 1, "b": 2}
    assert (state.copies, state.set_aside, state.error, state.caught_up) == (3, 0, "", True)


def test_who_waits_for_an_entry_is_told_when_it_is_visible(tables: Store) -> None:
    log = MemoryLog()
    loader = Loader(Remote(tables), log, pause_s=0.01)
    loader.start()
    try:
        assert loader.wait({}, 60)
        seq = log.append("d", entry_of([a_copy(1)]))
        assert loader.wait({"d": seq}, 60)
        assert places_in(tables) == [("d", 1, 0)]
        assert not loader.wait({"d": seq + 1}, 0.05)
    finally:
        loader.stop()


def test_a_log_that_cannot_be_read_is_said_and_tried_again(tables: Store, capsys: pytest.CaptureFixture[str]) -> None:
    class Damaged(MemoryLog):
        failures = 3

        def read(self, door: str, after_seq: int = 0, limit_bytes: int = 1 << 20, kinds: Any = None) -> list[Any]:
            if self.failures:
                self.failures -= 1
                raise OSError("input/output error")
            return super().read(door, after_seq, limit_bytes, kinds)

    log = Damaged()
    seq = log.append("d", entry_of([a_copy(1)]))
    loader = Loader(Remote(tables), log, pause_s=0.01)
    loader.start()
    try:
        assert loader.wait({"d": seq}, 60)
    finally:
        loader.stop()
    assert capsys.readouterr().err.count("input/output error") == 1
    assert places_in(tables) == [("d", 1, 0)]


def test_a_door_whose_log_cannot_be_read_does_not_hold_up_the_others(tables: Store) -> None:
    class Damaged(MemoryLog):
        broken = ""

        def read(self, door: str, after_seq: int = 0, limit_bytes: int = 1 << 20, kinds: Any = None) -> list[Any]:
            if door == self.broken:
                raise OSError("input/output error")
            return super().read(door, after_seq, limit_bytes, kinds)

    log = Damaged()
    for door in ("a", "b"):
        log.append(door, entry_of([a_copy(1), a_copy(2, received_us=START_US + MONTH_US)]))
    load_all(log, Remote(tables))
    partition = tables.query_rows("SELECT DISTINCT _partition_id FROM copies ORDER BY 1")[1][0]
    tables.command(f"ALTER TABLE copies DROP PARTITION ID '{partition}'")
    # At a start that finds the last batch half there, one door cannot be read.
    log.broken = "a"
    seq = {door: log.append(door, entry_of([a_copy(3)])) for door in ("a", "b")}
    loader = Loader(Remote(tables), log, pause_s=0.01)
    loader.start()
    try:
        assert loader.wait({"b": seq["b"]}, 60)
        assert places_in(tables) == [("a", 1, 0), ("b", 1, 0), ("b", 1, 1), ("b", 2, 0)]
        assert "input/output" in loader.state().error
        log.broken = ""
        assert loader.wait(seq, 60)
        assert loader.wait({}, 60)
    finally:
        loader.stop()
    assert places_in(tables) == [(door, at, pos) for door in ("a", "b") for at, pos in ((1, 0), (1, 1), (2, 0))]
    assert loader.state().error == ""


def test_a_backlog_of_one_door_does_not_keep_the_next_one_waiting(tables: Store) -> None:
    log = MemoryLog()
    for number in range(40):
        log.append("a", entry_of([a_copy(number)]))
    log.append("b", entry_of([a_copy(99)]))
    loader = Loader(Remote(tables), log, batch_rows=5)
    loader.recover()
    loader.step()
    loader.step()
    assert loader.state().doors["b"] == 1


def _mixed_log() -> MemoryLog:
    log = MemoryLog()
    bad = {name: [getattr(copy, name) for copy in (a_copy(8), a_copy(9))] for name in FIELDS}
    bad["weak"] = [0, "x"]
    log.append("a", entry_of([a_copy(n) for n in range(5)], parts=2))
    log.append("a", tallies_entry([Tally("1001", "server", "refused", "bad_shape", n, START_US) for n in (1, 2)]))
    log.append("b", settings_entry(Dataset(id="1001", name="shop", created_us=1)))
    log.append("b", Entry(Kind.COPIES, 2, join_parts([pack(2, bad)])))
    log.append("b", entry_of([a_copy(n, received_us=START_US + MONTH_US) for n in (6, 7)]))
    return log


def _check_mixed(store: Store, log: MemoryLog) -> None:
    assert places_in(store) == [*(("a", 1, pos) for pos in range(5)), ("b", 2, 0), ("b", 3, 0), ("b", 3, 1)]
    assert store.query_rows("SELECT door, seq, pos, n FROM tallies ORDER BY pos") == [("a", 2, 0, 1), ("a", 2, 1, 2)]
    assert store.query_rows("SELECT dataset, name, deleted FROM settings") == [("1001", "shop", False)]
    assert store.query_rows("SELECT door, seq, pos, n FROM set_aside") == [("b", 2, 1, 1)]
    assert store.query_rows("SELECT door, last_seq FROM batches FINAL ORDER BY door") == [("a", 2), ("b", 3)]


def test_a_door_that_is_tried_again_stays_a_trouble_until_it_is_read(tables: Store) -> None:
    class Damaged(MemoryLog):
        whole = False

        def read(self, door: str, *given: Any, **named: Any) -> list[Any]:
            if not self.whole:
                raise LogDamaged(Path("door-1"), "spoiled")
            return super().read(door, *given, **named)

    log = Damaged()
    log.append("door-1", entry_of([a_copy(1)]))
    loader = Loader(Remote(tables), log)
    loader.recover()
    loader.step()
    assert "spoiled" in loader.state().error
    log.whole = True
    loader.recover()
    assert "spoiled" in loader.state().error
    loader.step()
    assert (loader.state().error, loader.state().copies) == ("", 1)
