"""axe finds nothing on any page of the manager, in both themes, on a wide screen and on a phone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.manager.seen.axe import everywhere, violations
from tests.manager.seen.conftest import Seen
from tests.manager.seen.shop import rooms
from tests.manager.test_in_chromium import OWNER, PASSWORD, Screen, first_link, first_run
from tests.system import Shop, System

pytestmark = pytest.mark.slow

NAMES = [room.name for room in rooms(Shop("1", ""), Shop("2", ""))]


@pytest.mark.parametrize("name", NAMES)
def test_a_page(screen: Screen, seen: Seen, name: str) -> None:
    room = next(room for room in rooms(seen.shop, seen.untouched) if room.name == name)
    screen.page.goto(room.path)
    screen.page.wait_for_selector(room.ready, state="attached")
    assert everywhere(screen.page) == []
    assert screen.faults() == []


def test_what_is_broken_on_purpose_is_found(screen: Screen) -> None:
    page = screen.page
    page.goto("/start")
    assert violations(page) == []
    page.evaluate("document.querySelector('h1').style.color = '#ddd'")
    page.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<button></button>')")
    assert [text.partition(" ")[0] for text in violations(page)] == ["button-name", "color-contrast"]


@pytest.mark.parametrize("path", ["", "/event?name=Purchase", "/actions", "/diagnostics"])
def test_what_opens_on_a_page(screen: Screen, seen: Seen, path: str) -> None:
    page = screen.page
    page.goto(f"/d/{seen.shop.id}{path}")
    page.wait_for_selector("main details" if path else ".overlap", state="attached")
    page.evaluate("document.querySelectorAll('main details').forEach(e => e.open = true)")
    assert everywhere(page) == []
    page.evaluate("document.querySelectorAll('main details').forEach(e => e.open = false)")
    page.click(".pick")
    assert everywhere(page, ".picker") == [], "what the menu covers is not judged meanwhile"
    page.keyboard.press("Escape")
    assert not page.is_visible(".picker-in")
    page.keyboard.press("?")
    page.wait_for_selector("#keys[open]")
    assert everywhere(page) == []


def test_an_action_of_test_events_and_a_payload_that_is_tried_out(screen: Screen, seen: Seen) -> None:
    page = screen.page
    page.goto(f"/d/{seen.shop.id}/test")
    page.set_viewport_size({"width": 1440, "height": 900})
    page.click("a.ev >> nth=3")
    page.wait_for_selector("#drawer .fields")
    assert everywhere(page) == []
    for payload, said in (("", "Would be kept"), ('{"event_name": "Purchase"}', "Would be refused")):
        if payload:
            page.fill("#payload", payload)
        page.click("text=Check it")
        page.wait_for_selector(f"#try h3:has-text('{said}')")
        assert everywhere(page) == []


@pytest.mark.parametrize("width", [320, 768, 1024, 1130, 1280, 1440, 1920])
def test_nothing_in_a_row_of_test_events_is_cut_off(screen: Screen, seen: Seen, width: int) -> None:
    page = screen.page
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"/d/{seen.shop.id}/test")
    page.wait_for_selector("a.ev")
    cut = page.evaluate("""() => {
      const edge = document.querySelector('.stream').getBoundingClientRect().right;
      const all = [...document.querySelectorAll('.stream .ev:not(.head) > *, .stream .duo > *')];
      return all.filter(e => e.getBoundingClientRect().right > edge || e.scrollWidth > e.clientWidth + 1)
        .map(e => e.className + ' ' + e.textContent).filter(text => !text.includes('WWW'));
    }""")
    assert cut == []


@pytest.mark.parametrize("width", [1130, 1280, 1440])
def test_the_table_of_events_needs_no_scrolling_sideways(screen: Screen, seen: Seen, width: int) -> None:
    page = screen.page
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"/d/{seen.shop.id}?since=24h")
    page.wait_for_selector("[data-sortable] tbody tr")
    beyond = "document.querySelector('[data-sortable]').parentElement"
    assert page.evaluate(f"{beyond}.scrollWidth - {beyond}.clientWidth") <= 0
    heights = page.evaluate("[...document.querySelectorAll('[data-sortable] tbody th a')].map(e => e.offsetHeight)")
    assert heights.count(min(heights)) >= len(heights) - 1, "but for the wide one each name is on one line"


def test_a_finding_that_is_muted(screen: Screen, seen: Seen) -> None:
    page = screen.page
    at = f"/d/{seen.shop.id}/diagnostics"
    page.goto(at)
    page.click(".problem-card summary >> nth=0")
    page.click(".problem-card form button >> nth=0")
    page.goto(f"{at}?state=muted")
    assert everywhere(page) == []
    page.click("button:has-text('Unmute')")
    page.wait_for_selector("text=Nothing is muted")


def test_a_token_that_was_just_made(screen: Screen, seen: Seen) -> None:
    page = screen.page
    page.goto(f"/d/{seen.untouched.id}/settings")
    page.click("#tokens >> text=Make a token")
    page.wait_for_selector(".once pre")
    assert everywhere(page) == []


def test_an_analyst_who_may_see_nothing_yet(browser: Browser, seen: Seen) -> None:
    made = json.loads(
        seen.system.cli("user", "add", "a@brewbeans.example", "--datasets", seen.untouched.id, "--format", "json")
    )
    screen = Screen(browser, seen.system)
    page = screen.page
    page.goto(made["link"])
    assert everywhere(page) == []
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    page.wait_for_url("**/d/*")
    page.goto("/start")
    page.wait_for_selector("text=Nothing to see yet")
    assert everywhere(page) == []
    screen.context.close()


def test_the_way_in(browser: Browser, tmp_path: Path) -> None:
    """Its own server, on which nobody has a password yet."""
    with System(tmp_path).running() as system:
        screen = Screen(browser, system)
        page: Page = screen.page
        page.goto("/sign-in")
        assert everywhere(page) == []
        link = first_link(system)
        page.goto(link)
        assert everywhere(page) == []
        page.fill("#email", OWNER)
        page.fill("#password", "password12")
        page.press("#password", "Enter")
        page.wait_for_selector("#password-e")
        assert everywhere(page) == []
        first_run(page, system)
        page.context.clear_cookies()
        page.goto(link)
        page.wait_for_selector("text=This link is used up")
        assert everywhere(page) == []
        page.goto("/sign-in")
        page.fill("#email", OWNER)
        page.fill("#password", "wrong wrong wrong")
        page.press("#password", "Enter")
        page.wait_for_selector("[role=alert]")
        assert everywhere(page) == []
        assert screen.faults() == []
        screen.context.close()
