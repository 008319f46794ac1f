"""Scripts: statements of one answer in one request, which our own engine takes. What they answer is what queries do."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
import urllib3

from truecount.store.client import Store
from truecount.store.errors import QueryFailed, QueryTooHeavy, StoreDown
from truecount.store.front import READER

from .helpers import PAIRS, at_once, eventually

VALUES = {
    "the largest UInt128": "toUInt128('340282366920938463463374607431768211455')",
    "the largest UInt64": "toUInt64('18446744073709551615')",
    "a negative Int128": "toInt128('-170141183460469231731687303715884105728')",
    "a negative Int64": "toInt64('-9223372036854775808')",
    "no value": "CAST(NULL, 'Nullable(Int64)')",
    "a value that might be none": "CAST('x', 'Nullable(String)')",
    "a truth": "true",
    "an array": "[1, 2, 3]",
    "no array": "CAST([], 'Array(String)')",
    "an array of arrays of texts": "[['a', 'it\\'s'], []]",
    "an array with none": "[1, NULL]",
    "a map": "map('a', 1, 'it\\'s', 2)",
    "a tuple": "tuple(1, 'a', NULL)",
    "a named tuple": "CAST(tuple(1, 'a'), 'Tuple(n Int64, t String)')",
    "quotes": "'it\\'s \"so\"'",
    "a backslash": "'a\\\\b'",
    "line ends": "'a\\nb\\r\\nc'",
    "a line separator": "'a\u2028b\u2029c\u0085d'",
    "other scripts": "'héllo ☕ 😀'",
    "a nul": "'a\\0b'",
    "nothing": "''",
    "a float": "0.1",
    "a LowCardinality": "toLowCardinality('x')",
}


@pytest.fixture(scope="module")
def plain(served: Store) -> Iterator[Store]:
    """A client of the same engine that does not know of scripts, as one of a cluster."""
    with Store(served._url, served._secret, takes_scripts=False) as store:
        yield store


@pytest.fixture
def table(served: Store) -> Iterator[str]:
    served.command("CREATE TABLE of_script (a Int64, t String) ENGINE = Memory")
    yield "of_script"
    served.command("DROP TABLE of_script")


def posted(store: Store, body: bytes, user: str = "truecount", secret: str | None = None) -> urllib3.BaseHTTPResponse:
    headers = {"X-ClickHouse-User": user, "X-ClickHouse-Key": store._secret if secret is None else secret}
    return urllib3.request("POST", f"{store._url}/script", body=body, headers=headers, retries=False)


def listed(value: Any) -> Any:
    """A row with arrays for tuples, as JSON has them."""
    return [listed(one) for one in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_the_rows_are_those_of_the_last_statement_whatever_they_hold(served: Store, plain: Store, value: str) -> None:
    select = (f"SELECT number, {value} FROM numbers(2) ORDER BY number", None)
    rows = served.script([("SELECT 7", None)], select)
    assert listed(rows) == listed(served.query_rows(*select)) == listed(plain.script([("SELECT 7", None)], select))
    assert len(rows) == 2


def test_bytes_that_are_no_text_leave_the_row_readable(served: Store) -> None:
    assert served.script([], ("SELECT 'a' || char(255) || 'b', 1", None)) == [["a\ufffdb", 1]]


@pytest.mark.parametrize(
    "value",
    ["a\\b", "line\nbreak", "tab\there", "it's", '"q"', "", "héllo ☕", "{x:Int64}", "\\n", "1); DROP TABLE copies",
     "a\0b", "a\r\nb", "a\u2028b", "\\N", "\\"],
)  # fmt: skip
def test_a_parameter_arrives_as_it_was_given(served: Store, plain: Store, value: str) -> None:
    select = ("SELECT {value:String}, length({value:String}), {all:Array(String)}", {"value": value, "all": [value]})
    expected = [[value, len(value.encode()), [value]]]
    assert listed(served.script([], select)) == expected
    assert listed(served.query_rows(*select)) == listed(plain.script([], select)) == expected


@pytest.mark.parametrize(
    ("type", "value"),
    [
        ("Int64", -5), ("UInt64", 2**64 - 1), ("UInt128", 2**128 - 1), ("Int128", -(2**127)), ("Bool", True),
        ("Array(UInt64)", [1, 2**63]), ("Array(String)", []), ("Array(String)", ["it's", "a,b", "]"]),
            ("Nullable(String)", None), ("Float64", 0.5),
        ("Array(Nullable(Int64))", [1, None]),
    ],
    ids=str,
)  # fmt: skip
def test_parameters_of_other_types_arrive_too(served: Store, type: str, value: Any) -> None:
    select = (f"SELECT {{v:{type}}}", {"v": value})
    assert listed(served.script([], select)) == listed(served.query_rows(*select)) == [[value]]


def test_each_statement_has_its_own_parameters(served: Store, table: str) -> None:
    insert = f"INSERT INTO {table} SELECT {{a:Int64}}, {{t:String}}"
    served.script([(insert, {"a": 1, "t": "x"}), (insert, {"a": 2, "t": "y"})])
    assert served.query_rows(f"SELECT a, t FROM {table} ORDER BY a") == [(1, "x"), (2, "y")]
    with pytest.raises(QueryFailed) as error:
        served.script([("SELECT {a:Int64}", {"a": 1})], ("SELECT {a:Int64}", None))
    assert error.value.code == 456


@pytest.mark.parametrize("knows", [True, False], ids=["one request", "one by one"])
@pytest.mark.parametrize(
    ("wrong", "code"),
    [("SELEC 1", 62), ("SELECT * FROM nothing_there", 60), ("SELECT throwIf(1)", 395)],
)
def test_the_first_statement_that_fails_ends_it_and_what_came_before_stays(
    served: Store, plain: Store, table: str, knows: bool, wrong: str, code: int
) -> None:
    insert = f"INSERT INTO {table} VALUES "
    with pytest.raises(QueryFailed) as error:
        (served if knows else plain).script(
            [(f"{insert} (1, '')", None), (wrong, None), (f"{insert} (2, '')", None)], ("SELECT 1", None)
        )
    assert error.value.code == code and not isinstance(error.value, QueryTooHeavy)
    assert served.query_rows(f"SELECT a FROM {table}") == [(1,)]
    assert served.script([], ("SELECT 42", None)) == [[42]], "nothing of the failed answer is left"


def test_an_answer_that_fails_half_way_is_an_error(served: Store) -> None:
    with pytest.raises(QueryFailed) as error:
        served.script([], ("SELECT number, throwIf(number = 1000000) FROM numbers(3000000)", None))
    assert error.value.code == 395
    assert served.script([], ("SELECT 42", None)) == [[42]]


@pytest.mark.parametrize("knows", [True, False], ids=["one request", "one by one"])
def test_a_script_of_nothing_gives_nothing(served: Store, plain: Store, knows: bool) -> None:
    store = served if knows else plain
    assert store.script([]) == [] == store.script([("SELECT 1", None)])
    assert store.script([("SELECT 1", None)], ("SELECT 1 WHERE 0", None)) == []
    answer = posted(served, msgspec.msgpack.encode({"statements": []}))
    assert (answer.status, answer.data) == (200, b"")


@pytest.mark.parametrize(
    "settings", [{"max_memory_usage": "10000000"}, {"max_execution_time": "0.3"}], ids=["memory", "time"]
)
def test_a_script_too_heavy_is_told_from_a_wrong_one(served: Store, plain: Store, settings: dict[str, str]) -> None:
    select = ("SELECT uniqExact(number) FROM numbers(3000000000)", None)
    for store in (served, plain):
        with pytest.raises(QueryTooHeavy):
            store.having(settings).script([("SELECT 1", None)], select)
    assert served.script([], ("SELECT 1", None)) == [[1]]


def test_a_setting_holds_for_every_statement_and_no_longer(served: Store, table: str) -> None:
    asked = "SELECT getSetting('max_threads')"
    insert = f"INSERT INTO {table} SELECT getSetting('max_threads'), ''"
    assert served.having({"max_threads": "3"}).script([(insert, None)], (asked, None)) == [[3]]
    assert served.query_rows(f"SELECT a FROM {table}") == [(3,)]
    assert served.script([], (asked, None)) != [[3]]


def test_a_script_ends_when_its_statements_together_took_what_one_may(served: Store, table: str) -> None:
    rests = [(f"INSERT INTO {table} SELECT {at}, toString(sleep(0.2))", None) for at in range(4)]
    with pytest.raises(QueryTooHeavy) as error:
        served.having({"max_execution_time": "0.5"}).script(rests)
    assert error.value.code == 159
    assert len(served.query_rows(f"SELECT a FROM {table}")) < 4


def test_where_nobody_waits_any_more_nothing_is_asked_and_tables_are_dropped(served: Store, table: str) -> None:
    left = served.having({"max_threads": "3"}, until_s=time.monotonic() + 500)
    for store in (left, left.having({"max_threads": "4"})):
        [[threads, seconds]] = store.script(
            [], ("SELECT getSetting('max_threads'), getSetting('max_execution_time')", None)
        )
        assert threads == 3 + (store is not left) and 0 < float(seconds) <= 500
    late = served.having({}, until_s=time.monotonic() - 1)
    for ask in (
        lambda: late.query_rows("SELECT 1"),
        lambda: late.command("SELECT 1"),
        lambda: late.script([], ("SELECT 1", None)),
        lambda: late.script([(f"INSERT INTO {table} VALUES (1, '')", None)]),
    ):
        with pytest.raises(QueryTooHeavy):
            ask()
    served.command("CREATE TABLE left_over (a UInt8) ENGINE = Memory")
    late.script([("DROP TABLE IF EXISTS left_over SYNC", None)])
    assert served.query_rows("EXISTS TABLE left_over") == [(0,)]


def test_a_setting_that_nobody_knows_is_refused(served: Store) -> None:
    for name in ("no_such_setting", "a b", "x = 1, y"):
        with pytest.raises(QueryFailed) as error:
            served.having({name: "1"}).script([], ("SELECT 1", None))
        assert error.value.code == 115


@pytest.mark.parametrize(
    "body",
    [
        b"", b"garbage", b"\xff\x00", b"\xc1", b"\x81\xaastatements\x91\x92\xa2\xff\xfe\x80",
        msgspec.msgpack.encode([]), msgspec.msgpack.encode({}),
        msgspec.msgpack.encode({"statements": [["SELECT 1"]]}),
        msgspec.msgpack.encode({"statements": [["SELECT 1", {"a": 1}]]}),
        msgspec.msgpack.encode({"statements": "SELECT 1"}),
        msgspec.msgpack.encode({"statements": [], "settings": 1}),
    ],
    ids=["nothing", "text", "bytes", "no MessagePack", "no UTF-8", "a list", "no statements", "no parameters",
         "a number", "a statement", "no settings"],
)  # fmt: skip
def test_a_body_that_holds_no_script_is_refused(served: Store, body: bytes) -> None:
    answer = posted(served, body)
    assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (400, "62")
    assert served.script([], ("SELECT 1", None)) == [[1]]


def test_the_guarded_user_may_run_no_script(served: Store, data: Path) -> None:
    secret = (data / "run" / "reader.secret").read_text()
    answer = posted(served, msgspec.msgpack.encode({"statements": [["SELECT 1", {}]]}), READER, secret)
    assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (403, "497")
    with Store(served._url, secret, user=READER, takes_scripts=True) as reader, pytest.raises(QueryFailed) as error:
        reader.script([("DROP TABLE copies", None)])
    assert error.value.code == 497


@pytest.mark.parametrize(("user", "secret"), [("truecount", ""), ("truecount", "wrong"), ("nobody", ""), ("", "")])
def test_who_does_not_know_the_secret_runs_nothing(served: Store, table: str, user: str, secret: str) -> None:
    body = msgspec.msgpack.encode({"statements": [[f"INSERT INTO {table} VALUES (1, '')", {}]]})
    answer = posted(served, body, user, secret)
    assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (403, "516")
    assert served.query_rows(f"SELECT count() FROM {table}") == [(0,)]


def test_where_nobody_answers_the_store_is_down() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with Store(f"http://127.0.0.1:{taken.getsockname()[1]}", "secret", takes_scripts=True) as nobody:
            with pytest.raises(StoreDown):
                nobody.script([("SELECT 1", None)])
            assert nobody.script([]) == []


def test_where_the_answer_breaks_off_the_store_is_down_and_nothing_is_sent_twice() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        callers: list[bytes] = []

        def answer() -> None:
            with suppress(OSError):  # the test is over
                while True:
                    caller, _ = server.accept()
                    with caller:
                        callers.append(caller.recv(65536))
                        caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[1]\n")

        threading.Thread(target=answer, daemon=True).start()
        store = Store(f"http://127.0.0.1:{server.getsockname()[1]}", "s", takes_scripts=True)
        with store, pytest.raises(StoreDown):
            store.script([], ("SELECT 1", None))
        assert len(callers) == 1


def test_a_script_whose_caller_hung_up_is_ended(served: Store, table: str) -> None:
    running = "SELECT count() FROM system.processes WHERE query LIKE '%1234567890124%' AND query NOT LIKE '%processes%'"
    long = "SELECT count() FROM numbers(1234567890124) SETTINGS max_execution_time = 55, max_threads = 1"
    body = msgspec.msgpack.encode({"statements": [[long, {}], [f"INSERT INTO {table} VALUES (1, '')", {}]]})
    head = (
        f"POST /script HTTP/1.1\r\nHost: x\r\nX-ClickHouse-User: truecount\r\nX-ClickHouse-Key: {served._secret}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((served._host, served._port), timeout=60) as caller:
        caller.sendall(head.encode() + body)
        eventually(lambda: served.query_rows(running) == [(1,)], "the script did not start")
    eventually(lambda: served.query_rows(running) == [(0,)], "the script went on")
    assert served.query_rows(f"SELECT count() FROM {table}") == [(0,)]


def test_scripts_at_once_do_not_mix(served: Store) -> None:
    def ask(number: int, at: int) -> object:
        return served.script([("SELECT {a:Int64}", {"a": at})], ("SELECT {a:Int64}, {b:Int64}", {"a": number, "b": at}))

    assert at_once(ask) == {(number, at): [[number, at]] for number, at in PAIRS}


AT_ONCE = """
import sys, threading
from truecount.store.client import Store
from truecount.store.errors import StoreDown
sys.setswitchinterval(1e-6)
barrier = threading.Barrier(8)
wrong = []
def ask(number):
    store = Store("http://127.0.0.1:1", "x", takes_scripts=number % 2 == 0)
    barrier.wait()
    try:
        store.script([], ("select {a:Int64}", {"a": 1}))
    except StoreDown:
        return
    except Exception as error:
        wrong.append(repr(error))
threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
sys.exit("; ".join(wrong) or 0)
"""


def test_the_first_questions_of_a_process_may_come_at_once() -> None:
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", AT_ONCE], check=False, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
