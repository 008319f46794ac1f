"""From the answer of the door to the page: how late are Test events and the overview?

    python -m benchmarks live

Probes are hits of an event of their own among a load of 1, 100 and 1,000 events a second. Two pages are open in
Chromium, in a window each, Test events and the overview, both of that event, and beside them the two streams that these
pages listen to.
Seen is a probe when its row, or a count that holds it, is in the page and a frame was drawn after it.
"""

from __future__ import annotations

import asyncio
import http.client
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from playwright.sync_api import Browser, sync_playwright

from benchmarks import load, looking
from benchmarks.tools import DATASET, TOKEN, CannotMeasure, Server, a_folder, a_server, percentile, say
from tests.pixel.browser import FLAGS, chromium

RATES: Final = (1.0, 100.0, 1000.0)
EVERY_S: Final = 0.37
"""Between two probes: no multiple of what the server does again and again."""
LIMIT_S: Final = 1.0
LOST_S: Final = 20.0
PAGES: Final = (
    ("Test events", f"{looking.TEST_EVENTS}?event=Probe"),
    ("overview", f"{looking.OVERVIEW}?event=Probe"),
)
WATCH: Final = r"""() => {
    window.seen = {};
    const look = () => {
        const names = new Set();
        for (const row of document.querySelectorAll('a.ev'))
            for (const name of row.textContent.match(/probe-\d+/g) || []) names.add(name);
        const count = document.querySelector('.count');
        if (count) names.add('count-' + count.textContent.replace(/\D/g, ''));
        const fresh = [...names].filter(name => !(name in window.seen));
        const drawn = () => { for (const name of fresh) window.seen[name] = Date.now() / 1000; };
        for (const name of fresh) window.seen[name] = 0;
        if (fresh.length) requestAnimationFrame(() => setTimeout(drawn));
    };
    new MutationObserver(look).observe(document.body, {childList: true, subtree: true, characterData: true});
    look();
}"""
"""Notes when each probe was first in the page; the time is that of the task behind the frame that showed it."""
_COUNT: Final = re.compile(rb'class="count[^>]*><a[^>]*>([^<]+)<')
_NAME: Final = re.compile(rb"probe-\d+")


class Ears(threading.Thread):
    """Listens to streams; knows when each probe, or each count, was first told. Times of time.time()."""

    def __init__(self, port: int, cookie: str, paths: list[str]) -> None:
        super().__init__(daemon=True)
        self._port, self._cookie, self._paths = port, cookie, paths
        self.seen: list[dict[str, float]] = [{} for _ in paths]
        self.heard = looking.Heard()

    def run(self) -> None:
        asyncio.run(self._listen())

    async def _listen(self) -> None:
        streams = [
            looking.listen(self._port, self._cookie, path, self.heard, self._taker(seen))
            for path, seen in zip(self._paths, self.seen, strict=True)
        ]
        await asyncio.gather(*streams)

    @staticmethod
    def _taker(seen: dict[str, float]) -> Any:
        def take(data: bytes, _: float) -> None:
            now = time.time()
            for name in _NAME.findall(data):
                seen.setdefault(name.decode(), now)
            for count in _COUNT.findall(data):
                seen.setdefault("count-" + re.sub(r"\D", "", count.decode()), now)

        return take


def send(connection: http.client.HTTPConnection, number: int) -> float:
    """Send a probe; when it was answered."""
    query = urlencode({"id": DATASET, "ev": "Probe", "eid": f"probe-{number}", "fbp": f"fb.1.1.{time.time_ns()}"})
    connection.request("GET", f"/tr/?{query}", headers={"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Probe"})
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        raise CannotMeasure(f"a probe was answered with {answer.status}")
    return time.time()


@contextmanager
def loaded(server: Server, rate: float, seconds: float) -> Iterator[None]:
    plan = load.Plan(port=server.port, dataset=DATASET, token=TOKEN, rate=rate, seconds=seconds)
    sender = subprocess.Popen([sys.executable, "-m", "benchmarks.load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert sender.stdin and sender.stdout
    try:
        sender.stdin.write(msgspec.json.encode(plan))
        sender.stdin.close()
        sender.stdout.readline()
        yield
    finally:
        sender.terminate()
        sender.wait()


def waits(sent: dict[int, float], seen: dict[str, float], *, by_count: bool) -> list[float]:
    """Seconds of each probe until it was seen; LOST_S where it was not. A count holds all probes up to its number."""
    counts = sorted((int(name[6:]), at) for name, at in seen.items() if name.startswith("count-") and len(name) > 6)
    found = []
    for number, at in sent.items():
        if by_count:
            times = [when for count, when in counts if count >= number and when]
        else:
            times = [when for name, when in seen.items() if name == f"probe-{number}" and when]
        found.append(max(0.0, min(times) - at) if times else LOST_S)
    return found


def at_rate(browser: Browser, rate: float, probes: int) -> list[tuple[str, list[float]]]:
    with a_folder() as folder, a_server(folder) as server:
        client = looking.signed_in(server)
        cookie = looking.cookie_of(client)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        with loaded(server, rate, 60 + 2 * probes * EVERY_S):
            sent = {1: send(connection, 1)}
            time.sleep(5.0)
            cookies: Any = [{"name": one.name, "value": one.value, "url": server.url} for one in client.cookies.jar]
            pages, paths = [], []
            for _, address in PAGES:
                # A window each: of a page that lies behind another, few frames are drawn.
                context = browser.new_context(locale="en-IN")
                context.add_cookies(cookies)
                page = context.new_page()
                page.goto(server.url + address)
                page.evaluate(WATCH)
                pages.append(page)
                path = looking.stream_of(client.get(address).text)
                paths.append(path if "event=" in path else path + "?event=Probe")
            ears = Ears(server.port, cookie, paths)
            ears.start()
            time.sleep(2.0)
            for number in range(2, probes + 2):
                sent[number] = send(connection, number)
                pages[0].wait_for_timeout(1000 * EVERY_S)
            until = time.monotonic() + 10
            while time.monotonic() < until and len(ears.seen[0]) < probes:
                time.sleep(0.1)
            time.sleep(2.0)
            drawn = [page.evaluate("() => window.seen") for page in pages]
            for page in pages:
                page.context.close()
    del sent[1]
    found = []
    for at, (name, _) in enumerate(PAGES):
        found.append((f"{name}, told by its stream", waits(sent, ears.seen[at], by_count=at == 1)))
        found.append((f"{name}, drawn by Chromium", waits(sent, drawn[at], by_count=at == 1)))
    return found


def run(probes: int = 60) -> bool:
    holds = True
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=[*FLAGS])
        for rate in RATES:
            say(f"live at {rate:,.0f} events/s, {probes} probes; from the door's answer, bar p95 < {LIMIT_S:g} s")
            for what, seconds in at_rate(browser, rate, probes):
                p95 = percentile(seconds, 0.95)
                lost = sum(one >= LOST_S for one in seconds)
                say(
                    f"  {what:34} p50 {percentile(seconds, 0.5):.2f} s, p95 {p95:.2f} s = {p95 / LIMIT_S:.2f} of bar"
                    f", worst {max(seconds):.2f} s" + (f"; {lost} not seen within {LOST_S:g} s" if lost else "")
                )
                holds = holds and p95 < LIMIT_S
        browser.close()
    return holds
