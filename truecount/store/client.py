"""The client of the store: clickhouse-connect over HTTP, with typed errors. The same for a cluster.

Importing this module is cheap; clickhouse-connect is loaded by the first Store.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec

from .errors import QueryFailed, QueryTooHeavy, StoreDown, query_error

if TYPE_CHECKING:
    import pyarrow as pa
    from clickhouse_connect.driver.client import Client
    from urllib3 import HTTPConnectionPool

USER: Final = "truecount"
DATABASE: Final = "truecount"
_CODE: Final = re.compile(r"(?:error code |Code: )(\d+)")
Statement = tuple[str, Mapping[str, Any] | None]
_LIBRARY: Final = threading.Lock()
"""The library imports itself in a circle: threads that load it at a time, by two of its modules, find it half made."""
TIMEOUT: Final = 159
"""ClickHouse's code for what took too long."""
_RETRY_S: Final = 5.0
"""Longer than any pause between a dropped kept-alive connection and the next try."""


class Store:
    """A connection to the store. Several threads may use one: each query is a request of its own.

    Parameters stand in SQL as {name:Type}, and never become part of its text. Every method raises StoreDown when
    nobody answers, QueryTooHeavy or QueryFailed when the engine refuses.
    """

    def __init__(
        self, url: str, secret: str, *, user: str = USER, database: str = DATABASE, takes_scripts: bool = False
    ) -> None:
        parts = urlsplit(url)
        self._url = url.rstrip("/")
        self._user = user
        self._secret = secret
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or 8123
        self._secure = parts.scheme == "https"
        self._database = database
        self._takes_scripts = takes_scripts
        """Whether it is our own engine that answers (front.py)."""
        self._pool: HTTPConnectionPool | None = None
        self._made: Client | None = None
        self._making = threading.Lock()
        self._base: Store | None = None
        self._settings: dict[str, str] = {}
        self._until_s: float | None = None

    def having(self, settings: Mapping[str, str], *, until_s: float | None = None) -> Store:
        """The same store, on the same connections, with settings of the engine for each statement.

        `until_s`, of time.monotonic(), is how long somebody waits for answers: each statement has what is left of it,
        and behind it each is QueryTooHeavy at once. Scratch tables can be dropped even so.
        """
        made = Store(
            self._url, self._secret, user=self._user, database=self._database, takes_scripts=self._takes_scripts
        )
        made._base = self._base or self
        made._settings = {**self._settings, **settings}
        made._until_s = until_s if self._until_s is None else min(self._until_s, until_s or self._until_s)
        return made

    @classmethod
    def of_folder(cls, folder: Path) -> Store:
        """The store of a data folder whose engine runs. StoreDown when none does."""
        import json

        try:
            state = json.loads((folder / "run" / "engine.json").read_text())
            secret = (folder / "run" / "engine.secret").read_text()
            return cls(f"http://127.0.0.1:{int(state['port'])}", secret, takes_scripts=True)
        except (OSError, ValueError, KeyError):
            raise StoreDown("the engine is not up; a running server starts it by itself") from None

    def query_rows(self, sql: str, params: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Rows of a query, a tuple each."""
        with _errors():
            return [tuple(row) for row in self._query(sql, params).result_rows]

    def query_columns(self, sql: str, params: Mapping[str, Any] | None = None) -> dict[str, list[Any]]:
        """Columns of a query by name, in its order; {} when there is no row (ClickHouse sends no names then)."""
        with _errors():
            answer = self._query(sql, params, column_oriented=True)
            return dict(zip(answer.column_names, map(list, answer.result_columns), strict=True))

    def query_arrow(self, sql: str, params: Mapping[str, Any] | None = None) -> pa.Table:
        """The answer as an Arrow table, for large ones."""
        with _errors():
            return self._client().query_arrow(
                sql, parameters=_parameters(params), settings=self._given(), use_strings=True
            )

    def query_raw(self, sql: str, params: Mapping[str, Any] | None = None, form: str = "JSONEachRow") -> bytes:
        """The answer in a ClickHouse format, as it comes."""
        with _errors():
            return bytes(
                self._client().raw_query(sql, parameters=_parameters(params), settings=self._given(), fmt=form)
            )

    def command(self, sql: str, params: Mapping[str, Any] | None = None) -> Any:
        """Run a statement that gives no rows, or a single value."""
        with _errors():
            return self._client().command(sql, parameters=_parameters(params), settings=self._given())

    def script(self, commands: Sequence[Statement], select: Statement | None = None) -> list[Sequence[Any]]:
        """Run commands one after the other, then a SELECT, and give its rows: in one request where our own engine
        answers. The first one that fails ends it; what those before it did stays.

        Select numbers, texts, and arrays, maps and tuples of them: of other types JSON makes texts, and null of NaN.
        """
        if not self._takes_scripts:
            for sql, params in commands:
                self.command(sql, params)
            return [*self.query_rows(*select)] if select else []
        if not (commands or select):
            return []
        written = _writer()
        script = {
            "statements": [
                (sql, {name: str(written(value)) for name, value in (params or {}).items()})
                for sql, params in (*commands, *([select] if select else []))
            ],
            "settings": {**_PLAIN_JSON, **(self._settings if _tidies_up(commands, select) else self._given() or {})},
        }
        body = self._post("/script", msgspec.msgpack.encode(script))
        lines = body.split(b"\n") if select else []  # no line end stands in a line: JSON escapes it
        return [msgspec.json.decode(line) for line in lines if line]

    def insert_arrow(self, table: str, data: pa.Table) -> int:
        """Insert an Arrow table; returns the number of rows. Columns that it lacks get the table's defaults."""
        with _errors():
            self._client().insert_arrow(table, data)
            return int(data.num_rows)

    def insert_raw(self, into: str, form: str, data: bytes, settings: Mapping[str, str] | None = None) -> int:
        """Insert data that is in a ClickHouse format already; `into` is what follows INSERT INTO. Returns the rows."""
        with _errors():
            summary = self._client().raw_insert(insert_block=data, settings=dict(settings or {}), fmt=form, table=into)
            return int(summary.written_rows)

    def state(self) -> dict[str, Any]:
        """What the engine says of itself: pid, and the loader's state (loader.LoaderState) under `loader`."""
        answer: dict[str, Any] = self._ask("/state", {}, 10.0)
        return answer

    def loaded(self) -> dict[str, int]:
        """The last entry of each door that is visible."""
        loader = self.state()["loader"]
        return dict(loader["doors"]) if loader else {}

    def wait_loaded(self, needed: Mapping[str, int] | None = None, timeout_s: float = 60.0) -> bool:
        """Wait until these entries (door -> seq) are visible; without any: all that are in the log now.

        False when they are not within `timeout_s`.
        """
        query = {**{door: str(seq) for door, seq in (needed or {}).items()}, "timeout_s": str(timeout_s)}
        return bool(self._ask("/loaded", query, timeout_s + 10.0)["loaded"])

    def ping(self) -> bool:
        """True while the engine answers."""
        try:
            self._http("/ping", {}, 5.0)
            return True
        except StoreDown:
            return False

    def close(self) -> None:
        """Let go of the connections."""
        if self._made is not None:
            self._made.close()
            self._made = None
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _query(self, sql: str, params: Mapping[str, Any] | None, **how: Any) -> Any:
        return self._client().query(sql, parameters=_parameters(params), settings=self._given(), **how)

    def _given(self) -> dict[str, Any] | None:
        if self._until_s is None:
            return dict(self._settings) or None
        left_s = self._until_s - time.monotonic()
        if left_s <= 0:
            raise QueryTooHeavy("Code: 159. The answer took longer than anybody waits for it.", TIMEOUT)
        return {**self._settings, "max_execution_time": f"{max(left_s, 0.1):.3f}"}

    def _client(self) -> Client:
        if self._base is not None:
            return self._base._client()
        if self._made is None:
            with self._making:
                self._made = self._made or self._connected()
        return self._made

    def _connected(self) -> Client:
        with _LIBRARY:
            from clickhouse_connect import get_client
            from clickhouse_connect.driver.httputil import default_pool_manager

        # A proxy that the environment names is not asked for what runs on this very machine.
        is_here = self._host in ("127.0.0.1", "::1", "localhost")
        return get_client(
            host=self._host,
            port=self._port,
            interface="https" if self._secure else "http",
            username=self._user,
            password=self._secret,
            database=self._database,
            compress=False,
            autogenerate_session_id=False,  # a session would let one query at a time through
            send_receive_timeout=900,
            connect_timeout=_RETRY_S,
            tz_mode="aware",
            pool_mgr=default_pool_manager() if is_here and not self._secure else None,
        )

    def _post(self, path: str, body: bytes) -> bytes:
        if self._base is not None:
            return self._base._post(path, body)
        import urllib3

        with self._making:
            self._pool = self._pool or urllib3.HTTPConnectionPool(self._host, self._port, maxsize=16, retries=False)
        headers = {"X-ClickHouse-User": self._user, "X-ClickHouse-Key": self._secret}
        timeout = urllib3.Timeout(connect=_RETRY_S, read=900)
        try:
            answer = self._pool.request("POST", path, body=body, headers=headers, timeout=timeout)
        except urllib3.exceptions.HTTPError:
            raise StoreDown(AWAY) from None
        if answer.status >= 400:
            text = answer.data.decode("utf-8", "replace").strip()
            raise query_error(text, _found(text))
        return answer.data

    def _ask(self, path: str, query: Mapping[str, str], timeout_s: float) -> Any:
        import json

        return json.loads(self._http(path, query, timeout_s))

    def _http(self, path: str, query: Mapping[str, str], timeout_s: float) -> bytes:
        from http.client import HTTPConnection, HTTPException

        connection = HTTPConnection(self._host, self._port, timeout=timeout_s)
        try:
            headers = {"X-ClickHouse-User": self._user, "X-ClickHouse-Key": self._secret}
            connection.request("GET", path + (f"?{urlencode(query)}" if query else ""), headers=headers)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, HTTPException):
            raise StoreDown(AWAY) from None
        finally:
            connection.close()
        if answer.status >= 400:
            raise QueryFailed(body.decode("utf-8", "replace").strip(), answer.status)
        return body


_PLAIN_JSON: Final = {
    "output_format_json_quote_64bit_integers": "0",
    "output_format_json_validate_utf8": "1",
    "output_format_json_named_tuples_as_objects": "1",
}
"""Numbers of all sizes as numbers; tuples as arrays, or as dicts where they have names, as queries answer;
text that is UTF-8 whatever was sent."""


def _tidies_up(commands: Sequence[Statement], select: Statement | None) -> bool:
    """Whether a script does no more than drop tables."""
    return not select and all(sql.startswith("DROP TABLE") for sql, _ in commands)


def _writer() -> Callable[[Any], Any]:
    """What writes the value of a parameter as ClickHouse reads it."""
    with _LIBRARY:
        import clickhouse_connect  # noqa: F401 - first the package, then a part of it
        from clickhouse_connect.driver.binding import format_bind_value
    return format_bind_value


def _parameters(params: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return dict(params) if params else None


AWAY: Final = "the store does not answer; if it is starting again, try once more"


class _errors:
    """Turn clickhouse-connect's errors into the store's."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None or not isinstance(error, Exception):
            return
        from clickhouse_connect.driver.exceptions import ClickHouseError

        if isinstance(error, ClickHouseError):
            text = str(error)
            code = getattr(error, "code", None) or _found(text)
            if code:
                raise query_error(text, int(code)) from None
            raise StoreDown(AWAY) from None
        if isinstance(error, OSError) or type(error).__module__.startswith("urllib3"):
            raise StoreDown(AWAY) from None


def _found(text: str) -> int:
    code = _CODE.search(text)
    return int(code[1]) if code else 0
