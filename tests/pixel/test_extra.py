"""The second file: loads only where a page asks for it, and does what it is asked for."""

from __future__ import annotations

import hashlib

import pytest

from tests.pixel.browser import COLLECTOR, ID, Visit, Web
from truecount.collect.script import built_files

pytestmark = pytest.mark.slow

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


def test_fields_that_nobody_sees_and_cards_are_never_read(visit: Visit) -> None:
    body = """<div style="display:none"><input id=a name=email></div>
        <input id=b name=cc-name autocomplete="cc-name email"><input id=c name=card_email>
        <input id=d name=one-time-email autocomplete=one-time-code>"""
    visit.open(READY, body=body, attributes='data-extra="forms"')
    loaded(visit)
    visit.run("for (const field of document.querySelectorAll('input')) { field.value = 'jane@shop.example';"
              "field.dispatchEvent(new Event('change', {bubbles: true})) } fbq('track', 'Lead')")  # fmt: skip
    (hit,) = visit.hits(1)
    assert not [key for key in hit.fields if key.startswith("udff")]


def test_a_form_that_the_browser_does_not_send_tells_nothing(visit: Visit) -> None:
    body = """<form onsubmit="return false"><input id=t required><button id=s data-tc-event=Lead>Send</button></form>"""
    visit.open(READY, body=body, attributes='data-extra="attributes" data-auto-config="false"')
    loaded(visit)
    visit.page.click("#s")
    assert visit.settle() == []
    visit.page.fill("#t", "x")
    visit.page.click("#s")
    assert visit.hits(1)[0]["ev"] == "Lead"


def test_an_element_that_stands_in_the_way_of_the_title_costs_no_event(visit: Visit) -> None:
    visit.open(READY, body="<img name=title>", attributes='data-extra="metadata"')
    loaded(visit)
    visit.run("fbq('track', 'Lead')")
    assert "Lead" in [hit["ev"] for hit in visit.hits(1)]


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


def test_what_several_snippets_ask_for_begins_once_each(visit: Visit) -> None:
    before = f"{READY} fbq('set', 'extra', 'datalayer'); fbq('set', 'extra', 'datalayer metadata');"
    visit.open(before, attributes='data-extra="datalayer"')
    loaded(visit)
    visit.run("fbq('set', 'extra', 'datalayer attributes')")
    visit.run("dataLayer.push({event: 'purchase', ecommerce: {transaction_id: 'T-1', value: 1, currency: 'INR'}})")
    (purchase,) = visit.hits(1)
    assert (purchase["eid"], purchase["pmd[title]"]) == ("T-1", "Shop")
