"""Consent and limited data use: what is held, let go and never sent (pixel.md §7; 31 to 35)."""

from __future__ import annotations

import pytest

from tests.pixel.browser import COLLECTOR, ID, OTHER, SHOP, STUB, Hit, Visit

pytestmark = pytest.mark.slow

INIT = f"fbq('init', '{ID}');"
REVOKE = "fbq('consent', 'revoke');"
GRANT = "fbq('consent', 'grant');"
THREE = "fbq('track', 'PageView'); fbq('track', 'Lead', {value: 1, currency: 'EUR'}); fbq('trackCustom', 'Odd');"
STORED = "return [document.cookie, localStorage.length, sessionStorage.length]"
DPO = ("dpo", "dpoco", "dpost")


def in_order(hits: list[Hit]) -> list[Hit]:
    """Images take connections of their own: what counts is the order in which the page counted."""
    return sorted(hits, key=lambda hit: int(hit["ec"]))


def nothing_left(visit: Visit) -> bool:
    """Whether no request went but those for pages and the script, and nothing is stored."""
    assert visit.settle() == []
    assert visit.run(STORED) == ["", 0, 0]
    assert visit.context.cookies() == []
    urls = {url.partition("?")[0] for _, url, _ in visit.web.requests if url.startswith((SHOP, COLLECTOR))}
    assert urls - {SHOP + "/favicon.ico", SHOP + "/"} == {COLLECTOR + "/truecount.js", COLLECTOR + "/mark"}
    return True


def test_31_nothing_is_sent_or_kept_until_consent_and_then_all_of_it_once(visit: Visit) -> None:
    visit.open(REVOKE + INIT + THREE, at=SHOP + "/?fbclid=AbC")
    assert nothing_left(visit)
    visit.run(GRANT)
    hits = visit.hits(3)
    assert [hit["ev"] for hit in in_order(hits)] == ["PageView", "Lead", "Odd"]
    assert [hit["ec"] for hit in in_order(hits)] == ["0", "1", "2"]
    cookies = visit.cookies()
    assert sorted(cookies) == ["_fbc", "_fbp"]
    for hit in hits:
        assert hit["fbp"] == cookies["_fbp"]["value"]
        assert hit["fbc"] == cookies["_fbc"]["value"]
    visit.run(GRANT)
    visit.hits(3)
    visit.run("fbq('track', 'Contact')")
    assert visit.hits(4)[3]["ev"] == "Contact"


def test_31_calls_after_the_load_are_held_as_those_before_it(visit: Visit) -> None:
    visit.open(REVOKE)
    visit.run(INIT + THREE + REVOKE)
    assert nothing_left(visit)
    visit.run(GRANT)
    assert [hit["ev"] for hit in in_order(visit.hits(3))] == ["PageView", "Lead", "Odd"]


def test_31_a_held_event_keeps_its_address_its_time_its_id_and_its_pixels(visit: Visit) -> None:
    visit.open("fbq.disablePushState = true;" + REVOKE + INIT)
    called = visit.run("fbq('track', 'Lead', {}, {eventID: 'ord-77'}); return Date.now()")
    visit.run(f"history.pushState(0, '', '/later?x=1'); fbq('init', '{OTHER}')")
    granted = visit.run(f"const now = Date.now(); {GRANT} return now")
    (hit,) = visit.hits(1)
    assert (hit["id"], hit["dl"], hit["eid"]) == (ID, SHOP + "/", "ord-77")
    assert called - 1000 < int(hit["ts"]) <= called < granted


def test_31_grant_before_init_is_nothing_special(visit: Visit) -> None:
    visit.open(GRANT + INIT + "fbq('track', 'PageView')")
    assert visit.hits(1)[0]["ev"] == "PageView"


def test_31_another_word_than_grant_and_revoke_changes_nothing(visit: Visit) -> None:
    visit.open(REVOKE + INIT + THREE + "fbq('consent', 'granted'); fbq('consent'); fbq('consent', true);")
    assert nothing_left(visit)
    assert sum("INVALID_CONSENT_ACTION" in text for text in visit.said) == 3


def test_31_user_data_that_comes_while_revoked_goes_with_what_is_let_go(visit: Visit) -> None:
    user = "{em: 'john_smith@gmail.com'}"
    visit.open(f"{REVOKE} fbq('init', '{ID}', {user}); fbq('set', 'agent', 'x', '{ID}'); {THREE}")
    assert nothing_left(visit)
    visit.run(GRANT)
    hashed = "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"
    assert [(hit["ud[em]"], hit["a"]) for hit in visit.hits(3)] == [(hashed, "x")] * 3


def test_31_clicks_while_revoked_are_not_recorded_and_views_are_held_once_an_address(visit: Visit) -> None:
    visit.open(REVOKE + INIT, body="<button>Buy</button>")
    visit.page.click("button")
    visit.run("for (const at of ['/a', '/b', '/a', '/b']) history.pushState(0, '', at)")
    assert visit.settle() == []
    visit.run(GRANT)
    assert [(hit["ev"], hit["dl"]) for hit in in_order(visit.hits(2))] == [
        ("PageView", SHOP + "/a"),
        ("PageView", SHOP + "/b"),
    ]


@pytest.mark.parametrize("calls", [INIT + REVOKE + THREE, REVOKE + INIT + THREE], ids=["after_init", "before_init"])
@pytest.mark.parametrize("queued", [True, False])
def test_32_both_orders_of_revoke_and_init_hold_events(visit: Visit, calls: str, queued: bool) -> None:
    visit.open(calls if queued else "", then="" if queued else calls)
    assert nothing_left(visit)
    visit.run(GRANT)
    visit.hits(3)


def test_32_revoke_after_grant_stops_what_follows_and_leaves_the_cookies(visit: Visit) -> None:
    visit.open(REVOKE + INIT + GRANT + "fbq('track', 'PageView')")
    visit.hits(1)
    before = visit.context.cookies()
    assert [cookie["name"] for cookie in before] == ["_fbp"]
    visit.run(REVOKE + "fbq('track', 'Lead'); fbq('trackCustom', 'Odd')")
    visit.hits(1)
    assert visit.context.cookies() == before
    visit.run(GRANT)
    assert [hit["ev"] for hit in in_order(visit.hits(3))] == ["PageView", "Lead", "Odd"]


def test_33_leaving_the_page_while_revoked_sends_nothing(visit: Visit) -> None:
    visit.open(REVOKE + INIT + THREE, body="<a href=/next>Next</a>")
    visit.page.click("a")
    visit.page.wait_for_url(SHOP + "/next")
    assert visit.settle() == []
    visit.run("dispatchEvent(new Event('pagehide'))")
    visit.open(REVOKE + INIT + THREE)
    visit.page.close()
    visit.page = visit.context.new_page()
    visit.page.goto(SHOP + "/next")
    assert nothing_left_at_next(visit)


def nothing_left_at_next(visit: Visit) -> bool:
    return visit.settle() == [] and visit.run(STORED) == ["", 0, 0] and visit.context.cookies() == []


@pytest.mark.parametrize("track", ["", "fbq('track', 'PageView');"], ids=["before_any_event", "after_an_event"])
@pytest.mark.parametrize("flag", ["", "fbq.disablePushState = true;"], ids=["pages_watched", "pages_not_watched"])
def test_34_the_landings_click_id_is_kept_in_memory_until_consent(visit: Visit, track: str, flag: str) -> None:
    visit.open(flag + REVOKE + INIT + track, at=SHOP + "/?fbclid=AbC")
    visit.run("history.replaceState(0, '', '/')")
    assert nothing_left(visit)
    visit.run(GRANT + "fbq('track', 'Lead')")
    lead = next(hit for hit in visit.hits(1 + bool(track) + (not flag)) if hit["ev"] == "Lead")
    assert lead["fbc"].startswith("fb.1.") and lead["fbc"].endswith(".AbC")
    assert visit.cookies()["_fbc"]["value"] == lead["fbc"]


def test_35_without_a_call_there_is_no_key_of_data_processing(visit: Visit) -> None:
    visit.open(INIT + THREE)
    for hit in visit.hits(3):
        assert not set(DPO) & set(hit.fields)


@pytest.mark.parametrize("queued", [True, False])
def test_35_an_empty_list_says_that_there_is_none(visit: Visit, queued: bool) -> None:
    calls = (
        "fbq('dataProcessingOptions', []);" + INIT + "fbq('track', 'Lead'); fbq('track', 'Lead', {x: 'x'.repeat(3e3)})"
    )
    visit.open(calls if queued else "", then="" if queued else calls)
    for hit in visit.hits(2):
        assert "&dpo=&" in hit.raw
        assert [hit.get(key) for key in DPO] == ["", None, None]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("['LDU'], 0, 0", ["LDU", "0", "0"]),
        ("['LDU'], 1, 1000", ["LDU", "1", "1000"]),
        ("['LDU']", ["LDU", "0", "0"]),
    ],
)
def test_35_limited_use_is_said_on_every_later_event_automatic_ones_too(
    visit: Visit, given: str, expected: list[str]
) -> None:
    visit.open(f"fbq('dataProcessingOptions', {given}); {INIT} {THREE}", body="<button>Buy</button>")
    visit.page.click("button")
    visit.run(f"history.pushState(0, '', '/next'); fbq('init', '{OTHER}'); fbq('trackSingle', '{OTHER}', 'Contact')")
    hits = visit.hits(6)
    assert sorted(visit.web.names()) == ["Contact", "Lead", "Odd", "PageView", "PageView", "SubscribedButtonClick"]
    for hit in hits:
        assert [hit.get(key) for key in DPO] == expected
        assert "fbp" in hit.fields  # limited use is the receiver's matter


def test_35_the_last_call_holds_for_later_events_alone(visit: Visit) -> None:
    visit.open(f"{INIT} fbq('track', 'Lead'); fbq('dataProcessingOptions', ['LDU'], 1, 1000); fbq('track', 'Search')")
    visit.run("fbq('dataProcessingOptions', []); fbq('track', 'Contact')")
    found = {hit["ev"]: [hit.get(key) for key in DPO] for hit in visit.hits(3)}
    assert found == {"Lead": [None] * 3, "Search": ["LDU", "1", "1000"], "Contact": ["", None, None]}


def test_32_a_page_without_a_stub_may_hold_events_too(visit: Visit) -> None:
    visit.open(stub="", then=REVOKE + INIT + THREE)
    assert nothing_left(visit)
    assert STUB not in visit.page.content()
    visit.run(GRANT)
    visit.hits(3)


@pytest.mark.parametrize(
    ("place", "told"), [("1", ("0", "0")), ("1,0", ("0", "0")), ("0,1000", ("0", "0")), ("1,1000", ("1", "1000"))]
)
def test_35_a_country_without_its_state_says_nothing(visit: Visit, place: str, told: tuple[str, str]) -> None:
    visit.open(f"fbq('dataProcessingOptions', ['LDU'], {place}); {INIT} fbq('track', 'Lead')")
    (hit,) = visit.hits(1)
    assert (hit["dpo"], hit["dpoco"], hit["dpost"]) == ("LDU", *told)
