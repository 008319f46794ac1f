"""One recording web a process of tests, one Chromium a module; a visitor of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.pixel.browser import Visit, Web, browsing, recording


@pytest.fixture(scope="session")
def whole_web() -> Iterator[Web]:
    with recording() as web:
        yield web


@pytest.fixture(scope="module")
def chrome(whole_web: Web) -> Iterator[Browser]:
    """Of a module, not of the session: while Playwright is there its loop runs here, and asyncio.run would fail."""
    with browsing(whole_web.port) as browser:
        yield browser


@pytest.fixture
def web(whole_web: Web) -> Web:
    whole_web.clear()
    return whole_web


@pytest.fixture
def visit(chrome: Browser, web: Web) -> Iterator[Visit]:
    context = chrome.new_context()
    visit = Visit(context, web)
    yield visit
    context.close()
    assert visit.errors == []
