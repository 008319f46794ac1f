"""One request of the site, and who makes it: its page, its cookie, and what the backend reports of it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Request, Response

from truecount.context import Context, current, read_cookies
from truecount.simulate.books import Beside
from truecount.simulate.site import shelf
from truecount.simulate.site.asks import ASKS
from truecount.simulate.site.reports import LATE_S, Outbox, Told
from truecount.simulate.site.till import Till, Visitor

HERE: Final = Path(__file__).parent
COOKIE: Final = "bb"
BLOCKED: Final = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self'; img-src 'self' data:; connect-src 'self'"
)
"""What a content blocker leaves of the pixel: the browser itself refuses to ask the collector for anything."""
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
        self.on_pay_host = host_of(request) == urlsplit(self.site.pay).hostname
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


def host_of(request: Asked) -> str:
    return urlsplit("//" + request.headers.get("host", "")).hostname or ""


async def form_of(request: Asked) -> dict[str, str]:
    """What a form said: short texts alone."""
    return {key: value.strip()[:200] for key, value in (await request.form()).items() if isinstance(value, str)}
