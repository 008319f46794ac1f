"""The actions behind a number: a page of them, the newest first, with who reported each and which rules decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from truecount.datasets import Dataset
from truecount.resolve.actions import EVER_MS, Actions
from truecount.resolve.scratch import Sql
from truecount.vocabulary import BROWSER_SIDE, Mark, Source

from .forms import money, time_of_ms, time_of_us
from .sums import PACKAGE, settle, want_all

Door = Literal["both", "browser_only", "server_only"]
DOORS: Final[dict[Door, int]] = {"both": 0, "browser_only": 1, "server_only": 2}
"""Names of the doors as the statements number them."""
_NAMES: Final = {number: name for name, number in DOORS.items()}
PAGE: Final = 50


class ListedAction(msgspec.Struct, kw_only=True):
    """One action. Times are ISO 8601 UTC; `value` is the kept copy's, as amended."""

    event_name: str
    event_id: str
    """"" for an action whose copies have none."""
    order_id: str
    offset: str
    """Where its first copy lies in the log, door:entry:position: names an action that has no id."""
    door: Door
    event_time: str
    received_time: str
    """Of its first copy."""
    apart_s: float | None
    """Seconds between the first copies of the two sides; null where there is one side alone."""
    copies: int
    value: str | None
    currency: str | None
    rules: list[str]
    match_keys: list[str]
    """On any of its copies."""
    marks: list[str]


class Listing(msgspec.Struct, kw_only=True):
    """A page of actions, and what all that the filter leaves add up to."""

    actions: int
    value: dict[str, str]
    doors: dict[str, int]
    """Door -> actions, for every door, as if none were chosen."""
    rows: list[ListedAction]
    after: str | None
    """Names the last row: given as `after`, the next page begins behind it. Null on the last page."""
    before: str | None
    """Names the first row: given as `before`, the page ends just before it. Null on the first page."""


def listing(
    store: Sql,
    dataset: Dataset,
    *,
    names: Sequence[str] | None = None,
    since_ms: int | None = None,
    until_ms: int | None = None,
    door: Door | None = None,
    rule: str = "",
    after: str = "",
    before: str = "",
    limit: int = PAGE,
) -> Listing:
    """List the actions in the range [since, until) of event times, the newest first.

    `names` limits the answer to these events, `door` to who reported, `rule` to actions with a copy that it decided.
    ValueError where `after` or `before` is none that a page gave, or both are given.
    """
    older, newer = check_edges(after, before)
    with Actions(
        store,
        dataset,
        names,
        since_ms=-EVER_MS if since_ms is None else since_ms,
        until_ms=EVER_MS if until_ms is None else until_ms,
        each=True,
        amended=True,
    ) as actions:
        actions.params |= {"any_listed": int(names is None), "listed_names": list(names or ())}
        want_all(actions)
        settle(actions)
        if not actions.large:
            actions.keep("verdicts")
            actions.keep("listed")
        wanted: dict[str, Any] = {"sides": [DOORS[door]] if door else [], "rule": rule}
        sums = actions.rows("listing_sum", PACKAGE, rule=rule)
        shown, is_first, is_last = _page(actions, wanted, older, newer, limit)
        copies = _copies(actions, shown)
    chosen = [row for row in sums if not door or int(row[0]) == DOORS[door]]
    value: dict[str, int] = {}
    for _, currency, _, sum_e4 in chosen:
        if currency:
            value[str(currency)] = value.get(str(currency), 0) + int(sum_e4)
    return Listing(
        actions=sum(int(row[2]) for row in chosen),
        value={currency: money(sum_e4) for currency, sum_e4 in sorted(value.items())},
        doors={name: sum(int(row[2]) for row in sums if int(row[0]) == number) for name, number in DOORS.items()},
        rows=[_action(row, copies.get(int(row[3]), ())) for row in shown],
        after=None if is_last else _key(shown[-1]),
        before=None if is_first else _key(shown[0]),
    )


Place = tuple[int, int]
"""Event time in ms and number of an action: where it stands in the list."""


def check_edges(after: str, before: str) -> tuple[Place | None, Place | None]:
    """Where a page begins or ends. ValueError where that is none that a page gave, or both are given."""
    if after and before:
        raise ValueError("give `after` or `before`, not both")
    return _read(after, "after"), _read(before, "before")


def _page(
    actions: Actions, wanted: Mapping[str, Any], older: Place | None, newer: Place | None, limit: int
) -> tuple[Sequence[Sequence[Any]], bool, bool]:
    """The rows of a page, the newest first; whether it is the first one, and whether it is the last."""
    if newer:
        ms, action = newer
        rows = actions.rows("listing_newer", PACKAGE, **wanted, after_ms=ms, after_action=action, limit=limit + 1)
        if len(rows) > limit:
            return rows[:limit][::-1], False, False
        # Fewer are newer than a page holds: that is the first page, which is shown whole.
    ms, action = older or (EVER_MS, 2**128 - 1)
    rows = actions.rows("listing", PACKAGE, **wanted, before_ms=ms, before_action=action, limit=limit + 1)
    return rows[:limit], not (older and rows), len(rows) <= limit


def _key(row: Sequence[Any]) -> str:
    return f"{int(row[10])}.{int(row[3]):x}"


def _read(given: str, name: str) -> Place | None:
    if not given:
        return None
    ms, _, action = given.partition(".")
    try:
        found = int(ms), int(action, 16)
    except ValueError:
        found = (0, -1)
    if not (-EVER_MS <= found[0] <= EVER_MS and 0 <= found[1] < 2**128):
        raise ValueError(f"`{name}` names a row at the edge of a page, as that page gave it")
    return found


def _copies(actions: Actions, rows: Sequence[Sequence[Any]]) -> dict[int, list[Sequence[Any]]]:
    """The copies of listed actions, by action. Those outside the pool are taken through it."""
    if not rows:
        return {}
    found: dict[int, list[Sequence[Any]]] = {}
    places = [int(row[3]) for row in rows]
    if actions.is_whole:
        for action, *copy in actions.rows("copies_of_actions", PACKAGE, found=places):
            found.setdefault(int(action), []).append(copy)
        return found
    with Actions(actions.store, actions.dataset, sorted({str(row[0]) for row in rows}), each=True) as near:
        # The same moment, and the same numbers of doors and currencies: places mean the same.
        near.params |= {name: actions.params[name] for name in ("doors", "seqs", "ranks", "currencies", "units")}
        near.put("targets", "targets_by_place", places=places)
        near.want_key_b()
        near.want_places("targets")
        near.fill(1)
        if near.resolve():
            for action, *copy in near.rows("copies_of_actions", PACKAGE, found=places):
                found.setdefault(int(action), []).append(copy)
    return found


def _action(row: Sequence[Any], copies: Sequence[Sequence[Any]]) -> ListedAction:
    name, _, key, _, _, n, door, _, value, currency, event_time_ms, rules = row
    firsts: dict[bool, int] = {}
    for copy in copies:
        firsts.setdefault(copy[2] in BROWSER_SIDE, int(copy[3]))
    is_offline = any(copy[2] == Source.OFFLINE for copy in copies)
    marks = 0
    for copy in copies:
        marks |= int(copy[4])
    return ListedAction(
        event_name=str(name),
        event_id=max((str(copy[0]) for copy in copies), default="" if is_offline else str(key)),
        order_id=next((str(copy[1]) for copy in copies if copy[1]), ""),
        offset=f"{copies[0][8]}:{copies[0][9]}:{copies[0][10]}" if copies else "",
        door=_NAMES[int(door)],
        event_time=time_of_ms(int(event_time_ms)),
        received_time=time_of_us(min(firsts.values())) if firsts else "",
        apart_s=abs(firsts[True] - firsts[False]) / 1e6 if len(firsts) == 2 else None,
        copies=int(n),
        value=None if value is None else money(int(value)),
        currency=str(currency) or None,
        rules=[str(rule) for rule in rules],
        match_keys=list(dict.fromkeys(str(name) for copy in copies for name in copy[5])),
        marks=[str(mark.name).lower() for mark in Mark if mark & marks],
    )
