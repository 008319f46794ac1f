"""The site's pages. One application is both hosts: the shop, and the payment service that its checkout leads to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote, urlsplit

import msgspec
from litestar import Litestar, Response, get, post
from litestar.datastructures import State
from litestar.exceptions import HTTPException, NotFoundException

from truecount.context import AsgiContext, current
from truecount.simulate.site import checkout, shelf
from truecount.simulate.site.asks import BY_SLUG, CAFES
from truecount.simulate.site.till import Lab
from truecount.simulate.site.view import HERE, Answer, Asked, Site, View, form_of, host_of

MAX_BODY: Final = 65_536


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
    said = await form_of(request)
    view = View(request)
    person = {key: said.get(key, "") for key in ("email", "phone", "first", "last")}
    view.tell(found.event, said.get("event_id", ""), current(), person, found.about)
    return view.go(f"/ask/{slug}/thanks")


@post("/wishes")
async def wish(request: Asked) -> Answer:
    said = await form_of(request)
    view = View(request)
    sku = said.get("sku", "")
    if sku not in shelf.BY_SKU:
        raise HTTPException(status_code=400, detail="There is no such bag on our shelf.")
    view.tell("AddToWishlist", said.get("event_id", ""), current(), {}, shelf.about({sku: 1}))
    return view.go(f"/beans/{shelf.BY_SKU[sku][0].slug}?wished=1")


@get("/ask/{slug:str}/thanks")
async def thanks(request: Asked) -> Answer:
    slug = request.path_params["slug"]
    if slug not in BY_SLUG:
        raise NotFoundException
    return View(request).page("ask.html", ask=BY_SLUG[slug], done=True)


# What the visitor wants


@post("/consent")
async def consent(request: Asked) -> Answer:
    """The banner's answer, or another one later. The page's script tells the pixel by itself."""
    said = (await form_of(request)).get("consent", "")
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
    said = await form_of(request)
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


async def _refuse_others(request: Asked) -> None:
    """Forms of other sites act for nobody here: their requests bring no cookie, and what they make would take the
    place of the visitor's own. A browser names the page's origin. On the payment's host the shop's cart alone may say
    who comes.
    """
    if request.method != "POST":
        return
    site: Site = request.app.state.site
    origin = request.headers.get("origin")
    if request.scope["path"] == checkout.OPEN:
        is_ours = origin == site.shop
    else:
        is_ours = origin in (None, site.pay if host_of(request) == urlsplit(site.pay).hostname else site.shop)
    if not is_ours:
        raise HTTPException(status_code=403, detail="That did not come from a page of ours.")


def _back(request: Asked) -> str:
    """The page of this site that a form was on."""
    try:
        came = urlsplit(request.headers.get("referer", ""))
    except ValueError:
        return "/"
    if came.netloc != request.headers.get("host"):
        return "/"
    return "/" + quote(came.path.lstrip("/"), safe="/%") + (f"?{came.query}" if came.query else "")


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
            *checkout.ROUTES,
            wish,
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
