"""Numbers of payment cards in free text, told from others by issuer, length, usual groups and check digit."""

from __future__ import annotations

import re
from typing import Final

_GAP: Final = r"(?:[-+. \t\r\n]{1,2}| - )"
# Groups of four with one blank, plus or dash between them may go on; further apart, more of them are a list of numbers.
_NEAR: Final = r"\d{4}(?:[-+ ]\d{4}){3}(?:[-+ ]\d{3})?"
_FAR: Final = rf"\d{{4}}(?P<first>{_GAP})\d{{4}}{_GAP}\d{{4}}(?P<last>{_GAP})\d{{4}}(?:(?P=last)\d{{3}})?"
_AMEX: Final = rf"\d{{4}}{_GAP}\d{{6}}{_GAP}\d{{4,5}}"
# Not inside a number, and no decimal.
_CARDS: Final = re.compile(
    rf"(?=[2-68])(?<!\d)(?<!\d\.)"
    rf"(?:(?P<plain>\d{{14,19}})(?!\w|\.\d)|(?:{_NEAR}|{_AMEX})(?!\w)|{_FAR}(?!\w|(?:(?P=last)\d{{4}}){{2}}))"
)
_CARD_STARTS: Final = re.compile(
    r"4\d{15}(?:\d{3})?|5[1-5]\d{14}|2(?:20[0-4]|2[2-9]|[3-6]|7[01]|720)\d+|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}|35\d{14}"
    r"|(?:6011|64[4-9]|65)\d+|62\d{14}(?:\d{3})?|(?:60|81|82|508)\d+|(?:5018|5020|5038|5893|6304|6759|676[1-3])\d+"
).fullmatch
_CARD_GROUPS: Final = re.compile(rf"\d{{14,19}}|{_NEAR}|{_FAR}|{_AMEX}").fullmatch
_CARD_LENGTHS: Final = {"3": (14, 15, 16)}
_CARD_NAMES: Final = frozenset((
    "card", "cardno", "cardnr", "cardnumber", "cc", "ccnum", "creditcard", "debitcard", "no", "nr", "num", "number",
    "pan", "visa", "mastercard", "maestro", "amex", "discover", "diners", "jcb", "karte", "kreditkarte",
    "kartennummer", "carte", "tarjeta", "carta", "cartao",
))  # fmt: skip
"""Words that may stand directly before the digits of a card; any others make an id of them."""
_word_before: Final = re.compile(r"([^\W\d_]*+)([_.]?)\Z").search
_is_hex: Final = re.compile(r"[a-f]+").fullmatch


def without_cards(text: str) -> str:
    """The text with `removed-card` in place of each card number."""
    return _CARDS.sub(_card, text)


def is_card(text: str) -> bool:
    """Whether digits, alone or in an issuer's usual groups, are a card number: start, length and Luhn's check digit."""
    if not _CARD_GROUPS(text):
        return False
    digits = "".join(filter(str.isdigit, text))
    if len(digits) not in _CARD_LENGTHS.get(digits[0], (16, 19)) or not _CARD_STARTS(digits):
        return False
    total = 0
    for at, digit in enumerate(reversed(digits)):
        n = int(digit)
        if at % 2:
            n = n * 2 - 9 if n > 4 else n * 2
        total += n
    return total % 10 == 0


def _card(match: re.Match[str]) -> str:
    text = match[0]
    if not _may_be_card(match):
        return text
    if is_card(text):
        return "removed-card"
    # What follows a card in a group of its own may be its check value.
    shorter = text[:-3].rstrip("-+. \t\r\n")
    return "removed-card" + text[len(shorter) :] if len(shorter) < len(text) - 3 and is_card(shorter) else text


def _may_be_card(match: re.Match[str]) -> bool:
    """Whether what stands before lets a card's digits begin: no word that makes an id of them, no list of numbers."""
    text, at, gap = match.string, match.start(), match["first"] or ""
    if gap:
        step = 4 + len(gap)
        before = text[max(0, at - 2 * step) : at]
        if before[4:step] == before[step + 4 :] == gap and (before[:4] + before[step : step + 4]).isdigit():
            return False
    found = _word_before(text[max(0, at - 32) : at])
    word, mark = (found[1].lower(), found[2]) if found else ("", "")
    if word in _CARD_NAMES or not (word or mark):
        return True
    return not match["plain"] and (not _is_hex(word) if word else mark == ".")
