"""What was not accepted: refused, withheld and set aside, by reason."""

from __future__ import annotations

import msgspec

from truecount.datasets import Dataset
from truecount.resolve.definitions import text_of
from truecount.resolve.scratch import Sql
from truecount.vocabulary import Outcome, Reason, Source

from .forms import time_of_us

EVER_US = 2**62


class Refused(msgspec.Struct, kw_only=True):
    """`n` items that ended alike. `event_name` is "" where it never came to be known."""

    event_name: str
    source: str
    outcome: str
    reason: str
    n: int
    first_time: str
    last_time: str


def refused(store: Sql, dataset: Dataset, since_us: int | None = None, until_us: int | None = None) -> list[Refused]:
    """What was not accepted in [since, until) of the time of receipt, by event name, source, outcome and reason, in that order.

    Amendments whose original is missing are set aside by what the log says now, not by a tally: `unamended` counts them.
    """
    rows = store.query_rows(
        text_of("refused", "truecount.measure"),
        {
            "dataset": dataset.id,
            "since_us": -EVER_US if since_us is None else since_us,
            "until_us": EVER_US if until_us is None else until_us,
        },
    )
    return [
        Refused(
            event_name=str(name),
            source=str(source),
            outcome=str(outcome),
            reason=str(reason),
            n=int(n),
            first_time=time_of_us(int(first)),
            last_time=time_of_us(int(last)),
        )
        for name, source, outcome, reason, n, first, last in rows
    ]
