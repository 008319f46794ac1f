"""How numbers, money and times are written on a page: for the viewer's language, in the dataset's time zone.

Pages speak English; only the grouping of digits and the decimal sign follow the browser's language. Twins carry none of
this: exact decimal texts and UTC.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation, localcontext
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.numbers import format_currency, format_decimal, get_currency_precision, get_currency_symbol
from markupsafe import Markup, escape

LANGUAGES: Final = "en_US"
MAX_TAGS: Final = 8
MIDNIGHT: Final = time()
FEW: Final = 20
"""A share of fewer things is written as "3 of 7"."""
TENTH: Final = Decimal("0.1")
_FRACTION: Final = re.compile(r"\.[0#]+|(?<=0)(?![.0#,])")
"""Where a pattern has its fraction, or would have it."""


@lru_cache(maxsize=256)
def locale_of(accept_language: str) -> Locale:
    """The first language of an Accept-Language header that is known; American English where none is."""
    for part in accept_language.split(",")[:MAX_TAGS]:
        tag = part.partition(";")[0].strip()
        if not 2 <= len(tag) <= 20:
            continue
        try:
            return Locale.parse(tag, sep="-")
        except (ValueError, UnknownLocaleError, TypeError):
            continue
    return Locale.parse(LANGUAGES)


class Formats:
    """The filters of one page."""

    def __init__(self, accept_language: str = "", zone: str = "UTC", now: datetime | None = None) -> None:
        self.locale = locale_of(accept_language)
        self.zone = ZoneInfo(zone)
        self.zone_name = zone
        self.now = now or datetime.now(UTC)

    def n(self, number: int) -> str:
        """A count, whole and grouped: never shortened."""
        return format_decimal(number, locale=self.locale, group_separator=True)

    def share(self, part: int, whole: int) -> str:
        """A share of things, in words that do not round to a lie."""
        if not whole:
            return "none"
        if whole < FEW:
            return f"{self.n(part)} of {self.n(whole)}"
        percent = 100 * part / whole
        if 0 < percent < 1:
            return "under 1 %"
        if 99 < percent < 100:
            return "over 99 %"
        return f"{self.n(round(percent))} %"

    def share1(self, part: int, whole: int) -> str:
        """The same with one decimal in any case, for the key of an overlap."""
        if whole < FEW:
            return self.share(part, whole)
        words, percent = "", Decimal(100 * part) / whole
        if 0 < percent < TENTH:
            words, percent = "under ", TENTH
        elif 100 - TENTH < percent < 100:
            words, percent = "over ", 100 - TENTH
        return f"{words}{format_decimal(percent, '0.0', locale=self.locale)} %"

    def money(self, amount: str | None, currency: str | None, *, whole: bool = False, alone: bool = True) -> str:
        """An amount with its symbol where a page has one currency (`alone`), else with its code behind it.

        `whole` leaves out minor units, for sums: where there are any they are rounded to the nearest; but an amount
        below one keeps them, since 0 would be wrong.
        """
        if amount is None:
            return "none"
        try:
            value = Decimal(amount)
        except InvalidOperation:
            return amount
        if not currency:
            return format_decimal(value, locale=self.locale)
        digits = (
            0
            if whole and not 0 < abs(value) < 1
            else max(get_currency_precision(currency), -int(value.as_tuple().exponent))
        )
        fraction = "." + "0" * digits if digits else ""
        with localcontext(prec=60):
            value = value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN)
            if alone and get_currency_symbol(currency, locale=self.locale) != currency:
                pattern = _FRACTION.sub(fraction, self.locale.currency_formats["standard"].pattern, 1)
                return format_currency(value, currency, pattern, locale=self.locale, currency_digits=False)
            pattern = _FRACTION.sub(fraction, self.locale.decimal_formats[None].pattern, 1)
            return f"{format_decimal(value, pattern, locale=self.locale)}\u00a0{currency}"

    @staticmethod
    def by_amount(value: Mapping[str, str]) -> list[tuple[str, str]]:
        """Sums by currency, the largest amount first, whatever its sign.

        Amounts of different currencies do not compare, and no rates are known here. It is good enough for an order:
        what a shop mostly sells in stands before what came once or by mistake, and small sums hide no large one.
        """
        return sorted(value.items(), key=lambda one: (-abs(Decimal(one[1])), one[0]))

    def local(self, iso: str) -> datetime:
        """A time of an answer (ISO 8601 UTC) in the dataset's zone."""
        return datetime.fromisoformat(iso.replace("Z", "+00:00")).astimezone(self.zone)

    def time(self, iso: str, *, tenths: bool = False) -> Markup:
        """A moment: "24 Nov 14:51:58", with the year where it is not this one; UTC stands in the element."""
        moment = self.local(iso)
        year = "" if moment.year == self.now.astimezone(self.zone).year else f" {moment.year}"
        clock = moment.strftime("%H:%M:%S") + (f".{moment.microsecond // 100_000}" if tenths else "")
        text = f"{moment.day} {moment:%b}{year} {clock}"
        if moment.replace(fold=0).utcoffset() != moment.replace(fold=1).utcoffset():
            text += f" {moment:%z}"  # an hour that comes twice
        return Markup('<time datetime="{}">{}</time>').format(iso, text)

    def clock(self, iso: str, *, tenths: bool = True) -> Markup:
        """The time of day alone, where the day stands elsewhere."""
        moment = self.local(iso)
        text = moment.strftime("%H:%M:%S") + (f".{moment.microsecond // 100_000}" if tenths else "")
        return Markup('<time datetime="{}">{}</time>').format(iso, text)

    def day(self, iso: str) -> str:
        moment = self.local(iso)
        year = "" if moment.year == self.now.astimezone(self.zone).year else f" {moment.year}"
        return f"{moment.day} {moment:%b}{year}"

    def period(self, since: str, until: str) -> str:
        """A range of times, [since, until), in days, or with the time of day where it is short."""
        first, last = self.local(since), self.local(until)
        if last - first <= timedelta(days=2) and (first.time() != MIDNIGHT or last.time() != MIDNIGHT):
            if first.date() == last.date():
                return f"{self.day(since)}, {first:%H:%M} to {last:%H:%M}"
            return f"{self.day(since)} {first:%H:%M} to {self.day(until)} {last:%H:%M}"
        final = last - timedelta(microseconds=1)
        if (first.year, first.month) == (final.year, final.month):
            iso = final.astimezone(UTC).isoformat()
            return self.day(iso) if first.date() == final.date() else f"{first.day} to {self.day(iso)}"
        return f"{self.day(since)} to {self.day(final.astimezone(UTC).isoformat())}"

    def ago(self, iso: str) -> str:
        """How long ago, for freshness alone: "41 s ago", and the day where it is more than one.

        The server's clock decides; a page that stays open goes on from there by itself (truecount.js, the same words).
        """
        seconds = int(max((self.now - self.local(iso)).total_seconds(), 0))
        if seconds >= 86_400:
            return f"on {self.day(iso)}"
        if seconds < 120:
            words = f"{seconds} s"
        elif seconds < 7200:
            words = f"{seconds // 60} min"
        else:
            words = f"{seconds // 3600} h"
        return Markup('<span class="n" data-age="{}">{}</span> ago').format(seconds, words)

    def duration(self, seconds: float) -> str:
        """A gap: "0.4 s", "41 s", "16 min", "2 h", "3 days"."""
        if seconds < 10:
            return f"{seconds:.1f} s"
        if seconds < 60:
            return f"{round(seconds)} s"
        if seconds < 3600:
            return f"{round(seconds / 60)} min"
        if seconds < 2 * 86_400:
            return f"{round(seconds / 3600)} h"
        return f"{round(seconds / 86_400)} days"

    def zone_mark(self) -> Markup:
        """The zone's short name, with the full one and the offset on hover."""
        moment = self.now.astimezone(self.zone)
        offset = moment.strftime("%z")
        title = f"{self.zone_name}, UTC{offset[:3]}:{offset[3:]}"
        return Markup('<abbr title="{}">{}</abbr>').format(title, escape(moment.strftime("%Z")))
