"""The event names that a dataset received, to choose from."""

from __future__ import annotations

from typing import Final

from truecount.datasets import Dataset
from truecount.resolve.actions import AMENDMENT
from truecount.resolve.definitions import text_of
from truecount.resolve.scratch import Sql
from truecount.vocabulary import Mark

PACKAGE: Final = "truecount.measure"
MOST: Final = 200
"""Names that are told. Senders can invent as many as they like."""


def event_names(store: Sql, dataset: Dataset) -> list[str]:
    """The names of accepted copies over all time, the most frequent first. Amendments are no events of their own."""
    rows = store.query_rows(
        text_of("event_names", PACKAGE), {"dataset": dataset.id, "canary": int(Mark.CANARY), "limit": MOST}
    )
    return [str(name) for (name,) in rows if name != AMENDMENT]
