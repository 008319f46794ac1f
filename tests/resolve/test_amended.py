"""What an amendment means is the same whichever view of whichever events asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

import pytest

from truecount.copies import Copy
from truecount.measure.events import events
from truecount.measure.explain import explain
from truecount.measure.forms import money
from truecount.measure.listing import listing
from truecount.store.client import Store

from .histories import KINDS, drawn, placed
from .loading import START_US, load, rows_of
from .test_law import DATASET

AT_MS = START_US // 1000


def copy(name: str, at: int, **fields: object) -> Copy:
    given = {"source": "server", "event_name": name, "event_time_ms": AT_MS + 1000 * at, "currency": "INR", **fields}
    return Copy(**{"dataset": DATASET.id, "received_us": START_US + at, **given})  # type: ignore[arg-type]


CASES = {
    "an id of two events, the time tells which": (
        [
            copy("Purchase", 0, event_id="a", value_e4=10_000),
            copy("Lead", 5, event_id="a", value_e4=20_000),
            copy("AppendValue", 50, original_event_id="a", original_time_ms=AT_MS + 5000, value_e4=70_000),
        ],
        {"Purchase": "1.00", "Lead": "7.00"},
    ),
    "an id of one event, an order of another: the id decides": (
        [
            copy("Lead", 0, event_id="a", value_e4=10_000),
            copy("Purchase", 0, event_id="b", order_id="o", value_e4=20_000),
            copy("AppendValue", 9, original_event_id="a", original_order_id="o", value_e4=70_000),
        ],
        {"Purchase": "2.00", "Lead": "7.00"},
    ),
    "by its name": (
        [
            copy("Purchase", 0, event_id="a", value_e4=10_000),
            copy("Lead", 0, event_id="a", value_e4=20_000),
            copy("AppendValue", 9, original_event_name="Purchase", original_event_id="a", value_e4=70_000),
        ],
        {"Purchase": "7.00", "Lead": "2.00"},
    ),
}


@pytest.fixture
def clean(store: Store) -> Iterator[Store]:
    store.command("TRUNCATE TABLE copies")
    yield store
    store.command("TRUNCATE TABLE copies")


@pytest.mark.parametrize("case", CASES)
def test_one_event_asked_for_alone_has_the_value_that_all_have_together(clean: Store, case: str) -> None:
    copies, expected = CASES[case]
    load(clean, rows_of(copies))
    assert {one.event_name: one.value for one in events(clean, DATASET) if one.event_name != "AppendValue"} == {
        name: {"INR": value} for name, value in expected.items()
    }
    for name, value in expected.items():
        page = listing(clean, DATASET, names=[name])
        assert (page.actions, page.value) == (1, {"INR": value})
        assert [(row.event_name, row.value) for row in page.rows] == [(name, value)]
        told = explain(clean, DATASET, name, event_id=page.rows[0].event_id)
        assert told is not None and (told.value, told.amended) == (value, value == "7.00")


@pytest.mark.slow
def test_lists_of_each_event_add_up_to_its_count(clean: Store) -> None:
    histories = drawn(KINDS["amended"], 12)
    load(clean, [row for number, one in enumerate(histories) for row in placed(one, number, DATASET.id)])
    counted = [one for one in events(clean, DATASET) if one.event_name != "AppendValue"]
    whole = listing(clean, DATASET, limit=10_000)
    value: Counter[str] = Counter()
    for one in counted[::3]:
        page = listing(clean, DATASET, names=[one.event_name], limit=10_000)
        assert (page.actions, page.value) == (one.actions, one.value)
        assert page.rows == [row for row in whole.rows if row.event_name == one.event_name]
        for row in page.rows[:1]:
            told = explain(clean, DATASET, row.event_name, offset=row.offset)
            assert told is not None and (told.value, told.currency) == (row.value, row.currency)
    for one in counted:
        for currency, amount in one.value.items():
            value[currency] += int(Decimal(amount) * 10_000)
    assert whole.value == {currency: money(amount) for currency, amount in value.items()}
