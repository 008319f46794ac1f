"""The stream of Test events through the door of a whole server, while parts of it come and go: no row is told twice."""

from __future__ import annotations

import html
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.system import PATIENCE_S, Shop, System, purchase, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    with System(tmp_path, doors=2).running() as system:
        yield system


def signed_in(system: System) -> httpx.Client:
    client = httpx.Client(base_url=system.state["url"], timeout=PATIENCE_S, follow_redirects=False)
    client.headers["accept"] = "text/html"
    found = re.search(r"/first-run/\S+", system.words())
    assert found
    proof = re.search(r'name="csrf" value="([^"]+)"', client.get(found[0]).text)
    assert proof
    fields = {"email": "owner@mail.example", "password": "correct horse battery", "csrf": html.unescape(proof[1])}
    assert client.post(found[0], data=fields, headers={"origin": system.state["url"]}).status_code == 303
    return client


class Listener(threading.Thread):
    """Reads a stream until it ends, as a page does."""

    def __init__(self, client: httpx.Client, path: str) -> None:
        super().__init__(daemon=True)
        self.client, self.path = client, path
        self.lines: list[str] = []
        self.start()
        wait_until(lambda: ": listening" in self.lines, "the stream")

    def run(self) -> None:
        try:
            with self.client.stream("GET", self.path) as answer:
                for line in answer.iter_lines():
                    self.lines.append(line)
        except httpx.HTTPError:
            self.lines.append("cut")

    def ids(self) -> list[str]:
        """Event ids of rows, in the order that they were told."""
        return re.findall(r"<bdi>(order-\d+)</bdi>", "\n".join(self.lines))

    @property
    def last(self) -> str:
        return next((line[4:] for line in reversed(self.lines) if line.startswith("id: ")), "")


def test_nothing_twice_and_nothing_missed_while_the_engine_starts_again(system: System) -> None:
    client = signed_in(system)
    shop: Shop = system.create("Shop")
    listener = Listener(client, f"/d/{shop.id}/test/stream")
    for number in (1, 2, 3):
        assert system.post_events(shop, [purchase(f"order-{number}")]).status == 200
        wait_until(lambda number=number: f"order-{number}" in listener.ids(), "the row")  # type: ignore[misc]
    old = system.signal("engine")
    for number in (4, 5, 6):
        assert system.post_events(shop, [purchase(f"order-{number}")]).status == 200
    system.wait_back("engine", old)
    wait_until(lambda: len(listener.ids()) >= 6, "the rows of meanwhile")
    assert sorted(listener.ids()) == [f"order-{number}" for number in range(1, 7)]

    # One that comes back is told what came meanwhile, and nothing before.
    last = listener.last
    assert system.post_events(shop, [purchase("order-7")]).status == 200
    wait_until(lambda: "order-7" in listener.ids(), "the last row")
    again = Listener(client, f"/d/{shop.id}/test/stream?{httpx.QueryParams({'after': last})}")
    wait_until(again.ids, "what was missed")
    assert again.ids() == ["order-7"]

    # The server ends, streams and all.
    assert system.stop() == 0
    listener.join(PATIENCE_S)
    again.join(PATIENCE_S)
    assert not listener.is_alive() and not again.is_alive()
    assert "Traceback" not in system.words()
