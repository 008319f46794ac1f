"""Diagnostics: what is wrong, what does it cost, how is it mended? The last look at a dataset, with its mutes."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from truecount.datasets import Dataset
from truecount.manager.boxes import PATIENCE_S, Box
from truecount.manager.kept import identity
from truecount.manager.looks import Look, Looked
from truecount.manager.mutes import LONGEST_REASON, Mute
from truecount.manager.nav import dataset_path
from truecount.manager.shared import Manager
from truecount.measure.diagnostics.findings import (
    BUDGET_S,
    CHECK_S,
    About,
    Finding,
    NotChecked,
    State,
    findings,
)
from truecount.measure.diagnostics.registry import checks
from truecount.measure.forms import time_of_us

DAYS: Final = 7
"""How far back a look goes, in days of receipt."""
DAY_US: Final = 86_400_000_000
TOP: Final = 3
LONGEST_SUBJECT: Final = 20_000
"""Characters of a finding's subject that a form may send: senders choose names at will."""

Shown = Literal["open", "solved", "muted"]


class MuteView(msgspec.Struct, kw_only=True):
    """Who muted a finding, when, why, and until when: no end where it is until somebody takes it back."""

    by: str
    muted: str
    until: str | None
    reason: str


class Card(msgspec.Struct, kw_only=True):
    """One finding as the page shows it; `state` is the one that mutes leave it."""

    id: str
    """Its anchor on the page."""
    first_of_check: bool
    """Whether the check's own name is an anchor of it too."""
    state: str
    finding: Finding
    about: list[str]
    """The values of its subject, which the forms that mute it send back."""
    mute: MuteView | None


class IdleMute(msgspec.Struct, kw_only=True):
    """A mute of something that the last look did not find."""

    check: str
    about: list[str]
    mute: MuteView


class Told(msgspec.Struct, kw_only=True):
    """What the last look found of [since, until), the cards of one state, and how many each state has."""

    as_of: str
    since: str
    until: str
    checked: int
    open: int
    solved: int
    muted: int
    cards: list[Card]
    not_told: dict[str, int]
    not_checked: list[NotChecked]
    idle_mutes: list[IdleMute]


class DiagnosticsView(msgspec.Struct, kw_only=True):
    """The page Diagnostics of a dataset."""

    id: str
    state: str
    found: Box[Told]
    is_under_way: bool
    """A new look is being made; the page shows it when it is asked for again."""
    failed: str | None
    """Why the newest look gave no answer, while an older one is shown."""
    problem: str | None = None
    """What is wrong with a form that was sent."""


class KeptFinding(msgspec.Struct, kw_only=True):
    """An open finding of the kept answer, with the address of its card."""

    check: str
    title: str
    severity: str
    value: dict[str, str]
    affected: int
    looked_at: int
    unit: str
    first_time: str
    as_of: str
    href: str


def look(manager: Manager, dataset: Dataset) -> Look:
    """Run all checks over the last DAYS days. To be called in a thread: it takes seconds on large data."""
    asked_us = time.time_ns() // 1000
    limit_s = manager.settings.query_limit_s or BUDGET_S
    found = manager.patiently(
        lambda store: findings(
            store,
            dataset,
            asked_us - DAYS * DAY_US,
            asked_us,
            asked_us,
            check_s=min(CHECK_S, limit_s),
            budget_s=min(BUDGET_S, limit_s),
        ),
        PATIENCE_S,
    )
    return Look(asked_us=asked_us, diagnosis=found)


def diagnostics(dataset: Dataset, state: Shown, looked: Looked, mutes: Mapping[About, Mute]) -> DiagnosticsView:
    """The page, of whatever answer there is."""
    failed = looked.failed
    box: Box[Told]
    if looked.look is not None:
        box = Box("there", told(looked.look, state, mutes))
    elif failed is not None and not looked.is_under_way:
        box = Box(failed.state, problem=failed.problem)
    else:
        box = Box(
            "late",
            problem="The first look at this dataset takes longer than a page may wait. It goes on, and nothing is "
            "lost: reload in some seconds.",
        )
    return DiagnosticsView(
        id=dataset.id,
        state=state,
        found=box,
        is_under_way=looked.is_under_way,
        failed=failed.problem if failed and looked.look else None,
    )


def told(look: Look, state: Shown, mutes: Mapping[About, Mute]) -> Told:
    """The cards of one state, in the order that the answer has."""
    cards = cards_of(look, mutes)
    states = [card.state for card in cards]
    seen = {about_of(card.finding) for card in cards}
    idle = [
        IdleMute(check=about[0], about=list(about[1]), mute=_mute(mute))
        for about, mute in sorted(mutes.items())
        if about not in seen
    ]
    return Told(
        as_of=time_of_us(look.asked_us // 1_000_000 * 1_000_000),
        since=look.diagnosis.since,
        until=look.diagnosis.until,
        checked=look.diagnosis.checked,
        open=states.count(State.OPEN),
        solved=states.count(State.SOLVED),
        muted=states.count(State.MUTED) + len(idle),
        cards=[card for card in cards if card.state == state],
        not_told=look.diagnosis.not_told,
        not_checked=look.diagnosis.not_checked,
        idle_mutes=idle if state == "muted" else [],
    )


def cards_of(look: Look, mutes: Mapping[About, Mute]) -> list[Card]:
    """All findings with what mutes make of them. The answer is kept without mutes, so that these hold at once."""
    made: list[Card] = []
    named: set[tuple[str, str]] = set()
    for finding in look.diagnosis.findings:
        about = about_of(finding)
        mute = mutes.get(about) if finding.state == State.OPEN else None
        state = str(State.MUTED) if mute else finding.state
        made.append(
            Card(
                id=anchor_of(about),
                first_of_check=(state, finding.check) not in named,
                state=state,
                finding=finding,
                about=list(about[1]),
                mute=_mute(mute) if mute else None,
            )
        )
        named.add((state, finding.check))
    return made


def kept_findings(manager: Manager, dataset: Dataset, most: int = TOP) -> list[KeptFinding]:
    """The open findings of most value in the last answer, without asking anybody. [] while nobody looked."""
    look = manager.looks.kept(dataset.id, identity(dataset))
    if look is None:
        return []
    cards = cards_of(look, manager.users.mutes.of_dataset(dataset.id))
    return [
        KeptFinding(
            check=card.finding.check,
            title=card.finding.title,
            severity=card.finding.severity,
            value=card.finding.value,
            affected=card.finding.affected,
            looked_at=card.finding.looked_at,
            unit=card.finding.unit,
            first_time=card.finding.first_time,
            as_of=time_of_us(look.asked_us),
            href=dataset_path(dataset.id, f"/diagnostics?state=open#{card.id}"),
        )
        for card in cards
        if card.state == State.OPEN
    ][:most]


def about_of(finding: Finding) -> About:
    return finding.check, tuple(finding.subject.values())


def anchor_of(about: About) -> str:
    """A finding's place on the page: the same from one look to the next, whatever its names hold."""
    digest = hashlib.sha256(json.dumps(about).encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{about[0]}-{digest}"


def read_about(check: str, subject: str) -> About:
    """Which finding a form means. ValueError where there can be no such finding."""
    words = next((one.words for one in checks() if one.name == check), None)
    if words is None:
        raise ValueError(f"check: wanted one of {', '.join(one.name for one in checks())}")
    try:
        found = msgspec.json.decode(subject[:LONGEST_SUBJECT], type=list[str])
    except msgspec.MsgspecError:
        found = []
    if len(found) != len(words.subject):
        raise ValueError(f"subject: wanted a JSON list of {len(words.subject)} texts, as the finding has it")
    return check, tuple(found)


def read_until(text: str, zone: str) -> int | None:
    """The end of the day that a person names, microseconds since 1970; None for none. ValueError for no date."""
    if not text.strip():
        return None
    try:
        day = date.fromisoformat(text.strip()) + timedelta(days=1)
        if not 1971 <= day.year <= 9000:
            raise ValueError
    except (ValueError, OverflowError):
        raise ValueError(f"until = {text[:30]!r}: wanted a date, as in 2026-12-31, or nothing") from None
    return int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).timestamp()) * 1_000_000


def read_reason(text: str) -> str:
    """Why, in one line. ValueError where it is too long."""
    found = " ".join(text.split())
    if len(found) > LONGEST_REASON:
        raise ValueError(f"reason: wanted {LONGEST_REASON} characters at most")
    return found


def _mute(mute: Mute) -> MuteView:
    return MuteView(
        by=mute.muted_by,
        muted=time_of_us(mute.muted_us),
        until=None if mute.until_us is None else time_of_us(mute.until_us),
        reason=mute.reason,
    )
