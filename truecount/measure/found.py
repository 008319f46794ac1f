"""Where an id stands that somebody has: as which kind of id, in copies of which events."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from truecount.datasets import Dataset
from truecount.policy.scrub import scrub_id
from truecount.policy.urls import strip_appendix
from truecount.resolve.definitions import text_of
from truecount.resolve.scratch import Sql
from truecount.vocabulary import Mark

from .forms import time_of_us

PACKAGE: Final = "truecount.measure"
MOST: Final = 20
"""Rows that are told."""
By = Literal["id", "order", "fbp"]


class Found(msgspec.Struct):
    """Copies of one event name that hold the id, and as what: its event id, its order id, or the browser's."""

    event_name: str
    by: By
    last_received: str


def found_by_id(store: Sql, dataset: Dataset, id: str) -> list[Found]:
    """Every event with copies that hold this id; by event id first, then by order, then by fbp, the newest first.

    The id is as it was sent, or as it is kept. Accepted copies alone are looked at, those too that do not count.
    """
    if not id:
        return []
    rows = store.query_rows(
        text_of("found_by_id", PACKAGE),
        {
            "dataset": dataset.id,
            "id": scrub_id(id)[0],
            "fbp": scrub_id(strip_appendix(id, "fbp"))[0],
            "canary": int(Mark.CANARY),
            "most": MOST,
        },
    )
    return [Found(str(name), by, time_of_us(int(newest))) for name, by, newest in rows]
