"""What only a browser shows of the pages: what a form says that failed, what is kept of it, how small screens are."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from tests.manager.served import Guest
from tests.manager.test_in_chromium import Screen
from tests.system import Shop, System

pytestmark = pytest.mark.slow


@pytest.fixture
def screen(browser: Browser, served: System, guest: Guest) -> Iterator[Screen]:
    """A browser that the owner is signed in with."""
    screen = Screen(browser, served)
    for cookie in guest.client.cookies.jar:
        place = {"name": cookie.name, "value": cookie.value or "", "url": served.state["url"]}
        screen.context.add_cookies([place])  # type: ignore[list-item]
    yield screen
    screen.context.close()


@pytest.fixture(scope="module")
def shop(served: System) -> Shop:
    return served.create("BrewBeans")


def test_a_payload_that_is_too_large_to_try_is_told_in_its_place(screen: Screen, shop: Shop) -> None:
    page = screen.page
    page.goto(f"/d/{shop.id}/test")
    page.eval_on_selector("#payload", "field => field.value = 'x'.repeat(4100000)")
    page.click("#try button")
    page.wait_for_selector("#try .out .problem")
    assert "larger than 3,906 kB, the most that is taken here" in page.inner_text("#try .out")
    page.fill("#payload", "{")
    page.click("#try button")
    page.wait_for_selector("#try .out :text('it is not JSON')")
    page.route("**/test/try", lambda route: route.abort())
    page.click("#try button")
    page.wait_for_selector("#try .out :text('The server did not answer this')")
    assert not page.is_visible("#late") and urlsplit(page.url).path.endswith("/test")
