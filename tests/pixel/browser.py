"""Real headless Chromium in front of a recording web: one local server is every host, and keeps what it was asked."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from truecount.collect.bodies import MULTIPART, form_fields, media_type, multipart_fields
from truecount.collect.script import Scripts

ID = "111111111111111"
OTHER = "222222222222222"
SHOP = "http://shop.example"
COLLECTOR = "http://collector.example"
STUB = """
!function(w){if(w.fbq)return;
var f=w.fbq=function(){f.callMethod?f.callMethod.apply(f,arguments):f.queue.push(arguments)};
if(!w._fbq)w._fbq=f;f.push=f;f.loaded=true;f.version='2.0';f.queue=[]}(window);
"""
"""What a page's snippet does before the script comes."""
EMPTY = "<!doctype html><title>Empty</title>"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-proxy-server", "--disable-dev-shm-usage",
)  # fmt: skip


@dataclass
class Hit:
    """A request to a path that ends in /tr."""

    method: str
    host: str
    url: str
    fields: dict[str, str]
    headers: Mapping[str, str]
    raw: str
    """The query or the body as it was sent."""

    def __getitem__(self, key: str) -> str:
        return self.fields[key]

    def get(self, key: str) -> str | None:
        return self.fields.get(key)


@dataclass
class Web:
    """Pages by address, and everything that was asked for."""

    port: int
    pages: dict[str, str] = field(default_factory=dict)
    """Address without query -> HTML, or JavaScript where it ends in .js. A page that is not here is an empty one."""
    hits: list[Hit] = field(default_factory=list)
    requests: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)
    """Method, address and headers of every request, hits too."""
    delays: dict[str, float] = field(default_factory=dict)
    """Seconds that an answer waits, by address without query."""

    def clear(self) -> None:
        for one in (self.pages, self.hits, self.requests, self.delays):
            one.clear()  # type: ignore[attr-defined]

    def names(self) -> list[str]:
        return [hit["ev"] for hit in self.hits]


def _handler(web: Web) -> type[BaseHTTPRequestHandler]:
    scripts = Scripts()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            host = (self.headers.get("host") or "").partition(":")[0]
            url = urlsplit(self.path)
            address = f"http://{host}{url.path}"
            web.requests.append((self.command, f"http://{host}{self.path}", dict(self.headers.items())))
            time.sleep(web.delays.get(address, 0))
            if url.path.rstrip("/").endswith("/tr"):
                self.hit(host, url.query, body)
            elif scripts.serves(url.path.encode()) and address not in web.pages:
                head = {b"accept-encoding": b"gzip"}
                whole = scripts.answer(url.path.encode(), head, with_body=True, date=b"", keep=True)
                self.wfile.write(whole)
            else:
                kind = "text/javascript" if url.path.endswith(".js") else "text/html"
                self.send(
                    web.pages.get(address, "<!doctype html><title>Empty</title>").encode(), kind + "; charset=utf-8"
                )

        def hit(self, host: str, query: str, body: bytes) -> None:
            fields = dict(reversed(parse_qsl(query, keep_blank_values=True)))
            if body:
                kind, options = media_type(self.headers.get("content-type") or "")
                read = multipart_fields(body, options.get("boundary", "")) if kind == MULTIPART else form_fields(body)
                fields = {**read, **fields}
            ordered = {key: fields[key] for key, _ in parse_qsl(query, keep_blank_values=True)} or fields
            raw = query or body.decode("utf-8", "replace")
            web.hits.append(Hit(self.command, host, self.path, ordered, dict(self.headers.items()), raw))
            self.send(b"", "image/gif")

        def send(self, body: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_OPTIONS = answer

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a page that is left reads no answers
            super().handle_error(request, client_address)


@contextmanager
def recording() -> Iterator[Web]:
    """A server that is every host of the browser."""
    web = Web(0)
    server = _Server(("127.0.0.1", 0), _handler(web))
    web.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()


def chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    pytest.skip("no Chromium is installed")


@contextmanager
def browsing(port: int) -> Iterator[Browser]:
    """Headless Chromium for which each host name is 127.0.0.1:port, whatever port an address names."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=[*FLAGS, f"--host-resolver-rules=MAP * 127.0.0.1:{port}"]
        )
        try:
            yield browser
        finally:
            browser.close()


def wait_until(seen: Callable[[], bool], what: str, seconds: float = 5.0) -> None:
    """Until something is so. A browser sends when it likes, so that nothing here waits for a fixed time."""
    end = time.monotonic() + seconds
    while not seen():
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.01)


class Visit:
    """A visitor: a browser context of its own with one page, and the console's warnings."""

    def __init__(self, context: BrowserContext, web: Web) -> None:
        self.context = context
        self.web = web
        self.page: Page = context.new_page()
        self.said: list[str] = []
        self.errors: list[str] = []
        self._marks = 0
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(
        self,
        before: str = "",
        *,
        at: str = SHOP + "/",
        stub: str = STUB,
        script: str = COLLECTOR + "/truecount.js",
        attributes: str = "",
        body: str = "",
        then: str = "",
    ) -> Page:
        """Show a page: the stub, `before` (calls that are queued), the script, then `then` when it has loaded."""
        html = (
            f"<!doctype html><html lang=en><head><title>Shop</title></head><body>{body}"
            f"<script>{stub};{before}</script>"
            f'<script src="{script}" {attributes}></script><script>{then}</script></body></html>'
        )
        self.web.pages[at.partition("?")[0].partition("#")[0]] = html
        self.page.goto(at)
        return self.page

    def run(self, code: str) -> Any:
        """Run statements in the page and give what they return."""
        return self.page.evaluate(f"() => {{ {code} }}")

    def settle(self) -> list[Hit]:
        """All hits of the page so far: a mark is sent behind them, and waited for."""
        self._marks += 1
        mark = f"mark-{self._marks}"
        self.page.evaluate(
            "async (url) => { for (const pixel of document.images) { await pixel.decode().catch(() => 0) }"
            "; await fetch(url, {mode: 'no-cors', keepalive: true}) }",
            f"{COLLECTOR}/mark?{mark}",
        )
        wait_until(lambda: any(url.endswith(mark) for _, url, _ in self.web.requests), "the mark")
        time.sleep(0.05)  # images take connections of their own
        return self.web.hits

    def hits(self, n: int) -> list[Hit]:
        """Exactly n hits, and no more after them."""
        wait_until(lambda: len(self.web.hits) >= n, f"{n} hits, had {[hit.fields for hit in self.web.hits]}")
        found = self.settle()
        assert len(found) == n, [(hit["ev"], hit["id"]) for hit in found]
        return found

    def cookies(self) -> dict[str, Any]:
        return {cookie["name"]: cookie for cookie in self.context.cookies()}
