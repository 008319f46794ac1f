"""From a request's body to typed server events: JSON, form and multipart, every shape that clients send.

The common shapes are decoded in one typed pass. What that pass can't take (unknown keys, aliases, numbers for texts,
lone surrogates, an event as a string) is decoded once more, event by event, and a shape that is wrong is noted with the
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar, overload

import msgspec
from msgspec import UNSET, Raw, UnsetType

from truecount.policy.coerce import coerced
from truecount.policy.errors import LARGE_EVENT, RequestRefused, at_event
from truecount.policy.events import NO_RAW, Body, CommonEvent, ServerEvent
from truecount.policy.loose_json import MAX_DEPTH, deeper_than, is_true, loads
from truecount.vocabulary import MAX_EVENTS_A_REQUEST, Reason

__all__ = ["Body", "ServerEvent", "body_of_fields", "body_of_json", "event_of_text"]

T = TypeVar("T")

_Thousand: Final = msgspec.defstruct(
    "_Thousand",
    [(f"e{at}", Raw | UnsetType, UNSET) for at in range(MAX_EVENTS_A_REQUEST)],
    array_like=True,
    forbid_unknown_fields=True,
    gc=False,
)
"""An array of at most 1,000: reading stops at the next one, so that a hostile body can't fill the memory."""


class _Body(msgspec.Struct, gc=False):
    data: _Thousand | str | None = None  # type: ignore[valid-type]
    # Raw, not Any: a hostile value is skipped, and not made into objects of twenty times its size.
    access_token: Raw = NO_RAW
    test_event_code: Raw = NO_RAW
    partner_agent: Raw = NO_RAW
    upload_tag: Raw = NO_RAW
    dry_run: Raw = NO_RAW


class _Data(msgspec.Struct):
    data: Raw = NO_RAW


MAX_EVENT: Final = 256 * 1024
"""Bytes of one event as it was sent: a slice of larger ones would hold the door."""
_LONGEST_NUMBER: Final = 400
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_read_body: Final = msgspec.json.Decoder(_Body).decode
_read_data: Final = msgspec.json.Decoder(_Thousand).decode
_texts: Final = msgspec.json.Decoder(list[str]).decode
_common_events: Final = msgspec.json.Decoder(list[CommonEvent]).decode
_typed_events: Final[Callable[[bytes | str], Any]] = msgspec.json.Decoder(list[ServerEvent]).decode
_typed_event: Final = msgspec.json.Decoder(ServerEvent).decode
_astuple: Final = msgspec.structs.astuple
_drop_lone_surrogates: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
).sub
_MOST_SURROGATES: Final = 100_000
"""Lone ones of a body; one with more is not read, and its pieces can't fill the memory."""
_encode: Final = msgspec.json.encode


class Events(Sequence[CommonEvent]):
    """The events of a request, decoded a slice at a time: a slice and what is made of it stay in the processor's cache.

    A shape that is wrong leaves an empty event, and the reason in `problems`, under the event's index.
    """

    def __init__(self, raws: Sequence[bytes | Raw]) -> None:
        self._raws = raws
        self.sizes = list(map(len, raws))
        self.problems: dict[int, RequestRefused] = {}

    def __len__(self) -> int:
        return len(self._raws)

    @overload
    def __getitem__(self, at: int) -> CommonEvent: ...
    @overload
    def __getitem__(self, at: slice) -> list[CommonEvent]: ...
    def __getitem__(self, at: int | slice) -> CommonEvent | list[CommonEvent]:
        if isinstance(at, int):
            at = range(len(self))[at]
            return self._decoded(at, at + 1)[0]
        first, last, _ = at.indices(len(self))
        return self._decoded(first, last)

    def __iter__(self) -> Iterator[CommonEvent]:
        for first in range(0, len(self), 64):
            yield from self._decoded(first, first + 64)

    def _decoded(self, first: int, last: int) -> list[CommonEvent]:
        raws = self._raws[first:last]
        joined: bytes | str = b"[" + b",".join(raws) + b"]"
        try:
            if len(joined) > MAX_EVENT and max(map(len, raws)) > MAX_EVENT:
                raise msgspec.DecodeError
            if joined[1:2] == b'"':  # texts that hold an event each: what the official Python client sends
                joined = "[" + ",".join(_texts(joined)) + "]"
            try:
                events: list[CommonEvent] = _common_events(joined)
            except msgspec.ValidationError:
                events = _typed_events(joined)
            if len(events) == len(raws):
                return events
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            pass
        events = []
        for index, raw in enumerate(raws, first):
            try:
                events.append(_event(bytes(raw), index))
            except RequestRefused as problem:
                self.problems[index] = problem
                events.append(ServerEvent())
        return events


def body_of_json(raw: bytes) -> Body:
    """Read a JSON body. RequestRefused: malformed, too deep, no data, more than 1,000 events."""
    raw = raw.removeprefix(_BYTE_ORDER_MARK)
    try:
        try:
            body = _read_body(raw)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            body = _read_body(_without_lone_surrogates(raw))
    except RecursionError:
        raise RequestRefused(Reason.TOO_DEEP, "the body") from None
    except msgspec.ValidationError as error:
        raise _wrong_data(raw, error) from None
    except msgspec.DecodeError:
        raise RequestRefused(Reason.MALFORMED_REQUEST, "it is not JSON") from None
    except UnicodeDecodeError:
        raise RequestRefused(Reason.MALFORMED_REQUEST, "it is not UTF-8") from None
    if isinstance(body.data, str):
        events = _events_of_text(body.data.encode("utf-8", "replace"))
    else:
        events = _events_of(body.data)
    return Body(
        data=events,
        access_token=_text(body.access_token),
        test_event_code=_text(body.test_event_code),
        partner_agent=_text(body.partner_agent),
        upload_tag=_text(body.upload_tag),
        dry_run=is_true(_scalar(body.dry_run)),
        sizes=events.sizes,
        problems=events.problems,
    )


def body_of_fields(fields: Mapping[str, str]) -> Body:
    """Read a form, multipart or query body: `data` is JSON text, all else plain text. Errors as in `body_of_json`."""
    get = fields.get
    events = _events_of_text(get("data", "").encode("utf-8", "replace"))
    return Body(
        data=events,
        access_token=_unquoted(get("access_token")),
        test_event_code=_unquoted(get("test_event_code")),
        partner_agent=_unquoted(get("partner_agent")),
        upload_tag=_unquoted(get("upload_tag")),
        dry_run=is_true(get("dry_run")),
        sizes=events.sizes,
        problems=events.problems,
    )


def event_of_text(raw: bytes | str) -> ServerEvent:
    """Read one event (a line of an import). RequestRefused names places as of event 0."""
    raw = raw if isinstance(raw, bytes) else raw.encode("utf-8", "replace")
    raw = raw.strip()
    if len(_events_of_text(b"[" + raw + b"]")) != 1:
        raise RequestRefused(Reason.BAD_SHAPE, "$['data'][0]")
    return _event(raw, 0)


def _without_lone_surrogates(raw: bytes) -> bytes:
    """JSON without escapes of lone surrogates, in one pass over the bytes: nothing is decoded."""
    if b"\0" in raw:  # no JSON text holds one
        return raw
    # Escaped backslashes are out of the way meanwhile: then each backslash left begins an escape.
    return _drop_lone_surrogates(b"", raw.replace(rb"\\", b"\0\0"), _MOST_SURROGATES).replace(b"\0\0", rb"\\")


def _events_of(thousand: Any) -> Events:
    raws = _astuple(thousand) if thousand is not None else (UNSET,)
    if raws[-1] is UNSET:
        raws = raws[: bisect_left(raws, True, key=_is_unset)]
    if not raws:
        raise RequestRefused(Reason.NO_DATA)
    return Events(raws)


def _is_unset(raw: object) -> bool:
    return raw is UNSET


def _events_of_text(raw: bytes) -> Events:
    """Read `data`: an array, or a string that holds one."""
    raw = raw.strip()
    if raw.startswith(b'"'):
        text = _attempt(lambda: msgspec.json.decode(raw, type=str))
        raw = b"" if text is None else text.encode("utf-8", "replace").strip()
    if raw in (b"", b"null"):
        raise RequestRefused(Reason.NO_DATA)
    try:
        try:
            return _events_of(_read_data(raw))
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            raw = _without_lone_surrogates(raw)
            return _events_of(_read_data(raw))
    except RecursionError:
        raise RequestRefused(Reason.TOO_DEEP, "the parameter data") from None
    except msgspec.ValidationError as error:
        raise _too_many_or_wrong(raw, error) from None
    except msgspec.DecodeError:
        raise RequestRefused(Reason.MALFORMED_REQUEST, "the parameter data is not JSON") from None


def _wrong_data(raw: bytes, error: Exception) -> RequestRefused:
    """Why a whole JSON body has another shape than it should."""
    try:
        data = bytes(msgspec.json.decode(raw, type=_Data).data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return RequestRefused(Reason.MALFORMED_REQUEST, "a JSON object is expected")
    return _too_many_or_wrong(data, error)


def _too_many_or_wrong(data: bytes, error: Exception) -> RequestRefused:
    if "at most length" in str(error):
        return RequestRefused(Reason.TOO_MANY_EVENTS, n_events=_count(data))
    return RequestRefused(Reason.BAD_SHAPE, "$['data']")


def _count(raw: bytes) -> int:
    """How many events a request held that had too many; a body of too many tiny parts is not counted out."""
    if raw.count(b",") > 200_000:
        return MAX_EVENTS_A_REQUEST + 1
    found = _attempt(lambda: msgspec.json.decode(raw, type=list[Raw]))
    return max(MAX_EVENTS_A_REQUEST + 1, len(found or ()))  # what follows the events may be no JSON


def _event(raw: bytes, index: int) -> ServerEvent:
    """Read one event: an object, or a string that holds one."""
    if len(raw) > MAX_EVENT:
        raise at_event(Reason.BAD_SHAPE, index, problem=LARGE_EVENT)
    if raw.startswith(b'"'):
        text = _attempt(lambda: msgspec.json.decode(raw, type=str))
        if text is None:
            text = _text_without_surrogates(raw)
        if text is None:
            raise at_event(Reason.BAD_SHAPE, index)
        raw = text.encode("utf-8", "replace").strip()
    try:
        return _typed_event(raw)
    except RecursionError:
        raise at_event(Reason.TOO_DEEP, index) from None
    except UnicodeDecodeError:
        raise at_event(Reason.MALFORMED_REQUEST, index) from None
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


def _text_without_surrogates(json: bytes) -> str | None:
    return _attempt(lambda: msgspec.json.decode(_without_lone_surrogates(json), type=str))


def _scalar(raw: Raw) -> object:
    """The text, number or flag of an option beside `data`; None for what is none of these."""
    json = bytes(raw)
    if json.startswith(b'"'):
        try:
            return msgspec.json.decode(json, type=str)
        except UnicodeDecodeError:
            raise RequestRefused(Reason.MALFORMED_REQUEST, "it is not UTF-8") from None
        except msgspec.DecodeError:
            return _text_without_surrogates(json)
    if len(json) > _LONGEST_NUMBER or json.startswith((b"[", b"{")):
        return None
    return _attempt(lambda: msgspec.json.decode(json))


def _text(raw: Raw) -> str:
    if not bytes(raw):
        return ""
    value = _scalar(raw)
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _unquoted(value: str | None) -> str:
    """A form field's text; some clients send it as JSON text, in quotes."""
    if not value or value == "null":
        return ""
    if len(value) > 1 and value[0] == value[-1] == '"':
        return _attempt(lambda: msgspec.json.decode(value, type=str)) or value
    return value
