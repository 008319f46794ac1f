"""Names of countries and states -> their codes. Tables are pycountry's, read when the first name needs them."""

from __future__ import annotations

import functools
import unicodedata
from typing import Final

_OWN_COUNTRIES: Final = {
    "usa": "us",
    "unitedstatesofamerica": "us",
    "america": "us",
    "uk": "gb",
    "greatbritain": "gb",
    "england": "gb",
    "scotland": "gb",
    "wales": "gb",
    "northernireland": "gb",
    "deutschland": "de",
    "espana": "es",
    "italia": "it",
    "osterreich": "at",
    "schweiz": "ch",
    "suisse": "ch",
    "brasil": "br",
    "holland": "nl",
    "thenetherlands": "nl",
    "turkey": "tr",
    "russia": "ru",
    "southkorea": "kr",
    "korea": "kr",
    "vietnam": "vn",
    "czechrepublic": "cz",
    "ivorycoast": "ci",
    "uae": "ae",
}
"""Everyday names that the ISO table words otherwise."""
MAX_NAME: Final = 1000
"""Characters; a longer text names no place."""


def folded(text: str) -> str:
    """Letters without accents: zürich is zurich. "" for a text longer than MAX_NAME, which no place has."""
    if text.isascii():
        return text
    if len(text) > MAX_NAME:
        return ""
    return "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))


def _key(name: str) -> str:
    return "".join(filter(str.isalnum, folded(name.lower())))


@functools.cache
def _countries() -> dict[str, str]:
    import pycountry

    table: dict[str, str] = {}
    for country in pycountry.countries:
        code = country.alpha_2.lower()
        table[code] = code
        table[country.alpha_3.lower()] = code
        for name in ("name", "official_name", "common_name"):
            if hasattr(country, name):
                table[_key(getattr(country, name))] = code
    return {**table, **{name: code for name, code in _OWN_COUNTRIES.items() if code in table}}


@functools.cache
def _states(country: str) -> dict[str, str]:
    import pycountry

    table: dict[str, str] = {}
    for state in pycountry.subdivisions.get(country_code=country.upper()) or ():  # type: ignore[no-untyped-call]
        code = state.code.partition("-")[2].lower()
        table[_key(state.name)] = code
        table[code] = code
    return table


def country_code(text: str) -> str:
    """ISO 3166-1 alpha-2 in lower case of a code (two or three letters) or an English name; "" for none."""
    return _countries().get(_key(text), "")


def us_state_code(text: str) -> str:
    """The two letters, in lower case, of a state of the USA given by name or code; "" for none."""
    return _states("us").get(_key(text), "")


def province_code(text: str) -> str:
    """The two letters, in lower case, of a province of Canada given by name or code; "" for none."""
    return _states("ca").get(_key(text), "")
