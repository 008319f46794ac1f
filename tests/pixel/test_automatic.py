"""What no call of the page makes: button clicks, and views of a page that changes without loading (36 to 39)."""

from __future__ import annotations

import json
from urllib.parse import unquote_plus

import pytest

from tests.pixel.browser import ID, OTHER, SHOP, Hit, Visit

pytestmark = pytest.mark.slow

INIT = f"fbq('init', '{ID}');"
VIEW = "fbq('track', 'PageView');"
CLICK = "SubscribedButtonClick"
SECRETS = ("jane@example.com", "hunter2", "4111111111111111", "my-message", "hidden-token", "picked")
FORM = """
<form id=signup name=newsletter action="/done?email=jane@example.com">
  <input name=email type=email id=mail placeholder="Your e-mail">
  <input name=password type=password>
  <input name=card autocomplete=cc-number>
  <input name=token type=hidden value=hidden-token>
  <textarea name=message></textarea>
  <select name=choice><option value=none>None</option><option value=picked>picked</option></select>
  <button id=go class="btn btn-primary" name=send type=button><b>Sign <i>up</i></b></button>
</form><p>Text</p>
<a class="btn wide" href="#here?email=jane@example.com">More</a>
"""
FILL = """
const [mail, password, card, , message, choice] = document.forms[0].elements;
mail.value = 'jane@example.com'; password.value = 'hunter2'; card.value = '4111111111111111';
message.value = 'my-message'; choice.value = 'picked';
"""
RICH = '<meta property="og:title" content="Shoe"><script type="application/ld+json">{"@type": "Product"}</script>'
BFCACHE = "dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))"
"""Headless Chromium may never bring a page back as it was left, so that tests say that it did."""


def in_order(hits: list[Hit]) -> list[Hit]:
    return sorted(hits, key=lambda hit: int(hit["ec"]))


def views(visit: Visit, n: int) -> list[str]:
    """The addresses of exactly n hits, which are views all of them."""
    hits = in_order(visit.hits(n))
    assert [hit["ev"] for hit in hits] == ["PageView"] * n
    return [hit["dl"] for hit in hits]


@pytest.mark.parametrize("value", ["false", "'false'"])
@pytest.mark.parametrize("id", [f", '{ID}'", ""], ids=["one", "all"])
def test_36_without_autoconfig_no_click_and_no_metadata_and_other_events_as_ever(
    visit: Visit, value: str, id: str
) -> None:
    """The other pixel shows that there was something to send."""
    settings = f"fbq('set', 'autoConfig', {value}{id}); fbq('set', 'autoConfig', true, '{OTHER}');"
    body = RICH + FORM
    visit.open(settings + INIT + f"fbq('init', '{OTHER}');" + VIEW, body=body, attributes='data-extra="metadata"')
    visit.page.click("#go")
    visit.run("fbq('track', 'Lead')")
    hits = in_order(visit.hits(6))
    assert sorted(hit["ev"] for hit in hits if hit["id"] == OTHER) == ["Lead", "Microdata", "PageView", CLICK]
    assert [(hit["ev"], hit["ec"]) for hit in hits if hit["id"] == ID] == [("PageView", "0"), ("Lead", "1")]


def test_36_what_is_automatic_says_so(visit: Visit) -> None:
    visit.open(INIT, body=RICH + FORM, attributes='data-extra="metadata"')
    visit.page.click("#go")
    hits = visit.hits(2)
    assert sorted(hit["ev"] for hit in hits) == ["Microdata", CLICK]
    assert {(hit["es"], hit["tm"]) for hit in hits} == {("automatic", "3")}
    found = next(hit for hit in hits if hit["ev"] == "Microdata")
    assert json.loads(found["cd[OpenGraph]"]) == {"og:title": "Shoe"}
    assert json.loads(found["cd[JSON-LD]"]) == [{"@type": "Product"}]


def test_36_one_pixel_without_it_leaves_the_other_its_clicks(visit: Visit) -> None:
    visit.open(f"fbq('set', 'autoConfig', false, '{ID}'); {INIT} fbq('init', '{OTHER}')", body=FORM)
    visit.page.click("#go")
    (hit,) = visit.hits(1)
    assert (hit["ev"], hit["id"]) == (CLICK, OTHER)


def test_37_a_click_on_a_button_is_one_automatic_event_with_its_features(visit: Visit) -> None:
    visit.open(INIT + VIEW, body=FORM)
    visit.run(FILL)
    visit.page.click("#go i")
    view, click = in_order(visit.hits(2))
    assert not {"es", "tm"} & set(view.fields)
    assert [click[key] for key in ("ev", "es", "tm", "ec", "dl", "id")] == [
        CLICK,
        "automatic",
        "3",
        "1",
        SHOP + "/",
        ID,
    ]
    button = json.loads(click["cd[buttonFeatures]"])
    expected = {
        "classList": "btn btn-primary", "destination": "", "id": "go", "innerText": "Sign up", "tag": "button",
        "type": "button", "name": "send",
    }  # fmt: skip
    assert {key: button[key] for key in expected} == expected
    assert click["cd[buttonText]"] == "Sign up"
    assert json.loads(click["cd[pageFeatures]"]) == {"title": "Shop"}
    assert json.loads(click["cd[parameters]"]) == []
    form = json.loads(click["cd[formFeatures]"])
    assert [(field["id"], field["name"], field["tag"]) for field in form] == [
        ("mail", "email", "input"), ("", "password", "input"), ("", "card", "input"), ("", "token", "input"),
        ("", "message", "textarea"), ("", "choice", "select"), ("go", "send", "button"),
    ]  # fmt: skip


def test_37_the_features_have_the_names_of_the_wire_and_no_others(visit: Visit) -> None:
    visit.open(INIT, body=FORM)
    visit.page.click("#go")
    (click,) = visit.hits(1)
    button = "classList,destination,id,imageUrl,innerText,numChildButtons,tag,type,name,value"
    assert set(json.loads(click["cd[buttonFeatures]"])) <= set(button.split(","))
    field = "id,name,tag,inputType,placeholder,valueMeaning"
    for one in json.loads(click["cd[formFeatures]"]):
        assert set(one) <= set(field.split(","))


@pytest.mark.parametrize("button", ["#go", "a"])
def test_37_no_value_of_a_field_is_sent(visit: Visit, button: str) -> None:
    visit.open("fbq.disablePushState = true;" + INIT, body=FORM)
    visit.run(FILL)
    visit.page.click(button)
    visit.run("dispatchEvent(new Event('pagehide'))")
    (hit,) = visit.hits(1)
    assert json.loads(hit["cd[buttonFeatures]"])["destination"] == ("" if button == "#go" else SHOP + "/")
    sent = unquote_plus(hit.url + str(hit.fields) + hit.raw).lower()
    assert "innertext" in sent
    assert not [secret for secret in SECRETS if secret in sent]


BUTTONS: list[tuple[str, bool]] = [
    ("<button>Buy</button>", True),
    ("<input type=submit value=Buy form=none>", True),
    ("<input type=button value=Buy>", True),
    ("<div role=button>Buy</div>", True),
    ("<a class='btn-buy' href='#x'>Buy</a>", True),
    ("<a href='#x'>Buy</a>", False),
    ("<p>Buy</p>", False),
    ("<input type=text value=Buy>", False),
]


@pytest.mark.parametrize(("html", "counts"), BUTTONS, ids=range(len(BUTTONS)))
def test_37_what_looks_like_a_button_counts(visit: Visit, html: str, counts: bool) -> None:
    visit.open("fbq.disablePushState = true;" + INIT, body=f"<div id=one>{html}</div>")
    visit.page.click("#one > *")
    hits = visit.hits(int(counts))
    assert [(hit["ev"], hit["cd[buttonText]"]) for hit in hits] == [(CLICK, "Buy")] * counts


def test_37_a_click_that_leaves_the_page_arrives(visit: Visit) -> None:
    visit.open(INIT, body="<a class=btn href=/next?q=1>Next</a>")
    visit.page.click("a")
    visit.page.wait_for_url(SHOP + "/next?q=1")
    (hit,) = visit.hits(1)
    assert json.loads(hit["cd[buttonFeatures]"])["destination"] == SHOP + "/next"
    assert hit["dl"] == SHOP + "/"


def test_38_a_new_address_is_a_view_and_the_same_one_is_none(visit: Visit) -> None:
    visit.open(INIT + "fbq('track', 'PageView', {a: 1}, {eventID: 'first'});")
    assert views(visit, 1) == [SHOP + "/"]
    visit.run("history.pushState({a: 1}, '', '/two?x=1')")
    assert views(visit, 2)[1] == SHOP + "/two?x=1"
    visit.run("history.pushState({}, '', '/two?x=1'); history.replaceState({}, '', location.href)")
    visit.hits(2)
    visit.run("history.replaceState({b: 2}, '', '/three')")
    assert views(visit, 3)[2] == SHOP + "/three"
    assert visit.run("return history.state") == {"b": 2}
    visit.run("history.pushState(null, '', '#part')")
    assert views(visit, 4)[3] == SHOP + "/three#part"
    hits = in_order(visit.web.hits)
    assert [hit["ec"] for hit in hits] == ["0", "1", "2", "3"]
    assert [hit.get("eid") for hit in hits] == ["first", None, None, None]
    assert [hit.get("cd[a]") for hit in hits] == ["1", None, None, None]


def test_38_going_back_is_a_view(visit: Visit) -> None:
    visit.open(INIT)
    visit.run("history.pushState(0, '', '/two'); history.back()")
    assert views(visit, 2) == [SHOP + "/two", SHOP + "/"]


def test_38_every_pixel_gets_it_whatever_autoconfig_says(visit: Visit) -> None:
    visit.open(f"fbq('set', 'autoConfig', false, '{ID}'); {INIT} fbq('init', '{OTHER}')")
    visit.run("history.pushState(0, '', '/two')")
    assert sorted(hit["id"] for hit in visit.hits(2)) == [ID, OTHER]
    assert set(visit.web.names()) == {"PageView"}


def test_38_the_flag_turns_it_off_and_is_read_at_each_navigation(visit: Visit) -> None:
    visit.open("fbq.disablePushState = true;" + INIT + VIEW)
    visit.run("history.pushState(0, '', '/two'); history.replaceState(0, '', '/three'); history.pushState(0, '', '/4')")
    assert views(visit, 1) == [SHOP + "/"]
    visit.run("fbq.disablePushState = false; history.pushState(0, '', '/five')")
    assert views(visit, 2)[1] == SHOP + "/five"
    visit.run("fbq.disablePushState = true; history.pushState(0, '', '/six')")
    visit.hits(2)


def test_38_without_a_pixel_there_is_no_view_and_a_navigation_that_throws_still_throws(visit: Visit) -> None:
    visit.open()
    threw = "try { history.pushState(0, '', 'https://elsewhere.example/'); return '' } catch (e) { return e.name }"
    assert visit.run("history.pushState(0, '', '/two');" + threw) == "SecurityError"
    assert visit.settle() == []


def test_39_a_second_view_of_a_page_load_is_dropped(visit: Visit) -> None:
    visit.open(INIT + VIEW + VIEW)
    visit.hits(1)
    visit.run(VIEW + f"fbq('trackSingle', '{ID}', 'PageView')")
    visit.hits(1)
    visit.run("history.pushState(0, '', '/two')")
    visit.hits(2)
    visit.run(VIEW)
    assert views(visit, 2) == [SHOP + "/", SHOP + "/two"]
    visit.open(INIT + VIEW)
    assert views(visit, 3)[0] == SHOP + "/"


def test_39_a_pixel_that_comes_later_has_its_own_first_view(visit: Visit) -> None:
    visit.open(INIT + VIEW + f"fbq('init', '{OTHER}');" + VIEW)
    assert [(hit["id"], hit["ec"]) for hit in sorted(visit.hits(2), key=lambda hit: hit["id"])] == [
        (ID, "0"),
        (OTHER, "0"),
    ]


@pytest.mark.parametrize("before", [True, False])
def test_39_with_the_flag_each_view_is_sent(visit: Visit, before: bool) -> None:
    flag = "fbq.allowDuplicatePageViews = true;"
    visit.open((flag if before else "") + INIT + VIEW + (VIEW if before else ""))
    if not before:
        visit.run(flag + VIEW)
    assert views(visit, 2) == [SHOP + "/"] * 2


@pytest.mark.parametrize("flag", ["", "fbq.disablePushState = true;"])
def test_39_a_page_that_comes_back_as_it_was_left_is_one_more_view(visit: Visit, flag: str) -> None:
    """The event is the test's own: see BFCACHE."""
    visit.open(flag + INIT + VIEW + VIEW)
    visit.hits(1)
    visit.run(BFCACHE)
    assert views(visit, 2) == [SHOP + "/"] * 2
    visit.run("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: false}))")
    visit.run(VIEW)
    visit.hits(2)


ODD_BUTTONS = """
<svg width=40 height=20><a class=btn href="#x" id=drawn><rect width=40 height=20 /></a></svg>
<div role=button id=own>Own form</div>
<input role=button readonly id=typed value="1990-01-31 jane@example.com">
<input type=reset id=reset value="Clear">
<script>own.form = {no: 'list'};</script>
"""


def test_36_odd_buttons_throw_nothing_into_the_page_and_no_value_is_read_that_is_no_label(visit: Visit) -> None:
    visit.open("fbq.disablePushState = true;" + INIT, body=ODD_BUTTONS)
    visit.page.click("#drawn rect")
    visit.page.click("#own")
    visit.page.click("#typed")
    visit.page.click("#reset")
    hits = sorted(visit.hits(3), key=lambda hit: int(hit["ec"]))
    assert [hit["cd[buttonText]"] for hit in hits] == ["", "Own form", ""]
    assert not any("jane" in hit.raw for hit in hits)


def test_36_a_page_that_is_rendered_before_anybody_looks_at_it_tells_nothing_until_then(visit: Visit) -> None:
    hidden = "Object.defineProperty(document, 'prerendering', {value: true, configurable: true});"
    visit.open(hidden + INIT + VIEW)
    assert visit.settle() == []
    assert visit.cookies() == {}
    visit.run("delete document.prerendering; document.dispatchEvent(new Event('prerenderingchange'))")
    assert visit.hits(1)[0]["ev"] == "PageView"
