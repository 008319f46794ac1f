"""Test events in a real browser: a hit and a server event come, one after the other, and become one row."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.manager.test_in_chromium import Screen, first_run, shown
from tests.system import Shop, System, purchase

pytestmark = pytest.mark.slow


@pytest.fixture
def screen(browser: Browser, system: System) -> Iterator[Screen]:
    screen = Screen(browser, system)
    yield screen
    screen.context.close()


def test_a_hit_comes_and_its_server_event_merges_with_it_before_ones_eyes(browser: Browser, system: System) -> None:
    screen = Screen(browser, system)
    page = screen.page
    first_run(page, system)
    page.fill("#name", "BrewBeans")
    page.press("#name", "Enter")
    page.wait_for_url("**/d/*/start")
    shop = Shop(page.url.split("/")[-2], page.inner_text(".once pre"))
    page.goto(f"/d/{shop.id}/test")
    shown(page, "test-empty")
    page.wait_for_selector("[data-live-state]:text-is('Live')")

    # the browser's copy, then its twin: one row, in place
    system.post_hit(shop, ev="Purchase", eid="order-1", dl="https://x/", cd={"value": "899.00", "currency": "INR"})
    page.wait_for_selector("a.ev .duo[data-door=browser]", timeout=60_000)
    element = page.get_attribute("a.ev", "id")
    assert system.post_events(shop, [purchase("order-1")]).status == 200
    page.wait_for_selector(f"#{element} .duo[data-door=both]", timeout=60_000)
    assert len(page.query_selector_all("a.ev")) == 1 and "Merged" in page.inner_text("a.ev .said")

    # refused: the reason, the code and what to do
    assert system.post_events(shop, [{**purchase("order-2"), "user_data": {}}]).status == 400
    page.wait_for_selector("div.ev .duo[data-door=refused]", timeout=60_000)
    assert "code 100/" in page.inner_text("div.ev:not(.head)") and "Nothing tells who" in page.inner_text(
        "div.ev .advice"
    )

    # pause counts, and going on shows
    page.click("[data-pause]")
    system.post_events(shop, [purchase("order-3", test="x")])
    page.wait_for_selector("[data-pause] span:text-is('Resume (1)')", timeout=60_000)
    assert len(page.query_selector_all("a.ev")) == 1
    page.click("[data-pause]")
    assert len(page.query_selector_all("a.ev")) == 2

    # a row opens beside the others, on a phone as a page of its own
    page.set_viewport_size({"width": 1440, "height": 900})
    page.click(f"#{element}")
    page.wait_for_selector("#drawer .fields")
    assert "order-1" in page.inner_text("#drawer") and page.get_attribute(f"#{element}", "aria-current") == "true"
    assert "action=" in page.url
    page.reload()
    page.wait_for_selector("#drawer .fields")
    shown(page, "test-action")
    page.set_viewport_size({"width": 390, "height": 844})
    assert not page.is_visible("[data-stream]")
    page.click("text=All rows")
    page.wait_for_selector(f"#{element}")
    assert not page.is_visible("#drawer")
    page.set_viewport_size({"width": 1440, "height": 900})

    # a payload that is tried out
    page.click("text=Check it")
    page.wait_for_selector("#try h3")
    assert "Would be kept, with" in page.inner_text("#try")
    page.fill("#payload", '{"event_name": "Purchase"}')
    page.click("text=Check it")
    page.wait_for_selector("text=Would be refused")
    assert system.events(shop)["Purchase"]["copies"] == 3
    shown(page, "test-tried")

    # away for a while: the manager starts again, and what came meanwhile is filled in
    old = system.signal("manager")
    assert system.post_events(shop, [purchase("order-4")]).status == 200
    system.wait_back("manager", old)
    page.wait_for_selector("a.ev:has-text('order-4')", timeout=60_000)
    page.click("[data-clear]")
    assert page.query_selector_all("a.ev") == [] and page.is_visible("text=Cleared")

    # signed out elsewhere: the stream says so
    page.context.request.post(
        "/sign-out",
        form={"csrf": page.get_attribute("input[name=csrf]", "value") or ""},
        headers={"Origin": system.state["url"]},
        max_redirects=0,
    )
    page.wait_for_selector("text=This session is over", timeout=60_000)
    cut = [text for text in screen.faults() if "ERR_INCOMPLETE_CHUNKED_ENCODING" in text]  # by the manager's end
    assert [text for text in screen.faults() if text not in cut] == [] and len(cut) <= 1
    screen.context.close()


def test_a_burst_is_there_at_once_and_does_not_fade_in(screen: Screen, system: System) -> None:
    page = screen.page
    first_run(page, system)
    shop = system.create("BrewBeans")
    page.goto(f"/d/{shop.id}/test")
    page.wait_for_selector("[data-live-state]:text-is('Live')")
    assert system.post_events(shop, [purchase("order-0")]).status == 200
    page.wait_for_selector("a.ev", timeout=60_000)
    assert page.locator("a.ev.is-new").count() == 1
    assert system.post_events(shop, [purchase(f"order-{at}") for at in range(1, 7)]).status == 200
    page.wait_for_selector("a.ev >> nth=6", timeout=60_000)
    assert page.locator("a.ev.is-new").count() <= 4


def test_without_scripts_the_newest_rows_are_there_with_a_link_to_reload(browser: Browser, system: System) -> None:
    screen = Screen(browser, system, java_script_enabled=False)
    page = screen.page
    first_run(page, system)
    page.fill("#name", "BrewBeans")
    page.press("#name", "Enter")
    page.wait_for_url("**/d/*/start")
    shop = Shop(page.url.split("/")[-2], page.inner_text(".once pre"))
    system.post_hit(shop, ev="PageView", eid="view-1")
    page.goto(f"/d/{shop.id}/test?event=PageView")
    for _ in range(100):
        if page.query_selector("a.ev"):
            break
        page.wait_for_timeout(200)
        page.click("text=Reload")
    page.click("a.ev")
    assert "view-1" in page.inner_text("#drawer")
    page.click("text=Check it")
    assert "Would be kept" in page.inner_text("#try")
    page.click("text=Back to Test events")
    page.wait_for_url("**/test")
    screen.context.close()
