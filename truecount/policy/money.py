"""Money as whole 1/10,000 of a currency's unit, never a float; currencies by the ISO 4217 table of pycountry."""

from __future__ import annotations

import decimal
import functools
import re
from collections.abc import Sequence
from typing import Final

from truecount.policy.memo import Memo

SCALE: Final = 10_000
LIMIT_E4: Final = 2**63 - 1

_plain: Final = re.compile(r"[+-]?(?:\d{1,15}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][+-]?\d{1,2})?", re.ASCII).fullmatch


def value_e4_of(value: object) -> int | None:
    """Read a number, or a number in text, exactly; None for what is none or does not fit in 64 bits.

    A fifth decimal is rounded half up (away from zero). A decimal comma is not guessed at: None.
    """
    kind = type(value)
    if kind is float:
        near = round(value * SCALE) if -1e11 < value < 1e11 else 0  # type: ignore[operator]
        if near / SCALE == value and near:  # the shortest decimal of this float has no fifth place
            return near
        text = repr(value)
    elif kind is int:
        e4: int = value * SCALE  # type: ignore[operator]
        return e4 if -LIMIT_E4 <= e4 <= LIMIT_E4 else None
    elif kind is str:
        text = value.strip()  # type: ignore[attr-defined]
    else:
        return None
    if not _plain(text):
        return None
    scaled = decimal.Decimal(text).scaleb(4).to_integral_value(decimal.ROUND_HALF_UP)
    return int(scaled) if -LIMIT_E4 <= scaled <= LIMIT_E4 else None


def values_e4_of(values: Sequence[object]) -> list[int | None]:
    """`value_e4_of` of a column, at once where all are numbers of at most four decimals."""
    if set(map(type, values)) == {float}:
        prices = set(values)
        if len(prices) <= len(values) // 4:  # a shop's prices repeat
            read = {price: value_e4_of(price) for price in prices}
            return [read[one] for one in values]
        floats: Sequence[float] = values  # type: ignore[assignment]
        if max(floats) < 1e11 and min(floats) > -1e11:
            try:
                near: list[int | None] = [round(value * SCALE) for value in floats]
            except ValueError:  # NaN, which no bound keeps out
                return list(map(value_e4_of, values))
            if [one / SCALE for one in near] == list(floats):  # type: ignore[operator]
                return near
    return list(map(value_e4_of, values))


@functools.cache
def _codes() -> frozenset[str]:
    import pycountry

    return frozenset(currency.alpha_3 for currency in pycountry.currencies)


def _currency(text: str) -> str:
    code = text.strip().upper()
    return code if code in _codes() else ""


_currencies: Final[Memo[str]] = Memo(_currency, most=1024, longest=16)


def currency_of(text: str) -> str:
    """The ISO 4217 code in upper case; "" for none."""
    return _currencies[text]
