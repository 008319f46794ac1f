"""What may be wrong, brought about on purpose: each block holds its state until it ends, and mends it then.

The tests look at what the page says, the pictures of the docs are taken inside of the same blocks.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page

from tests.system import PATIENCE_S, System, wait_until

MS = PATIENCE_S * 1000


@contextmanager
def store_down(page: Page, system: System, path: str) -> Iterator[None]:
    """The engine was killed, and is not back yet when the page asks."""

    def seen() -> bool:
        if "engine" in system.pids():
            system.signal("engine")
        page.goto(path)
        return page.is_visible("text=The store does not answer")

    wait_until(seen, "a page that met no engine")
    try:
        yield
    finally:
        wait_until(lambda: system.get("/readyz").status == 200, "readiness")


@contextmanager
def store_hangs(page: Page, system: System, path: str) -> Iterator[None]:
    """The engine stands still, as it does under a question that is too much for it."""
    pid = system.signal("engine", signal.SIGSTOP)
    try:
        page.goto(path, timeout=MS)
        page.wait_for_selector("text=took longer than")
        yield
    finally:
        if system.pids().get("engine") == pid:
            system.signal("engine", signal.SIGCONT)
        wait_until(lambda: system.get("/readyz").status == 200, "readiness")


@contextmanager
def too_heavy(page: Page, system: System, path: str) -> Iterator[None]:
    """The engine may use so little memory that what a page asks for is too much for it."""
    port = str(system.state["port"])
    system.stop()
    system.start("--port", port, "--engine-memory-mb", "4")
    try:
        page.goto(path, timeout=MS)
        page.wait_for_selector("text=too heavy for the engine")
        yield
    finally:
        system.stop()
        system.start("--port", port)


@contextmanager
def stream_cut(page: Page, system: System, path: str) -> Iterator[None]:
    """The manager dies under an open stream, and stays away while the block goes on."""
    page.goto(path)
    page.wait_for_selector("[data-live-state]:text-is('Live')")
    with without_manager(page, system):
        page.wait_for_selector("[data-live-state]:text-is('Connecting again')", timeout=MS)
        yield
    page.wait_for_selector("[data-live-state]:text-is('Live')", timeout=MS)


@contextmanager
def server_away(page: Page, system: System, path: str) -> Iterator[None]:
    """The whole server is stopped under an open page, and started again at the same port."""
    page.goto(path)
    port = system.state["port"]
    system.stop()
    try:
        page.wait_for_selector("#late:not([hidden])", timeout=MS)
        yield
    finally:
        system.start("--port", str(port))


@contextmanager
def disk_full(page: Page, system: System, path: str) -> Iterator[None]:
    """The server runs on a disk with less space than it is to keep free. Wants TRUECOUNT_CANARY_S at a few seconds."""
    port = str(system.state["port"])
    system.stop()
    system.start("--port", port, "--reserve-mb", "9999999")
    try:

        def told() -> bool:
            answer = system.get("/canary", {"Accept": "application/json"})
            return answer.status == 200 and len(answer.json["trouble"]) == 2

        wait_until(told, "what the canary met")
        page.goto(path)
        yield
    finally:
        system.stop()
        system.start("--port", port)


@contextmanager
def session_over(page: Page, system: System, path: str) -> Iterator[None]:
    """The session of an open page that renews itself is over. Yields at the sign-in page."""
    page.route("**/stream*", lambda route: route.abort())  # it would go on: nobody tells the server of the cookies
    page.goto(path)
    cookies = page.context.cookies()
    page.context.clear_cookies()
    page.wait_for_url("**/sign-in?next=*", timeout=MS)
    page.unroute("**/stream*")
    yield
    page.context.add_cookies(cookies)  # type: ignore[arg-type]


@contextmanager
def without_manager(page: Page, system: System) -> Iterator[None]:
    """Kill the manager, and let no request of the page reach the next one."""
    page.route("**/*", lambda route: route.abort("connectionrefused"))
    old = system.signal("manager")
    try:
        yield
    finally:
        page.unroute("**/*")
        system.wait_back("manager", old)
