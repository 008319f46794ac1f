"""Small things that every route needs of a request and an answer."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from litestar import Response
from litestar.openapi.datastructures import ResponseSpec

from truecount.collect.relay import HOST
from truecount.manager.answers import encode
from truecount.manager.serving import serve_state
from truecount.manager.shared import Asked, Connection, manager_of
from truecount.unseen import written

FORMATS: Final = ("html", "json")
_FORMULA: Final = frozenset("=+-@\t\r\n＝＋－＠")
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?", re.ASCII).fullmatch
BY_TOKEN: Final = "truecount by token"
"""Key in a request's state."""
JSON: Final = "application/json; charset=utf-8"


def gives(kind: Any, what: str) -> dict[int, ResponseSpec]:
    """`responses` of a route: the shape of its twin, or several (A | B), for the OpenAPI document."""
    return {200: ResponseSpec(kind, description=what, generate_examples=False)}


def json_answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response[bytes]:
    return Response(encode(value), status_code=status, media_type=JSON, headers=headers)


def by_token(connection: Connection) -> bool:
    """Whether a reading token asks: it is answered by twins alone."""
    return bool(connection.scope.get("state", {}).get(BY_TOKEN))


def wants_json(connection: Connection) -> bool:
    """Whether the JSON twin is asked for: `format=json`, else the header Accept; always by a reading token.
    ValueError for an unknown format.
    """
    given = connection.query_params.get("format")
    if given is not None and given not in FORMATS:
        raise ValueError(f"format = {str(given)[:40]!r}: wanted one of {', '.join(FORMATS)}")
    if by_token(connection):
        return True
    if given is not None:
        return bool(given == "json")
    return accepts_json(connection)


def wants_csv(connection: Connection) -> bool:
    """Whether the address asks for a table as CSV; routes of tables look before they look for JSON."""
    return bool(connection.query_params.get("format") == "csv")


def csv_answer(name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Response[bytes]:
    """A table as a file: exact decimals, UTC. No cell begins like a formula, which a spreadsheet would run, and none
    holds a character that turns or hides text: it is written as on pages, \\u202e.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', "Cache-Control": "no-store"}
    return Response(text.getvalue().encode(), media_type="text/csv", headers=headers)


def _cell(value: object) -> object:
    if value is None:
        return ""
    if not isinstance(value, str):
        return value
    text = written(value)
    return "'" + text if text[:1] in _FORMULA and not _NUMBER(text) else text


def accepts_json(connection: Connection) -> bool:
    """Whether the header Accept prefers JSON to a page."""
    kinds = [part.partition(";")[0].strip().lower() for part in connection.headers.get("accept", "").split(",")]
    if "application/json" not in kinds:
        return False
    return "text/html" not in kinds or kinds.index("application/json") < kinds.index("text/html")


def takes_html(connection: Connection) -> bool:
    return "text/html" in connection.headers.get("accept", "").lower()


def is_secure(connection: Connection) -> bool:
    """Whether the visitor speaks https, as the door tells (which looks at `trusted_proxy`)."""
    return connection.headers.get("x-forwarded-proto", "") == "https"


def address_of(connection: Connection) -> str:
    """The visitor's address, as the door tells."""
    told = connection.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    return told or (connection.client.host if connection.client else "")


def host_of(connection: Connection) -> str:
    """host[:port] that the visitor knows this server by; "" when the header is none."""
    host = connection.headers.get("host", "")
    return host if host and HOST(host.encode("latin-1", "replace")) else ""


def base_url(connection: Connection) -> str:
    """scheme://host[:port] as the visitor sees it: what snippets are made with."""
    host = host_of(connection)
    if host:
        return f"{'https' if is_secure(connection) else 'http'}://{host}"
    state = serve_state(manager_of(connection).folder.path)
    return state.url if state else "http://127.0.0.1:8000"


def safe_next(text: str | None) -> str:
    """Where to go after signing in: a path of this server, else "/"."""
    if not text or not text.startswith("/") or not text.isprintable() or "\\" in text or len(text) > 4000:
        return "/"
    parts = urlsplit(text)
    return "/" if text.startswith("//") or parts.scheme or parts.netloc else text


def see_other(path: str, status: int = 303) -> Response[bytes]:
    """Go on at another page of this server, by GET."""
    return Response(b"", status_code=status, media_type="text/html", headers={"Location": path})


def path_and_query(request: Asked | Connection) -> str:
    """What was asked for, to come back to it."""
    raw: bytes = request.scope.get("raw_path") or str(request.scope["path"]).encode()
    query: bytes = request.scope.get("query_string", b"")
    return (raw.partition(b"?")[0] + (b"?" + query if query else b"")).decode("latin-1")
