"""How text may be spelled: escapes and odd characters as what they stand for, and first looks that see through them.

A first look lets nearly all texts through at once; what it lets through, no scrubbing would change.
"""

from __future__ import annotations

import functools
import hashlib
import re
import unicodedata
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote

_INVISIBLE: Final = (
    "\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
)
"""Characters that nobody sees; all but white space."""
_DASHES: Final = "\u2010-\u2015\u2212\ufe58\ufe63\uff0d"
_SPACES: Final = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_LOOKALIKES: Final = {
    "\uff20": "@", "\ufe6b": "@", "\uff0e": ".", "\u3002": ".", "\uff61": ".",
    "\uff08": "(", "\uff09": ")", "\uff0f": "/", "\uff0b": "+",
}  # fmt: skip
_odd: Final = re.compile(rf"([{_INVISIBLE}]+)|([{_DASHES}])|([{_SPACES}])|([{''.join(_LOOKALIKES)}])|([^\W\D0-9])")
_GAPS: Final = f"-. ()/+\t\n\r{_DASHES}{_SPACES}{_INVISIBLE}{''.join(_LOOKALIKES)}"
_ENTITY: Final = r"&(?:amp;?)*+(?:#|commat)"
# @ itself, the full-width forms, and what makes up escapes in turn: u, the backslash, digits, &, and halves of escapes.
_ENCODED_AT: Final = r"%(?:25)*+(?:40|[Ee][Ff]|[Uu]|[57]5|5[Cc]|3[0-9]|26(?:[%#]|commat|amp)|%|[0-9A-Fa-f]%)"
_NEXT: Final = r"(?:(?:25)*[89AaBb][0-9A-Fa-f])"
_ENCODED_GAP: Final = (
    rf"(?:[{_GAPS}]|%(?:25)*(?:2[089BbDdEeFf]|[01][0-9A-Fa-f]|[Cc]2%{_NEXT}?|[Ee][23]%(?:{_NEXT}%{_NEXT})?))"
)
_entity: Final = re.compile(_ENTITY).search
_encoded_at: Final = re.compile(_ENCODED_AT).search
_encoded: Final = re.compile(
    rf"{_ENCODED_AT}|%(?:25)*[DdFf][9BbFf0]|%(?:25)*[Ee][01Aa]%|[0-9](?:{_ENCODED_GAP}{{0,3}}[0-9]){{6}}"
).search
# At least 7 characters of a number: a first look in one class, which lets nearly all texts through at once.
_numbers: Final = re.compile(r"[0-9][-. ()/+0-9\x00-\x1f\x7f]{6}").search
_numbers_not_ascii: Final = re.compile(rf"\d[{_GAPS}\d]{{6}}").search
_seven_digits: Final = re.compile(rf"\d(?:[{_GAPS}]*+\d){{6}}").search

_escapes: Final = re.compile(
    r"%[uU]([0-9a-fA-F]{4})|(?<!\\)\\++u([0-9a-fA-F]{4})"
    r"|&(?:amp;?)*+(?:#0*+(?:([0-9]{1,5});|([0-9]{2}))|#[xX]0*+(?:([0-9a-fA-F]{1,4});|(40))|commat;?)"
)
_many_times: Final = re.compile(r"%(?:25)+").sub
_may_have_marks: Final = re.compile("[\u0300-\U0010ffff]").search
_ROUNDS: Final = 8
UNSETTLED: Final = "@unsettled.invalid"
"""End of what stands for a text whose escapes never end."""


def has_at(text: str) -> bool:
    """Whether a sign of an @, in any spelling, stands in a text."""
    if "@" in text or ("\\" in text and "\\u" in text) or ("&" in text and _entity(text)):
        return True
    if "%" in text and _encoded_at(text):
        return True
    return not text.isascii() and ("\uff20" in text or "\ufe6b" in text)


def suspicious(text: str) -> bool:
    """Whether a text needs a closer look: False means that no scrubbing would change it.

    A sign of an @, or seven digits with nothing but what separates the digits of a number between them.
    """
    if "@" in text or ("\\" in text and "\\u" in text) or ("&" in text and _entity(text)):
        return True
    if "%" in text and _encoded(text):
        return True
    if text.isascii():
        return _numbers(text) is not None and _seven_digits(text) is not None
    if "\uff20" in text or "\ufe6b" in text:
        return True
    return _numbers_not_ascii(text) is not None and _seven_digits(text) is not None


def folded(text: str) -> str:
    """Digits, dashes, spaces and @ of all scripts as those of ASCII, nothing that can't be seen, letters without marks.

    Vowel signs and accents that are characters of their own are no letters to a pattern, and would end an address.
    """
    if text.isascii():
        return text if text.isprintable() else _odd.sub(_plain_char, text)
    return _odd.sub(_plain_char, _marks().sub("", text))


def composed(text: str) -> str:
    """The same in form NFKC, in which a letter has one writing; accents that make up no letter stay as they are."""
    if text.isascii():
        return text if text.isprintable() else _odd.sub(_plain_char, text)
    return _odd.sub(_plain_char, unicodedata.normalize("NFKC", text))


def without_marks(text: str) -> str:
    """A text without accents and vowel signs that are characters of their own."""
    return _marks().sub("", text) if _may_have_marks(text) else text


def decoded(text: str, fold: Callable[[str], str] = folded) -> str:
    """Undo percent, JSON and HTML escapes, and fold, until nothing changes.

    Text that has not settled after some rounds hides something on purpose. It is answered as an e-mail address, so
    that whatever looks for one takes all of it, and two such ids stay two.
    """
    start = text
    for _ in range(_ROUNDS):
        plain = fold(text)
        if "%" in plain:
            plain = _many_times("%", plain)
        if "\\u" in plain or "%u" in plain or "%U" in plain or "&" in plain:
            plain = _escapes.sub(_char, plain)
        if "%" in plain:
            plain = unquote(plain, errors="replace")
        if plain == text:
            return text
        text = plain
    return hashlib.sha256(start.encode("utf-8", "surrogatepass")).hexdigest() + UNSETTLED


def _char(match: re.Match[str]) -> str:
    js, json, decimal, short, hexadecimal, at = match.groups()
    number = decimal or short
    point = int(number) if number else int(js or json or hexadecimal or at or "40", 16)
    return "\ufffd" if 0xD800 <= point < 0xE000 else chr(point)


def _plain_char(match: re.Match[str]) -> str:
    odd = match[0]
    match match.lastindex:
        case 1:
            return ""
        case 2:
            return "-"
        case 3:
            return " "
        case 4:
            return _LOOKALIKES[odd]
    return str(unicodedata.decimal(odd))


@functools.cache
def _marks() -> re.Pattern[str]:
    """Combining marks of the scripts in use."""
    places = (*range(0x300, 0x10000), *range(0x11000, 0x12000), *range(0x1E000, 0x1F000), *range(0xE0100, 0xE01F0))
    marks = [code for code in places if unicodedata.category(chr(code)) in ("Mn", "Mc", "Me")]
    return re.compile(f"[{''.join(map(chr, marks))}]+")
