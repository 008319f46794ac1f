"""Settings, reading tokens, find by id and marks on charts in a real browser."""

from __future__ import annotations

import re

import pytest

from tests.manager.test_in_chromium import Screen, first_run, screen, shown  # noqa: F401  a fixture among them
from tests.system import Shop, System, purchase, wait_until

pytestmark = pytest.mark.slow


def test_a_token_is_revoked_after_a_question_and_the_change_is_told_and_drawn(
    screen: Screen,  # noqa: F811
    system: System,
) -> None:
    page = screen.page
    first_run(page, system)
    page.fill("[name=name]", "BrewBeans")
    page.keyboard.press("Enter")
    page.wait_for_url("**/d/*/start")
    found = re.search(r"/d/(\d+)/", page.url)
    token = re.search(r"TC[\w-]{43}", page.content())
    assert found and token
    shop = Shop(found[1], token[0])
    assert system.post_events(shop, [purchase("order-1"), purchase("order-2")]).status == 200
    wait_until(lambda: system.copies(shop) == 2)

    page.goto(f"/d/{shop.id}/settings#tokens")
    assert not page.is_visible("text=Yes, revoke")
    page.click("summary:has-text('Revoke')")
    assert "It is the only token" in page.inner_text("#tokens")
    shown(page, "settings-revoke")
    page.click("text=Yes, revoke")
    page.wait_for_url("**/settings#tokens")
    assert "No server may send events" in page.inner_text("#tokens")
    assert system.post_events(shop, [purchase("order-3")]).status == 401
    page.check("text=Count bots")
    page.click("#counting button")
    page.wait_for_url("**saved=counting**")
    assert "Count bots: on, before off" in page.inner_text("#changes")
    shown(page, "settings-changes")

    page.goto(f"/d/{shop.id}?since=1h")
    mark = page.get_by_role("img", name=re.compile("Settings changed.*Count bots: on"))
    mark.wait_for()
    assert "A token revoked" in page.inner_text(".changes")
    shown(page, "overview-changes")

    page.keyboard.press("/")
    page.keyboard.type("order-2")
    page.keyboard.press("Enter")
    page.wait_for_url("**/explain?event=Purchase&id=order-2")
    page.goto(f"/d/{shop.id}/find?q=nothing")
    shown(page, "find-nothing")

    page.goto("/tokens")
    page.fill("#t-name", "Weekly report")
    page.click("text=Make a token")
    page.wait_for_selector("text=keep it now")
    shown(page, "reading-token")
    secret = re.search(r"tcr_[\w-]{43}", page.content())
    assert secret
    header = {"Authorization": f"Bearer {secret[0]}"}
    answer = screen.context.request.get(f"/d/{shop.id}/actions?since=1h", headers=header)
    assert answer.headers["content-type"].startswith("application/json") and answer.status == 200
    assert system.words().count(secret[0]) == 0
    assert not [path for path in system.folder.rglob("*") if path.is_file() and secret[0].encode() in path.read_bytes()]
    assert screen.faults() == []


def test_long_names_fit_a_phone_and_a_copy_button_covers_nothing(
    screen: Screen,  # noqa: F811
    system: System,
) -> None:
    page = screen.page
    first_run(page, system)
    page.fill("[name=name]", "A dataset with a name as long as names of shops with many owners get " + "w" * 20)
    page.keyboard.press("Enter")
    page.wait_for_url("**/d/*/start")
    token = page.inner_text(".once pre")
    shop = Shop(page.url.split("/")[-2], token)
    for width in (1024, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        covered = page.evaluate("""() => [...document.querySelectorAll('.code')].filter(e => e.offsetWidth).map(e => {
            const [pre, button] = [...e.children].map(child => child.getBoundingClientRect());
            return button.left < pre.right;
        })""")
        assert len(covered) >= 4 and not any(covered), (width, covered)
    shown(page, "start-long")
    page.goto("/tokens")
    shown(page, "tokens-long")
    assert system.post_events(shop, [{**purchase("order-1"), "event_name": "Bought_" + "W" * 43}]).status == 200
    wait_until(lambda: page.goto(f"/d/{shop.id}") and "Bought_" in page.inner_text("#ev"))
    shown(page, "overview-long")
