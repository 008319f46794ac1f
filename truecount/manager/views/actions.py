"""Actions: what is behind a number. A page of the actions that its filters leave, or what was not accepted."""

from __future__ import annotations

from typing import Any, Final, Literal
from urllib.parse import quote, urlencode

import msgspec

from truecount.datasets import Dataset
from truecount.manager import words
from truecount.manager.boxes import Box
from truecount.manager.nav import dataset_path
from truecount.manager.ranges import Period
from truecount.measure.forms import time_of_ms
from truecount.measure.listing import DOORS, ListedAction, Listing, listing
from truecount.measure.names import event_names
from truecount.measure.refused import refused
from truecount.resolve.scratch import Sql
from truecount.vocabulary import Outcome, Rule

CSV_ROWS: Final = 1000
"""Actions in one file."""
LONGEST: Final = 500
"""Characters of a filter that are read: no event name is longer."""
Shown = Literal["refused", "withheld", "set_aside"]
OUTCOMES: Final = (Outcome.REFUSED, Outcome.WITHHELD, Outcome.SET_ASIDE)


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """What the address asks for. "" where it asks for nothing."""

    event: str = ""
    door: str = ""
    rule: str = ""
    outcome: str = ""
    since: str = ""
    until: str = ""
    after: str = ""
    before: str = ""

    def address(self, dataset: str, **changes: str) -> str:
        """The address of this page with some filters changed. A change of what is shown begins at the first page."""
        asked = {**msgspec.structs.asdict(self), "after": "", "before": "", **changes}
        query = urlencode({name: text for name, text in asked.items() if text}, quote_via=quote, safe="")
        return dataset_path(dataset, "/actions") + (f"?{query}" if query else "")


class RefusedItem(msgspec.Struct, kw_only=True):
    """`n` items that were not accepted for one reason. `event_name` is "" where it never came to be known."""

    event_name: str
    source: str
    outcome: str
    reason: str
    code: str
    """code/subcode that the sender of a server event got; "" where a hit's sender got the reason in a header."""
    path: str
    """The field that it is about, "" where it is none or not always the same."""
    why: str
    n: int
    first_time: str
    last_time: str


class RefusedList(msgspec.Struct, kw_only=True):
    """What was not accepted in the period, by the time of receipt, and how many items that are."""

    items: int
    rows: list[RefusedItem]


class ActionsView(msgspec.Struct, kw_only=True):
    """The page Actions. `listing` or `refused` is there, as `outcome` says."""

    dataset: str
    filters: Filters
    since: str
    until: str
    """The period, [since, until), in UTC."""
    names: Box[list[str]]
    """Event names to choose from."""
    listing: Box[Listing] | None = None
    refused: Box[RefusedList] | None = None

    @property
    def is_untouched(self) -> bool:
        """Whether the dataset never received an event."""
        return self.names.is_there and not self.names.data


def filters_of(query: Any) -> Filters:
    """Read the filters of an address. ValueError names a wrong one, and what would be right."""
    given = {name: str(query.get(name) or "")[:LONGEST] for name in Filters.__struct_fields__}
    for name, known in (("door", tuple(DOORS)), ("rule", tuple(Rule)), ("outcome", OUTCOMES)):
        if given[name] and given[name] not in known:
            raise ValueError(f"{name} = {given[name][:40]!r}: wanted one of {', '.join(known)}")
    return Filters(**given)


def questions(dataset: Dataset, filters: Filters, period: Period, limit: int) -> dict[str, Any]:
    """What the page asks the store. ValueError for an edge of a page that no page gave."""
    names = [filters.event] if filters.event else None

    def ask_listing(store: Sql) -> Listing:
        return listing(
            store,
            dataset,
            names=names,
            since_ms=period.since_ms,
            until_ms=period.until_ms,
            door=filters.door or None,  # type: ignore[arg-type]  # read by filters_of
            rule=filters.rule,
            after=filters.after,
            before=filters.before,
            limit=limit,
        )

    def ask_refused(store: Sql) -> RefusedList:
        found = refused(store, dataset, period.since_ms * 1000, period.until_ms * 1000)
        return refused_list(found, filters)

    asked: dict[str, Any] = {"names": lambda store: event_names(store, dataset)}
    return asked | ({"refused": ask_refused} if filters.outcome else {"listing": ask_listing})


def refused_list(found: Any, filters: Filters) -> RefusedList:
    """What the filters leave of the refused items, with code, field and words; the most frequent first."""
    rows = [
        RefusedItem(
            code=words.code_of(item.reason) if item.source != "browser" else "",
            path=words.PLACES.get(item.reason, ""),
            why=words.refusal(item.reason),
            **msgspec.structs.asdict(item),
        )
        for item in found
        if item.outcome == filters.outcome and (not filters.event or item.event_name == filters.event)
    ]
    rows.sort(key=lambda row: (-row.n, row.event_name, row.source, row.reason))
    return RefusedList(items=sum(row.n for row in rows), rows=rows)


def actions_view(dataset: Dataset, filters: Filters, period: Period, boxes: dict[str, Box[Any]]) -> ActionsView:
    """The whole page."""
    return ActionsView(
        dataset=dataset.id,
        filters=filters,
        since=time_of_ms(period.since_ms),
        until=time_of_ms(period.until_ms),
        names=boxes["names"],
        listing=boxes.get("listing"),
        refused=boxes.get("refused"),
    )


def period_words(period: Period) -> str:
    """ "the last 7 days"; "" where the period is named by dates."""
    number, unit = period.since[:-1], {"h": "hour", "d": "day"}.get(period.since[-1])
    if unit is None:
        return ""
    return f"the last {unit}" if int(number) == 1 else f"the last {int(number)} {unit}s"


def table(view: ActionsView) -> tuple[list[str], list[list[object]]]:
    """The page as a table: column names and rows. Lists are joined by blanks."""
    found = (view.refused or view.listing or Box("there")).data
    kind = RefusedItem if view.refused else ListedAction
    columns = list(kind.__struct_fields__)
    rows = [[getattr(row, name) for name in columns] for row in (found.rows if found else ())]
    return columns, [[" ".join(cell) if isinstance(cell, list) else cell for cell in row] for row in rows]
