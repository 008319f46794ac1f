"""The second file: loads only where a page asks for it, and does what it is asked for."""

from __future__ import annotations

import hashlib
import time
from typing import Any

import pytest

from tests.pixel.browser import COLLECTOR, ID, SHOP, STUB, Visit, Web, wait_until
from truecount.collect.script import built_files

pytestmark = pytest.mark.slow

PAY = "http://pay.example"
EXTRA = f"{COLLECTOR}/{built_files()['truecount-extra'].versioned}"
READY = f"fbq('init', '{ID}');"


def by_count(visit: Visit, n: int) -> list[dict[str, str]]:
    return [hit.fields for hit in sorted(visit.hits(n), key=lambda hit: int(hit["ec"]))]


def loaded(visit: Visit) -> None:
    visit.page.wait_for_function("() => window.fbq.truecount && window.fbq.truecount.pairs")


def test_a_page_that_asks_for_nothing_loads_one_file(visit: Visit, web: Web) -> None:
    visit.open(READY + "fbq('track', 'PageView');")
    visit.hits(1)
    assert [url for _, url, _ in web.requests if url.endswith(".js")] == [f"{COLLECTOR}/truecount.js"]


def test_events_of_the_data_layer_become_standard_events(visit: Visit) -> None:
    before = f"""{READY}
        window.dataLayer = [{{event: 'view_item', ecommerce: {{value: 9.5, currency: 'INR',
            items: [{{item_id: 'A', item_name: 'Beans', price: 9.5}}]}}}}, {{event: 'gtm.js'}}, null];
        function gtag() {{ dataLayer.push(arguments); }}
    """
    visit.open(before, attributes='data-extra="datalayer"')
    loaded(visit)
    visit.run("gtag('event', 'purchase', {transaction_id: 'T-1', value: 20, currency: 'INR', items: "
              "[{item_id: 'A', quantity: 2, price: 5}, {item_id: 'B', price: 10}]}); gtag('event', 'toString', {});"
              "dataLayer.push({event: 'sign_up', event_id: 'e-9'}); dataLayer.push({event: 'made_up'})")  # fmt: skip
    view, purchase, sign_up = by_count(visit, 3)
    assert (view["ev"], view["cd[value]"], view["cd[content_ids]"]) == ("ViewContent", "9.5", '["A"]')
    assert (purchase["ev"], purchase["eid"], purchase["cd[order_id]"]) == ("Purchase", "T-1", "T-1")
    assert purchase["cd[num_items]"] == "3"
    assert purchase["cd[contents]"] == (
        '[{"id":"A","quantity":2,"item_price":5},{"id":"B","quantity":1,"item_price":10}]'
    )
    assert (sign_up["ev"], sign_up["eid"]) == ("CompleteRegistration", "e-9")


def test_data_attributes_track_clicks_submits_and_views(visit: Visit) -> None:
    body = """<button id=b data-tc-event="AddToCart" data-tc-value="9.50" data-tc-currency="INR"
        data-tc-content-ids="A, B" data-tc-event-id="e-1"><i id=i>Add</i></button>
        <form id=f data-tc-event="Lead" onsubmit="return false"><input id=t><button id=s>Send</button></form>
        <div data-tc-event="ViewContent" data-tc-on="view" data-tc-content-name="Beans"></div>"""
    visit.open(READY, body=body, attributes='data-extra="attributes" data-auto-config="false"')
    loaded(visit)
    visit.page.click("#i")
    visit.page.click("#t")
    visit.page.click("#s")
    view, cart, lead = by_count(visit, 3)
    assert (view["ev"], view["cd[content_name]"]) == ("ViewContent", "Beans")
    assert (cart["ev"], cart["eid"], cart["cd[value]"]) == ("AddToCart", "e-1", "9.50")
    assert (cart["cd[content_ids]"], cart["cd[content_type]"]) == ('["A","B"]', "product")
    assert lead["ev"] == "Lead"


def test_what_is_typed_into_visible_fields_goes_hashed_with_later_events(visit: Visit, web: Web) -> None:
    body = """<input name=email><input type=password name=pass_email><input name=cc-name placeholder="name on card">
        <input type=hidden name=phone value="16505551212"><input autocomplete=given-name>"""
    visit.open(READY, body=body, attributes='data-extra="forms"')
    loaded(visit)
    visit.page.fill("[name=email]", " Jane@Shop.example ")
    visit.page.fill("[name=pass_email]", "secret@shop.example")
    visit.page.fill("[name=cc-name]", "Jane Doe")
    visit.page.fill("[autocomplete=given-name]", "Jane")
    visit.page.keyboard.press("Tab")
    visit.run("fbq('track', 'Lead')")
    (hit,) = visit.hits(1)
    told = {key: value for key, value in hit.fields.items() if key.startswith("udff")}
    assert told == {
        "udff[em]": hashlib.sha256(b"jane@shop.example").hexdigest(),
        "udff[fn]": hashlib.sha256(b"jane").hexdigest(),
    }
    assert not any("jane" in url.lower() or "secret" in url for _, url, _ in web.requests)


def test_metadata_goes_with_each_event_and_microdata_once(visit: Visit) -> None:
    body = """<meta name=description content="Good beans"><meta property="og:title" content="Beans">
        <script type="application/ld+json">{"@type": "Product", "name": "Beans"}</script>"""
    visit.open(READY, body=body, attributes='data-extra="metadata"')
    loaded(visit)
    visit.run("fbq('track', 'PageView')")
    view, micro = by_count(visit, 2)
    assert (view["pmd[title]"], view["pmd[locale]"], view["pmd[description]"]) == ("Shop", "en", "Good beans")
    assert (micro["ev"], micro["es"], micro["tm"]) == ("Microdata", "automatic", "3")
    assert micro["cd[JSON-LD]"] == '[{"@type":"Product","name":"Beans"}]'
    assert micro["cd[OpenGraph]"] == '{"og:title":"Beans"}'


def consenting(visit: Visit, before: str, extra: str) -> None:
    visit.open(f"{before}; {READY} fbq('track', 'PageView'); fbq('track', 'Lead');", attributes=f'data-extra="{extra}"')


def test_google_consent_mode_decides_and_later_words_count(visit: Visit) -> None:
    start = "window.dataLayer = []; function gtag() { dataLayer.push(arguments); }"
    consenting(visit, start + "gtag('consent', 'default', {ad_storage: 'denied', ad_user_data: 'denied'})", "gcm")
    loaded(visit)
    assert visit.settle() == []
    visit.run("gtag('consent', 'update', {ad_storage: 'granted'})")
    assert visit.settle() == []  # ad_user_data is still denied
    visit.run("gtag('consent', 'update', {ad_user_data: 'granted'})")
    assert [hit["ev"] for hit in by_count(visit, 2)] == ["PageView", "Lead"]
    visit.run("gtag('consent', 'update', {ad_storage: 'denied'}); fbq('track', 'Contact')")
    visit.hits(2)


TCF = """window.tell = {}; window.__tcfapi = (command, version, answer) => { window.tell = (event, consents, applies) =>
    answer({eventStatus: event, gdprApplies: applies, purpose: {consents}}, true); }"""


@pytest.mark.parametrize(
    ("event", "consents", "applies", "sent"),
    [
        ("tcloaded", "{1: true, 7: true}", "true", 2),
        ("useractioncomplete", "{1: true, 7: true}", "true", 2),
        ("cmpuishown", "{1: true, 7: true}", "true", 0),
        ("tcloaded", "{1: true}", "true", 0),
        ("tcloaded", "{}", "false", 2),
    ],
)
def test_a_tcf_tool_decides_by_purposes(visit: Visit, event: str, consents: str, applies: str, sent: int) -> None:
    consenting(visit, TCF, "tcf")
    loaded(visit)
    assert visit.settle() == []
    visit.run(f"tell('{event}', {consents}, {applies})")
    visit.hits(sent)


@pytest.mark.parametrize(("signal", "sent"), [("true", 0), ("false", 2), ("undefined", 2)])
def test_global_privacy_control_is_heard(visit: Visit, signal: str, sent: int) -> None:
    consenting(visit, f"Object.defineProperty(navigator, 'globalPrivacyControl', {{value: {signal}}})", "gpc")
    loaded(visit)
    assert len(visit.hits(sent)) == sent


def test_what_several_snippets_ask_for_begins_once_each(visit: Visit) -> None:
    before = f"{READY} fbq('set', 'extra', 'datalayer'); fbq('set', 'extra', 'datalayer metadata');"
    visit.open(before, attributes='data-extra="datalayer"')
    loaded(visit)
    visit.run("fbq('set', 'extra', 'datalayer attributes')")
    visit.run("dataLayer.push({event: 'purchase', ecommerce: {transaction_id: 'T-1', value: 1, currency: 'INR'}})")
    (purchase,) = visit.hits(1)
    assert (purchase["eid"], purchase["pmd[title]"]) == ("T-1", "Shop")


def test_a_source_that_is_asked_for_later_has_to_grant_too(visit: Visit) -> None:
    consenting(visit, TCF, "gpc")
    loaded(visit)
    visit.hits(2)
    visit.run("fbq('set', 'extra', 'tcf'); fbq('track', 'Contact')")
    visit.hits(2)
    visit.run("tell('tcloaded', {1: true, 7: true}, true)")
    assert visit.hits(3)[-1]["ev"] == "Contact"


def test_where_the_second_file_fails_nothing_that_needs_consent_is_ever_sent(visit: Visit, web: Web) -> None:
    web.pages[EXTRA] = "throw new Error('blocked')"
    consenting(visit, "", "gcm")
    wait_until(lambda: any(url == EXTRA for _, url, _ in web.requests), "the second file")
    assert visit.settle() == []
    assert visit.cookies() == {}
    visit.errors.clear()


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
    assert paid["dl"].startswith(f"{PAY}/checkout?cart=7")
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
