"""The shop's site without a browser: its hosts, its carts, what it asks and what its backend reports."""

from __future__ import annotations

import json
import re
import threading
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
from truecount.simulate.site import app as site_app
from truecount.simulate.site.app import Site
from truecount.simulate.site.asks import ASKS
from truecount.simulate.site.reports import Outbox, event_of
from truecount.simulate.site.serving import listening, serving_site
from truecount.simulate.site.shelf import PRODUCTS
from truecount.simulate.site.till import Till
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
        head = {"Host": parts.netloc, "User-Agent": "Mozilla/5.0 (X11) Chrome/131.0.0.0", **headers}
        if cookies:
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

    def to_checkout(self) -> Page:
        self.post("/cart", sku=SKU, event_id="addtocart-1")
        action = re.search(r'action="([^"]+/open)"', self.get("/cart").text)
        assert action
        return self.ask(unescape(action[1]), {"event_id": "initiatecheckout-1"})


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
    pages = "".join(path.read_text() for path in (site_app.HERE / "pages").iterdir())
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
        (f"http://127.0.0.1:{urlsplit(site.shop).port}/", f"{site.shop}/"),
        ("http://evil.example/", f"{site.shop}/"),
    ]:
        answer = client.ask(wrong, follow=False)
        assert (answer.status, answer.headers["location"]) == (307, right)


def test_what_is_handed_over_in_the_query_goes_on_to_the_checkouts_page(client: Client, site: Site) -> None:
    client.post("/cart", sku=SKU)
    action = re.search(r'action="([^"]+/open)"', client.get("/cart").text)
    assert action
    answer = client.ask(f"{action[1]}?_tc=1~fb.1.2.3~", {"event_id": "x"}, follow=False)
    assert answer.headers["location"].endswith("?_tc=1~fb.1.2.3~")


def test_an_order_is_reported_once_with_its_id_its_money_and_its_person_however_often_it_is_sent(
    client: Client, site: Site, sent: Sent
) -> None:
    client.post("/consent", consent="granted")
    client.jar[urlsplit(site.shop).netloc]["_fbp"] = "fb.1.1791212460000.123456789"
    page = client.to_checkout()
    pages = [client.ask(page.url, PERSON) for _ in range(3)]
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
    shown = client.ask(page.url, PERSON)
    assert (shown.status, "Asha" in shown.text) == (200, True)
    stranger = Client(site).ask(shown.url)
    assert (stranger.status, "Asha" in stranger.text) == (404, False)


@pytest.mark.parametrize("consent", ["", "denied"])
def test_what_the_shop_knows_of_a_person_is_told_to_the_pixel_after_consent_alone(
    client: Client, site: Site, consent: str
) -> None:
    if consent:
        client.post("/consent", consent=consent)
    shown = client.ask(client.to_checkout().url, PERSON)
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
    client.ask(client.to_checkout().url, PERSON)
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
    shown = client.ask(client.to_checkout().url, {**PERSON, "first": HOSTILE})
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
    client.ask(client.to_checkout().url, PERSON)
    bought = sent.wait(3)[-1]
    assert bought["user_data"]["client_user_agent"].startswith("Mozilla/5.0")
    assert bought["user_data"]["client_ip_address"] == "127.0.0.1"
    assert "Asha@Example.com" not in json.dumps(bought)
    assert event_of.__module__ == "truecount.simulate.site.reports"
