"""What to mend: every check over one range of a dataset's receipts, in one look at one moment of the log."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import StrEnum
from fractions import Fraction
from typing import Any, Final, NamedTuple

import msgspec

from truecount.datasets import Dataset
from truecount.measure.forms import money, time_of_us
from truecount.resolve.actions import PLACE_BIAS_US, Actions
from truecount.resolve.definitions import complete, text_of
from truecount.resolve.scratch import UNCOMPILED, Sql
from truecount.store.errors import QueryFailed, QueryTooHeavy, StoreDown
from truecount.vocabulary import STANDARD_EVENTS, Mark

from .registry import PACKAGE, Check, Severity, checks
from .sentences import facts_of, sentence

HOUR_US: Final = 3_600_000_000
CHECK_S: Final = 10.0
"""One check may take so long."""
BUDGET_S: Final = 25.0
"""All together may take so long: what has not begun by then is told as not checked."""
COLUMNS_FIRST: Final = "prefer_column_name_to_alias = 1"
"""`min(place) as place`: within such a SELECT, place is the column and not its least."""
MOST: Final = 50
"""Findings of one check that are told, those with most that is wrong: senders choose names at will."""
RETRIES: Final = 20
"""A sender that tries again reports one event with an id at most so often."""
BEFORE_A_SALE: Final = (
    "PageView",
    "ViewContent",
    "Search",
    "FindLocation",
    "CustomizeProduct",
    "AddToWishlist",
    "AddToCart",
    "InitiateCheckout",
    "AddPaymentInfo",
)
"""Standard events whose value is a price that was looked at: nothing earned, so nothing at stake."""

About = tuple[str, tuple[str, ...]]
"""Which finding: its check and its subject."""


class State(StrEnum):
    OPEN = "open"
    MUTED = "muted"
    SOLVED = "solved"


class Example(msgspec.Struct, kw_only=True):
    """An event that shows it, for a page to link to; `offset` names a copy that has no event id."""

    event_name: str
    event_id: str
    source: str
    received_time: str
    offset: str


class Finding(msgspec.Struct, kw_only=True):
    """One thing to mend.

    `check` and `subject` (names and what they stand for) make it this finding from one look to the next. `affected`
    of `looked_at` things of the kind `unit` are wrong, which is `share` of them, 0 to 1; of silence, what is missing of
    what would have come. `value` is at stake, by currency: each event id once, standard events before a sale left out;
    {} where nothing is, or nothing is known. Times are those of receipt. `examples` are five of the newest at most.
    """

    check: str
    subject: dict[str, str]
    state: str
    severity: str
    title: str
    seen: str
    fix: str
    closes: str
    unit: str
    affected: int
    looked_at: int
    share: float
    value: dict[str, str]
    first_time: str
    last_time: str
    examples: list[Example]
    muted_until: str | None = None


class NotChecked(msgspec.Struct, kw_only=True):
    check: str
    reason: str


class Diagnosis(msgspec.Struct, kw_only=True):
    """What all checks found of [since, until): open findings first, then muted ones, then solved ones.

    In each state the most value at stake comes first. Currencies are not added up and need no rates: a finding ranks by
    the largest part that its value has of what all events of the range are worth in one currency. What is alike in that
    goes by severity, then by share, then by name.
    """

    since: str
    until: str
    checked: int
    findings: list[Finding]
    not_told: dict[str, int]
    """Check -> further findings, beyond the MOST of it."""
    not_checked: list[NotChecked]


class Row(NamedTuple):
    """One row of found.sql."""

    subject: Sequence[str]
    looked_at: int
    affected: int
    first_us: int
    last_us: int
    good_lately: int
    extras: Sequence[int]
    examples: Sequence[Sequence[str]]
    values: Sequence[Sequence[str]]
    subjects: int
    """How many rows there are in all."""


def findings(
    store: Sql,
    dataset: Dataset,
    since_us: int,
    until_us: int,
    now_us: int,
    *,
    names: Collection[str] | None = None,
    muted: Mapping[About, int] | None = None,
    check_s: float = CHECK_S,
    budget_s: float = BUDGET_S,
) -> Diagnosis:
    """Run the checks, or those of `names`, over what was received in [since_us, until_us), microseconds since 1970.

    What is solved is told as seen at `now_us`, or at the end of the range where that is earlier. `muted` tells until
    when (microseconds since 1970) a finding is muted. A check that fails, takes longer than `check_s` seconds, or does
    not get to run before all have taken `budget_s`, is in `not_checked` with the reason and stops no other. StoreDown
    when nobody answers.
    """
    chosen = [check for check in checks() if names is None or check.name in names]
    chosen.sort(key=lambda check: _SEVERITIES.index(check.words.severity))  # what matters most, should time run out
    asked_us = min(now_us, until_us)
    found: list[tuple[Finding, Fraction]] = []
    not_told: dict[str, int] = {}
    failed: list[NotChecked] = []
    ends = time.monotonic() + budget_s
    with Actions(store, dataset) as actions:
        actions.params |= parameters_of(since_us, until_us, asked_us)
        turnover: dict[str, int] = {}
        for check in chosen:
            left_s = min(check_s, ends - time.monotonic())
            if left_s <= 0:
                failed.append(NotChecked(check=check.name, reason=LATE))
                continue
            try:
                rows = list(_rows(actions, check, asked_us, left_s))
                if not turnover and any(row.values for row in rows):
                    turnover = dict(_turnover(actions, left_s))
            except StoreDown:
                raise
            except QueryFailed as error:
                failed.append(NotChecked(check=check.name, reason=reason_of(error)))
                continue
            if rows and int(rows[0].subjects) > len(rows):
                not_told[check.name] = int(rows[0].subjects) - len(rows)
            for row in rows:
                found.append((_finding(actions, check, row, asked_us, now_us, muted or {}), _part(row, turnover)))
    found.sort(key=_rank)
    return Diagnosis(
        since=time_of_us(since_us),
        until=time_of_us(until_us),
        checked=len(chosen) - len(failed),
        findings=[finding for finding, _ in found],
        not_told=not_told,
        not_checked=failed,
    )


LATE: Final = "the time for all checks was used up before it could begin: choose a shorter range"


def reason_of(error: QueryFailed) -> str:
    """Why a check could not be run, in words; the engine's own text may hold parts of the data."""
    if isinstance(error, QueryTooHeavy):
        return f"it took more time or memory than a check may (code {error.code}): choose a shorter range"
    return f"the engine refused its question (code {error.code}); please report it"


def parameters_of(since_us: int, until_us: int, asked_us: int) -> dict[str, Any]:
    """What the SQL of all checks can name, beside `quiet_from_us`, and what Actions gives."""
    return {
        "since_us": since_us,
        "until_us": until_us,
        "asked_us": asked_us,
        "most": MOST,
        "retries": RETRIES,
        "before_a_sale": list(BEFORE_A_SALE),
        "standard": list(STANDARD_EVENTS),
        "test": int(Mark.TEST),
        "imported": int(Mark.IMPORTED),
        "no_visits": int(Mark.TEST | Mark.IMPORTED),
    }


def statement_of(units: str) -> str:
    """The statement of a check: its units, and what found.sql makes of them."""
    rest = text_of("found", PACKAGE).removeprefix("with\n")
    return complete(f"with\n{shared()},\nunits as (\n{units}\n),\n{rest}")


def shared() -> str:
    """What the units of all checks may read by name, as the beginning of a WITH."""
    return ",\n".join(f"{name} as (\n{text_of(name, PACKAGE)}\n)" for name in ("seen", "two_sided"))


def _ask(actions: Actions, sql: str, limit_s: float, **params: Any) -> Sequence[Sequence[Any]]:
    settings = "\nSETTINGS " if actions.large else f"{UNCOMPILED}, "
    return actions.ask(f"{sql}{settings}{COLUMNS_FIRST}, max_execution_time = {limit_s:.3f}", **params)


def _rows(actions: Actions, check: Check, asked_us: int, limit_s: float) -> Iterator[Row]:
    words = check.words
    quiet_from_us = asked_us - words.quiet_hours * HOUR_US
    for row in _ask(actions, statement_of(check.units), limit_s, least=words.least, quiet_from_us=quiet_from_us):
        yield Row(*row)


def _turnover(actions: Actions, limit_s: float) -> Iterator[tuple[str, int]]:
    sql = complete(f"with {shared()}\n{text_of('turnover', PACKAGE)}")
    for currency, value_e4 in _ask(actions, sql, limit_s):
        yield str(currency), int(value_e4)


def _finding(
    actions: Actions,
    check: Check,
    row: Row,
    asked_us: int,
    now_us: int,
    muted: Mapping[About, int],
) -> Finding:
    words = check.words
    subject = tuple(str(part) for part in row.subject)
    affected, looked_at = int(row.affected), int(row.looked_at)
    facts = facts_of(str(actions.params["dataset"]), check, subject, affected, looked_at, [int(n) for n in row.extras])
    quiet = int(row.last_us) < asked_us - words.quiet_hours * HOUR_US
    muted_us = muted.get((check.name, subject), 0)
    state = State.OPEN
    if quiet and int(row.good_lately) >= words.good:
        state = State.SOLVED
    elif muted_us > now_us:
        state = State.MUTED
    return Finding(
        check=check.name,
        subject=dict(zip(words.subject, subject, strict=True)),
        state=str(state),
        severity=str(words.severity),
        title=sentence(words.title, facts),
        seen=sentence(words.seen, facts),
        fix=sentence(words.fix, facts),
        closes=sentence(words.closes, facts),
        unit=words.unit,
        affected=affected,
        looked_at=looked_at,
        share=min(affected / looked_at, 1.0) if looked_at else 1.0,
        value={str(currency): money(int(value_e4)) for currency, value_e4 in row.values},
        first_time=time_of_us(int(row.first_us)),
        last_time=time_of_us(int(row.last_us)),
        examples=[_example(actions.params["doors"], *example) for example in row.examples],
        muted_until=time_of_us(muted_us) if state is State.MUTED else None,
    )


def _example(doors: Sequence[str], event_name: str, event_id: str, source: str, place: str) -> Example:
    """An example of found.sql. accepted.sql says how a place is made."""
    bits = int(place)
    door = doors[((bits >> 60) & 0xFFFF) - 1]
    return Example(
        event_name=str(event_name),
        event_id=str(event_id),
        source=str(source),
        received_time=time_of_us((bits >> 76) - PLACE_BIAS_US),
        offset=f"{door}/{(bits >> 20) & 0xFFFFFFFFFF}/{bits & 0xFFFFF}",
    )


def _part(row: Row, turnover: Mapping[str, int]) -> Fraction:
    """The largest part that the value at stake has of what all is worth in one currency."""
    parts = [
        Fraction(abs(int(value_e4)), max(abs(turnover.get(str(currency), 0)), 1)) for currency, value_e4 in row.values
    ]
    return max(parts, default=Fraction(0))


_STATES: Final = tuple(State)
_SEVERITIES: Final = tuple(Severity)


def _rank(found: tuple[Finding, Fraction]) -> tuple[Any, ...]:
    finding, part = found
    return (
        _STATES.index(State(finding.state)),
        -part,
        _SEVERITIES.index(Severity(finding.severity)),
        -finding.share,
        finding.check,
        *finding.subject.values(),
    )
