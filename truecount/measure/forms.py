"""How values look in answers: money, times, digests. The same everywhere, so that equal answers are equal bytes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CENT: Final = Decimal("0.01")


def money(value_e4: int) -> str:
    """1/10,000 of a unit as decimal text, with two places, or as many as it has: 8990000 -> "899.00"."""
    value = Decimal(value_e4).scaleb(-4)
    return f"{value.quantize(_CENT) if value_e4 % 100 == 0 else value.normalize():f}"


def time_of_us(us: int) -> str:
    """Microseconds since 1970 as ISO 8601 UTC, with no more places than it needs: none, three or six."""
    try:
        moment = _EPOCH + timedelta(microseconds=us)
    except OverflowError:
        # An import may name a year that no calendar here knows; it must not cost the whole answer.
        moment = datetime.max.replace(tzinfo=UTC) if us > 0 else datetime.min.replace(tzinfo=UTC)
    spec = "seconds" if us % 1_000_000 == 0 else "milliseconds" if us % 1000 == 0 else "microseconds"
    return moment.replace(tzinfo=None).isoformat(timespec=spec) + "Z"


def time_of_ms(ms: int) -> str:
    return time_of_us(ms * 1000)
