"""The rules of dedup, one sentence each, through both ways that the SQL has: the sums, and copy by copy in the pool."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from truecount.copies import Copy
from truecount.datasets import Dataset
from truecount.measure.events import EventCounts, events
from truecount.measure.forms import money
from truecount.store.client import Store

from .histories import digest, placed
from .loading import load
from .reference import HOUR_US, Said
from .test_law import verdicts

DATASET = Dataset(id="rules", name="rules", created_us=0)
MINUTE_US = 60_000_000
DAY_US = 24 * HOUR_US


def copy(source: str, event_id: str = "", at: int = 0, *, fbp: str = "", ext: str = "", **fields) -> tuple[int, Copy]:
    external_id = b"".join(digest(one) for one in ext)
    return at, Copy(source=source, event_name="Purchase", event_id=event_id, fbp=fbp, external_id=external_id, **fields)


def b(event_id: str = "", at: int = 0, **fields) -> tuple[int, Copy]:
    return copy("browser", event_id, at, **fields)


def s(event_id: str = "", at: int = 0, **fields) -> tuple[int, Copy]:
    return copy("server", event_id, at, **fields)


def o(at: int = 0, event_id: str = "", **fields) -> tuple[int, Copy]:
    return copy("offline", event_id, at, **fields)


def m(event_id: str = "", at: int = 0, **fields) -> tuple[int, Copy]:
    return copy("messaging", event_id, at, **fields)


# A sentence, the copies in log order, and of each copy: the number of its action's first, a * where kept, its rule.
CASES: dict[str, tuple[list[tuple[int, Copy]], str]] = {
    # key A
    "one id on both sides is one action, and the first received is kept": (
        [b("a"), s("a", HOUR_US)],
        "0* first_received, 0 event_id",
    ),
    "a server group's keys are those of all its copies, and its time is its first copy's": (
        [b(fbp="f"), s("a", 47 * HOUR_US), s("a", 90 * HOUR_US, fbp="f")],
        "0* first_received, 0 fbp, 0 event_id",
    ),
    "two ids are two actions": ([b("a"), s("b")], "0* first_received, 1* first_received"),
    "server retries of one id are one action": (
        [s("a"), s("a", 1), s("a", DAY_US)],
        "0* first_received, 0 event_id, 0 event_id",
    ),
    "a browser's own repeats of one id are one action": ([b("a"), b("a", 5)], "0* first_received, 0 event_id"),
    "an id with a space is another id": ([b("a"), s("a ", 5)], "0* first_received, 1* first_received"),
    "an id in other case is another id": ([b("a"), s("A", 5)], "0* first_received, 1* first_received"),
    "an id in another normal form of Unicode is another id": (
        [b("caf\u00e9"), s("cafe\u0301", 5)],
        "0* first_received, 1* first_received",
    ),
    "a group takes in a copy 48 hours after its first": (
        [b("a"), s("a", 48 * HOUR_US)],
        "0* first_received, 0 event_id",
    ),
    "a copy a microsecond beyond 48 hours starts the next group": (
        [b("a"), s("a", 48 * HOUR_US + 1)],
        "0* first_received, 1* outside_window",
    ),
    "the window is counted from the first copy, not from the last": (
        [b("a"), s("a", 30 * HOUR_US), s("a", 60 * HOUR_US), s("a", 108 * HOUR_US), s("a", 108 * HOUR_US + 1)],
        "0* first_received, 0 event_id, 2* outside_window, 2 event_id, 4* outside_window",
    ),
    "a browser copy 5 minutes after the first is the kept one": (
        [s("a"), b("a", 5 * MINUTE_US)],
        "0 event_id, 0* browser_within_5_min",
    ),
    "a browser copy a microsecond beyond 5 minutes is a duplicate": (
        [s("a"), b("a", 5 * MINUTE_US + 1)],
        "0* first_received, 0 event_id",
    ),
    "of two browser copies within 5 minutes the earlier is kept": (
        [s("a"), b("a", 10), b("a", 20)],
        "0 event_id, 0* browser_within_5_min, 0 event_id",
    ),
    "an app copy is preferred as a browser copy is": (
        [s("a"), copy("app", "a", 10)],
        "0 event_id, 0* browser_within_5_min",
    ),
    "crm is on the server side": ([copy("crm", "a"), b("a", 10)], "0 event_id, 0* browser_within_5_min"),
    "of copies received in one microsecond the earlier in the log is first": (
        [b("a"), s("a"), b("a")],
        "0* first_received, 0 event_id, 0 event_id",
    ),
    # key B
    "of one browser copy without id and two server ids, the first server id joins": (
        [b(fbp="f"), s("a", 1, fbp="f"), s("b", 2, fbp="f")],
        "0* first_received, 0 fbp, 2* first_received",
    ),
    "a browser copy and two server copies, none with an id, are one": (
        [b(fbp="f"), s("", 1, fbp="f"), s("", 2, fbp="f")],
        "0* first_received, 0 fbp, 0 fbp",
    ),
    "a server copy without id joins a browser copy that an id has taken": (
        [b(fbp="f"), s("a", 1, fbp="f"), s("", 2, fbp="f")],
        "0* first_received, 0 fbp, 0 fbp",
    ),
    "an id joins a browser copy that copies without id have joined": (
        [b(fbp="f"), s("", 1, fbp="f"), s("a", 2, fbp="f")],
        "0* first_received, 0 fbp, 0 fbp",
    ),
    "a server copy without id joins a browser copy with one": (
        [b("a", fbp="f"), s("", 1, fbp="f")],
        "0* first_received, 0 fbp",
    ),
    "a server copy without id joins an action that has both sides": (
        [b("a", fbp="f"), s("a", 1, fbp="f"), s("", 2, fbp="f")],
        "0* first_received, 0 event_id, 0 fbp",
    ),
    "retries of an id that joined are duplicates by the id": (
        [b(fbp="f"), s("a", 1, fbp="f"), s("a", 2, fbp="f")],
        "0* first_received, 0 fbp, 0 event_id",
    ),
    "a server copy that comes first takes in nothing": (
        [s("", fbp="f"), b("", 1, fbp="f")],
        "0* first_received, 1* first_received",
    ),
    "two browser copies without id are two": ([b(fbp="f"), b("", 1, fbp="f")], "0* first_received, 1* first_received"),
    "two server copies without id are two": ([s(fbp="f"), s("", 1, fbp="f")], "0* first_received, 1* first_received"),
    "both with ids never meet by other keys": (
        [b("a", fbp="f", ext="x"), s("b", 1, fbp="f", ext="x")],
        "0* first_received, 1* first_received",
    ),
    "the latest earlier browser copy is joined": (
        [b(fbp="f"), b("", 1, fbp="f"), s("a", 2, fbp="f")],
        "0* first_received, 1* first_received, 1 fbp",
    ),
    "what one id has taken is not there for the next, which takes the one before": (
        [b(fbp="f"), b("", 1, fbp="f"), s("a", 2, fbp="f"), s("b", 3, fbp="f"), s("c", 4, fbp="f")],
        "0* first_received, 1* first_received, 1 fbp, 0 fbp, 4* first_received",
    ),
    "key B joins over 48 hours": (
        [b(fbp="f"), s("a", 48 * HOUR_US, fbp="f")],
        "0* first_received, 0 fbp",
    ),
    "key B does not join a microsecond beyond 48 hours": (
        [b(fbp="f"), s("a", 48 * HOUR_US + 1, fbp="f")],
        "0* first_received, 1* first_received",
    ),
    "without an id on either side key B joins over 48 hours": (
        [b(fbp="f"), s("", 48 * HOUR_US, fbp="f")],
        "0* first_received, 0 fbp",
    ),
    "without an id on either side key B does not join a microsecond beyond 48 hours": (
        [b(fbp="f"), s("", 48 * HOUR_US + 1, fbp="f")],
        "0* first_received, 1* first_received",
    ),
    "the window of key B is the server group's first copy's": (
        [b(fbp="f"), s("a", 47 * HOUR_US, fbp="f"), s("a", 50 * HOUR_US, fbp="f")],
        "0* first_received, 0 fbp, 0 event_id",
    ),
    "in a cluster of several keys the window is kept too": (
        [
            b(fbp="f"),
            b("", 1, fbp="g", ext="x"),
            s("a", 48 * HOUR_US, fbp="f", ext="x"),
            s("b", 48 * HOUR_US + 1, fbp="f", ext="y"),
        ],
        "0* first_received, 1* first_received, 1 external_id, 3* first_received",
    ),
    "external_id decides where both have one, whatever fbp says": (
        [b(fbp="f", ext="x"), s("a", 1, fbp="f", ext="y")],
        "0* first_received, 1* first_received",
    ),
    "external_id joins where fbp differs": (
        [b(fbp="f", ext="x"), s("a", 1, fbp="g", ext="x")],
        "0* first_received, 0 external_id",
    ),
    "fbp decides where only the browser has external_id": (
        [b(fbp="f", ext="x"), s("a", 1, fbp="f")],
        "0* first_received, 0 fbp",
    ),
    "fbp decides where only the server has external_id": (
        [b(fbp="f"), s("a", 1, fbp="f", ext="x")],
        "0* first_received, 0 fbp",
    ),
    "keys with several values meet in any of them": (
        [b(ext="xy"), s("a", 1, ext="yz")],
        "0* first_received, 0 external_id",
    ),
    "a server group's keys are those of all its copies": (
        [b(ext="x"), s("a", 1, fbp="f"), s("a", 2, ext="x")],
        "0* first_received, 0 external_id, 0 event_id",
    ),
    "copies without any key are alone": ([b(), s("", 1), b("", 2)], "0* no_key, 1* no_key, 2* no_key"),
    "a browser copy within 5 minutes is kept in an action that key B made too": (
        [s("a", fbp="f"), b("a", 10, fbp="f"), s("", 20, fbp="f")],
        "0 event_id, 0* browser_within_5_min, 0 fbp",
    ),
    "a later group of an id may join by key B as any": (
        [s("a", fbp="g"), b("", 60 * HOUR_US, fbp="f"), s("a", 61 * HOUR_US, fbp="f")],
        "0* first_received, 1* first_received, 1 fbp",
    ),
    # offline
    "offline copies of one time, name and order are one": (
        [o(order_id="7", event_time_ms=1000), o(HOUR_US, order_id="7", event_time_ms=1000)],
        "0* first_received, 0 offline",
    ),
    "lines of one order are apart by item number": (
        [o(order_id="7", item_number="1"), o(1, order_id="7", item_number="2")],
        "0* first_received, 1* first_received",
    ),
    "offline copies of other times are apart": (
        [o(order_id="7", event_time_ms=1000), o(1, order_id="7", event_time_ms=2000)],
        "0* first_received, 1* first_received",
    ),
    "without order id the same set of match keys is one, in any order": (
        [o(em=digest("x") + digest("y")), o(1, em=digest("y") + digest("x"))],
        "0* first_received, 0 offline",
    ),
    "a match key more is another set": (
        [o(em=digest("x")), o(1, em=digest("x"), fbp="f")],
        "0* first_received, 1* first_received",
    ),
    "the same digest under another key is another set": (
        [o(em=digest("x")), o(1, ph=digest("x"))],
        "0* first_received, 1* first_received",
    ),
    "offline copies without order id and match keys are alone": ([o(), o(1)], "0* no_key, 1* no_key"),
    "the offline window takes in 7 days": (
        [o(order_id="7"), o(7 * DAY_US, order_id="7")],
        "0* first_received, 0 offline",
    ),
    "the offline window ends a microsecond beyond 7 days": (
        [o(order_id="7"), o(7 * DAY_US + 1, order_id="7")],
        "0* first_received, 1* outside_window",
    ),
    "an offline copy never meets the website's by event id": (
        [b("a", fbp="f"), o(1, "a", fbp="f"), s("a", 2, fbp="f")],
        "0* first_received, 1* first_received, 0 event_id",
    ),
    # messaging
    "messaging merges by id among itself alone": (
        [m("a"), b("a", 1), m("a", 2), s("a", 3)],
        "0* first_received, 1* first_received, 0 event_id, 1 event_id",
    ),
    "messaging copies without id are alone": ([m(fbp="f"), m("", 1, fbp="f")], "0* no_key, 1* no_key"),
    "messaging takes no part in key B": (
        [b(fbp="f"), m("a", 1, fbp="f")],
        "0* first_received, 1* first_received",
    ),
}


def history(copies: list[tuple[int, Copy]]) -> list[tuple[Copy, str, int]]:
    """Each copy with the time since the one before, and a value that tells which copy was kept."""
    before = [0, *(at for at, _ in copies)]
    history = []
    for number, (last, (at, one)) in enumerate(zip(before, copies, strict=False)):
        fields = {name: getattr(one, name) for name in one.__struct_fields__}
        history.append((Copy(**{**fields, "value_e4": 10_000 * 2**number, "currency": "INR"}), "d1", at - last))
    return history


ROWS = {
    sentence: placed(history(copies), number, DATASET.id)
    for number, (sentence, (copies, _)) in enumerate(CASES.items())
}


@pytest.fixture(scope="module")
def answers(store: Store, way: str) -> Iterator[tuple[dict[tuple[str, int, int], Said], dict[str, EventCounts]]]:
    load(store, [row for rows in ROWS.values() for row in rows])
    yield verdicts(store, DATASET), {one.event_name: one for one in events(store, DATASET)}
    store.command("TRUNCATE TABLE copies")


@pytest.mark.parametrize("sentence", CASES)
def test_copy_by_copy(answers, sentence: str) -> None:
    said, _ = answers
    rows = ROWS[sentence]
    number = {row.offset: at for at, row in enumerate(rows)}
    told = []
    for row in rows:
        one = said[row.offset]
        told.append(f"{number[one.action]}{'*' if one.verdict == 'kept' else ''} {one.rule}")
    assert ", ".join(told) == CASES[sentence][1]


@pytest.mark.parametrize("sentence", CASES)
def test_in_the_sums(answers, sentence: str) -> None:
    _, counts = answers
    rows = ROWS[sentence]
    sides: dict[str, set[bool]] = {}
    value_e4 = 0
    for row, told in zip(rows, CASES[sentence][1].split(", "), strict=True):
        sides.setdefault(told.split()[0].strip("*"), set()).add(row.is_browser)
        value_e4 += row.copy.value_e4 if "*" in told else 0
    one = counts[rows[0].copy.event_name]
    assert (one.copies, one.actions, one.browser_only, one.server_only, one.both, one.value) == (
        len(rows),
        len(sides),
        sum(found == {True} for found in sides.values()),
        sum(found == {False} for found in sides.values()),
        sum(len(found) == 2 for found in sides.values()),
        {"INR": money(value_e4)},
    )
