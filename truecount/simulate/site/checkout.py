"""Buying: the cart in the shop, and the checkout on the host of the payment service."""

from __future__ import annotations

from typing import Any, Final

from litestar import get, post
from litestar.exceptions import HTTPException, NotFoundException

from truecount.context import current
from truecount.simulate.site import shelf
from truecount.simulate.site.till import PERSON, Checkout, Order
from truecount.simulate.site.view import Answer, Asked, Site, View, form_of, report, seen

OPEN: Final = "/checkout/open"


@get("/cart")
async def cart(request: Asked) -> Answer:
    view = View(request)
    lines = view.visitor.cart
    handle = view.site.till.handle(view.visitor) if lines else ""
    return view.page("cart.html", lines=_lines(lines), about=shelf.about(lines), opens=OPEN, handle=handle)


@post("/cart")
async def put_into_cart(request: Asked) -> Answer:
    said = await form_of(request)
    view = View(request)
    sku, count = said.get("sku", ""), _whole(said.get("count", "1"))
    if sku not in shelf.BY_SKU or count is None or not (count or said.get("set")):
        raise HTTPException(status_code=400, detail="There is no such bag on our shelf.")
    lines = view.known().cart
    before = lines.get(sku, 0)
    wanted = min(count if said.get("set") else before + count, shelf.MAX_OF_ONE)
    if wanted > 0:
        lines[sku] = wanted
    else:
        lines.pop(sku, None)
    if not said.get("set") and wanted > before:
        view.tell("AddToCart", said.get("event_id", ""), current(), {}, shelf.about({sku: wanted - before}))
    return view.go("/cart")


@post(OPEN)
async def open_checkout(request: Asked) -> Answer:
    """The cart's button leads here, on the other host, where nobody is known yet: the form's handle says who comes.
    It works once, so no copy of it makes anybody else that visitor; who sends it again has the first time's cookie. The
    query goes on: it may carry what the shop hands over.
    """
    said = await form_of(request)
    site: Site = request.app.state.site
    visitor = site.till.opened(said.get("handle", ""))
    view = View(request, visitor)
    if visitor is not None and (checkout := site.till.begin(visitor)) is not None:
        # As the shop's own host saw the visitor: this host's cookies are not there yet.
        view.tell("InitiateCheckout", said.get("event_id", ""), visitor.seen, {}, shelf.about(checkout.lines))
    query = request.scope["query_string"].decode("latin-1")
    return view.go("/checkout" + (f"?{query}" if query else ""))


@get("/checkout")
async def show_checkout(request: Asked) -> Answer:
    """No address says whose checkout it is, the cookie does: a link that is passed on shows nobody's."""
    view = View(request)
    if view.visitor.checkout is None:
        return _instead_of_checkout(view)
    return _checkout(view, view.visitor.checkout, {})


@post("/checkout")
async def pay(request: Asked) -> Answer:
    """Pay what the page showed. Where that was paid before, in whatever tab, it is that order; where another cart was
    opened since, the person is asked again.
    """
    said = await form_of(request)
    view = View(request)
    visitor, till = view.visitor, view.site.till
    shown = till.checkout(said.get("checkout", ""), visitor)
    if shown is None or (shown.order is None and shown is not visitor.checkout):
        if visitor.checkout is None:
            return _instead_of_checkout(view)
        return _checkout(view, visitor.checkout, said, is_new=True)
    order, is_new = till.pay(shown, shelf.total(shown.lines), seen(visitor).dumps(), said)
    if is_new:
        _report_order(view.site, order)
    return view.go(f"/thank-you/{order.id}")


def _checkout(view: View, checkout: Checkout, said: dict[str, str], *, is_new: bool = False) -> Answer:
    """The page that asks for a person's data; `said` is what was typed already."""
    return view.page(
        "checkout.html",
        checkout=checkout,
        lines=_lines(checkout.lines),
        about=shelf.about(checkout.lines),
        said={name: said.get(name, "") for name in PERSON},
        is_new=is_new,
    )


def _instead_of_checkout(view: View) -> Answer:
    """Where nothing is to be paid: the order, where it was just paid, or the shop's cart."""
    order = view.visitor.order
    if order is not None and order.id in view.site.till.orders and not view.visitor.cart:
        return view.go(f"/thank-you/{order.id}")
    return view.go(f"{view.site.shop}/cart")


def _report_order(site: Site, order: Order) -> None:
    """The backend's Purchase. It may leave long after the visitor has: all it needs was kept with the order."""
    about = {**shelf.about(order.lines), "order_id": order.id}
    report(site, order.visitor, "Purchase", order.id, order.time_s, order.tracking, order.person, about)


@get("/thank-you/{id:str}")
async def thank_you(request: Asked) -> Answer:
    id = request.path_params["id"]
    view = View(request)
    order = view.site.till.orders.get(id)
    if order is None or order.visitor is not view.visitor:
        raise NotFoundException
    about = {**shelf.about(order.lines), "order_id": order.id}
    keys = {"em": "email", "ph": "phone", "fn": "first", "ln": "last", "ct": "city", "zp": "postcode"}
    user = {key: order.person[name] for key, name in keys.items() if order.person[name]}
    return view.page("thank-you.html", user=user, order=order, lines=_lines(order.lines), about=about)


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else None


def _lines(lines: dict[str, int]) -> list[dict[str, Any]]:
    """Lines of a cart for a page."""
    return [
        {"sku": sku, "product": shelf.BY_SKU[sku][0], "variant": shelf.BY_SKU[sku][1], "count": count}
        for sku, count in lines.items()
    ]


ROUTES: Final = (cart, put_into_cart, open_checkout, show_checkout, pay, thank_you)
