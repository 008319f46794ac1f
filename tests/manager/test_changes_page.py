"""Who changed what, and when: on Settings, in its files, and as marks on charts; when a token was made and used."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.manager.house import OWNER, House, Visitor
from truecount.collect.uses import Uses, last_uses
from truecount.datasets import COMMAND_LINE, Dataset, DatasetSettings, token_hash
from truecount.log.changes import Record
from truecount.manager import boxes
from truecount.manager.charts import marks_of
from truecount.manager.views import changes as view
from truecount.manager.views import event, overview
from truecount.manager.views.settings_forms import FIELDS
from truecount.measure.buckets import Bucket
from truecount.measure.event_sums import EventSums

HOSTILE = "=cmd|' /C calc'!A0<script>"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with pytest.MonkeyPatch.context() as patch, House(tmp_path_factory.mktemp("changes")).open() as house:
        patch.setattr(boxes, "PATIENCE_S", 0.0)
        house.make_owner()
        house.manager.registry.create("Shop", id="77", by=COMMAND_LINE)
        yield house


@pytest.fixture(scope="module")
def owner(house: House) -> Visitor:
    visitor = house.visitor()
    visitor.sign_in()
    return visitor


def newest(owner: Visitor) -> Any:
    return owner.json("/d/77/settings")["changes"][0]


def save(owner: Visitor, section: str, **fields: str) -> None:
    path = "/d/77/settings"
    assert owner.send(path, {"section": section, **fields}, page=path).status_code == 303


def test_a_change_is_told_with_who_and_what_it_was_before(owner: Visitor) -> None:
    assert owner.json("/d/77/settings")["changes"][-1]["who"] == view.BY_COMMAND
    save(owner, "counting", count_tests="on", count_tools="on", count_bots="on")
    change = newest(owner)
    assert change["who"] == OWNER
    (changed,) = change["changed"]
    assert (changed["name"], changed["before"], changed["after"]) == ("count_bots", "false", "true")
    page = owner.get("/d/77/settings").text
    assert "Count bots: on, before off" in page and f"<bdi>{OWNER}</bdi>" in page


def test_what_is_saved_as_it_was_is_no_change(owner: Visitor) -> None:
    save(owner, "doors", automatic_events="on", strict_money="on")
    before = owner.json("/d/77/settings")["changes"]
    save(owner, "doors", automatic_events="on", strict_money="on")
    assert owner.json("/d/77/settings")["changes"] == before


def test_the_file_has_a_row_for_each_thing_that_changed_and_no_formula(owner: Visitor) -> None:
    save(owner, "general", name=HOSTILE, time_zone="Asia/Kolkata", country="IN")
    rows = list(csv.DictReader(io.StringIO(owner.get("/d/77/settings?format=csv").text)))
    assert [*rows[0]] == [*view.COLUMNS]
    assert {row["name"] for row in rows[:3]} == {"name", "time_zone", "country"}
    assert all(row["who"] == OWNER for row in rows[:3])
    assert next(row for row in rows if row["name"] == "name")["after"] == "'" + HOSTILE
    assert rows[-1]["name"] == "dataset" and rows[-1]["after"] == "Shop"
    assert "<script>" not in owner.get("/d/77/settings").text.partition("<main")[2]


def test_the_log_of_the_folder_holds_nobodys_address(house: House, owner: Visitor) -> None:
    save(owner, "counting", count_tests="on")
    files = [path for path in house.folder.path.rglob("*") if path.is_file() and "users.sqlite" not in path.name]
    assert any(b"count_bots" in path.read_bytes() for path in files)
    assert not [path for path in files if OWNER.encode() in path.read_bytes()]


def test_a_token_tells_who_made_it_and_its_end_is_a_change(owner: Visitor) -> None:
    path = "/d/77/settings"
    token = owner.send("/d/77/tokens", page=path, accept="application/json").json()["token"]
    mark = token_hash(token).hex()[:12]
    told = next(one for one in owner.json(path)["tokens"] if one["fingerprint"] == mark)
    assert (told["scope"], told["created_by"], told["last_used"]) == ("send events", OWNER, None)
    assert told["created"] == newest(owner)["time"]
    assert newest(owner)["changed"][0]["words"] == f"Token {mark}… made"
    assert f"Yes, revoke {mark}" in owner.get(path).text
    owner.send("/d/77/tokens/revoke", {"hash": told["hash"]}, page=path)
    assert newest(owner)["changed"][0]["words"] == f"Token {mark}… revoked"


def test_the_last_use_of_a_token_is_what_the_doors_wrote_down(house: House, owner: Visitor) -> None:
    (hash, *_) = house.manager.registry.get("77").token_hashes
    for door, us in (("door-1", 1_790_000_000_000_000), ("door-2", 1_800_000_000_000_000)):
        uses = Uses(house.folder.path, door)
        uses.now[hash] = us
        uses.write({hash})
    told = next(one for one in owner.json("/d/77/settings")["tokens"] if one["hash"] == hash.hex())
    assert told["last_used"] == "2027-01-15T08:00:00Z"


def test_last_uses_outlive_a_restart_and_not_their_token(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    uses = Uses(tmp_path, "door-1")
    uses.now.update({b"a": 1, b"b": 2})
    uses.write({b"a", b"b"})
    again = Uses(tmp_path, "door-1")
    again.write({b"a"})
    assert last_uses(tmp_path) == {b"a": 1, b"b": 2}, "nothing new, nothing written"
    again.now[b"c"] = 3
    again.write({b"a", b"c"})
    assert last_uses(tmp_path) == {b"a": 1, b"c": 3}
    (tmp_path / "run" / "tokens-door-1.json").write_bytes(b"{")
    assert last_uses(tmp_path) == {}


def records(*settings: DatasetSettings) -> list[Record]:
    return [
        Record("settings", at + 1, (at + 1) * 1_000_000, Dataset(id="77", name="Shop", created_us=0, settings=one))
        for at, one in enumerate(settings)
    ]


def test_a_mark_tells_what_changed_in_the_period_and_no_word_of_a_list() -> None:
    found = records(
        DatasetSettings(),
        DatasetSettings(count_bots=True),
        DatasetSettings(count_bots=True, blocked_domains=("secret.example",)),
        DatasetSettings(count_bots=True, blocked_domains=("secret.example",), denied_events="withhold"),
    )
    assert [one.what for one in view.marks(found, 2000, 4000)] == [
        "Count bots: on",
        "Refuse events of these domains: changed",
    ]
    assert [one.what for one in view.marks(found, 4000, 10**9)] == ["An event whose consent is denied: “Hold back”"]
    assert view.marks([], 0, 10**9) == []


def test_marks_stand_where_they_happened_and_those_of_one_bar_are_one() -> None:
    edges = [0, 10_000, 20_000, 30_000]
    drawn = marks_of(edges, [(f"1970-01-01T00:00:{second:02}Z", str(second)) for second in (5, 9, 20, 29, 31)])
    found = [(mark.x, [what for _, what in mark.what]) for mark in drawn]
    assert found == [
        ("16.667", ["5", "9"]),
        ("66.667", ["20", "29"]),
    ]


class Empty:
    """A store without a single copy."""

    def having(self, settings: Any, **_: Any) -> Empty:
        return self

    def query_rows(self, sql: str, params: Any = None) -> list[Any]:
        return []

    def script(self, commands: Any, select: Any = None) -> list[Any]:
        return []


@pytest.mark.parametrize("path", ["/d/77?since=1h", "/d/77/event?name=Purchase&since=1h"])
def test_a_change_is_a_mark_on_the_chart_that_is_read_aloud(
    house: House, owner: Visitor, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(owner, "domains", allowed_domains="", blocked_domains="secret.example", allowed_origins="")
    nothing = overview.Counts("2026-11-26T00:00:00Z", [], [], False, "Purchase", [])
    monkeypatch.setattr(overview, "counts", lambda *_: nothing)
    monkeypatch.setattr(event, "fits", lambda *_: False)  # no rolled-up counts
    monkeypatch.setattr(event, "moment_of", lambda *_: None)
    monkeypatch.setattr(
        event, "event_sums", lambda *_: EventSums(event_name="Purchase", copies=1, actions=1, browser_only=1)
    )
    one = Bucket(
        event_name="Purchase", since="2026-11-26T00:00:00Z", actions=1, both=0, server_only=0, browser_only=1, value={}
    )
    monkeypatch.setattr(event, "bars", lambda *_: [one])
    monkeypatch.setattr(house.manager.link, "store", Empty)
    page = owner.get(path)
    words = "Refuse events of these domains: changed"
    told = re.findall(r'<g class="changed" role="img" aria-label="([^"]*)"><title>([^<]*)</title>', page.text)
    assert all(aloud == seen and aloud.startswith("Settings changed.") for aloud, seen in told)
    assert words in told[-1][0]
    assert "secret.example" not in page.text and OWNER not in page.text.partition("<main")[2]
    twin = owner.json(path)["changes"]
    assert words in [one["what"] for one in twin] and [*twin[0]] == ["time", "what"]
    assert "Settings changed" not in owner.get("/d/77?since=2020-01-01&until=2020-01-02").text


@pytest.mark.parametrize("name", DatasetSettings.__struct_fields__)
def test_every_setting_can_be_told(name: str) -> None:
    default = getattr(DatasetSettings(), name)
    field = FIELDS[name]
    other = (
        not default if field.kind == "switch" else ("a", "b") if field.kind == "list"
        else next(key for key, _, _ in field.choices if key != default) if field.kind == "choice" else "x"
    )  # fmt: skip
    (_, change) = view.changes(records(DatasetSettings(), DatasetSettings(**{name: other})), [])[::-1]
    (changed,) = change.changed
    assert changed.name == name and changed.words.startswith(field.label) and change.who == view.UNKNOWN
    assert changed.before != changed.after


def test_each_section_says_from_when_on_a_change_holds(owner: Visitor) -> None:
    page = owner.get("/d/77/settings").text
    said = {
        name: part.split("</form>")[0]
        for name, part in re.findall(r'(?s)<section class="set" id="(\w+)"(.*?)</section>', page)
    }
    for name in ("general", "domains", "consent", "words", "doors"):
        assert "what is received after it" in said[name], name
    assert "for all that is stored too" in said["counting"] and "received after" not in said["counting"]
    assert "order ids, and the host of an address" in said["words"]
