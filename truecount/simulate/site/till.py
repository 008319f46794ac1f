"""What the shop remembers, in memory alone: visitors with their carts and wishes, orders with their tracking."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from typing import Final, Literal, TypeVar

import msgspec

from truecount.context import Context

MAX_KEPT: Final = 10_000
"""Visitors, checkouts and orders that are remembered, of each: the newest. A crawler must not fill the memory."""
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
    handle: str = ""
    """Of the cart's page: opens the checkout once, see `Till.opened`."""
    checkout: Checkout | None = None
    """The one that is open."""
    order: Order | None = None
    """The last one."""


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
    """A cart on its way through the checkout, as it was when it was opened; paid at most once, however often the button
    is pressed. A visitor has one open: another cart's takes its place.
    """

    id: str
    visitor: Visitor
    lines: dict[str, int]
    order: Order | None = None


class Sums(msgspec.Struct, frozen=True):
    """All orders, the forgotten ones too."""

    orders: int = 0
    value: int = 0
    """Paise."""
    unsure: int = 0
    """Orders of the lab, that nobody may report, or that copies without an id may report twice."""


class Till:
    """Visitors, checkouts and orders. Used by one event loop; others may read `sums`."""

    def __init__(self) -> None:
        self.orders: OrderedDict[str, Order] = OrderedDict()
        """The newest."""
        self.sums = Sums()
        self._visitors: OrderedDict[str, Visitor] = OrderedDict()
        self._handles: OrderedDict[str, Visitor] = OrderedDict()
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

    def handle(self, visitor: Visitor) -> str:
        """What the cart's form takes to the payment service, which knows nobody yet: who the visitor is there."""
        if visitor.handle not in self._handles:
            visitor.handle = secrets.token_urlsafe(16)
            _keep(self._handles, visitor.handle, visitor)
        return visitor.handle

    def opened(self, handle: str) -> Visitor | None:
        """Whose handle it is. It is used up by this: who finds it later is nobody."""
        return self._handles.pop(handle, None)

    def begin(self, visitor: Visitor) -> Checkout | None:
        """The checkout of what is in the cart; None for an empty one. The cart stays until it is paid."""
        before = visitor.checkout
        if before is None or before.order is not None or before.lines != visitor.cart:
            visitor.checkout = None
            if visitor.cart:
                visitor.checkout = Checkout(secrets.token_urlsafe(16), visitor, dict(visitor.cart))
                _keep(self._checkouts, visitor.checkout.id, visitor.checkout)
        return visitor.checkout

    def checkout(self, id: str, visitor: Visitor) -> Checkout | None:
        """A visitor's own checkout, be it open, paid, or one that another has replaced."""
        found = self._checkouts.get(id)
        return found if found is not None and found.visitor is visitor else None

    def pay(self, checkout: Checkout, value: int, tracking: str, said: dict[str, str]) -> tuple[Order, bool]:
        """The order of a checkout, and whether it is new. `said` is the form."""
        if checkout.order is not None:
            return checkout.order, False
        visitor, lab = checkout.visitor, msgspec.structs.replace(checkout.visitor.lab)
        order = Order(
            id=f"web-{FIRST_ORDER + self.sums.orders}",
            lines=checkout.lines,
            value=value,
            visitor=visitor,
            tracking=tracking,
            person={name: said.get(name, "") for name in PERSON},
            time_s=int(time.time()),
            lab=lab,
        )
        unsure = lab.server == "never" or lab.ids != "shared"
        self.sums = Sums(self.sums.orders + 1, self.sums.value + value, self.sums.unsure + unsure)
        checkout.order = visitor.order = order
        visitor.checkout = None
        _keep(self.orders, order.id, order)
        for sku, count in checkout.lines.items():
            left = visitor.cart.get(sku, 0) - count
            if left > 0:
                visitor.cart[sku] = left
            else:
                visitor.cart.pop(sku, None)
        return order, True


def _keep(kept: OrderedDict[str, T], key: str, value: T) -> None:
    """Keep the newest."""
    kept[key] = value
    if len(kept) > MAX_KEPT:
        kept.popitem(last=False)
