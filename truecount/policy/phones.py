"""Phone numbers as digits with the country's calling code, and the other ways in which the same number is written."""

from __future__ import annotations

import functools
import re
from typing import Final

MIN_DIGITS: Final = 5
MAX_DIGITS: Final = 20
MAX_TEXT: Final = 100
"""Characters of a text that patterns are tried on."""
CLEAR_DIGITS: Final = 11
"""So many digits that start with the country's calling code are read as a full number without a look into tables."""

_NOT_DIGITS: Final = bytes(code for code in range(256) if not 48 <= code <= 57)
_extension: Final = re.compile(
    r"(?:(?:[;,]|(?<!\s))\s*+(?:ext|extn|extension|x|#|durchwahl|poste)[.:=]?\s*\d{1,7})\s*$", re.IGNORECASE
).search
_trunk_zero: Final = re.compile(r"\(0+\)")


def only_digits(text: str) -> str:
    """The digits of a text, in ASCII whatever the script."""
    if text.isascii():
        return text.encode().translate(None, _NOT_DIGITS).decode()
    return "".join(str(int(letter)) for letter in text if letter.isdecimal())


def phone_readings(text: str, country: str = "") -> tuple[str, ...]:
    """Digits of a phone number: as documented first (symbols, letters and leading zeros dropped), then other readings.

    Other readings: without a trunk zero in brackets, without an extension, and, where a country (alpha-2, any case) is
    known and the number doesn't show its calling code clearly, the full number. () for what is no number.
    """
    main = only_digits(text).lstrip("0")
    if not MIN_DIGITS <= len(main) <= MAX_DIGITS:
        return ()
    if len(text) > MAX_TEXT:
        return (main,)
    readings = [main]
    plain = text
    if match := _extension(plain):
        plain = plain[: match.start()]
    if "(" in plain:
        plain = _trunk_zero.sub("", plain)
    if plain is not text and plain != text:
        readings.append(only_digits(plain).lstrip("0"))
    if country and not is_clear(readings[-1], text, country):
        readings.append(full_number(plain, country))
    return tuple(dict.fromkeys(reading for reading in readings if len(reading) >= MIN_DIGITS))


def is_clear(digits: str, text: str, country: str) -> bool:
    """Whether digits surely begin with a calling code: written with + or 00, or with this country's code and long."""
    code = calling_code(country)
    international = text.lstrip().startswith(("+", "00"))
    if not code:
        return True
    if digits.startswith(code):
        return (
            digits[len(code) : len(code) + 1] != "0"
            and (international or len(digits) >= CLEAR_DIGITS)
            and (international or not text.lstrip(" (").startswith("0"))
        )
    return international


@functools.lru_cache(maxsize=512)
def calling_code(country: str) -> str:
    """The calling code of a country, as digits; "" where there is none."""
    import phonenumbers

    code = phonenumbers.country_code_for_region(country.upper())
    return str(code) if code else ""


def full_number(text: str, country: str) -> str:
    """The digits of a number with its calling code, read as one dialled in a country; "" where it can't be one."""
    import phonenumbers

    try:
        number = phonenumbers.parse(text[:64], country.upper())
    except phonenumbers.NumberParseException:
        return ""
    # A long number without + may be one of another country: only what is in use here is read as dialled here.
    foreign = len(only_digits(text).lstrip("0")) >= CLEAR_DIGITS
    if not (phonenumbers.is_valid_number(number) if foreign else phonenumbers.is_possible_number(number)):
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)[1:]
