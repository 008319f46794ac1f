"""What `events`, `refused` and `outcomes` say of small datasets, and that nothing but the log decides it."""

from __future__ import annotations

import gc
import random
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.resolve.histories import drawn_of_each_kind, placed
from tests.resolve.loading import START_US, empty_store, load, rows_of
from tests.resolve.reference import HOUR_US, Row
from truecount.copies import Copy
from truecount.datasets import Dataset, DatasetSettings
from truecount.manager.answers import encode
from truecount.measure.events import events
from truecount.measure.explain import explain
from truecount.measure.outcomes import outcomes
from truecount.measure.refused import refused
from truecount.resolve.scratch import OWNERLESS_S, PREFIX, Scratch, is_ownerless, sweep
from truecount.store.client import Statement, Store
from truecount.store.errors import QueryFailed, QueryTooHeavy
from truecount.vocabulary import Mark

START_MS = START_US // 1000


def dataset(name: str, **settings: Any) -> Dataset:
    return Dataset(id=name, name=name, created_us=0, settings=DatasetSettings(**settings))


def sale(name: str, source: str, event_id: str = "", at_us: int = 0, **fields: Any) -> Copy:
    given: dict[str, Any] = {"event_name": "Purchase", "event_time_ms": START_MS + at_us // 1000, **fields}
    return Copy(dataset=name, source=source, event_id=event_id, received_us=START_US + at_us, **given)


@pytest.fixture
def clean(store: Store) -> Iterator[Store]:
    yield store
    for table in ("copies", "tallies", "set_aside"):
        store.command(f"TRUNCATE TABLE {table}")
    left = store.query_rows(
        "SELECT name FROM system.tables WHERE startsWith(name, {prefix:String})", {"prefix": PREFIX}
    )
    assert left == []


def tally(store: Store, table: str = "tallies", **fields: Any) -> None:
    row = {
        "dataset": "d",
        "source": "server",
        "received_us": START_US,
        "event_name": "",
        "door": "d1",
        "pos": 0,
        **fields,
    }
    types = {"n": pa.uint64(), "seq": pa.uint64(), "pos": pa.uint32(), "received_us": pa.int64(), "kind": pa.uint8()}
    columns = {name: pa.array([value], types.get(name, pa.string())) for name, value in row.items()}
    store.insert_arrow(table, pa.table(columns))


def only(store: Store, one: Dataset, **given: Any) -> Any:
    (counts,) = events(store, one, **given)
    return counts


def test_a_dataset_without_copies_has_no_events(clean: Store) -> None:
    assert events(clean, dataset("d")) == []
    assert refused(clean, dataset("d")) == []
    ended = outcomes(clean, dataset("d"))
    assert (ended.received, ended.accepted) == (0, 0)


def test_the_json_has_the_fixed_keys_first_and_the_kept_copies_values(clean: Store) -> None:
    copies = [
        sale("d", "browser", "a", value_e4=8_990_000, currency="INR"),
        sale("d", "server", "a", 5, value_e4=9_990_000, currency="INR"),
        sale("d", "browser", "b", 10_000_000, value_e4=8_990_000, currency="INR"),
        sale("d", "server", "c", 10_500_000, value_e4=123_456, currency="EUR"),
        sale("d", "server", "e", 11_000_000, value_e4=50_000),
    ]
    load(clean, rows_of(copies))
    assert encode(events(clean, dataset("d"))).decode() == (
        '[{"event_name":"Purchase","copies":5,"actions":4,"browser_only":1,"server_only":2,"both":1,'
        '"value":{"EUR":"12.3456","INR":"1798.00"},"refused":0,'
        '"first_time":"2026-09-21T14:13:20Z","last_time":"2026-09-21T14:13:31Z",'
        '"left_out":0,"limited":0,"bots":0,"tools":0}]'
    )


def test_copies_of_another_dataset_are_not_seen(clean: Store) -> None:
    load(clean, rows_of([sale("d", "browser", "a"), sale("other", "server", "a", 1)]))
    assert only(clean, dataset("d")).copies == 1


MARKS = {
    Mark.BOT: ("count_bots", False),
    Mark.TOOL: ("count_tools", True),
    Mark.TEST: ("count_tests", True),
}


@pytest.mark.parametrize("counting", [True, False, None], ids=["counted", "not_counted", "by_default"])
def test_a_dataset_decides_whether_marked_copies_count(clean: Store, counting: bool | None) -> None:
    names = {f"{mark.name} {event_id}": mark for mark in MARKS for event_id in ("", "b")}
    copies = []
    for name, mark in names.items():
        copies.append(sale("d", "browser", "a", event_name=name))
        copies.append(sale("d", "browser", name.split(" ")[1], 1, event_name=name, marks=int(mark)))
    load(clean, rows_of(copies))
    settings = {setting: counting for setting, _ in MARKS.values() if counting is not None}
    found = {one.event_name: one for one in events(clean, dataset("d", **settings))}
    for name, mark in names.items():
        counted = MARKS[mark][1] if counting is None else counting
        counts = found[name]
        assert (counts.copies, counts.actions, counts.left_out) == ((2, 2, 0) if counted else (2, 1, 1)), name
        assert (counts.bots, counts.tools) == (int(mark == Mark.BOT), int(mark == Mark.TOOL)), name


def test_a_left_out_copy_takes_in_no_twin(clean: Store) -> None:
    load(clean, rows_of([sale("d", "browser", "a", marks=int(Mark.BOT)), sale("d", "server", "a", 1)]))
    counts = only(clean, dataset("d"))
    assert (counts.copies, counts.actions, counts.server_only, counts.left_out) == (2, 1, 1, 1)


LIMITED: dict[str, tuple[list[tuple[str, str, int]], int]] = {
    "alone": ([("browser", "a", 32)], 1),
    "repeated": ([("browser", "a", 32), ("browser", "a", 32)], 1),
    "with a twin": ([("browser", "a", 32), ("server", "a", 0)], 0),
    "with a limited twin": ([("browser", "a", 32), ("server", "a", 32)], 0),
    "not limited": ([("browser", "a", 0)], 0),
    "without id": ([("browser", "", 32)], 1),
    "offline": ([("offline", "", 32)], 1),
}


def test_a_limited_copy_without_a_twin_counts_once_more_in_limited(clean: Store) -> None:
    copies = [
        sale("d", source, event_id, at, event_name=name, marks=marks)
        for name, (told, _) in LIMITED.items()
        for at, (source, event_id, marks) in enumerate(told)
    ]
    load(clean, rows_of(copies))
    found = {one.event_name: one for one in events(clean, dataset("d"))}
    assert {name: one.limited for name, one in found.items()} == {
        name: limited for name, (_, limited) in LIMITED.items()
    }
    for one in found.values():
        assert one.actions == one.browser_only + one.server_only + one.both == 1


@pytest.mark.parametrize(
    ("since", "until", "actions", "copies"),
    [
        (None, None, 3, 5),
        (0, None, 3, 5),
        (1, None, 2, 3),
        (None, 0, 0, 0),
        (None, 1, 1, 2),
        (HOUR_US, HOUR_US + 1, 1, 1),
        (HOUR_US + 1, None, 1, 2),
        (HOUR_US, 2 * HOUR_US, 1, 1),
    ],
)
def test_a_range_is_of_the_kept_copys_event_time_its_end_excluded(
    clean: Store, since: int | None, until: int | None, actions: int, copies: int
) -> None:
    load(
        clean,
        rows_of(
            [
                sale("d", "browser", "a"),
                sale("d", "server", "a", 1000, event_time_ms=START_MS + 50),
                sale("d", "browser", "", HOUR_US),
                sale("d", "server", "c", 2 * HOUR_US),
                sale("d", "browser", "e", 3 * HOUR_US, marks=int(Mark.BOT)),
            ]
        ),
    )
    given = {
        "since_us": None if since is None else START_US + since,
        "until_us": None if until is None else START_US + until,
    }
    found = events(clean, dataset("d"), **given)
    assert sum(one.actions for one in found) == actions
    assert sum(one.copies for one in found) == copies


def test_what_was_refused_stands_beside_its_name_and_by_reason(clean: Store) -> None:
    load(clean, rows_of([sale("d", "browser", "a")]))
    tally(clean, outcome="refused", reason="time_too_old", n=3, seq=2, event_name="Purchase")
    tally(clean, outcome="refused", reason="no_match_keys", n=1, seq=3, event_name="Lead", received_us=START_US + 5)
    tally(clean, outcome="withheld", reason="consent_denied", n=2, seq=4, event_name="Purchase", source="browser")
    tally(clean, outcome="refused", reason="bad_token", n=7, seq=5, dataset="other")
    tally(clean, "set_aside", reason="unreadable", detail="", n=4, seq=6, kind=1)
    names = {one.event_name: (one.copies, one.refused) for one in events(clean, dataset("d"))}
    assert names == {"Purchase": (1, 3), "Lead": (0, 1)}  # what was set aside was not refused
    assert [(one.event_name, one.source, one.outcome, one.reason, one.n) for one in refused(clean, dataset("d"))] == [
        ("", "server", "set_aside", "unreadable", 4),
        ("Lead", "server", "refused", "no_match_keys", 1),
        ("Purchase", "browser", "withheld", "consent_denied", 2),
        ("Purchase", "server", "refused", "time_too_old", 3),
    ]
    assert sum(one.n for one in refused(clean, dataset("d"), since_us=START_US + 1)) == 1
    ended = outcomes(clean, dataset("d"))
    assert encode(ended) == b'{"received":11,"accepted":1,"refused":4,"withheld":2,"set_aside":4}'
    everywhere = outcomes(clean)
    assert everywhere.received == 18
    assert everywhere.received == everywhere.accepted + everywhere.refused + everywhere.withheld + everywhere.set_aside


def test_refusals_without_a_known_name_stand_in_a_row_of_their_own(clean: Store) -> None:
    tally(clean, outcome="refused", reason="no_event_name", n=2, seq=2, source="browser")
    tally(clean, outcome="refused", reason="time_too_old", n=3, seq=3)
    (row,) = events(clean, dataset("d"))
    assert (row.event_name, row.copies, row.refused, row.first_time) == ("", 0, 5, None)


@pytest.mark.parametrize(("since", "until"), [(None, None), (0, 5), (3, None), (None, 7), (4, 4), (11, 12)])
def test_the_refused_column_adds_up_to_what_was_refused_in_any_range(
    clean: Store, since: int | None, until: int | None
) -> None:
    load(clean, rows_of([sale("d", "browser", "a")]))
    drawn = random.Random(7)
    for at in range(12):
        tally(
            clean,
            outcome=drawn.choice(["refused", "refused", "withheld"]),
            reason=drawn.choice(["time_too_old", "no_match_keys", "no_event_name"]),
            event_name=drawn.choice(["", "Purchase", "Lead"]),
            source=drawn.choice(["browser", "server"]),
            n=drawn.randrange(1, 100),
            seq=at + 2,
            received_us=START_US + at,
        )
    given = {
        "since_us": None if since is None else START_US + since,
        "until_us": None if until is None else START_US + until,
    }
    by_reason = [one for one in refused(clean, dataset("d"), **given) if one.outcome == "refused"]
    by_name = {one.event_name: one.refused for one in events(clean, dataset("d"), **given) if one.refused}
    for name in {one.event_name for one in by_reason} | set(by_name):
        assert by_name[name] == sum(one.n for one in by_reason if one.event_name == name)


def amendment(at_us: int, value_e4: int | None, event_id: str = "a", **fields: Any) -> Copy:
    named = {"event_name": "AppendValue", "original_event_name": "Purchase", "original_event_id": event_id, **fields}
    return sale("d", "server", "", at_us, value_e4=value_e4, **named)


def test_an_amendment_replaces_the_value_and_is_no_action(clean: Store) -> None:
    original = sale("d", "browser", "a", value_e4=8_990_000, currency="INR")
    load(clean, rows_of([original, amendment(1, 5_000_000), amendment(2, 9_990_000)]))
    names = {one.event_name: one for one in events(clean, dataset("d"))}
    assert (names["Purchase"].copies, names["Purchase"].actions) == (1, 1)
    assert names["Purchase"].value == {"INR": "999.00"}
    assert (names["AppendValue"].copies, names["AppendValue"].actions) == (2, 0)
    explained = explain(clean, dataset("d"), "Purchase", event_id="a")
    assert explained is not None
    assert (explained.value, explained.amended) == ("999.00", True)


def test_an_amendment_that_comes_before_its_original_is_set_aside_until_it_comes(clean: Store) -> None:
    load(clean, rows_of([amendment(1, 9_990_000)]))
    assert events(clean, dataset("d")) == []
    assert [(one.event_name, one.outcome, one.reason, one.n) for one in refused(clean, dataset("d"))] == [
        ("AppendValue", "set_aside", "no_original", 1)
    ]
    assert encode(outcomes(clean)) == b'{"received":1,"accepted":0,"refused":0,"withheld":0,"set_aside":1}'
    load(clean, rows_of([sale("d", "server", "a", 2, value_e4=8_990_000, currency="INR")], "d2"))
    assert refused(clean, dataset("d")) == []
    assert encode(outcomes(clean)) == b'{"received":2,"accepted":2,"refused":0,"withheld":0,"set_aside":0}'
    assert {one.event_name: one.value for one in events(clean, dataset("d"))} == {
        "AppendValue": {},
        "Purchase": {"INR": "999.00"},
    }


def test_values_beyond_64_bits_add_up(clean: Store) -> None:
    large = 2**62
    load(clean, rows_of([sale("d", "server", str(at), at, value_e4=large, currency="INR") for at in range(4)]))
    assert only(clean, dataset("d")).value == {"INR": f"{4 * large // 10000}.{4 * large % 10000:04d}".rstrip("0")}


class Threaded(Store):
    """A store whose every statement runs with so many threads, and in small blocks."""

    threads = 1

    def query_rows(self, sql: str, params: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        return super().query_rows(self._set(sql), params)

    def command(self, sql: str, params: Mapping[str, Any] | None = None) -> Any:
        return super().command(self._set(sql), params)

    def _set(self, sql: str) -> str:
        if sql.startswith(("CREATE", "DROP", "TRUNCATE")):
            return sql
        given = "," if "\nSETTINGS" in sql else "\nSETTINGS"
        return f"{sql}{given} max_threads = {self.threads}, max_block_size = {50 if self.threads == 8 else 65409}"


@pytest.fixture(scope="module", params=[2, pytest.param(8, marks=pytest.mark.slow)])
def history(request: pytest.FixtureRequest) -> list[Row]:
    return [row for number, one in enumerate(drawn_of_each_kind(request.param)) for row in placed(one, number)]


def answers(store: Any, history: list[Row]) -> bytes:
    """Everything that is said of a history, as bytes."""
    one = dataset("d")
    asked = sorted({(row.copy.event_name, row.copy.event_id) for row in history if row.copy.event_id})[::110]
    return b"\n".join(
        [encode(events(store, one)), encode(outcomes(store, one))]
        + [encode(explain(store, one, name, event_id=event_id)) for name, event_id in asked]
    )


def test_order_of_loading_parts_and_threads_change_no_byte(clean: Store, history: list[Row]) -> None:
    load(clean, history)
    expected = answers(clean, history)
    shuffled = list(history)
    random.Random(9).shuffle(shuffled)
    clean.command("TRUNCATE TABLE copies")
    for first in range(0, len(shuffled), len(shuffled) // 5):
        load(clean, shuffled[first : first + len(shuffled) // 5])
    folder_store = Threaded(clean._url, clean._secret)
    with folder_store:
        for threads in (1, 8):
            folder_store.threads = threads
            assert answers(folder_store, history) == expected


def test_a_delivery_that_comes_twice_adds_copies_and_no_action(clean: Store) -> None:
    copies = [
        sale("d", source, event_id, at) for at, (source, event_id) in enumerate([("browser", "a"), ("server", "a")])
    ]
    load(clean, rows_of(copies))
    once = only(clean, dataset("d"))
    load(clean, rows_of(copies, "d2"))
    twice = only(clean, dataset("d"))
    assert twice.copies == 2 * once.copies
    assert (twice.actions, twice.both) == (once.actions, once.both) == (1, 1)


def test_an_answer_looks_at_one_moment_whatever_is_loaded_meanwhile(clean: Store) -> None:
    class Loading:
        """Loads one more copy of another door, and one of the same, before each statement."""

        def __init__(self) -> None:
            self.n = 0

        def query_rows(self, sql: str, params: Mapping[str, Any] | None = None) -> Any:
            return clean.query_rows(sql, params)

        def script(self, commands: Sequence[Statement], select: Statement | None = None) -> Any:
            for sql, params in (*commands, *([select] if select else [])):
                if "last_seq" not in sql:
                    self.n += 1
                    row = sale("d", "server", "a", 100 + self.n)
                    load(clean, [Row("d1", 100 + self.n, 0, row), Row(f"n{self.n}", 1, 0, row)])
                rows = (
                    clean.script([], (sql, params))
                    if sql[:6].lower() == "select" or sql.startswith("with")
                    else clean.script([(sql, params)])
                )
            return rows

    load(clean, rows_of([sale("d", "browser", "a", fbp="f"), sale("d", "browser", "", 5, fbp="f")]))
    loading = Loading()
    counts = only(loading, dataset("d"))  # type: ignore[arg-type]
    assert loading.n > 2
    assert (counts.copies, counts.actions) == (2, 2)
    assert only(clean, dataset("d")).copies > 2


def test_an_engine_that_starts_sweeps_what_a_crash_left(tmp_path: Path) -> None:
    count = "SELECT count() FROM system.tables WHERE startsWith(name, 'scratch_')"
    with empty_store(tmp_path) as store:
        left = Scratch(store)
        left.need("pool")
        left.flush()
        assert store.query_rows(count) == [(1,)]
    with empty_store(tmp_path) as store:
        assert store.query_rows(count) == [(0,)]


def test_answers_leave_nothing_in_memory(clean: Store) -> None:
    load(clean, rows_of([sale("d", "browser", "", 0, fbp="f"), sale("d", "server", "a", 5, fbp="f")]))
    for _ in range(3):
        only(clean, dataset("d"))
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(10):
            assert only(clean, dataset("d")).actions == 1
        gc.collect()
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 50_000  # the texts of ten answers are 150 kB


@pytest.mark.parametrize("is_asked", [False, True])
def test_an_answer_that_fails_leaves_no_tables(clean: Store, is_asked: bool) -> None:
    left = "SELECT count() FROM system.tables WHERE startsWith(name, 'scratch_')"
    before = clean.query_rows(left)

    def fail() -> None:
        with Scratch(clean) as scratch:
            scratch.need("pool")
            scratch.flush()
            scratch.do("INSERT INTO nowhere SELECT 1")
            scratch.drop("pool")
            if is_asked:
                scratch.ask("SELECT 1")

    with pytest.raises(QueryFailed):
        fail()
    assert clean.query_rows(left) == before


def test_tables_that_a_busy_engine_did_not_drop_go_with_the_next_answer(clean: Store) -> None:
    class Busy:
        """A store without a free slot from the second script on."""

        asked = 0

        def query_rows(self, sql: str, params: Mapping[str, Any] | None = None) -> Sequence[Sequence[Any]]:
            return clean.query_rows(sql, params)

        def script(self, commands: Sequence[Statement], select: Statement | None = None) -> Sequence[Sequence[Any]]:
            self.asked += 1
            if self.asked > 1:
                raise QueryTooHeavy("Too many queries run", 202)
            return clean.script(commands, select)

    def tables() -> int:
        return int(clean.query_rows("SELECT count() FROM system.tables WHERE startsWith(name, 'scratch_')")[0][0])

    def answer() -> None:
        with Scratch(Busy()) as scratch:
            scratch.need("pool")
            scratch.flush()
            scratch.count("pool")

    with pytest.raises(QueryTooHeavy):
        answer()
    assert tables() == 1
    with Scratch(clean):
        pass
    assert tables() == 0


def test_tables_of_an_answer_whose_process_died_go_after_a_while(clean: Store) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    clean.command(f"CREATE TABLE scratch_{gone.pid}_0a_labels_next (place UInt128) ENGINE = Memory")
    with Scratch(clean) as scratch:
        scratch.need("pool")
        scratch.flush()
        assert sweep(clean.command, clean.query_rows, is_ownerless) == 0  # too young
        assert sweep(clean.command, clean.query_rows, lambda pid, age_s: is_ownerless(pid, age_s + OWNERLESS_S)) == 1
        assert scratch.count("pool") == 0
    assert clean.query_rows("SELECT count() FROM system.tables WHERE startsWith(name, 'scratch_')") == [(0,)]
