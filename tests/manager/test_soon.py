"""Pages in two parts: the layout goes out before the store has answered."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from litestar import Litestar

from truecount.manager.boxes import Box
from truecount.manager.views import start as view

from .house import HTML, House, Visitor

PAGES = ("", "/start", "/test", "/event?name=Purchase", "/actions", "/actions?outcome=refused")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with House(tmp_path_factory.mktemp("soon")).open() as house:
        yield house


@pytest.fixture(scope="module")
def owner(house: House) -> Visitor:
    return house.make_owner()


@pytest.fixture(scope="module")
def at(house: House, owner: Visitor) -> str:
    """The path of a dataset."""
    assert owner.send("/start", {"name": "BrewBeans"}, page="/start").status_code == 303
    return f"/d/{next(iter(house.manager.registry.datasets()))}"


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_a_page_in_two_parts_is_one_whole_page(owner: Visitor, at: str, page: str, coding: str) -> None:
    answer = owner.get(at + page, accept_encoding=coding)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(HTML.split(",")[0])
    assert answer.headers.get("content-encoding", "identity") == coding
    assert "\0" not in answer.text
    for piece in ("<!doctype html>", "<h1", "</html>"):
        assert answer.text.count(piece) == 1
    assert answer.text.index("<nav") < answer.text.index("<h1") < answer.text.index('id="keys"')


def test_what_fails_behind_the_layout_is_told_in_its_place(
    owner: Visitor, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "start", lambda *_: 1 / 0)
    answer = owner.get(f"{at}/start")
    assert "ZeroDivisionError" in answer.text and 'role="alert"' in answer.text
    assert answer.text.count("</html>") == 1 and "<nav" in answer.text
    assert owner.get(f"{at}/start", accept="application/json").status_code == 500


@pytest.mark.parametrize("packed", [False, True])
def test_the_layout_goes_out_while_the_store_is_asked(
    house: House, owner: Visitor, at: str, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    async def slow(*_: Any) -> dict[str, Box[Any]]:
        await asked.wait()
        return {"checklist": Box("down", problem="The store is away, says this test.")}

    monkeypatch.setattr("truecount.manager.routes.start.ask", slow)
    parts = asyncio.run(_parts(house.app, owner, f"{at}/start", packed, asked.set))
    unpack = zlib.decompressobj(31).decompress if packed else bytes
    first, rest = (unpack(part).decode() for part in parts if part)
    assert "<nav" in first and "stylesheet" in first and "<h1" not in first
    assert "says this test" in rest and rest.rstrip().endswith("</html>")
    if packed:
        assert gzip.decompress(b"".join(parts)).decode() == first + rest


async def _parts(app: Litestar, owner: Visitor, path: str, packed: bool, answer: Callable[[], None]) -> list[bytes]:
    """The pieces of a page's body, as they are sent; `answer` is called at the first."""
    cookies = "; ".join(f"{name}={value}" for name, value in owner.client.cookies.items())
    headers = {"host": "count.example", "accept": HTML, "cookie": cookies, "x-forwarded-for": "203.0.113.7"}
    if packed:
        headers["accept-encoding"] = "gzip"
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80), "state": {}, "app": app,
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    parts: list[bytes] = []

    sent = asyncio.Event()

    async def receive() -> Any:
        await sent.wait()
        return {"type": "http.disconnect"}  # as a server says, too, when all is sent

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            parts.append(message["body"])
            answer()
            if not message["more_body"]:
                sent.set()

    async with asyncio.timeout(20):
        await app(scope, receive, send)  # type: ignore[arg-type]
    return parts


@pytest.mark.parametrize("page", ["", "/event?name=Purchase"])
def test_no_page_stands_in_the_loop_for_settings_that_are_being_written(
    house: House, owner: Visitor, at: str, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_loop: list[bool] = []

    def changes(_: str) -> list[Any]:
        in_loop.append(asyncio._get_running_loop() is not None)
        return []

    monkeypatch.setattr(house.manager.registry, "changes", changes)
    assert owner.get(at + page).status_code == 200
    assert in_loop == [False]
