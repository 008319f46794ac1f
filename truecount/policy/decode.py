"""From a request's body to typed server events: JSON, form and multipart, every shape that clients send.

The common shapes are decoded in one typed pass. What that pass can't take (unknown keys, aliases, numbers for texts,
lone surrogates, an event as a string) is decoded once more, event by event, and a shape that is wrong is noted with the
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType

from truecount.policy.coerce import coerced
from truecount.policy.errors import RequestRefused, at_event
from truecount.policy.events import NO_RAW, Body, ServerEvent
from truecount.policy.loose_json import MAX_DEPTH, clean, deeper_than, encoded, is_true, loads
from truecount.vocabulary import MAX_EVENTS_A_REQUEST, Reason

__all__ = ["Body", "ServerEvent", "body_of_fields", "body_of_json", "event_of_text"]

T = TypeVar("T")

_Thousand: Final = msgspec.defstruct(
    "_Thousand",
    [(f"e{at}", ServerEvent | str | UnsetType, UNSET) for at in range(MAX_EVENTS_A_REQUEST)],
    array_like=True,
    forbid_unknown_fields=True,
    gc=False,
)
"""An array of at most 1,000: decoding stops at the next one, so that a hostile body can't fill the memory."""
_ThousandRaw: Final = msgspec.defstruct(
    "_ThousandRaw",
    [(f"e{at}", Raw | UnsetType, UNSET) for at in range(MAX_EVENTS_A_REQUEST)],
    array_like=True,
    forbid_unknown_fields=True,
    gc=False,
)


class _TypedBody(msgspec.Struct, gc=False):
    data: _Thousand  # type: ignore[valid-type]
    access_token: str | None = None
    test_event_code: str | int | None = None
    partner_agent: str | None = None
    upload_tag: str | None = None
    dry_run: bool | int | str | None = None


class _LooseBody(msgspec.Struct, gc=False):
    data: Raw = NO_RAW
    access_token: Any = None
    test_event_code: Any = None
    partner_agent: Any = None
    upload_tag: Any = None
    dry_run: Any = None


_typed_body: Final = msgspec.json.Decoder(_TypedBody).decode
_loose_body: Final = msgspec.json.Decoder(_LooseBody).decode
_typed_data: Final = msgspec.json.Decoder(_Thousand).decode
_raw_data: Final = msgspec.json.Decoder(_ThousandRaw).decode
_typed_event: Final = msgspec.json.Decoder(ServerEvent).decode
_astuple: Final = msgspec.structs.astuple
_escaped_surrogate: Final = re.compile(rb"\\u[dD][89a-fA-F]").search
_encode: Final = msgspec.json.encode


def body_of_json(raw: bytes) -> Body:
    """Read a JSON body. RequestRefused: malformed, too deep, no data, more than 1,000 events."""
    raw = _utf8(raw)
    try:
        body: _TypedBody | _LooseBody = _typed_body(raw)
        events, problems = _events_of_typed(_astuple(body.data))  # type: ignore[arg-type]
    except RecursionError:
        raise RequestRefused(Reason.TOO_DEEP, "the body") from None
    except msgspec.ValidationError:
        body = _loosely(raw)
        events, problems = _events_of_text(bytes(body.data))
    except msgspec.DecodeError:
        raw = _without_lone_surrogates(raw)
        body = _loosely(raw)
        events, problems = _events_of_text(bytes(body.data))
    return _body(
        events,
        problems,
        body.access_token,
        body.test_event_code,
        body.partner_agent,
        body.upload_tag,
        body.dry_run,
    )


def body_of_fields(fields: Mapping[str, str]) -> Body:
    """Read a form, multipart or query body: `data` is JSON text, all else plain text. Errors as in `body_of_json`."""
    get = fields.get
    events, problems = _events_of_text(_utf8(get("data", "").encode("utf-8", "replace")))
    return _body(
        events,
        problems,
        _unquoted(get("access_token")),
        _unquoted(get("test_event_code")),
        _unquoted(get("partner_agent")),
        _unquoted(get("upload_tag")),
        get("dry_run"),
    )


def event_of_text(raw: bytes | str) -> ServerEvent:
    """Read one event (a line of an import). RequestRefused names places as of event 0."""
    raw = _utf8(raw if isinstance(raw, bytes) else raw.encode("utf-8", "replace"))
    events, problems = _events_of_text(b"[" + raw + b"]")
    if problems:
        raise problems[0]
    if len(events) != 1:
        raise RequestRefused(Reason.BAD_SHAPE, "$['data'][0]")
    return events[0]


def _body(
    events: list[ServerEvent],
    problems: dict[int, RequestRefused],
    token: object,
    test: object,
    agent: object,
    tag: object,
    dry: object,
) -> Body:
    if not events:
        raise RequestRefused(Reason.NO_DATA)
    return Body(events, _text(token), _text(test), _text(agent), _text(tag), is_true(dry), [], problems)


def _utf8(raw: bytes) -> bytes:
    if raw.startswith(b"\xef\xbb\xbf"):
        raw = raw[3:]
    if not raw.isascii():
        try:
            raw.decode()
        except UnicodeDecodeError:
            raise RequestRefused(Reason.MALFORMED_REQUEST, "it is not UTF-8") from None
    return raw


def _loosely(raw: bytes) -> _LooseBody:
    try:
        return _loose_body(raw)
    except RecursionError:
        raise RequestRefused(Reason.TOO_DEEP, "the body") from None
    except msgspec.ValidationError:
        raise RequestRefused(Reason.MALFORMED_REQUEST, "a JSON object is expected") from None
    except msgspec.DecodeError:
        raise RequestRefused(Reason.MALFORMED_REQUEST, "it is not JSON") from None


def _without_lone_surrogates(raw: bytes) -> bytes:
    if _escaped_surrogate(raw):
        try:
            return encoded(loads(raw))
        except (ValueError, RecursionError):
            pass
    return raw


def _events_of_typed(elements: tuple[Any, ...]) -> tuple[list[ServerEvent], dict[int, RequestRefused]]:
    events: list[Any] = [element for element in elements if element is not UNSET]
    if str not in set(map(type, events)):
        return events, {}
    return _events_one_by_one([_encode(event) if type(event) is str else event for event in events])


def _events_of_text(raw: bytes) -> tuple[list[ServerEvent], dict[int, RequestRefused]]:
    """Read `data`: an array, or a string that holds one."""
    raw = raw.strip()
    if raw.startswith(b'"'):
        text = _attempt(lambda: msgspec.json.decode(raw, type=str))
        raw = b"" if text is None else text.encode("utf-8", "replace").strip()
    if raw in (b"", b"null", b"[]"):
        raise RequestRefused(Reason.NO_DATA)
    try:
        return _events_of_typed(_astuple(_typed_data(raw)))
    except RecursionError:
        raise RequestRefused(Reason.TOO_DEEP, "the parameter data") from None
    except msgspec.DecodeError as error:
        if not isinstance(error, msgspec.ValidationError):
            raw = _without_lone_surrogates(raw)
    try:
        elements = _astuple(_raw_data(raw))
    except RecursionError:
        raise RequestRefused(Reason.TOO_DEEP, "the parameter data") from None
    except msgspec.ValidationError as error:
        if "length" in str(error):
            raise RequestRefused(Reason.TOO_MANY_EVENTS, n_events=_count(raw)) from None
        raise RequestRefused(Reason.BAD_SHAPE, "$['data']") from None
    except msgspec.DecodeError:
        raise RequestRefused(Reason.MALFORMED_REQUEST, "the parameter data is not JSON") from None
    return _events_one_by_one([bytes(element) for element in elements if element is not UNSET])


def _count(raw: bytes) -> int:
    """How many events a request held that had too many; a body of too many tiny parts is not counted out."""
    if raw.count(b",") > 200_000:
        return MAX_EVENTS_A_REQUEST + 1
    return len(msgspec.json.decode(raw, type=list[Raw]))


def _events_one_by_one(elements: list[Any]) -> tuple[list[ServerEvent], dict[int, RequestRefused]]:
    events: list[ServerEvent] = []
    problems: dict[int, RequestRefused] = {}
    for index, element in enumerate(elements):
        try:
            events.append(element if type(element) is ServerEvent else _event(element, index))
        except RequestRefused as problem:
            problems[index] = problem
            events.append(ServerEvent())
    return events, problems


def _event(raw: bytes, index: int) -> ServerEvent:
    """Read one event: an object, or a string that holds one."""
    if raw.startswith(b'"'):
        text = _attempt(lambda: msgspec.json.decode(raw, type=str))
        if text is None:
            raise at_event(Reason.BAD_SHAPE, index)
        raw = text.encode("utf-8", "replace").strip()
    try:
        return _typed_event(raw)
    except RecursionError:
        raise at_event(Reason.TOO_DEEP, index) from None
    except msgspec.DecodeError:
        pass
    try:
        found = loads(raw)
    except RecursionError:
        raise at_event(Reason.TOO_DEEP, index) from None
    except ValueError:
        raise at_event(Reason.BAD_SHAPE, index) from None
    if not isinstance(found, dict):
        raise at_event(Reason.BAD_SHAPE, index)
    if deeper_than(found, MAX_DEPTH):
        raise at_event(Reason.TOO_DEEP, index)
    return coerced(found, index)


def _attempt(function: Callable[[], T]) -> T | None:
    try:
        return function()
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _text(value: object) -> str:
    if isinstance(value, str):
        return clean(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _unquoted(value: str | None) -> str:
    """A form field's text; some clients send it as JSON text, in quotes."""
    if not value or value == "null":
        return ""
    if len(value) > 1 and value[0] == value[-1] == '"':
        return _attempt(lambda: msgspec.json.decode(value, type=str)) or value
    return value
