"""Answers of several questions, while copies come: what came in between is in all of an answer, or in nothing of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

from truecount.datasets import Dataset
from truecount.resolve.actions import AMENDMENT, Actions, Moment, whole_moment_of
from truecount.resolve.scratch import Sql
from truecount.store.errors import StoreError

TRIES: Final = 5
T = TypeVar("T")


class Moved(StoreError):
    """The store took in a batch's rest while the answer was made."""

    def __init__(self) -> None:
        super().__init__("events came in while they were counted; try again in a moment")


def until_settled(store: Sql, dataset: Dataset, moment: Moment | None, count: Callable[[Moment | None], T]) -> T:
    """Count at a moment, which is now where none is given.

    Where a batch's rest came meanwhile it is counted again, without that batch. Moved when something changes each time.
    """
    asked = moment
    for _ in range(TRIES - 1):
        with suppress(Moved):
            return count(asked)
        asked = moment or whole_moment_of(store, dataset)
    return count(asked)


def check_settled(actions: Actions, copies: int) -> None:
    """Moved where actions of all time do not have all copies that form actions, but so many."""
    held = sum(row.n for row in actions.profile if row.event_name != AMENDMENT and not actions.is_left_out(row))
    if held != copies:
        raise Moved


def check_unmoved(actions: Actions) -> None:
    """Moved where there are other copies up to the moment of an answer than when it began. One more question."""
    [[n]] = actions.rows("held", "truecount.measure")
    if int(n) != sum(row.n for row in actions.profile):
        raise Moved
