"""Coverage: how many copies of each event carry which match key, and when the last one came."""

from __future__ import annotations

import msgspec

from truecount.datasets import Dataset
from truecount.resolve.definitions import text_of
from truecount.resolve.scratch import Sql

from .forms import time_of_us

PACKAGE = "truecount.measure"
KEYS = ("em", "ph", "external_id", "fbp", "fbc")
"""The keys that coverage tells of, in its order."""


class Coverage(msgspec.Struct, kw_only=True):
    """One event name. All but `last_received` are counts of accepted copies."""

    event_name: str
    copies: int
    keys: dict[str, int]
    """By key, in the order of KEYS."""
    strong: int
    """With an e-mail, a phone number or a customer's id."""
    event_id: int
    last_received: str


def coverage(store: Sql, dataset: Dataset, since_ms: int, until_ms: int) -> list[Coverage]:
    """Coverage of the copies whose event time lies in [since, until), by name."""
    params = {"dataset": dataset.id, "since_ms": since_ms, "until_ms": until_ms}
    return [
        Coverage(
            event_name=str(name),
            copies=int(copies),
            keys=dict(zip(KEYS, map(int, numbers[:5]), strict=True)),
            strong=int(numbers[5]),
            event_id=int(numbers[6]),
            last_received=time_of_us(int(numbers[7])),
        )
        for name, copies, *numbers in store.query_rows(text_of("coverage", PACKAGE), params)
    ]
