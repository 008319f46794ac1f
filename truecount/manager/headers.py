"""Headers that every answer carries unless its route said otherwise."""

from __future__ import annotations

from typing import Any, Final

from litestar.types import Message, Scope

CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
ALWAYS: Final = (
    (b"content-security-policy", CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    # Not no-referrer: with that, browsers send our own forms with `Origin: null`.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


async def add_headers(message: Message, scope: Scope) -> None:
    """Hook: before an answer's head is sent."""
    if message["type"] == "http.response.start":
        headers: list[Any] = list(message.get("headers", ()))
        there = {name.lower() for name, _ in headers}
        message["headers"] = [*headers, *(pair for pair in ALWAYS if pair[0] not in there)]
