"""The pictures of README and docs: `make screens` starts a server with a shop's past and looks at its pages.

The shop, its visitors and its sales are those of one seed; the days are those before now. Needs Chromium and what the
tests need. Writes docs/screens/*.png, with few colours so that they stay small.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from PIL import Image  # noqa: E402
from playwright.sync_api import Browser, Page, sync_playwright  # noqa: E402

from tests.manager.seen import states  # noqa: E402
from tests.manager.test_in_chromium import OWNER, PASSWORD, Screen, first_link  # noqa: E402
from tests.past import write_past  # noqa: E402
from tests.pixel.browser import FLAGS, chromium  # noqa: E402
from tests.system import Shop, System, purchase, wait_until  # noqa: E402

FOLDER = ROOT / "docs" / "screens"
SEED, DAYS, PACE = 7, 14.0, 0.008
COLOURS = 256
RETRIED = "order-4004"
"""A sale of which there are three copies."""
WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
PATIENCE_MS = 120_000
TALL = {"overview": 1120, "explain": 820}
"""Pages that want more of the window, by what they show."""
INDIA = {"locale": "en-IN"}

Trouble = Callable[[Page, System, str], AbstractContextManager[None]]
STATES: dict[str, tuple[Trouble, str]] = {
    "store-down": (states.store_down, "/actions?event=Purchase"),
    "question-too-slow": (states.store_hangs, "/actions?event=Purchase"),
    "question-too-heavy": (states.too_heavy, "/event?name=Purchase&since=24h"),
    "stream-cut": (states.stream_cut, "/test"),
    "server-away": (states.server_away, "?since=7d"),
    "session-over": (states.session_over, "?since=1h"),
    "disk-full": (states.disk_full, "/actions?event=Purchase"),
}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        system = System(Path(folder), environ={"TRUECOUNT_CANARY_S": "5"})
        shop = write_past(system.folder, int(time.time() * 1000), DAYS, SEED, PACE)
        browser = playwright.chromium.launch(executable_path=chromium(), args=[*FLAGS])
        with system.running():
            take_all(browser, system, shop)
        browser.close()


def take_all(browser: Browser, system: System, shop: Shop) -> None:
    """Every picture, from pages of one server."""
    wide = Screen(browser, system, viewport=WIDE, reduced_motion="reduce", **INDIA)
    wide.page.goto("/sign-in")
    page = wide.page
    page.set_default_timeout(PATIENCE_MS)
    page.goto(first_link(system))
    page.evaluate("document.querySelectorAll('code').forEach(e => { e.textContent = '/srv/truecount'; })")
    take(page, "first-run")
    page.fill("#email", OWNER)
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    page.wait_for_url("**/d/*")
    page.goto("/start")
    take(page, "new-dataset")
    cookies: Any = wide.context.cookies()
    phone = Screen(browser, system, viewport=PHONE, reduced_motion="reduce", has_touch=True, is_mobile=True, **INDIA)
    phone.context.add_cookies(cookies)
    phone.page.set_default_timeout(PATIENCE_MS)
    wait_until(lambda: system.get("/canary", {"Accept": "application/json"}).status == 200, "the canary")
    new = system.create("Second shop")
    at = f"/d/{shop.id}"
    wait_until(lambda: settled(system, shop), "the past", patience_s=300)
    sell(system, shop)
    page.goto(f"{at}/diagnostics")
    wait_until(lambda: page.reload() and page.is_visible(".problem-card, .empty"), "the look")
    for name, path, ready in (
        ("overview", f"{at}?since=7d", ".overlap"),
        ("actions", f"{at}/actions?event=Purchase", "tbody tr"),
        ("explain", f"{at}/explain?event=Purchase&id={RETRIED}", ".flow .fcard"),
        ("event", f"{at}/event?name=Purchase&since=7d", "#match-keys"),
        ("test-events", f"{at}/test?event=Purchase", ".ev .duo[data-door=both]"),
        ("diagnostics", f"{at}/diagnostics", ".problem-card"),
        ("start", f"/d/{new.id}/start", ".check"),
        ("settings", f"{at}/settings", "#tokens"),
    ):
        for screen, size in ((wide, ""), (phone, "-phone")):
            if screen is wide:
                screen.page.set_viewport_size({**WIDE, "height": TALL.get(name, WIDE["height"])})  # type: ignore[arg-type]
            screen.page.goto(path)
            wait_until(lambda s=screen, r=ready: s.page.reload() and s.page.locator(r).count(), f"{name}: {ready}")
            screen.page.wait_for_timeout(400)
            for theme in ("light", "dark"):
                if theme == "dark" and name not in ("overview", "test-events"):
                    continue
                screen.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
                take(screen.page, f"{name}{size}{'-dark' if theme == 'dark' else ''}")
            screen.page.emulate_media(color_scheme="light")
    phone.context.close()
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    for name, (trouble, path) in STATES.items():
        with trouble(page, system, at + path):
            if trouble is states.disk_full:
                wait_until(lambda: page.reload() and page.is_visible("tbody tr"), "the rows")
            take(page, f"state-{name}")
        if name == "session-over":
            wide.context.clear_cookies()
            wide.context.add_cookies(cookies)
    wide.context.close()


def settled(system: System, shop: Shop) -> bool:
    """Whether all of the past is counted: its last copies are the newest, so two looks a second apart agree."""
    first = [row["copies"] for row in system.events(shop).values()]
    time.sleep(1)
    return bool(first) and first == [row["copies"] for row in system.events(shop).values()]


def sell(system: System, shop: Shop) -> None:
    """Some sales of just now, for the stream: pairs, a lone copy, one with a retry, one that is refused."""
    person = {"em": ["jane@mail.example"], "external_id": ["customer-42"], "client_user_agent": "Mozilla/5.0"}
    for n in range(6):
        data = {"value": "899.00", "currency": "INR", "order_id": f"order-{4001 + n}"}
        page = f"https://brewbeans.example/thank-you?order=order-{4001 + n}"
        more = {"custom_data": data, "user_data": person, "event_source_url": page}
        if n != 4:
            cd = {"value": "899.00", "currency": "INR", "order_id": f"order-{4001 + n}"}
            system.post_hit(shop, ev="Purchase", eid=f"order-{4001 + n}", dl=page, cd=cd, fbp=f"fb.1.17.{9000 + n}")
            time.sleep(0.4 + n / 5)
        if n != 2:
            system.post_events(shop, [purchase(f"order-{4001 + n}", **more)])
        if n == 3:
            system.post_events(shop, [purchase(f"order-{4001 + n}", **more)])
    system.post_events(shop, [{**purchase("order-4010"), "user_data": {}}])
    time.sleep(2)


def take(page: Page, name: str) -> None:
    """Write a picture of what the window shows."""
    file = FOLDER / f"{name}.png"
    page.screenshot(path=file)
    few_colours(Image.open(file).convert("RGB")).save(file, optimize=True)
    print(f"{file.relative_to(ROOT)}  {file.stat().st_size:,} bytes")


def few_colours(image: Any) -> Any:
    """The picture in a palette of COLOURS. Colours that are no grey come first, however small what has them is: here a
    colour is a claim. What finds no place is drawn in the nearest that has one.
    """
    found = {colour: n for n, colour in image.getcolors(1 << 24)}
    kept = sorted(found, key=lambda colour: found[colour] * (1 + max(colour) - min(colour)), reverse=True)[:COLOURS]
    place = {colour: at for at, colour in enumerate(kept)}
    for colour in found.keys() - place.keys():
        place[colour] = min(
            range(len(kept)), key=lambda at: sum((a - b) ** 2 for a, b in zip(colour, kept[at], strict=True))
        )
    drawn = Image.new("P", image.size)
    drawn.putpalette([part for colour in kept for part in colour])
    drawn.putdata([place[colour] for colour in image.getdata()])
    return drawn


if __name__ == "__main__":
    main()
