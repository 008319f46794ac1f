"""The embedded ClickHouse (chDB). The only module that imports chdb; the process that does can never fork again.

Each query has a session of its own, which costs a millisecond. A session that is used again after a failed query gives
the rest of the failed answer to the next one: wrong rows without an error.
"""

from __future__ import annotations

import faulthandler
import os
import re
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import chdb
from chdb import _chdb

from .errors import query_error
from .guard import refusal

DATABASE: Final = "truecount"
FATAL: Final = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE)
_CODE: Final = re.compile(r"Code: (\d+)\. ")
_NAME: Final = re.compile(r"\w+").fullmatch
_EXCEPTION_TAIL: Final = re.compile(rb'"exception":\s*"(Code: \d+\. .*)"\s*\}?\s*\Z', re.S)


class Limits(NamedTuple):
    """What one query may take. Bytes and seconds; 0 is no limit, except for threads (0: as many as cores)."""

    memory_bytes: int = 2 << 30
    seconds: float = 30.0
    result_bytes: int = 512 << 20
    threads: int = 0

    def settings(self) -> dict[str, str]:
        """These limits as ClickHouse settings. Half of the memory is where groups and sorts go to disk."""
        half = str(self.memory_bytes // 2)
        limits = {
            "max_memory_usage": str(self.memory_bytes),
            "max_execution_time": str(self.seconds),
            "timeout_overflow_mode": "throw",
            "max_result_bytes": str(self.result_bytes),
            "result_overflow_mode": "throw",
            "max_bytes_before_external_group_by": half,
            "max_bytes_before_external_sort": half,
        }
        if self.threads:
            limits["max_threads"] = str(self.threads)
        return limits


ALWAYS: Final = {
    "async_insert": "0",
    "join_use_nulls": "1",
    "http_write_exception_in_output_format": "0",
    "session_timezone": "UTC",
    "fsync_metadata": "1",
}
"""Settings of every session. A session's time zone is UTC wherever the machine stands."""


class Engine:
    """An open store folder. Thread-safe: `slots` queries run at a time, more wait."""

    def __init__(self, folder: Path, *, limits: Limits | None = None, slots: int = 4) -> None:
        _chdb.set_signal_handlers_enabled(0)  # type: ignore[attr-defined]
        self._path = str(folder)
        self.limits = limits or Limits()
        self._slots = threading.BoundedSemaphore(slots)
        self._main = chdb.connect(self._path)
        # A crash must end the process, so that the supervisor can start another: chDB's own handlers keep it alive.
        for number in FATAL:
            signal.signal(number, signal.SIG_DFL)
        faulthandler.enable()
        # chDB's `default` shows the machine's files as tables. An empty database in its place shows nothing.
        for sql in (
            "DROP DATABASE IF EXISTS default",
            "CREATE DATABASE default ENGINE = Memory",
            f"CREATE DATABASE IF NOT EXISTS {DATABASE}",
        ):
            self._main.query(sql)

    def query(
        self,
        sql: str,
        form: str = "JSONCompactEachRow",
        *,
        params: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        guarded: bool = False,
        database: str = DATABASE,
        mark: str = "",
    ) -> bytes:
        """Run one statement and give its answer in the ClickHouse format `form`.

        `settings` are this query's own. A `guarded` query may only read, within the engine's limits. `mark` is what
        `cancel` knows it by. QueryFailed, QueryTooHeavy.
        """
        with self._slot(), self._session(settings, guarded, database, mark) as session:
            if guarded and (why := refusal(session._conn.classify_query(sql), sql)):
                raise query_error(f"Code: 164. DB::Exception: {why} (READONLY)", 164)
            return _run(session, sql, form, params)

    def script(
        self,
        statements: Iterable[tuple[str, Mapping[str, str]]],
        form: str = "JSONCompactEachRow",
        *,
        settings: Mapping[str, str] | None = None,
        mark: str = "",
    ) -> bytes:
        """Run statements with their parameters one after the other, and give the answer of the last one.

        Each has the limits of `query` to itself, and none begins when all together took longer than one may. The first
        that fails ends it; what those before it did stays.
        """
        body = b""
        limit_s = _seconds((settings or {}).get("max_execution_time", ""))
        began_s = time.monotonic()
        with self._slot(), self._session(settings, False, DATABASE, mark) as session:
            for sql, params in statements:
                if limit_s and time.monotonic() - began_s >= limit_s:
                    raise query_error("Code: 159. DB::Exception: Timeout exceeded. (TIMEOUT_EXCEEDED)", 159)
                body = _run(session, sql, form, params)
        return body

    def insert(
        self,
        into: str,
        form: str,
        data: bytes,
        settings: Mapping[str, str] | None = None,
        *,
        database: str = DATABASE,
        mark: str = "",
    ) -> int:
        """Insert `data`, in the ClickHouse format `form`, and give the number of rows written. `into` is what follows
        INSERT INTO. It never waits for a slot: queries do not hold up the loader. QueryFailed, QueryTooHeavy.

        The data is read from memory by name, as a file. chDB's own streaming insert says done, with the right number of
        rows, when writing them failed.
        """
        descriptor = os.memfd_create("insert", os.MFD_CLOEXEC)
        try:
            with open(descriptor, "wb", buffering=0, closefd=False) as file:
                view = memoryview(data)
                while view:
                    view = view[file.write(view) :]
            with self._session(settings, False, database, mark) as session:
                sql = f"INSERT INTO {into} FROM INFILE '/proc/self/fd/{descriptor}' FORMAT {_name(form)}"
                return int(session.query(sql).rows_written())
        except RuntimeError as error:
            raise _failure(str(error)) from None
        finally:
            os.close(descriptor)

    def rows(self, sql: str, **params: str) -> list[list[Any]]:
        """Rows of a small query of our own, without waiting for a slot."""
        import msgspec

        with self._session(None, False, DATABASE, "") as session:
            try:
                body: bytes = session.query(sql, "JSONCompactEachRow", params=params).bytes() or b""
            except RuntimeError as error:
                raise _failure(str(error)) from None
        return msgspec.json.decode(b"[" + b",".join(body.splitlines()) + b"]", type=list[list[Any]])

    def command(self, sql: str) -> None:
        """Run a statement of our own, without waiting for a slot and without a limit of time."""
        with self._session({"max_execution_time": "0"}, False, DATABASE, "") as session:
            try:
                session.query(sql)
            except RuntimeError as error:
                raise _failure(str(error)) from None

    def cancel(self, mark: str) -> None:
        """End the query that runs under this mark, if any."""
        with self._session(None, False, DATABASE, "") as session:
            session.query(f"KILL QUERY WHERE Settings['log_comment'] = '{mark}' ASYNC")

    def close(self) -> None:
        """Close the folder. Nothing may run."""
        self._main.close()

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._slots.acquire(timeout=self.limits.seconds or None):
            raise query_error("Code: 202. DB::Exception: Too many queries run. (TOO_MANY_SIMULTANEOUS_QUERIES)", 202)
        try:
            yield
        finally:
            self._slots.release()

    @contextmanager
    def _session(
        self, settings: Mapping[str, str] | None, guarded: bool, database: str, mark: str
    ) -> Iterator[chdb.state.sqlitelike.Connection]:
        session = chdb.connect(self._path)
        try:
            chosen = {**ALWAYS, **self.limits.settings(), **(settings or {})}
            if mark:
                chosen["log_comment"] = mark
            if guarded:
                chosen["readonly"] = "1"  # last: after it, nothing can be set
            try:
                session.query(f"USE {_quoted(database)}")
                session.query("SET " + ", ".join(f"{_name(name)} = {_text(value)}" for name, value in chosen.items()))
            except RuntimeError as error:
                raise _failure(str(error)) from None
            yield session
        finally:
            session.close()


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0  # none; a session refuses what it cannot read


def _run(session: chdb.state.sqlitelike.Connection, sql: str, form: str, params: Mapping[str, str] | None) -> bytes:
    try:
        answer = session.query(sql, form, params=dict(params) if params else None)
        failed = answer.error_message() if answer.has_error() else ""
        body: bytes = answer.bytes() or b""
    except RuntimeError as error:
        failed, body = str(error), b""
    if not failed and form.startswith("JSON") and (tail := _EXCEPTION_TAIL.search(body[-4000:])):
        failed = tail[1].decode(errors="replace")
    if failed:
        raise _failure(failed)
    return body


def _failure(text: str) -> Exception:
    at = text.find("Code: ")
    text = text[max(at, 0) :]
    code = _CODE.match(text)
    return query_error(text, int(code[1]) if code else 0)


def _name(name: str) -> str:
    if not _NAME(name):
        raise query_error("Code: 115. DB::Exception: Unknown setting. (UNKNOWN_SETTING)", 115)
    return name


def _quoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
