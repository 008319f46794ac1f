"""The shop's site without a browser: its hosts, its carts, what it asks and what its backend reports."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from html import unescape
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from truecount.simulate import sdk
from truecount.simulate.books import Beside, Books
from truecount.simulate.brewbeans import Deed
from truecount.simulate.hits import TryAgain
from truecount.simulate.people import new_person
from truecount.simulate.site import reports, till
from truecount.simulate.site.asks import ASKS
from truecount.simulate.site.checkout import OPEN
from truecount.simulate.site.reports import Outbox, Told
from truecount.simulate.site.serving import listening, serving_site
from truecount.simulate.site.shelf import PRODUCTS
from truecount.simulate.site.till import Till
from truecount.simulate.site.view import HERE, Site
from truecount.simulate.table import differences
from truecount.vocabulary import STANDARD_EVENTS

SKU = PRODUCTS[0].variants[0].sku
PERSON = {"email": "Asha@Example.com", "phone": "+91 98450 12345", "first": "Asha", "last": "Rao", "city": "Kochi"}


class Sent:
    """What the backend sent, in place of the SDK's requests."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.fails = 0
        self._changed = threading.Condition()

    def post(self, dataset: str, event: Any, consent: str = "") -> None:
        with self._changed:
            if self.fails:
                self.fails -= 1
                raise TryAgain
            self.events.append({**event.normalize(), "consent": consent, "dataset": dataset})
            self._changed.notify_all()

    def wait(self, n: int) -> list[dict[str, Any]]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.events) >= n, 30), self.events
        return self.events


class Client:
    """A browser without scripts: it keeps cookies by host, and follows a redirect where it is told to."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.jar: dict[str, dict[str, str]] = {}

    def ask(self, url: str, form: dict[str, str] | None = None, *, follow: bool = True, **headers: str) -> Page:
        parts = urlsplit(url)
        cookies = self.jar.setdefault(parts.netloc, {})
        head = {"Host": parts.netloc, "User-Agent": "Mozilla/5.0 (X11) Chrome/131.0.0.0"}
        opens = form is not None and parts.path == OPEN
        if form is not None:
            head["Origin"] = self.site.shop if opens else f"{parts.scheme}://{parts.netloc}"
        head |= headers
        if cookies and not opens:  # a form from another host brings no cookie that is SameSite
            head["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        body = None
        if form is not None:
            body = urlencode(form)
            head["Content-Type"] = "application/x-www-form-urlencoded"
        connection = HTTPConnection("127.0.0.1", urlsplit(self.site.shop).port or 0, timeout=30)
        connection.request(
            "GET" if form is None else "POST", parts.path + (f"?{parts.query}" if parts.query else ""), body, head
        )
        answer = connection.getresponse()
        page = Page(url, answer)
        connection.close()
        for said in answer.headers.get_all("set-cookie") or ():
            name, _, value = said.partition(";")[0].partition("=")
            cookies[name] = value
        if follow and page.status in (303, 307):
            where = page.headers["location"]
            return self.ask(where if "://" in where else f"{parts.scheme}://{parts.netloc}{where}")
        return page

    def get(self, path: str, **more: Any) -> Page:
        return self.ask(self.site.shop + path, **more)

    def post(self, path: str, **form: str) -> Page:
        return self.ask(self.site.shop + path, form)

    def open(self, cart: Page | None = None, query: str = "", **more: Any) -> Page:
        """Press the button of the cart's page."""
        text = (cart or self.get("/cart")).text
        action = re.search(r'action="([^"]+/open)"', text)
        assert action
        form = {"event_id": "initiatecheckout-1", "handle": hidden("handle", text)}
        return self.ask(unescape(action[1]) + query, form, **more)

    def to_checkout(self) -> Page:
        self.post("/cart", sku=SKU, event_id="addtocart-1")
        return self.open()

    def pay(self, page: Page, **more: str) -> Page:
        """Fill in the page of the checkout and press its button."""
        return self.ask(f"{self.site.pay}/checkout", {"checkout": hidden("checkout", page.text), **PERSON, **more})


def hidden(name: str, text: str) -> str:
    found = re.search(f'<input type="hidden" name="{name}" value="([^"]+)"', text)
    assert found, text
    return unescape(found[1])


class Page:
    def __init__(self, url: str, answer: HTTPResponse) -> None:
        self.url, self.status = url, answer.status
        self.headers = {name.lower(): value for name, value in answer.getheaders()}
        self.text = answer.read().decode()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    made = Sent()
    monkeypatch.setattr(sdk, "post", made.post)
    return made


@pytest.fixture(scope="module")
def serving() -> Iterator[Site]:
    with serving_site(listening(0), "123456789", "http://127.0.0.1:1", "truecount explain {order}") as made:
        yield made


@pytest.fixture
def site(serving: Site, sent: Sent) -> Iterator[Site]:
    """The shop as it opens: no orders, nobody known."""
    serving.till, serving.outbox, serving.pages = Till(), Outbox(serving.dataset), 0
    yield serving
    serving.outbox.close()


@pytest.fixture
def client(site: Site) -> Client:
    return Client(site)


def test_every_page_that_a_link_leads_to_is_there(client: Client) -> None:
    seen, due = set(), ["/"]
    while due:
        path = due.pop()
        if path in seen:
            continue
        seen.add(path)
        page = client.get(path)
        assert page.status == 200, path
        due += [unescape(one) for one in re.findall(r'href="(/(?!static)[^"]*)"', page.text)]
    assert {"/", "/beans", "/plans", "/cafes", "/contact", "/lab", "/cart"} <= seen
    assert {f"/beans/{product.slug}" for product in PRODUCTS} <= seen
    assert {f"/ask/{ask.slug}" for ask in ASKS} <= seen


def test_every_standard_event_has_a_place_in_the_shop() -> None:
    pages = "".join(path.read_text() for path in (HERE / "pages").iterdir())
    named = {ask.event for ask in ASKS} | set(re.findall(r"""['"]([A-Z][A-Za-z]+)['"]""", pages))
    assert set(STANDARD_EVENTS) <= named


def test_who_only_looks_around_gets_no_cookie(client: Client) -> None:
    for path in ("/", "/beans", "/search?q=plum", "/cart", "/lab"):
        client.get(path)
    assert not any(client.jar.values())


@pytest.mark.parametrize(
    ("said", "wanted", "unwanted"),
    [
        ("", 'data-consent="required"', "data-limited"),
        ("denied", "data-limited", None),
        ("granted", None, "data-consent"),
    ],
)
def test_the_pixel_hears_what_the_visitor_said(
    client: Client, said: str, wanted: str | None, unwanted: str | None
) -> None:
    if said:
        client.post("/consent", consent=said)
    text = client.get("/").text
    assert "fbq('init', \"123456789\")" in text
    assert wanted is None or wanted in text
    assert unwanted is None or unwanted not in text


def test_an_answer_to_the_banner_leads_back_to_the_page_that_it_was_on(client: Client, site: Site) -> None:
    for referer, back in [
        (f"{site.shop}/plans?x=1", "/plans?x=1"),
        ("http://evil.example/x", "/"),
        ("http://[", "/"),
        (f"{site.shop}//evil.example", "/evil.example"),
        ("", "/"),
    ]:
        answer = client.ask(f"{site.shop}/consent", {"consent": "granted"}, follow=False, Referer=referer)
        assert answer.status == 303
        assert answer.headers["location"] == back


def test_the_checkout_is_on_a_host_of_its_own_and_each_page_on_its_own(client: Client, site: Site) -> None:
    page = client.to_checkout()
    assert urlsplit(page.url).netloc == urlsplit(site.pay).netloc
    for wrong, right in [
        (f"{site.pay}/beans?roast=dark", f"{site.shop}/beans?roast=dark"),
        (f"{site.shop}/checkout/x", f"{site.pay}/checkout/x"),
        (f"{site.shop}/checkout", f"{site.pay}/checkout"),
        (f"{site.pay}/checkouts", f"{site.shop}/checkouts"),
        (f"{site.pay}/consents", f"{site.shop}/consents"),
        (f"http://127.0.0.1:{urlsplit(site.shop).port}/", f"{site.shop}/"),
        ("http://evil.example/", f"{site.shop}/"),
    ]:
        answer = client.ask(wrong, follow=False)
        assert (answer.status, answer.headers["location"]) == (307, right)


def test_what_is_handed_over_in_the_query_goes_on_to_the_checkouts_page(client: Client, site: Site) -> None:
    client.post("/cart", sku=SKU)
    answer = client.open(query="?_tc=1~fb.1.2.3~", follow=False)
    assert answer.headers["location"] == "/checkout?_tc=1~fb.1.2.3~"


def test_an_order_is_reported_once_with_its_id_its_money_and_its_person_however_often_it_is_sent(
    client: Client, site: Site, sent: Sent
) -> None:
    client.post("/consent", consent="granted")
    client.jar[urlsplit(site.shop).netloc]["_fbp"] = "fb.1.1791212460000.123456789"
    page = client.to_checkout()
    pages = [client.pay(page) for _ in range(3)]
    assert {urlsplit(page.url).path for page in pages} == {"/thank-you/web-1001"}
    assert client.ask(page.url).url == pages[0].url
    added, begun, bought = sent.wait(3)
    assert [one["event_name"] for one in (added, begun, bought)] == ["AddToCart", "InitiateCheckout", "Purchase"]
    assert (added["event_id"], begun["event_id"]) == ("addtocart-1", "initiatecheckout-1")
    assert (bought["event_id"], bought["custom_data"]["order_id"]) == ("web-1001", "web-1001")
    assert (bought["custom_data"]["value"], bought["custom_data"]["currency"]) == (899.0, "inr")
    assert bought["consent"] == "granted"
    user = bought["user_data"]
    assert user["fbp"] == "fb.1.1791212460000.123456789", "the shop's own host knew it, the payment's did not"
    assert len(user["em"][0]) == 64
    assert 'eventID: "web-1001"' in pages[0].text
    assert client.get("/cart").text.count("It is empty") == 1
    assert site.beside() == Beside(site.pages, 1, 89900, 0)


def test_an_order_is_shown_to_who_placed_it_alone(client: Client, site: Site) -> None:
    page = client.to_checkout()
    shown = client.pay(page)
    assert (shown.status, "Asha" in shown.text) == (200, True)
    stranger = Client(site).ask(shown.url)
    assert (stranger.status, "Asha" in stranger.text) == (404, False)


@pytest.mark.parametrize("consent", ["", "denied"])
def test_what_the_shop_knows_of_a_person_is_told_to_the_pixel_after_consent_alone(
    client: Client, site: Site, consent: str
) -> None:
    if consent:
        client.post("/consent", consent=consent)
    shown = client.pay(client.to_checkout())
    assert "asha@example.com" not in shown.text.lower()
    client.ask(f"{site.pay}/consent", {"consent": "granted"})
    assert "asha@example.com" in client.ask(shown.url).text.lower()


def test_the_lab_blocks_the_pixel_by_what_the_browser_may_load(client: Client, site: Site) -> None:
    assert "content-security-policy" not in client.get("/").headers
    client.post("/lab", blocked="yes", server="now", ids="shared")
    shop, pay = client.get("/"), client.to_checkout()
    for page in (shop, pay):
        assert "127.0.0.1" not in page.headers["content-security-policy"]
    client.post("/lab", blocked="no", server="now", ids="shared")
    assert "content-security-policy" not in client.get("/").headers


@pytest.mark.parametrize(
    ("server", "ids", "copies", "id"),
    [
        ("twice", "shared", 2, "a-1"),
        ("now", "server forgets", 1, None),
        ("now", "page forgets", 1, "a-1"),
        ("never", "shared", 0, ""),
    ],
)
def test_the_lab_makes_the_backend_forget_repeat_and_stay_silent(
    client: Client, site: Site, sent: Sent, server: str, ids: str, copies: int, id: str | None
) -> None:
    client.post("/lab", blocked="no", server=server, ids=ids)
    client.post("/cart", sku=SKU, event_id="a-1")
    site.outbox.close()
    assert [one.get("event_id") for one in sent.events] == [id] * copies
    client.pay(client.to_checkout())
    assert site.beside().unsure == (server == "never" or ids != "shared")


@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: ask.slug)
def test_each_form_tells_its_event_and_says_thanks(client: Client, site: Site, sent: Sent, ask: Any) -> None:
    said = {field.name: PERSON.get(field.name, "11:00") for field in ask.fields}
    page = client.post(f"/ask/{ask.slug}", event_id=f"{ask.slug}-1", **said)
    assert ask.thanks in unescape(page.text)
    (event,) = sent.wait(1)
    assert (event["event_name"], event["event_id"]) == (ask.event, f"{ask.slug}-1")


def test_a_report_that_meets_a_full_door_is_sent_again_and_loses_nothing(
    client: Client, site: Site, sent: Sent
) -> None:
    sent.fails = 2
    client.post("/cart", sku=SKU, event_id="a-1")
    assert [one["event_id"] for one in sent.wait(1)] == ["a-1"]
    assert site.outbox.troubles == []


def test_a_report_that_is_refused_is_told_without_what_it_said(
    client: Client, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise ValueError("asha@example.com is not liked")

    monkeypatch.setattr(sdk, "post", refuse)
    client.post("/cart", sku=SKU)
    site.outbox.close()
    assert site.outbox.troubles == ["the site's AddToCart was not taken: ValueError"]


HOSTILE = """"><script>alert(1)</script>{{7*7}}'"""


def test_what_visitors_type_stays_text(client: Client) -> None:
    page = client.get("/search?" + urlencode({"q": HOSTILE}))
    assert "<script>alert" not in page.text
    assert "{{7*7}}" in unescape(page.text)
    shown = client.pay(client.to_checkout(), first=HOSTILE)
    assert "<script>alert" not in shown.text


@pytest.mark.parametrize(
    ("path", "form", "status"),
    [
        ("/nothing", None, 404),
        ("/beans/none", None, 404),
        ("/ask/none", None, 404),
        ("/ask/none", {}, 404),
        ("/static/..%2fapp.py", None, 404),
        ("/cart", {"sku": "none"}, 400),
        ("/cart", {"sku": SKU, "count": "-1"}, 400),
        ("/cart", {"sku": SKU, "count": "1e9"}, 400),
        ("/cart", {"sku": SKU, "count": "0"}, 400),
        ("/cart", {"sku": SKU, "event_id": "x" * 100_000}, 413),
        ("/wishes", {}, 400),
        ("/lab", {"server": "gone"}, 400),
        ("/beans/%00", None, 404),
        ("/cafes?city=%F0", None, 200),
        ("/consent", {"consent": "perhaps"}, 200),
    ],
)
def test_odd_requests_get_a_page_that_says_what_is_wrong(
    client: Client, path: str, form: dict[str, str] | None, status: int
) -> None:
    page = client.ask(client.site.shop + path, form)
    assert page.status == status
    assert "BrewBeans" in page.text


def test_a_cart_can_be_changed_and_holds_no_more_than_a_person_drinks(client: Client) -> None:
    for _ in range(3):
        client.post("/cart", sku=SKU, count="9")
    assert 'value="20"' in client.get("/cart").text
    client.post("/cart", sku=SKU, count="2", set="1")
    assert "₹1,798.00" in client.get("/cart").text
    assert "It is empty" in client.post("/cart", sku=SKU, count="0", set="1").text


def books() -> Books:
    from random import Random

    made = Books()
    person = new_person(Random(1), 1, 0)
    made.add(Deed(at_ms=0, name="Purchase", person=person, url="", order="order-1", value=100, browser=1, server=1))
    return made


def row(actions: int, value: str, **more: int) -> dict[str, Any]:
    return {"event_name": "Purchase", "copies": 9, "actions": actions, "both": 1, "value": {"INR": value}, **more}


@pytest.mark.parametrize(
    ("beside", "found", "agrees"),
    [
        (Beside(pages=4, orders=1, value=50), row(2, "1.50"), True),
        (Beside(pages=4, orders=1, value=50), row(1, "1.00"), False),
        (Beside(pages=4, orders=1, value=50), row(3, "1.50"), False),
        (Beside(pages=4, orders=1, value=50), row(2, "1.49"), False),
        (Beside(pages=4, orders=1, value=50), row(2, "1.50", refused=1), False),
        (Beside(pages=4, orders=1, value=50), row(2, "1.50", left_out=1), False),
        (Beside(pages=4, orders=2, value=90, unsure=1), row(2, "1.50"), True),
        (Beside(pages=4, orders=2, value=90, unsure=1), row(4, "9.50"), True),
        (Beside(pages=4, orders=2, value=90, unsure=1), row(1, "1.00"), False),
        (Beside(pages=4), row(1, "1.00"), True),
        (Beside(), row(1, "1.00"), False),
    ],
)
def test_orders_of_people_are_in_the_books_and_their_visits_can_only_add(
    beside: Beside, found: dict[str, Any], agrees: bool
) -> None:
    assert (differences([found], books(), beside) == []) is agrees


def test_an_event_of_the_backend_is_the_officials_sdks_and_says_what_was_kept_with_the_order(
    client: Client, sent: Sent
) -> None:
    client.pay(client.to_checkout())
    bought = sent.wait(3)[-1]
    assert bought["user_data"]["client_user_agent"].startswith("Mozilla/5.0")
    assert bought["user_data"]["client_ip_address"] == "127.0.0.1"
    assert "Asha@Example.com" not in json.dumps(bought)


# What people type


KEY_OF = {"email": "em", "phone": "ph", "first": "fn", "last": "ln", "city": "ct", "postcode": "zp"}
JUNK = {
    "email": ["none", "a@b", "@", "a b", "\U0001f600"],
    "phone": ["none", "123", "0", "+", "call me", "+91 98450 12345 ext. 7", "\U0001f600"],
    "first": [],
    "last": [],
    "city": ["560001", "...", "()"],
    "postcode": ["-", "-12"],
}
"""What the SDK cannot read, or would make the hash of nothing of."""


@pytest.mark.parametrize(("name", "typed"), [(name, one) for name in JUNK for one in ["", "   ", *JUNK[name]]])
def test_what_cannot_be_read_is_left_out_and_the_sale_is_reported_with_the_rest(
    client: Client, site: Site, sent: Sent, name: str, typed: str
) -> None:
    client.post("/consent", consent="granted")
    person = {**PERSON, "postcode": "682001", name: typed}
    shown = client.pay(client.to_checkout(), **person)
    assert shown.status == 200
    bought = sent.wait(3)[-1]
    assert bought["event_id"] == "web-1001"
    assert set(KEY_OF.values()) & set(bought["user_data"]) == set(KEY_OF.values()) - {KEY_OF[name]}
    assert ("country" in bought["user_data"]) == (name != "postcode")
    assert site.outbox.troubles == []


@pytest.mark.parametrize(
    "typed", ["\U0001f600", "x" * 200, "\u0928\u092e\u0938\u094d\u0924\u0947", "O'Brien-Smith", "a\0b"]
)
def test_odd_names_are_names_all_the_same(client: Client, site: Site, sent: Sent, typed: str) -> None:
    client.post("/consent", consent="granted")
    client.pay(client.to_checkout(), first=typed, last=typed, city=typed, postcode=typed)
    bought = sent.wait(3)[-1]
    assert set(KEY_OF.values()) <= set(bought["user_data"])
    assert all(len(one) == 64 for key in KEY_OF.values() for one in bought["user_data"][key])
    assert site.outbox.troubles == []


# Consent


def test_who_has_not_answered_the_banner_is_reported_without_a_name(client: Client, sent: Sent) -> None:
    page = client.to_checkout()
    client.pay(page)
    assert [one["consent"] for one in sent.wait(3)] == ["denied"] * 3


def test_what_is_denied_leaves_the_shop_without_person_query_and_referrer(monkeypatch: pytest.MonkeyPatch) -> None:
    from facebook_business.adobjects.adspixel import AdsPixel
    from facebook_business.adobjects.serverside.event import Event
    from facebook_business.adobjects.serverside.user_data import UserData

    said: list[dict[str, Any]] = []

    def create(self: Any, fields: Any, params: dict[str, list[str]]) -> None:
        said.extend(json.loads(one) for one in params["data"])

    monkeypatch.setattr(AdsPixel, "create_event", create)
    event = Event(
        event_name="Purchase",
        event_time=1,
        event_source_url="https://shop.example/pay#jane?fbclid=x",
        referrer_url="https://m.example/?jane",
        user_data=UserData(email="jane@shop.example"),
    )
    sdk.post("1", event, "denied")
    assert said == [
        {
            "event_name": "Purchase",
            "event_time": 1,
            "event_source_url": "https://shop.example/pay",
            "user_data": {},
            "consent": "denied",
        }
    ]


def test_a_page_of_who_declined_deletes_the_cookies_and_the_shop_forgets_them(client: Client, site: Site) -> None:
    fbp = "fb.1.1791212460000.123456789"
    client.jar[urlsplit(site.shop).netloc] = {"_fbp": fbp}
    client.post("/consent", consent="granted")
    page = client.to_checkout()
    assert REVOKES not in client.get("/").text + page.text
    (visitor,) = site.till._visitors.values()
    assert visitor.seen.fbp == fbp
    client.ask(f"{site.pay}/consent", {"consent": "denied"}, follow=False)
    assert visitor.seen.fbp == ""
    assert urlsplit(visitor.seen.event_source_url).netloc == urlsplit(site.shop).netloc
    for shown in (client.get("/"), client.ask(page.url)):
        assert shown.text.index(REVOKES) < shown.text.index("fbq('init'")
    assert visitor.seen.fbp == ""
    client.pay(page)
    assert fbp not in site.till.orders["web-1001"].tracking


REVOKES = "fbq('consent', 'revoke', true);"


# Who may see and pay what


def test_an_address_of_the_checkout_that_is_passed_on_shows_nobodys_data(client: Client, site: Site) -> None:
    client.post("/consent", consent="granted")
    page = client.to_checkout()
    assert page.url == f"{site.pay}/checkout", "no address tells whose it is"
    shown = client.pay(page)
    for url in (page.url, f"{page.url}/open", f"{page.url}/{hidden('checkout', page.text)}", shown.url):
        stranger = Client(site)
        answer = stranger.ask(url)
        assert answer.status in (200, 404, 405)
        assert not any(stranger.jar.values()), "nobody's cookie"
        assert "asha" not in answer.text.lower()
    assert Client(site).ask(page.url).url == f"{site.shop}/cart"
    stranger = Client(site)
    assert stranger.pay(page).url == f"{site.shop}/cart", "nor does a form that is passed on"
    assert not any(stranger.jar.values())


def test_the_carts_handle_opens_the_checkout_once(client: Client, site: Site, sent: Sent) -> None:
    client.post("/cart", sku=SKU)
    cart = client.get("/cart")
    assert hidden("handle", client.get("/cart").text) == hidden("handle", cart.text), "in each tab the same"
    assert client.open(cart).status == 200
    stranger = Client(site)
    assert stranger.open(cart).url == f"{site.shop}/cart"
    assert not any(stranger.jar.values())
    again = client.open(cart)
    assert (again.url, again.status) == (f"{site.pay}/checkout", 200), "who presses twice has the cookie"
    assert hidden("handle", client.get("/cart").text) != hidden("handle", cart.text)
    site.outbox.close()
    assert [one["event_name"] for one in sent.events] == ["AddToCart", "InitiateCheckout"]


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "pay"])
def test_the_checkout_is_opened_from_the_shops_cart_alone(client: Client, site: Site, origin: str) -> None:
    client.post("/cart", sku=SKU)
    cart = client.get("/cart")
    answer = client.open(cart, follow=False, Origin=site.pay if origin == "pay" else origin)
    assert answer.status == 403
    assert "set-cookie" not in answer.headers
    assert client.open(cart).status == 200, "its handle is still good"


@pytest.mark.parametrize("path", ["/cart", "/wishes", "/consent", "/lab", "/ask/newsletter", "/checkout"])
@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
def test_a_form_of_another_site_acts_for_nobody(client: Client, site: Site, sent: Sent, path: str, origin: str) -> None:
    host = site.pay if path == "/checkout" else site.shop
    form = {"sku": SKU, "consent": "granted", "server": "now", "ids": "shared", "email": "a@b.example"}
    answer = Client(site).ask(host + path, form, follow=False, Origin=origin)
    assert answer.status == 403
    assert "set-cookie" not in answer.headers, "which would take the place of the visitor's own"
    site.outbox.close()
    assert sent.events == []


# One cart, one order


def test_two_tabs_on_one_cart_make_one_order(client: Client, site: Site, sent: Sent) -> None:
    one = client.to_checkout()
    other = client.open()
    first, second = client.pay(one), client.pay(other)
    assert first.url == second.url == f"{site.pay}/thank-you/web-1001"
    assert client.ask(one.url).url == first.url
    assert client.get("/cart").text.count("It is empty") == 1
    site.outbox.close()
    assert [one["event_name"] for one in sent.events].count("Purchase") == 1
    assert site.till.sums.orders == 1


def test_a_cart_that_is_filled_anew_is_another_order(client: Client, site: Site) -> None:
    one = client.to_checkout()
    first = client.pay(one)
    client.post("/cart", sku=SKU)
    assert client.ask(one.url).url == f"{site.shop}/cart", "it is not the paid one"
    assert client.pay(one).url == first.url, "what that tab shows was paid"
    assert "It is empty" not in client.get("/cart").text
    assert client.pay(client.open()).url == f"{site.pay}/thank-you/web-1002"
    assert site.till.sums.orders == 2


def test_a_tab_pays_what_it_shows_or_asks_again(client: Client, site: Site) -> None:
    one = client.to_checkout()
    other_sku = PRODUCTS[1].variants[0].sku
    client.post("/cart", sku=other_sku)
    other = client.open()
    asked = client.pay(one)
    assert "Your cart has changed since" in asked.text
    assert 'value="Asha@Example.com"' in asked.text, "and what was typed is not lost"
    assert site.till.sums.orders == 0
    assert hidden("checkout", asked.text) == hidden("checkout", other.text)
    shown = client.pay(asked)
    assert shown.url == client.pay(one).url == client.pay(other).url
    assert site.till.orders["web-1001"].lines == {SKU: 1, other_sku: 1}
    assert site.till.sums.orders == 1


def test_what_was_added_behind_an_open_checkout_stays_in_the_cart(client: Client, site: Site) -> None:
    one = client.to_checkout()
    client.post("/cart", sku=SKU, count="2")
    client.pay(one)
    assert site.till.orders["web-1001"].lines == {SKU: 1}
    assert 'value="2"' in client.get("/cart").text


# Bounds


def test_orders_are_forgotten_and_stay_in_the_books(
    client: Client, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(till, "MAX_KEPT", 2)
    client.post("/lab", blocked="no", server="never", ids="shared")
    pages = [client.pay(client.to_checkout()) for _ in range(4)]
    assert [page.url.rpartition("-")[2] for page in pages] == ["1001", "1002", "1003", "1004"]
    assert list(site.till.orders) == ["web-1003", "web-1004"]
    assert site.beside() == Beside(site.pages, 4, 4 * 89900, 4)
    assert client.ask(pages[0].url).status == 404
    assert len(site.till._checkouts) <= 2
    assert len(site.till._handles) <= 2


def test_reports_that_nobody_takes_are_counted_and_do_not_fill_the_memory(
    sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "MAX_WAITING", 5)
    monkeypatch.setattr(reports, "MAX_TROUBLES", 3)
    monkeypatch.setattr(reports, "CLOSING_S", 0.2)
    sent.fails = 1_000_000
    outbox = Outbox("1")
    told = Told(name="Lead", event_id="", time_s=1, tracking="{}", visitor=till.Visitor(""), person={}, about={})
    for _ in range(20):
        outbox.put(told, 60)
    assert (len(outbox._waiting), outbox.n_troubles) == (5, 15)
    assert outbox.troubles == ["the site's Lead was not taken: too many wait already"] * 3
    began = time.monotonic()
    outbox.close()
    assert time.monotonic() - began < 5, "a server that is gone does not keep the shop open"
    assert (len(outbox._waiting), outbox.n_troubles, len(outbox.troubles)) == (0, 20, 3)


def test_what_is_reported_of_a_full_cart_is_what_went_into_it(client: Client, site: Site, sent: Sent) -> None:
    for count in ("15", "15", "15"):
        client.post("/cart", sku=SKU, count=count)
    site.outbox.close()
    assert [one["custom_data"]["num_items"] for one in sent.events] == [15, 5]


def test_no_cookie_header_costs_the_shop_more_than_its_length(client: Client) -> None:
    before = time.process_time()
    assert client.get("/", Cookie='a="' + "\\" * 60_000 + '"').status == 200
    assert time.process_time() - before < 1


# HTTP


def test_a_head_is_answered_as_a_get_without_its_body(site: Site) -> None:
    host = urlsplit(site.shop)
    for path, status in (("/", 200), ("/beans", 200), ("/static/shop.css", 200), ("/nothing", 404), ("/checkout", 307)):
        connection = HTTPConnection("127.0.0.1", host.port or 0, timeout=30)
        heads = []
        for method in ("HEAD", "GET"):
            connection.request(method, path, headers={"Host": host.netloc})
            answer = connection.getresponse()
            body = answer.read()
            assert (answer.status, method == "HEAD" and body) in ((status, b""), (status, False))
            heads.append({name: value for name, value in answer.getheaders() if name != "date"})
        connection.close()
        assert heads[0] == heads[1]


def test_a_page_says_once_how_it_is_written(client: Client) -> None:
    assert client.get("/").headers["content-type"] == "text/html; charset=utf-8"
    assert client.get("/nothing").headers["content-type"] == "text/html; charset=utf-8"


def test_a_shop_on_the_port_of_the_web_is_named_as_browsers_name_it(
    sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Bound:
        def getsockname(self) -> tuple[str, int]:
            return ("127.0.0.1", 80)

        def close(self) -> None: ...

    monkeypatch.setattr("uvicorn.Server.run", lambda self, sockets: None)
    with serving_site(Bound(), "1", "http://127.0.0.1:1", "") as made:  # type: ignore[arg-type]
        assert (made.shop, made.pay) == ("http://brewbeans.localhost", "http://beanpay.localhost")
