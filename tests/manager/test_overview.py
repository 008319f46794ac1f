"""Overview: every number on the page is one of `events`, of one moment, and leads to what is behind it."""

from __future__ import annotations

import asyncio
import csv
import html
import io
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.manager.house import House, Visitor
from tests.resolve.loading import empty_store, load, rows_of
from truecount.copies import Copy
from truecount.manager import boxes, streams
from truecount.manager.kept import Kept
from truecount.manager.ranges import period_of
from truecount.manager.routes import overview as routes
from truecount.manager.routes.overview import COLUMNS
from truecount.measure.buckets import buckets
from truecount.measure.events import events
from truecount.resolve.actions import moment_of
from truecount.store.client import Store

NOW_US = time.time_ns() // 1000
HOUR_US = 3_600_000_000
HOSTILE = ("<script>alert(1)</script>", "{{7*7}}", "=1+1", "\u202egnp.exe", "Ä" * 2000, "a/b?c#d")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with empty_store(tmp_path_factory.mktemp("overview")) as made:
        yield made


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, store: Store) -> Iterator[House]:
    with pytest.MonkeyPatch.context() as patch, House(tmp_path_factory.mktemp("house")).open() as house:
        patch.setattr(boxes, "PATIENCE_S", 0.0)
        patch.setattr(house.manager.link, "store", lambda: store)
        patch.setattr(house.manager, "kept", Kept(lambda: 0.0))  # nothing changes: each question is asked once
        house.make_owner()
        house.manager.registry.create("Brew & Beans", id="77")
        yield house


@pytest.fixture(scope="module")
def owner(house: House) -> Visitor:
    visitor = house.visitor()
    visitor.sign_in()
    return visitor


def copy(name: str, source: str, event_id: str, hours_ago: float, **fields: Any) -> Copy:
    at_us = NOW_US - int(hours_ago * HOUR_US)
    return Copy(
        dataset="77", event_name=name, source=source, event_id=event_id, received_us=at_us,
        event_time_ms=at_us // 1000, **fields,
    )  # fmt: skip


MONEY = {"value_e4": 8_990_000, "currency": "INR"}


@pytest.fixture(scope="module")
def told(house: House, store: Store) -> list[Copy]:
    """Forty sales of both sides, ten of the server alone, five of the browser alone; pages; strange names."""
    copies = []
    for n in range(55):
        hours = 1 + n
        if n < 45:
            copies.append(copy("Purchase", "browser", f"order-{n}", hours, fbp=f"fb.1.1.{n}", **MONEY))
        if n < 40 or n >= 45:
            copies.append(copy("Purchase", "server", f"order-{n}", hours, em=b"e" * 32, **MONEY))
    copies += [copy("PageView", "browser", "", 2, fbp=f"fb.1.1.{n}") for n in range(30)]
    copies += [copy("Purchase", "browser", f"old-{n}", 24 * 9, **MONEY) for n in range(7)]
    copies += [copy(name, "browser", f"odd-{at}", 3) for at, name in enumerate(HOSTILE)]
    copies.append(copy("Subscribe", "server", "s-1", 3, value_e4=100_000, currency="EUR"))
    copies.append(copy("Subscribe", "server", "s-2", 3, value_e4=100_000, currency="INR"))
    load(store, rows_of(copies))
    return copies


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_the_answer_is_that_of_events(owner: Visitor, told: list[Copy], house: House, store: Store) -> None:
    page = owner.get("/d/77?since=7d")
    assert page.status_code == 200
    words = text_of(page.text)
    assert "The count 55 Purchase , worth ₹49,445 7 in the period before" in words
    assert "Browser reported 45" in words
    assert "Server reported 50" in words
    assert "Both 40 72.7 % Server only 10 18.2 % Browser only 5 9.1 %" in words
    assert "Copies 95 Duplicates 40 Actions 55 Refused 0" in words
    assert "The pixel alone would have missed 10 of them. Adding up both doors would have shown 95." in words


@pytest.mark.slow
def test_the_bars_add_up_to_the_count_and_lead_to_their_actions(owner: Visitor, told: list[Copy], store: Store) -> None:
    for since in ("7d", "24h", "28d", "2026-01-01"):
        page = owner.get(f"/d/77?since={since}")
        found = owner.json(f"/d/77?since={since}")
        row = next(row for row in found["counts"]["data"]["now"] if row["event_name"] == "Purchase")
        assert sum(bar["actions"] for bar in found["counts"]["data"]["buckets"]) == row["actions"]
        bars = re.findall(r'<a href="([^"]+)"[^>]* aria-label="[^"]*: (\d+) actions?', page.text)
        assert sum(int(n) for _, n in bars) == row["actions"]
        for href, n in bars:
            query = parse_qs(urlsplit(href.replace("&amp;", "&")).query)
            behind = owner.json(f"/d/77?since={query['since'][0]}&until={query['until'][0]}&event=Purchase")
            rows = {one["event_name"]: one["actions"] for one in behind["counts"]["data"]["now"]}
            assert rows.get("Purchase", 0) == int(n)
            break


def test_the_event_of_the_answer_can_be_chosen(owner: Visitor, told: list[Copy]) -> None:
    words = text_of(owner.get("/d/77?event=PageView&since=7d").text)
    assert "The count 30 PageView" in words
    assert "No Nothing in this period." in text_of(owner.get("/d/77?event=Nothing&since=7d").text)


def test_every_event_stands_in_the_table_by_nearness_to_the_sale(owner: Visitor, told: list[Copy]) -> None:
    page = owner.get("/d/77?since=7d").text
    table = page[page.index('id="t-h"') :]
    places = [table.index(f">{name}<") for name in ("Purchase", "Subscribe", "PageView")]
    assert places == sorted(places)
    assert "91 actions" not in table
    assert "10.00" not in table  # sums go without minor units, one currency a line
    assert "€10" in table or "10\u00a0EUR" in table


def test_names_of_strangers_change_nothing(owner: Visitor, told: list[Copy]) -> None:
    page = owner.get("/d/77?since=7d").text
    assert "<script>alert" not in page
    assert "{{7*7}}" in page
    assert "\u202e" not in re.sub(r'value="[^"]*"', "", page), "but in what the form sends, which is the very name"
    assert '<option value="\u202egnp.exe">\\u202egnp.exe</option>' in page
    assert "1 action in this period." in owner.get("/d/77?since=7d&event=%E2%80%AEgnp.exe").text
    assert owner.get("/d/77").status_code == 200
    for name in HOSTILE:
        assert owner.client.get("/d/77", params={"event": name}).status_code == 200


def test_the_file_has_exact_decimals_and_no_formula(owner: Visitor, told: list[Copy]) -> None:
    answer = owner.get("/d/77?format=csv&since=7d")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert tuple(rows[0]) == COLUMNS
    sale = next(row for row in rows if row["event_name"] == "Purchase")
    assert (sale["actions"], sale["value"], sale["currency"]) == ("55", "49445.00", "INR")
    assert [row["actions"] for row in rows if row["event_name"] == "Subscribe"] == ["2", ""]
    assert "'=1+1" in [row["event_name"] for row in rows]


def test_a_period_that_is_none_is_told_in_words(owner: Visitor, told: list[Copy]) -> None:
    for query in ("since=tomorrow", "since=0d", "until=2026-11-24&since=24h", "since=2026-02-30"):
        answer = owner.get(f"/d/77?{query}")
        assert answer.status_code == 400
        assert "wanted" in answer.text or "leave it out" in answer.text
        assert owner.get(f"/d/77?{query}", accept="application/json").json()["error"]


def test_times_are_the_datasets(owner: Visitor, told: list[Copy], house: House) -> None:
    owner.send(
        "/d/77/settings",
        {"section": "general", "name": "Brew & Beans", "time_zone": "Asia/Kolkata"},
        page="/d/77/settings",
    )
    house.manager.registry.change(
        "77", settings=house.manager.dataset("77").settings.__class__(time_zone="Asia/Kolkata")
    )
    assert ">IST</abbr>" in owner.get("/d/77?since=7d").text
    assert owner.json("/d/77?since=7d")["time_zone"] == "Asia/Kolkata"
    house.manager.registry.change("77", settings=house.manager.dataset("77").settings.__class__())


def test_an_engine_that_is_away_leaves_the_page_standing(
    owner: Visitor, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    from truecount.store.errors import StoreDown

    def down() -> Store:
        raise StoreDown("away")

    monkeypatch.setattr(house.manager.link, "store", down)
    monkeypatch.setattr(house.manager, "kept", Kept())
    page = owner.get("/d/77")
    assert page.status_code == 200
    assert "no event is lost" in page.text
    assert owner.json("/d/77")["counts"]["state"] == "down"
    file = owner.get("/d/77?format=csv")  # an empty one would say that nothing happened
    assert file.status_code == 503 and "The store does not answer" in file.text


def test_the_stream_tells_what_the_page_shows_packed_and_ends_with_its_session(
    house: House, told: list[Copy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "LOOK_AGAIN_S", 0.05)
    visitor = house.add("looks@mail.example")
    page = visitor.get("/d/77?since=24h&event=Purchase").text
    path = re.search(r'data-renews="([^"]+)"', page)
    assert path
    token = next(iter(visitor.client.cookies.jar)).value or ""
    events = streams.event

    def once(name: str, text: str, id: str = "") -> bytes:
        if name == "live":
            house.users.sessions.end(token)
        return events(name, text, id)

    monkeypatch.setattr(streams, "event", once)
    answer = visitor.get(html.unescape(path[1]), accept_encoding="gzip")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert (answer.headers["content-encoding"], answer.headers["cache-control"]) == ("gzip", "no-store")
    first, *others = re.findall(r"event: (\w+)\n((?:data: .*\n)+)", answer.text)
    assert first[0] == "live" and others == [("end", f"data: {streams.OVER}\n")]
    part = first[1].replace("data: ", "").strip()
    assert part.startswith('<div id="live"') and part.endswith("</div>")
    whole = page[page.index('<div id="live"') : page.index("</main>")]
    assert hrefs(part) == hrefs(whole) and counts_of(part) == counts_of(whole) != []
    assert "looks@mail.example" not in part and "csrf" not in part
    assert house.app.state.renewals.size == 0


def hrefs(text: str) -> list[str]:
    # The bars of a chart move with the clock; what they lead to is told by tests of their own.
    return [link for link in re.findall(r'href="([^"]+)"', text) if "until=" not in link]


def counts_of(text: str) -> list[str]:
    return re.findall(r'<a class="n"[^>]*>([^<]+)</a>', text)


def test_a_stream_of_a_period_that_cannot_be_is_refused(owner: Visitor) -> None:
    assert owner.get("/d/77/stream?since=tomorrow").status_code == 400


def test_a_page_of_a_period_that_is_over_listens_to_nothing(owner: Visitor, told: list[Copy]) -> None:
    page = owner.get("/d/77?since=2026-01-01&until=2026-01-02").text
    assert "data-renews" not in page and "hx-trigger" not in page


def test_answers_of_one_moment_agree_whatever_comes_meanwhile(store: Store, house: House, told: list[Copy]) -> None:
    dataset = house.manager.dataset("77")
    moment = moment_of(store, dataset)
    edges = [0, NOW_US // 1000 + 10**9]
    first = (events(store, dataset, moment=moment), buckets(store, dataset, edges, moment=moment))
    more = [copy("Purchase", "server", f"late-{n}", 0.1, **MONEY) for n in range(3)]
    load(store, rows_of(more, door="d9"))
    assert (events(store, dataset, moment=moment), buckets(store, dataset, edges, moment=moment)) == first
    assert events(store, dataset) != first[0]


def test_many_viewers_are_one_question() -> None:
    clock = [0.0]
    kept = Kept(lambda: clock[0])
    asked: list[int] = []

    async def make() -> int:
        asked.append(1)
        await asyncio.sleep(0)
        clock[0] += 0.5
        return len(asked)

    async def look() -> None:
        assert await asyncio.gather(*(kept.get("a", make) for _ in range(50))) == [1] * 50
        assert await kept.get("a", make) == 1
        clock[0] += 1.6  # three times what it took
        assert await kept.get("a", make) == 2
        assert await kept.get("b", make, keep=lambda _: False) == 3
        assert await kept.get("b", make) == 4

    asyncio.run(look())


def test_a_failure_is_told_to_all_and_asked_again() -> None:
    kept = Kept()

    async def fail() -> int:
        raise ValueError("no")

    async def look() -> None:
        found = await asyncio.gather(*(kept.get("a", fail) for _ in range(3)), return_exceptions=True)
        assert [type(one) for one in found] == [ValueError] * 3

        async def work() -> int:
            return 1

        assert await kept.get("a", work) == 1

    asyncio.run(look())


def test_a_kept_answer_is_drawn_with_the_period_that_it_is_of(
    house: House, owner: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A minute may pass between an answer and who asks next: its first bar would be lost."""
    now = datetime.now(UTC)
    monkeypatch.setattr(routes, "period_of", lambda *asked: period_of(*asked, now))
    first = owner.json("/d/77?since=48h")
    monkeypatch.setattr(routes, "period_of", lambda *asked: period_of(*asked, now + timedelta(minutes=3)))
    second = owner.json("/d/77?since=48h")
    assert (second["since"], second["until"], second["counts"]) == (first["since"], first["until"], first["counts"])
    assert owner.json("/d/77?since=49h")["until"] != first["until"]
