"""Explain: why one action was counted so. The answer of `explain`, put into sentences, lanes and a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import quote, urlencode

import msgspec

from truecount.manager import words
from truecount.manager.nav import dataset_path
from truecount.manager.views.explain_verdict import (
    capital,
    gap_of,
    received,
    sender,
    side_of,
    sizes_of,
    verdict_of,
)
from truecount.measure.explain import CopyDetails, Explained, ExplainedCopy
from truecount.unseen import visible
from truecount.vocabulary import Verdict

MOST_LANES: Final = 12
"""Copies that are drawn; a loop at a shop can send one sale a thousand times."""
MOST_COLUMNS: Final = 4


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """What the address asks for. `em` and `external_id` are SHA-256 in hex: the page hashes what is typed."""

    event: str = ""
    id: str = ""
    order: str = ""
    fbp: str = ""
    em: str = ""
    external_id: str = ""
    at: str = ""
    """Offset of a copy, door:entry:position."""

    def address(self, dataset: str, **more: str) -> str:
        """The address of this search: all in the query, since a path could end so that the doors take it, or hold dots
        that browsers resolve.
        """
        asked = {**msgspec.structs.asdict(self), **more}
        query = urlencode({name: text for name, text in asked.items() if text}, quote_via=quote, safe="")
        return dataset_path(dataset, "/explain") + (f"?{query}" if query else "")

    @property
    def by(self) -> dict[str, str]:
        """What the action is to be found by, as `explain` wants it."""
        given = {
            "event_id": self.id,
            "order": self.order,
            "fbp": self.fbp,
            "em": self.em,
            "external_id": self.external_id,
            "offset": self.at,
        }
        return {name: text for name, text in given.items() if text}


class SearchView(msgspec.Struct, kw_only=True):
    """The page without an answer: the form, and what is wrong, if anything is."""

    dataset: str
    search: Search
    error: str | None = None
    is_unknown: bool = False
    """Whether there is no such action; else it could not be asked for, or the store did not answer."""


class Lane(msgspec.Struct, kw_only=True):
    """One copy as it is drawn, in the order of receipt."""

    side: str
    """browser or server."""
    title: str
    received_time: str
    after_s: float
    """Seconds after the first copy."""
    verdict: str
    facts: list[tuple[str, str]]
    """A label and what it says."""
    starts: bool
    """Whether it is the first one of its side."""
    runs: list[str]
    """Sides whose line is being drawn here."""


class Why(msgspec.Struct, kw_only=True):
    """One line of the card that says why."""

    label: str
    rule: str | None
    text: str


class Column(msgspec.Struct, kw_only=True):
    """One of the copies that stand side by side."""

    side: str
    name: str
    title: str
    """With what became of it."""


class FieldRow(msgspec.Struct, kw_only=True):
    """One field of the copies side by side. A value is null where it was not sent."""

    name: str
    kind: str
    """text or time."""
    values: list[str | None]
    differs: bool


class ExplainView(Explained, kw_only=True):
    """What `explain` answers, and the same for a person."""

    head: str
    sentence: str
    door: str
    """both, browser, server; none where nothing is counted."""
    removed_copies: int
    unlisted: int
    """Copies of an action of very many that are not in `copies`."""
    why: list[Why]
    lanes: list[Lane]
    columns: list[Column]
    fields: list[FieldRow]


_KEYS: Final = {
    "event_id": "the event id",
    "order": "the order id",
    "fbp": "the fbp",
    "em": "this e-mail address",
    "external_id": "this external id",
    "offset": "a copy at",
}


def unknown(event: str, by: str, text: str) -> str:
    """What is said where nothing is found."""
    shown = "" if by in ("em", "external_id") else f" “{visible(text[:60])}{'…' if len(text) > 60 else ''}”"
    it = f"No {visible(event[:60])} here has {_KEYS[by]}{shown}."
    return f"{it} Ids are compared letter by letter: case, spaces and zeros count."


def explain_view(found: Explained) -> ExplainView:
    """The whole page."""
    counted = [copy for copy in found.copies if copy.verdict != Verdict.LEFT_OUT]
    sides = sizes_of(found)
    chosen = _chosen(found.copies, MOST_COLUMNS)
    head, sentence = verdict_of(found)
    return ExplainView(
        **{name: getattr(found, name) for name in Explained.__struct_fields__},
        head=head,
        sentence=sentence,
        door="both" if len(sides) == 2 else next(iter(sides), "none"),
        removed_copies=max(sides.total() - max(len(sides), 1), 0),
        unlisted=sum(one.copies for one in found.unshown),
        why=_why(found, counted),
        lanes=_lanes(found.copies),
        columns=[
            Column(side=side_of(copy), name=_called(copy), title=f"{_called(copy)}, {_verdict(copy)}")
            for copy in chosen
        ],
        fields=_fields(chosen),
    )


# The card


def _why(found: Explained, counted: Sequence[ExplainedCopy]) -> list[Why]:
    if not counted:
        return []
    lines = []
    kept = next((copy for copy in counted if copy.verdict == Verdict.KEPT), counted[0])
    duplicates = [copy for copy in counted if copy.verdict == Verdict.DUPLICATE]
    joined = dict.fromkeys(str(copy.rule) for copy in duplicates)
    for at, rule in enumerate(joined):
        lines.append(Why(label="Why one" if not at else "And", rule=rule, text=words.RULES[rule]))
    if kept.rule:
        label = "Which copy is kept" if duplicates else "Why it counts"
        which = f"That of {sender(kept)}. " if duplicates else ""
        lines.append(Why(label=label, rule=kept.rule, text=which + words.RULES[kept.rule]))
    sizes = sizes_of(found)
    again: dict[str, list[ExplainedCopy]] = {}
    for copy in counted:
        again.setdefault(side_of(copy), []).append(copy)
    for side, copies in again.items():
        if len(copies) > 1:
            more = sizes[side] - 1
            gap = gap_of(copies[0], copies[-1], " later")
            text = f"{words.counted(more)} more from {sender(copies[1])}, the last {gap}."
            lines.append(Why(label="Also removed", rule=copies[-1].rule or copies[1].rule, text=text))
    if found.amended:
        text = "An AppendValue event changed the value after the copies came."
        lines.append(Why(label="Amended", rule=None, text=text))
    return lines


# The lanes


def _lanes(copies: Sequence[ExplainedCopy]) -> list[Lane]:
    found = []
    seen: list[str] = []
    for copy in _chosen(copies, MOST_LANES):
        side = side_of(copy)
        starts = copy.verdict != Verdict.LEFT_OUT and side not in seen
        if starts:
            seen.append(side)
        found.append(
            Lane(
                side=side,
                title=f"Received {_door(copy)}",
                received_time=copy.received_time,
                after_s=(received(copy) - received(copies[0])).total_seconds(),
                verdict=_verdict(copy),
                facts=_facts(copy),
                starts=starts,
                runs=[*seen],
            )
        )
    return found


def _facts(copy: ExplainedCopy) -> list[tuple[str, str]]:
    details = copy.details
    facts = [("Match keys", ", ".join(copy.match_keys) or "none")]
    if isinstance(details, CopyDetails):
        facts.append(("Taken out", "; ".join(map(words.taken, details.removed)) or "nothing"))
        if details.notes:
            facts.append(("Noted", "; ".join(map(words.noted, details.notes))))
        if details.consent:
            facts.append(("Consent", details.consent))
    if copy.marks:
        facts.append(("Marked", "; ".join(words.MARKS[mark] for mark in copy.marks)))
    return facts


def _door(copy: ExplainedCopy) -> str:
    if "imported" in copy.marks:
        return "from an import"
    if copy.source in ("browser", "server"):
        return f"at the {copy.source} door"
    return f"at the server door, from {sender(copy)}"


# Side by side


def _chosen(copies: Sequence[ExplainedCopy], most: int) -> list[ExplainedCopy]:
    """At most so many, in their order: the kept one and the first of each side before all others."""
    first: dict[str, int] = {}
    for at, copy in enumerate(copies):
        first.setdefault(side_of(copy), at)
    kept = [at for at, copy in enumerate(copies) if copy.verdict == Verdict.KEPT]
    places = [*dict.fromkeys([*kept[:1], *first.values(), *range(len(copies))])]
    return [copies[at] for at in sorted(places[:most])]


def _fields(copies: Sequence[ExplainedCopy]) -> list[FieldRow]:
    def told(name: str, of: Callable[[ExplainedCopy], str | None], kind: str = "text") -> FieldRow:
        values = [of(copy) or None for copy in copies]
        return FieldRow(name=name, kind=kind, values=values, differs=len(set(values)) > 1)

    def detail(name: str) -> Callable[[ExplainedCopy], str | None]:
        return lambda copy: getattr(copy.details, name, None)

    def key(name: str) -> Callable[[ExplainedCopy], str | None]:
        return lambda copy: " ".join(_key_marks(copy).get(name, ()))

    rows = [
        told("event_id", lambda copy: copy.event_id),
        told("event_time", lambda copy: copy.event_time, "time"),
        told("received_time", lambda copy: copy.received_time, "time"),
        told("value", detail("value")),
        told("currency", detail("currency")),
        told("order_id", lambda copy: copy.order_id),
        *(told(name, detail(name)) for name in ("item_number", "action_source", "url", "referrer")),
        *(told(name, key(name)) for name in _in_order(name for copy in copies for name in _key_marks(copy))),
        *(told(name, detail(name)) for name in ("custom_data", "consent", "test_event_code", "browser", "campaign")),
        told("marks", lambda copy: ", ".join(copy.marks)),
        told("offset", detail("offset")),
    ]
    return [row for row in rows if any(value is not None for value in row.values)]


def _key_marks(copy: ExplainedCopy) -> Mapping[str, Sequence[str]]:
    return copy.details.key_marks if isinstance(copy.details, CopyDetails) else {}


def _in_order(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _called(copy: ExplainedCopy) -> str:
    return capital(sender(copy).removeprefix("the "))


def _verdict(copy: ExplainedCopy) -> str:
    return {"kept": "kept", "duplicate": "merged in", "left_out": "left out"}[copy.verdict]
