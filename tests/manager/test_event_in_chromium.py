"""Diagnostics and Event in a real browser: numbers of a running server, any width, both themes, without scripts."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser

from tests.manager.test_in_chromium import Screen, first_run, shown
from tests.system import Shop, System, purchase, wait_until

pytestmark = pytest.mark.slow

HOSTILE = '<b>{{7*7}}</b>"\u202e/tr'
LONG = "W" * 40


def sell(system: System, shop: Shop) -> None:
    """24 sales of both doors, 6 that the server alone tells of, some retries, and what is to be mended."""
    for at in range(30):
        data: dict[str, Any] = {"value": "899", "currency": "INR", "order_id": f"order-{at}", "content_ids": ["beans"]}
        if at < 24:
            cd = {name: str(value) for name, value in data.items()}
            system.post_hit(shop, ev="Purchase", eid=f"order-{at}", cd=cd)
        if at == 3:
            data["value"] = "undefined"
        if at == 4:
            del data["value"]
        system.post_events(shop, [purchase(f"order-{at}", custom_data=data)])
    system.post_events(shop, [purchase("order-1"), purchase("order-2")])
    system.post_events(shop, [purchase(f"p{at}", event_name="purchase") for at in range(3)])
    for name in (HOSTILE, LONG):
        system.post_events(shop, [purchase(name, event_name=name, custom_data={name: name, "value": "=1+1"})])


def test_an_event_and_what_is_to_be_mended_can_be_read_and_muted(browser: Browser, system: System) -> None:
    screen = Screen(browser, system)
    page = screen.page
    first_run(page, system)
    page.fill("#name", "BrewBeans")
    page.press("#name", "Enter")
    page.wait_for_url("**/d/*/start")
    shop = Shop(page.url.split("/")[4], page.inner_text(".once pre"))
    sell(system, shop)
    wait_until(lambda: LONG in system.events(shop), "the events")

    page.goto(f"/d/{shop.id}/event?name=Purchase&since=24h")
    counts = system.events(shop)["Purchase"]
    assert (page.inner_text(".count"), counts["actions"]) == ("30", 30)
    assert "56 copies less 26 is 30" in " ".join(page.inner_text("main").split())
    shown(page, "event")
    page.click("text=statements behind this page")
    shown(page, "event-sql")
    for name in (HOSTILE, LONG):
        page.goto(f"/d/{shop.id}/event?name={quote(name, safe='')}")
        assert page.inner_text(".count") == "1"
        shown(page, f"event-named-{len(name)}")
    page.goto(f"/d/{shop.id}/events/{quote('Purchase')}?since=24h")
    assert page.url.endswith(f"/d/{shop.id}/event?name=Purchase&since=24h")

    page.goto(f"/d/{shop.id}/diagnostics")
    page.wait_for_selector(".problem-card")
    shown(page, "diagnostics")
    cards = len(page.query_selector_all(".problem-card"))
    title = page.inner_text(".problem-card h2 >> nth=0")
    page.click(".problem-card summary >> nth=0")
    page.fill(".problem-card [name=reason] >> nth=0", f"known {HOSTILE}")
    shown(page, "diagnostics-muting")
    page.click(".problem-card form button >> nth=0")
    page.wait_for_url("**/diagnostics?state=open")
    assert len(page.query_selector_all(".problem-card")) == cards - 1
    page.click("text=Muted 1")
    assert page.inner_text(".problem-card h2") == title and "known" in page.inner_text(".problem-card")
    shown(page, "diagnostics-muted")
    page.click("button:has-text('Unmute')")
    page.wait_for_selector("text=Nothing is muted")
    assert screen.faults() == []

    # The same without scripts.
    cookies = screen.context.cookies()
    other = Screen(browser, system, java_script_enabled=False)
    other.context.add_cookies(cookies)  # type: ignore[arg-type]
    other.page.goto(f"/d/{shop.id}/event?name=Purchase&since=24h")
    assert other.page.inner_text(".count") == "30" and other.page.is_visible("text=Show as a table")
    other.context.close()
    screen.context.close()
