"""What only a browser shows of the pages: what a form says that failed, what is kept of it, how small screens are."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from tests.manager.served import Guest, sell
from tests.manager.test_in_chromium import Screen
from tests.system import Shop, System, purchase, wait_until

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


BOXES = """() => {
    const box = one => { const it = one.getBoundingClientRect(); return [it.left, it.right, it.height]; };
    const of = what => [...document.querySelectorAll(what)].map(box).filter(one => one[2]);
    return [of('.plot text:not([text-anchor])'), of('.chart-foot .nw'), of('.card.chart')[0][1]];
}"""
"""Left, right and height of a chart's labels and of the words of its key, and the right edge of its card: all of one
moment, since the chart renews itself.
"""
EDGES = """all => all.filter(one => one.offsetParent).map(one => {
    const text = document.createRange(); text.selectNodeContents(one); return text.getBoundingClientRect().right;
})"""


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


def test_the_choice_of_an_event_is_that_of_the_page_also_after_going_back(
    screen: Screen, served: System, shop: Shop
) -> None:
    sell(served, shop, "order-1")
    served.post_events(shop, [{**purchase("step-1"), "event_name": "Lead"}])
    wait_until(lambda: served.copies(shop, None) >= 3)
    page = screen.page
    page.goto(f"/d/{shop.id}?event=Purchase")
    page.select_option("#ev", "Lead")
    page.wait_for_url("**event=Lead**")
    page.go_back()
    page.wait_for_url("**event=Purchase**")
    assert page.input_value("#ev") == "Purchase"
    page.goto(f"/d/{shop.id}/actions?event=Purchase")
    page.select_option("#a-event", "Lead")
    page.select_option("#a-rule", "event_id")
    page.click("[aria-label=Filter] button")
    page.wait_for_url("**rule=event_id**")
    page.go_back()
    page.wait_for_url("**event=Purchase")
    assert (page.input_value("#a-event"), page.input_value("#a-rule")) == ("Purchase", "")


def test_labels_and_the_key_of_a_chart_have_room_on_a_small_phone(screen: Screen, served: System, shop: Shop) -> None:
    page = screen.page
    sell(served, shop, "order-2")
    wait_until(lambda: served.copies(shop) >= 2)
    for since in ("1h", "24h", "7d", "28d"):
        page.goto(f"/d/{shop.id}?event=Purchase&since={since}")
        for width in (320, 390, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            labels, names, card = page.evaluate(BOXES)
            seen = [(left, right) for left, right, _ in labels]
            assert len(seen) >= 2 and all(one[1] + 4 < next[0] for one, next in pairwise(seen)), (since, width, seen)
            assert seen[-1][1] < card, (since, width)
            assert len(names) == 3 and all(height < 30 for *_, height in names), "a mark stands beside its word"


@pytest.mark.parametrize("path", ["explain?event=Purchase&id=" + "W" * 5000, "test?code=" + "W" * 900])
def test_a_long_id_goes_over_no_edge(screen: Screen, shop: Shop, path: str) -> None:
    screen.page.goto(f"/d/{shop.id}/{path}")
    screen.page.set_viewport_size({"width": 320, "height": 900})
    assert screen.page.locator(".problem, .empty bdi").first.is_visible()
    edges = screen.page.eval_on_selector_all(".problem p, .empty bdi", EDGES)
    assert edges and max(edges) <= 320


def test_the_theme_is_chosen_on_a_phone_too(screen: Screen, shop: Shop) -> None:
    page = screen.page
    page.set_viewport_size({"width": 320, "height": 900})
    page.goto(f"/d/{shop.id}")
    page.click(".picker summary")
    page.click("[data-theme-next]:visible")
    assert page.get_attribute("html", "data-theme") == "light" and "Light" in page.inner_text(".on-phone")
    page.set_viewport_size({"width": 1440, "height": 900})
    assert page.locator("[data-theme-next]:visible").count() == 1


def test_an_email_address_in_the_box_of_ids_leaves_the_page_as_hashes_alone(
    screen: Screen, served: System, shop: Shop
) -> None:
    page = screen.page
    lead = {**purchase("lead"), "event_name": "Lead", "event_id": "Bob@Mail.example"}
    assert served.post_events(shop, [purchase("jane"), lead]).status == 200  # whose e-mail is jane@mail.example
    wait_until(lambda: served.explain(shop, "Purchase", "jane"), "the sale")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url + (request.post_data or "")))
    ways = {" Jane@mail.example ": "**/explain?event=Purchase&em=*", "bob@mail.example": "**/explain?event=Lead&id=*"}
    for typed, lands in ways.items():
        page.goto(f"/d/{shop.id}/settings")
        page.fill("#q", typed)
        page.press("#q", "Enter")
        page.wait_for_url(lands)
        assert page.locator(".flow").count() == 1, "the action is explained"
    assert not [url for url in asked if "mail.example" in url.lower()]
