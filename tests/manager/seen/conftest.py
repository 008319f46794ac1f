"""One server, one shop and one browser for all that looks at pages and changes nothing there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.manager.seen.shop import fill
from tests.manager.test_in_chromium import Screen, first_link, first_run
from tests.pixel.browser import FLAGS, chromium
from tests.system import Shop, System


class Seen(NamedTuple):
    """A server with a filled dataset, an untouched one, and the owner's cookies."""

    system: System
    shop: Shop
    untouched: Shop
    cookies: list[dict[str, object]]
    first_link: str
    """The link of the first run, which is used."""


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=[*FLAGS])
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def seen(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    with System(tmp_path_factory.mktemp("seen")).running() as system:
        link = first_link(system)
        screen = Screen(browser, system)
        first_run(screen.page, system)
        shop, untouched = system.create("BrewBeans"), system.create("A second shop")
        fill(system, shop)
        yield Seen(system, shop, untouched, screen.context.cookies(), link)  # type: ignore[arg-type]
        screen.context.close()


@pytest.fixture
def screen(browser: Browser, seen: Seen) -> Iterator[Screen]:
    """The owner's browser, signed in."""
    screen = Screen(browser, seen.system)
    screen.context.add_cookies(seen.cookies)  # type: ignore[arg-type]
    yield screen
    screen.context.close()
