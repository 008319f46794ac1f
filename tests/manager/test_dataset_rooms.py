"""Start and Settings: a dataset is made, sent to, changed and deleted; a token is shown once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.manager.house import House, Visitor
from truecount.commands.dataset import _check
from truecount.datasets import DatasetSettings, token_hash
from truecount.lines import Lines, lines_for
from truecount.manager import boxes
from truecount.manager.routes import start as start_routes
from truecount.manager.views import settings as settings_view
from truecount.manager.views import start as start_view
from truecount.manager.views.settings import SettingsView
from truecount.manager.views.settings_forms import SECTIONS
from truecount.manager.views.start import StartView, checklist
from truecount.measure.events import EventTotals
from truecount.store.client import Store


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with pytest.MonkeyPatch.context() as patch, House(tmp_path_factory.mktemp("rooms")).open() as house:
        patch.setattr(boxes, "PATIENCE_S", 0.0)
        house.make_owner()
        yield house


@pytest.fixture
def owner(house: House) -> Visitor:
    visitor = house.visitor()
    visitor.sign_in()
    return visitor


@pytest.fixture
def shop(house: House) -> Iterator[str]:
    made, _ = house.manager.registry.create("Shop", id="77")
    yield made.id
    if "77" in house.manager.registry.datasets():
        house.manager.registry.delete("77")


# Start


def test_a_dataset_is_made_and_its_token_is_shown_once(house: House, owner: Visitor) -> None:
    made = owner.send("/start", {"name": " BrewBeans "}, page="/start")
    path = made.headers["location"]
    id = path.split("/")[2]
    first, second = owner.get(path).text, owner.get(path).text
    found = re.search(r"<pre[^>]*>(TC[^<]+)</pre>", first)
    assert found and found[1] not in second and "keep it now" not in second
    dataset = house.manager.registry.get(id)
    assert (dataset.name, dataset.token_hashes) == ("BrewBeans", (token_hash(found[1]),))
    assert found[1].encode() not in b"".join(
        path.read_bytes() for path in house.folder.path.rglob("*") if path.is_file()
    )
    house.manager.registry.delete(id)


def test_a_token_is_shown_to_the_session_that_made_it_alone(house: House, owner: Visitor) -> None:
    other = house.visitor()
    other.sign_in()
    path = owner.send("/start", {"name": "BrewBeans"}, page="/start").headers["location"]
    assert "keep it now" not in other.get(path).text
    assert "keep it now" in owner.get(path).text
    house.manager.registry.delete(path.split("/")[2])


def test_a_dataset_keeps_the_id_that_it_has_elsewhere(house: House, owner: Visitor) -> None:
    made = owner.send("/start", {"name": "BrewBeans", "id": "4120 0917 3365 082"}, page="/start")
    assert made.headers["location"] == "/d/412009173365082/start"
    again = owner.send("/start", {"name": "BrewBeans", "id": "412009173365082"}, page="/start")
    assert again.status_code == 400
    assert "There is a dataset 412009173365082 already." in again.text and 'value="BrewBeans"' in again.text
    house.manager.registry.delete("412009173365082")


@pytest.mark.parametrize("id", ["abc", "0", "077", "1" * 21, "7_7", "٣٤"])
def test_an_id_that_the_pixel_does_not_take_is_refused_beside_its_field(house: House, owner: Visitor, id: str) -> None:
    answer = owner.send("/start", {"name": "BrewBeans", "id": id}, page="/start")
    field = answer.text.partition('<label for="id"')[2].partition("</div>")[0]
    assert answer.status_code == 400 and id not in house.manager.registry.datasets()
    assert "An id is 1 to 20 digits, the first of them not 0: the pixel takes no other" in field
    assert 'aria-invalid="true"' in field and 'value="BrewBeans"' in answer.text


@pytest.mark.parametrize("name", ["", "x" * 201, "a\x07b"])
def test_a_name_that_will_not_do_is_told_beside_its_field(owner: Visitor, name: str) -> None:
    answer = owner.send("/start", {"name": name}, page="/start")
    field = answer.text.partition('<label for="name"')[2].partition("</div>")[0]
    assert answer.status_code == 400 and "A dataset&#39;s name is 1 to 200 printable characters.<" in field


def test_a_form_that_is_too_large_says_how_much_is_taken(owner: Visitor, shop: str) -> None:
    path = f"/d/{shop}/settings"
    answer = owner.send(path, {"section": "domains", "allowed_domains": "a.example\n" * 9000}, page=path)
    assert answer.status_code == 413 and "Entity" not in answer.text
    assert "larger than 64 kB, the most that is taken here. Nothing was changed." in answer.text


def test_that_a_dataset_was_deleted_is_said_once_and_to_who_did_it(house: House, owner: Visitor) -> None:
    house.manager.registry.create("Old <shop>", id="81")
    away = owner.send("/d/81/delete", {"sure": "81"}, page="/d/81/settings").headers["location"]
    other = house.visitor()
    other.sign_in()
    told = "<bdi>Old &lt;shop&gt;</bdi></b> was deleted"
    assert [told in visitor.get(away).text for visitor in (other, owner, owner)] == [False, True, False]


def test_start_says_that_the_pixel_takes_no_id_of_letters(house: House, owner: Visitor, shop: str) -> None:
    house.manager.registry.create("Old", id="old-shop")
    told = owner.get("/d/old-shop/start").text
    assert "it would send nothing for <code>old-shop</code>" in told
    assert "send nothing" not in owner.get(f"/d/{shop}/start").text
    house.manager.registry.delete("old-shop")


def test_the_lines_have_the_real_id_and_the_host_that_the_visitor_uses(owner: Visitor, shop: str) -> None:
    view = msgspec.convert(owner.json(f"/d/{shop}/start"), StartView)
    assert view.base == "http://count.example"
    for name in Lines.__struct_fields__:
        line = getattr(view.lines, name)
        assert "77" in line and "http://count.example" in line and "@" not in line.replace("jane@shop.example", "")
    assert view.lines == lines_for("http://count.example", "77")


def test_behind_tls_the_lines_are_https(house: House, shop: str) -> None:
    visitor = house.visitor(tls=True)
    visitor.sign_in()
    assert "'https://count.example/truecount.js'" in visitor.json(f"/d/{shop}/start")["lines"]["pixel"]


def rows(**changes: int) -> list[EventTotals]:
    return [EventTotals(event_name="Purchase", **changes)]


@pytest.mark.parametrize(
    ("found", "done"),
    [
        ([], "000"),
        (rows(copies=1, browser_only=1), "100"),
        (rows(copies=1, server_only=1), "010"),
        (rows(copies=2, browser_only=1, server_only=1), "110"),
        (rows(copies=2, both=1), "111"),
        (rows(copies=5, left_out=5), "000"),
        (rows(refused=3), "000"),
    ],
)
def test_the_checklist_ticks_what_arrived(
    monkeypatch: pytest.MonkeyPatch, house: House, owner: Visitor, shop: str, found: list[EventTotals], done: str
) -> None:
    monkeypatch.setattr(start_view, "events", lambda store, dataset: found)
    monkeypatch.setattr(house.manager.link, "store", lambda: Store("http://127.0.0.1:1", ""))
    box = owner.json(f"/d/{shop}/start")["checklist"]
    assert [box["data"][side]["done"] for side in ("browser", "server", "both")] == [mark == "1" for mark in done]
    part = owner.get(f"/d/{shop}/start?part=checklist").text
    assert f'data-done="{done.count("1")}"' in part
    assert ("hx-get" in part) is (done != "111"), "when all is done nothing is asked again"


def test_a_large_dataset_is_looked_at_less_often(
    monkeypatch: pytest.MonkeyPatch, house: House, owner: Visitor, shop: str
) -> None:
    monkeypatch.setattr(house.manager.link, "store", lambda: Store("http://127.0.0.1:1", ""))
    for copies, every in ((start_routes.LARGE, "2s"), (start_routes.LARGE + 1, "30s")):
        found = rows(copies=copies, browser_only=copies)
        monkeypatch.setattr(start_view, "events", lambda store, dataset, found=found: found)
        assert f'hx-trigger="every {every}"' in owner.get(f"/d/{shop}/start?part=checklist").text


def test_the_checklist_names_the_most_frequent_events_first(monkeypatch: pytest.MonkeyPatch, house: House) -> None:
    found = [EventTotals(event_name=name, copies=copies, browser_only=copies) for name, copies in
             (("A", 1), ("B", 9), ("C", 5), ("D", 3))]  # fmt: skip
    monkeypatch.setattr(start_view, "events", lambda store, dataset: found)
    store: Any = None
    assert checklist(store, store).browser.event_names == ["B", "C", "D"]


# Settings


def test_every_setting_of_a_dataset_is_in_exactly_one_form() -> None:
    names = [field.name for section in SECTIONS for field in section.fields]
    assert sorted(names) == sorted(["name", *DatasetSettings.__struct_fields__])


def test_the_choices_of_a_form_are_those_of_the_setting() -> None:
    for section in SECTIONS:
        for field in section.fields:
            for value, _, _ in field.choices:
                _check(None, changes={field.name: value})
            default = getattr(DatasetSettings(), field.name, "")
            assert isinstance(default, {"switch": bool, "list": tuple}.get(field.kind, str))


@pytest.mark.parametrize(
    ("section", "fields", "expected"),
    [
        ("general", {"name": "New name", "country": "in"}, {"country": "IN"}),
        (
            "domains",
            {"allowed_domains": "a.example\r\n b.example ", "blocked_domains": "", "allowed_origins": "https://a.example"},
            {"allowed_domains": ("a.example", "b.example"), "allowed_origins": ("https://a.example",)},
        ),
        ("consent", {"consent_default": "denied", "denied_events": "withhold"},
         {"consent_default": "denied", "denied_events": "withhold"}),
        ("counting", {"count_bots": "on"}, {"count_bots": True, "count_tools": False, "count_tests": False}),
        ("doors", {"strict_money": "on"}, {"strict_money": True, "automatic_events": False}),
    ],
)  # fmt: skip
def test_each_form_saves_by_itself(
    house: House, owner: Visitor, shop: str, section: str, fields: dict[str, str], expected: dict[str, Any]
) -> None:
    path = f"/d/{shop}/settings"
    saved = owner.send(path, {"section": section, **fields}, page=path)
    assert saved.headers["location"] == f"{path}?saved={section}#{section}"
    page = owner.get(saved.headers["location"]).text
    assert page.count('role="status">Saved') == 1
    dataset = house.manager.registry.get(shop)
    assert dataset.settings == msgspec.structs.replace(DatasetSettings(), **expected)
    assert dataset.name == fields.get("name", "Shop")
    view = msgspec.convert(owner.json(path), SettingsView)
    assert view.settings == dataset.settings


@pytest.mark.parametrize(
    ("section", "fields", "bad", "words"),
    [
        ("general", {"name": "Shop", "country": "Narnia"}, "country", "wanted the two letters"),
        ("general", {"name": "", "country": ""}, "name", "A dataset&#39;s name is 1 to 200 printable characters."),
        ("domains", {"allowed_domains": "a.example\nno domain at all/"}, "allowed_domains", "would never match"),
        ("domains", {"allowed_origins": "shop"}, "allowed_origins", "wanted an origin"),
    ],
)
def test_what_will_not_do_is_said_beside_its_field_and_nothing_is_saved(
    house: House, owner: Visitor, shop: str, section: str, fields: dict[str, str], bad: str, words: str
) -> None:
    path = f"/d/{shop}/settings"
    before = house.manager.registry.get(shop)
    answer = owner.send(path, {"section": section, **fields}, page=path)
    assert (answer.status_code, words in answer.text) == (400, True)
    assert re.search(rf'name="{bad}"[^>]*aria-describedby="[^"]*e-{bad}"[^>]*aria-invalid="true"', answer.text)
    assert house.manager.registry.get(shop) == before
    twin = owner.send(path, {"section": section, **fields}, page=path, accept="application/json")
    assert twin.status_code == 400 and twin.json()["problem"]


def test_a_form_that_is_none_of_ours_is_told(owner: Visitor, shop: str) -> None:
    assert owner.send(f"/d/{shop}/settings", {"section": "x"}, page="/start").status_code == 400


def test_a_token_is_made_shown_once_and_taken_back(house: House, owner: Visitor, shop: str) -> None:
    path = f"/d/{shop}/settings"
    assert owner.send(f"/d/{shop}/tokens", page=path).headers["location"] == f"{path}#tokens"
    found = re.search(r"<pre[^>]*>(TC[^<]+)</pre>", owner.get(path).text)
    assert found and found[1] not in owner.get(path).text
    hash = token_hash(found[1])
    assert hash in house.manager.registry.get(shop).token_hashes
    assert hash.hex()[:12] in owner.get(path).text
    owner.send(f"/d/{shop}/tokens/revoke", {"hash": hash.hex()}, page=path)
    assert hash not in house.manager.registry.get(shop).token_hashes
    for wrong in (hash.hex(), "no hex", ""):
        assert owner.send(f"/d/{shop}/tokens/revoke", {"hash": wrong}, page=path).status_code == 400


def test_without_a_token_the_page_says_what_that_means(house: House, owner: Visitor, shop: str) -> None:
    (hash,) = house.manager.registry.get(shop).token_hashes
    house.manager.registry.remove_token(shop, hash)
    assert "No server may send events" in owner.get(f"/d/{shop}/settings").text


def test_a_dataset_is_deleted_by_typing_its_id(house: House, owner: Visitor, shop: str) -> None:
    path = f"/d/{shop}/settings"
    for sure in ("", "Shop", "78"):
        answer = owner.send(f"/d/{shop}/delete", {"sure": sure}, page=path)
        assert (answer.status_code, "Nothing was deleted" in answer.text) == (400, True)
    assert shop in house.manager.registry.datasets()
    assert owner.send(f"/d/{shop}/delete", {"sure": " 7 7 "}, page=path).headers["location"] == "/start"
    assert shop not in house.manager.registry.datasets()
    assert owner.get(path).status_code == 404


def test_what_a_switch_is_when_it_is_not_in_the_form() -> None:
    section = next(one for one in SECTIONS if one.id == "counting")
    assert settings_view.given_values(section, {}) == {
        "count_tests": "false",
        "count_tools": "false",
        "count_bots": "false",
    }
