"""ClickHouse's HTTP protocol in front of the engine, on loopback, for those who know the secret.

GET, POST /     queries and inserts, as ClickHouse takes them: official clients work unchanged
GET /ping       "Ok." while the process lives; needs no secret
GET /state      JSON: how far the loader is
GET /loaded     ?door=seq&...&timeout_s=10: answers when these entries are visible (none named: all that are there)
POST /script    a Script in MessagePack: statements of one answer in one request, which ClickHouse does not know
"""

from __future__ import annotations

import base64
import binascii
import hmac
import itertools
import re
import select
import socket
import threading
import uuid
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from .engine import DATABASE, Engine
from .errors import QueryFailed, QueryTooHeavy

USER: Final = "truecount"
READER: Final = "reader"
HANGUP_EVERY_S: Final = 0.25
MAX_BODY: Final = 1 << 30

TRANSPORT: Final = frozenset(
    {
        "database", "query", "query_id", "session_id", "session_timeout", "session_check", "compress", "decompress",
        "user", "password", "role", "quota_key", "wait_end_of_query", "buffer_size", "client_protocol_version",
        "default_format", "send_progress_in_http_headers", "http_headers_progress_interval_ms",
        "enable_http_compression", "http_zlib_compression_level", "async_insert", "wait_for_async_insert", "readonly",
        "log_comment",
    }
)  # fmt: skip
"""Parameters that are about the request, not settings of the query; or settings that are not a client's to choose."""
READER_MAY_SET: Final = re.compile(
    r"(output_format_\w+|format_\w+|date_time_\w+|join_use_nulls|max_block_size|max_result_rows|max_threads|extremes|"
    r"cancel_http_readonly_queries_on_client_close|log_comment|use_client_time_zone|session_timezone)"
).fullmatch

_NAME: Final = r"(?:`[^`]+`|\"[^\"]+\"|\w+)"
# Possessive quantifiers: a statement that is no plain INSERT must fail in one pass, whatever its length.
_SET: Final = r"\w++\s*+=\s*+[^\s,;]++"
_INSERT: Final = re.compile(
    rf"\s*+INSERT\s++INTO\s++(?:TABLE\s++)?(?P<into>{_NAME}(?:\.{_NAME})?+\s*+"
    r"(?:\((?:[^()'`\"]++|`[^`]+`|\"[^\"]+\")*+\))?+)"
    rf"\s*+(?:SETTINGS\s++(?P<settings>{_SET}(?:\s*+,\s*+{_SET})*+)\s++)?+"
    r"FORMAT\s++(?P<form>\w++)[ \t]*+;?\r?\n?".encode(),
    re.I | re.S,
)

_SETTING: Final = re.compile(r"(\w+)\s*=\s*([^,\s]+)")

_NOT_FOUND: Final = frozenset({46, 47, 50, 56, 60, 63, 81, 115})
_BAD_REQUEST: Final = frozenset(
    {6, 26, 27, 36, 38, 41, 42, 43, 44, 52, 53, 62, 70, 72, 117, 130, 131, 184, 190, 215, 321, 349, 386, 456, 457, 636}
)


class Script(msgspec.Struct):
    """Statements that are run one after the other, each with its parameters as ClickHouse writes them.

    The answer is that of the last one, in the format JSONCompactEachRow.
    """

    statements: list[tuple[str, dict[str, str]]]
    settings: dict[str, str] = {}


def status_of(code: int) -> int:
    """HTTP status of a ClickHouse error, as ClickHouse gives it."""
    if code in _NOT_FOUND:
        return 404
    if code in _BAD_REQUEST:
        return 400
    if code in {164, 497, 516}:
        return 403
    if code == 159:
        return 408
    return 500


class Front(ThreadingHTTPServer):
    """The server. `serve_forever` in a thread of its own."""

    daemon_threads = True
    request_queue_size = 256
    allow_reuse_address = True

    def __init__(
        self,
        address: tuple[str, int],
        engine: Engine,
        secrets: Mapping[str, str],
        *,
        state: Callable[[], Any] = dict,
        wait: Callable[[Mapping[str, int], float], bool] = lambda needed, timeout_s: True,
    ) -> None:
        self.engine = engine
        self.secrets = secrets
        self.state = state
        self.wait = wait
        self._numbers = itertools.count(1)
        self._running: dict[str, socket.socket] = {}
        self._lock = threading.Lock()
        super().__init__(address, _Handler)
        threading.Thread(target=self._watch, name="hang-ups", daemon=True).start()

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that went away is no news."""

    def running(self, caller: socket.socket) -> str:
        """Remember who waits for a query, and give the mark to run it under."""
        mark = f"query-{next(self._numbers)}"
        with self._lock:
            self._running[mark] = caller
        return mark

    def done(self, mark: str) -> None:
        with self._lock:
            self._running.pop(mark, None)

    def _watch(self) -> None:
        """Cancel queries whose caller hung up."""
        pause = threading.Event()
        while True:
            pause.wait(HANGUP_EVERY_S)
            with self._lock:
                callers = dict(self._running)
            for mark, caller in callers.items():
                try:
                    poll = select.poll()
                    poll.register(caller, select.POLLRDHUP)
                    if poll.poll(0):
                        self.engine.cancel(mark)
                except (OSError, ValueError, RuntimeError, QueryFailed):
                    continue


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "Truecount"
    sys_version = ""
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Front

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a line a query would fill the disk, and hold what people asked for."""

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path == "/ping" or (path == "/" and not query):
            return self._answer(200, b"Ok.\n")
        arguments = dict(parse_qsl(query, keep_blank_values=True, encoding="utf-8", errors="surrogateescape"))
        user = self._user(arguments)
        if user is None:
            return self._unknown()
        if path == "/state":
            return self._json(self.server.state())
        if path == "/loaded":
            return self._loaded(arguments)
        return self._query(user, arguments, b"", reading=True)

    def do_POST(self) -> None:
        arguments = dict(
            parse_qsl(self.path.partition("?")[2], keep_blank_values=True, encoding="utf-8", errors="surrogateescape")
        )
        user = self._user(arguments)
        if user is None:
            return self._unknown()
        try:
            body = self._body()
        except (ValueError, OSError):
            self.close_connection = True
            return self._fail(
                QueryFailed("Code: 210. DB::Exception: the request's body cannot be read. (NETWORK_ERROR)", 27)
            )
        if self.path.partition("?")[0] == "/script":
            return self._script(user, body)
        kind = self.headers.get("Content-Type", "")
        if kind.startswith("multipart/form-data"):
            arguments.update(_fields(kind, body))
            body = b""
        return self._query(user, arguments, body)

    def _query(self, user: str, arguments: dict[str, str], body: bytes, *, reading: bool = False) -> None:
        engine = self.server.engine
        guarded = user == READER
        database = arguments.get("database") or self.headers.get("X-ClickHouse-Database") or DATABASE
        if database == "default":  # what clients say when they were told nothing
            database = DATABASE
        form = arguments.get("default_format") or self.headers.get("X-ClickHouse-Format") or "TabSeparated"
        sql = arguments.get("query", "").encode("utf-8", "surrogateescape")
        sql += (b"\n" if sql and body else b"") + body
        params = {name[6:]: value for name, value in arguments.items() if name.startswith("param_")}
        settings = {
            name: value for name, value in arguments.items() if name not in TRANSPORT and not name.startswith("param_")
        }
        mark = self.server.running(self.connection)
        written = 0
        try:
            if guarded:
                self._check_reader(settings)
            insert = _INSERT.match(sql)
            if insert and not reading and not guarded:
                into, data = insert["into"].decode(), sql[insert.end() :]
                settings.update(_SETTING.findall((insert["settings"] or b"").decode().replace("'", "")))
                answer = b""
                written = engine.insert(into, insert["form"].decode(), data, settings, database=database, mark=mark)
            else:
                if reading:
                    settings["readonly"] = "2"  # as ClickHouse has it: GET changes nothing
                answer = engine.query(
                    sql.decode("utf-8", "surrogateescape"),
                    form,
                    params=params,
                    settings=settings,
                    guarded=guarded,
                    database=database,
                    mark=mark,
                )
        except QueryFailed as error:
            return self._fail(error)
        except Exception as error:  # ours: the caller is told its kind, the process goes on
            return self._fail(
                QueryFailed(f"Code: 1002. DB::Exception: {type(error).__name__}. (UNKNOWN_EXCEPTION)", 1002)
            )
        finally:
            self.server.done(mark)
        headers = {
            "X-ClickHouse-Summary": f'{{"read_rows":"0","read_bytes":"0","written_rows":"{written}"}}',
            "X-ClickHouse-Query-Id": arguments.get("query_id") or str(uuid.uuid4()),
            "X-ClickHouse-Timezone": "UTC",
        }
        if found := re.search(rb"\bFORMAT\s+(\w+)\s*;?\s*$", sql[-80:], re.I):
            form = found[1].decode()
        headers["X-ClickHouse-Format"] = form
        kind = "application/json; charset=UTF-8" if form.startswith("JSON") else "text/plain; charset=UTF-8"
        return self._answer(200, answer, kind, headers)

    def _script(self, user: str, body: bytes) -> None:
        if user == READER:
            return self._fail(_error(497, "scripts are not for those who may read only", "ACCESS_DENIED"))
        try:
            script = msgspec.msgpack.decode(body, type=Script)
        except (msgspec.MsgspecError, ValueError):  # text that is no UTF-8 is a ValueError
            return self._fail(_error(62, "no script can be read in the request's body", "SYNTAX_ERROR"))
        mark = self.server.running(self.connection)
        try:
            answer = self.server.engine.script(script.statements, settings=script.settings, mark=mark)
        except QueryFailed as error:
            return self._fail(error)
        except Exception as error:  # ours: the caller is told its kind, the process goes on
            return self._fail(_error(1002, type(error).__name__, "UNKNOWN_EXCEPTION"))
        finally:
            self.server.done(mark)
        return self._answer(200, answer, "application/json; charset=UTF-8")

    def _check_reader(self, settings: dict[str, str]) -> None:
        for name, value in list(settings.items()):
            if not READER_MAY_SET(name):
                limit = self.server.engine.limits.settings().get(name)
                if limit is None or not _lower(value, limit):
                    raise _error(164, f"Cannot modify '{name}' setting in readonly mode", "READONLY")

    def _loaded(self, arguments: dict[str, str]) -> None:
        try:
            timeout_s = float(arguments.pop("timeout_s", "10"))
            for name in ("user", "password"):
                arguments.pop(name, None)
            needed = {door: int(seq) for door, seq in arguments.items()}
        except ValueError:
            return self._answer(400, b"door=seq&... and timeout_s are numbers\n")
        there = self.server.wait(needed, min(timeout_s, 600.0))
        return self._json({"loaded": there})

    def _user(self, arguments: dict[str, str]) -> str | None:
        """Who asks, None for nobody we know."""
        name = self.headers.get("X-ClickHouse-User") or arguments.get("user", "")
        secret = self.headers.get("X-ClickHouse-Key") or arguments.get("password", "")
        scheme, _, value = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                return None
        known = self.server.secrets.get(name, "")
        if known and hmac.compare_digest(known.encode(), secret.encode("utf-8", "surrogateescape")):
            return name
        return None

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            pieces: list[bytes] = []
            room = MAX_BODY
            while size := int(self.rfile.readline(100).split(b";")[0], 16):
                room -= size
                if room < 0 or size < 0:
                    raise ValueError("too large")
                pieces.append(self.rfile.read(size))
                self.rfile.readline(100)
            self.rfile.readline(100)
            body = b"".join(pieces)
        else:
            size = int(self.headers.get("Content-Length", 0))
            if not 0 <= size <= MAX_BODY:
                raise ValueError("too large")
            body = self.rfile.read(size)
        return _unpacked(body, self.headers.get("Content-Encoding", ""))

    def _unknown(self) -> None:
        self.close_connection = True  # the body was not read
        self._fail(
            QueryFailed(
                "Code: 516. DB::Exception: Authentication failed: user or password is wrong. (AUTHENTICATION_FAILED)",
                516,
            )
        )

    def _fail(self, error: QueryFailed) -> None:
        text = str(error)
        if not text.startswith("Code: "):
            text = f"Code: {error.code}. {text}"
        headers = {"X-ClickHouse-Exception-Code": str(error.code or 1002)}
        status = 500 if isinstance(error, QueryTooHeavy) and error.code != 159 else status_of(error.code)
        self._answer(status, text.encode("utf-8", "replace") + b"\n", headers=headers)

    def _json(self, value: object) -> None:
        self._answer(200, msgspec.json.encode(value), "application/json")

    def _answer(
        self,
        status: int,
        body: bytes,
        kind: str = "text/plain; charset=UTF-8",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(
                name, value.encode("latin-1", "replace").decode("latin-1").replace("\r", " ").replace("\n", " ")
            )
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def _error(code: int, text: str, name: str) -> QueryFailed:
    """An error in ClickHouse's words."""
    return QueryFailed(f"Code: {code}. DB::Exception: {text}. ({name})", code)


def _lower(value: str, limit: str) -> bool:
    """A reader may ask for less than the limit, 0 (no limit) only where there is none."""
    try:
        return 0 < float(value) <= float(limit) or float(limit) == 0
    except ValueError:
        return False


def _unpacked(body: bytes, encoding: str) -> bytes:
    if not body or not encoding or encoding == "identity":
        return body
    if encoding == "gzip":
        import gzip

        return gzip.decompress(body)
    if encoding == "lz4":
        import lz4.frame  # type: ignore[import-untyped]

        plain: bytes = lz4.frame.decompress(body)
        return plain
    if encoding == "zstd":
        import zstandard

        return zstandard.ZstdDecompressor().decompressobj().decompress(body)
    raise ValueError("an encoding that is not known")


def _fields(kind: str, body: bytes) -> dict[str, str]:
    """The fields of a multipart form: a query and its parameters."""
    from email.parser import BytesParser

    message = BytesParser().parsebytes(b"Content-Type: " + kind.encode("latin-1") + b"\r\n\r\n" + body)
    fields: dict[str, str] = {}
    if not message.is_multipart():
        return fields
    for part in message.get_payload():
        payload = part.get_payload(decode=True)  # type: ignore[union-attr]
        name = part.get_param("name", header="content-disposition")  # type: ignore[union-attr]
        if isinstance(name, str) and isinstance(payload, bytes):
            fields[name] = payload.decode("utf-8", "surrogateescape")
    return fields
