"""The canary: what it tells when it comes, when it is lost, and that no count knows of it."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import time
from collections.abc import Callable, Collection, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.manager.house import House
from tests.resolve.histories import drawn_of_each_kind, placed
from tests.resolve.loading import empty_store, load, rows_of
from tests.system import Shop, System, purchase, wait_until
from truecount.copies import Copy
from truecount.datasets import CANARY_ID, Dataset
from truecount.manager.answers import encode
from truecount.manager.canary import DEADLINE_S, DOORS, EVENT, LATE_S, SEND_LIMIT_S, Canaries, Canary, Lost
from truecount.manager.pages import environment
from truecount.measure.coverage import coverage
from truecount.measure.events import events
from truecount.measure.explain import explain
from truecount.measure.listing import listing
from truecount.measure.outcomes import outcomes
from truecount.measure.refused import refused
from truecount.store.client import Store
from truecount.store.errors import StoreDown
from truecount.vocabulary import Mark

DATA = Path(__file__).parent.parent / "collect" / "data"


class FakeRoute:
    """Doors and a store that do as a test says. Its clock moves when somebody sleeps, and by `takes_s` a question."""

    def __init__(self) -> None:
        self.s = 5000.0
        self.sent: list[tuple[str, str, float]] = []
        self.there: set[str] = set()
        self.takes_s = 0.25
        self.refuses: dict[str, Exception] = {}
        self.loses: set[str] = set()
        self.silent: Exception | None = None
        self.opens_at = 0.0
        self.stop_at = float("inf")

    def now_s(self) -> float:
        return self.s

    async def sleep(self, seconds: float) -> None:
        self.s += seconds
        if self.s >= self.stop_at:
            raise asyncio.CancelledError
        await asyncio.sleep(0)

    def is_open(self) -> bool:
        return self.s >= self.opens_at

    async def send(self, door: str, event_id: str) -> None:
        if door in self.refuses:
            raise self.refuses[door]
        self.sent.append((door, event_id, self.s))
        if door not in self.loses:
            self.there.add(event_id)

    async def counted(self, event_ids: Collection[str]) -> set[str]:
        assert event_ids
        self.s += self.takes_s
        if self.silent:
            raise self.silent
        return self.there | {"of somebody else"}

    def canaries(self, every_s: float = 60) -> Canaries:
        return Canaries(self, every_s, now_s=self.now_s, sleep=self.sleep)


@pytest.fixture
def route() -> FakeRoute:
    return FakeRoute()


def test_each_door_gets_an_event_of_its_own_and_the_way_is_timed(route: FakeRoute) -> None:
    canaries = route.canaries()
    assert (canaries.flown(), canaries.seen()) == ({}, None)
    asyncio.run(canaries.once())
    assert sorted(door for door, _, _ in route.sent) == list(DOORS)
    assert len({event_id for _, event_id, _ in route.sent}) == 2
    route.s += 10
    seen = canaries.seen()
    assert seen is not None
    assert (seen.age_s, seen.doors, seen.trouble, seen.is_late) == (10.25, dict.fromkeys(DOORS, 0.25), {}, False)


def test_one_is_sent_every_minute_from_when_the_server_is_up(route: FakeRoute) -> None:
    route.opens_at, route.stop_at = 5007, 5300
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(route.canaries().fly())
    times = [at for door, _, at in route.sent if door == "server"]
    assert times == [5007, 5067, 5127, 5187, 5247]
    assert len({event_id for _, event_id, _ in route.sent}) == 10


def test_none_is_sent_where_none_is_wanted(route: FakeRoute) -> None:
    canaries = route.canaries(every_s=0)
    asyncio.run(canaries.fly())
    assert (route.sent, canaries.seen()) == ([], None)


@pytest.mark.parametrize(
    ("lose", "words"),
    [
        (lambda route: route.refuses.update(server=Lost("the door answers 503")), "the door answers 503"),
        (
            lambda route: route.refuses.update(server=ConnectionRefusedError(111, "Connection refused")),
            "the port cannot be reached (Connection refused)",
        ),
        (lambda route: route.refuses.update(server=TimeoutError()), f"no answer within {SEND_LIMIT_S:g} s"),
        (lambda route: route.refuses.update(server=IndexError()), "it could not be sent (IndexError)"),
        (lambda route: route.loses.add("server"), f"taken, and after {DEADLINE_S:g} s: it is not counted"),
    ],
)
def test_one_that_is_lost_is_told_and_the_next_minute_brings_another(
    route: FakeRoute, lose: Callable[[FakeRoute], None], words: str
) -> None:
    canaries = route.canaries()
    asyncio.run(canaries.once())
    sent_s = route.sent[0][2]
    lose(route)
    asyncio.run(canaries.once())
    found = canaries.flown()
    assert (found["browser"].trouble, found["server"].trouble) == ("", words)
    assert found["server"].age_s == route.s - sent_s > found["browser"].age_s
    seen = canaries.seen()
    assert seen is not None
    assert seen.age_s == found["server"].age_s  # that of the worse door
    route.s = sent_s + LATE_S + 1
    late = canaries.seen()
    assert late is not None
    assert late.is_late
    route.refuses, route.loses = {}, set()
    asyncio.run(canaries.once())
    seen = canaries.seen()
    assert seen is not None
    assert (seen.is_late, seen.trouble) == (False, {})


@pytest.mark.parametrize("error", [StoreDown("the engine is not up yet"), ValueError()])
def test_while_the_store_is_away_it_is_waited_for_then_told(route: FakeRoute, error: Exception) -> None:
    canaries = route.canaries()
    route.silent = error
    asyncio.run(canaries.once())
    seen = canaries.seen()
    assert seen is not None
    assert seen.doors == {}
    assert seen.age_s == pytest.approx(DEADLINE_S, abs=3)
    assert all(("not up yet" in why) or ("ValueError" in why) for why in seen.trouble.values())
    route.silent = None
    asyncio.run(canaries.once())
    assert canaries.flown()["browser"].seconds == 0.25


def test_a_slow_store_makes_no_second_canary_overtake_the_first(route: FakeRoute) -> None:
    route.takes_s, route.stop_at = 70, 5400
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(route.canaries().fly())
    times = [at for door, _, at in route.sent if door == "browser"]
    assert all(later - earlier >= 70 for earlier, later in pairwise(times))


# What no count knows of


def canaries_in(store: Store) -> int:
    return int(store.query_rows("SELECT count() FROM copies WHERE dataset = {id:String}", {"id": CANARY_ID})[0][0])


def flock(n: int) -> list[Copy]:
    """Canaries as the store has them."""
    first_us = 1_790_000_000_000_000
    return [
        Copy(
            dataset=CANARY_ID, event_name=EVENT, source=DOORS[at % 2], event_id=f"{at:08x}", marks=int(Mark.CANARY),
            received_us=first_us + at * 30_000_000, event_time_ms=first_us // 1000 + at * 30_000,
        )
        for at in range(n)
    ]  # fmt: skip


@pytest.mark.slow
def test_every_answer_is_the_same_bytes_with_canaries_and_without(tmp_path: Path) -> None:
    """On histories of every kind that dedup knows."""
    histories = drawn_of_each_kind(1)
    with empty_store(tmp_path / "data") as store:
        for number, history in enumerate(histories):
            load(store, placed(history, number, f"d{number}"))
        asked = [
            (f"d{number}", copy.event_name, copy.event_id)
            for number, one in enumerate(histories)
            for copy in [copy for copy, _, _ in one if copy.event_id][:1]
        ]

        def answers() -> list[bytes]:
            found = [encode(outcomes(store))]
            for name in sorted({name for name, _, _ in asked}):
                one = Dataset(id=name, name="", created_us=0)
                found += [encode(ask(store, one)) for ask in (events, outcomes, refused, listing)]
                found.append(encode(coverage(store, one, 0, 2**60)))
            for name, event, event_id in asked:
                one = Dataset(id=name, name="", created_us=0)
                found.append(encode(explain(store, one, event, event_id=event_id)))
            return found

        before = answers()
        load(store, rows_of(flock(500), "door-9"))
        assert canaries_in(store) == 500
        assert answers() == before


# A whole server


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Two doors, a canary each second, and a proxy in the environment that nothing may use."""
    away = dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy"), "http://127.0.0.1:9")
    environ = {"TRUECOUNT_CANARY_S": "1", **away}
    with System(tmp_path_factory.mktemp("canary"), doors=2, environ=environ).running() as system:
        yield system


@pytest.fixture(scope="module")
def shop(system: System) -> Shop:
    shop = system.create("Shop", id="77")
    system.post_hit(shop, ev="Purchase", eid="order-1", cd={"value": "899.00", "currency": "INR"})
    system.post_events(shop, [purchase("order-1"), purchase("order-2")])
    system.post_events(shop, [purchase("order-3", user_data={})])
    wait_until(lambda: system.copies(shop) == 3 and system.refused(shop), "the shop's events")
    return shop


def numbers(system: System, name: str) -> dict[str, float]:
    """Samples of /metrics by their labels."""
    text = system.get("/metrics").body.decode()
    found = re.findall(rf"^{name}(?:\{{(.*)\}})? (\S+)$", text, re.M)
    return {str(labels): float(value) for labels, value in found}


def ages(system: System) -> dict[str, float]:
    return numbers(system, "truecount_canary_age_seconds")


def flown_after(system: System, n: int) -> int:
    """Wait until the store has canaries beyond n; how many it has."""
    return wait_until(lambda: (found := canaries_in(Store.of_folder(system.folder))) > n and found, "canaries")


def test_it_comes_through_both_doors_to_the_count_and_metrics_tell(system: System, shop: Shop) -> None:
    both = {f'door="{door}"' for door in DOORS}
    wait_until(lambda: numbers(system, "truecount_canary_seconds").keys() == both, "both doors")
    wait_until(lambda: max(ages(system).values()) < 30, "fresh ones")
    found = Store.of_folder(system.folder).query_rows(
        "SELECT toString(source), event_name, marks, count() FROM copies WHERE dataset = {id:String} GROUP BY ALL",
        {"id": CANARY_ID},
    )
    assert {(source, name, marks & Mark.CANARY) for source, name, marks, _ in found} == {
        ("browser", EVENT, Mark.CANARY),
        ("server", EVENT, Mark.CANARY),
    }
    answer = system.get("/canary", {"Accept": "application/json"}).json
    assert answer["doors"].keys() == set(DOORS) and answer["trouble"] == {}
    assert b"Canary <span" in system.get("/canary", {"Accept": "text/html"}).body
    told = {row["check"]: row for row in json.loads(system.cli("doctor", "--quick", "--format", "json"))}
    assert told["canary"]["state"] == "good"
    assert told["loader"]["says"].startswith("3 copies")


@pytest.mark.slow
def test_while_they_fly_nothing_that_counts_or_lists_changes(system: System, shop: Shop) -> None:
    paths = (
        *("datasets", "outcomes", "datasets/77/events", "datasets/77/outcomes", "datasets/77/refused"),
        "datasets/77/explain?event_name=Purchase&event_id=order-1",
    )

    def answers() -> tuple[Any, ...]:
        counted = [
            numbers(system, f"truecount_{name}") for name in ("received_total", "outcomes_total", "store_copies")
        ]
        lists = [system.cli("dataset", "list", "--format", "json"), system.cli("events", "77", "--format", "json")]
        return [system.api("GET", path).body for path in paths], counted, lists

    before = answers()
    assert json.loads(before[0][1]) == {"received": 4, "accepted": 3, "refused": 1, "withheld": 0, "set_aside": 0}
    assert before[1][2] == {"": 3.0}
    flown_after(system, canaries_in(Store.of_folder(system.folder)) + 5)
    assert answers() == before
    assert CANARY_ID not in str(before)


def test_nobody_else_sends_one_and_nobody_makes_or_deletes_its_dataset(system: System) -> None:
    forged = Shop(CANARY_ID, "a-token-of-my-own-choice")
    refused = system.post_hit(forged, ev=EVENT, eid="forged-1")
    assert refused.headers["x-truecount-refused"].startswith("unknown_dataset")
    assert system.post_events(forged, [purchase("forged-2")]).status == 401
    made = system.api("POST", "datasets", {"name": "Mine", "id": CANARY_ID})
    assert made.status == 400 and "tests itself with" in made.json["error"]
    assert system.api("DELETE", f"datasets/{CANARY_ID}").status == 404
    assert system.api("GET", f"datasets/{CANARY_ID}/events").status == 404
    secret = (system.folder / "run" / "canary.secret").read_text()
    assert secret not in system.words()
    rows = Store.of_folder(system.folder).query_rows("SELECT count() FROM copies WHERE startsWith(event_id, 'forged')")
    assert rows == [(0,)]


@pytest.mark.slow
def test_it_goes_on_after_the_engine_a_door_and_the_manager_were_killed(system: System, shop: Shop) -> None:
    for part in ("engine", "door-1", "manager"):
        had = canaries_in(Store.of_folder(system.folder))
        system.wait_back(part, system.signal(part, signal.SIGKILL))
        flown_after(system, had + 2)
        wait_until(lambda: not system.get("/canary", {"Accept": "application/json"}).json["trouble"], f"after {part}")
    assert system.events(shop)["Purchase"]["copies"] == 3


@pytest.mark.slow
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_a_disk_that_is_full_is_told_and_the_server_ends_at_once(tmp_path: Path, tls: bool) -> None:
    pair = ("--tls-cert", str(DATA / "cert.pem"), "--tls-key", str(DATA / "key.pem")) if tls else ()
    environ = {"TRUECOUNT_CANARY_S": "1"}
    with System(tmp_path, *pair, environ=environ).running() as system:
        port = system.state["manager"]

        def told() -> Any:
            answer = system.ask("GET", "/canary", None, {"Accept": "application/json"}, port=port)
            return answer.status == 200 and answer.json

        wait_until(lambda: (seen := told()) and seen["doors"].keys() == set(DOORS), "both doors")
        system.stop()
        system.start("--reserve-mb", "9999999")
        port = system.state["manager"]
        seen = wait_until(lambda: (seen := told()) and len(seen["trouble"]) == 2 and seen, "what is lost")
        assert seen["trouble"] == dict.fromkeys(DOORS, "the door answers 503: nothing can be stored")
        assert seen["doors"] == {}
        began = time.monotonic()
        assert system.stop() == 0
        assert time.monotonic() - began < 8


# Its page


def test_a_page_says_what_is_wrong_with_it(house: House) -> None:
    def drawn(*given: Any) -> str:
        text = environment().get_template("canary.j2").render(canary=Canary(*given))
        return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", text)).strip()

    assert drawn(24.4, {"browser": 0.31, "server": 0.2}) == "Canary 24 s agoBrowser door 0.3 s, server door 0.2 s"
    assert (
        drawn(99, {"browser": 0.31, "server": 0.2}, {"server": "gone"})
        == "Canary 99 s agoBrowser door 0.3 s. Server door: gone"
    )
    assert (
        drawn(99, {}, {"browser": "<b>", "server": "gone"})
        == "No canary for 99 sBrowser door: &lt;b&gt;. Server door: gone"
    )
    visitor = house.visitor()
    assert visitor.get("/canary").status_code == 204  # no server is up that could take one
    assert "Canary" not in visitor.get("/sign-in").text


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with House(tmp_path_factory.mktemp("house")).open() as house:
        yield house
