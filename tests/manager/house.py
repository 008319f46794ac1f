"""A visitor of the manager for tests: keeps cookies, reads the proof out of a page, sends forms as a browser does."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from litestar import Litestar
from litestar.testing import TestClient

from truecount.log.folder import DataFolder
from truecount.manager.app import application
from truecount.manager.shared import Manager
from truecount.manager.users.passwords import Passwords
from truecount.manager.users.together import Users, first_run_path
from truecount.settings import read_settings

OWNER = "owner@brewbeans.example"
PASSWORD = "correct horse battery"
CHEAP = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}
HTML = "text/html,application/xhtml+xml"


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.s = 1_800_000_000.0

    def __call__(self) -> float:
        return self.s


class Visitor:
    """One browser."""

    def __init__(self, house: House, address: str = "203.0.113.7", *, tls: bool = False) -> None:
        scheme = "https" if tls else "http"
        self.address = address
        self.origin = f"{scheme}://count.example"
        self.client = TestClient(house.app, base_url=self.origin, raise_server_exceptions=False)
        self.client.headers = {"accept": HTML, "x-forwarded-for": address, "x-forwarded-proto": scheme}

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.client.get(path, headers=_names(headers), follow_redirects=False)

    def json(self, path: str) -> Any:
        answer = self.get(path, accept="application/json")
        assert answer.headers["content-type"].startswith("application/json"), answer.text
        return answer.json()

    def proof(self, page: str = "/sign-in") -> str:
        """What the forms of a page are known by."""
        answer = self.get(page)
        while answer.is_redirect:
            answer = self.get(answer.headers["location"])
        found = re.search(r'name="csrf" value="([^"]+)"', answer.text)
        assert found, answer.text
        return html.unescape(found[1])

    def send(
        self,
        path: str,
        fields: dict[str, str] | None = None,
        *,
        page: str = "",
        csrf: str | None = None,
        **headers: str,
    ) -> httpx.Response:
        """Send a form from one of our pages; `page` is where its proof is."""
        proof = self.proof(page or "/sign-in") if csrf is None else csrf
        given = {"origin": self.origin, **_names(headers)}
        return self.client.post(path, data={**(fields or {}), "csrf": proof}, headers=given, follow_redirects=False)

    def sign_in(self, email: str = OWNER, password: str = PASSWORD, **fields: str) -> httpx.Response:
        return self.send("/sign-in", {"email": email, "password": password, **fields})

    def is_in(self) -> bool:
        return self.get("/", accept="application/json").status_code == 200


class House:
    """The manager's application on a folder, without an engine."""

    def __init__(self, path: Path, **costs: int) -> None:
        self.clock = Clock()
        self.folder = DataFolder(path / "data")
        self.users = Users(self.folder.path, now_s=self.clock, passwords=Passwords(**(costs or CHEAP)))
        settings = read_settings({"data": str(self.folder.path)}, environ={})
        self.app: Litestar = application(self.folder, settings, users=self.users)
        self.first = first_run_path(self.users.links.first() or "")

    @property
    def manager(self) -> Manager:
        manager: Manager = self.app.state.manager
        return manager

    @contextmanager
    def open(self) -> Iterator[House]:
        with TestClient(self.app):
            yield self

    def visitor(self, address: str = "203.0.113.7", *, tls: bool = False) -> Visitor:
        return Visitor(self, address, tls=tls)

    def reader(self, dataset: str | None = None, *, revoked: bool = False) -> Visitor:
        """A script with a reading token, and no cookie."""
        token, secret = self.users.reading.add("A script", dataset)
        if revoked:
            self.users.reading.revoke(token.id)
        visitor = self.visitor()
        visitor.client.headers["authorization"] = f"Bearer {secret}"
        return visitor

    def make_owner(self) -> Visitor:
        """The first run. Returns the owner's browser, signed in."""
        visitor = self.visitor()
        answer = visitor.send(self.first, {"email": OWNER, "password": PASSWORD}, page=self.first)
        assert answer.status_code == 303, answer.text
        return visitor

    def add(self, email: str, role: str = "analyst", datasets: list[str] | None = None) -> Visitor:
        """A user with PASSWORD. Returns the user's browser, signed in."""
        from truecount.manager.answers import NewUser

        path = self.users.add(NewUser(email, role, datasets)).path
        visitor = self.visitor()
        assert visitor.send(path, {"password": PASSWORD}, page=path).status_code == 303
        return visitor


def _names(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
