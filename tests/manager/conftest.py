"""One whole server for the pages that are looked at over HTTP, one Chromium a module, a server of a test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.manager.served import Guest
from tests.pixel.browser import FLAGS, chromium
from tests.system import System


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A server that many tests look at: each makes the datasets that it asks about, and stops nothing."""
    with System(tmp_path_factory.mktemp("served")).running() as served:
        yield served


@pytest.fixture(scope="package")
def guest(served: System) -> Guest:
    """Its owner."""
    return Guest(served)


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """A server of the test's own, that nobody has signed in to."""
    with System(tmp_path).running() as system:
        yield system


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=[*FLAGS])
        yield browser
        browser.close()
