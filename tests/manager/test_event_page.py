"""Event: the numbers of one event name as `events` has them, what its copies carry, names that mean harm, its files."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest

from tests.manager.house import House, Visitor
from tests.resolve.loading import START_US, empty_store, load, rows_of
from truecount.copies import Copy
from truecount.manager import boxes, recorded
from truecount.manager.kept import Kept
from truecount.manager.recorded import Recorded
from truecount.measure.events import events
from truecount.store.client import Store
from truecount.store.errors import StoreDown

START_MS = START_US // 1000
RANGE = "since=2026-09-20&until=2026-09-23"
PATH = f"/d/77/event?name=Purchase&{RANGE}"
HOSTILE = [
    "<script>alert(1)</script>",
    "{{7*7}}",
    "\"><svg onload=alert(1)>'",
    "=cmd|' /C calc'!A0",
    "a/b?c&d#e%2F/tr",
    "evil\u202egnp.exe\u2066",
    "Kauf Ω 購入",
    "W" * 10_000,
]


def copy(source: str, event_id: str = "", at_s: int = 0, late_s: float = 0, **fields: Any) -> Copy:
    given: dict[str, Any] = {"event_name": "Purchase", "event_time_ms": START_MS + at_s * 1000, **fields}
    received_us = START_US + int((at_s + late_s) * 1e6)
    return Copy(dataset="77", source=source, event_id=event_id, received_us=received_us, **given)


def shop() -> list[Copy]:
    """30 sales: 20 of both sides, 6 the server's alone, 4 the browser's alone; two retries, one reload."""
    sold = {"value_e4": 8_990_000, "currency": "INR"}
    copies = []
    for at in range(30):
        if at < 20 or at >= 26:
            data = {"value": "899", "currency": "INR", "content_ids": [] if at == 3 else ["beans"]}
            copies.append(
                copy("browser", f"o{at}", at * 600, 0.5, custom_data=json.dumps(data), fbp=f"fb.1.1.{at}", **sold)
            )
        if at < 26:
            data = {"value": "nine" if at == 5 else 899, "currency": "INR", "order_id": f"o{at}", "coupon": "undefined"}
            copies.append(copy("server", f"o{at}", at * 600, 8, custom_data=json.dumps(data), em=bytes(32), **sold))
    copies += [copy("server", "o1", 600, 60, **sold), copy("server", "o2", 1200, 60, **sold)]
    copies += [copy("browser", "o27", 27 * 600, 60, **sold)]
    return copies


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("event")
    with empty_store(folder / "store") as store, House(folder).open() as house, pytest.MonkeyPatch.context() as patch:
        patch.setattr(house.manager.link, "store", lambda: store)
        patch.setattr(house.manager, "kept", Kept(lambda: 0.0))  # nothing changes: each question is asked once
        patch.setattr(boxes, "LIMIT_S", 300.0)  # no test depends on how fast the machine is
        patch.setattr(boxes.ask, "__defaults__", (300.0,))
        house.make_owner()
        house.manager.registry.create("Shop", id="77")
        hostile = [copy("browser", name, event_name=name, custom_data=json.dumps({name: name})) for name in HOSTILE]
        load(
            store,
            rows_of(
                [*shop(), *hostile, copy("server", "l", event_name="Few"), copy("browser", "l", 1, event_name="Few")]
            ),
        )
        yield house


@pytest.fixture(scope="module")
def store(house: House) -> Store:
    return house.manager.link.store()


@pytest.fixture(scope="module")
def owner(house: House) -> Visitor:
    visitor = house.visitor()
    visitor.sign_in()
    return visitor


@pytest.fixture(scope="module")
def page(owner: Visitor) -> str:
    return owner.get(PATH).text


def flat(text: str) -> str:
    """What a page says, without its elements."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", text)))


def test_the_count_and_the_overlap_are_those_of_events(house: House, store: Store, owner: Visitor, page: str) -> None:
    (counts,) = [one for one in events(store, house.manager.dataset("77")) if one.event_name == "Purchase"]
    sums = owner.json(PATH)["counts"]["data"]["sums"]
    for name in ("actions", "both", "browser_only", "server_only", "value", "copies", "first_time", "last_time"):
        assert sums[name] == getattr(counts, name)
    assert (counts.actions, counts.both, counts.server_only, counts.browser_only) == (30, 20, 6, 4)
    assert "Browser reported 24" in flat(page) and "Server reported 26" in flat(page)
    assert "Both 20 66.7 %" in flat(page) and "₹26,970" in page


def test_the_bars_add_up_to_the_count(owner: Visitor) -> None:
    found = owner.json(PATH)["counts"]["data"]["buckets"]
    assert sum(one["actions"] for one in found) == 30
    assert sum(one["both"] for one in found) == 20


def test_copies_less_duplicates_are_the_actions_and_each_cause_has_its_number(owner: Visitor, page: str) -> None:
    sums = owner.json(PATH)["counts"]["data"]["sums"]
    assert sums["duplicates"] == [
        {"cause": "other_door", "rule": "event_id", "copies": 20},
        {"cause": "browser_again", "rule": "event_id", "copies": 1},
        {"cause": "server_again", "rule": "event_id", "copies": 2},
    ]
    assert sums["copies"] - sum(one["copies"] for one in sums["duplicates"]) == sums["actions"]
    assert "53 copies less 23 is 30" in flat(page)
    assert "Together 23" in flat(page)


def test_delays_parameters_and_keys_stand_by_door(owner: Visitor, page: str) -> None:
    told = owner.json(PATH)
    browser, server = told["delays"]["data"]
    assert (browser["copies"], browser["buckets"][1], server["buckets"][3]) == (25, 24, 26)
    words = flat(page)
    assert "Browser: half within 0.5 s" in words and "Server: half within 8.0 s" in words
    parameters = {one["name"]: one for one in told["parameters"]["data"]["parameters"]}
    assert parameters["value"]["by_source"]["server"]["text_among_numbers"] == 1
    assert "Text where others send numbers, such as nine , in 1" in words
    assert "Empty in 1" in words and "such as undefined , in 26" in words
    keys = {one["name"]: one["by_source"] for one in told["match_keys"]["data"]["keys"]}
    assert keys == {"em": {"browser": 0, "server": 26}, "fbp": {"browser": 24, "server": 0}}


def test_the_newest_copies_lead_to_their_explanation(owner: Visitor, page: str) -> None:
    told = owner.json(PATH)["newest"]["data"]
    assert len(told) == 10 and told[0]["event_id"] == "o29"
    assert 'href="/d/77/explain?event=Purchase&amp;id=o29"' in page


def test_under_twenty_copies_there_are_counts_and_no_shares(owner: Visitor) -> None:
    words = flat(owner.get(f"/d/77/event?name=Few&{RANGE}").text)
    assert "1 copy, too few for shares" in words and "1 of 1" in words
    assert not re.search(r"\d\s%", words.partition("How this is counted")[0])


def test_an_event_that_never_came_is_said_so(owner: Visitor) -> None:
    text = owner.get(f"/d/77/event?name=Nothing&{RANGE}").text
    assert "No copy of this event that counts happened in this period." in text and "<h1><bdi>Nothing" in text


@pytest.fixture(scope="module")
def plain(owner: Visitor) -> str:
    """The page of an event whose name is letters."""
    return owner.get(f"/d/77/event?name={quote('Kauf Ω 購入', safe='')}&{RANGE}").text


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_an_event_of_any_name_has_its_page_and_changes_nothing_else(owner: Visitor, plain: str, name: str) -> None:
    tags = re.compile(r"<(?!/)(\w+)")
    found = owner.get(f"/d/77/event?name={quote(name, safe='')}&{RANGE}")
    assert found.status_code == 200
    assert tags.findall(found.text) == tags.findall(plain)
    assert not {"\u202e", "\u2066"} & set(found.text)
    told = owner.json(f"/d/77/event?name={quote(name, safe='')}&{RANGE}")
    assert (told["event_name"], told["counts"]["data"]["sums"]["actions"]) == (name, 1)


@pytest.mark.parametrize("name", [*HOSTILE[:-1], "a//b", "Purchase"])
def test_the_name_in_the_path_leads_to_the_same_page(owner: Visitor, name: str) -> None:
    answer = owner.get(f"/d/77/events/{quote(name, safe='')}?since=7d&format=json&name=other")
    path, _, query = answer.headers["location"].partition("?")
    assert (answer.status_code, path) == (303, "/d/77/event")
    assert sorted(parse_qsl(query)) == [("format", "json"), ("name", name), ("since", "7d")]


@pytest.mark.parametrize("name", ["/", "//", ".", "..", "%2F", "a\nb", "", " "])
def test_names_that_no_path_can_hold_have_their_page_all_the_same(owner: Visitor, name: str) -> None:
    assert owner.json(f"/d/77/event?name={quote(name, safe='')}&{RANGE}")["event_name"] == name


TABLES = {
    "bars": ["since", "actions", "both", "server_only", "browser_only"],
    "duplicates": ["cause", "rule", "copies"],
    "delays": ["source", "from_ms", "copies", "of_copies"],
    "parameters": ["place", "name", "source", "copies", "of_copies", "empty", "word", "text_among_numbers"],
    "match-keys": ["name", "source", "copies", "of_copies"],
    "newest": ["source", "event_id", "order_id", "event_time", "received_time", "value", "currency", "offset"],
}


@pytest.mark.parametrize("table", TABLES)
def test_each_table_is_a_file_too(owner: Visitor, table: str) -> None:
    answer = owner.get(f"{PATH}&format=csv&table={table}")
    assert answer.headers["content-type"].startswith("text/csv")
    head, *rows = csv.reader(io.StringIO(answer.text))
    assert head == TABLES[table] and rows and all(len(row) == len(head) for row in rows)


def test_no_cell_of_a_file_begins_a_formula(owner: Visitor) -> None:
    name = quote("=cmd|' /C calc'!A0", safe="")
    for table in ("parameters", "newest"):
        rows = csv.reader(io.StringIO(owner.get(f"/d/77/event?name={name}&{RANGE}&format=csv&table={table}").text))
        cells = [cell for row in rows for cell in row]
        assert any("calc" in cell for cell in cells) and not any(cell.startswith("=") for cell in cells)


def test_the_statements_that_ran_are_shown_with_their_parameters(owner: Visitor, page: str) -> None:
    told = owner.json(PATH)["statements"]
    assert {one["box"] for one in told} == {"counts", "delays", "parameters", "match_keys", "newest"}
    assert all(one["params"]["event_name"] == '"Purchase"' for one in told if "event_name" in one["params"])
    assert any("quantilesDD" in one["sql"] for one in told) and "quantilesDD" in page
    for one in told:
        assert set(re.findall(r"\{(\w+):", one["sql"])) <= set(one["params"])


def test_a_long_parameter_of_a_statement_is_cut_where_it_is_shown() -> None:
    class Silent:
        def query_rows(self, sql: str, params: object = None) -> list[list[object]]:
            return [[sql]]

        def script(self, commands: object, select: object = None) -> list[list[object]]:
            return []

    noting = Recorded(Silent(), "box")
    assert noting.query_rows("SELECT 1", {"name": "x" * 10_000}) == [["SELECT 1"]]
    noting.script([("DROP TABLE t", None)], ("SELECT 2", {"n": 2}))
    first, second, third = noting.statements
    assert len(first.params["name"]) == recorded.LONGEST + 1 and second.params == {} and third.params == {"n": "2"}


def test_a_store_that_is_away_is_said_in_each_box_and_the_page_stands(
    house: House, owner: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> Store:
        raise StoreDown("away")

    monkeypatch.setattr(boxes, "PATIENCE_S", 0.0)
    monkeypatch.setattr(house.manager.link, "store", away)
    text = owner.get(f"/d/77/event?name=Lead&{RANGE}").text
    assert text.count("The store does not answer at the moment") == 5 and "</html>" in text
    for table in TABLES:  # an empty file would say that nothing happened
        answer = owner.get(f"/d/77/event?name=Lead&{RANGE}&format=csv&table={table}")
        assert answer.status_code == 503 and "The store does not answer" in answer.text


def test_a_period_that_cannot_be_is_said_in_words(owner: Visitor) -> None:
    answer = owner.get("/d/77/event?name=Purchase&since=tomorrow")
    assert answer.status_code == 400 and "wanted a length as in 24h" in answer.text
    assert owner.get("/d/77/event").status_code == 400
