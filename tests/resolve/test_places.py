"""A copy's place in the total order is the same number in SQL and in Python."""

from __future__ import annotations

import pytest

from truecount.copies import Copy
from truecount.resolve.actions import Actions
from truecount.resolve.definitions import complete
from truecount.store.client import Store

from .loading import START_US, load
from .reference import Row
from .test_law import DATASET

TIMES = (START_US, START_US + 1, 0, -1, -(2**49), 2**50)
ROWS = [
    Row(
        f"door-{n:03}", seq, pos, Copy(dataset=DATASET.id, source="server", event_name="Lead", received_us=TIMES[n % 6])
    )
    for n in range(270)  # a rank of more than 4, and of more than 8 bits
    for seq, pos in (((1, 0), (2**40 - 1, 2**20 - 1)) if n % 50 == 0 else ((n + 1, n),))
]


def test_a_place_is_reckoned_as_the_statements_do(store: Store) -> None:
    store.command("TRUNCATE TABLE copies")
    load(store, ROWS)
    with Actions(store, DATASET) as actions:
        found = actions.ask(complete("select received_us, toString(door), seq, pos, place from accepted"))
        assert len(found) == len(ROWS)
        for received_us, door, seq, pos, place in found:
            assert actions.place(received_us, door, seq, pos) == place
        in_order = sorted(found, key=lambda row: row[4])
        assert in_order == sorted(found, key=lambda row: tuple(row[:4]))
        with pytest.raises(ValueError, match="door"):
            actions.place(START_US, "another door", 1, 0)
    store.command("TRUNCATE TABLE copies")
