"""Match keys: normalise as documented, hash, and keep the hashes of other common readings beside.

The rules are conversions-api.md §7 and §18 (49 vectors, all of them tests). The first digest of a key is the documented
reading; further ones are how other programs read the same value (names with punctuation or without inner spaces, places
in ASCII, a phone number with its calling code), so that two sides that read differently still meet.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Final

from truecount.policy.phones import calling_code, phone_readings
from truecount.policy.places import country_code, folded, province_code, us_state_code
from truecount.policy.sha import sha256
from truecount.vocabulary import DIGEST_KEYS, RARE_DIGEST_KEYS

NOTHING: Final = frozenset(("null", "undefined", "none"))
"""What programs write for a value that is not there, in lower case."""
NOTHING_TEXTS: Final = frozenset(text for word in NOTHING for text in (word, word.upper(), word.capitalize()))
"""The same as programs spell it."""
NOTHINGS: Final = frozenset(sha256(text.encode()).digest() for text in ("", *NOTHING_TEXTS))
"""Digests of nothing: programs that hash before they look send them, and strangers would merge by them."""

MUST_BE_HASHED: Final = frozenset(DIGEST_KEYS) - {"external_id"}
LAST_YEAR: Final = 2199
MAX_EMAIL: Final = 512
"""Characters; what is longer is no address, and no pattern is tried on it."""
MAX_VALUES: Final = 100
"""Values of one key of one event; what follows is dropped and noted."""
MAX_TEXT: Final = 1000
"""Characters of a value of any key; a longer one is no value, and no work is spent on it (letters with thousands of
accents take Unicode's normal forms the square of the time)."""

_hash: Final = re.compile(r"\s*([0-9a-fA-F]{64})(?:\.(?:[A-Za-z0-9_-]{2}|[A-Za-z0-9_-]{8}))?\s*").fullmatch
_md5: Final = re.compile(r"\s*[0-9a-fA-F]{32}(?:\.(?:[A-Za-z0-9_-]{2}|[A-Za-z0-9_-]{8}))?\s*").fullmatch
_space: Final = re.compile(r"\s+")
_not_ascii_alnum: Final = re.compile(r"[^a-z0-9]+")
_email: Final = re.compile(r"[^@\s][^@]*@[^@]*[^@.\s]\.[^@]*[^@.\s]").fullmatch
_sdk_places: Final = re.compile(r"[0-9.\s\-()]")
_date: Final = re.compile(r"(\d{1,4})[\s./_-]+(\d{1,2})[\s./_-]+(\d{1,4})").fullmatch
_iso_time: Final = re.compile(r"(\d{4}-\d{2}-\d{2})[T ]\d{2}:.*").fullmatch
_zip_plus_4: Final = re.compile(r"(\d{5})-\d{4}").fullmatch

GENDERS: Final = {
    **dict.fromkeys(("f", "female", "woman", "w", "girl", "femme", "frau", "weiblich", "mujer"), "f"),
    **dict.fromkeys(("m", "male", "man", "boy", "homme", "mann", "männlich", "hombre"), "m"),
}


def digests(
    key: str, values: Sequence[str] | str, country: str = "", last_year: int = LAST_YEAR
) -> tuple[bytes, tuple[str, ...]]:
    """Normalise and hash the values of one key: 32-byte digests one after the other, and notes.

    The documented reading of each value comes first, then the other readings; none is there twice. `country` (alpha-2)
    helps with unclear phone numbers, states and post codes. Notes: "md5:em" (kept apart, never matched), "bad:em" (no
    such value), "nothing:em" (a hash of nothing), "many:em" (more than MAX_VALUES). No value of any kind is in a note,
    and no text raises.
    """
    mains: list[bytes] = []
    seconds: list[bytes] = []
    notes: list[str] = []
    for value in (values,) if isinstance(values, str) else values[:MAX_VALUES]:
        found, note = _digests_of_one(key, value, country, last_year)
        mains += found[:1]
        seconds += found[1:]
        if note:
            notes.append(f"{note}:{key}")
    if not isinstance(values, str) and len(values) > MAX_VALUES:
        notes.append(f"many:{key}")
    return b"".join(dict.fromkeys(mains + seconds)), tuple(dict.fromkeys(notes))


def md5s(key: str, values: Sequence[str] | str) -> list[str]:
    """The values that came as MD5: kept, in lower case, but never matched. An external_id may look like one."""
    if key == "external_id":
        return []
    return [value.strip().lower()[:32] for value in ((values,) if isinstance(values, str) else values) if _md5(value)]


def is_hashed(value: str) -> bool:
    """Whether a value came as SHA-256 or MD5 (with or without an appendix)."""
    return _hash(value) is not None or _md5(value) is not None


def readings(key: str, text: str, country: str = "", last_year: int = LAST_YEAR) -> tuple[str, ...]:
    """The normalised forms of a raw value, the documented one first; () for what can't be a value of this key."""
    if key == "ph":
        return phone_readings(text, country)
    if key == "st":
        return _state(text, country)
    if key == "zp":
        return _post_code(text, country)
    if key == "db":
        date = birth_date(text, last_year)
        return (date,) if date else ()
    return _READERS[key](text)


def birth_date(text: str, last_year: int = LAST_YEAR) -> str:
    """YYYYMMDD of a date in any usual order; "" for none from 1900 to last_year.

    Month first unless that is above 12 (M/D/YYYY is the documented example; D/M that could be M/D is not guessed at).
    """
    text = text.strip()
    if match := _iso_time(text):
        text = match[1]
    if re.fullmatch(r"\d{8}", text, re.ASCII):
        year, month, day = text[:4], text[4:6], text[6:]
        if not "1900" <= year <= "2199":  # MMDDYYYY
            month, day, year = text[:2], text[2:4], text[4:]
    elif match := _date(text):
        first, second, third = match.groups()
        if len(first) == 4:
            year, month, day = first, second, third
        elif len(third) == 4:
            month, day, year = first, second, third
            if int(month) > 12:
                month, day = day, month
        else:
            return ""
    else:
        return ""
    days = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    if not (1900 <= int(year) <= last_year and 1 <= int(month) <= 12 and 1 <= int(day) <= days[int(month) - 1]):
        return ""
    return f"{int(year):04}{int(month):02}{int(day):02}"


def warm() -> None:
    """Load the tables of countries, states and phone numbers (0.2 s) before the first event needs them."""
    country_code("x")
    us_state_code("x")
    calling_code("us")
    phone_readings("0650 555 1212", "us")


# ---------------------------------------------------------------------------------------------------------------------


def _digests_of_one(key: str, value: str, country: str, last_year: int) -> tuple[list[bytes], str]:
    if len(value) > MAX_TEXT:
        return [], "bad"
    if match := _hash(value):
        digest = bytes.fromhex(match[1])
        return ([], "nothing") if digest in NOTHINGS else ([digest], "")
    if key != "external_id" and _md5(value):
        return [], "md5"
    word = value.strip().lower()
    if not word:
        return [], ""
    if word in NOTHING:
        return [], "nothing"
    found = [
        digest
        for text in readings(key, value, country, last_year)
        if (digest := sha256(text.encode("utf-8", "replace")).digest()) not in NOTHINGS
    ]
    return found, "" if found else "bad"


def _distinct(*texts: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if text))


def _mail(text: str) -> tuple[str, ...]:
    text = text.strip().lower()
    return (text,) if len(text) <= MAX_EMAIL and _email(text) else ()


def _without_punctuation(text: str) -> str:
    return "".join(letter for letter in text if unicodedata.category(letter)[0] not in "PS")


def _letters(text: str) -> str:
    return "".join(letter for letter in text if letter.isalnum() or unicodedata.category(letter)[0] == "M")


def _name(text: str) -> tuple[str, ...]:
    text = text.strip().lower()
    if text.isalpha() and text.isascii():
        return (text,)
    main = _without_punctuation(text).strip()
    if not main:
        return ()
    both = (main, text, _space.sub("", main))
    if text.isascii():
        return _distinct(*both)
    return _distinct(*both, *(unicodedata.normalize("NFC", one) for one in both))


def _ascii_places(text: str) -> tuple[str, ...]:
    """Other programs' readings of a place: accents taken off, and letters that are not ASCII dropped.

    Not where less than half is left of it: Łódź and Đđ would meet as "d".
    """
    dropped = _not_ascii_alnum.sub("", text)
    both = _not_ascii_alnum.sub("", folded(text)), dropped if dropped[:1].isalpha() else ""
    return tuple(one for one in both if 2 * len(one) >= len(text))


def _place(text: str) -> tuple[str, ...]:
    text = text.strip().lower()
    if text.isascii() and text.isalpha():
        return (text,)
    main = _letters(text)
    return _distinct(main, _sdk_places.sub("", text), *_ascii_places(text)) if main else ()


def _state(text: str, country: str) -> tuple[str, ...]:
    unmapped = _place(text)
    country = country.lower()
    if country in ("", "us"):
        return _distinct(us_state_code(text), *unmapped)
    if country == "ca":
        return _distinct(*unmapped, province_code(text))
    return unmapped


def _post_code(text: str, country: str) -> tuple[str, ...]:
    text = _space.sub("", text.lower())
    if match := _zip_plus_4(text):
        return (match[1],)
    main = text.replace("-", "")
    if country.lower() == "us" and re.fullmatch(r"\d{9}", main, re.ASCII):
        return (main[:5], main)
    return _distinct(main, text.partition("-")[0])


def _country(text: str) -> tuple[str, ...]:
    unmapped = _letters(text.strip().lower())
    return _distinct(country_code(text), unmapped)


def _gender(text: str) -> tuple[str, ...]:
    gender = GENDERS.get(text.strip().lower())
    return (gender,) if gender else ()


def _external_id(text: str) -> tuple[str, ...]:
    return _distinct(text, _space.sub("", text.lower()))


def _two_digits(high: int) -> Callable[[str], tuple[str, ...]]:
    def read(text: str) -> tuple[str, ...]:
        text = text.strip()
        return (f"{int(text):02}",) if re.fullmatch(r"\d{1,2}", text, re.ASCII) and 1 <= int(text) <= high else ()

    return read


def _year(text: str) -> tuple[str, ...]:
    text = text.strip()
    return (text,) if re.fullmatch(r"(?:19|2[01])\d\d", text, re.ASCII) else ()


def _start_of_name(n: int) -> Callable[[str], tuple[str, ...]]:
    def read(text: str) -> tuple[str, ...]:
        return _distinct(*(one[:n] for one in _name(text)))

    return read


_READERS: Final[dict[str, Callable[[str], tuple[str, ...]]]] = {
    "em": _mail,
    "fn": _name,
    "ln": _name,
    "ge": _gender,
    "ct": _place,
    "country": _country,
    "external_id": _external_id,
    "fi": _start_of_name(1),
    "f5first": _start_of_name(5),
    "f5last": _start_of_name(5),
    "dobd": _two_digits(31),
    "dobm": _two_digits(12),
    "doby": _year,
    "app_user_id": lambda text: _distinct(text.strip()),
}
_missing = (set(DIGEST_KEYS) | set(RARE_DIGEST_KEYS)) - set(_READERS) - {"ph", "st", "zp", "db"}
if _missing:
    raise RuntimeError(f"no reading for {_missing}")
