"""The site's pages. One application is both hosts: the shop, and the payment service that its checkout leads to."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Litestar, Request, Response, get, post
from litestar.datastructures import State
from litestar.exceptions import HTTPException, NotFoundException

from truecount.context import AsgiContext, Context, current, read_cookies
from truecount.simulate.books import Beside
from truecount.simulate.site import shelf
from truecount.simulate.site.asks import ASKS, BY_SLUG, CAFES
from truecount.simulate.site.reports import LATE_S, Outbox, Told
from truecount.simulate.site.till import PERSON, Checkout, Lab, Order, Till, Visitor

HERE: Final = Path(__file__).parent
COOKIE: Final = "bb"
MAX_BODY: Final = 65_536
BLOCKED: Final = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self'; img-src 'self' data:; connect-src 'self'"
)
"""What a content blocker leaves of the pixel: the browser itself refuses to ask the collector for anything."""
OPEN: Final = "/checkout/open"
Asked = Request[Any, Any, Any]
Answer = Response[Any]


class Site(msgspec.Struct):
    """What all pages share."""

    dataset: str
    collector: str
    """URL of the server that the events go to, without a slash at the end."""
    shop: str
    pay: str
    """URLs of the two hosts."""
    ask: str
    """Command that explains an order, `{order}` in its place."""
    till: Till
    outbox: Outbox
    pages: int = 0
    """Pages shown."""

    def beside(self) -> Beside:
        """What the shop's books know of people who shopped here. From any thread."""
        sums = self.till.sums
        return Beside(self.pages, sums.orders, sums.value, sums.unsure)


class View:
    """One request, and who makes it."""

    def __init__(self, request: Asked, visitor: Visitor | None = None) -> None:
        self.site: Site = request.app.state.site
        # Not by request.cookies, whose unquoting takes the square of a hostile header's length.
        self._cookie = read_cookies(request.headers.get("cookie", ""), (COOKIE,)).get(COOKIE, "")
        self._found = visitor or self.site.till.visitor(self._cookie)
        self.on_pay_host = _host(request) == urlsplit(self.site.pay).hostname
        if self._found is not None and not self.on_pay_host:
            self._found.seen = seen(self._found)

    @property
    def visitor(self) -> Visitor:
        """Who asks; whoever only looks around is nobody yet, and gets no cookie."""
        return self._found or Visitor("")

    def known(self) -> Visitor:
        """Who asks, from now on remembered."""
        if self._found is None:
            self._found = self.site.till.new_visitor()
            self._found.seen = current()
        return self._found

    def page(self, name: str, status: int = 200, user: dict[str, str] | None = None, **more: Any) -> Answer:
        """A page of this name. `user` is what the shop knows of the person, told to the pixel where it is agreed to."""
        visitor = self.visitor
        self.site.pages += 1
        text = PAGES.get_template(name).render(
            site=self.site,
            visitor=visitor,
            on_pay_host=self.on_pay_host,
            n_in_cart=sum(visitor.cart.values()),
            user=user if user and visitor.consent == "granted" else None,
            partner=urlsplit(self.site.shop if self.on_pay_host else self.site.pay).hostname,
            **more,
        )
        return self._signed(Response(text, media_type="text/html", status_code=status))

    def go(self, address: str) -> Answer:
        return self._signed(Response(b"", status_code=303, headers={"Location": address}))

    def tell(self, name: str, event_id: str, context: Context, person: dict[str, str], about: dict[str, Any]) -> None:
        """Report by the backend what a visitor did, as the lab of that visitor wants it."""
        report(self.site, self.visitor, name, event_id, int(time.time()), context.dumps(), person, about)

    def _signed(self, answer: Answer) -> Answer:
        answer.headers["Cache-Control"] = "no-store"
        if self.visitor.lab.blocked:
            answer.headers["Content-Security-Policy"] = BLOCKED
        if self._found is not None and self._found.key != self._cookie:
            answer.set_cookie(COOKIE, self._found.key, httponly=True, samesite="lax", path="/")
        return answer


def report(
    site: Site,
    visitor: Visitor,
    name: str,
    event_id: str,
    time_s: int,
    tracking: str,
    person: dict[str, str],
    about: dict[str, Any],
) -> None:
    lab = visitor.lab
    if lab.server == "never":
        return
    told = Told(
        name=name,
        event_id="" if lab.ids == "server forgets" else event_id,
        time_s=time_s,
        tracking=tracking,
        visitor=visitor,
        person=person,
        about=about,
    )
    for _ in range(2 if lab.server == "twice" else 1):
        site.outbox.put(told, LATE_S if lab.server == "late" else 0)


PAGES: Final = Environment(
    loader=FileSystemLoader(HERE / "pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
PAGES.globals.update(rupees=shelf.rupees, shelf=shelf, asks=ASKS)


def seen(visitor: Visitor) -> Context:
    """The request's context, with the browser's ids of an earlier one where it has none. None of who declined."""
    now, before = current(), visitor.seen
    if visitor.consent == "denied":
        return replace(now, fbp="", fbc="")
    return replace(now, fbp=now.fbp or before.fbp, fbc=now.fbc or before.fbc)


def _host(request: Asked) -> str:
    return urlsplit("//" + request.headers.get("host", "")).hostname or ""


async def _refuse_others(request: Asked) -> None:
    """Forms of other sites act for nobody here: their requests bring no cookie, and what they make would take the
    place of the visitor's own. A browser names the page's origin. On the payment's host the shop's cart alone may say
    who comes.
    """
    if request.method != "POST":
        return
    site: Site = request.app.state.site
    origin = request.headers.get("origin")
    if request.scope["path"] == OPEN:
        is_ours = origin == site.shop
    else:
        is_ours = origin in (None, site.pay if _host(request) == urlsplit(site.pay).hostname else site.shop)
    if not is_ours:
        raise HTTPException(status_code=403, detail="That did not come from a page of ours.")


async def _form(request: Asked) -> dict[str, str]:
    """What a form said: short texts alone."""
    return {key: value.strip()[:200] for key, value in (await request.form()).items() if isinstance(value, str)}


# Looking around


@get("/")
async def home(request: Asked) -> Answer:
    return View(request).page("home.html", products=shelf.PRODUCTS[:3])


@get("/beans")
async def category(request: Asked) -> Answer:
    roast = request.query_params.get("roast", "")
    found = [one for one in shelf.PRODUCTS if roast in ("", one.roast)]
    return View(request).page("beans.html", products=found, roast=roast)


@get("/beans/{slug:str}")
async def product(request: Asked) -> Answer:
    slug = request.path_params["slug"]
    found = shelf.BY_SLUG.get(slug)
    if found is None:
        raise NotFoundException
    return View(request).page("product.html", product=found, wished="wished" in request.query_params)


@get("/search")
async def search(request: Asked) -> Answer:
    words = request.query_params.get("q", "").strip()[:100]
    return View(request).page("search.html", words=words, products=shelf.search(words))


@get("/plans")
async def plans(request: Asked) -> Answer:
    return View(request).page("plans.html")


@get("/cafes")
async def cafes(request: Asked) -> Answer:
    city = request.query_params.get("city", "")
    return View(request).page("cafes.html", cafes=CAFES, city=city if city in CAFES else "")


@get("/contact")
async def contact(request: Asked) -> Answer:
    return View(request).page("contact.html")


# Leaving something


@get("/ask/{slug:str}")
async def ask(request: Asked) -> Answer:
    slug = request.path_params["slug"]
    if slug not in BY_SLUG:
        raise NotFoundException
    return View(request).page("ask.html", ask=BY_SLUG[slug], done=False)


@post("/ask/{slug:str}")
async def asked(request: Asked) -> Answer:
    slug = request.path_params["slug"]
    found = BY_SLUG.get(slug)
    if found is None:
        raise NotFoundException
    said = await _form(request)
    view = View(request)
    person = {key: said.get(key, "") for key in ("email", "phone", "first", "last")}
    view.tell(found.event, said.get("event_id", ""), current(), person, found.about)
    return view.go(f"/ask/{slug}/thanks")


@get("/ask/{slug:str}/thanks")
async def thanks(request: Asked) -> Answer:
    slug = request.path_params["slug"]
    if slug not in BY_SLUG:
        raise NotFoundException
    return View(request).page("ask.html", ask=BY_SLUG[slug], done=True)


# Buying


@get("/cart")
async def cart(request: Asked) -> Answer:
    view = View(request)
    lines = view.visitor.cart
    handle = view.site.till.handle(view.visitor) if lines else ""
    return view.page("cart.html", lines=_lines(lines), about=shelf.about(lines), opens=OPEN, handle=handle)


@post("/cart")
async def put_into_cart(request: Asked) -> Answer:
    said = await _form(request)
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


@post("/wishes")
async def wish(request: Asked) -> Answer:
    said = await _form(request)
    view = View(request)
    sku = said.get("sku", "")
    if sku not in shelf.BY_SKU:
        raise HTTPException(status_code=400, detail="There is no such bag on our shelf.")
    view.tell("AddToWishlist", said.get("event_id", ""), current(), {}, shelf.about({sku: 1}))
    return view.go(f"/beans/{shelf.BY_SKU[sku][0].slug}?wished=1")


@post(OPEN)
async def open_checkout(request: Asked) -> Answer:
    """The cart's button leads here, on the other host, where nobody is known yet: the form's handle says who comes.
    It works once, so no copy of it makes anybody else that visitor; who sends it again has the first time's cookie. The
    query goes on: it may carry what the shop hands over.
    """
    said = await _form(request)
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
    said = await _form(request)
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


# What the visitor wants


@post("/consent")
async def consent(request: Asked) -> Answer:
    """The banner's answer, or another one later. The page's script tells the pixel by itself."""
    said = (await _form(request)).get("consent", "")
    view = View(request)
    if said in ("granted", "denied"):
        visitor = view.known()
        visitor.consent = said  # type: ignore[assignment]
        if said == "denied":
            visitor.seen = replace(visitor.seen, fbp="", fbc="")
    return view.go(_back(request))


@get("/lab")
async def show_lab(request: Asked) -> Answer:
    return View(request).page("lab.html", set="set" in request.query_params)


@post("/lab")
async def set_lab(request: Asked) -> Answer:
    said = await _form(request)
    view = View(request)
    try:
        lab = msgspec.convert({**said, "blocked": said.get("blocked") == "yes"}, Lab)
    except msgspec.ValidationError:
        raise HTTPException(status_code=400, detail="The lab knows no such setting.") from None
    view.known().lab = lab
    return view.go("/lab?set=1")


@get("/static/{name:str}")
async def static(request: Asked) -> Answer:
    name = request.path_params["name"]
    if name not in STATIC:
        raise NotFoundException
    text, kind = STATIC[name]
    return Response(text, media_type=kind, headers={"Cache-Control": "no-cache"})


STATIC: Final = {
    name: ((HERE / "static" / name).read_text(encoding="utf-8"), kind)
    for name, kind in (("shop.css", "text/css"), ("shop.js", "text/javascript"))
}


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else None


def _back(request: Asked) -> str:
    """The page of this site that a form was on."""
    try:
        came = urlsplit(request.headers.get("referer", ""))
    except ValueError:
        return "/"
    if came.netloc != request.headers.get("host"):
        return "/"
    return "/" + quote(came.path.lstrip("/"), safe="/%") + (f"?{came.query}" if came.query else "")


def _lines(lines: dict[str, int]) -> list[dict[str, Any]]:
    """Lines of a cart for a page."""
    return [
        {"sku": sku, "product": shelf.BY_SKU[sku][0], "variant": shelf.BY_SKU[sku][1], "count": count}
        for sku, count in lines.items()
    ]


def _sorry(request: Asked, error: Exception) -> Answer:
    status = error.status_code if isinstance(error, HTTPException) else 500
    words = {404: "We have no such page.", 500: "Something broke on our side."}
    said = words.get(status) or (error.detail if isinstance(error, HTTPException) else "")
    return View(request).page("sorry.html", status=status, said=said)


def application(site: Site) -> Any:
    """The ASGI application: `truecount.context` around the pages, and each path on the host that it belongs to."""
    pages = Litestar(
        [
            home,
            category,
            product,
            search,
            plans,
            cafes,
            contact,
            ask,
            asked,
            thanks,
            cart,
            put_into_cart,
            wish,
            open_checkout,
            show_checkout,
            pay,
            thank_you,
            consent,
            show_lab,
            set_lab,
            static,
        ],
        state=State({"site": site}),
        exception_handlers={Exception: _sorry, HTTPException: _sorry},
        openapi_config=None,
        logging_config=None,
        before_request=_refuse_others,
        request_max_body_size=MAX_BODY,
    )
    return AsgiContext(_Hosts(pages, site))


class _Hosts:
    """Sends who is on the wrong host to the right one: the checkout is the payment service's, all else the shop's.
    Answers HEAD as GET, without the body.
    """

    def __init__(self, app: Any, site: Site) -> None:
        self._app = app
        self._shop, self._pay = site.shop, site.pay

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            host = dict(scope["headers"]).get(b"host", b"").decode("latin-1").lower()
            path = scope["path"]
            if f"{path}/".startswith(("/checkout/", "/thank-you/")):
                right = self._pay
            elif f"{path}/".startswith(("/static/", "/consent/")):
                right = self._pay if host == urlsplit(self._pay).netloc else self._shop
            else:
                right = self._shop
            if host != urlsplit(right).netloc:
                query = scope["query_string"].decode("latin-1")
                where = right + quote(path, safe="/") + (f"?{query}" if query else "")
                head = [(b"location", where.encode("latin-1", "replace")), (b"content-length", b"0")]
                await send({"type": "http.response.start", "status": 307, "headers": head})
                await send({"type": "http.response.body", "body": b""})
                return
            if scope["method"] == "HEAD":
                scope, send = {**scope, "method": "GET"}, _bodiless(send)
        await self._app(scope, receive, send)


def _bodiless(send: Any) -> Any:
    async def sent(message: Any) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return sent
