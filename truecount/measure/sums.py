"""The dedup of a dataset, added up per event name, currency and bucket of time: what `events` and charts rest on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from truecount.resolve.actions import EVER_MS, Actions

PACKAGE: Final = "truecount.measure"
ONE_BUCKET: Final = (-EVER_MS,)
"""Edges of a single bucket that holds all time."""


class Sum(NamedTuple):
    """Actions of one name, currency ("" where none has a value) and bucket: how many, and what is known of them."""

    event_name: str
    currency: str
    bucket: int
    """Where the bucket begins: one of the edges, ms since 1970."""
    actions: int
    copies: int
    browser_only: int
    server_only: int
    both: int
    limited: int
    value_e4: int
    first_ms: int
    last_ms: int


def want_all(actions: Actions) -> tuple[int, int, int, int, int] | None:
    """Want what has to be looked at copy by copy, and fill it in: what key B may merge, and what amendments name.

    Gives of the amendments, where there are any: how many name an original, accepted copies, those left out, first and
    last time in ms.
    """
    actions.want_key_b()
    amended = None
    if actions.has_amendments:
        actions.put("originals", "originals")
        row = [int(value) for value in actions.rows("amendments_found", PACKAGE)[0]]
        amended = (row[0], row[1], row[2], row[3], row[4])
        if amended[0]:
            actions.want_places("originals")
    if actions.wants:
        actions.fill(1)
    return amended


def sum_up(actions: Actions, bare_names: Sequence[str], edges: Sequence[int] = ONE_BUCKET) -> Iterator[Sum]:
    """Add up all actions in the range of `actions`, after `want_all`. Sums of one kind may come in several parts.

    Of copies without an id only those of `bare_names` are looked at: each other one is an action by itself, which the
    profile counts already. `edges` are the beginnings of the buckets, ascending, the first at or before the range.
    """
    rows = _rows_at_once(actions, bare_names, edges)
    if rows is not None:
        for name, _, _, unit, bucket, *numbers in rows:
            currency = actions.params["currencies"][unit - 1] if unit else ""
            yield Sum(str(name), currency, int(bucket), *map(int, numbers))
        return
    if settle(actions, bare_names, edges):
        actions.put("sums", "sums_of_special", PACKAGE, edges=list(edges))
    for name, currency, bucket, *numbers in actions.rows("sums", PACKAGE):
        yield Sum(str(name), str(currency), int(bucket), *map(int, numbers))


def _rows_at_once(actions: Actions, bare_names: Sequence[str], edges: Sequence[int]) -> list[Sequence[Any]] | None:
    """The parts of the sums as they are found, without a table between.

    None where that may be much, and where keys have to be cut into sessions.
    """
    if actions.large:
        return None
    rows: list[Sequence[Any]] = []
    if not actions.is_whole:
        rows += actions.rows("sums_of_ids", PACKAGE, edges=list(edges))
        if bare_names:
            rows += actions.rows("sums_of_bare", PACKAGE, edges=list(edges), bare_names=list(bare_names))
        if actions.any_offline:
            rows += actions.rows("sums_of_offline", PACKAGE, edges=list(edges))
        if any(long_keys for _, _, long_keys, *_ in rows):
            return None
    if _resolve(actions):
        rows += actions.rows("sums_of_special", PACKAGE, edges=list(edges))
    return [row for row in rows if row[_ACTIONS]]


_ACTIONS: Final = 5
"""Where the parts of the sums have the number of actions."""


def settle(actions: Actions, bare_names: Sequence[str] = (), edges: Sequence[int] = ONE_BUCKET) -> bool:
    """Add up what needs no closer look, and resolve all else in the pool, after `want_all`: statements can read
    `listed` then. True when there is something in the pool.
    """
    if actions.is_whole:
        return _resolve(actions)
    actions.put("sums", "sums_of_ids", PACKAGE, edges=list(edges))
    if bare_names:
        actions.put("sums", "sums_of_bare", PACKAGE, edges=list(edges), bare_names=list(bare_names))
    if actions.any_offline:
        actions.put("sums", "sums_of_offline", PACKAGE, edges=list(edges))
    long = actions.ask("SELECT sum(length(long_keys)) FROM {sums:Identifier}")
    if int(long[0][0] or 0):
        actions.put("wanted", "wanted_long")
        actions.fill(2)
    return _resolve(actions)


def _resolve(actions: Actions) -> bool:
    is_resolved = actions.resolve()
    if is_resolved and actions.count("originals"):
        actions.put("amended", "amended")
    return is_resolved
