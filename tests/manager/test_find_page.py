"""Find by id: on every page of a dataset, and from there to the one action, or to those that there are."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.manager.house import House, Visitor
from truecount.manager import boxes
from truecount.manager.routes import find as routes
from truecount.measure.found import By, Found

HOSTILE = "<svg onload=alert(1)>{{7*7}}\u202e"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with pytest.MonkeyPatch.context() as patch, House(tmp_path_factory.mktemp("find")).open() as house:
        patch.setattr(boxes, "PATIENCE_S", 0.0)
        house.make_owner()
        house.manager.registry.create("Shop", id="77")
        yield house


class Nothing:
    """A store that is not asked: what it would say is given."""

    def having(self, settings: Any, **_: Any) -> Nothing:
        return self

    def query_rows(self, sql: str, params: Any = None) -> list[Any]:
        return []


@pytest.fixture
def owner(house: House, monkeypatch: pytest.MonkeyPatch) -> Visitor:
    monkeypatch.setattr(house.manager.link, "store", Nothing)
    visitor = house.visitor()
    visitor.sign_in()
    return visitor


def holding(monkeypatch: pytest.MonkeyPatch, *found: tuple[str, By]) -> None:
    rows = [Found(name, by, "2026-11-24T09:00:00Z") for name, by in found]
    monkeypatch.setattr(routes, "found_by_id", lambda *_: rows)


@pytest.mark.parametrize("path", ["/d/77/start", "/d/77/explain", "/d/77/settings", "/d/77/diagnostics"])
def test_the_box_stands_on_every_page_of_a_dataset(owner: Visitor, path: str) -> None:
    page = owner.get(path).text
    assert len(re.findall(r'<form class="find" role="search" method="get" action="/d/77/find">', page)) == 1
    assert page.count('id="q"') == 1
    assert 'class="find"' not in owner.get("/start").text


@pytest.mark.parametrize(
    ("found", "href"),
    [
        ([("Purchase", "id")], "/d/77/explain?event=Purchase&id=a%2Fb%20c"),
        ([("Purchase", "id"), ("Purchase", "order")], "/d/77/explain?event=Purchase&id=a%2Fb%20c"),
        ([("Purchase", "order")], "/d/77/explain?event=Purchase&order=a%2Fb%20c"),
        ([("PageView", "fbp")], "/d/77/explain?event=PageView&fbp=a%2Fb%20c"),
    ],
)
def test_one_action_is_explained_at_once(
    owner: Visitor, monkeypatch: pytest.MonkeyPatch, found: list[tuple[str, By]], href: str
) -> None:
    holding(monkeypatch, *found)
    assert owner.get("/d/77/find?q=%20a/b+c%20").headers["location"] == href


def test_of_several_events_one_is_chosen(owner: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    holding(monkeypatch, ("Purchase", "id"), (HOSTILE, "id"))
    page = owner.get("/d/77/find?q=x")
    assert page.status_code == 200 and "Which one?" in page.text
    links = [html.unescape(link) for link in re.findall(r'href="(/d/77/explain\?[^"]+)"', page.text)]
    assert links[0] == "/d/77/explain?event=Purchase&id=x" and len(links) == 2
    assert "<svg onload" not in page.text and "\u202e" not in page.text and "{{7*7}}" in page.text
    assert len(owner.json("/d/77/find?q=x")["found"]["data"]) == 2


@pytest.mark.parametrize("id", ["x", HOSTILE, "W" * 5000])
def test_what_is_not_there_is_said_and_can_be_looked_for_otherwise(
    owner: Visitor, monkeypatch: pytest.MonkeyPatch, id: str
) -> None:
    holding(monkeypatch)
    answer = owner.client.get("/d/77/find", params={"q": id})
    assert answer.status_code == 404 and "Nothing here has the event id" in answer.text
    assert "<svg onload" not in answer.text
    assert 'id="x-id" name="id"' in answer.text
    assert owner.json("/d/77/find?q=x")["found"]["data"] == []


MAIL = "Jane@Mail.example"
STORED = hashlib.sha256(b"id\njane@mail.example").hexdigest()


def test_an_email_address_leads_to_the_id_that_was_kept_of_it_and_is_echoed_nowhere(
    owner: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(routes, "found_by_id", lambda store, dataset, id: asked.append(id) or [])
    away = owner.get(f"/d/77/find?q={MAIL}").headers["location"]
    assert away == f"/d/77/find?q={STORED}&was=email"
    page = owner.get(away)
    assert page.status_code == 404 and "type it into the field “E-mail address” below" in page.text
    assert "mail.example" not in page.text.lower() and STORED not in page.text
    twin = owner.get(f"/d/77/find?q={MAIL}&format=json")
    assert "mail.example" not in twin.text.lower() and asked == [STORED, STORED]
    holding(monkeypatch, ("Lead", "id"))
    assert owner.get(away).headers["location"] == f"/d/77/explain?event=Lead&id={STORED}"


def test_what_the_page_hashed_is_looked_for_as_an_id_and_then_as_a_person(
    owner: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    em = hashlib.sha256(b"jane@mail.example").hexdigest()
    holding(monkeypatch)
    path = f"/d/77/find?q={STORED}&em={em}"
    assert owner.get(path).headers["location"] == f"/d/77/explain?event=Purchase&em={em}"
    holding(monkeypatch, ("Lead", "id"))
    assert owner.get(path).headers["location"] == f"/d/77/explain?event=Lead&id={STORED}"


def test_nothing_typed_is_the_search(owner: Visitor) -> None:
    assert owner.get("/d/77/find?q=%20").headers["location"] == "/d/77/explain"
    assert owner.json("/d/77/find") == {
        "dataset": "77",
        "q": "",
        "found": {"state": "there", "data": [], "problem": None},
    }


def test_a_store_that_is_away_is_told(house: House, owner: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    page = owner.get("/d/77/find?q=x")
    assert page.status_code == 200 and "The store does not answer" in page.text
