"""A shop that sells in many currencies and names its events as it likes: on a phone, a laptop and a wide screen."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.system import System, purchase, wait_until

from .served import sell
from .test_in_chromium import Screen, first_run, shown

pytestmark = pytest.mark.slow

CURRENCIES = [
    "EUR", "USD", "GBP", "JPY", "CHF", "SEK", "NOK", "DKK", "PLN", "CZK",
    "HUF", "RON", "ILS", "INR", "AUD", "CAD", "NZD", "ZAR", "BRL", "MXN",
]  # fmt: skip
NAMES = 900


def test_many_currencies_and_names_overflow_no_page(browser: Browser, system: System) -> None:
    screen = Screen(browser, system)
    page = screen.page
    first_run(page, system)
    shop = system.create("BrewBeans")
    # Without an event id at the server, beside a sale that has one at both doors: so much is at stake.
    sales = [
        purchase(f"{currency}{at}")
        | {"event_id": None, "custom_data": {"value": f"{at}23456789.5", "currency": currency}}
        for currency in CURRENCIES
        for at in range(1, 4)
    ]
    words = [{**purchase(f"{at}"), "event_name": f"Step {at} of a quiz", "custom_data": {}} for at in range(NAMES)]
    for at in range(0, NAMES, 300):
        assert system.post_events(shop, [*sales[at // 300 :: 3], *words[at : at + 300]]).status == 200
    sell(system, shop, "order-1")
    wait_until(lambda: system.copies(shop, None) == len(sales) + NAMES + 2)

    at = f"/d/{shop.id}"
    page.goto(f"{at}?event=Purchase")
    page.wait_for_selector(".notice .rest")
    assert page.inner_text(".answer .rest summary") == "17 more currencies"
    assert not page.is_visible(".answer .rest a")
    assert page.locator("[data-sortable] tbody tr").count() == 100
    assert page.locator("#ev option").count() == 100
    assert "All 901 as CSV" in page.inner_text("#live")
    shown(page, "many-overview")
    page.set_viewport_size({"width": 320, "height": 900})
    for one in page.query_selector_all(".notice"):
        box = one.bounding_box()  # none where it is hidden
        assert not box or box["height"] < 450, one.inner_text()
    for summary in page.query_selector_all(".rest summary"):
        if summary.is_visible():
            summary.click()
    assert page.inner_text(".answer .rest").count(",") >= 16
    shown(page, "many-overview-unfolded")
    for name, path in (
        ("actions", "/actions?event=Purchase"),
        ("event", "/event?name=Purchase"),
        ("diagnostics", "/diagnostics"),
        ("test", "/test"),
        ("start", "/start"),
    ):
        answer = page.goto(f"{at}{path}")
        assert answer and answer.status == 200, path
        shown(page, f"many-{name}")
    assert screen.faults() == []
