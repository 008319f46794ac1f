"""Start: does my shop arrive yet? The first copy from each side, and the first action that both told of."""

from __future__ import annotations

import msgspec

from truecount.datasets import Dataset
from truecount.lines import Lines
from truecount.manager.answers import time_of
from truecount.manager.boxes import Box
from truecount.measure.events import events
from truecount.resolve.scratch import Sql


class Step(msgspec.Struct):
    """One line of the checklist."""

    done: bool
    event_names: list[str] = []
    """The names that it was done by, the most frequent first."""


class Checklist(msgspec.Struct):
    """How far a dataset is. What was done once stays done, since copies stay."""

    browser: Step
    """A copy from a page arrived."""
    server: Step
    """A copy from a server arrived."""
    both: Step
    """Copies of both sides became one action."""
    copies: int

    @property
    def is_complete(self) -> bool:
        return self.browser.done and self.server.done and self.both.done


class StartView(msgspec.Struct):
    """The page Start of a dataset."""

    id: str
    name: str
    created: str
    base: str
    """Address of this server, as the visitor knows it: what the lines are made with."""
    lines: Lines
    checklist: Box[Checklist]
    token: str | None = None
    """A new access token: shown this once."""


def checklist(store: Sql, dataset: Dataset) -> Checklist:
    """What arrived so far, over all time."""
    found = sorted(events(store, dataset), key=lambda row: -row.copies)
    browser = [row.event_name for row in found if row.browser_only + row.both]
    server = [row.event_name for row in found if row.server_only + row.both]
    both = [row.event_name for row in found if row.both]
    browser_step, server_step, both_step = (Step(bool(names), names[:3]) for names in (browser, server, both))
    return Checklist(browser_step, server_step, both_step, sum(row.copies for row in found))


def start(dataset: Dataset, base: str, lines: Lines, found: Box[Checklist], token: str | None) -> StartView:
    """The whole page."""
    return StartView(
        id=dataset.id,
        name=dataset.name,
        created=time_of(dataset.created_us),
        base=base,
        lines=lines,
        checklist=found,
        token=token,
    )
