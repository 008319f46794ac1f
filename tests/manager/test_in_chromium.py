"""The house in a real browser: with the keyboard alone, without scripts, on a phone, and with its policy in force."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page

from tests.system import Shop, System, purchase, wait_until

pytestmark = pytest.mark.slow

OWNER = "owner@brewbeans.example"
PASSWORD = "correct horse battery"
SHOTS = os.environ.get("TRUECOUNT_SHOTS", "")
"""A folder for pictures of every page, for whoever wants to look at them."""


class Screen:
    """A page that notes what the console says: a policy that is broken says so there."""

    def __init__(self, browser: Browser, system: System, **options: object) -> None:
        self.context = browser.new_context(base_url=system.state["url"], **options)  # type: ignore[arg-type]
        self.page: Page = self.context.new_page()
        self.said: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))

    def faults(self) -> list[str]:
        """What the console said but that an answer was no 200."""
        return [text for text in self.said if not text.startswith("Failed to load resource: the server responded")]


@pytest.fixture
def screen(browser: Browser, system: System) -> Iterator[Screen]:
    screen = Screen(browser, system)
    yield screen
    screen.context.close()


def first_link(system: System) -> str:
    found = re.search(r"/first-run/\S+", system.words())
    assert found
    return found[0]


def shown(page: Page, name: str) -> None:
    """Nothing goes over the edge, at any width and in both themes."""
    before = page.viewport_size
    for width in (320, 390, 1024, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, (name, width, wide)
        for scheme in ("light", "dark") if SHOTS else ():
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.screenshot(path=f"{SHOTS}/{name}-{width}-{scheme}.png", full_page=True)
    if before:
        page.set_viewport_size(before)


def first_run(page: Page, system: System) -> None:
    page.goto(first_link(system))
    page.keyboard.type(OWNER)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/start")


def tab_to(page: Page, wanted: Callable[[str], bool]) -> str:
    """Press Tab until the element in focus is the wanted one, as somebody does who has no pointer."""
    for _ in range(60):
        page.keyboard.press("Tab")
        text: str = page.evaluate(
            "(e => e.getAttribute('aria-label') || e.textContent.trim() || e.id)(document.activeElement)"
        )
        if wanted(text):
            return text
    raise AssertionError("it has no place in the order of focus")


def test_first_run_sign_out_sign_in_and_a_dataset_that_ticks_with_the_keyboard_alone(
    screen: Screen, system: System
) -> None:
    page = screen.page
    page.goto("/")
    assert page.url.endswith("/sign-in")
    shown(page, "sign-in-without-users")
    page.goto(first_link(system))
    shown(page, "first-run")
    first_run(page, system)

    tab_to(page, lambda text: text.startswith("Datasets"))
    page.keyboard.press("Enter")
    tab_to(page, lambda text: text == "Sign out")
    page.keyboard.press("Enter")
    page.wait_for_url("**/sign-in")
    page.keyboard.type(OWNER)
    page.keyboard.press("Tab")
    page.keyboard.type("wrong wrong wrong")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=alert]")
    assert page.evaluate("document.activeElement.id") == "password"
    shown(page, "sign-in-wrong")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/start")
    shown(page, "new-dataset")

    page.keyboard.type("BrewBeans")
    page.keyboard.press("Enter")
    page.wait_for_url("**/d/*/start")
    shown(page, "start")
    token = page.inner_text(".once pre")
    id = page.url.split("/")[-2]
    shop = Shop(id, token)
    tab_to(page, lambda text: text == "Python")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.textContent") == "Node" and page.is_visible("#c-node")
    assert not page.is_visible("#c-python")

    assert page.get_attribute(".check", "data-done") == "0"
    system.post_hit(shop, ev="PageView", dl="https://brewbeans.example/")
    page.wait_for_selector(".check[data-done='1']", timeout=60_000)
    assert page.is_visible("#c-node"), "what is open stays open while the checklist ticks"
    assert system.post_events(shop, [purchase("order-1")]).status == 200
    page.wait_for_selector(".check[data-done='2']", timeout=60_000)
    system.post_hit(shop, ev="Purchase", eid="order-1", cd={"value": "899.00", "currency": "INR"})
    page.wait_for_selector(".check[data-done='3']", timeout=60_000)
    assert page.get_attribute("#checklist", "hx-get") is None
    shown(page, "start-done")

    page.keyboard.press("g")
    page.keyboard.press("s")
    page.wait_for_url("**/settings")
    shown(page, "settings")
    page.keyboard.press("?")
    assert page.is_visible("#keys")
    page.keyboard.press("Escape")
    page.goto("/api")
    shown(page, "api")
    page.goto("/nothing")
    shown(page, "nothing")
    assert screen.faults() == []


def test_what_the_house_was_told_is_in_no_log_and_no_file(screen: Screen, system: System) -> None:
    page = screen.page
    first_run(page, system)
    page.keyboard.type("BrewBeans")
    page.keyboard.press("Enter")
    page.wait_for_url("**/d/*/start")
    token = page.inner_text(".once pre")
    (cookie,) = (one["value"] for one in screen.context.cookies())  # type: ignore[typeddict-item]
    csrf = page.get_attribute("input[name=csrf]", "value") or ""
    secrets = [PASSWORD, "wrong wrong wrong", token, cookie, csrf]
    stranger = screen.context.browser
    assert stranger
    other = Screen(stranger, system)
    other.page.goto("/sign-in")
    other.page.fill("#email", OWNER)
    other.page.fill("#password", "wrong wrong wrong")
    other.page.press("#password", "Enter")
    other.page.wait_for_selector("[role=alert]")
    other.context.close()
    system.stop()
    files = [*(path for path in system.folder.rglob("*") if path.is_file()), system.stderr]
    for secret in secrets:
        assert secret and [path for path in files if secret.encode() in path.read_bytes()] == []


def test_all_of_it_works_without_scripts(browser: Browser, system: System) -> None:
    screen = Screen(browser, system, java_script_enabled=False)
    page = screen.page
    first_run(page, system)
    page.fill("#name", "BrewBeans")
    page.press("#name", "Enter")
    page.wait_for_url("**/d/*/start")
    for name in ("python", "node", "php", "curl"):
        assert page.is_visible(f"#c-{name}")
    assert page.is_visible("text=Look again") and not page.is_visible("button.copy")
    page.goto(page.url.replace("/start", "/settings"))
    page.check("[name=count_bots]")
    page.click("#counting button")
    page.wait_for_selector("text=Saved")
    assert page.is_checked("[name=count_bots]")
    page.click("#tokens >> text=Make a token")
    page.wait_for_selector(".once pre")
    assert len(page.query_selector_all("#tokens tbody tr")) == 2
    page.click(".pick")
    page.click("text=Sign out")
    page.wait_for_url("**/sign-in")
    screen.context.close()


def test_a_session_that_ended_elsewhere_sends_an_open_page_to_sign_in(screen: Screen, system: System) -> None:
    page = screen.page
    first_run(page, system)
    page.fill("#name", "BrewBeans")
    page.press("#name", "Enter")
    page.wait_for_url("**/d/*/start")
    path = page.url.removeprefix(system.state["url"])
    made = json.loads(system.cli("user", "reset", OWNER, "--format", "json"))
    browser = screen.context.browser
    assert browser
    other = Screen(browser, system)
    other.page.goto(made["link"])
    other.page.fill("#password", "another long one")
    other.page.press("#password", "Enter")
    other.page.wait_for_url("**/d/*")
    other.context.close()
    page.wait_for_url("**/sign-in?next=*", timeout=60_000)
    page.fill("#email", OWNER)
    page.fill("#password", "another long one")
    page.press("#password", "Enter")
    page.wait_for_url(f"**{path}")


def test_a_theme_that_is_chosen_is_there_before_any_script_runs(screen: Screen, system: System) -> None:
    page = screen.page
    first_run(page, system)
    for theme in ("light", "dark"):
        page.click(".side-foot [data-theme-next]")
        assert page.get_attribute("html", "data-theme") == theme
    body = screen.context.request.get("/start").text()
    assert 'data-theme="dark"' in body
    page.click(".side-foot [data-theme-next]")
    page.reload()
    assert page.get_attribute("html", "data-theme") is None


def test_the_page_says_when_the_store_is_away_and_ticks_again_when_it_is_back(screen: Screen, system: System) -> None:
    page = screen.page
    first_run(page, system)
    page.fill("#name", "BrewBeans")
    page.press("#name", "Enter")
    page.wait_for_url("**/d/*/start")
    end = time.monotonic() + 60
    while not page.is_visible("#checklist .problem"):
        assert time.monotonic() < end, "the page never said so"
        if "engine" in system.pids():
            system.signal("engine")
        page.reload()
    assert "The store does not answer at the moment" in page.inner_text("#checklist")
    wait_until(lambda: system.get("/readyz").status == 200, "readiness")
    page.wait_for_selector(".check", timeout=60_000)


def test_an_open_page_asks_for_the_newest_canary(screen: Screen, system: System) -> None:
    page = screen.page
    wait_until(lambda: system.get("/canary", {"Accept": "application/json"}).status == 200, "the first canary")
    page.clock.install()
    first_run(page, system)
    assert page.locator("#canary").inner_text().startswith("Canary ")
    page.evaluate("document.querySelector('#canary [data-age]').dataset.age = 5000")
    page.clock.run_for(1_500)
    assert "Canary 83 min ago" in page.locator("#canary").inner_text()
    with page.expect_response("**/canary"):
        page.clock.run_for(31_000)
    wait_until(lambda: int(page.locator("#canary [data-age]").get_attribute("data-age") or 5000) < 200, "the newest")
    assert page.locator("#canary").count() == 1
    assert screen.faults() == []


def test_from_a_number_two_steps_lead_to_the_copies_and_the_sentence_with_the_keyboard_alone(
    screen: Screen, system: System
) -> None:
    page = screen.page
    first_run(page, system)
    shop = system.create("BrewBeans")
    person = {"em": ["jane@mail.example"], "external_id": ["Customer 42"]}
    assert system.post_events(shop, [purchase("order-1", user_data=person)]).status == 200
    system.post_hit(
        shop,
        ev="Purchase",
        eid="order-1",
        cd={"value": "899.00", "currency": "INR"},
        dl="https://brewbeans.example/thanks?contact=jane@mail.example",
    )
    assert system.post_events(shop, [purchase("order-1", user_data=person)]).status == 200
    assert system.post_events(shop, [purchase(f"order-{n}") for n in range(2, 70)]).status == 200
    system.post_hit(shop, ev="Purchase", eid="Order-2", cd={"value": "10", "currency": "INR"})
    long = "w" * 300 + "<script>alert(1)</script>\u202e"
    system.post_hit(shop, ev="PageView", eid=long, dl="https://brewbeans.example/" + "x" * 300)
    system.post_events(shop, [{**purchase("old"), "event_time": 1_500_000_000}])
    wait_until(lambda: system.copies(shop) == 72 and system.copies(shop, "PageView") == 1 and system.refused(shop))

    at = f"/d/{shop.id}/actions"
    page.goto(f"{at}?event=Purchase")
    shown(page, "actions")
    tab_to(page, lambda text: text.startswith("Both"))
    page.keyboard.press("Enter")
    page.wait_for_url("**door=both*")
    assert "1 purchase " in page.inner_text("main")
    tab_to(page, lambda text: text == "order-1")
    page.keyboard.press("Enter")
    page.wait_for_url("**/explain?*")
    assert "Three copies, one sale." in page.inner_text(".verdict")
    assert page.locator(".flow .fcard").count() == 4
    shown(page, "explain-three")

    page.keyboard.press("g")
    page.keyboard.press("a")
    page.wait_for_url(f"**{at}")
    shown(page, "actions-every-event")
    page.goto(f"{at}?outcome=refused")
    shown(page, "actions-refused")
    page.goto(f"{at}?event=Lead&door=both")
    shown(page, "actions-filtered-away")
    page.goto(f"/d/{shop.id}/explain?event=PageView&" + urlencode({"id": long}))
    shown(page, "explain-long")
    page.goto(f"/d/{shop.id}/explain?event=Purchase&id=Order-2")
    assert "What came nearest" in page.inner_text("main")
    shown(page, "explain-nearest")
    page.goto(f"/d/{shop.id}/explain?event=Purchase&id=nothing")
    shown(page, "explain-unknown")

    # What is typed to find a person leaves the page as a hash alone.
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url + (request.post_data or "")))
    for field, text in (("E-mail address", " Jane@mail.example"), ("External id", "Customer 42")):
        page.goto(f"/d/{shop.id}/explain")
        page.get_by_label(field).focus()
        page.keyboard.type(text)
        page.keyboard.press("Enter")
        page.wait_for_url("**/explain?event=Purchase&*")
        assert "Three copies, one sale." in page.inner_text(".verdict")
    assert not [url for url in asked if "jane" in url.lower()]
    assert "em=" in "".join(asked) and "Customer" not in "".join(asked)
    assert screen.faults() == []


def test_actions_and_explain_work_without_scripts(browser: Browser, system: System) -> None:
    screen = Screen(browser, system, java_script_enabled=False)
    page = screen.page
    first_run(page, system)
    shop = system.create("BrewBeans")
    assert system.post_events(shop, [purchase("order-1"), purchase("order-2")]).status == 200
    wait_until(lambda: system.copies(shop) == 2)
    page.goto(f"/d/{shop.id}/actions")
    page.select_option("#a-event", "Purchase")
    page.select_option("#a-rule", "first_received")
    page.click("text=Show >> nth=0")
    page.wait_for_url("**event=Purchase*")
    assert len(page.query_selector_all("tbody tr")) == 2
    page.click("text=Find by id")
    assert page.is_disabled("#x-em") and "needs a script" in page.inner_text("#x-em-hint")
    page.fill("#x-id", "order-2")
    page.click("text=Explain")
    page.wait_for_url("**id=order-2*")
    assert "One copy, one sale." in page.inner_text(".verdict")
    screen.context.close()


def test_the_overview_is_told_what_is_new_and_hears_nothing_while_it_is_hidden(screen: Screen, system: System) -> None:
    page = screen.page
    first_run(page, system)
    page.fill("#name", "BrewBeans")
    page.press("#name", "Enter")
    page.wait_for_url("**/d/*/start")
    shop = Shop(page.url.split("/")[-2], page.inner_text(".once pre"))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"/d/{shop.id}?event=Purchase")
    assert system.post_events(shop, [purchase("order-1")]).status == 200
    page.wait_for_selector(".count a:text-is('1')", timeout=60_000)
    assert any("/stream?" in url for url in asked)
    asked.clear()  # until the stream is heard the page asks by itself
    assert system.post_events(shop, [purchase("order-2")]).status == 200
    page.wait_for_selector(".count a:text-is('2')", timeout=60_000)
    assert not [url for url in asked if f"/d/{shop.id}" in url]

    # somebody reads in it: what is new waits
    page.focus("#live .count a")
    assert system.post_events(shop, [purchase("order-3")]).status == 200
    wait_until(lambda: system.copies(shop, "Purchase") == 3, "the third sale")
    page.wait_for_timeout(1500)
    assert page.inner_text(".count") == "2"
    page.evaluate("document.activeElement.blur()")
    page.wait_for_selector(".count a:text-is('3')", timeout=60_000)
    assert screen.faults() == []
