"""Events: per event name the copies, the actions that they make, and what those are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from truecount.datasets import Dataset
from truecount.resolve.actions import AMENDMENT, EVER_MS, Actions, Moment, Profile
from truecount.resolve.scratch import Sql
from truecount.vocabulary import BROWSER_SIDE, Mark, Source

from .forms import money, time_of_ms
from .refused import EVER_US, numbers_refused
from .settled import check_settled, check_unmoved, until_settled
from .sums import sum_up, want_all


class EventTotals(msgspec.Struct, kw_only=True):
    """The count of one event name as sums can tell it: EventCounts has each field's meaning."""

    event_name: str
    copies: int = 0
    actions: int = 0
    browser_only: int = 0
    server_only: int = 0
    both: int = 0
    value: dict[str, str] = {}
    refused: int = 0
    left_out: int = 0
    limited: int = 0
    bots: int = 0
    tools: int = 0


class EventCounts(msgspec.Struct, kw_only=True):
    """The count of one event name. `copies` and all that follows but `refused` look at event times.

    `copies` is every accepted copy; `actions` = browser_only + server_only + both. `left_out` copies carry a mark that
    the dataset does not count, and form no action. `limited` actions were told of by copies without identifiers alone
    and met no twin. `bots` and `tools` are copies with these marks, counted or not. `value` is the value of the kept
    copies, by currency, as decimal text; copies without a currency have none. Refused items whose name never came to be
    known, or is no standard event's, stand under the name "", so that `refused` adds up.
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


def totals_of(counts: EventCounts) -> EventTotals:
    """The same without its times."""
    return EventTotals(**{name: getattr(counts, name) for name in EventTotals.__struct_fields__})


class Sums:
    """What is being added up for one event name."""

    def __init__(self) -> None:
        self.copies = self.actions = self.browser_only = self.server_only = self.both = 0
        self.left_out = self.limited = self.bots = self.tools = self.refused = 0
        self.value_e4: dict[str, int] = {}
        self.times_ms: list[int] = []

    def add_marks(self, row: Profile, actions: Actions) -> None:
        """Add what a row of the profile tells of marks and of copies that are left out."""
        self.bots += row.in_range if row.marks & Mark.BOT else 0
        self.tools += row.in_range if row.marks & Mark.TOOL else 0
        if actions.is_left_out(row):
            self.left_out += row.in_range
            self.copies += row.in_range
            self.times_ms += [row.first_ms, row.last_ms]

    def add_bare(self, row: Profile, actions: Actions) -> None:
        """Add copies that a row of the profile shows to be an action each."""
        if actions.is_left_out(row):
            return
        if row.bare and row.source != Source.OFFLINE and row.event_name not in actions.params["pooled_names"]:
            is_browser = row.source in BROWSER_SIDE
            sides = (row.in_range, 0) if is_browser else (0, row.in_range)
            limited = row.in_range if row.marks & Mark.LIMITED else 0
            self.add(
                row.currency if row.valued else "",
                [row.in_range, row.in_range, *sides, 0, limited, row.value_e4, row.first_ms, row.last_ms],
            )

    def add(self, currency: str, numbers: Sequence[int]) -> None:
        """Add actions whose values are of one currency, "" for none: a row of sums.sql."""
        self.actions += numbers[0]
        self.copies += numbers[1]
        self.browser_only += numbers[2]
        self.server_only += numbers[3]
        self.both += numbers[4]
        self.limited += numbers[5]
        if currency:
            self.value_e4[currency] = self.value_e4.get(currency, 0) + numbers[6]
        self.times_ms += numbers[7:]


def events(
    store: Sql,
    dataset: Dataset,
    since_us: int | None = None,
    until_us: int | None = None,
    moment: Moment | None = None,
) -> list[EventCounts]:
    """Count a dataset's events, ordered by name.

    The range [since, until), microseconds since 1970, is of event times: an action lies where its kept copy lies. Dedup
    always sees all copies, or those up to `moment`. Refused items have no event time: they lie where they came in.
    """
    return until_settled(store, dataset, moment, lambda at: _events(store, dataset, since_us, until_us, at))


def _events(
    store: Sql, dataset: Dataset, since_us: int | None, until_us: int | None, moment: Moment | None
) -> list[EventCounts]:
    names: dict[str, Sums] = {}
    since_ms = -EVER_MS if since_us is None else -(-since_us // 1000)
    until_ms = EVER_MS if until_us is None else -(-until_us // 1000)
    with Actions(store, dataset, since_ms=since_ms, until_ms=until_ms, moment=moment) as actions:
        amended = want_all(actions)
        for row in actions.profile:
            if row.event_name != AMENDMENT and row.in_range:
                sums = names.setdefault(row.event_name, Sums())
                sums.add_marks(row, actions)
                sums.add_bare(row, actions)
        for one in sum_up(actions, actions.params["pooled_names"]):
            names.setdefault(one.event_name, Sums()).add(one.currency, one[3:])
        if since_us is None and until_us is None:
            check_settled(actions, sum(sums.copies - sums.left_out for sums in names.values()))
        else:
            check_unmoved(actions)
        if amended is not None:
            names[AMENDMENT] = of_amendments(amended)
    edges_us = [-EVER_US if since_us is None else since_us, EVER_US if until_us is None else until_us]
    return told(names, numbers_refused(store, dataset, edges_us)[0])


def told(names: dict[str, Sums], refused: Mapping[str, int]) -> list[EventCounts]:
    """The counts of each name, with what was refused of it."""
    for name, n in refused.items():
        names.setdefault(name, Sums()).refused += n
    return [_counts(name, sums) for name, sums in sorted(names.items()) if sums.copies or sums.refused]


def of_amendments(found: Sequence[int]) -> Sums:
    """Amendments whose original is there are accepted copies; the others are set aside, and no copies."""
    sums = Sums()
    sums.copies, sums.left_out = found[1], found[2]
    sums.times_ms = list(found[3:5]) if found[1] else []
    return sums


def _counts(name: str, sums: Sums) -> EventCounts:
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
