"""Words that a dataset's owner wants nowhere: `removed-word` stands in their place before anything is kept.

A word is found as a whole word, whatever its case (`STRASSE` is `straße`), whatever its form in Unicode, however it is
escaped; a blank in it stands for any gap that words have in addresses (`blood test`, `blood-test`, `blood+test`). It is
looked for in page and referrer, in custom_data and in all else that came, in values and in names. Spared are the host
of an address, the names of events, and the ids by which copies meet, those of events and orders. An item's number is
kept as custom_data has it: two numbers that differ in nothing but such a word become one. What a key is hashed from is
hashed anyway.

A dataset without such words pays a look at an empty tuple.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote

import msgspec

from truecount.policy.hit_columns import HitColumns
from truecount.policy.scrub import url_parts
from truecount.policy.slices import Slice
from truecount.policy.spelling import UNSETTLED, composed, decoded, without_marks

WORD: Final = "word"
"""Kind of what is taken: "url:word"."""
REMOVED: Final = "removed-word"
MOST: Final = 200
LONGEST: Final = 60
SPARED: Final = frozenset(("event_id", "eid", "order_id", "fb_order_id"))
_URLS: Final = ("url", "referrer")
_TEXTS: Final = ("campaign", "campaign_source", "test_event_code", "agent")
_VALUES: Final = ("item_number",)
"""What custom_data holds too: it must become the same here and there."""
_JSON: Final = ("custom_data", "extra")
_FORBIDDEN: Final = re.compile(r"[^\w\s'.\u0300-\u036f\u0900-\u0dff\u0e00-\u0eff-]").search
_GAP: Final = r"[\s_+.-]+"

Taker = Callable[[int, str], None]
"""Is told the row and the field that something was taken from."""


def check_word(text: str) -> str:
    """A word as it is kept: lower case, single blanks. ValueError in words when it is none."""
    word = " ".join(unicodedata.normalize("NFKC", text).lower().split())
    if not 2 <= len(word) <= LONGEST or not any(map(str.isalpha, word)) or not word.isprintable() or _FORBIDDEN(word):
        raise ValueError(f"{text[:80]!r} is no word; wanted 2 to {LONGEST} letters, digits, blanks and hyphens")
    return word


def _read(text: str) -> str:
    """What a text says, in one writing, cases as they are."""
    return without_marks(decoded(text, composed))


def _compared(text: str) -> str:
    """A text that was read as words are compared, each character by itself; Turkish i's are one."""
    if text.isascii():
        return text.lower()
    return text.replace("\u0130", "i").replace("\u0131", "i").casefold()


class Words:
    """The words of a dataset, made ready. Use `words_of`."""

    def __init__(self, words: Sequence[str]) -> None:
        parts = [[part for part in re.split(_GAP, _compared(_read(word))) if part] for word in words]
        longest_first = sorted((one for one in parts if one), key=lambda one: -sum(map(len, one)))
        self._first = tuple({max(one, key=len) for one in longest_first})
        """A part of each word: where none of these stands, no word does."""
        either = "|".join(_GAP.join(map(re.escape, one)) for one in longest_first) or r"(?!)"
        self._find = re.compile(rf"(?<![^\W_])(?:{either})(?![^\W_])")

    def may_stand_in(self, text: str) -> bool:
        """A first look: False means that no word stands in a text."""
        if not text.isascii() or "%" in text or "\\u" in text or "&#" in text:
            text = _read(text)
            if text.endswith(UNSETTLED):
                return True
        text = _compared(text)
        return any(part in text for part in self._first)

    def out_of_text(self, text: str) -> str:
        """A text without the words; the very text where none stands in it."""
        return self._out_of_read(_read(text)) or text

    def _out_of_read(self, text: str) -> str:
        """A text that was read, without the words; "" where none stands in it."""
        compared = _compared(text)
        found = [match.span() for match in self._find.finditer(compared)]
        if not found:
            return ""
        if len(compared) != len(text):
            of = [at for at, char in enumerate(text) for _ in _compared(char)]
            found = [(of[first], of[last - 1] + 1) for first, last in found]
        parts: list[str] = []
        done = 0
        for first, last in found:
            parts += (text[done:first], REMOVED)
            done = last
        return "".join(parts) + text[done:]

    def out_of_url(self, url: str) -> str:
        """An address without the words, its host as it was."""
        scheme, slashes, rest = url.partition("://")
        if not slashes:
            scheme, rest = "", url
        parts = url_parts(rest)
        for at in range(2 if slashes else 0, len(parts), 2):
            part = parts[at]
            if part:
                clean = self._out_of_read(_read(part.replace("+", " ")))
                if clean:
                    parts[at] = quote(clean, safe="-._~!$'()*,:@")
        return scheme + slashes + "".join(parts)

    def out_of_value(self, text: str) -> str:
        """A value of custom_data without the words."""
        return self.out_of_url(text) if text.startswith(("http://", "https://")) else self.out_of_text(text)

    def out_of_json(self, text: str) -> str:
        """JSON text without the words, in names and in values; other text as a text."""
        try:
            value = msgspec.json.decode(text)
            clean = self._out_of(value)
            return text if clean == value else msgspec.json.encode(clean).decode()
        except (msgspec.MsgspecError, RecursionError, UnicodeError, ValueError):
            return self.out_of_text(text)

    def _out_of(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.out_of_value(value)
        if isinstance(value, list):
            return [self._out_of(one) for one in value]
        if isinstance(value, dict):
            return {
                self.out_of_text(name): inner if name in SPARED else self._out_of(inner)
                for name, inner in value.items()
            }
        return value


@lru_cache(maxsize=256)
def words_of(words: tuple[str, ...]) -> Words:
    """The words of a dataset's settings, made ready once."""
    return Words(words)


def hit_words(rows: HitColumns) -> None:
    """Replace the dataset's sensitive words in what hits carry."""
    if rows.settings.sensitive_words:
        words = words_of(rows.settings.sensitive_words)
        _replace(words, rows.columns, lambda row, field: rows.take(row, field, (WORD,)))


def event_words(rows: Slice) -> None:
    """Replace the dataset's sensitive words in what server events carry."""
    if rows.settings.sensitive_words:
        words = words_of(rows.settings.sensitive_words)
        _replace(words, rows.columns, lambda row, field: rows.take(row, [f"{field}:{WORD}"]))


def _replace(words: Words, columns: dict[str, list[Any]], take: Taker) -> None:
    for names, clean in (
        (_URLS, words.out_of_url),
        (_TEXTS, words.out_of_text),
        (_VALUES, words.out_of_value),
        (_JSON, words.out_of_json),
    ):
        for name in names:
            column = columns.get(name)
            if not column or not words.may_stand_in(" ".join(filter(None, column))):
                continue
            columns[name] = cleaned = [clean(text) if text and words.may_stand_in(text) else text for text in column]
            for row, (before, after) in enumerate(zip(column, cleaned, strict=True)):
                if before != after:
                    take(row, name)
