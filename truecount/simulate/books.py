"""The shop's own books: what really happened, and the count that must come of it.

Independent of dedup on purpose: a deed knows how many copies each side sends, so its place in the count follows from
two numbers. Nothing here compares ids, times or keys.
"""

from __future__ import annotations

from typing import Final

import msgspec

from truecount.simulate.brewbeans import CURRENCY, Deed, Kind


class Expected(msgspec.Struct, kw_only=True):
    """The right count of one event name; `value` in paise, counted once an action."""

    copies: int = 0
    actions: int = 0
    browser_only: int = 0
    server_only: int = 0
    both: int = 0
    left_out: int = 0
    refused: int = 0
    value: int = 0


class Beside(msgspec.Struct, frozen=True):
    """What came from people who shopped on the site themselves: their browsers tell nobody what they will send."""

    pages: int = 0
    orders: int = 0
    value: int = 0
    """Of all orders, paise."""
    unsure: int = 0
    """Orders of the lab, that nobody may report, or that copies without an id may report twice."""

    @property
    def surely(self) -> int:
        """Orders that are one action each."""
        return self.orders - self.unsure


NOBODY: Final = Beside()


class Books:
    """Deeds whose reports were all answered, and the orders among them."""

    def __init__(self) -> None:
        self.orders = 0
        self.order_value = 0
        self.counts: dict[str, Expected] = {}

    def add(self, deed: Deed) -> None:
        row = self.counts.setdefault(deed.name, Expected())
        sent = deed.browser + deed.server
        if deed.kind is Kind.TOO_OLD:
            row.refused += sent
            return
        row.copies += sent
        if deed.kind is Kind.BOT:
            row.left_out += sent
            return
        row.actions += 1
        row.value += deed.value or 0
        if deed.browser and deed.server:
            row.both += 1
        elif deed.browser:
            row.browser_only += 1
        else:
            row.server_only += 1
        if deed.order:
            self.orders += 1
            self.order_value += deed.value or 0


def money(paise: int) -> str:
    """Paise as rupees, the way `events` writes money: 89900 -> "899.00"."""
    return f"{paise // 100}.{paise % 100:02d}"


def value_of(paise: int) -> dict[str, str]:
    """A sum as `events` tells it, by currency."""
    return {CURRENCY: money(paise)} if paise else {}
