"""From a request's body to typed server events: JSON, form and multipart, every shape that clients send.

The common shapes are decoded in one typed pass. What that pass can't take (unknown keys, aliases, numbers for texts, lone
surrogates, an event as a string) is decoded once more, event by event, and a shape that is wrong is noted with the event
it belongs to, so that the first failing rule of the first failing event is the one that is told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType

from truecount.policy.errors import RequestRefused, at_event
from truecount.vocabulary import (
    DIGEST_KEYS,
    KEY_ALIASES,
    MAX_EVENTS_A_REQUEST,
    PLAIN_KEYS,
    RARE_DIGEST_KEYS,
    Reason,
)

MAX_DEPTH: Final = 64
"""Levels of nesting that an event may have below itself."""

T = TypeVar("T")
Text = str | None
Number = str | int | None
Values = str | int | list[str | int | None] | None
NO_RAW: Final = Raw(b"")

UserData: Final = msgspec.defstruct(
    "UserData",
    [
        *((key, Values, None) for key in DIGEST_KEYS),
        *((key, Text, None) for key in ("client_ip_address", "client_user_agent", "fbp", "fbc")),
        *((key, Number, None) for key in RARE_DIGEST_KEYS + PLAIN_KEYS),
        ("partner_name", Text, None),
        ("unknown", list[str] | None, None),
    ],
    gc=False,
    forbid_unknown_fields=True,
)
"""user_data: a field for each match key, None where it was not sent; `unknown` names keys that no rule knows."""


class ServerEvent(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """One event as it was sent; None or empty Raw where a key was absent or null. Nothing is checked but the types."""

    event_name: str | None = None
    event_time: int | str | float | None = None
    event_id: str | int | None = None
    event_source_url: str | None = None
    action_source: str | None = None
    user_data: UserData | None = None  # type: ignore[valid-type]
    custom_data: Raw = NO_RAW
    opt_out: bool | int | str | None = None
    referrer_url: str | None = None
    data_processing_options: list[str] | str | None = None
    data_processing_options_country: int | str | None = None
    data_processing_options_state: int | str | None = None
    consent: str | None = None
    original_event_data: Raw = NO_RAW
    app_data: Raw = NO_RAW
    attribution_data: Raw = NO_RAW
    customer_segmentation: str | None = None
    advanced_measurement_table: str | None = None
    messaging_channel: str | None = None
    advertiser_tracking_enabled: bool | int | str | None = None
    received_time: int | str | float | None = None
    source: str | None = None
    unknown: dict[str, Any] | None = None
    """Keys that no rule knows, as they came."""


class Body(msgspec.Struct):
    """A whole request, decoded."""

    data: list[ServerEvent]
    access_token: str = ""
    test_event_code: str = ""
    partner_agent: str = ""
    upload_tag: str = ""
    dry_run: bool = False
    messages: list[str] = []
    problems: dict[int, RequestRefused] = {}
    """Index of an event -> why its shape is wrong (data holds an empty event there)."""


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
_lone_surrogates: Final = re.compile(r"[\ud800-\udfff]")
_escaped_surrogate: Final = re.compile(rb"\\u[dD][89a-fA-F]").search
_encode: Final = msgspec.json.encode


def body_of_json(raw: bytes) -> Body:
    """Read a JSON body. RequestRefused: malformed, too deep, no data, more than 1,000 events."""
    raw = _utf8(raw)
    try:
        body: _TypedBody | _LooseBody = _typed_body(raw)
        events, problems = _events_of_typed(_astuple(body.data))
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


def is_true(value: object) -> bool:
    """Read a flag as senders write it: true, 1, "1", "true", "yes", "on"."""
    if isinstance(value, str):
        return value.strip().lower() in ("1", "true", "yes", "on")
    return value is True or (isinstance(value, int) and value == 1)


def clean(text: str) -> str:
    """Take lone surrogates out of a text, which no encoding can carry."""
    return text if text.isascii() else _lone_surrogates.sub("", text)


def loads(raw: str | bytes) -> Any:
    """Decode JSON that msgspec refuses (lone surrogates), without them. ValueError, RecursionError."""
    return _cleaned(json.loads(raw, parse_constant=_no_constant, parse_int=_int))


# ---------------------------------------------------------------------------------------------------------------------


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
    return _coerced(found, index)


def _attempt(function: Callable[[], T]) -> T | None:
    try:
        return function()
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def deeper_than(value: Any, levels: int) -> bool:
    """Whether a decoded value nests deeper than so many levels."""
    layer = [value]
    for _ in range(levels):
        layer = [
            inner
            for outer in layer
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not layer:
            return False
    return any(isinstance(one, (dict, list)) for one in layer)


# The plain, slower reading of one event: each key by its name, wrong types told with their place.

_RAW_OBJECTS: Final = ("custom_data", "original_event_data", "app_data", "attribution_data")
_TEXTS: Final = (
    "event_name",
    "event_source_url",
    "referrer_url",
    "action_source",
    "consent",
    "customer_segmentation",
    "advanced_measurement_table",
    "messaging_channel",
    "source",
)
_ANYTHING: Final = frozenset(ServerEvent.__struct_fields__) - {*_RAW_OBJECTS, *_TEXTS, "user_data", "unknown"}
_LISTS: Final = frozenset(DIGEST_KEYS)
_SINGLES: Final = frozenset(UserData.__struct_fields__) - _LISTS - {"unknown"}


def _coerced(found: dict[str, Any], index: int) -> ServerEvent:
    event = ServerEvent()
    unknown: dict[str, Any] = {}
    for key, value in found.items():
        if value is None:
            continue
        if key in _TEXTS:
            if not isinstance(value, str):
                raise at_event(Reason.BAD_SHAPE, index, key)
            setattr(event, key, value)
        elif key in _RAW_OBJECTS:
            setattr(event, key, _object(value, index, key))
        elif key == "user_data":
            event.user_data = _user_data(value, index)
        elif key == "event_id":
            event.event_id = _single(value, index, key)
        elif key == "event_time":
            # An object, an array or a flag is a wrong time, and told as one.
            event.event_time = value if isinstance(value, (int, str, float)) and not isinstance(value, bool) else ""
        elif key == "data_processing_options":
            event.data_processing_options = [str(one) for one in value] if isinstance(value, list) else str(value)
        elif key in _ANYTHING:
            setattr(event, key, value if isinstance(value, (bool, int, str)) else encoded(value).decode())
        else:
            unknown[key] = value
    if unknown:
        event.unknown = unknown
    return event


def _object(value: Any, index: int, *path: str) -> Raw:
    if isinstance(value, str):
        try:
            value = loads(value) if value.strip() else {}
        except (ValueError, RecursionError):
            raise at_event(Reason.BAD_SHAPE, index, *path) from None
    if value == []:  # what PHP makes of an empty object
        value = {}
    if not isinstance(value, dict):
        raise at_event(Reason.BAD_SHAPE, index, *path)
    return Raw(encoded(value))


def _user_data(value: Any, index: int) -> Any:
    if value == []:
        value = {}
    if not isinstance(value, dict):
        raise at_event(Reason.BAD_SHAPE, index, "user_data")
    fields: dict[str, Any] = {}
    unknown: list[str] = []
    for name, inner in value.items():
        if inner is None:
            continue
        key = KEY_ALIASES.get(name, name)
        if key in _LISTS:
            values = [
                _single(one, index, "user_data", name)
                for one in (inner if isinstance(inner, list) else [inner])
                if one is not None
            ]
            fields[key] = fields.get(key, []) + values if key in fields else values
        elif key in _SINGLES:
            if isinstance(inner, list):  # some send each key as an array: the first one counts
                inner = inner[0] if inner else None
            if inner is not None:
                text = _single(inner, index, "user_data", name)
                if key not in fields or name == key:
                    fields[key] = text
        else:
            unknown.append(name)
    if unknown:
        fields["unknown"] = unknown
    return UserData(**fields)


def _single(value: Any, index: int, *path: str) -> str:
    """The text of a text or number."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise at_event(Reason.BAD_SHAPE, index, *path)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return str(value)


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


def encoded(value: Any) -> bytes:
    """JSON text of a decoded value, integers of any size included."""
    try:
        return _encode(value)
    except OverflowError:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _no_constant(name: str) -> Any:
    raise ValueError("not a number")


def _int(text: str) -> int | float:
    """A number of thousands of digits is as good as any huge one: no time is spent on it."""
    return int(text) if len(text) <= 400 else float(text[:16] + "e290")


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(key): _cleaned(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_cleaned(inner) for inner in value]
    return value
