"""Times as people type them: ISO dates and times (UTC), or an age such as 7d. The clock is read here alone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

UNITS: Final = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_AGE: Final = re.compile(r"(\d{1,6})([mhdw])").fullmatch
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}").fullmatch

HELP: Final = "a date (2026-01-31), a time (2026-01-31T12:00:00Z; UTC where no zone is given), or an age (90m, 12h, 7d)"


def read_time(text: str, now: datetime, *, end: bool = False) -> int:
    """Microseconds since 1970. A date is its first moment, or with `end` the first moment after it.

    ValueError says what is wanted.
    """
    age = _AGE(text)
    days = 1 if end and _DATE(text) else 0
    try:
        if age:
            moment = now - timedelta(seconds=int(age[1]) * UNITS[age[2]])
        else:
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no time; wanted: {HELP}") from None
    # The day is added here: behind 9999-12-31 there is no datetime.
    return (moment - datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=days)) // timedelta(microseconds=1)


def read_range(since: str | None, until: str | None) -> tuple[int | None, int | None]:
    """Both ends as microseconds, None where open: since counts, until does not. ValueError says what is wanted."""
    now = datetime.now(UTC)
    start = read_time(since, now) if since is not None else None
    end = read_time(until, now, end=True) if until is not None else None
    if start is not None and end is not None and start >= end:
        raise ValueError("--since must lie before --until")
    return start, end
