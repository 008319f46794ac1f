"""Sales at BrewBeans in a real browser: how each is counted, and what `explain` says of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser

from tests.simulate.shopper import Shopper, browsing
from tests.system import Shop, System, wait_until
from truecount.simulate import sdk
from truecount.simulate.site.app import Site
from truecount.simulate.site.serving import listening, serving_site

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
