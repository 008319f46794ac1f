"""Query strings and urlencoded bodies into fields, fast: the one place that knows yarl's C unquoter.

urllib takes 23 µs for the 21 keys of a usual hit, this 4, and 3 where queries of the same keys came often before. The
unquoter is private to yarl, so a version without it falls back to urllib, and the lock file pins what was tried.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable, Sequence
from typing import Final

from truecount.policy.memo import Memo

MAX_FIELDS: Final = 2000


def _by_urllib(text: str) -> str:
    return urllib.parse.unquote(text, errors="replace")


unquote: Callable[[str], str] = _by_urllib
"""%XX into text. What is no UTF-8 stays as it was sent (yarl) or becomes U+FFFD (urllib)."""
try:
    from yarl._quoting_c import _Unquoter

    unquote = _Unquoter()
except ImportError:  # another yarl, or one without its C part
    pass


def _name_of(key: str) -> str:
    return (unquote(key) if "%" in key else key).strip()


_names: Final[Memo[str]] = Memo(_name_of, most=4096, longest=64)
"""Names are few and come again and again, so that all hits share one text of each."""


Query = tuple[tuple[str, ...], Sequence[str]]
"""Keys and values. Queries that are much alike share one tuple of keys."""


class _Shape:
    """The keys of a query in their order. One that comes often is read by an expression of its own, in one go."""

    __slots__ = ("escaped", "in_keys", "keys", "match", "raw", "seen")

    def __init__(self, raw: tuple[str, ...], keys: tuple[str, ...]) -> None:
        self.raw = raw
        self.keys = keys
        self.seen = 0
        self.escaped: list[int] = []
        """Places of values in which escapes were seen."""
        self.in_keys = sum(key.count("%") for key in raw)
        self.match: Callable[[str], re.Match[str] | None] | None = None

    def see(self) -> None:
        self.seen += 1
        if self.seen == LEARN_AFTER and len(self.keys) <= LEARN_KEYS and len(set(self.keys)) == len(self.keys):
            self.match = re.compile("&".join(f"{re.escape(key)}=([^&]*+)" for key in self.raw)).fullmatch

    def unquoted(self, values: Sequence[str], escapes: int) -> Sequence[str]:
        """The values without the escapes that are in them, so many in all."""
        if not escapes:
            return values
        plain = list(values)
        for place in self.escaped:
            value = values[place]
            there = value.count("%")
            if there:
                escapes -= there
                plain[place] = unquote(value)
        if escapes > self.in_keys:
            self.escaped = [place for place, value in enumerate(values) if place in self.escaped or "%" in value]
            return [unquote(value) if "%" in value else value for value in values]
        return plain


LEARN_AFTER: Final = 64
"""Queries of a shape before an expression is made for it, which takes a millisecond."""
LEARN_KEYS: Final = 64
LEARN_PLACE: Final = 64
"""Characters of the first two pairs."""
MOST_SHAPES: Final = 512
_shapes: Final[dict[tuple[int, str], _Shape]] = {}
"""Number of pairs and the first two of them (dataset and event, as pixels send them) -> the shape seen there first."""


def read_query(text: str) -> Query:
    """Keys and values of a query string. The first of a repeated key wins; keys are trimmed, and none is empty.

    ValueError when there are more than MAX_FIELDS.
    """
    if "+" in text:
        text = text.replace("+", " ")
    n = text.count("&")
    place = (n, text[: text.find("&", text.find("&") + 1)])
    shape = _shapes.get(place)
    if shape is not None and shape.match is not None:
        match = shape.match(text)
        if match is not None:
            return shape.keys, shape.unquoted(match.groups(), text.count("%"))
    pairs = text.split("&")
    fields = _fields(pairs)
    keys = tuple(fields)
    if len(keys) == len(pairs) and len(place[1]) <= LEARN_PLACE:
        keys = _learn(place, pairs, keys)
    return keys, list(fields.values())


def _learn(place: tuple[int, str], pairs: list[str], keys: tuple[str, ...]) -> tuple[str, ...]:
    shape = _shapes.get(place)
    if shape is None:
        if all("=" in pair for pair in pairs):
            if len(_shapes) >= MOST_SHAPES:
                _shapes.clear()
            _shapes[place] = _Shape(tuple(pair.partition("=")[0] for pair in pairs), keys)
    elif shape.keys == keys:
        shape.see()
        return shape.keys
    return keys


def fields_of(text: str) -> dict[str, str]:
    """Fields of a query string or an urlencoded body, as `read_query` reads them."""
    keys, values = read_query(text)
    return dict(zip(keys, values, strict=True))


def _fields(pairs: list[str]) -> dict[str, str]:
    if len(pairs) > MAX_FIELDS:
        raise ValueError(f"more than {MAX_FIELDS} fields")
    names = _names
    plain = unquote
    fields: dict[str, str] = {}
    for pair in pairs:
        key, _, value = pair.partition("=")
        fields[names[key]] = plain(value) if "%" in value else value
    if len(fields) != len(pairs):  # a key came twice: from the end, so that the first stays
        for pair in reversed(pairs):
            key, _, value = pair.partition("=")
            fields[names[key]] = plain(value) if "%" in value else value
    fields.pop("", None)
    return fields
