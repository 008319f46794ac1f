"""What a page weighs, and how soon it is drawn on a slow machine.

    python -m benchmarks pages

Each page of a server with some of the demo's events is opened in headless Chromium with nothing kept, the CPU throttled
to a quarter. Weight is what came over the wire, heads included, for the page and all that it loads; streams, which have
no end, are left out.
"""

from __future__ import annotations

import time
from typing import Final, NamedTuple

import httpx
from playwright.sync_api import Browser, sync_playwright

from benchmarks import looking
from benchmarks.looking import signed_in
from benchmarks.small import send_mix
from benchmarks.tools import DATASET, Server, Spread, a_folder, a_server, say
from benchmarks.watch import Eyes
from tests.pixel.browser import FLAGS, chromium

EVENTS: Final = 3000
THROTTLE: Final = 4
ROUNDS: Final = 5
LIMIT_BYTES: Final = 60_000
LIMIT_MS: Final = 1000.0
PAINT: Final = """() => new Promise(done => {
    const first = performance.getEntriesByName('first-contentful-paint')[0];
    if (first) return done(first.startTime);
    new PerformanceObserver(list => {
        const it = list.getEntriesByName('first-contentful-paint')[0];
        if (it) done(it.startTime);
    }).observe({type: 'paint', buffered: true});
})"""
WHOLE: Final = "() => performance.getEntriesByType('navigation')[0].domInteractive"


class Opened(NamedTuple):
    """One page, opened once."""

    bytes: int
    paint_ms: float
    """From the beginning of the navigation."""
    whole_ms: float
    """Until all of the page is there and read. Its layout is drawn before (docs/decisions/0015)."""


def addresses(client: httpx.Client) -> dict[str, str]:
    """Every page by its name."""
    base = f"/d/{DATASET}"
    actions = client.get(f"{base}/actions", params={"event": "Purchase", "format": "json"}).json()
    newest = actions["listing"]["data"]["rows"][0] if "listing" in actions else None
    one = f"{base}/explain?event=Purchase&id={newest['event_id']}" if newest else f"{base}/explain"
    return {
        "Sign in": "/sign-in",
        "New dataset": "/start",
        "Start": f"{base}/start",
        "Overview": looking.OVERVIEW,
        "Actions": f"{base}/actions?event=Purchase",
        "Explain, search": f"{base}/explain",
        "Explain, an action": one,
        "Diagnostics": f"{base}/diagnostics",
        "Event": f"{base}/event?name=Purchase",
        "Test events": looking.TEST_EVENTS,
        "Settings": f"{base}/settings",
        "API": "/api",
    }


def opened(browser: Browser, server: Server, cookies: list[tuple[str, str]], address: str) -> Opened:
    """Open a page in a browser that has nothing of it yet."""
    context = browser.new_context(locale="en-IN", viewport={"width": 1280, "height": 900})
    if address != "/sign-in":
        context.add_cookies([{"name": name, "value": value, "url": server.url} for name, value in cookies])
    page = context.new_page()
    wire = context.new_cdp_session(page)
    weight = 0

    def came(told: dict[str, float]) -> None:
        nonlocal weight
        weight += int(told["encodedDataLength"])

    wire.on("Network.loadingFinished", came)
    wire.send("Network.enable")
    wire.send("Emulation.setCPUThrottlingRate", {"rate": THROTTLE})
    page.goto(server.url + address, wait_until="load")
    paint, whole = page.evaluate(PAINT), page.evaluate(WHOLE)
    page.wait_for_timeout(50)
    context.close()
    return Opened(weight, paint, whole)


def run(rounds: int = ROUNDS) -> bool:
    say(f"pages: weight (bar {LIMIT_BYTES:,} bytes) and first paint, CPU throttled {THROTTLE} x (bar {LIMIT_MS:g} ms)")
    holds = True
    with a_folder() as folder, a_server(folder) as server, sync_playwright() as playwright:
        send_mix(server, EVENTS)
        eyes = Eyes(server)
        until = time.monotonic() + 60
        while sum(row["copies"] for row in eyes.events()) < EVENTS and time.monotonic() < until:
            time.sleep(0.2)
        client = signed_in(server)
        cookies = [(cookie.name, cookie.value or "") for cookie in client.cookies.jar]
        browser = playwright.chromium.launch(executable_path=chromium(), args=[*FLAGS])
        for name, address in addresses(client).items():
            opened(browser, server, cookies, address)  # what a server loads at first use is not the page's
            found = [opened(browser, server, cookies, address) for _ in range(rounds)]
            weight = max(one.bytes for one in found)
            paint = Spread.of([one.paint_ms for one in found])
            whole = Spread.of([one.whole_ms for one in found])
            over = weight > LIMIT_BYTES or paint.median > LIMIT_MS
            holds = holds and not over
            say(
                f"  {name:20} {weight:>7,} bytes = {weight / LIMIT_BYTES:.2f} of the bar; first paint {paint.text(0)} "
                f"ms = {paint.median / LIMIT_MS:.2f}, the whole page at {whole.text(0)}{'   OVER' if over else ''}"
            )
        browser.close()
    return holds
