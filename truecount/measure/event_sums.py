"""One event name in a range: its actions by who reported them, and the copies that dedup removed, by cause and rule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, cast

import msgspec

from truecount.datasets import Dataset
from truecount.resolve.actions import AMENDMENT, Actions, Moment
from truecount.resolve.scratch import Sql
from truecount.vocabulary import Rule

from .forms import money, time_of_ms
from .listing import DOORS
from .refused import numbers_refused
from .sums import PACKAGE, settle, want_all

Cause = Literal["other_door", "browser_again", "server_again"]
CAUSES: Final[tuple[Cause, ...]] = ("other_door", "browser_again", "server_again")
OFFLINE_CLASS: Final = 2
"""Number of the class of offline copies, which a rule of their own merges."""


class Duplicates(msgspec.Struct, frozen=True, kw_only=True):
    """Copies that were removed. `cause` says what each was beside the copy that its action keeps: the first that the
    other side sent, or one more of the browser's or the server's side.
    """

    cause: Cause
    rule: str
    copies: int


class EventSums(msgspec.Struct, kw_only=True):
    """One event name in a range of event times; an action lies where its kept copy lies.

    `copies` are those of the actions: copies - removed = actions, and removed is the sum of `duplicates`. Copies that
    the dataset does not count are `left_out`, and not among them. `browser_copies` and `server_copies` are `copies` by
    side. Amendments are no actions: of them `copies` and `left_out` alone are told. Times are of all accepted copies.
    """

    event_name: str
    copies: int = 0
    browser_copies: int = 0
    server_copies: int = 0
    removed: int = 0
    actions: int = 0
    both: int = 0
    server_only: int = 0
    browser_only: int = 0
    value: dict[str, str] = {}
    left_out: int = 0
    refused: int = 0
    duplicates: list[Duplicates] = []
    first_time: str | None = None
    last_time: str | None = None


def event_sums(
    store: Sql, dataset: Dataset, event_name: str, since_ms: int, until_ms: int, moment: Moment | None = None
) -> EventSums:
    """Add up the actions of one event in [since_ms, until_ms) of event times, as they are now or were at `moment`.

    Refused items lie where they were received.
    """
    told = EventSums(event_name=event_name)
    [refused] = numbers_refused(store, dataset, [since_ms * 1000, until_ms * 1000])
    told.refused = refused.get(event_name, 0)
    with Actions(
        store, dataset, [event_name], since_ms=since_ms, until_ms=until_ms, moment=moment, amended=True
    ) as actions:
        _add(actions, told)
    return told


def _add(actions: Actions, told: EventSums) -> None:
    amended = want_all(actions)
    profile = [row for row in actions.profile if row.event_name == told.event_name and row.in_range]
    if profile:
        told.first_time = time_of_ms(min(row.first_ms for row in profile))
        told.last_time = time_of_ms(max(row.last_ms for row in profile))
    if told.event_name == AMENDMENT:
        if amended:
            told.copies, told.left_out = amended[1] - amended[2], amended[2]
        return
    told.left_out = sum(row.in_range for row in profile if actions.is_left_out(row))
    is_resolved = settle(actions)
    removed: dict[tuple[int, Cause], int] = {}
    value_e4: dict[str, int] = {}
    for row in actions.rows("event_sums", PACKAGE, event_name=told.event_name):
        group, door, currency = int(row[0]), int(row[1]), str(row[2])
        n, copies, browser_copies, total_e4 = map(int, row[3:])
        server_copies = copies - browser_copies
        told.actions += n
        told.copies += copies
        told.browser_copies += browser_copies
        told.server_copies += server_copies
        told.both += n if door == DOORS["both"] else 0
        told.browser_only += n if door == DOORS["browser_only"] else 0
        told.server_only += n if door == DOORS["server_only"] else 0
        if currency:
            value_e4[currency] = value_e4.get(currency, 0) + total_e4
        parts: dict[Cause, int] = {
            "other_door": n if door == DOORS["both"] else 0,
            "browser_again": browser_copies - (n if door != DOORS["server_only"] else 0),
            "server_again": server_copies - (n if door != DOORS["browser_only"] else 0),
        }
        for cause, more in parts.items():
            removed[group, cause] = removed.get((group, cause), 0) + more
    told.removed = told.copies - told.actions
    told.value = {currency: money(total) for currency, total in sorted(value_e4.items())}
    pooled = actions.rows("event_duplicates", PACKAGE, event_name=told.event_name) if is_resolved else ()
    told.duplicates = by_rule(removed, pooled)


def by_rule(removed: dict[tuple[int, Cause], int], pooled: Iterable[Sequence[Any]]) -> list[Duplicates]:
    """All removed copies by cause and rule. What the pool did not resolve, the one rule of its class removed."""
    found: dict[tuple[Cause, str], int] = {}
    left = dict(removed)
    for group, cause, rule, n in pooled:
        key = cast("Cause", str(cause)), str(rule)
        found[key] = found.get(key, 0) + int(n)
        left[int(group), key[0]] = left.get((int(group), key[0]), 0) - int(n)
    for (group, cause), n in left.items():
        key = cause, str(Rule.OFFLINE if group == OFFLINE_CLASS else Rule.EVENT_ID)
        found[key] = found.get(key, 0) + n
    order = sorted(found, key=lambda key: (CAUSES.index(key[0]), -found[key], key[1]))
    return [Duplicates(cause=key[0], rule=key[1], copies=found[key]) for key in order if found[key]]
