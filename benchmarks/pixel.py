"""The pixel script beside three peers' scripts: bytes, and time to parse and execute; and what survives a navigation.

    python -m benchmarks pixel [--runs 1000]

Peers come from their npm packages, into a temporary folder. Time is that of putting the script's text into an empty
page of headless Chromium, the CPU throttled to a quarter, each script in turn in a page of its own.
"""

from __future__ import annotations

import gzip
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Error

from benchmarks.tools import CannotMeasure, Spread, need, say
from tests.pixel.browser import COLLECTOR, ID, SHOP, STUB, Web, browsing, recording, wait_until
from truecount.collect.script import BUILT

PEERS: Final = (
    ("posthog-js", "1.449.2", "dist/array.js"),
    ("@amplitude/analytics-browser", "2.48.1", "lib/scripts/amplitude-min.js"),
    ("mixpanel-browser", "2.83.0", "dist/mixpanel.min.js"),
)
"""Package, version, the script that its documentation has pages load."""
THROTTLE: Final = 4
PAGE: Final = f"""<!doctype html><title>Cart</title><button id=pay>Pay</button><script>{STUB}
fbq('set', 'autoConfig', false); fbq('init', '{ID}');
function buy(n) {{
  fbq('track', 'Purchase', {{value: 1, currency: 'INR'}}, {{eventID: 'order-' + n}});
  location.href = '/thanks?' + n;
}}
pay.onclick = () => buy(window.n);
</script><script src="{COLLECTOR}/truecount.js"></script>"""


def peers(folder: Path) -> dict[str, str]:
    """Name and version -> source. CannotMeasure where npm is not there or brings nothing."""
    need("npm", "npm")
    packages = [f"{package}@{version}" for package, version, _ in PEERS]
    command = [
        "npm",
        "install",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--loglevel=error",
        "--prefix",
        str(folder),
    ]
    done = subprocess.run([*command, *packages], capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise CannotMeasure(f"npm did not bring the peers: {done.stderr.strip()[-300:]}")
    found = {}
    for package, version, file in PEERS:
        path = folder / "node_modules" / package / file
        if not path.is_file():
            raise CannotMeasure(f"{package} {version} has no {file}")
        found[f"{package} {version}"] = path.read_text()
    return found


def execute_ms(browser: Browser, source: str) -> float:
    """Milliseconds to parse and execute a script in an empty page, the CPU throttled."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(SHOP)
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": THROTTLE})
    took: float = page.evaluate(
        """(source) => {
            const element = document.createElement('script'); element.text = source;
            const began = performance.now(); document.head.append(element); return performance.now() - began;
        }""",
        source,
    )
    context.close()
    return took


def sizes(browser: Browser, rounds: int = 15) -> None:
    own = "truecount.js"
    with tempfile.TemporaryDirectory(prefix="truecount-peers-") as folder:
        scripts = {own: (BUILT / own).read_text(), **peers(Path(folder))}
    times: dict[str, list[float]] = {name: [] for name in scripts}
    for _ in range(rounds):
        for name, source in scripts.items():
            times[name].append(execute_ms(browser, source))
    mine = statistics.median(times[own])
    for name, source in scripts.items():
        packed = len(gzip.compress(source.encode(), 9))
        size = f"{len(source.encode()):>8,} bytes, gzip {packed:>7,}"
        ratio = "" if name == own else f", {statistics.median(times[name]) / mine:.1f} x ours"
        say(f"  {name:40} {size}; parse and execute {Spread.of(times[name]).text(1)} ms{ratio}")
    say(f"  CPU throttled {THROTTLE} x, {rounds} pages each in turn; bar for truecount.js: gzip <= 5,000, aim 4,000")


def survivors(browser: Browser, web: Web, runs: int, *, by_click: bool) -> int:
    """How many of so many Purchases arrive that are tracked in the tick in which the page is left."""
    web.clear()
    web.pages[f"{SHOP}/cart"] = PAGE
    context = browser.new_context()
    page = context.new_page()
    for n in range(runs):
        page.goto(f"{SHOP}/cart")
        page.evaluate(f"() => {{ window.n = {n} }}")
        if by_click:
            page.click("#pay", no_wait_after=True)
        else:
            page.evaluate(f"() => {{ setTimeout(() => buy({n})) }}")
        page.wait_for_url(f"{SHOP}/thanks?{n}")
    try:
        wait_until(lambda: len({hit["eid"] for hit in web.hits}) == runs, "the last hits", 10)
    except (AssertionError, Error):
        pass
    context.close()
    assert len(web.hits) == len({hit["eid"] for hit in web.hits}), "a hit came twice"
    return len(web.hits)


def run(runs: int = 1000) -> bool:
    with recording() as web, browsing(web.port) as browser:
        say("pixel script beside its peers")
        sizes(browser)
        say(f"a Purchase as the page is left, {runs:,} times")
        clicked = survivors(browser, web, runs, by_click=True)
        methods = sorted({hit["rqm"] for hit in web.hits})
        say(f"  in a click's handler, by beacon ({', '.join(methods)})   {clicked:,} of {runs:,} arrived    bar: all")
        later = survivors(browser, web, runs, by_click=False)
        methods = sorted({hit["rqm"] for hit in web.hits})
        say(f"  outside of any event, by image ({', '.join(methods)})    {later:,} of {runs:,} arrived")
    return clicked == runs
