"""A dataset that is deleted and made again is another one: no answer, no stream and no right of the old one is its."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.manager.house import House, Visitor
from truecount.commands.reach import Local
from truecount.datasets import DatasetSettings
from truecount.log.folder import DataFolder
from truecount.manager import boxes, streams
from truecount.manager.boxes import Box
from truecount.manager.kept import Kept, identity
from truecount.manager.looks import Looks
from truecount.manager.routes import overview
from truecount.manager.users.file import UsersError
from truecount.manager.users.together import Users
from truecount.manager.views import event as event_view
from truecount.manager.views.overview import Counts
from truecount.measure.events import EventTotals


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setattr(boxes, "PATIENCE_S", 0.0)
    with House(tmp_path).open() as house:
        monkeypatch.setattr(house.manager, "kept", Kept(lambda: 0.0))  # no answer grows old
        monkeypatch.setattr(house.manager, "wait_loaded", lambda: None)
        yield house


@pytest.fixture
def owner(house: House) -> Visitor:
    owner = house.make_owner()
    make(owner)
    return owner


def make(owner: Visitor) -> None:
    assert owner.send("/start", {"name": "Shop", "id": "42"}, page="/start").status_code == 303


def delete(owner: Visitor) -> int:
    fields = {"sure": "42"}
    return owner.send("/d/42/delete", fields, page="/start", accept="application/json").status_code


def test_its_numbers_are_its_own(house: House, owner: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    async def counted(*_: Any) -> Box[Any]:
        asked.append(1)
        row = EventTotals(event_name="Purchase", actions=len(asked))
        return Box("there", Counts("", [row], [], has_before=False, event_name="Purchase", buckets=[]))

    async def told(_: Any, __: Any, name: str, period: Any) -> event_view.Answer:
        bar = SimpleNamespace(since="", actions=len(asked), both=0, server_only=0, browser_only=0)
        there: Box[Any] = Box("there", SimpleNamespace(buckets=[bar]))
        view: Any = SimpleNamespace(counts=there, delays=there, parameters=there, match_keys=there, newest=there)
        return event_view.Answer(view, period)

    monkeypatch.setattr(overview, "_one", counted)
    monkeypatch.setattr(event_view, "event", told)
    files = ("/d/42?format=csv", "/d/42/event?name=Purchase&format=csv")
    first = [owner.get(path).text for path in files]
    assert [owner.get(path).text for path in files] == first and len(asked) == 1
    assert delete(owner) == 200
    make(owner)
    second = [owner.get(path).text for path in files]
    assert "Purchase,0,1," in first[0] and "Purchase,0,2," in second[0]
    assert first[1] != second[1]


def test_rights_are_taken_before_it_goes_so_that_none_outlives_it(
    house: House, owner: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(_: str) -> None:
        raise UsersError("locked")

    with monkeypatch.context() as patch:
        patch.setattr(house.users, "forget_dataset", locked)
        assert delete(owner) == 503
    assert "42" in house.manager.registry.datasets(), "it can be deleted again"
    assert delete(owner) == 200
    assert delete(owner) == 404


def test_what_was_left_of_rights_does_not_open_the_next_one(house: House, owner: Visitor) -> None:
    house.manager.registry.delete("42")  # and no more: as a crash would leave it
    reader = house.reader("42")
    house.users.mutes.mute("42", ("x", ()), by="")
    make(owner)
    assert reader.get("/d/42/start").status_code == 401
    assert house.users.mutes.of_dataset("42") == {}


def test_who_makes_one_that_is_there_takes_no_right_away(house: House, owner: Visitor) -> None:
    reader = house.reader("42")
    assert owner.send("/start", {"name": "Shop", "id": "42"}, page="/start").status_code == 400
    assert reader.get("/d/42/start").status_code == 200


def test_the_command_line_keeps_the_same_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = DataFolder(tmp_path / "data")
    users = Users(folder.path)
    local = Local(folder)
    local.create("Shop", "42", None)
    users.reading.add("A script", "42")

    def locked(*_: object) -> None:
        raise UsersError("locked")

    with monkeypatch.context() as patch:
        patch.setattr(Users, "forget_dataset", locked)
        with pytest.raises(Exception, match="locked"):
            local.delete("42")
    assert b'"42"' in local.datasets()
    local.delete("42")
    assert users.reading.all() == []
    users.reading.add("Left behind", "42")
    local.create("Another", "42", None)
    assert users.reading.all() == []
    local.close()
    users.close()


@pytest.mark.parametrize("path", ["stream", "test/stream"])
@pytest.mark.parametrize("is_made_again", [False, True])
def test_a_stream_of_the_old_one_ends_and_says_why(
    house: House, owner: Visitor, path: str, is_made_again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "LOOK_AGAIN_S", 0.01)
    registry, sessions = house.manager.registry, house.manager.users.sessions
    look, looks = sessions.look, 0

    def meanwhile(token: str) -> Any:
        nonlocal looks
        looks += 1
        if looks == 3:
            registry.delete("42")
            if is_made_again:
                registry.create("Another", id="42")
        if looks == 50:
            sessions.end(token)  # so that a stream which goes on ends too, with other words
        return look(token)

    monkeypatch.setattr(sessions, "look", meanwhile)
    answer = owner.get(f"/d/42/{path}", accept_encoding="identity")
    assert f"event: end\ndata: {streams.GONE}\n" in answer.text


def test_a_look_at_another_version_is_not_told(house: House, owner: Visitor) -> None:
    found = house.manager.dataset("42")
    house.manager.registry.change("42", settings=DatasetSettings(country="IN"))
    changed = house.manager.dataset("42")
    looks = Looks()
    looks._found["42"], looks._versions["42"] = SimpleNamespace(), identity(found)  # type: ignore[assignment]
    assert looks.kept("42", identity(found)) is not None
    assert looks.kept("42", identity(changed)) is None
