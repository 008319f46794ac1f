"""The plain, slower reading of one event: each key by its name, wrong types told with their place."""

from __future__ import annotations

from itertools import islice
from typing import Any, Final

from msgspec import Raw

from truecount.policy.errors import at_event
from truecount.policy.events import ServerEvent, UserData
from truecount.policy.keys import MAX_VALUES
from truecount.policy.loose_json import MAX_DEPTH, deeper_than, encoded, loads
from truecount.vocabulary import DIGEST_KEYS, KEY_ALIASES, Reason

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
MAX_UNKNOWN: Final = 1000
"""Keys of an event, and of its user_data, that no rule knows; what follows is dropped and noted."""
_LISTS: Final = frozenset(DIGEST_KEYS)
_SINGLES: Final = frozenset(UserData.__struct_fields__) - _LISTS - {"unknown"}


def coerced(found: dict[str, Any], index: int) -> ServerEvent:
    """Read a decoded event. RequestRefused where a type is wrong; null is absent; unknown keys are kept as they are."""
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
            if isinstance(value, float) and not abs(value) < 2**53:
                # Too large to be told from others near it, or no number at all: strangers would share it.
                raise at_event(Reason.BAD_SHAPE, index, key)
            event.event_id = _single(value, index, key)
        elif key == "event_time":
            # An object, an array or a flag is a wrong time, and told as one.
            event.event_time = value if isinstance(value, (int, str, float)) and not isinstance(value, bool) else ""
        elif key == "data_processing_options":
            event.data_processing_options = [str(one) for one in value] if isinstance(value, list) else str(value)
        elif key in _ANYTHING:
            setattr(event, key, value if isinstance(value, (bool, int, str)) else encoded(value).decode())
        elif len(unknown) <= MAX_UNKNOWN:  # one more tells that there were more
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
    if deeper_than(value, MAX_DEPTH):
        raise at_event(Reason.TOO_DEEP, index, *path)
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
            some = (one for one in (inner if isinstance(inner, list) else [inner]) if one is not None and one != "")
            values = [_single(one, index, "user_data", name) for one in islice(some, MAX_VALUES + 1)]
            fields[key] = fields[key] + values if key in fields else values
        elif key in _SINGLES:
            if isinstance(inner, list):  # some send each key as an array: the first one counts
                inner = inner[0] if inner else None
            if inner is not None:
                text = _single(inner, index, "user_data", name)
                if key not in fields or name == key:
                    fields[key] = text
        elif len(unknown) <= MAX_UNKNOWN:
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
