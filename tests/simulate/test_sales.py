"""Sales at BrewBeans in a real browser: how each is counted, and what `explain` says of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser

from tests.simulate.shopper import Shopper, browsing
from tests.system import Shop, System, wait_until
from truecount.simulate import sdk
from truecount.simulate.site.asks import ASKS
from truecount.simulate.site.serving import listening, serving_site
from truecount.simulate.site.view import Site
from truecount.vocabulary import STANDARD_EVENTS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    made = System(Path(tmp_path_factory.mktemp("sales")))
    with made.running():
        yield made


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with browsing() as browser:
        yield browser


@pytest.fixture
def shop(system: System, request: pytest.FixtureRequest) -> Shop:
    return system.create(request.node.name[:60])


@pytest.fixture
def site(system: System, shop: Shop) -> Iterator[Site]:
    url = system.state["url"]
    sdk.point_at(url, shop.token)
    with serving_site(listening(0), shop.id, url, "truecount explain {order}") as made:
        yield made
        assert made.outbox.troubles == []


@pytest.fixture
def shopper(chrome: Browser, site: Site) -> Iterator[Shopper]:
    made = Shopper(chrome, site)
    yield made
    made.close()


def sale(system: System, shop: Shop, order: str, copies: int) -> dict[str, Any]:
    """What `explain` says of an order, once that many copies of it are there; and the count has it once."""

    def look() -> Any:
        found = system.explain(shop, "Purchase", order)
        return found if found and len(found["copies"]) == copies else None

    found = wait_until(look, f"{copies} copies of {order}")
    row = system.events(shop)["Purchase"]
    assert (row["copies"], row["actions"]) == (copies, 1)
    assert row["value"] == {"INR": "2088.00"}
    assert json.loads(system.cli("explain", shop.id, "Purchase", order, "--format", "json")) == found
    told = system.cli("explain", shop.id, "Purchase", order)
    assert all(f"{copy['verdict']}" in told and copy["rule"] in told for copy in found["copies"])
    return dict(found)


def test_a_sale_that_both_sides_report_is_one_and_names_the_person_by_hashes(
    system: System, shop: Shop, shopper: Shopper
) -> None:
    shopper.go("/?fbclid=IwAR123abc&utm_source=meta")
    shopper.press("Accept")
    shopper.fill_cart()
    shopper.check_out()
    order = shopper.pay("  Asha.Rao@Example.com ")
    found = sale(system, shop, order, 2)
    assert {copy["source"]: copy["rule"] for copy in found["copies"]}.keys() == {"browser", "server"}
    assert sorted(copy["verdict"] for copy in found["copies"]) == ["duplicate", "kept"]
    for copy in found["copies"]:
        assert {"em", "ph", "fn", "ln", "ct", "zp", "fbp", "fbc"} <= set(copy["match_keys"]), copy
    assert hashlib.sha256(b"asha.rao@example.com").hexdigest() in "".join(shopper.sent)
    assert "asha" not in "".join(shopper.sent).lower()


def test_who_pays_on_the_second_host_stays_the_same_person(system: System, shop: Shop, shopper: Shopper) -> None:
    site = shopper.site
    shopper.go("/?fbclid=IwAR123abc")
    shopper.press("Accept")
    shopper.fill_cart()
    shopper.check_out()
    assert urlsplit(shopper.page.url).netloc == urlsplit(site.pay).netloc
    shopper.page.wait_for_load_state("networkidle")
    assert "_tc" not in shopper.page.url
    here, there = shopper.cookies(site.shop), shopper.cookies(site.pay)
    assert here["_fbp"] == there["_fbp"]
    assert here["_fbc"] == there["_fbc"]
    order = shopper.pay()
    found = sale(system, shop, order, 2)
    fbp = here["_fbp"]
    (purchase,) = (one for one in map(fields, shopper.sent) if one["ev"] == "Purchase")
    assert purchase["fbp"] == fbp
    assert urlsplit(purchase["dl"]).netloc == urlsplit(site.pay).netloc
    assert all("fbp" in copy["match_keys"] for copy in found["copies"])
    by_browser = system.explain(shop, "Purchase", fbp=fbp)
    assert by_browser
    assert by_browser["event_id"] == order


def test_a_sale_whose_pixel_was_blocked_is_counted_by_the_server_alone(
    system: System, shop: Shop, shopper: Shopper
) -> None:
    shopper.lab("is blocked, as by a content blocker")
    shopper.press("Accept")
    shopper.fill_cart()
    shopper.check_out()
    order = shopper.pay()
    found = sale(system, shop, order, 1)
    assert [(copy["source"], copy["verdict"], copy["rule"]) for copy in found["copies"]] == [
        ("server", "kept", "first_received")
    ]
    assert {"em", "ph"} <= set(found["copies"][0]["match_keys"])
    assert shopper.sent == []
    row = system.events(shop)["Purchase"]
    assert row["server_only"] == 1


def test_a_sale_of_a_visitor_who_declined_is_counted_and_names_nobody(
    system: System, shop: Shop, shopper: Shopper
) -> None:
    shopper.go("/?fbclid=IwAR123abc")
    shopper.press("Decline")
    shopper.fill_cart()
    shopper.check_out()
    order = shopper.pay()
    found = sale(system, shop, order, 2)
    assert {copy["source"] for copy in found["copies"]} == {"browser", "server"}
    assert [copy["match_keys"] for copy in found["copies"]] == [[], []]
    assert sorted(copy["rule"] for copy in found["copies"]) in (
        ["event_id", "first_received"],
        ["browser_within_5_min", "event_id"],
    )
    assert {"_fbp", "_fbc"}.isdisjoint({*shopper.cookies(shopper.site.shop), *shopper.cookies(shopper.site.pay)})
    told = list(map(fields, shopper.sent))
    assert {one["consent"] for one in told} == {"denied"}
    assert all(set(one) <= LIMITED for one in told)
    assert "PageView" in {one["ev"] for one in told}, "what waited for an answer leaves without a name"
    assert "IwAR123abc" not in "".join(shopper.sent)


def test_a_sale_after_consent_was_withdrawn_names_nobody_though_visits_before_did(
    system: System, shop: Shop, shopper: Shopper
) -> None:
    shopper.go("/?fbclid=IwAR123abc")
    shopper.press("Accept")
    shopper.fill_cart()
    before = shopper.cookies(shopper.site.shop)
    assert {"_fbp", "_fbc"} <= set(before)
    shopper.page.wait_for_load_state("networkidle")
    n = len(shopper.sent)
    shopper.press("Withdraw")
    shopper.check_out()
    order = shopper.pay()
    found = sale(system, shop, order, 2)
    assert [copy["match_keys"] for copy in found["copies"]] == [[], []]
    assert {"_fbp", "_fbc"}.isdisjoint({*shopper.cookies(shopper.site.shop), *shopper.cookies(shopper.site.pay)})
    click, *after = map(fields, shopper.sent[n:])
    assert click["cd[buttonText]"] == "Withdraw", "the click that withdraws is the last thing that consent covers"
    assert {one["consent"] for one in after} == {"denied"}
    assert all(set(one) <= LIMITED for one in after)
    assert before["_fbp"] not in "".join(shopper.sent[n + 1 :])
    seen = system.explain(shop, "AddToCart", fbp=before["_fbp"])
    assert seen
    assert any("fbp" in copy["match_keys"] for copy in seen["copies"]), "what was sent while it was granted stays"


def test_consent_withdrawn_at_the_checkout_deletes_the_cookies_of_both_hosts(shopper: Shopper) -> None:
    site = shopper.site
    shopper.go("/?fbclid=IwAR123abc")
    shopper.press("Accept")
    shopper.fill_cart()
    shopper.check_out()
    shopper.page.wait_for_load_state("networkidle")
    assert all({"_fbp", "_fbc"} <= set(shopper.cookies(host)) for host in (site.shop, site.pay))
    shopper.press("Withdraw")
    shopper.page.get_by_text("You are not recognised here.").wait_for()
    assert {"_fbp", "_fbc"}.isdisjoint(shopper.cookies(site.pay))
    shopper.press("Back to the cart")
    wait_until(lambda: set(shopper.cookies(site.shop)) == {"bb"}, "the cart's cookie alone")
    shopper.press("Change that")
    shopper.page.get_by_text("You have agreed to being measured.").wait_for()
    wait_until(lambda: "_fbp" in shopper.cookies(site.shop), "the pixel's cookie")


def test_who_pays_one_cart_in_two_tabs_buys_once_and_no_address_tells_whose_checkout_it_is(
    system: System, shop: Shop, shopper: Shopper
) -> None:
    site, page = shopper.site, shopper.page
    shopper.go("/")
    shopper.press("Accept")
    shopper.fill_cart()
    other = shopper.context.new_page()
    other.goto(f"{site.shop}/cart")
    shopper.check_out()
    assert page.url.partition("?")[0] == f"{site.pay}/checkout"
    other.get_by_role("button", name="Check out with BeanPay").click()
    other.wait_for_url("**/checkout*")
    order = shopper.pay()
    shopper.page = other
    assert shopper.pay() == order
    other.wait_for_load_state("networkidle")
    sale(system, shop, order, 3)  # both tabs' thanks and the backend
    pages = {urlsplit(one["dl"]).path for one in map(fields, shopper.sent) if urlsplit(site.pay).netloc in one["dl"]}
    assert pages == {"/checkout", f"/thank-you/{order}"}


def test_consent_withdrawn_before_a_late_report_leaves_holds_for_it(
    system: System, shop: Shop, shopper: Shopper
) -> None:
    shopper.lab("20 seconds later")
    shopper.press("Accept")
    shopper.fill_cart()
    shopper.check_out()
    order = shopper.pay()
    shopper.press("Withdraw")
    shopper.page.get_by_text("You are not recognised here.").wait_for()
    shopper.site.outbox.close()  # sends what waits
    found = sale(system, shop, order, 3)  # the page that was shown again after the withdrawal told the order again
    told = sorted((copy["source"], bool(copy["match_keys"])) for copy in found["copies"])
    assert told == [("browser", False), ("browser", True), ("server", False)]


EVERYTHING = (
    *("PageView", "ViewContent", "Search", "FindLocation", "CustomizeProduct", "AddToWishlist", "AddToCart", "Contact"),
    *("InitiateCheckout", "AddPaymentInfo", "Purchase", "Lead", "CompleteRegistration", "StartTrial", "Subscribe"),
    *("Schedule", "SubmitApplication", "Donate", "ViewCategory"),
)
BY_BOTH = ("AddToWishlist", "AddToCart", "InitiateCheckout", "Purchase", *(ask.event for ask in ASKS))


def test_a_walk_through_the_whole_shop_tells_every_standard_event_and_each_once(
    system: System, shop: Shop, shopper: Shopper
) -> None:
    page = shopper.page
    shopper.go("/")
    shopper.press("Accept")
    page.get_by_label("Search the shop").fill("plum")
    page.get_by_label("Search the shop").press("Enter")
    page.wait_for_url("**/search?q=plum")
    shopper.go("/plans")
    shopper.go("/cafes?city=Kochi")
    shopper.go("/contact")
    page.evaluate("document.querySelectorAll('[data-tc-event]').forEach((link) => link.removeAttribute('href'))")
    page.get_by_text("Write to us").click()
    for ask in ASKS:
        shopper.go(f"/ask/{ask.slug}")
        for field in ask.fields:
            if not field.options:
                page.get_by_label(field.label).fill("asha@example.com" if field.type == "email" else "98450 12345")
        shopper.press(ask.button)
        page.get_by_text(ask.thanks).wait_for()
    shopper.go("/beans/araku-valley")
    page.get_by_label("Ground for").select_option("espresso")
    shopper.press("Keep it in mind")
    page.get_by_text("We keep it in mind for you.").wait_for()
    shopper.fill_cart()
    shopper.check_out()
    shopper.pay()

    def look() -> Any:
        found = system.events(shop)
        return (
            found
            if all(found.get(name, {}).get("both") for name in BY_BOTH) and set(EVERYTHING) <= set(found)
            else None
        )

    found = wait_until(look, "every event")
    assert set(STANDARD_EVENTS) <= set(found)
    assert set(found) == {*EVERYTHING, "SubscribedButtonClick"}
    for name in BY_BOTH:
        assert (found[name]["actions"], found[name]["both"], found[name]["copies"]) == (1, 1, 2), name
    for name in ("Search", "FindLocation", "Contact", "CustomizeProduct", "AddPaymentInfo"):
        assert (found[name]["actions"], found[name]["browser_only"]) == (1, 1), name
    assert found["StartTrial"]["refused"] == 0
    assert found["Donate"]["value"] == {"INR": "250.00"}
    page.reload()
    page.wait_for_load_state()
    wait_until(lambda: system.events(shop)["Purchase"]["copies"] == 3, "the reloaded page's copy")
    assert system.events(shop)["Purchase"]["actions"] == 1


LATE = "20 seconds later"
AT_ONCE = "at once"


@pytest.mark.parametrize(
    ("server", "ids", "row"),
    [
        ("twice, as after a retry", "the same on both sides", {"copies": 3, "actions": 1, "both": 1}),
        ("never", "the same on both sides", {"copies": 1, "actions": 1, "browser_only": 1}),
        # Without an id a server's copy is taken for what the browser has told before it (key B), never after it.
        (LATE, "the page sends none", {"copies": 2, "actions": 1, "both": 1}),
        (LATE, "the server sends none", {"copies": 2, "actions": 1, "both": 1}),
        (AT_ONCE, "the page sends none", {"copies": 2, "actions": 2, "both": 0}),
    ],
)
def test_what_the_lab_lets_go_wrong_is_counted_by_the_rules(
    system: System, shop: Shop, shopper: Shopper, server: str, ids: str, row: dict[str, int]
) -> None:
    shopper.lab(server, ids)
    shopper.press("Accept")
    shopper.fill_cart()
    shopper.check_out()
    shopper.pay()
    if server == LATE:
        wait_until(lambda: system.copies(shop) == 1, "the browser's copy")
        shopper.site.outbox.close()  # sends what waits
    wait_until(lambda: system.copies(shop) == row["copies"], f"{row['copies']} copies")
    found = system.events(shop)["Purchase"]
    assert {name: found[name] for name in row} == row


LIMITED = {"id", "ev", "dl", "ts", "cd[value]", "cd[currency]", "v", "consent", "eid"}
"""All that a hit may say of a visitor who declined."""


def fields(sent: str) -> dict[str, str]:
    """Keys and values of a hit, from address and body."""
    url, _, body = sent.partition("\n")
    query = urlsplit(url).query
    if not query and "form-data" in body:
        parts = body.split('name="')[1:]
        return {part.partition('"')[0]: part.partition("\r\n\r\n")[2].partition("\r\n")[0] for part in parts}
    return {key: values[0] for key, values in parse_qs(query or body, keep_blank_values=True).items()}
