"""Answers as bytes, head and body in one piece. Most are made once a second (for the date) and used many times."""

from __future__ import annotations

import time
from http import HTTPStatus
from secrets import token_urlsafe
from typing import Final

import msgspec

from truecount.policy.errors import RequestRefused
from truecount.vocabulary import Reason

GIF: Final = (
    b"GIF89a\x01\x00\x01\x00\x80\x01\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x01\x00,"
    b"\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02L\x01\x00;"
)
"""A transparent image of one pixel, 43 bytes."""

RETRY_AFTER_S: Final = 2
HTML: Final = b"text/html; charset=utf-8"
TEXT: Final = b"text/plain; charset=utf-8"
JSON: Final = b"application/json; charset=UTF-8"
MEMO: Final = 2048
"""Answers to hits are remembered for a second; so many at most."""

WORDS: Final[dict[Reason, str]] = {
    Reason.MALFORMED_REQUEST: "the request cannot be read",
    Reason.HEAD_TOO_LARGE: "the head of the request is larger than 64 kB",
    Reason.BODY_TOO_LARGE: "the hit is too large",
    Reason.TOO_DEEP: "the hit is nested too deeply",
    Reason.BAD_ENCODING: "the body cannot be unpacked",
    Reason.UNSUPPORTED_TYPE: "the body is of no type that is read here",
    Reason.UNKNOWN_DATASET: "id is missing, or names no dataset of this server",
    Reason.NO_EVENT_NAME: "ev, the event's name, is missing",
    Reason.BAD_EVENT_NAME: "ev, the event's name, is too long or no text",
    Reason.ORIGIN_NOT_ALLOWED: "the dataset takes no hits from this origin",
    Reason.DOMAIN_NOT_ALLOWED: "the dataset takes no events of this domain",
    Reason.DOMAIN_BLOCKED: "the dataset refuses events of this domain",
    Reason.AUTOMATIC_EVENTS_OFF: "the dataset takes no automatic events",
    Reason.CONSENT_DENIED: "withheld: consent is denied and the dataset keeps nothing of such events",
}
"""What `X-Truecount-Refused` says after the reason."""


def refused_text(reason: Reason) -> str:
    """The value of `X-Truecount-Refused`: the reason and what it means."""
    words = WORDS.get(reason)
    return f"{reason.value}: {words}" if words else reason.value


def trace_id() -> str:
    """`A` and 22 URL-safe characters, as the wire format's fbtrace_id has them."""
    return "A" + token_urlsafe(16)


class Answers:
    """The answers of one door process. `refresh` is called each second, so that the date is right."""

    def __init__(self) -> None:
        self._hits: dict[tuple[bool, Reason | None, bool, bytes], bytes] = {}
        self.refresh()

    def refresh(self) -> None:
        self.date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime()).encode()
        self._hits.clear()
        self.pixel = self.hit()
        self.hit_unavailable = self.plain(
            503, "Nothing was stored: the server cannot store hits now. Please send it again.", extra=_OPEN + _RETRY
        )
        self.server_unavailable = self.plain(
            503,
            '{"error":{"message":"Service temporarily unavailable: nothing was stored, please send it again",'
            f'"type":"OAuthException","code":2,"is_transient":true,"fbtrace_id":"{trace_id()}"}}}}',
            kind=JSON,
            extra=_RETRY,
        )

    def plain(
        self, status: int, text: str | bytes, *, kind: bytes = TEXT, extra: bytes = b"", keep: bool = True
    ) -> bytes:
        """An answer with a body; `extra` is whole header lines."""
        body = text.encode() if isinstance(text, str) else text
        return b"HTTP/1.1 %d %b\r\nDate: %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n%b%b\r\n%b" % (
            status,
            HTTPStatus(status).phrase.encode(),
            self.date,
            kind,
            len(body),
            extra,
            b"" if keep else _CLOSE,
            body,
        )

    def hit(self, reason: Reason | None = None, *, post: bool = False, keep: bool = True, origin: bytes = b"") -> bytes:
        """200 for a hit: an image for a GET, an empty page for a POST (it may load in a frame)."""
        key = (post, reason, keep, origin)
        known = self._hits.get(key)
        if known is not None:
            return known
        extra = _NO_STORE + _allow(origin)
        if reason is not None:
            extra += b"X-Truecount-Refused: %b\r\n" % refused_text(reason).encode("ascii", "replace")
        answer = self.plain(200, b"" if post else GIF, kind=HTML if post else b"image/gif", extra=extra, keep=keep)
        if len(self._hits) < MEMO and len(origin) < 256:
            self._hits[key] = answer
        return answer

    def hit_head(self, keep: bool, origin: bytes) -> bytes:
        """To HEAD: the head of the image alone."""
        return self.hit(keep=keep, origin=origin)[: -len(GIF)]

    def preflight(self, keep: bool, origin: bytes) -> bytes:
        """To OPTIONS: a page may send hits with fetch from anywhere; the dataset's origins are checked at the hit."""
        return b"HTTP/1.1 204 No Content\r\nDate: %b\r\n%b%b%b\r\n" % (
            self.date,
            _allow(origin),
            b"Access-Control-Allow-Methods: GET, HEAD, POST, OPTIONS\r\nAccess-Control-Allow-Headers: Content-Type\r\n"
            b"Access-Control-Max-Age: 86400\r\nAllow: GET, HEAD, POST, OPTIONS\r\n",
            b"" if keep else _CLOSE,
        )

    def refusal(self, refused: RequestRefused, *, keep: bool = True) -> bytes:
        """The error envelope of the server door."""
        error: dict[str, object] = {"message": refused.message, "type": refused.type, "code": refused.code}
        if refused.subcode is not None:
            error["error_subcode"] = refused.subcode
        error["is_transient"] = False
        if refused.title:
            error["error_user_title"] = refused.title
        if refused.text:
            error["error_user_msg"] = refused.text
        if refused.field:
            error["error_data"] = {"blame_field_specs": [refused.field]}
        error["fbtrace_id"] = trace_id()
        return self.plain(refused.http, _encode({"error": error}), kind=JSON, extra=_NO_STORE, keep=keep)

    def received(
        self,
        n: int,
        messages: list[str],
        *,
        keep: bool = True,
        normalised: object = None,
    ) -> bytes:
        """200 of the server door; `normalised` only after a dry run."""
        answer: dict[str, object] = {"events_received": n, "messages": messages, "fbtrace_id": trace_id()}
        if normalised is not None:
            answer["normalised"] = normalised
        return self.plain(200, _encode(answer), kind=JSON, extra=_NO_STORE, keep=keep)


_encode: Final = msgspec.json.Encoder().encode
_CLOSE: Final = b"Connection: close\r\n"
_NO_STORE: Final = b"Cache-Control: no-store\r\n"
_RETRY: Final = b"Cache-Control: no-store\r\nRetry-After: %d\r\n" % RETRY_AFTER_S
_OPEN: Final = b"Access-Control-Allow-Origin: *\r\nCross-Origin-Resource-Policy: cross-origin\r\n"


def _allow(origin: bytes) -> bytes:
    """CORS lines. A beacon is sent with credentials, and then a browser wants its own origin named."""
    if not origin or len(origin) > 255:
        return _OPEN
    return (
        b"Access-Control-Allow-Origin: %b\r\nAccess-Control-Allow-Credentials: true\r\nVary: Origin\r\n"
        b"Cross-Origin-Resource-Policy: cross-origin\r\n" % origin
    )
