"""What the shop remembers, in memory alone: visitors with their carts and wishes, orders with their tracking."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from typing import Final, Literal, TypeVar

import msgspec

from truecount.context import Context

MAX_VISITORS: Final = 10_000
FIRST_ORDER: Final = 1001

PERSON: Final = ("email", "phone", "first", "last", "city", "postcode")

Consent = Literal["", "granted", "denied"]
T = TypeVar("T")


class Lab(msgspec.Struct):
    """What goes wrong for one visitor, on purpose."""

    blocked: bool = False
    """A content blocker: the browser may ask the collector for nothing."""
    server: Literal["now", "late", "twice", "never"] = "now"
    """When the shop's server reports."""
    ids: Literal["shared", "page forgets", "server forgets"] = "shared"


class Visitor(msgspec.Struct):
    """A browser that the shop knows: one that has put something into a cart, answered the banner, or set up the lab."""

    key: str
    cart: dict[str, int] = msgspec.field(default_factory=dict)
    """sku -> quantity."""
    consent: Consent = ""
    lab: Lab = msgspec.field(default_factory=Lab)
    seen: Context = msgspec.field(default_factory=Context)
    """Of the last request to the shop's own host: at the checkout's first request its own cookies are not there yet."""


class Order(msgspec.Struct):
    """A paid order."""

    id: str
    lines: dict[str, int]
    value: int
    """Paise."""
    visitor: Visitor
    tracking: str
    """`Context.dumps()` of the request that paid."""
    person: dict[str, str]
    """email, phone, first, last, city, postcode: as they were typed."""
    time_s: int
    lab: Lab


class Checkout(msgspec.Struct):
    """A cart on its way through the checkout; paid at most once, however often the button is pressed."""

    token: str
    visitor: Visitor
    lines: dict[str, int] = msgspec.field(default_factory=dict)
    """As the cart was when the checkout was entered last."""
    order: Order | None = None


class Till:
    """Visitors, checkouts and orders. Used by one event loop; others may read counts."""

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}
        self._visitors: OrderedDict[str, Visitor] = OrderedDict()
        self._checkouts: OrderedDict[str, Checkout] = OrderedDict()

    def visitor(self, key: str) -> Visitor | None:
        found = self._visitors.get(key)
        if found is not None:
            self._visitors.move_to_end(key)
        return found

    def new_visitor(self) -> Visitor:
        visitor = Visitor(secrets.token_urlsafe(16))
        _keep(self._visitors, visitor.key, visitor)
        return visitor

    def checkout(self, token: str) -> Checkout | None:
        return self._checkouts.get(token)

    def begin(self, visitor: Visitor) -> Checkout:
        """A way to pay what is in the cart. The cart stays until it is paid."""
        checkout = Checkout(secrets.token_urlsafe(16), visitor)
        _keep(self._checkouts, checkout.token, checkout)
        return checkout

    def pay(self, checkout: Checkout, value: int, tracking: str, said: dict[str, str]) -> tuple[Order, bool]:
        """The order of a checkout, and whether it is new. `said` is the form."""
        if checkout.order is not None:
            return checkout.order, False
        id = f"web-{FIRST_ORDER + len(self.orders)}"
        order = Order(
            id=id,
            lines=checkout.lines,
            value=value,
            visitor=checkout.visitor,
            tracking=tracking,
            person={name: said.get(name, "") for name in PERSON},
            time_s=int(time.time()),
            lab=msgspec.structs.replace(checkout.visitor.lab),
        )
        checkout.order = self.orders[id] = order
        for sku, count in checkout.lines.items():
            left = checkout.visitor.cart.get(sku, 0) - count
            if left > 0:
                checkout.visitor.cart[sku] = left
            else:
                checkout.visitor.cart.pop(sku, None)
        return order, True


def _keep(kept: OrderedDict[str, T], key: str, value: T) -> None:
    """Keep the newest: a crawler must not fill the memory."""
    kept[key] = value
    if len(kept) > MAX_VISITORS:
        kept.popitem(last=False)
