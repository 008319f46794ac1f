"""Outcomes: the fate of everything received, which adds up."""

from __future__ import annotations

import msgspec

from truecount.datasets import CANARY_ID, Dataset
from truecount.resolve.actions import AMENDMENT
from truecount.resolve.definitions import text_of
from truecount.resolve.scratch import Sql
from truecount.vocabulary import Outcome

from .refused import PACKAGE, unamended


class Outcomes(msgspec.Struct, kw_only=True):
    """Items of the log by how they ended: received = accepted + refused + withheld + set_aside."""

    received: int
    accepted: int
    refused: int
    withheld: int
    set_aside: int


def outcomes(store: Sql, dataset: Dataset | None = None) -> Outcomes:
    """The outcomes of one dataset, or of all (but for the canary, which is nobody's event).

    An amendment without its original counts as set aside, and as accepted once the original comes.
    """
    missing = sum(item.n for one in _amended_datasets(store, dataset) for item in unamended(store, one))
    found = dict.fromkeys(Outcome, 0)
    received = 0
    params = {"all_datasets": int(dataset is None), "dataset": dataset.id if dataset else "", "canary": CANARY_ID}
    for outcome, n in store.query_rows(text_of("outcomes", PACKAGE), params):
        received += int(n)
        found[Outcome(str(outcome))] += int(n)
    return Outcomes(
        received=received,
        accepted=found[Outcome.ACCEPTED] - missing,
        refused=found[Outcome.REFUSED],
        withheld=found[Outcome.WITHHELD],
        set_aside=found[Outcome.SET_ASIDE] + missing,
    )


def _amended_datasets(store: Sql, dataset: Dataset | None) -> list[Dataset]:
    if dataset is not None:
        return [dataset]
    rows = store.query_rows(
        "SELECT DISTINCT toString(dataset) AS id FROM copies WHERE event_name = {name:String} ORDER BY id",
        {"name": AMENDMENT},
    )
    return [Dataset(id=str(one), name="", created_us=0) for (one,) in rows]
