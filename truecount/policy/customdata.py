"""Values of cd[...]: JSON where it is expected, money, and what text a store can keep."""

from __future__ import annotations

import functools
import re
from typing import Any, Final

import msgspec

from truecount.policy.memo import Memo
from truecount.policy.money import value_e4_of
from truecount.policy.scrub import placed, scrub_id, scrub_node, scrub_text, scrub_value
from truecount.policy.spelling import suspicious

UNSTORABLE: Final = re.compile(r"[\x00\ud800-\udfff]")
"""NUL and lone surrogates: no text that a store keeps."""

_LISTS: Final = ("content_ids", "parameters", "Schema.org", "JSON-LD", "formFeatures")
_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode

Findings = tuple[tuple[str, ...], tuple[str, ...]]


def json_of(name: str, raw: str) -> tuple[str, Findings | None]:
    """The JSON text of a key that should hold some; that of the scrubbed text, and a note, where it does not.

    The second part is what was taken and what is noted, None for nothing.
    """
    try:
        value = _decode(raw)
        if not isinstance(value, list if name in _LISTS else (list, dict)):
            raise ValueError(name)
        if "\\" in raw or suspicious(raw):
            value, found = scrub_node(_storable(value), name)
            return _encode(value).decode(), ((placed("custom_data." + name, found), ()) if found else None)
        return raw, None
    except (msgspec.MsgspecError, RecursionError, ValueError, TypeError):
        clean, kinds = scrub_id(raw) if name == "content_ids" else scrub_text(raw)
        removed = tuple(f"custom_data.{name}:{kind}" for kind in kinds)
        return _encode(clean).decode(), (removed, (f"not_json:{name}",))


JSON_OF: Final[dict[str, Memo[tuple[str, Findings | None]]]] = {
    name: Memo(functools.partial(json_of, name), most=16384, longest=256) for name in ("contents", "content_ids")
}
"""Carts repeat; what automatic events tell does not."""


def _storable(value: Any) -> Any:
    """The value without NUL and lone surrogates, which JSON can smuggle in as escapes."""
    if isinstance(value, str):
        return UNSTORABLE.sub("", value)
    if isinstance(value, list):
        return [_storable(one) for one in value]
    if isinstance(value, dict):
        return {_storable(key): _storable(one) for key, one in value.items()}
    return value


def _money_of(raw: str) -> tuple[str, tuple[str, ...], int | None]:
    text, kinds = scrub_value("value", raw)
    return text, kinds, value_e4_of(text)


MONEY_OF: Final[Memo[tuple[str, tuple[str, ...], int | None]]] = Memo(_money_of, longest=32)
"""What came as value -> its text without contact data, the kinds taken, the amount in 1/10,000."""
