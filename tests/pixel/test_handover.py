"""Checkout on another domain: what links and forms hand over, and what the page there makes of it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.pixel.browser import COLLECTOR, ID, SHOP, STUB, Visit, Web, wait_until
from tests.pixel.test_extra import EXTRA, READY, loaded

pytestmark = pytest.mark.slow

PAY = "http://pay.example"


def test_ids_are_handed_to_a_checkout_on_another_host_and_taken_out_of_its_address(visit: Visit, web: Web) -> None:
    link = f'<a id=go href="{PAY}/checkout?cart=7">Pay</a><a id=else href="http://other.example/">Other</a>'
    visit.open(
        READY + "fbq('track', 'PageView')",
        at=f"{SHOP}/?fbclid=AbC",
        body=link,
        attributes='data-extra="handover" data-handover="pay.example"',
    )
    (shop,) = visit.hits(1)
    web.pages[f"{PAY}/checkout"] = f"""<!doctype html>
        <script src="{COLLECTOR}/truecount.js" data-extra="handover" data-handover="shop.example"></script>
        <script>fbq('init', '{ID}'); fbq('track', 'Purchase', {{value: 9, currency: 'INR'}})</script>"""
    visit.page.click("#go")
    visit.page.wait_for_url(f"{PAY}/checkout*")
    wait_until(lambda: len(web.hits) == 2, "the purchase")
    paid = web.hits[-1]
    assert (paid["fbp"], paid["fbc"]) == (shop["fbp"], shop["fbc"])
    assert paid["dl"] == f"{PAY}/checkout?cart=7"
    assert "_tc" not in visit.page.url
    names = {(cookie["name"], cookie["domain"], cookie["value"]) for cookie in visit.context.cookies()}
    assert ("_fbp", ".pay.example", shop["fbp"]) in names


def test_what_waits_for_the_second_file_is_not_lost_with_a_page_that_is_left(visit: Visit, web: Web) -> None:
    web.delays[EXTRA] = 1.5
    web.pages[f"{SHOP}/thanks"] = f"""<!doctype html><script>{STUB}</script>
        <script src="{COLLECTOR}/truecount.js" data-extra="handover" data-handover="pay.example"></script>
        <script>{READY}fbq('track', 'Purchase', {{value: 9, currency: 'INR'}}, {{eventID: 'order-7'}})</script>"""
    visit.page.goto(f"{SHOP}/thanks", wait_until="domcontentloaded")
    assert web.hits == []
    visit.page.goto("http://elsewhere.example/")
    (hit,) = visit.hits(1)
    assert (hit["ev"], hit["eid"], hit["rqm"]) == ("Purchase", "order-7", "SB")


def forged(visit: Visit, web: Web, address: str, referrer: str) -> Any:
    """What a page with the handover's attribute sends when it is opened by such a link."""
    web.pages[f"{PAY}/checkout"] = f"""<!doctype html><script src="{COLLECTOR}/truecount.js" data-extra="handover"
        data-handover="shop.example"></script><script>fbq('init', '{ID}'); fbq('track', 'Lead')</script>"""
    visit.page.goto(address, referer=referrer)
    wait_until(lambda: len(web.hits) == 1, "the hit")
    return web.hits[0]["fbp"]


@pytest.mark.parametrize(
    ("age_s", "referrer", "taken"),
    [(1, f"{SHOP}/", True), (400, f"{SHOP}/", False), (1, "http://evil.example/", False), (1, "", False)],
)
def test_only_a_fresh_link_of_a_declared_domain_tells_a_visitor_who_he_is(
    visit: Visit, web: Web, age_s: int, referrer: str, taken: bool
) -> None:
    theirs = "fb.1.1791212460000.1234567890"
    address = f"{PAY}/checkout?_tc={int((time.time() - age_s) * 1000)}~{theirs}~"
    assert (forged(visit, web, address, referrer) == theirs) is taken


def shop_page(visit: Visit, body: str, declared: str = "pay.example") -> None:
    visit.open(
        READY + "fbq('track', 'PageView')", body=body, attributes=f'data-extra="handover" data-handover="{declared}"'
    )
    visit.hits(1)


def left_for(visit: Visit) -> str:
    """The address that the page was left for."""

    def others() -> list[str]:
        urls = (url for _, url, _ in visit.web.requests)
        return [url for url in urls if not url.startswith((SHOP, COLLECTOR)) and not url.endswith("/favicon.ico")]

    wait_until(lambda: bool(others()), "another page")
    return others()[0]


@pytest.mark.parametrize(
    ("link", "there"),
    [
        (f"{PAY}/c?sig=a%20b+c&next=%2Fx%3Fy", f"{PAY}/c?sig=a%20b+c&next=%2Fx%3Fy&_tc="),
        (f"{PAY}/c", f"{PAY}/c?_tc="),
        (f"{PAY}/c?_tc=1~old~#part", f"{PAY}/c?_tc="),
        ("http://sub.pay.example/c", "http://sub.pay.example/c?_tc="),
    ],
)
def test_a_link_keeps_all_that_it_says_as_it_was_written(visit: Visit, link: str, there: str) -> None:
    shop_page(visit, f'<a id=go href="{link}">Pay</a>')
    visit.page.click("#go")
    address = left_for(visit)
    assert address.startswith(there)
    assert address.count("_tc=") == 1
    assert "old" not in address


@pytest.mark.parametrize("host", ["evilpay.example", "pay.example.evil.example", "other.example"])
def test_no_other_domain_is_told_who_a_visitor_is(visit: Visit, host: str) -> None:
    shop_page(visit, f'<a id=go href="http://{host}/c">Go</a>')
    visit.page.click("#go")
    assert left_for(visit) == f"http://{host}/c"


@pytest.mark.parametrize(
    ("form", "button"),
    [
        (f'method=post action="{PAY}/c?x=1"', ""),
        (f'method=POST action="{PAY}/c?x=1"', "name=action value=pay"),
        ("method=get action=/stay", f'formmethod=post formaction="{PAY}/c?x=1"'),
    ],
)
def test_a_posted_form_carries_them_in_its_address_whatever_its_fields_are_called(
    visit: Visit, form: str, button: str
) -> None:
    shop_page(
        visit, f"<form {form}><input name=action value=1><input name=method><button id=go {button}>Pay</button></form>"
    )
    visit.page.click("#go")
    assert left_for(visit).startswith(f"{PAY}/c?x=1&_tc=")


def test_a_form_that_asks_carries_them_as_a_field(visit: Visit) -> None:
    shop_page(visit, f'<form action="{PAY}/c"><input name=action value=1><button id=go>Pay</button></form>')
    visit.page.click("#go")
    address = left_for(visit)
    assert "action=1" in address
    assert "_tc=" in address


def test_a_router_that_writes_the_address_anew_after_the_landing_makes_no_view_of_it(visit: Visit, web: Web) -> None:
    web.pages[f"{PAY}/c"] = f"""<!doctype html><script>{STUB}</script>
        <script src="{COLLECTOR}/truecount.js" data-extra="handover" data-handover="shop.example"></script>
        <script>{READY}fbq('track', 'PageView')</script>"""
    visit.page.goto(f"{PAY}/c?a=%20b&_tc={int(time.time() * 1000)}~fb.1.1791212460000.5~&z=1", referer=f"{SHOP}/")
    loaded(visit)
    visit.run("history.replaceState({}, '', location.href)")
    (hit,) = visit.hits(1)
    assert (hit["dl"], hit["fbp"]) == (f"{PAY}/c?a=%20b&z=1", "fb.1.1791212460000.5")
    visit.run("history.pushState({}, '', '/done')")
    visit.hits(2)


@pytest.mark.parametrize(
    ("when", "value"), [("99999999999999", "fb.1.1791212460000.5"), ("now", "fb.1.1.a.b.c.d"), ("now", "x"), ("x", "y")]
)
def test_what_comes_from_the_future_or_is_no_id_is_not_taken_over(
    visit: Visit, web: Web, when: str, value: str
) -> None:
    moment = str(int(time.time() * 1000)) if when == "now" else when
    assert forged(visit, web, f"{PAY}/checkout?_tc={moment}~{value}~", f"{SHOP}/") != value


def test_a_page_of_trusted_types_loses_no_event_where_the_second_file_may_not_load(visit: Visit, web: Web) -> None:
    rule = """<meta http-equiv="Content-Security-Policy" content="require-trusted-types-for 'script'">"""
    web.pages[f"{SHOP}/typed"] = f"""<!doctype html>{rule}<script>{STUB}</script>
        <script src="{COLLECTOR}/truecount.js" data-extra="handover" data-handover="pay.example"></script>
        <script>{READY}fbq('track', 'Purchase', {{value: 9, currency: 'INR'}})</script>"""
    visit.page.goto(f"{SHOP}/typed")
    assert visit.hits(1)[0]["ev"] == "Purchase"


def test_a_later_snippet_that_asks_for_it_makes_events_wait_too(visit: Visit, web: Web) -> None:
    web.delays[EXTRA] = 0.5
    web.pages[f"{PAY}/c"] = f"""<!doctype html><script>{STUB}{READY}fbq('set', 'extra', 'handover');
        fbq('track', 'Lead')</script>
        <script src="{COLLECTOR}/truecount.js" data-extra="forms" data-handover="shop.example"></script>"""
    visit.page.goto(f"{PAY}/c?_tc={int(time.time() * 1000)}~fb.1.1791212460000.5~", referer=f"{SHOP}/")
    assert visit.hits(1)[0]["fbp"] == "fb.1.1791212460000.5"
