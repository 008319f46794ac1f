"""JSON that senders write loosely: lone surrogates, integers of any size, flags as texts, nesting without end."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import msgspec

MAX_DEPTH: Final = 64
"""Levels of nesting that an event may have below itself."""

_lone_surrogates: Final = re.compile(r"[\ud800-\udfff]")


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


def encoded(value: Any) -> bytes:
    """JSON text of a decoded value, integers of any size included."""
    try:
        return msgspec.json.encode(value)
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
