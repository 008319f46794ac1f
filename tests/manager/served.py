"""A visitor of a whole server for tests: signed in over real HTTP, and asking as a browser does."""

from __future__ import annotations

import html
import re
from typing import Any

import httpx

from tests.manager.house import HTML, OWNER, PASSWORD
from tests.system import PATIENCE_S, Shop, System, purchase, wait_until


class Guest:
    """The owner's browser, without scripts."""

    def __init__(self, system: System) -> None:
        self.client = httpx.Client(
            base_url=system.state["url"], headers={"accept": HTML}, timeout=PATIENCE_S, follow_redirects=True
        )
        self.system = system
        link = re.search(r"/first-run/\S+", system.words())
        assert link
        page = self.client.get(link[0]).text
        proof = re.search(r'name="csrf" value="([^"]+)"', page)
        assert proof
        fields = {"email": OWNER, "password": PASSWORD, "csrf": html.unescape(proof[1])}
        done = self.client.post(link[0], data=fields, headers={"origin": system.state["url"]})
        assert done.status_code == 200 and "/sign-in" not in str(done.url), done.text

    def get(self, path: str) -> httpx.Response:
        return self.client.get(path)

    def page(self, path: str, status: int = 200) -> str:
        answer = self.get(path)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"].startswith("text/html")
        return answer.text

    def json(self, path: str, status: int = 200) -> Any:
        answer = self.client.get(path, headers={"accept": "application/json"})
        assert answer.status_code == status, answer.text
        return answer.json()


def words_of(page: str) -> str:
    """What a page says in its main part, without markup, blanks made one; not what it says when the server is away."""
    main = page.partition("<main")[2].partition("</main>")[0].partition(">")[2]
    main = re.sub(r'<p[^>]* id="late"[^>]* hidden>.*?</p>', "", main)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", main)).split())


def links_of(page: str, beginning: str = "/") -> list[str]:
    return [
        html.unescape(link) for link in re.findall(r'href="([^"]*)"', page) if html.unescape(link).startswith(beginning)
    ]


def sell(system: System, shop: Shop, id: str, value: str = "899.00", **hit: Any) -> None:
    """A sale that the browser and the server tell of."""
    assert system.post_events(shop, [purchase(id, value)]).status == 200
    assert system.post_hit(shop, ev="Purchase", eid=id, cd={"value": value, "currency": "INR"}, **hit).status == 200


def wait_copies(system: System, shop: Shop, n: int, event_name: str = "Purchase") -> None:
    wait_until(lambda: system.copies(shop, event_name) == n, f"{n} copies of {event_name}")
