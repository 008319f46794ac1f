"""The site on a port of its own, in a thread."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import uvicorn

from truecount.simulate.site.app import application
from truecount.simulate.site.reports import Outbox
from truecount.simulate.site.till import Till
from truecount.simulate.site.view import Site

SHOP: Final = "brewbeans.localhost"
PAY: Final = "beanpay.localhost"
"""Two names that browsers resolve to this machine by themselves, and that share no cookie."""


def listening(port: int) -> socket.socket:
    """A socket on the loopback's port; 0 takes a free one. OSError or OverflowError when there is none."""
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind(("127.0.0.1", port))
        found.listen(128)  # who comes before the site is ready waits
    except (OSError, OverflowError):
        found.close()
        raise
    return found


@contextmanager
def serving_site(bound: socket.socket, dataset: str, collector: str, ask: str) -> Iterator[Site]:
    """Serve the shop until the block ends. The SDK is pointed at the collector before; reports that wait are sent last,
    by `site.outbox.close()` or at the end.
    """
    port = bound.getsockname()[1]
    at = "" if port == 80 else f":{port}"  # as browsers name it
    site = Site(
        dataset=dataset,
        collector=collector,
        shop=f"http://{SHOP}{at}",
        pay=f"http://{PAY}{at}",
        ask=ask,
        till=Till(),
        outbox=Outbox(dataset),
    )
    config = uvicorn.Config(
        application(site), log_level="warning", access_log=False, lifespan="off", server_header=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="shop's site", daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.should_exit = True
        thread.join(10)
        with suppress(OSError):
            bound.close()
        site.outbox.close()
