"""Before consent, and in limited mode, nothing names a person: requests, cookies and storage are all looked at."""

from __future__ import annotations

import hashlib
import json
from urllib.parse import unquote_plus

from tests.pixel.browser import COLLECTOR, ID, SHOP, Visit, Web

EMAIL = "jane.doe@shop.example"
CLICK = "IwAR0SecretClick"
TELLING = (EMAIL, "jane.doe", hashlib.sha256(EMAIL.encode()).hexdigest(), CLICK, "fb.1.", "_fbp", "_fbc", "customer-7")
LANDING = f"{SHOP}/landing?fbclid={CLICK}&email={EMAIL}#top"
BODY = """
<form id=f onsubmit="return false"><input name=email type=email><button id=b class=btn>Buy</button></form>
"""
CALLS = f"""
fbq('init', '{ID}', {{em: '{EMAIL}', external_id: 'customer-7'}});
fbq('track', 'PageView');
fbq('track', 'AddToCart', {{value: 5, currency: 'INR', note: '{EMAIL}'}});
"""
LATER = f"""
fbq('set', 'userData', {{ph: '16505551212'}}, '{ID}');
fbq('track', 'Purchase', {{value: 899, currency: 'INR', order_id: 'order-9'}}, {{eventID: 'order-9'}});
history.pushState(0, '', '/next?email={EMAIL}');
"""


def shop(visit: Visit, attributes: str) -> None:
    """A whole visit: a landing by a click, events, a form, a button, another page of the app, and the end of it."""
    visit.open(CALLS, at=LANDING, attributes=attributes, body=BODY)
    visit.run(LATER)
    visit.page.fill("[name=email]", EMAIL)
    visit.page.click("#b")
    visit.settle()


def kept(visit: Visit) -> str:
    """All that the browser keeps for the page, and all that the script shows of its state."""
    script = """return (async () => JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage},
        window.name, (await indexedDB.databases()).map((one) => one.name)]))()"""
    return str(visit.run(script)) + json.dumps(visit.context.cookies())


def asked_of(web: Web, host: str) -> list[str]:
    """Each request to a host as one text: method, address decoded, headers."""
    return [
        unquote_plus(f"{method} {url} {sorted(headers.items())}")
        for method, url, headers in web.requests
        if url.startswith(host) and "/mark?" not in url
    ]


def test_nothing_is_sent_or_kept_before_consent_where_it_is_required(visit: Visit, web: Web) -> None:
    shop(visit, 'data-consent="required"')
    assert web.hits == []
    (script,) = asked_of(web, COLLECTOR)
    assert script.startswith(f"GET {COLLECTOR}/truecount.js ")
    assert not any(word in script for word in TELLING)
    assert not any(word in kept(visit) for word in TELLING)
    assert visit.context.cookies() == []
    visit.run("fbq('consent', 'grant')")
    hits = sorted(visit.hits(4), key=lambda hit: int(hit["ec"]))  # images overtake each other
    assert [hit["ev"] for hit in hits] == ["PageView", "AddToCart", "Purchase", "PageView"]
    assert [hit["dl"].partition("?")[0] for hit in hits] == [f"{SHOP}/landing"] * 3 + [f"{SHOP}/next"]
    assert {hit["fbc"].rpartition(".")[2] for hit in hits} == {CLICK}


def test_limited_mode_sends_what_counts_and_nothing_that_names_a_person(visit: Visit, web: Web) -> None:
    shop(visit, 'data-consent="required" data-limited')
    hits = web.hits
    told = sorted((hit["ev"], hit.get("eid") or "") for hit in hits)  # requests overtake each other
    assert told == [("AddToCart", ""), ("PageView", ""), ("PageView", ""), ("Purchase", "order-9")]
    allowed = {"id", "ev", "dl", "ts", "cd[value]", "cd[currency]", "v", "consent", "eid"}
    for hit in hits:
        assert set(hit.fields) <= allowed
        assert hit["consent"] == "denied"
        assert "?" not in hit["dl"] and "#" not in hit["dl"]
        assert not {"cookie", "referer"} & {name.lower() for name in hit.headers}
    for request in asked_of(web, COLLECTOR):
        assert not any(word in request for word in TELLING), request
    assert not any(word in kept(visit) for word in TELLING)
    visit.run("fbq('consent', 'grant')")
    assert len(visit.settle()) == 4  # what was told already is not told again


def test_what_waited_for_an_answer_leaves_without_a_name_when_the_answer_is_no(visit: Visit, web: Web) -> None:
    visit.open(CALLS, at=LANDING, attributes='data-consent="required"')
    assert visit.settle() == []
    visit.run("fbq('consent', 'revoke'); fbq('set', 'limited', true)")
    hits = visit.hits(2)
    assert {hit["consent"] for hit in hits} == {"denied"}
    for request in asked_of(web, COLLECTOR):
        assert not any(word in request for word in TELLING), request
    assert visit.context.cookies() == []
    visit.run("fbq('consent', 'grant')")
    assert len(visit.settle()) == 2


def test_limited_mode_sends_no_cookie_of_the_shop_from_a_path_of_its_own(visit: Visit, web: Web) -> None:
    visit.context.add_cookies([{"name": "session", "value": "customer-7", "url": SHOP}])
    visit.open(CALLS, at=LANDING, script=f"{SHOP}/m/truecount.js", attributes='data-consent="required" data-limited')
    for hit in visit.hits(2):
        assert hit.url.startswith("/m/tr/?")
        assert not {"cookie", "referer"} & {name.lower() for name in hit.headers}


def test_withdrawing_stops_and_deletes_the_cookies_where_the_page_asks_for_it(visit: Visit) -> None:
    visit.open(CALLS, at=LANDING)
    visit.hits(2)
    assert set(visit.cookies()) == {"_fbp", "_fbc"}
    visit.run("fbq('consent', 'revoke'); fbq('track', 'Lead')")
    assert set(visit.cookies()) == {"_fbp", "_fbc"}
    visit.run("fbq('consent', 'revoke', true)")
    assert visit.cookies() == {}
    visit.hits(2)
