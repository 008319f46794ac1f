"""What pages say while something is wrong, and that they go on by themselves when it is mended."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.manager.seen.axe import everywhere
from tests.manager.seen.conftest import Seen
from tests.manager.seen.shop import fill
from tests.manager.seen.states import (
    disk_full,
    server_away,
    session_over,
    store_down,
    store_hangs,
    stream_cut,
    too_heavy,
)
from tests.manager.test_in_chromium import OWNER, PASSWORD, Screen, first_link, first_run
from tests.system import System, purchase, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ill(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """A server of this file alone, which may be hurt."""
    with System(tmp_path_factory.mktemp("ill"), environ={"TRUECOUNT_CANARY_S": "2"}).running() as system:
        link = first_link(system)
        screen = Screen(browser, system)
        first_run(screen.page, system)
        shop = system.create("BrewBeans")
        fill(system, shop)
        yield Seen(system, shop, shop, screen.context.cookies(), link)  # type: ignore[arg-type]
        screen.context.close()


@pytest.fixture
def screen(browser: Browser, ill: Seen) -> Iterator[Screen]:
    screen = Screen(browser, ill.system)
    screen.context.add_cookies(ill.cookies)  # type: ignore[arg-type]
    yield screen
    screen.context.close()


@pytest.mark.parametrize("path", ["", "/actions", "/test"])
def test_while_the_store_is_down_a_page_stands_and_says_so(screen: Screen, ill: Seen, path: str) -> None:
    page = screen.page
    with store_down(page, ill.system, f"/d/{ill.shop.id}{path}"):
        told = page.inner_text("main")
        assert "The doors go on and no event is lost. Reload in a few seconds" in told
        assert "run truecount doctor on the server" in told
        assert page.is_visible("h1") and page.is_visible("nav >> text=Settings")
        assert everywhere(page) == []
    wait_until(lambda: page.reload() and not page.is_visible("text=The store does not answer"), "the store's answers")


def test_a_question_that_takes_too_long_is_stopped_and_told(screen: Screen, ill: Seen) -> None:
    page = screen.page
    with store_hangs(page, ill.system, f"/d/{ill.shop.id}/actions"):
        told = page.inner_text("main")
        assert "This report took longer than 10 seconds and was stopped. No data is lost. Try a shorter period" in told
        assert everywhere(page) == []
    wait_until(lambda: page.reload() and page.is_visible("tbody tr"), "the rows")


def test_a_question_that_is_too_heavy_says_so_in_its_box_and_the_rest_of_the_page_stands(
    screen: Screen, ill: Seen
) -> None:
    page = screen.page
    path = f"/d/{ill.shop.id}/event?name=Purchase&since=24h"
    with too_heavy(page, ill.system, path):
        [told] = page.locator(".problem").all_inner_texts()
        assert "This report was too heavy for the engine and was stopped. No data is lost. Try a shorter period" in told
        assert "--engine-memory-mb" in told and "(code 241)" in told
        assert page.is_visible("[aria-labelledby='match-keys'] tbody tr >> nth=0") and page.is_visible(
            "h1:has-text('Purchase')"
        )
        assert everywhere(page) == []
    page.goto(path)
    wait_until(lambda: page.reload() and not page.is_visible(".problem"), "an answer to every question")


def test_a_stream_that_breaks_off_says_so_and_fills_in_what_came_meanwhile(screen: Screen, ill: Seen) -> None:
    page, system = screen.page, ill.system
    with stream_cut(page, system, f"/d/{ill.shop.id}/test"):
        assert "The page asks again by itself" in page.inner_text("#late")
        assert everywhere(page) == []
        assert system.post_events(ill.shop, [purchase("meanwhile")]).status == 200
    page.wait_for_selector("a.ev:has-text('meanwhile')", timeout=60_000)
    assert not page.is_visible("#late")


def test_numbers_that_no_longer_renew_themselves_say_so_until_the_server_is_back(screen: Screen, ill: Seen) -> None:
    page, system = screen.page, ill.system
    with server_away(page, system, f"/d/{ill.shop.id}"):
        assert "what stands here is from before, and may be old" in page.inner_text("#late")
        shown = page.inner_text(".count")
        assert int(shown) > 0, "the old numbers stay"
        assert everywhere(page) == []
    page.wait_for_selector("#late", state="hidden", timeout=60_000)
    assert system.post_events(ill.shop, [purchase("after")]).status == 200
    page.wait_for_function("n => +document.querySelector('.count').innerText === n", arg=int(shown) + 1)


def test_a_page_that_is_asked_for_while_the_manager_starts_again_waits_for_it(screen: Screen, ill: Seen) -> None:
    page, system = screen.page, ill.system
    old = system.signal("manager")
    answer = page.goto(f"/d/{ill.shop.id}/settings", timeout=60_000)
    assert answer
    if answer.status == 503:  # the relay has a page of its own for that, which asks again
        assert "events are collected" in page.inner_text("main")
    page.wait_for_selector("h1:text-is('Settings')", timeout=60_000)
    system.wait_back("manager", old)


def test_while_the_disk_is_full_every_page_says_what_is_lost_and_what_to_do(screen: Screen, ill: Seen) -> None:
    page, system = screen.page, ill.system
    path = f"/d/{ill.shop.id}/settings"
    with disk_full(page, system, path):
        assert system.post_events(ill.shop, [purchase("too-late")]).status == 503
        told = page.inner_text("#shut")
        assert "Nothing can be stored" in told and "Make room on the server" in told and "truecount doctor" in told
        assert everywhere(page) == []
    wait_until(lambda: b'"trouble":{}' in system.get("/canary", {"Accept": "application/json"}).body, "a good canary")
    page.reload()
    assert not page.is_visible("text=Nothing can be stored")


def test_an_open_page_learns_of_a_full_disk_and_of_its_end_without_a_reload(screen: Screen, ill: Seen) -> None:
    page = screen.page
    wait_until(lambda: ill.system.get("/canary", {"Accept": "application/json"}).status == 200, "the canary")
    page.goto(f"/d/{ill.shop.id}/settings")
    part = '<p class="canary" id="canary">Canary</p><div id="shut" hx-swap-oob="true">{}</div>'
    told = ["Nothing can be stored", ""]
    answers = [part.format(text) for text in told]
    page.route("**/canary", lambda route: route.fulfill(body=answers.pop(0), content_type="text/html"))
    for text in told:
        page.evaluate("htmx.ajax('GET', '/canary', {target: '#canary', swap: 'outerHTML'})")
        page.wait_for_function("text => document.querySelector('#shut').textContent === text", arg=text)
    page.unroute("**/canary")
    assert page.locator("#shut").count() == 1


def test_a_session_that_is_over_leads_to_sign_in_and_back(screen: Screen, ill: Seen) -> None:
    page = screen.page
    path = f"/d/{ill.shop.id}?since=24h"
    with session_over(page, ill.system, path):
        assert "Sign in, and you are back on the page that you asked for" in page.inner_text("main")
        assert everywhere(page) == []
        page.fill("#email", OWNER)
        page.fill("#password", PASSWORD)
        page.press("#password", "Enter")
        page.wait_for_url(f"**{path}")
