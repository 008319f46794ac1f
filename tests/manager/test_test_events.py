"""Test events: what the doors receive, seen as it comes: nothing twice, nothing missed, and nobody holds anybody up."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.manager.house import House, Visitor
from tests.resolve.loading import START_US, empty_store, load
from tests.resolve.reference import Row
from truecount.copies import Copy
from truecount.datasets import Dataset, DatasetSettings
from truecount.manager import streams
from truecount.manager.formats import Formats
from truecount.manager.links import actions_path
from truecount.manager.live import (
    MOST_WAITING,
    ROWS_A_SECOND,
    Found,
    Live,
    News,
    Poller,
    TooManyViewers,
    Viewer,
    Watch,
)
from truecount.manager.pages import environment
from truecount.manager.remarks import NOTES, reason_in_words, remark_of, removal_of
from truecount.manager.views import arriving, dry_run
from truecount.manager.words import code_of
from truecount.measure import arrivals
from truecount.measure.arrivals import Arrival, Filter, Frontier, Offset, SeenAction, SeenCopy, Tallied
from truecount.store.client import Store
from truecount.store.errors import StoreDown
from truecount.vocabulary import BROWSER_SIDE, Mark, Reason

# A feed of a test's own


class Clock:
    def __init__(self) -> None:
        self.s = START_US / 1e6

    def __call__(self) -> float:
        return self.s


def arrival(seq: int, id: str = "", source: str = "server", *, door: str = "d1", **more: Any) -> Arrival:
    given = {"event_name": "Purchase", "url": "", "code": "", **more}
    return Arrival(door, seq, 0, START_US + seq, source, given["event_name"], id, given["url"], given["code"])


class Feed:
    """A store that a test fills: copies with one id are one action."""

    def __init__(self) -> None:
        self.copies: list[Arrival] = []
        self.refused: list[Tallied] = []
        self.doors: dict[str, int] = {}
        self.is_down = False
        self.looks = 0

    def add(self, *copies: Arrival) -> None:
        self.copies += copies
        for one in copies:
            self.doors[one.door] = max(self.doors.get(one.door, 0), one.seq)

    def frontier(self) -> tuple[Frontier, bool]:
        self.looks += 1
        if self.is_down:
            raise StoreDown("away")
        return dict(self.doors), True

    def _between(self, after: Frontier, upto: Frontier) -> list[Arrival]:
        found = [one for one in self.copies if after.get(one.door, 0) < one.seq <= upto.get(one.door, 0)]
        return sorted(found, key=lambda one: -one.received_us)

    def arrived(self, after: Frontier, upto: Frontier, since_us: int, wanted: Filter) -> Found:
        if self.is_down:
            raise StoreDown("away")
        found = [one for one in self._between(after, upto) if one.passes(wanted)]
        return Found(found[: arrivals.MOST], len(found))

    def tallied(self, after: Frontier, upto: Frontier, since_us: int) -> Sequence[Tallied]:
        return [one for one in self.refused if after.get(one.door, 0) < one.seq <= upto.get(one.door, 0)]

    def resolved(self, found: Sequence[Arrival], upto: Frontier) -> Sequence[SeenAction]:
        asked = {one.offset for one in found}
        groups: dict[str, list[Arrival]] = {}
        for one in sorted(self.copies, key=lambda one: one.received_us):
            if one.seq <= upto.get(one.door, 0):
                groups.setdefault(one.event_id or str(one.offset), []).append(one)
        return [
            SeenAction(
                group[0].event_name,
                [_copy(one, one.offset in asked) for one in group],
                len(group),
                sum(one.source in BROWSER_SIDE for one in group),
                True,
            )
            for group in groups.values()
            if asked & {one.offset for one in group}
        ]


def _copy(one: Arrival, asked: bool) -> SeenCopy:
    return SeenCopy(
        one.offset, one.source, one.received_us, one.event_id, "", one.url, one.code, 0, (), (), True, "", asked
    )


class Room:
    """A poller that a test lets look, and its viewers."""

    def __init__(self) -> None:
        self.feed = Feed()
        self.clock = Clock()
        self.threads = ThreadPoolExecutor(1)
        self.poller = Poller(self.feed, self.threads, self.clock)

    def join(self, watch: Watch | None = None) -> Viewer:
        viewer = Viewer(watch or Watch(), self.clock)
        self.poller._waiting.add(viewer)  # `add` would let it look by itself
        return viewer

    async def look(self, *copies: Arrival, seconds: float = 1) -> None:
        self.clock.s += seconds
        self.feed.add(*copies)
        await self.poller.look()


async def told(viewer: Viewer) -> list[News]:
    return await viewer.take(0)


async def ids(viewer: Viewer) -> list[str]:
    return [one.id for news in await told(viewer) for one in news.actions]


def test_the_first_copy_makes_a_row_and_its_twin_changes_that_row() -> None:
    async def run() -> None:
        room = Room()
        viewer = room.join()
        await room.look()
        await room.look(arrival(1, "a", "browser"))
        (first,) = await told(viewer)
        await room.look(arrival(2, "a"))
        (second,) = await told(viewer)
        rows = [arriving.row_of(news.actions[0]) for news in (first, second)]
        assert [(row.id, row.state, row.came, row.door) for row in rows] == [
            ("d1:1:0", "counted", "browser", "browser"),
            ("d1:1:0", "merged", "server", "both"),
        ]
        assert rows[1].apart_s == pytest.approx(1e-6)

    asyncio.run(run())


@pytest.mark.parametrize("seed", range(20))
def test_nothing_twice_and_nothing_missed_whatever_fails_meanwhile(seed: int) -> None:
    """Doors of different pace, a store that goes away in the middle of a look, viewers that come back."""

    async def run() -> None:
        chance = random.Random(seed)
        room = Room()
        room.feed.add(arrival(1, "old"), arrival(1, "old", door="d2"))
        seen: dict[Offset, int] = {}
        viewer = room.join()
        await room.look()
        start: Frontier = viewer.start or {}
        last = {"d1": 1, "d2": 1}
        for _ in range(60):
            door = chance.choice(("d1", "d2", "d3"))
            batch = []
            for _ in range(chance.randrange(4)):
                last[door] = last.get(door, 0) + chance.randrange(1, 3)
                batch.append(arrival(last[door], source=chance.choice(("browser", "server")), door=door))
            room.feed.is_down = chance.random() < 0.2
            if chance.random() < 0.1:  # built anew: for a while it holds less
                there, room.feed.doors = room.feed.doors, {"d1": 1}
                await _quietly(room.look())
                room.feed.doors = there
            await _quietly(room.look(*batch))
            for news in await told(viewer):
                for action in news.actions:
                    for copy in action.copies:
                        if copy.is_asked:
                            seen[copy.offset] = seen.get(copy.offset, 0) + 1
                if news.cursor:
                    start = news.cursor
            if chance.random() < 0.1:  # the connection is cut, and comes back with the last id
                room.poller.remove(viewer)
                viewer = room.join()
                room.feed.is_down = False
                await room.look()
                upto = viewer.start or {}
                for one in room.feed._between(start, upto):
                    seen[one.offset] = seen.get(one.offset, 0) + 1
                for news in await told(viewer):
                    for action in news.actions:
                        for copy in action.copies:
                            if copy.is_asked:
                                seen[copy.offset] = seen.get(copy.offset, 0) + 1
                    start = news.cursor or start
                start = {**upto, **{door: max(seq, upto.get(door, 0)) for door, seq in start.items()}}
        room.feed.is_down = False
        await room.look()
        for news in await told(viewer):
            for action in news.actions:
                for copy in action.copies:
                    if copy.is_asked:
                        seen[copy.offset] = seen.get(copy.offset, 0) + 1
        assert seen == {one.offset: 1 for one in room.feed.copies if one.event_id != "old"}

    asyncio.run(run())


async def _quietly(look: Any) -> None:
    try:
        await look
    except StoreDown:
        pass


def test_two_viewers_share_one_poller_and_each_sees_what_passes_its_filter() -> None:
    async def run() -> None:
        feeds: list[Feed] = []

        def feed_of(_: str) -> Feed:
            feeds.append(Feed())
            return feeds[-1]

        live = Live(feed_of)
        async with (
            live.watch("d", Watch(Filter(code="T1"))) as one,
            live.watch("d", Watch(Filter(page="/thanks"), "server_only")) as other,
        ):
            assert await one.take(30) == [] == await other.take(30)  # both have begun
            feeds[0].add(
                arrival(1, "a", code="T1"),
                arrival(2, "b", url="https://x/thanks?a"),
                arrival(3, "c", "browser", url="https://x/thanks"),
                arrival(4, "d", event_name="Lead"),
            )
            assert [one.id for news in await one.take(30) for one in news.actions] == ["d1:1:0"]
            assert [one.id for news in await other.take(30) for one in news.actions] == ["d1:2:0"]
        assert len(feeds) == 1 and live.size == 0
        before = feeds[0].looks
        await asyncio.sleep(0.3)
        assert feeds[0].looks <= before + 1  # nobody looks: nothing is asked, but for what was under way
        live.close()

    asyncio.run(run())


def test_a_row_that_does_not_pass_any_longer_is_taken_away() -> None:
    async def run() -> None:
        room = Room()
        viewer = room.join(Watch(door="browser_only"))
        await room.look()
        await room.look(arrival(1, "a", "browser"))
        assert await ids(viewer) == ["d1:1:0"]
        await room.look(arrival(2, "a"))
        (news,) = await told(viewer)
        assert (news.actions, news.gone, news.more) == ([], ["d1:1:0"], 0)

    asyncio.run(run())


def test_a_flood_shows_ten_rows_a_second_and_counts_the_others() -> None:
    async def run() -> None:
        room = Room()
        viewer, other = room.join(), room.join(Watch(Filter(event="Lead")))
        await room.look()
        await room.look(arrival(1, "mine"))
        assert await ids(viewer) == ["d1:1:0"]
        await room.look(*(arrival(seq, f"id-{seq}") for seq in range(2, 2000)), arrival(2000, "mine"))
        (news,) = await told(viewer)
        assert len(news.actions) == ROWS_A_SECOND and news.more == 1999 - ROWS_A_SECOND
        assert "d1:1:0" in [one.id for one in news.actions]  # the twin of a row that is there comes first
        await room.look(*(arrival(seq, f"id-{seq}") for seq in range(2001, 2100)), seconds=0)
        (news,) = await told(viewer)
        assert news.actions == [] and news.more == 1999 - ROWS_A_SECOND + 99
        await room.look(arrival(2100, "calm"))
        assert await ids(viewer) == ["d1:2100:0"]
        assert await told(other) == []

    asyncio.run(run())


def test_a_filter_finds_its_copies_in_a_flood_though_the_newest_are_others() -> None:
    async def run() -> None:
        room = Room()
        viewer = room.join(Watch(Filter(code="T1")))
        await room.look()
        await room.look(
            *(arrival(seq, f"id-{seq}") for seq in range(2, 2 * arrivals.MOST)),
            arrival(1, "mine", code="T1"),
        )
        (news,) = await told(viewer)
        assert [one.id for one in news.actions] == ["d1:1:0"] and news.more == 0

    asyncio.run(run())


def test_a_viewer_that_does_not_read_holds_no_memory_and_is_told_how_much_it_missed() -> None:
    async def run() -> None:
        room = Room()
        viewer = room.join()
        await room.look()
        for seq in range(1, 200):
            await room.look(arrival(seq))
        assert len(viewer._news) == MOST_WAITING
        news = await told(viewer)
        assert sum(len(one.actions) for one in news) == MOST_WAITING
        assert news[-1].missed == 199 - MOST_WAITING and news[-1].cursor is None

    asyncio.run(run())


def test_refused_items_pass_by_event_and_door_alone() -> None:
    tally = Tallied("d1", 1, 0, START_US, "server", "refused", "no_match_keys", 3, "Purchase")
    assert Watch(Filter(code="T", event="Purchase", page="/x"), "server_only").takes_tally(tally)
    assert not Watch(Filter(event="Lead")).takes_tally(tally)
    assert not Watch(door="browser_only").takes_tally(tally) and not Watch(door="both").takes_tally(tally)

    async def run() -> None:
        room = Room()
        viewer = room.join()
        await room.look()
        room.feed.refused.append(tally)
        room.feed.doors["d1"] = 1
        await room.look()
        (news,) = await told(viewer)
        row = arriving.row_of_tally(news.refused[0])
        assert (row.state, row.code, row.copies) == ("refused", "100/2804050", 3)

    asyncio.run(run())


def test_viewers_are_few_enough_and_all_end_with_the_server() -> None:
    async def run() -> None:
        live = Live(lambda _: Feed(), most=1)
        async with live.watch("d", Watch()) as viewer:
            with pytest.raises(TooManyViewers):
                async with live.watch("other", Watch()):
                    pass
            live.close()
            assert viewer.is_over and await viewer.take(60) == []
        with pytest.raises(TooManyViewers):
            async with live.watch("d", Watch()):
                pass

    asyncio.run(run())


# The store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with empty_store(tmp_path_factory.mktemp("store")) as found:
        yield found


@pytest.fixture
def clean(store: Store) -> Iterator[Store]:
    yield store
    store.command("TRUNCATE TABLE copies")


def dataset(**settings: Any) -> Dataset:
    return Dataset(id="d", name="d", created_us=0, settings=DatasetSettings(**settings))


def sale(seq: int, source: str, id: str = "", *, door: str = "d1", **more: Any) -> Row:
    given = {"event_name": "Purchase", "event_time_ms": START_US // 1000, "received_us": START_US + seq * 1_000_000}
    return Row(door, seq, 0, Copy(dataset="d", source=source, event_id=id, **{**given, **more}))


def states(store: Store, upto: Frontier, after: Frontier = {}, **settings: Any) -> list[tuple[str, str, int]]:  # noqa: B006
    found = arrivals.arrivals(store, "d", after, upto, 0)
    rows = [arriving.row_of(one) for one in arrivals.seen(store, dataset(**settings), found, upto)]
    return [(row.id, row.state, row.copies) for row in rows]


def test_what_a_row_says_is_what_dedup_says(clean: Store) -> None:
    rows = [
        sale(1, "browser", "a"),
        sale(2, "server", "a"),
        sale(3, "server", "a"),
        sale(4, "browser", fbp="fb.1.1.1"),
        sale(5, "server", "b", fbp="fb.1.1.1"),
        sale(6, "server", "c", marks=int(Mark.BOT)),
        sale(7, "server", "e", event_name="Lead"),
    ]
    load(clean, rows)
    assert states(clean, {"d1": 9}, count_bots=False) == [
        ("d1:1:0", "merged", 3),
        ("d1:4:0", "merged", 2),
        ("d1:6:0", "not_counted", 1),
        ("d1:7:0", "counted", 1),
    ]
    # What was asked for is of the second half alone; the rows are whole all the same.
    assert states(clean, {"d1": 9}, {"d1": 4})[0] == ("d1:4:0", "merged", 2)
    # As it stood when the third had come, whatever is there by now.
    assert states(clean, {"d1": 2}) == [("d1:1:0", "merged", 2)]


@pytest.mark.parametrize("whole", [100_000, 0])
def test_the_side_of_a_late_copy_of_very_many_is_seen(
    clean: Store, whole: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of very many copies the first are given: the other side's may be none of them."""
    monkeypatch.setattr("truecount.resolve.actions.WHOLE", whole)
    load(
        clean, [*(sale(seq, "server", "a") for seq in range(1, 26)), sale(26, "browser", "a"), sale(27, "server", "a")]
    )
    found = [one for one in arrivals.arrivals(clean, "d", {}, {"d1": 27}, 0) if one.seq == 27]
    [action] = arrivals.seen(clean, dataset(), found, {"d1": 27})
    assert (action.n, action.browser_copies, action.door) == (27, 1, "both")
    row = arriving.row_of(action)
    assert (row.state, row.copies) == ("merged", 27) and row.browser and row.server


def test_filters_in_the_store_and_in_a_look_are_the_same(clean: Store) -> None:
    load(
        clean,
        [
            sale(1, "browser", url="https://x/thanks?a=1", test_event_code="T1"),
            sale(2, "server", event_name="Lead", url="https://x/"),
            sale(3, "server", marks=int(Mark.CANARY)),
            sale(1, "server", door="d2", test_event_code="T1"),
        ],
    )
    upto = {"d1": 3, "d2": 1}
    everything = arrivals.arrivals(clean, "d", {}, upto, 0)
    assert len(everything) == 3  # the canary is nobody's event
    for wanted in (Filter("T1"), Filter(event="Lead"), Filter(page="/thanks"), Filter("T1", page="x"), Filter("t1")):
        found = arrivals.arrivals(clean, "d", {}, upto, 0, wanted)
        assert found == [one for one in everything if one.passes(wanted)]
        assert arrivals.number_of_arrivals(clean, "d", {}, upto, 0, wanted) == len(found)
    assert arrivals.arrivals(clean, "d", {"d1": 3}, {"d1": 3}, 0) == []


def test_a_copy_is_shown_in_full_with_its_warnings_beside_the_fields(
    clean: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    custom = '{"value":"899,-","size":{"a":1}}'
    load(
        clean,
        [
            sale(1, "browser", "a", custom_data=custom, notes=("bad:value", "unhashed"), em=b"e" * 32),
            sale(2, "server", "a", value_e4=8_990_000, url="https://x/", removed=("url:email",)),
        ],
    )
    monkeypatch.setattr(clean, "loaded", lambda: {"d1": 2})
    found = arriving.action(clean, dataset(), Offset("d1", 2, 0))
    assert found and [copy.side for copy in found.copies] == ["browser", "server"]
    browser, server = ({field.name: field for field in copy.fields} for copy in found.copies)
    assert browser["em"].kept == ("e" * 32).encode().hex() and browser["em"].kind == "hashed"
    assert browser["custom_data.size"].kept == '{"a":1}'
    assert browser["value"].kept == "" and "No number" in browser["value"].remarks[0]
    assert "unhashed" in found.copies[0].remarks[0]
    assert server["value"].kept == "899.00" and "e-mail" in server["url"].remarks[0]
    assert arriving.action(clean, dataset(), Offset("d1", 7, 0)) is None


# Words


def test_every_reason_and_every_note_has_words() -> None:
    for reason in Reason:
        assert reason_in_words(reason) != "It was not accepted."
    assert code_of("no_match_keys") == "100/2804050" and code_of("consent_denied") == ""
    for note in (*NOTES, "md5:em", "bad:ph", "many:em", "not_json:contents", "new:thing"):
        assert remark_of(note).text.endswith(".")
    assert removal_of("custom_data.note:phone").field == "custom_data"
    assert removal_of("user_data.fbp:email").field == "fbp"


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{7*7}}",
    "a\n\nevent: end\ndata: gone\n\n",
    "a\r\rdata: x\rid: 9",
    "\u202egnp.exe",
    "x" * 10_000,
    "a\u2028b\x00c",
]


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)


def rendered(name: str) -> bytes:
    action = SeenAction(name, [_copy(arrival(1, name, code=name, url=name), True)], 1, 0, True)
    text = (
        environment()
        .get_template("test_news.j2")
        .render(
            news=News(),
            rows=[arriving.row_of(action)],
            gone=[],
            f=Formats(),
            id="d",
            query={"code": name[:50]},
            actions_path=actions_path("d"),
        )
    )
    return streams.event("rows", text, "d1=1")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_means_harm_is_text_in_the_stream(name: str) -> None:
    raw = rendered(name).decode()
    assert raw.endswith("\n\n") and raw.count("\n\n") == 1 and "\r" not in raw and "\0" not in raw
    fields = [line.partition(":")[0] for line in raw.strip().split("\n")]
    assert set(fields) == {"event", "data", "id"} and fields.count("id") == fields.count("event") == 1
    text = "\n".join(line[6:] for line in raw.split("\n") if line.startswith("data: "))
    assert Tags(text).tags == Tags("\n".join(
        line[6:] for line in rendered("plain").decode().split("\n") if line.startswith("data: ")
    )).tags  # fmt: skip
    assert "\u202e" not in raw and len(raw) < 6000 and "49" not in text.replace("7*7", "")


def test_a_frontier_passes_through_the_id_of_an_event() -> None:
    frontier = {"d1": 7, "door\n=&": 9}
    text = arriving.cursor_text(frontier)
    assert "\n" not in text and arriving.cursor_of(text) == frontier
    for broken in ("", "x", "d1", "d1=x", "d1=-1", "=" * 5000, "d1=" + "9" * 50):
        assert arriving.cursor_of(broken) == {}


# The page, without an engine


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with House(tmp_path_factory.mktemp("house")).open() as house:
        house.make_owner()
        house.manager.registry.create("Shop", id="77")
        yield house


@pytest.fixture(scope="module")
def owner(house: House) -> Visitor:
    visitor = house.visitor()
    visitor.sign_in()
    return visitor


def log_of(house: House) -> dict[str, bytes]:
    root: Path = house.folder.path / "log"
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


EVENT = """{"event_name": "Purchase", "event_id": "o-1", "event_time": %d, "action_source": "website",
 "user_data": {"em": "jane@mail.example"}, "custom_data": {"value": "abc", "note": "call jane@mail.example"}}"""


def test_a_payload_that_is_tried_out_is_judged_as_the_door_would_and_stored_nowhere(house: House) -> None:
    import time

    analyst = house.add("analyst@mail.example")
    before = log_of(house)
    fields = {"payload": EVENT % int(time.time())}
    answer = analyst.send("/d/77/test/try", fields, page="/d/77/test")
    assert answer.status_code == 200 and "Would be kept, with" in answer.text
    said = answer.text.partition("<textarea")[0] + answer.text.partition("</textarea>")[2]
    assert "jane@mail.example" not in said and "Taken out" in said and "No number that can be summed" in said
    twin = analyst.send("/d/77/test/try?format=json", fields, page="/d/77/test").json()
    assert twin["refusal"] is None and twin["messages"]
    part = analyst.send("/d/77/test/try", fields, page="/d/77/test", hx_request="true")
    assert part.text.lstrip().startswith("<section") and re.search(r'name="csrf" value="[^"]{40,}"', part.text)
    assert log_of(house) == before
    assert analyst.send("/d/77/test/try", fields, csrf="x").status_code == 403


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ("", "The box is empty"),
        (" \n", "The box is empty"),
        ('{"event_name": NaN}', "it is not JSON"),
        ('{"event_name": "Purchase", "event_id": "\\ud800"}', "user_data"),
        ("{", "it is not JSON"),
        ("[]", "The parameter data is required"),
        ('{"data": []}', "The parameter data is required"),
        ('{"event_name": "Purchase"}', "user_data"),
        ("[" + ",".join(["{}"] * 21) + "]", "event_name"),
        ("[" + ",".join(["{}"] * 1001) + "]", "1000"),
        ("[" * 5000, ""),
        ('{"data": [{"event_name": "x", "user_data": {"em": 5.5}}]}', ""),
        ("x" * 2_000_001, "longer than 2,000,000 characters"),
        ("</textarea><script>alert(1)</script>", "it is not JSON"),
    ],
)
def test_what_would_be_refused_says_why(payload: str, words: str) -> None:
    found = dry_run.tried(dataset(), payload, START_US)
    assert found.refusal and words in found.refusal.text and found.events == []
    assert found.refusal.advice or not found.refusal.code


def test_a_request_of_a_thousand_events_is_tried_and_the_first_are_shown(owner: Visitor) -> None:
    import time

    event = EVENT % int(time.time())
    answer = owner.send("/d/77/test/try", {"payload": "[" + ",".join([event] * 1000) + "]"}, page="/start")
    assert answer.status_code == 200 and "1,000 events would be kept. The first 20 are shown." in answer.text
    one = owner.send("/d/77/test/try?format=json", {"payload": event}, page="/start").json()
    many = owner.send("/d/77/test/try?format=json", {"payload": f"[{event},{event}]"}, page="/start").json()
    assert (one["kept"], many["kept"], many["warnings"]) == (1, 2, 2 * one["warnings"]) and one["warnings"]


def test_a_payload_that_is_too_large_or_hostile_costs_nothing(owner: Visitor) -> None:
    large = owner.send("/d/77/test/try", {"payload": "x" * 4_000_000}, page="/start", accept="*/*")
    assert (large.status_code, large.headers["content-type"]) == (413, "text/plain; charset=utf-8")
    assert "larger than 3,906 kB" in large.text and "Send less" in large.text
    page = owner.send("/d/77/test/try", {"payload": "</textarea><script>alert(1)</script>"}, page="/start")
    assert page.status_code == 200 and "<script>alert" not in page.text


@pytest.mark.parametrize("query", ["door=x", "action=x", "action=d1:x:0", "code=" + "x" * 2000, "part=x"])
def test_an_address_that_cannot_be_is_told(owner: Visitor, query: str) -> None:
    assert owner.get(f"/d/77/test?{query}").status_code == 400


def test_the_filter_stays_in_the_address_of_all_that_the_page_links_to(
    owner: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from truecount.manager import boxes

    monkeypatch.setattr(boxes, "PATIENCE_S", 0.0)
    page = owner.get("/d/77/test?code=T%26%3C1&event=Lead&page=%2Fthanks&door=both")
    assert page.status_code == 200 and "T&amp;&lt;1" in page.text
    assert "code=T%26%3C1&amp;event=Lead&amp;page=%2Fthanks&amp;door=server_only" in page.text
    assert "The store does not answer" in page.text and "Try a payload" in page.text


def test_rows_of_a_stream_are_in_the_zone_of_the_settings_of_now(
    house: House, owner: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = Feed()
    monkeypatch.setattr(house.app.state.live, "_feed_of", lambda _: feed)
    monkeypatch.setattr(streams, "LOOK_AGAIN_S", 0.05)
    written: list[str] = []
    look = streams.why_over

    def changes(*asked: Any) -> str:
        written.append("")
        if len(written) == 1:
            house.manager.registry.change("77", settings=DatasetSettings(time_zone="Asia/Kolkata"))
            feed.add(arrival(1, "a"))
        return look(*asked) if len(written) < 20 else streams.GONE

    monkeypatch.setattr(streams, "why_over", changes)
    answer = owner.get("/d/77/test/stream")
    house.manager.registry.change("77", settings=DatasetSettings())
    received = datetime.fromtimestamp((START_US + 1) / 1e6, ZoneInfo("Asia/Kolkata"))
    assert f"{received:%H:%M:%S}" in answer.text and f">{received.astimezone(UTC):%H:%M:%S}" not in answer.text


def test_a_stream_ends_with_its_session_and_says_so(house: House, monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setattr(streams, "LOOK_AGAIN_S", 0.05)
    feed = Feed()
    monkeypatch.setattr(house.app.state.live, "_feed_of", lambda _: feed)
    visitor = house.add("leaves@mail.example")
    token = next(iter(visitor.client.cookies.jar)).value or ""
    house.users.sessions.end(token)
    assert visitor.get("/d/77/test/stream").status_code in (303, 401)
    visitor.sign_in("leaves@mail.example")
    token = next(one.value for one in visitor.client.cookies.jar if one.value) or ""
    looks = 0
    look = house.manager.users.sessions.look

    def once(given: str) -> Any:
        nonlocal looks
        looks += 1
        if looks > 3:
            house.users.sessions.end(token)
        return look(given)

    monkeypatch.setattr(house.manager.users.sessions, "look", once)
    answer = visitor.get("/d/77/test/stream")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.text.startswith("retry: 1000\n: listening\n\n")
    assert "event: end\ndata: This session is over" in answer.text
    assert house.app.state.live.size == 0


def test_the_page_opens_with_the_last_quarter_of_an_hour_and_goes_on_where_that_ends(
    house: House, owner: Visitor, clean: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    now_us = time.time_ns() // 1000
    names = [*HOSTILE[:4], "Purchase"]
    rows = [
        Row("d1", seq, 0, Copy(dataset="77", source="server", received_us=now_us - seq, event_name=name, event_id=name))
        for seq, name in enumerate(names, 1)
    ]
    old = Copy(dataset="77", source="browser", received_us=now_us - 16 * 60_000_000, event_name="Old", event_id="o")
    twin = Copy(dataset="77", source="browser", received_us=now_us, event_name="Purchase", event_id="Purchase")
    load(clean, [*rows, Row("d1", 6, 0, old), Row("d1", 7, 0, twin)])
    monkeypatch.setattr(Store, "loaded", lambda _: {"d1": 7})
    monkeypatch.setattr(house.manager.link, "store", lambda: clean)
    page = owner.get("/d/77/test")
    assert page.status_code == 200 and 'data-after="d1=7"' in page.text
    assert "<script>alert" not in page.text and "<img" not in page.text and "Old" not in page.text
    assert page.text.count('class="ev"') == 5 and page.text.count('class="duo" data-door="both"') == 1
    assert [row["event_name"] for row in owner.json("/d/77/test?door=both")["recent"]["data"]["rows"]] == ["Purchase"]
    assert owner.json("/d/77/test?event=Nothing")["recent"]["data"]["rows"] == []
    id = owner.json("/d/77/test?door=both")["recent"]["data"]["rows"][0]["id"]
    chosen = owner.get(f"/d/77/test?action={id}")
    assert 'aria-current="true"' in chosen.text and "/d/77/explain?event=Purchase&amp;id=Purchase" in chosen.text
    part = owner.get(f"/d/77/test?action={id}&part=action", hx_request="true").text
    assert part.lstrip().startswith("<section") and "same event id" in part
    assert "This action is not there" in owner.get("/d/77/test?action=d1:99:0").text


def test_after_a_break_what_was_missed_is_filled_in_and_the_rest_is_a_number(
    house: House, clean: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    now_us = time.time_ns() // 1000
    many = arriving.FILLED_IN + 7
    load(
        clean,
        [
            Row("d1", seq, 0, Copy(dataset="77", source="server", received_us=now_us + seq, event_name="Lead"))
            for seq in range(1, many + 3)
        ],
    )
    monkeypatch.setattr(house.manager.link, "store", lambda: clean)
    shop = house.manager.dataset("77")
    (news,) = arriving.filled_in(house.manager, shop, Watch(), {"d1": 2}, {"d1": many + 2})
    assert (len(news.actions), news.missed, news.cursor) == (arriving.FILLED_IN, 7, {"d1": many + 2})
    assert arriving.filled_in(house.manager, shop, Watch(), {"d1": 9}, {"d1": 9}) == []
