"""One event in detail: sums, duplicates, delays, parameters and match keys, each beside a count in plain Python."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.resolve import reference
from tests.resolve.histories import drawn_of_each_kind, placed
from tests.resolve.loading import START_US, load, rows_of
from tests.resolve.reference import Row
from tests.resolve.ways import WAYS, going
from truecount.copies import Copy
from truecount.datasets import Dataset, DatasetSettings
from truecount.measure import event_copies
from truecount.measure.event_copies import (
    DELAYS_MS,
    MOST_PARAMETERS,
    NEWEST,
    delays,
    match_keys,
    newest,
    parameters,
)
from truecount.measure.event_sums import Duplicates, EventSums, event_sums
from truecount.measure.events import EventCounts, events
from truecount.measure.forms import money
from truecount.resolve.actions import EVER_MS, left_out_marks
from truecount.store.client import Store
from truecount.vocabulary import Mark

START_MS = START_US // 1000
D = Dataset(id="d", name="d", created_us=0)
E = Dataset(id="e", name="e", created_us=0)
EVER = (-EVER_MS, EVER_MS)


@pytest.fixture
def clean(store: Store) -> Iterator[Store]:
    store.command("TRUNCATE TABLE copies")
    yield store
    for table in ("copies", "tallies"):
        store.command(f"TRUNCATE TABLE {table}")


def sale(source: str, event_id: str = "", at_us: int = 0, **fields: Any) -> Copy:
    given: dict[str, Any] = {"event_name": "Purchase", "event_time_ms": START_MS + at_us // 1000, **fields}
    return Copy(dataset="d", source=source, event_id=event_id, received_us=START_US + at_us, **given)


# Sums and duplicates


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    with going(request.param) as chosen:
        yield chosen


@pytest.fixture(scope="module")
def histories() -> list[list[Row]]:
    """In the dataset d; those with amendments in e, where each question has to look at all events."""
    found = []
    for number, history in enumerate(drawn_of_each_kind(4)):
        has_amendments = any(copy.event_name == "AppendValue" for copy, _, _ in history)
        found.append(placed(history, number, "e" if has_amendments else "d"))
    return found


@pytest.fixture(scope="module")
def loaded(store: Store, way: str, histories: list[list[Row]]) -> Iterator[Store]:
    store.command("TRUNCATE TABLE copies")
    load(store, [row for rows in histories for row in rows])
    yield store
    store.command("TRUNCATE TABLE copies")


def right_duplicates(rows: list[Row], since_ms: int, until_ms: int) -> dict[str, Counter[tuple[str, str]]]:
    """Removed copies by name, cause and rule, of the actions whose kept copy lies in the range."""
    marks = left_out_marks(D)
    said, actions = reference.resolve(row for row in rows if not row.copy.marks & marks)
    found: dict[str, Counter[tuple[str, str]]] = {}
    for action in actions:
        kept, *others = action
        if not since_ms <= kept.copy.event_time_ms < until_ms:
            continue
        of_name = found.setdefault(kept.copy.event_name, Counter())
        met_other = False
        for row in sorted(others, key=lambda row: row.order):
            if row.is_browser != kept.is_browser and not met_other:
                met_other, cause = True, "other_door"
            else:
                cause = "browser_again" if row.is_browser else "server_again"
            of_name[cause, said[row.offset].rule] += 1
    return found


def of(rows: list[Row]) -> Dataset:
    return D if rows[0].copy.dataset == "d" else E


def told(found: EventSums) -> Counter[tuple[str, str]]:
    return Counter({(one.cause, one.rule): one.copies for one in found.duplicates})


@pytest.mark.slow
def test_duplicates_by_cause_and_rule_are_those_of_the_reference_and_add_up(
    loaded: Store, histories: list[list[Row]]
) -> None:
    rules: Counter[str] = Counter()
    for rows in histories:
        for name, wanted in right_duplicates(rows, *EVER).items():
            found = event_sums(loaded, of(rows), name, *EVER)
            assert told(found) == wanted, name
            assert found.removed == sum(wanted.values())
            assert found.copies - found.removed == found.actions
            assert found.copies == found.browser_copies + found.server_copies
            rules.update(rule for _, rule in wanted)
    assert {"event_id", "fbp", "external_id"} <= set(rules)


def same(found: EventSums, counts: EventCounts) -> None:
    assert (found.copies + found.left_out, found.left_out) == (counts.copies, counts.left_out)
    names = ("actions", "both", "browser_only", "server_only", "value", "refused", "first_time", "last_time")
    assert {name: getattr(found, name) for name in names} == {name: getattr(counts, name) for name in names}


@pytest.mark.slow
def test_the_sums_of_a_name_are_those_that_events_tells(loaded: Store, histories: list[list[Row]]) -> None:
    for dataset in (D, E):
        counts = {one.event_name: one for one in events(loaded, dataset)}
        for name in [*counts][::2]:
            if name != "AppendValue":
                same(event_sums(loaded, dataset, name, *EVER), counts[name])
    amended = event_sums(loaded, E, "AppendValue", *EVER)
    wanted = counts["AppendValue"]
    assert (amended.copies + amended.left_out, amended.left_out, amended.actions) == (
        wanted.copies,
        wanted.left_out,
        0,
    )


@pytest.mark.parametrize("step", [12, pytest.param(3, marks=pytest.mark.slow)])
def test_a_range_cuts_sums_and_duplicates_where_kept_copies_lie(
    loaded: Store, histories: list[list[Row]], step: int
) -> None:
    since_ms = Counter(row.copy.event_time_ms for rows in histories for row in rows).most_common(1)[0][0]
    until_ms = since_ms + 1
    cut = 0
    for rows in histories[1::step]:
        wanted = right_duplicates(rows, since_ms, until_ms)
        for name in {row.copy.event_name for row in rows} - {"AppendValue"}:
            found = event_sums(loaded, of(rows), name, since_ms, until_ms)
            assert told(found) == wanted.get(name, Counter()), name
            assert found.copies - found.removed == found.actions
            cut += bool(found.actions)
    assert cut


def test_a_retry_a_reload_and_the_other_door_are_told_apart(clean: Store) -> None:
    copies = [
        sale("browser", "a"),
        sale("server", "a", 1),
        sale("server", "a", 2),
        sale("browser", "a", 3),
        sale("browser", "a", 4),
        sale("server", "b", 5),
        sale("server", "b", 6),
        sale("server", "c", 7, marks=int(Mark.BOT)),
    ]
    load(clean, rows_of(copies))
    found = event_sums(clean, D, "Purchase", *EVER)
    assert found.duplicates == [
        Duplicates(cause="other_door", rule="event_id", copies=1),
        Duplicates(cause="browser_again", rule="event_id", copies=2),
        Duplicates(cause="server_again", rule="event_id", copies=2),
    ]
    assert (found.copies, found.removed, found.actions, found.left_out) == (7, 5, 2, 1)


def test_what_a_fallback_key_or_the_offline_rule_merged_is_told_by_its_rule(clean: Store) -> None:
    copies = [
        sale("browser", fbp="fb.1.1.1"),
        sale("server", "a", 1, fbp="fb.1.1.1"),
        sale("server", "a", 2, fbp="fb.1.1.1"),
        sale("offline", at_us=3, order_id="o", event_time_ms=START_MS),
        sale("offline", at_us=4, order_id="o", event_time_ms=START_MS),
        sale("messaging", "m", 5),
        sale("messaging", "m", 6),
    ]
    load(clean, rows_of(copies))
    found = event_sums(clean, D, "Purchase", *EVER)
    assert found.duplicates == [
        Duplicates(cause="other_door", rule="fbp", copies=1),
        Duplicates(cause="server_again", rule="event_id", copies=2),
        Duplicates(cause="server_again", rule="offline", copies=1),
    ]
    assert (found.copies, found.removed, found.actions) == (7, 4, 3)


def test_a_name_that_never_came_is_nothing(clean: Store) -> None:
    found = event_sums(clean, D, "Nothing", *EVER)
    assert (found.copies, found.duplicates, found.first_time) == (0, [], None)
    assert delays(clean, D, "Nothing", *EVER) == []
    assert parameters(clean, D, "Nothing", *EVER).parameters == []
    assert match_keys(clean, D, "Nothing", *EVER).keys == []
    assert newest(clean, D, "Nothing", *EVER) == []


# What copies carry


def drawn_copies(n: int) -> list[Copy]:
    """Copies with all sorts of custom_data, keys and delays."""
    draw = random.Random(11)
    values: list[Any] = [
        899,
        "899.00",
        "1e3",
        "-4",
        "",
        None,
        [],
        {},
        "undefined",
        "NaN",
        " null ",
        "five",
        True,
        ["a"],
    ]
    copies = []
    for at in range(n):
        names = draw.sample(
            ["value", "currency", "content_ids", "order_id", "n", "with/slash", "Ω"], draw.randint(0, 5)
        )
        data = {name: draw.choice(values) for name in names}
        source = draw.choice(["browser", "server", "server", "app", "crm"])
        delay_ms = draw.choice([-5000, -1, 0, 1, 999, 1000, 5000, 40_000, 86_400_000, 10**9])
        copies.append(
            Copy(
                dataset=draw.choice(["d", "d", "d", "other"]),
                source=source,
                event_name=draw.choice(["Purchase", "Purchase", "Lead"]),
                event_id=draw.choice(["", f"e{at}"]),
                event_time_ms=START_MS + at * 60_000,
                received_us=START_US + at * 60_000_000 + delay_ms * 1000,
                url=draw.choice(["", "https://brewbeans.example/"]),
                order_id=draw.choice(["", f"o{at}"]),
                value_e4=draw.choice([None, 50_000]),
                currency=draw.choice(["", "INR"]),
                custom_data=json.dumps(data) if data else "",
                em=draw.choice([b"", bytes(32), bytes(64)]),
                external_id=draw.choice([b"", bytes(32)]),
                fbp=draw.choice(["", "fb.1.1.1"]),
                weak=draw.choice([0, -7]),
                other_keys=draw.choice([None, {"lead_id": "1"}, {"lead_id": "2", "madid": "3"}]),
                marks=draw.choice([0, 0, int(Mark.BOT)]),
            )
        )
    return copies


@pytest.fixture
def carried(clean: Store) -> list[Copy]:
    copies = drawn_copies(400)
    load(clean, rows_of(copies))
    return [
        copy
        for copy in copies
        if (copy.dataset, copy.event_name, copy.marks) == ("d", "Purchase", 0)
        and START_MS <= copy.event_time_ms < START_MS + 300 * 60_000
    ]


RANGE = (START_MS, START_MS + 300 * 60_000)


def test_delays_by_source_are_counted_in_buckets_with_their_middle(clean: Store, carried: list[Copy]) -> None:
    found = {one.source: one for one in delays(clean, D, "Purchase", *RANGE)}
    assert [*found] == ["browser", "server", "app", "crm"]
    for source, one in found.items():
        mine = sorted(copy.received_us // 1000 - copy.event_time_ms for copy in carried if copy.source == source)
        edges = [*DELAYS_MS, math.inf]
        assert one.buckets == [sum(edges[at] <= ms < edges[at + 1] for ms in mine) for at in range(len(DELAYS_MS))]
        assert one.copies == len(mine) == sum(one.buckets)
        for quantile, told_s in ((0.5, one.p50_s), (0.95, one.p95_s)):
            near = [max(mine[max(min(int(quantile * len(mine)) + step, len(mine) - 1), 0)], 0) for step in (-1, 0, 1)]
            assert min(abs(told_s * 1000 - ms) - 0.02 * ms for ms in near) <= 1, (source, quantile)


def kind_of(value: Any) -> str:
    """What a value of custom_data is, from the words of the rule."""
    if value is None or value in ([], {}) or (isinstance(value, str) and not value.strip()):
        return "empty"
    if isinstance(value, str) and value.strip().lower() in ("undefined", "null", "nan"):
        return "word"
    if isinstance(value, (bool, list, dict)):
        return "other"
    try:
        float(value)
    except ValueError:
        return "text"
    return "number"


def test_parameters_by_source_and_their_odd_values_are_those_of_plain_counting(
    clean: Store, carried: list[Copy]
) -> None:
    found = parameters(clean, D, "Purchase", *RANGE)
    assert found.copies == Counter(copy.source for copy in carried)
    wanted: dict[tuple[str, str], dict[str, Counter[str]]] = {}
    for copy in carried:
        data = json.loads(copy.custom_data or "{}")
        columns = {
            "value": None if copy.value_e4 is None else 5,
            "currency": copy.currency or None,
            "order_id": copy.order_id or None,
        }
        data |= {name: value for name, value in columns.items() if value is not None and name not in data}
        given = {("custom_data", name): kind_of(value) for name, value in data.items()}
        given |= {("event", "event_id"): "text"} if copy.event_id else {}
        given |= {("event", "event_source_url"): "other"} if copy.url else {}
        for name, kind in given.items():
            wanted.setdefault(name, {}).setdefault(copy.source, Counter())[kind] += 1
    told_ = {(one.place, one.name): one for one in found.parameters}
    assert set(told_) == set(wanted) and not found.more
    for name, by_source in wanted.items():
        numbers, texts = (sum(kinds[kind] for kinds in by_source.values()) for kind in ("number", "text"))
        is_mixed = texts > 0 and numbers >= 0.8 * (numbers + texts)
        for source, kinds in by_source.items():
            one = told_[name].by_source[source]
            assert (one.copies, one.empty, one.word) == (kinds.total(), kinds["empty"], kinds["word"]), name
            assert one.text_among_numbers == (kinds["text"] if is_mixed else 0)
    totals = [sum(one.copies for one in parameter.by_source.values()) for parameter in found.parameters]
    assert totals == sorted(totals, reverse=True)


def test_text_among_numbers_is_odd_and_shown(clean: Store) -> None:
    values = ["899", 899, "1,299.00", 12.5, "7", "undefined", ""]
    load(clean, rows_of([sale("browser", custom_data=json.dumps({"value": value})) for value in values]))
    (one,) = parameters(clean, D, "Purchase", *EVER).parameters
    presence = one.by_source["browser"]
    assert (presence.copies, presence.empty, presence.word, presence.text_among_numbers) == (7, 1, 1, 1)
    assert (one.word, one.text, presence.odd) == ("undefined", "1,299.00", 3)


def test_names_of_parameters_are_bounded_however_many_a_sender_makes_up(clean: Store) -> None:
    hostile = ['<b>"', "{{7*7}}", "\u202eevil", "=cmd()", "w" * 10_000, ""]
    data = [dict.fromkeys(hostile, 1), {f"n{at:04}": 1 for at in range(300)}, {"value": 1}, {"value": 2}]
    load(clean, rows_of([sale("browser", custom_data=json.dumps(one)) for one in data]))
    found = parameters(clean, D, "Purchase", *EVER)
    assert len(found.parameters) == MOST_PARAMETERS and found.more == len(hostile) + 200 + 1 - MOST_PARAMETERS
    assert found.parameters[0].name == "value"
    names = {one.name for one in found.parameters}
    assert {'<b>"', "=cmd()", ""} <= names
    assert max(map(len, names)) <= 100


def test_of_very_many_copies_some_are_looked_into_evenly(clean: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_copies, "MOST_READ", 100)
    load(clean, rows_of([sale("browser", custom_data='{"n":1}') for _ in range(1000)]))
    found = parameters(clean, D, "Purchase", *EVER)
    assert found.one_in == 10 and 50 < found.copies["browser"] < 200
    (one,) = found.parameters
    assert one.by_source["browser"].copies == found.copies["browser"]


def test_what_is_no_object_is_no_parameter(clean: Store) -> None:
    load(
        clean, rows_of([sale("server", custom_data=text) for text in ("", "null", "[1]", '"a"', "{", '{"a":1,"a":""}')])
    )
    (one,) = parameters(clean, D, "Purchase", *EVER).parameters
    assert (one.name, one.by_source["server"].copies) == ("a", 1)


def test_match_keys_by_source_are_those_of_plain_counting(clean: Store, carried: list[Copy]) -> None:
    found = match_keys(clean, D, "Purchase", *RANGE)
    wanted: dict[str, Counter[str]] = {}
    for copy in carried:
        held = {name for name in ("em", "external_id", "fbp") if getattr(copy, name)} | set(copy.other_keys or {})
        held |= {"client_ip_address + client_user_agent"} if copy.weak else set()
        for name in held:
            wanted.setdefault(name, Counter())[copy.source] += 1
    assert {one.name: Counter(one.by_source) for one in found.keys} == wanted
    assert found.copies == Counter(copy.source for copy in carried)
    assert found.strong == Counter(copy.source for copy in carried if copy.em or copy.external_id)


def test_the_newest_copies_come_first_with_the_place_that_names_them(clean: Store, carried: list[Copy]) -> None:
    found = newest(clean, D, "Purchase", *RANGE)
    wanted = sorted(carried, key=lambda copy: copy.received_us, reverse=True)[:NEWEST]
    assert [(one.source, one.event_id, one.order_id) for one in found] == [
        (copy.source, copy.event_id, copy.order_id) for copy in wanted
    ]
    assert found[0].value == (None if wanted[0].value_e4 is None else money(50_000))
    assert found[0].offset.startswith("d1:")


def test_a_dataset_that_counts_bots_sees_what_they_carry(clean: Store) -> None:
    load(clean, rows_of([sale("browser", "a", marks=int(Mark.BOT), custom_data='{"value":1}')]))
    counting = Dataset(id="d", name="d", created_us=0, settings=DatasetSettings(count_bots=True))
    assert parameters(clean, D, "Purchase", *EVER).copies == {}
    assert parameters(clean, counting, "Purchase", *EVER).copies == {"browser": 1}
    assert event_sums(clean, counting, "Purchase", *EVER).actions == 1
