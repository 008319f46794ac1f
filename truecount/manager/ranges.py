"""The period of a page, as its address names it: `since=24h`, `since=7d`, `since=2026-11-01&until=2026-11-24`.

Both ends are included: until a day means until its end, in the dataset's zone. A period that goes on until now ends
with the minute of asking: sums are kept by the minute. Moments (`since=2026-11-24T09:00:00Z`) are exact, and the one
of `until` is excluded: that is how a bar of a chart is named.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

UNITS: Final = {"h": 3600, "d": 86_400}
PRESETS: Final = (("1h", "1 h"), ("24h", "24 h"), ("7d", "7 days"), ("28d", "28 days"))
USUAL: Final = "7d"
_SPAN: Final = re.compile(r"(\d{1,4})([hd])", re.ASCII).fullmatch
MOST_DAYS: Final = 3660
STEPS_S: Final = (
    10, 30, 60, 120, 300, 600, 900, 1800, 3600, 2 * 3600, 3 * 3600, 6 * 3600, 12 * 3600,
    86_400, 2 * 86_400, 7 * 86_400, 14 * 86_400, 28 * 86_400, 91 * 86_400, 182 * 86_400,
)  # fmt: skip
MOST_BARS: Final = 60
MINUTE_MS: Final = 60_000
HOUR_S: Final = 3600


def usual(created_us: int, now: datetime | None = None) -> str:
    """The period of a page whose address names none: shorter while a dataset is young."""
    age_s = (now or datetime.now(UTC)).timestamp() - created_us / 1e6
    return "1h" if age_s < 2 * 3600 else "24h" if age_s < 2 * 86_400 else USUAL


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """A range of event times, [since_ms, until_ms), and how a chart cuts it."""

    since_ms: int
    until_ms: int
    since: str
    """As the address had it, or the usual one."""
    until: str
    is_open: bool
    """Whether it goes on: until now."""
    zone: str
    step_s: int
    """Seconds a bar."""

    @property
    def query(self) -> dict[str, str]:
        """What an address needs to name this period."""
        return {"since": self.since, **({"until": self.until} if self.until else {})}

    def before(self) -> tuple[int, int]:
        """The period of the same length before this one."""
        return 2 * self.since_ms - self.until_ms, self.since_ms

    def cuts(self) -> list[int]:
        """The edges, the first and the last one at the ends of the period."""
        edges = self.edges()
        return sorted({max(edges[0], self.since_ms), *edges[1:-1], min(edges[-1], self.until_ms)})

    def edges(self) -> list[int]:
        """Beginnings of the bars in ms, and the end of the last one: bars begin at round times of the zone.

        The first may begin before the period, and the last end after it. Where clocks change, bars of days or of
        several hours are longer or shorter by that much.
        """
        zone = ZoneInfo(self.zone)
        day = datetime.fromtimestamp(self.since_ms / 1000, zone).date()
        if self.step_s < 86_400:
            found: list[int] = []
            while not found or found[-1] < self.until_ms:
                found += _of_a_day(day, zone, self.step_s)
                day += timedelta(days=1)
            begin, end = bisect_right(found, self.since_ms) - 1, bisect_left(found, self.until_ms)
            return found[begin : end + 1]
        found = []
        while True:
            found.append(_start_ms(day, zone))
            if found[-1] >= self.until_ms:
                return found
            day += timedelta(days=self.step_s // 86_400)


def _minute_after(ms: int) -> int:
    return -(-ms // MINUTE_MS) * MINUTE_MS


def period_of(since: str | None, until: str | None, zone: str, now: datetime | None = None) -> Period:
    """Read a period. ValueError says what is wrong, and what would be right."""
    now = now or datetime.now(UTC)
    now_ms = int(now.timestamp() * 1000) + 1
    since = since or USUAL
    if span := _SPAN(since):
        if until:
            raise ValueError(
                "until: leave it out beside a length; or give two dates, as in since=2026-11-01&until=2026-11-24"
            )
        length_s = int(span[1]) * UNITS[span[2]]
        if not 0 < length_s <= MOST_DAYS * 86_400:
            raise ValueError(f"since = {since!r}: wanted a length from 1h to {MOST_DAYS}d")
        until_ms, is_open = _minute_after(now_ms), True
        since_ms = until_ms - length_s * 1000
    elif "T" in since:
        since_ms = _moment_ms(since, "since")
        until_ms = _moment_ms(until, "until") if until else _minute_after(now_ms)
        is_open = not until
        if not 0 < until_ms - since_ms <= MOST_DAYS * 86_400_000:
            raise ValueError(f"since, until: wanted moments in their order, at most {MOST_DAYS} days apart")
    else:
        tz = ZoneInfo(zone)
        first = _date(since, "since")
        last = _date(until, "until") if until else now.astimezone(tz).date()
        if last < first:
            raise ValueError(f"until = {until!r} lies before since = {since!r}")
        if (last - first).days > MOST_DAYS:
            raise ValueError(f"since, until: wanted at most {MOST_DAYS} days")
        since_ms, end_ms = _start_ms(first, tz), _start_ms(last + timedelta(days=1), tz)
        is_open = end_ms > now_ms
        until_ms = max(min(end_ms, _minute_after(now_ms)), since_ms + MINUTE_MS)
    return Period(
        since_ms=since_ms,
        until_ms=until_ms,
        since=since,
        until=until or "",
        is_open=is_open,
        zone=zone,
        step_s=_step_s((until_ms - since_ms) / 1000),
    )


def _step_s(length_s: float) -> int:
    """The shortest step that gives no more than MOST_BARS bars."""
    return next((step for step in STEPS_S if length_s <= step * MOST_BARS), STEPS_S[-1])


def _moment_ms(text: str, name: str) -> int:
    try:
        found = datetime.fromisoformat(text[:40].replace("Z", "+00:00"))
        if found.tzinfo is None or not 1971 <= found.year <= 9000:
            raise ValueError
        return int(found.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise ValueError(f"{name} = {text[:40]!r}: wanted a moment as in 2026-11-24T09:00:00Z") from None


def _date(text: str, name: str) -> date:
    try:
        found = date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        found = None
    if found is None or not 1971 <= found.year <= 9000:
        raise ValueError(f"{name} = {text[:30]!r}: wanted a length as in 24h or 7d, or a date as in 2026-11-24")
    return found


def _start_ms(day: date, zone: ZoneInfo) -> int:
    """When a day begins there, ms since 1970. A day that has no midnight begins at its first moment."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1000)


def _of_a_day(day: date, zone: ZoneInfo, step_s: int) -> list[int]:
    """When the bars of a day begin there. Hours that come twice are bars of their own where bars are that short."""
    begin, end = _start_ms(day, zone), _start_ms(day + timedelta(days=1), zone)
    if begin >= end:
        return []  # a day that was left out
    if step_s <= HOUR_S:
        return list(range(begin, end, step_s * 1000))
    walls = [datetime(day.year, day.month, day.day, hour, tzinfo=zone) for hour in range(0, 24, step_s // HOUR_S)]
    there = [(int(wall.timestamp() * 1000), wall.hour) for wall in walls]
    # An hour that is left out begins no bar; the day does, whatever its first hour is.
    return [begin, *(ms for ms, hour in there[1:] if datetime.fromtimestamp(ms / 1000, zone).hour == hour and ms < end)]
