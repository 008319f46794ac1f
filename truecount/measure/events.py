"""Events: per event name the copies, the actions that they make, and what those are worth."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from truecount.datasets import Dataset
from truecount.resolve.actions import AMENDMENT, EVER_MS, Actions
from truecount.resolve.scratch import Sql
from truecount.vocabulary import Outcome

from .forms import money, time_of_ms
from .refused import tallied

PACKAGE: Final = "truecount.measure"
TRIES: Final = 5


class EventCounts(msgspec.Struct, kw_only=True):
    """The count of one event name. `copies` and all that follows but `refused` look at event times.

    `copies` is every accepted copy; `actions` = browser_only + server_only + both. `left_out` copies carry a mark that
    the dataset does not count, and form no action. `limited` actions were told of by copies without identifiers alone
    and met no twin. `bots` and `tools` are copies with these marks, counted or not. `value` is the value of the kept
    copies, by currency, as decimal text; copies without a currency have none.
    """

    event_name: str
    copies: int = 0
    actions: int = 0
    browser_only: int = 0
    server_only: int = 0
    both: int = 0
    value: dict[str, str] = {}
    refused: int = 0
    first_time: str | None = None
    last_time: str | None = None
    left_out: int = 0
    limited: int = 0
    bots: int = 0
    tools: int = 0


class _Sums:
    """What is being added up for one event name."""

    def __init__(self) -> None:
        self.copies = self.actions = self.browser_only = self.server_only = self.both = 0
        self.left_out = self.limited = self.bots = self.tools = self.refused = 0
        self.value_e4: dict[str, int] = {}
        self.times_ms: list[int] = []


class Moved(Exception):
    """The store took in an earlier batch's rest while the answer was made: make it again."""


def events(store: Sql, dataset: Dataset, since_us: int | None = None, until_us: int | None = None) -> list[EventCounts]:
    """Count a dataset's events, ordered by name.

    The range [since, until), microseconds since 1970, is of event times: an action lies where its kept copy lies. Dedup
    always sees all copies. Refused items have no event time: they lie where they were received.
    """
    for left in range(TRIES, 0, -1):
        try:
            return _events(store, dataset, since_us, until_us)
        except Moved:
            if left == 1:
                raise
    raise AssertionError


def _events(store: Sql, dataset: Dataset, since_us: int | None, until_us: int | None) -> list[EventCounts]:
    names: dict[str, _Sums] = {}
    since_ms = -EVER_MS if since_us is None else -(-since_us // 1000)
    until_ms = EVER_MS if until_us is None else -(-until_us // 1000)
    with Actions(store, dataset, since_ms=since_ms, until_ms=until_ms) as actions:
        for row in actions.profile:
            sums = names.setdefault(str(row["event_name"]), _Sums())
            sums.left_out += int(row["left_out_in_range"])
            sums.copies += int(row["left_out_in_range"])
            sums.bots += int(row["bots"])
            sums.tools += int(row["tools"])
            if row["left_out_in_range"]:
                sums.times_ms += [int(row["first_ms"]), int(row["last_ms"])]
        actions.want_key_b()
        _add_amendments(actions, names)
        if actions.count("wanted"):
            actions.fill(1)
        _sum_up(actions)
        for name, currency, *numbers in actions.rows("sums", PACKAGE):
            sums = names.setdefault(str(name), _Sums())
            counts = [int(number) for number in numbers]
            sums.actions += counts[0]
            sums.copies += counts[1]
            sums.browser_only += counts[2]
            sums.server_only += counts[3]
            sums.both += counts[4]
            sums.limited += counts[5]
            if counts[7] and currency:
                sums.value_e4[str(currency)] = sums.value_e4.get(str(currency), 0) + counts[6]
            sums.times_ms += counts[8:]
        if since_us is None and until_us is None:
            rows = [row for row in actions.profile if not row["bare"] and row["event_name"] != AMENDMENT]
            summed = sum(sums.copies for name, sums in names.items() if name != AMENDMENT)
            if sum(int(row["copies"]) for row in rows) != summed:
                raise Moved("the count of copies and their sum over actions differ")
    for item in tallied(store, dataset, since_us, until_us):
        if item.outcome == Outcome.REFUSED and item.event_name:
            names.setdefault(item.event_name, _Sums()).refused += item.n
    return [_counts(name, sums) for name, sums in sorted(names.items()) if sums.copies or sums.refused]


def _add_amendments(actions: Actions, names: dict[str, _Sums]) -> None:
    """Amendments whose original is there are accepted copies; the others are set aside, and no copies."""
    if AMENDMENT not in names:
        return
    actions.put("originals", "originals")
    found = [int(value) for value in actions.rows("amendments_found", PACKAGE)[0]]
    sums = names[AMENDMENT]
    sums.copies = found[1]
    sums.left_out = found[2]
    sums.times_ms = found[3:5] if found[1] else []
    if found[0]:
        actions.want_places("originals")


def _sum_up(actions: Actions) -> None:
    actions.put("sums", "sums_of_plain", PACKAGE)
    actions.put("wanted", "wanted_long")
    long = actions.store.query_rows(
        f"SELECT count() FROM {actions.params['wanted']} WHERE round = 2",
    )
    if int(long[0][0]):
        actions.fill(2)
    if actions.resolve():
        actions.need("amended")
        if actions.count("originals"):
            actions.put("amended", "amended")
        actions.put("sums", "sums_of_special", PACKAGE)


def _counts(name: str, sums: _Sums) -> EventCounts:
    return EventCounts(
        event_name=name,
        copies=sums.copies,
        actions=sums.actions,
        browser_only=sums.browser_only,
        server_only=sums.server_only,
        both=sums.both,
        value={currency: money(value) for currency, value in sorted(sums.value_e4.items())},
        refused=sums.refused,
        first_time=time_of_ms(min(sums.times_ms)) if sums.times_ms else None,
        last_time=time_of_ms(max(sums.times_ms)) if sums.times_ms else None,
        left_out=sums.left_out,
        limited=sums.limited,
        bots=sums.bots,
        tools=sums.tools,
    )


def as_json(answer: Any) -> bytes:
    """The fixed machine-readable form of an answer."""
    return msgspec.json.encode(answer)
