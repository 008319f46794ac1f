"""What is rolled up says exactly what the full dedup says, however the log was cut into portions."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from tests.resolve.histories import KINDS, drawn, drawn_of_each_kind, placed
from tests.resolve.loading import START_US, load
from tests.resolve.reference import Row
from tests.resolve.ways import going
from truecount.copies import Copy
from truecount.datasets import Dataset, DatasetSettings
from truecount.measure.buckets import buckets
from truecount.measure.coverage import coverage
from truecount.measure.event_sums import event_sums
from truecount.measure.events import events, totals_of
from truecount.resolve.actions import Moment
from truecount.rolled import keeping
from truecount.rolled.basis import MINUTE_MS, QUARTER_MS, Generation, generation_of
from truecount.rolled.keeping import build, forward
from truecount.rolled.reading import Rolled
from truecount.store.client import Store

DATASET = Dataset(id="d", name="law", created_us=0, settings=DatasetSettings(count_tools=False))
START_MS = START_US // 1000 // QUARTER_MS * QUARTER_MS
DAY_MS = 86_400_000
EDGES = {
    "all of it": [START_MS - 40 * DAY_MS, START_MS - 30 * DAY_MS, START_MS + 400 * DAY_MS],
    "ragged": [START_MS - 2 * DAY_MS + MINUTE_MS, START_MS + 7 * MINUTE_MS, START_MS + 3 * DAY_MS + 11 * MINUTE_MS],
    "within a quarter": [START_MS + 2 * MINUTE_MS, START_MS + 4 * MINUTE_MS, START_MS + 6 * MINUTE_MS],
}


def in_portions(histories: Sequence[list[Row]], portions: int, seed: int) -> list[tuple[list[Row], Moment]]:
    """Rows in some portions of the log, each door cut at random, with the moment after each.

    Copies keep the time of their receipt, so a portion may bring what is older than all before it, as imports do.
    """
    chance = random.Random(seed)
    entries: dict[str, dict[int, list[Row]]] = {}
    for rows in histories:
        for row in rows:
            entries.setdefault(row.door, {}).setdefault(row.seq, []).append(row)
    cut: list[list[Row]] = [[] for _ in range(portions)]
    moments: list[dict[str, int]] = [{} for _ in range(portions)]
    for door, by_seq in entries.items():
        # New numbers in an order of chance: what is one history here lies in several portions, in any order.
        order = list(by_seq.values())
        chance.shuffle(order)
        ends = [*sorted(chance.randrange(len(order) + 1) for _ in range(portions - 1)), len(order)]
        seq = 0
        for at, end in enumerate(ends):
            while seq < end:
                seq += 1
                cut[at] += [Row(door, seq, row.pos, row.copy) for row in order[seq - 1]]
            if seq:
                moments[at][door] = seq
    return list(zip(cut, moments, strict=True))


def compare(store: Store, dataset: Dataset, moment: Moment, names: Sequence[str], which: Sequence[str] = ()) -> None:
    """All that is read of the rolled-up counts, beside the full answers of the same moment."""
    rolled = Rolled(store, dataset)
    assert rolled.moment == moment
    for edges in (EDGES[one] for one in which or EDGES):
        for found, (since, until) in zip(rolled.totals(edges), pairwise(edges), strict=True):
            full = [totals_of(one) for one in events(store, dataset, since * 1000, until * 1000, moment)]
            assert found == full
        assert rolled.coverage(edges[0], edges[-1]) == coverage(store, dataset, edges[0], edges[-1])
    for name in names:
        edges = EDGES[which[0] if which else "ragged"]
        assert rolled.event_sums(name, edges[0], edges[-1]) == event_sums(
            store, dataset, name, edges[0], edges[-1], moment
        )
        bars = list(range(edges[0], edges[-1] + 1, (edges[-1] - edges[0]) // 17 // MINUTE_MS * MINUTE_MS or MINUTE_MS))
        assert rolled.buckets(bars, name) == buckets(store, dataset, bars, [name], moment)


def play(
    store: Store,
    histories: Sequence[list[Row]],
    portions: int,
    seed: int,
    names: int,
    which: Sequence[str] = (),
    *,
    each: bool = True,
    way: str = "sifted",
) -> None:
    """Roll up one portion after the other, and compare after `each` of them, or after the last alone."""
    for table in ("copies", "rolled"):
        store.command(f"TRUNCATE TABLE {table}")
    chance = random.Random(seed)
    generation: Generation | None = None
    seen: set[str] = set()
    for number, (rows, moment) in enumerate(in_portions(histories, portions, seed), 1):
        load(store, rows)
        seen.update(row.copy.event_name for row in rows)
        # Where there is much, only some of it goes into the pool; what is compared here goes there as a whole.
        with going(way):
            if generation is None:
                generation = build(store, DATASET, moment)
            else:
                generation = forward(store, DATASET, generation, moment)
        assert generation is not None and generation_of(store, DATASET) == generation
        chosen = chance.sample(sorted(seen), min(names, len(seen)))
        if each or number == portions:
            compare(store, DATASET, moment, [*chosen, "AppendValue"], which)


def with_ids(history: Sequence[tuple[Copy, str, int]]) -> bool:
    """Whether no copy of a history lacks an id, so that key B has no part in it."""
    return all(copy.event_id or copy.event_name == "AppendValue" for copy, _, _ in history)


HISTORIES = {
    "touched keys alone": lambda n: [
        h
        for kind in ("key_a", "offline", "messaging")
        for h in drawn(KINDS[kind], n)
        if kind == "offline" or with_ids(h)
    ],
    "amendments": lambda n: [h for kind in ("key_a", "amended") for h in drawn(KINDS[kind], 5 * n) if with_ids(h)],
    "key B in full": lambda n: [h for kind in ("key_a", "key_b", "key_b_edges") for h in drawn(KINDS[kind], n)],
    "all in full": drawn_of_each_kind,
}
"""By the way that forward takes, or may take."""


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which ways forward took."""
    taken: list[str] = []
    take_back, left = keeping.News.take_back, keeping.Touched.left

    def taking_back(news: keeping.News, names: Sequence[str] | None = None) -> None:
        taken.append("all in full" if names is None else "some in full")
        take_back(news, names)

    def looking_at_keys(touched: keeping.Touched, in_full: Sequence[str]) -> list[str] | None:
        taken.append("by keys")
        return left(touched, in_full)

    monkeypatch.setattr(keeping.News, "take_back", taking_back)
    monkeypatch.setattr(keeping.Touched, "left", looking_at_keys)
    return taken


@pytest.mark.parametrize(
    ("path", "taken", "way"),
    [
        ("touched keys alone", "by keys", "sifted"),
        ("amendments", "by keys", "sifted"),
        ("amendments", "by keys", "whole"),
        ("key B in full", "some in full", "sifted"),
        ("all in full", "all in full", "sifted"),
    ],
)
def test_portions_add_up_to_what_dedup_says_of_all(
    store: Store, ways: list[str], path: str, taken: str, way: str
) -> None:
    histories = [placed(one, number) for number, one in enumerate(HISTORIES[path](4))]
    play(store, histories, 2, 1, names=1, which=["ragged"], each=False, way=way)
    assert taken in ways


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("path", HISTORIES)
def test_many_portions_add_up_too(store: Store, path: str, seed: int) -> None:
    way = "whole" if seed == 2 else "sifted"
    play(store, [placed(one, number) for number, one in enumerate(HISTORIES[path](40))], 4, seed, names=3, way=way)


@pytest.mark.parametrize("which", [["ragged"], pytest.param([], marks=pytest.mark.slow)], ids=["ragged", "all"])
def test_slices_of_the_key_add_up_to_the_whole(store: Store, which: list[str]) -> None:
    histories = [placed(one, number) for number, one in enumerate(HISTORIES["touched keys alone"](20))]
    [(rows, moment)] = in_portions(histories, 1, 0)
    one_name = [Row(row.door, row.seq, row.pos, replace(row.copy, event_name="Purchase")) for row in rows]
    for table in ("copies", "rolled"):
        store.command(f"TRUNCATE TABLE {table}")
    load(store, one_name)
    shares: list[float] = []
    with going("sifted"):
        build(store, DATASET, moment, slice_copies=7, said=shares.append)
    assert len(shares) > 5 and shares == sorted(shares) and shares[-1] == 1.0
    compare(store, DATASET, moment, ["Purchase"], which)


AT_MS = START_US // 1000
TEN = {"value_e4": 100_000, "currency": "INR"}
SEVEN = {"source": "server", "event_name": "AppendValue", "value_e4": 70_000, "currency": "USD"}


def row(door: str, seq: int, **fields: Any) -> Row:
    given = {"source": "browser", "event_name": "Purchase", "event_time_ms": AT_MS, **fields}
    return Row(door, seq, 0, Copy(**{"dataset": "d", "received_us": START_US + seq * 1_000_000, **given}))


AMENDED_ALONE = {
    "by the order of a copy without an id": [
        [row("d1", 1, fbp="f", order_id="o", **TEN), row("d2", 1, source="server", event_id="E", fbp="f", **TEN)],
        [row("d2", 2, original_event_name="Purchase", original_order_id="o", **SEVEN)],
    ],
    "by the id of its twin": [
        [row("d1", 1, fbp="f", order_id="o", **TEN), row("d2", 1, source="server", event_id="E", fbp="f", **TEN)],
        [row("d2", 2, original_event_name="Purchase", original_event_id="E", **SEVEN)],
    ],
    "by a copy of another name that the amendment means too": [
        [
            row("d1", 1, fbp="f", order_id="o", **TEN),
            row("d2", 1, source="server", event_id="E", fbp="f", order_id="o", **TEN),
            row("d2", 2, original_order_id="o", **SEVEN),
        ],
        [row("d2", 3, source="server", event_name="Lead", event_id="L", order_id="o")],
    ],
}


def play_portions(store: Store, portions: Sequence[list[Row]], names: Sequence[str]) -> None:
    for table in ("copies", "rolled"):
        store.command(f"TRUNCATE TABLE {table}")
    moment: dict[str, int] = {}
    generation: Generation | None = None
    for rows in portions:
        load(store, rows)
        for one in rows:
            moment[one.door] = max(moment.get(one.door, 0), one.seq)
        with going("sifted"):
            generation = (
                forward(store, DATASET, generation, dict(moment)) if generation else build(store, DATASET, dict(moment))
            )
    compare(store, DATASET, moment, names, ["all of it"])


@pytest.mark.parametrize("case", AMENDED_ALONE)
def test_an_amendment_that_comes_alone_finds_the_sale_that_key_b_made(store: Store, case: str) -> None:
    play_portions(store, AMENDED_ALONE[case], ["Purchase", "Lead", "AppendValue"])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_amendments_that_come_after_all_else_add_up(store: Store, seed: int) -> None:
    played = 0
    for history in drawn(KINDS["amended"], 30)[seed::3]:
        rows = placed(history, 0)
        # Each portion numbers its entries behind those of the one before.
        portions = [
            [one for one in rows if (one.copy.event_name == "AppendValue") is amends] for amends in (False, True)
        ]
        seq = 0
        cut = []
        for portion in portions:
            cut.append([Row(one.door, seq + at + 1, 0, one.copy) for at, one in enumerate(portion)])
            seq += len(portion)
        if all(cut):
            names = sorted({one.copy.event_name for one in rows})
            play_portions(store, cut, names)
            played += 1
    assert played >= 3


@pytest.mark.parametrize("time_ms", [-(2**47), -60_001, -60_000, -1, 0, 1, 59_999, 60_000, 899_999, 900_000, 2**47 - 1])
def test_odd_times_lie_in_their_minutes(store: Store, time_ms: int) -> None:
    for table in ("copies", "rolled"):
        store.command(f"TRUNCATE TABLE {table}")
    load(store, [row("d1", 1, event_id="a", event_time_ms=time_ms, **TEN)])
    generation = build(store, DATASET, {"d1": 1})
    load(store, [row("d2", 1, source="server", event_id="a", event_time_ms=time_ms, **TEN)])
    moment = {"d1": 1, "d2": 1}
    assert forward(store, DATASET, generation, moment)
    edges = [-(10**8) * 60_000, *range(-120_000, 1_020_001, 60_000), 10**8 * 60_000]
    expected = buckets(store, DATASET, edges, ["Purchase"], moment)
    assert Rolled(store, DATASET).buckets(edges, "Purchase") == expected
    assert bool(expected) is (abs(time_ms) < 10**8 * 60_000)
