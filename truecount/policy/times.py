"""The time of an event as senders write it: seconds, digits in text, ISO 8601."""

from __future__ import annotations

import datetime
import re
from typing import Final

_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MILLISECOND: Final = datetime.timedelta(milliseconds=1)
_digits: Final = re.compile(r"\s*(\d{1,18})\s*", re.ASCII).fullmatch
_iso: Final = re.compile(r"\s*\d{4}-\d\d?-.*", re.ASCII).fullmatch
MAX_S: Final = 10**11
"""The year 5138: what is later is no time in seconds, and does not fit the columns."""


def time_ms_of(value: object) -> int | None:
    """Milliseconds since 1970 of Unix seconds (integer, or digits as text) or of an ISO 8601 text (UTC where it names
    no zone). None for anything else, fractions of numbers and flags included."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value * 1000
    if not isinstance(value, str):
        return None
    if match := _digits(value):
        return int(match[1]) * 1000
    if not _iso(value):
        return None
    try:
        time = datetime.datetime.fromisoformat(value.strip())
        if time.tzinfo is None:
            time = time.replace(tzinfo=datetime.UTC)
        return (time - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError):
        return None


def looks_like_milliseconds(ms: int) -> bool:
    """Whether seconds (given here as ms) have the 13 digits of a time in milliseconds."""
    return 10**15 <= ms < 10**16
