"""ClickHouse's protocol: the official clients unchanged, errors with their codes, the guarded user."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import clickhouse_connect
import pyarrow as pa
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from truecount.store import front
from truecount.store.client import Store
from truecount.store.errors import QueryFailed, QueryTooHeavy, StoreDown
from truecount.store.front import READER

from .helpers import PAIRS, at_once, eventually


@pytest.fixture(scope="module")
def reader(served: Store, data: Path) -> Iterator[Store]:
    """The guarded user."""
    with Store(served._url, (data / "run" / "reader.secret").read_text(), user=READER) as store:
        yield store


def ask(
    store: Store, method: str, target: str, body: bytes | str | list[bytes] = b"", headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """One plain request, as the secret's owner unless told otherwise."""
    connection = HTTPConnection(store._host, store._port, timeout=60)
    basic = base64.b64encode(f"{store._user}:{store._secret}".encode()).decode()
    try:
        chunks = isinstance(body, list)
        if chunks:
            headers = {"Transfer-Encoding": "chunked"}
        content: Any = iter(body) if chunks else body
        sent = {"Authorization": f"Basic {basic}", **(headers or {})}
        connection.request(method, target, content, sent, encode_chunked=chunks)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def test_the_official_python_client_works_unchanged(served: Store) -> None:
    with clickhouse_connect.get_client(
        host=served._host, port=served._port, username="truecount", password=served._secret
    ) as client:
        client.command("CREATE TABLE official (a UInt32, b String, c Array(String)) ENGINE = MergeTree ORDER BY a")
        client.insert("official", [[1, "x", ["p"]], [2, "it's", []]], column_names=["a", "b", "c"])
        client.insert_arrow("official", pa.table({"a": pa.array([3], pa.uint32()), "b": ["z"], "c": [["q", "r"]]}))
        rows = client.query("SELECT * FROM official WHERE a >= {least:UInt32} ORDER BY a", {"least": 2}).result_rows
        assert [tuple(row) for row in rows] == [(2, "it's", []), (3, "z", ["q", "r"])]
        assert client.query_arrow("SELECT sum(a) AS s FROM official").to_pydict() == {"s": [6]}
        assert client.query("SELECT getSetting('max_threads')", settings={"max_threads": 1}).result_rows == [(1,)]
        with client.query_rows_stream("SELECT number FROM numbers(100000)") as stream:
            assert sum(row[0] for row in stream) == 4_999_950_000
        client.command("DROP TABLE official")


def test_requests_in_the_shape_of_the_node_client_work(served: Store) -> None:
    status, _, _ = ask(
        served,
        "POST",
        "/?" + urlencode({"database": "truecount", "wait_end_of_query": "1"}),
        "CREATE TABLE node (a Int32) ENGINE = Memory",
    )
    assert status == 200
    query = urlencode({"query": "INSERT INTO node (a)\nFORMAT JSONEachRow", "query_id": "q-1", "session_id": "s"})
    status, headers, _ = ask(served, "POST", f"/?{query}", [b'{"a":1}\n', b'{"a":2}\n'])
    assert status == 200
    assert json.loads(headers["X-ClickHouse-Summary"])["written_rows"] == "2"
    assert headers["X-ClickHouse-Query-Id"] == "q-1"
    query = urlencode({"param_x": "2", "output_format_json_quote_64bit_integers": "1"})
    status, headers, body = ask(
        served, "POST", f"/?{query}", "SELECT count() AS n FROM node WHERE a = {x: Int32}\nFORMAT JSON"
    )
    assert status == 200
    assert headers["Content-Type"].startswith("application/json")
    assert json.loads(body)["data"] == [{"n": "1"}]
    ask(served, "POST", "/", "DROP TABLE node")


@pytest.mark.parametrize(
    "value",
    ["a\\b", "line\nbreak", "tab\there", "it's", '"q"', "", "héllo ☕", "{x:Int64}", "\\n", "1); DROP TABLE copies"],
)
def test_a_parameter_arrives_as_it_was_given(served: Store, value: str) -> None:
    assert served.query_rows("SELECT {value:String}, length({value:String})", {"value": value}) == [
        (value, len(value.encode()))
    ]


@pytest.mark.parametrize(
    ("sql", "status", "code"),
    [
        ("SELEC 1", 400, 62),
        ("SELECT * FROM nothing_there", 404, 60),
        ("SELECT no_such_column FROM copies", 404, 47),
        ("SELECT 1 SETTINGS no_such_setting = 1", 404, 115),
        ("SELECT throwIf(1)", 500, 395),
        ("SELECT toInt8('x')", 400, 6),
    ],
)
def test_an_error_has_clickhouses_code_and_status(served: Store, sql: str, status: int, code: int) -> None:
    got, headers, body = ask(served, "POST", "/", sql)
    assert (got, headers["X-ClickHouse-Exception-Code"]) == (status, str(code))
    assert body.startswith(f"Code: {code}. DB::Exception: ".encode())
    with pytest.raises(QueryFailed) as error:
        served.query_rows(sql)
    assert error.value.code == code


@pytest.mark.parametrize("form", ["JSON", "JSONEachRow", "JSONCompact", "TabSeparated", "Native", "CSV"])
@pytest.mark.parametrize(
    ("sql", "code", "memory"),
    [
        ("SELECT number, throwIf(number = 1000000) AS x FROM numbers(3000000)", 395, 10**9),
        ("SELECT groupArray(number) AS x FROM numbers(100000000)", 241, 2 * 10**7),
    ],
    ids=["in the middle", "out of memory"],
)
def test_an_answer_that_fails_half_way_is_an_error_and_leaves_nothing_behind(
    served: Store, form: str, sql: str, code: int, memory: int
) -> None:
    arguments = urlencode({"default_format": form, "max_memory_usage": memory})
    for _ in range(2):
        status, headers, body = ask(served, "POST", f"/?{arguments}", sql)
        assert status == 500
        assert headers["X-ClickHouse-Exception-Code"] == str(code)
        assert body.startswith(f"Code: {code}. ".encode())
        # A session that is used again would give the rest of the failed answer here.
        assert ask(served, "POST", "/?default_format=TabSeparated", "SELECT 42")[2] == b"42\n"


def test_a_query_too_heavy_is_told_from_a_wrong_one(served: Store) -> None:
    with pytest.raises(QueryTooHeavy):
        served.query_rows("SELECT uniqExact(number) FROM numbers(30000000) SETTINGS max_memory_usage = 10000000")
    with pytest.raises(QueryTooHeavy):
        served.query_rows("SELECT count() FROM numbers(100000000000) SETTINGS max_execution_time = 0.3")
    assert served.query_rows("SELECT 1") == [(1,)]


def test_limits_are_set_for_who_asks_for_none(served: Store) -> None:
    found = served.query_rows(
        "SELECT getSetting('max_memory_usage') > 0, getSetting('max_execution_time') > 0, getSetting('async_insert')"
    )
    assert found == [(True, True, False)]


GUARDED = {
    "a read": ("SELECT count() FROM copies", 0),
    "a read in brackets": ("(SELECT 1) UNION ALL (SELECT 2)", 0),
    "numbers": ("SELECT sum(number) FROM numbers(10)", 0),
    "what tables there are": ("SELECT name FROM system.tables WHERE database = 'truecount'", 0),
    "an explanation": ("EXPLAIN SELECT 1", 0),
    "the word file in a text": ("SELECT 'file(1)'", 0),
    "an insert": ("INSERT INTO tallies (n) VALUES (1)", 164),
    "an insert of a query": ("INSERT INTO tallies (n) SELECT 1", 164),
    "an insert with data": ('INSERT INTO tallies (n) FORMAT JSONEachRow {"n":1}', 164),
    "a new table": ("CREATE TABLE mine (a Int8) ENGINE = Memory", 164),
    "a dropped table": ("DROP TABLE copies", 164),
    "a deletion": ("ALTER TABLE copies DELETE WHERE 1", 164),
    "a setting": ("SET readonly = 0", 164),
    "a setting in the query": ("SELECT 1 SETTINGS readonly = 0", 164),
    "a higher limit in the query": ("SELECT 1 SETTINGS max_memory_usage = 0", 164),
    "two statements": ("SELECT 1; SELECT 2", 164),
    "a read and a drop": ("SELECT 1; DROP TABLE copies", 164),
    "an answer into a file": ("SELECT 1 INTO OUTFILE '/tmp/truecount-guard' FORMAT TSV", 164),
    "the same in other letters": ("SELECT 1 iNtO\n OuTfIlE '/tmp/truecount-guard'", 164),
    "the same behind a comment": ("SELECT 1 INTO /* x */ OUTFILE '/tmp/truecount-guard'", 164),
    "a file": ("SELECT * FROM file('/etc/passwd', 'LineAsString')", 164),
    "a file, in capitals": ("SELECT * FROM FILE ('/etc/passwd', LineAsString)", 164),
    "a file, quoted": ("SELECT * FROM `file`('/etc/passwd', 'LineAsString')", 164),
    "a file as a value": ("SELECT file('/etc/passwd')", 164),
    "a url": ("SELECT * FROM url('http://127.0.0.1/', 'CSV')", 164),
    "another server": ("SELECT * FROM remote('127.0.0.1', system.one)", 164),
    "a bucket": ("SELECT * FROM s3('http://127.0.0.1/a')", 164),
    "a program": ("SELECT * FROM executable('x', 'TSV', 'a String')", 164),
    "this process": ("SELECT * FROM Python(engine)", 164),
    "a database": ("SELECT * FROM sqlite('/etc/passwd', 't')", 164),
    "a file as a table": ("SELECT * FROM default.`/etc/passwd`", 164),
    "a file as a table, quoted": ("SELECT * FROM `default`.`/etc/passwd`", 164),
    "a file as a bare table": ("SELECT * FROM `/etc/passwd`", 60),
    "another database": ("USE system", 164),
    "the end of a query": ("KILL QUERY WHERE 1", 164),
    "the system": ("SYSTEM FLUSH LOGS", 164),
    "a backup": ("BACKUP TABLE copies TO File('/tmp/truecount-guard')", 164),
    "a new user": ("CREATE USER x", 164),
    "nonsense": ("SELECT FROM WHERE", 62),
}


@pytest.mark.parametrize(("sql", "code"), GUARDED.values(), ids=GUARDED.keys())
def test_the_guarded_user_may_only_read_tables(reader: Store, sql: str, code: int) -> None:
    status, headers, body = ask(reader, "POST", "/", sql)
    assert headers.get("X-ClickHouse-Exception-Code", "0") == str(code), body
    assert (status == 200) == (code == 0)
    assert b"root:" not in body


@pytest.mark.parametrize(
    ("setting", "value", "fine"),
    [
        ("output_format_json_quote_64bit_integers", "1", True),
        ("max_memory_usage", "100000000", True),
        ("max_memory_usage", "0", False),
        ("max_memory_usage", "99000000000000", False),
        ("max_execution_time", "1", True),
        ("max_execution_time", "100000", False),
        ("readonly", "0", True),  # not heard: it is about the request
        ("allow_introspection_functions", "1", False),
        ("max_bytes_before_external_sort", "nonsense", False),
    ],
)
def test_the_guarded_user_may_lower_limits_and_not_raise_them(
    reader: Store, setting: str, value: str, fine: bool
) -> None:
    status, _, body = ask(reader, "POST", f"/?{setting}={value}", "SELECT getSetting('readonly')")
    assert (status, body) == (200, b"1\n") if fine else status == 403


def test_the_official_client_works_for_the_guarded_user(reader: Store) -> None:
    with clickhouse_connect.get_client(
        host=reader._host, port=reader._port, username=READER, password=reader._secret
    ) as client:
        assert client.query("SELECT count() FROM copies").result_rows == [(0,)]
        with pytest.raises(DatabaseError):
            client.command("DROP TABLE copies")


@pytest.mark.parametrize("path", ["/?query=SELECT%201", "/state", "/loaded?d=1"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": ""},
        {"Authorization": "Basic " + base64.b64encode(b"truecount:wrong").decode()},
        {"Authorization": "Basic " + base64.b64encode(b"default:").decode()},
        {"Authorization": "Basic !!"},
        {"Authorization": "", "X-ClickHouse-User": "nobody", "X-ClickHouse-Key": ""},
    ],
    ids=["nothing", "a wrong secret", "nobody we know", "nonsense", "an unknown user"],
)
def test_who_does_not_know_the_secret_gets_nothing(served: Store, path: str, headers: dict[str, str]) -> None:
    status, answer, _ = ask(served, "GET", path, headers=headers)
    assert (status, answer["X-ClickHouse-Exception-Code"]) == (403, "516")


def test_a_ping_needs_no_secret_and_a_get_changes_nothing(served: Store) -> None:
    assert ask(served, "GET", "/ping", headers={"Authorization": ""})[2] == b"Ok.\n"
    status, headers, _ = ask(served, "GET", "/?query=" + quote("CREATE TABLE got (a Int8) ENGINE = Memory"))
    assert (status, headers["X-ClickHouse-Exception-Code"]) == (403, "164")


@pytest.mark.parametrize("encoding", ["gzip", "lz4", "zstd", "identity", "br"])
def test_bodies_come_packed_as_clients_pack_them(served: Store, encoding: str) -> None:
    import gzip

    import lz4.frame
    import zstandard

    pack: dict[str, Any] = {
        "gzip": gzip.compress,
        "lz4": lz4.frame.compress,
        "zstd": zstandard.ZstdCompressor().compress,
    }
    body = pack.get(encoding, bytes)(b"SELECT 1")
    status, _, answer = ask(served, "POST", "/", body, {"Content-Encoding": encoding})
    assert (status, answer) == (200, b"1\n") if encoding != "br" else status == 400


def test_a_query_whose_caller_hung_up_is_ended(served: Store) -> None:
    running = "SELECT count() FROM system.processes WHERE query LIKE '%1234567890123%' AND query NOT LIKE '%processes%'"
    basic = base64.b64encode(f"truecount:{served._secret}".encode()).decode()
    sql = "SELECT count() FROM numbers(1234567890123) SETTINGS max_execution_time = 55, max_threads = 1"
    with socket.create_connection((served._host, served._port), timeout=60) as caller:
        head = f"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {basic}\r\nContent-Length: {len(sql)}\r\n\r\n"
        caller.sendall((head + sql).encode())
        eventually(lambda: served.query_rows(running) == [(1,)], "the query did not start")
    eventually(lambda: served.query_rows(running) == [(0,)], "the query went on")


def test_many_ask_at_once_and_each_gets_its_own_answer(served: Store) -> None:
    def ask(number: int, at: int) -> object:
        return served.query_rows("SELECT {a:Int64} * 1000 + {b:Int64}", {"a": number, "b": at})

    assert at_once(ask) == {(number, at): [(number * 1000 + at,)] for number, at in PAIRS}


def test_columns_rows_arrow_and_raw_answers_agree(served: Store) -> None:
    sql = "SELECT number AS n, toString(number) AS t FROM numbers({n:UInt8})"
    assert served.query_rows(sql, {"n": 2}) == [(0, "0"), (1, "1")]
    assert served.query_columns(sql, {"n": 2}) == {"n": [0, 1], "t": ["0", "1"]}
    assert served.query_columns(sql, {"n": 0}) == {}
    assert served.query_arrow(sql, {"n": 2}).to_pydict() == {"n": [0, 1], "t": ["0", "1"]}
    assert served.query_raw(sql, {"n": 1}) == b'{"n":0,"t":"0"}\n'


def test_where_nobody_answers_the_store_is_down() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = Store(f"http://127.0.0.1:{taken.getsockname()[1]}", "secret")
        assert not nobody.ping()
        for asked in (lambda: nobody.query_rows("SELECT 1"), nobody.state, lambda: nobody.wait_loaded({"d": 1}, 1)):
            with pytest.raises(StoreDown):
                asked()


def test_a_statement_that_only_looks_like_an_insert_is_told_apart_in_one_pass() -> None:
    """Ambiguous patterns took minutes here, holding the interpreter: this test would not end."""
    columns = b", ".join(b"column_%d" % n for n in range(400))
    assert front._INSERT.match(b"INSERT INTO scratch.stage (" + columns + b") SELECT 1") is None
    assert front._INSERT.match(b"INSERT INTO t SETTINGS a=1" + b" " * 200_000) is None
    assert front._INSERT.match(b"INSERT INTO t SETTINGS " + b"a=1, " * 40_000) is None
    found = front._INSERT.match(b"INSERT INTO `s`.`t` (`a`, b) SETTINGS a=1, b = 'x' FORMAT Native\nFORMAT")
    assert found is not None
    assert (found["into"], found["settings"], found["form"]) == (b"`s`.`t` (`a`, b)", b"a=1, b = 'x'", b"Native")
