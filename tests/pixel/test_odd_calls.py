"""Calls that few pages make, what other programs look at, and pages that break (40 to 42, 44, 45)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.pixel.browser import COLLECTOR, ID, OTHER, SHOP, Hit, Visit
from truecount.collect.bodies import media_type

pytestmark = pytest.mark.slow

INIT = f"fbq('init', '{ID}');"
BOTH = INIT + f"fbq('init', '{OTHER}');"
LEAD = "fbq('track', 'Lead');"
MAIL = "john_smith@gmail.com"
MAIL_HASH = "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"
GATES = ("enable_reinit_cidparams2", "enable_gtm_parambuilder", "some_gate_of_tomorrow")
MINIMUM = {"id", "ev", "dl", "rl", "if", "ts", "sw", "sh", "v", "r", "ec", "o", "fbp", "it", "coo", "rqm"}
"""Keys of a hit of nothing but its name."""


def in_order(hits: list[Hit]) -> list[Hit]:
    return sorted(hits, key=lambda hit: int(hit["ec"]))


def agents(visit: Visit, n: int) -> dict[tuple[str, str], str | None]:
    return {(hit["id"], hit["ev"]): hit.get("a") for hit in visit.hits(n)}


@pytest.mark.parametrize("queued", [True, False])
def test_40_a_gate_check_calls_one_of_its_callbacks_once(visit: Visit, queued: bool) -> None:
    asks = "".join(
        f"fbq('gateCheck', '{gate}', (...got) => told.push(['pass', ...got]), (...got) => told.push(['fail', ...got]),"
        f" '{ID}');"
        for gate in GATES
    )
    start = "var told = [];"
    visit.open(start + (asks if queued else ""), then="" if queued else asks)
    assert visit.run("return told") == [["fail", gate, ID] for gate in GATES]


def test_40_a_gate_check_without_callbacks_or_with_one_that_throws_is_the_pages_own_matter(visit: Visit) -> None:
    visit.open(INIT)
    threw = visit.run(
        "try { fbq('gateCheck', 'x'); fbq('gateCheck', 'x', 1, () => { throw 1 }, '1'); fbq('gateCheck') }"
        " catch (error) { return '' + error }"
    )
    assert threw is None
    visit.run(LEAD)
    visit.hits(1)


@pytest.mark.parametrize("queued", [True, False])
def test_40_the_call_of_shopifys_app_is_sent(visit: Visit, queued: bool) -> None:
    calls = (
        f"fbq('set', 'shopifySandboxContext', {{pixelId: '{ID}', runtimeContext: 'LAX'}});"
        f"fbq('init', '{ID}', {{}}, {{agent: 'shopify_web_pixel'}}); fbq('init', '{OTHER}');"
        f"fbq('trackShopify', '{ID}', 'Purchase', {{value: 5, currency: 'EUR'}}, {{eventID: 'sh-1'}}, {{x: 1}});"
    )
    visit.open(calls if queued else "", then="" if queued else calls)
    (hit,) = visit.hits(1)
    expected = {
        "id": ID, "ev": "Purchase", "eid": "sh-1", "a": "shopify_web_pixel", "cd[value]": "5", "cd[currency]": "EUR",
    }  # fmt: skip
    assert {key: hit.get(key) for key in expected} == expected
    assert "cd[x]" not in hit.fields
    assert visit.said == []


ODD = [
    "fbq('unknownCommand', 1, 2)",
    "fbq('set', 'unknownKey', 1)",
    "fbq('set', {a: 1})",
    "fbq('set', 'x', {a: 1}, 'y')",
    "fbq('Track', 'Lead')",
    "fbq('trackEverything', 'Lead')",
]
SILENT = ["fbq()", "fbq(null)", "fbq(undefined, 1)", "fbq('set')", "fbq(Symbol('x'))", "fbq({})", "fbq([])", "fbq(7)"]
SILENT += ["fbq('track')", "fbq('track', null)", "fbq('init')", "fbq('trackSingle')", "fbq('dataProcessingOptions')"]


def test_40_unknown_commands_and_settings_do_not_throw_and_do_nothing(visit: Visit) -> None:
    visit.open(";".join(ODD + SILENT))
    visit.run(INIT)
    for call in ODD + SILENT:
        assert visit.run(f"try {{ {call} }} catch (error) {{ return '' + error }}") is None, call
    assert visit.settle() == []
    visit.run(LEAD)
    (hit,) = visit.hits(1)
    assert not {"a", "dpo"} & set(hit.fields) or hit.get("dpo") == ""


@pytest.mark.parametrize("call", ODD)
def test_40_unknown_commands_and_settings_are_said(visit: Visit, call: str) -> None:
    visit.open(call)
    visit.settle()
    assert len(visit.said) == 1


def test_40_names_that_every_object_has_are_unknown_too(visit: Visit) -> None:
    names = ["toString", "constructor", "__proto__", "hasOwnProperty"]
    visit.open(INIT + ";".join(f"fbq('{name}')" for name in names))
    visit.run("fbq('set', 'agent', 'x', '__proto__')")
    assert visit.run("return [({}).agent, Object.keys(fbq.instance.pixelsByID)]") == [None, [ID]]
    assert [text.split("'")[1] for text in visit.said] == names


def test_41_an_agent_set_for_an_id_is_that_pixels_from_then_on(visit: Visit) -> None:
    visit.open(f"{BOTH} {LEAD} fbq('set', 'agent', 'x', '{ID}'); fbq('track', 'Contact')")
    assert agents(visit, 4) == {
        (ID, "Lead"): None,
        (OTHER, "Lead"): None,
        (ID, "Contact"): "x",
        (OTHER, "Contact"): None,
    }


def test_41_an_agent_of_init_is_that_pixels(visit: Visit) -> None:
    visit.open(f"fbq('init', '{ID}', {{}}, {{agent: 'woocommerce-9.1-3.2'}}); fbq('init', '{OTHER}'); {LEAD}")
    assert agents(visit, 2) == {(ID, "Lead"): "woocommerce-9.1-3.2", (OTHER, "Lead"): None}


@pytest.mark.parametrize("late", [False, True])
def test_41_the_property_of_the_stub_alone_is_the_agent_of_all(visit: Visit, late: bool) -> None:
    calls = f"fbq.agent = 'seg'; {BOTH} {LEAD}"
    visit.open("" if late else calls, then=calls if late else "")
    assert agents(visit, 2) == {(ID, "Lead"): "seg", (OTHER, "Lead"): "seg"}


def test_41_set_goes_before_init_and_init_before_the_property(visit: Visit) -> None:
    of_init = f"fbq('init', '{ID}', {{}}, {{agent: 'of-init'}});"
    visit.open(f"fbq.agent = 'seg'; {of_init} {LEAD} fbq('set', 'agent', 'set', '{ID}'); fbq('track', 'Contact')")
    visit.run(of_init + "fbq('track', 'Search')")
    assert agents(visit, 3) == {(ID, "Lead"): "of-init", (ID, "Contact"): "set", (ID, "Search"): "set"}


def test_41_set_without_an_id_is_for_all_and_without_any_there_is_no_key(visit: Visit) -> None:
    visit.open(f"{BOTH} {LEAD} fbq('set', 'agent', 'all'); fbq('track', 'Contact')")
    assert agents(visit, 4) == {
        (ID, "Lead"): None,
        (OTHER, "Lead"): None,
        (ID, "Contact"): "all",
        (OTHER, "Contact"): "all",
    }


def test_42_both_views_list_the_ids_and_what_they_may_tell(visit: Visit) -> None:
    visit.open(f"fbq('init', '{ID}', {{em: '{MAIL}'}}, {{agent: 'x'}}); fbq('init', {OTHER}); {LEAD} {LEAD}")
    state = visit.run("return fbq.getState()")
    assert [pixel["id"] for pixel in state["pixels"]] == [ID, OTHER]
    assert [pixel["userData"] for pixel in state["pixels"]] == [{"em": MAIL_HASH}, {}]
    assert [pixel["eventCount"] for pixel in state["pixels"]] == [2, 2]
    assert visit.run("return Object.keys(fbq.instance.pixelsByID)") == [ID, OTHER]
    assert visit.run(f"return fbq.instance.pixelsByID['{ID}'].agent") == "x"
    assert visit.run("return Object.keys(_fbq.instance.pixelsByID)") == [ID, OTHER]


def test_42_without_a_pixel_both_are_empty(visit: Visit) -> None:
    visit.open()
    assert visit.run("return [fbq.getState(), Object.keys(fbq.instance.pixelsByID)]") == [{"pixels": []}, []]


def test_42_to_change_what_they_give_changes_nothing(visit: Visit) -> None:
    visit.open(f"fbq('init', '{ID}', {{em: '{MAIL}'}}); {LEAD}")
    before = visit.run("return [fbq.getState(), {...fbq.instance.pixelsByID}]")
    visit.run(
        f"""
        for (const pixel of [fbq.getState().pixels[0], fbq.instance.pixelsByID['{ID}']]) {{
          Object.assign(pixel, {{id: '9', eventCount: 70, agent: 'evil'}});
          Object.assign(pixel.userData, {{em: 'evil', fn: 'x'}});
        }}
        fbq.getState().pixels.length = 0;
        fbq.getState().pixels.push({{id: '5', userData: {{}}}});
        delete fbq.instance.pixelsByID['{ID}'];
        fbq.instance.pixelsByID['7'] = {{}};
        """
    )
    assert visit.run("return [fbq.getState(), {...fbq.instance.pixelsByID}]") == before
    visit.run("fbq('track', 'Contact')")
    contact = next(hit for hit in visit.hits(2) if hit["ev"] == "Contact")
    assert [contact.get(key) for key in ("id", "ec", "ud[em]", "ud[fn]", "a")] == [ID, "1", MAIL_HASH, None, None]


def test_44_the_page_sends_no_key_whose_meaning_nobody_knows(visit: Visit) -> None:
    visit.open(f"fbq('init', '{ID}', {{em: '{MAIL}'}}); {LEAD}")
    assert set(visit.hits(1)[0].fields) == MINIMUM | {"ud[em]"}


def test_44_odd_names_of_custom_data_arrive_as_they_are_by_image_and_by_beacon(visit: Visit) -> None:
    odd = {"a b": "1", "a[b]": "2", "ключ": "3", "x&y=z": "4", "": "5", "id": "6", "eid": "7", "ev": "8", "%5B": "9"}
    visit.open(f"{INIT} fbq('trackCustom', 'A', {json.dumps(odd)})")
    visit.run(f"fbq('trackCustom', 'B', {{...{json.dumps(odd)}, pad: 'x'.repeat(3000)}})")
    for hit in visit.hits(2):
        assert {
            key[3:-1]: value for key, value in hit.fields.items() if key.startswith("cd[") and "pad" not in key
        } == odd
        assert (hit["id"], hit["ev"] in "AB", hit.get("eid")) == (ID, True, None)
    assert sorted(hit.method for hit in visit.web.hits) == ["GET", "POST"]


def test_44_a_multipart_beacon_of_another_script_with_json_before_the_name_is_read(visit: Visit) -> None:
    """As a browser writes it; what the collector keeps of it is in test_images.py."""
    visit.open()
    visit.run(
        f"""
        const form = new FormData();
        const se = JSON.stringify({{a: [1, 'x\\r\\n--y']}});
        const all = {{se, 'expv2[]': 'pl1', id: '{ID}', ev: 'Käufe', 'cd[note]': 'a&b=c\u00e9'}};
        for (const [key, value] of Object.entries(all)) form.append(key, value);
        navigator.sendBeacon('{COLLECTOR}/tr/', form);
        """
    )
    (hit,) = visit.hits(1)
    kind, options = media_type({key.lower(): value for key, value in hit.headers.items()}["content-type"])
    assert kind == "multipart/form-data" and options["boundary"]
    assert (hit["id"], hit["ev"], hit["expv2[]"], hit["cd[note]"]) == (ID, "Käufe", "pl1", "a&b=cé")
    assert json.loads(hit["se"]) == {"a": [1, "x\r\n--y"]}


THROWING = """
const evil = {};
Object.defineProperty(evil, 'bad', {enumerable: true, get() { throw new Error('getter') }});
const circle = {}; circle.self = circle;
const all = new Proxy({}, {ownKeys() { throw new Error('proxy') }, get() { throw new Error('proxy') }});
const text = {toString() { throw new Error('text') }, toJSON() { throw new Error('json') }};
"""
CALLS = [
    "fbq('trackCustom', 'Bare', Object.assign(Object.create(null), {good: 1}))",
    "fbq('trackCustom', 'Evil', {good: 1, get bad() { throw new Error('getter') }, later: 2})",
    "fbq('trackCustom', 'Bad', evil)",
    "fbq('trackCustom', 'Circle', {circle, good: 1})",
    "fbq('trackCustom', 'Text', {text, good: 1, big: 1n, list: [1n], sign: Symbol('x')})",
]
LOST = [
    "fbq('trackCustom', 'All', all)",
    "fbq('trackCustom', text)",
    "fbq('trackCustom', Symbol('x'))",
    "fbq('trackCustom', 'Id', {}, {eventID: text})",
    "fbq('trackCustom', 'Options', {}, all)",
    f"fbq('init', '{OTHER}', all)",
    f"fbq('init', '{OTHER}', evil)",
    f"fbq('init', '{OTHER}', {{em: text}})",
    "fbq('init', text)",
    "fbq('init', evil)",
    "fbq('set', 'userData', all)",
    "fbq('set', 'agent', 'x', text)",
    "fbq('consent', text)",
    "fbq('dataProcessingOptions', [text], text, text)",
    "fbq(text)",
    "fbq.queue.push(null)",
    "fbq.queue.push([text])",
]
"""Of these only that they do not throw is asked."""


def thrown(visit: Visit, calls: list[str]) -> dict[str, Any]:
    """What came out of these calls, by call."""
    return {
        call: said
        for call in calls
        if (said := visit.run(f"{THROWING}; try {{ {call} }} catch (error) {{ return 'threw ' + error }}")) is not None
    }


@pytest.mark.parametrize("queued", [False, True])
def test_45_what_throws_in_custom_data_is_left_out_and_the_rest_is_sent(visit: Visit, queued: bool) -> None:
    visit.open(f"{{ {INIT} {THROWING} {';'.join(CALLS)} }}" if queued else INIT)
    if not queued:
        assert thrown(visit, CALLS) == {}
    sent = {
        hit["ev"]: {key: value for key, value in hit.fields.items() if key.startswith("cd[")} for hit in visit.hits(5)
    }
    good = {"cd[good]": "1"}
    assert sent.pop("Text").items() >= good.items()
    assert sent == {"Bare": good, "Evil": {**good, "cd[later]": "2"}, "Bad": {}, "Circle": good}


def test_45_nothing_that_a_page_passes_throws_into_it(visit: Visit) -> None:
    visit.open(f"{{ {THROWING} {INIT} {';'.join(LOST)} }}")
    assert thrown(visit, [*LOST, "fbq.callMethod.apply(null, ['track', text])"]) == {}
    visit.run("fbq('trackSingle', '" + ID + "', 'Lead')")
    assert "Lead" in [hit["ev"] for hit in visit.settle()]


FROZEN = (
    "Object.defineProperty(document, 'cookie', {get() { throw new Error('no') }, set() { throw new Error('no') }});"
)
DEAF = "Object.defineProperty(document, 'cookie', {get() { return '' }, set() {}});"
FULL = "Object.defineProperty(document, 'cookie', {get() { return '_fbp=%E0%A4%A; _fbc=%' }, set() {}});"


@pytest.mark.parametrize("cookie", [FROZEN, DEAF, FULL], ids=["frozen", "deaf", "broken"])
def test_45_a_document_without_cookies_gets_no_exception_and_sends(visit: Visit, cookie: str) -> None:
    visit.open(f"{cookie} {INIT} {LEAD}", at=SHOP + "/?fbclid=AbC")
    calls = ["fbq('track', 'Contact')", "fbq('consent', 'revoke', true)", "fbq('consent', 'grant')"]
    assert thrown(visit, calls) == {}
    hits = in_order(visit.hits(2))
    assert [(hit["ev"], hit.get("fbp"), hit.get("fbc")) for hit in hits] == [
        ("Lead", None, None),
        ("Contact", None, None),
    ]


def test_45_a_frozen_cookie_does_not_stop_a_click_or_a_navigation(visit: Visit) -> None:
    visit.open(FROZEN + INIT, body="<button onclick='window.clicked = 1'>Buy</button>")
    visit.page.click("button")
    assert thrown(visit, ["history.pushState(0, '', '/two')"]) == {}
    assert visit.run("return [window.clicked, location.pathname]") == [1, "/two"]
    assert [hit["ev"] for hit in in_order(visit.hits(2))] == ["SubscribedButtonClick", "PageView"]


def test_45_a_throwing_entry_of_the_queue_does_not_stop_those_behind_it(visit: Visit) -> None:
    visit.open(f"{THROWING} {INIT} fbq.queue.push(null, undefined, 7, evil, all); fbq('track', text); {LEAD}")
    assert [hit["ev"] for hit in visit.hits(1)] == ["Lead"]


def test_45_half_an_emoji_loses_no_event(visit: Visit) -> None:
    """`name.slice(0, 50)` leaves such halves, and encodeURIComponent throws at them."""
    visit.open(INIT + r"fbq('track', 'Purchase', {value: 5, currency: 'EUR', content_name: 'Shoe \ud83d'});")
    (hit,) = visit.hits(1)
    assert (hit["ev"], hit["cd[value]"], hit["cd[content_name]"][:4]) == ("Purchase", "5", "Shoe")


def test_45_a_held_event_that_cant_be_sent_does_not_stop_those_behind_it(visit: Visit) -> None:
    bad = r"fbq('track', 'Lead', {note: '\ud83d'}); fbq('trackCustom', 'Odd', {}, {eventID: text});"
    visit.open(f"{{ {THROWING} fbq('consent', 'revoke'); {INIT} {bad} fbq('track', 'Purchase', {{value: 1}}) }}")
    visit.run("fbq('consent', 'grant')")
    assert "Purchase" in [hit["ev"] for hit in visit.settle()]


def test_45_a_page_that_takes_fbq_away_can_still_change_its_address(visit: Visit) -> None:
    visit.open(f"fbq('init', '{ID}')")
    visit.run("window.fbq = undefined; history.pushState(0, '', '/next')")
    assert visit.page.url == f"{SHOP}/next"
