"""From the link of the first run to why a sale was counted once, with the keyboard alone; a walk through each page."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.manager.seen.axe import PHONE, WIDE
from tests.manager.seen.conftest import Seen
from tests.manager.seen.keys import Keys
from tests.manager.seen.shop import rooms
from tests.manager.test_in_chromium import OWNER, PASSWORD, Screen, first_link
from tests.system import Shop, System

pytestmark = pytest.mark.slow

SALE = {
    "event_name": "Purchase",
    "event_id": "order-1",
    "action_source": "website",
    "event_source_url": "https://brewbeans.example/thanks",
    "user_data": {"em": ["jane@mail.example"], "client_user_agent": "Mozilla/5.0"},
    "custom_data": {"value": 899, "currency": "INR"},
}


def test_from_the_first_run_to_explain_with_the_keyboard_alone(browser: Browser, tmp_path: Path) -> None:
    with System(tmp_path).running() as system:
        screen = Screen(browser, system)
        page, keys = screen.page, Keys(screen.page)

        # The link in the terminal: the owner's address and password.
        page.goto(first_link(system))
        assert keys.focus()["name"] == "E-mail"
        keys.type(OWNER)
        keys.to("Password", most=1)
        keys.type(PASSWORD)
        keys.to("Show it", most=1)
        keys.press("Space")
        assert page.get_attribute("#password", "type") == "text"
        keys.press("Space")
        keys.to("Set password", most=1)
        keys.enter("**/start")

        # Out, and in again.
        keys.to("Datasets")
        keys.press("Enter")
        keys.to("Sign out")
        keys.enter("**/sign-in")
        assert keys.focus()["name"] == "E-mail"
        keys.type(OWNER)
        keys.to("Password", most=1)
        keys.type(PASSWORD)
        keys.enter("**/start")

        # A dataset.
        assert keys.focus()["name"] == "Name"
        keys.type("BrewBeans")
        keys.enter("**/d/*/start")
        shop = Shop(page.url.split("/")[-2], page.inner_text(".once pre"))

        # The first stop of a page leads past its side.
        assert keys.tab()["name"] == "Skip to content"
        keys.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        inside = "document.querySelector('main').contains(document.activeElement)"
        assert keys.tab() and page.evaluate(inside), "what comes next lies in the page, not at its side"

        # Test events; a payload is tried out there, mended, and found good.
        page.goto(f"/d/{shop.id}/start")
        keys.to("Test events")
        keys.enter("**/test")
        page.wait_for_selector("[data-live-state]:text-is('Live')")
        keys.to("One event as JSON")
        for payload, said in (({**SALE, "user_data": {}}, "Would be refused"), (SALE, "Would be kept")):
            keys.press("Control+A")
            keys.type(json.dumps({**payload, "event_time": int(time.time())}))
            keys.to("Check it", most=1)
            keys.press("Enter")
            page.wait_for_selector(f"#try h3:has-text('{said}')")
            keys.to("One event as JSON")
        assert system.copies(shop) == 0, "what is tried out is not stored"

        # The same payload is sent, then the page's hit: one row, whose two halves meet.
        assert system.post_events(shop, [{**SALE, "event_time": int(time.time())}]).status == 200
        page.wait_for_selector("a.ev .duo[data-door=server]", timeout=60_000)
        system.post_hit(shop, ev="Purchase", eid="order-1", cd={"value": "899.00", "currency": "INR"})
        page.wait_for_selector("a.ev .duo[data-door=both]", timeout=60_000)
        keys.press("Escape")
        page.evaluate("document.activeElement.blur()")
        keys.press("j")
        assert "Purchase" in keys.focus()["name"]
        keys.press("Enter")
        page.wait_for_selector("#drawer .fields")

        # Why it is one sale.
        keys.to("Explain")
        keys.enter("**/d/*/explain?event=Purchase&id=order-1")
        assert "Two copies, one sale." in page.inner_text(".verdict")
        assert page.locator(".flow .fcard").count() == 3
        keys.press("g")
        keys.press("o")
        page.wait_for_url(f"**/d/{shop.id}")
        assert screen.faults() == []
        screen.context.close()


@pytest.mark.parametrize("width", ["wide", "phone"])
def test_each_stop_of_a_page_is_seen(screen: Screen, seen: Seen, width: str) -> None:
    """Neither the bars of a phone nor a head that sticks covers what has the focus, on any page."""
    page, keys = screen.page, Keys(screen.page)
    page.set_viewport_size(WIDE if width == "wide" else PHONE)  # type: ignore[arg-type]
    for room in rooms(seen.shop, seen.untouched):
        page.goto(room.path)
        page.wait_for_selector(room.ready, state="attached")
        names = keys.walk()
        assert names[0] in ("Skip to content", "First page"), room
        assert len(set(names)) >= 5 or "no such" in room.name, (room, names)
