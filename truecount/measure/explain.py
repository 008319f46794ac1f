"""Explain: the copies of one action, which rule decided of each, and what came near without belonging to it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from truecount.datasets import Dataset
from truecount.policy.scrub import scrub_id
from truecount.policy.urls import strip_appendix
from truecount.resolve.actions import Actions
from truecount.resolve.scratch import Sql
from truecount.vocabulary import DIGEST_KEYS, Mark, Verdict

from .forms import money, time_of_ms, time_of_us
from .nearest import Candidate, Nearest, nearest_of

PACKAGE: Final = "truecount.measure"
MOST: Final = 1000
"""Copies of an action that are listed."""
_EVER: Final = 2**62
RECEIVED_SHIFT: Final = 76
"""Above this many bits a place in the log counts the microseconds of its receipt, from an early start."""
_DIGEST: Final = re.compile(r"[0-9a-fA-F]{64}").fullmatch
_OFFSET: Final = re.compile(r"(.{1,200}):(\d{1,19}):(\d{1,9})", re.DOTALL | re.ASCII).fullmatch
_COLUMNS: Final = (
    "place",
    "source",
    "event_name",
    "event_id",
    "received_us",
    "event_time_ms",
    "value_e4",
    "currency",
    "order_id",
    "item_number",
    "marks",
    "class",
    "verdict",
    "rule",
    "fbp",
    "fbc",
    *DIGEST_KEYS,
    "other_names",
    "other_values",
    "removed",
    "notes",
    "door",
    "seq",
    "pos",
    "action_source",
    "url",
    "referrer",
    "custom_data",
    "consent",
    "test_event_code",
    "browser",
    "campaign",
)


class CopyDetails(msgspec.Struct, kw_only=True):
    """What a page shows of a copy beside how it was decided; all as it is kept, raw contact data is not in it.

    `removed` says what scrubbing took ("url:email"), `notes` what was odd about it ("bad:value"). `offset` is its place
    in the log, door:entry:position. `key_marks` are short forms of the match keys' values: enough to tell equal ones.
    """

    offset: str
    value: str | None
    currency: str | None
    item_number: str
    action_source: str
    url: str
    referrer: str
    custom_data: str
    consent: str
    test_event_code: str
    browser: str
    campaign: str
    key_marks: dict[str, list[str]]
    removed: list[str]
    notes: list[str]


class ExplainedCopy(msgspec.Struct, kw_only=True):
    """One copy. `verdict`: kept, duplicate, or left_out (it forms no action; `rule` is null then)."""

    source: str
    received_time: str
    event_time: str
    verdict: str
    rule: str | None
    match_keys: list[str]
    event_id: str
    order_id: str
    marks: list[str]
    hashes: dict[str, list[str]] | msgspec.UnsetType = msgspec.UNSET
    """With `hashes`: the values of each match key as they are kept."""
    details: CopyDetails | msgspec.UnsetType = msgspec.UNSET
    """With `details`."""


class Unshown(msgspec.Struct, frozen=True, kw_only=True):
    """Copies of an action that are not listed, of one source and verdict."""

    source: str
    verdict: str
    copies: int


class Explained(msgspec.Struct, kw_only=True):
    """One action: its copies in log order. `value` is the kept copy's, as amended.

    Of more than MOST copies the kept one is listed, and of each source and verdict the first and the last ones; how
    many there are besides is `unshown`.
    `others` counts the other actions that the search found; they are older than this one, unless an offset chose it.
    `nearest` is, for an action seen from one side alone, the copy that came nearest to merging with it.
    """

    event_name: str
    event_id: str
    person: str | None
    value: str | None
    currency: str | None
    copies: list[ExplainedCopy]
    credit: list[Any]
    deliveries: list[Any]
    others: int
    nearest: Nearest | None
    amended: bool
    unshown: list[Unshown] = []


def explain(
    store: Sql,
    dataset: Dataset,
    event_name: str,
    *,
    event_id: str | None = None,
    order: str | None = None,
    fbp: str | None = None,
    external_id: str | None = None,
    em: str | None = None,
    offset: str | None = None,
    hashes: bool = False,
    details: bool = False,
) -> Explained | None:
    """Explain the newest action of this name that holds a copy with this event id, order id, fbp, external id, e-mail.

    Ids are as they were sent or as they are kept (an e-mail inside hashed); `external_id` is raw or its SHA-256 in hex,
    `em` is the SHA-256 in hex alone. `offset` (door:entry:position of a copy) finds the action that holds that copy; it
    may stand beside an event id, whose other actions are counted then. None when there is no such copy. ValueError
    unless exactly one is given, or one cannot be read.
    """
    check_names(event_id=event_id, order=order, fbp=fbp, external_id=external_id, em=em, offset=offset)
    chosen = _read_offset(offset) if offset else None
    event_id, order = _as_kept(event_id), _as_kept(order)
    fbp = _as_kept(strip_appendix(fbp, "fbp")) if fbp else None
    with Actions(store, dataset, [event_name], each=True, amended=True) as actions:
        if chosen:
            actions.put("chosen", "targets_by_offset", **chosen, event_name=event_name)
            if not actions.count("chosen"):
                return None
            actions.put("targets", "targets_by_offset", **chosen, event_name=event_name)
        if event_id:
            actions.put("targets", "targets_by_event_id", event_name=event_name, event_id=event_id)
        elif not chosen:
            actions.put(
                "targets",
                "targets_by_key",
                event_name=event_name,
                order_id=order or "",
                fbp=fbp or "",
                external_ids=_digests(external_id or ""),
                ems=[em.upper()] if em else [],
            )
        if not actions.count("targets"):
            return None
        return _explain(actions, event_name, hashes, details, is_chosen=bool(chosen))


def check_names(**given: str | None) -> None:
    """ValueError unless an action is named in one way, and so that it can be read. Names are those of `explain`."""
    named = [name for name, text in given.items() if text and name != "offset"]
    offset, em = given.get("offset"), given.get("em")
    if len(named) > 1 or not (named or offset) or (named and offset and named != ["event_id"]):
        raise ValueError("name the action by one of event id, order id, fbp, external id, e-mail or offset")
    if em and not _DIGEST(em):
        raise ValueError("wanted the SHA-256 of an e-mail address in hex, 64 digits")
    if offset:
        _read_offset(offset)


def _explain(actions: Actions, event_name: str, hashes: bool, details: bool, is_chosen: bool) -> Explained:
    actions.want_key_b()
    actions.want_places("targets")
    if actions.has_amendments:
        actions.put("originals", "originals")
        actions.want_places("originals")
    actions.fill(1)
    found: list[int] = []
    if actions.resolve():
        found = [int(action) for (action,) in actions.rows("actions_of_targets", PACKAGE)]
        if is_chosen:
            first = [int(action) for (action,) in actions.rows("action_of_chosen", PACKAGE)]
            found = [*first, *(action for action in found if action not in first)]
    members: list[dict[str, Any]] = []
    if found:
        actions.put("shown", "shown_of_action", PACKAGE, action=found[0])
        members = _copies(actions)
    action_id = max((str(copy["event_id"]) for copy in members if copy["class"] != 2), default="")
    n_of_action = actions.count("shown")
    actions.put("shown", "shown_of_left_out", PACKAGE, any_event_id=int(not found), event_id=action_id or "\0")
    n = actions.count("shown")
    copies = members if n == n_of_action else _copies(actions)
    kept = next((copy for copy in copies if copy["verdict"] == Verdict.KEPT), copies[0])
    value, currency, amended = kept["value_e4"], kept["currency"], False
    if found and actions.count("originals"):
        actions.put("amended", "amended")
        for new_value, new_currency in actions.rows("amendments_of_action", PACKAGE, action=found[0]):
            value, currency, amended = int(new_value), str(new_currency) or currency, True
    return Explained(
        event_name=event_name,
        event_id=action_id if found else str(copies[0]["event_id"]),
        person=None,
        value=None if value is None else money(int(value)),
        currency=str(currency) or None,
        copies=[_copy(copy, hashes, details) for copy in copies],
        unshown=_unshown(actions, copies) if n > len(copies) else [],
        credit=[],
        deliveries=[],
        others=max(len(found) - 1, 0),
        nearest=_nearest(actions, event_name, members) if found else None,
        amended=amended,
    )


def _copies(actions: Actions) -> list[dict[str, Any]]:
    few = {}
    if actions.count("shown") > MOST:
        actions.empty("few")
        actions.put("few", "few_of_shown", PACKAGE, most=MOST)
        few = {"shown": actions.params["few"]}
    rows = [dict(zip(_COLUMNS, row, strict=True)) for row in actions.rows("copies_of_action", PACKAGE, **few)]
    return sorted(rows, key=lambda row: int(row["place"]))


def _unshown(actions: Actions, copies: Sequence[Mapping[str, Any]]) -> list[Unshown]:
    listed = Counter((str(copy["source"]), str(copy["verdict"])) for copy in copies)
    there = [(str(source), str(verdict), int(n)) for source, verdict, n in actions.rows("counts_of_shown", PACKAGE)]
    return [
        Unshown(source=source, verdict=verdict, copies=n - listed[source, verdict])
        for source, verdict, n in sorted(there)
        if n > listed[source, verdict]
    ]


def _copy(row: Mapping[str, Any], hashes: bool, details: bool) -> ExplainedCopy:
    keys = _keys(row)
    return ExplainedCopy(
        source=str(row["source"]),
        received_time=time_of_us(int(row["received_us"])),
        event_time=time_of_ms(int(row["event_time_ms"])),
        verdict=str(row["verdict"]),
        rule=str(row["rule"]) or None,
        match_keys=list(keys),
        event_id=str(row["event_id"]),
        order_id=str(row["order_id"]),
        marks=[str(mark.name).lower() for mark in Mark if mark & int(row["marks"])],
        hashes=keys if hashes else msgspec.UNSET,
        details=_details(row, keys) if details else msgspec.UNSET,
    )


def _details(row: Mapping[str, Any], keys: Mapping[str, Sequence[str]]) -> CopyDetails:
    texts = {
        name: str(row[name])
        for name in (
            *("item_number", "action_source", "url", "referrer", "custom_data"),
            *("consent", "test_event_code", "browser", "campaign"),
        )
    }
    return CopyDetails(
        offset=f"{row['door']}:{row['seq']}:{row['pos']}",
        value=None if row["value_e4"] is None else money(int(row["value_e4"])),
        currency=str(row["currency"]) or None,
        key_marks={name: [short(value) for value in values] for name, values in keys.items()},
        removed=[str(what) for what in row["removed"]],
        notes=[str(what) for what in row["notes"]],
        **texts,
    )


def short(value: str) -> str:
    """Both ends of a long value."""
    return value if len(value) <= 12 else f"{value[:4]}…{value[-4:]}"


def _keys(row: Mapping[str, Any]) -> dict[str, list[str]]:
    """The match keys of a copy with their values, digests as hex, in the order of the vocabulary."""
    keys = {name: [str(digest) for digest in row[name]] for name in DIGEST_KEYS if row[name]}
    keys |= {name: [str(row[name])] for name in ("fbp", "fbc") if row[name]}
    others = zip(row["other_names"], row["other_values"], strict=True)
    return keys | {str(name): [str(value)] for name, value in sorted(others)}


def _as_kept(id: str | None) -> str | None:
    """An id as both doors keep what a sender wrote: an e-mail inside is a hash; what is kept stays as it is."""
    return scrub_id(id)[0] if id else None


def _read_offset(offset: str) -> dict[str, Any]:
    found = _OFFSET(offset)
    if not found:
        raise ValueError("wanted an offset as door:entry:position, as a list of actions gives it")
    return {"door": found[1], "seq": int(found[2]), "pos": int(found[3])}


def _digests(external_id: str) -> list[str]:
    """Each digest, in upper-case hex as ClickHouse writes it, under which this external id may have been kept."""
    if not external_id:
        return []
    if _DIGEST(external_id):
        return [external_id.upper()]
    from truecount.policy.keys import digests

    joined, _ = digests("external_id", external_id)
    return [joined[at : at + 32].hex().upper() for at in range(0, len(joined), 32)]


def _nearest(actions: Actions, event_name: str, members: Sequence[Mapping[str, Any]]) -> Nearest | None:
    sides = {str(copy["source"]) in ("browser", "app") for copy in members}
    if len(sides) != 1:
        return None
    rows = actions.rows(
        "nearest",
        PACKAGE,
        all_names=1,
        # The moment is that of the action's own name; what is near may be newer or came by other doors.
        seqs=[_EVER] * len(actions.params["seqs"]),
        other_doors=_EVER,
        event_name=event_name,
        event_id=max(str(copy["event_id"]) for copy in members),
        order_ids=sorted({str(copy["order_id"]) for copy in members} - {""}),
        fbps=sorted({str(copy["fbp"]) for copy in members} - {""}),
        external_ids=sorted({str(digest) for copy in members for digest in copy["external_id"]}),
        ems=sorted({str(digest) for copy in members for digest in copy["em"]}),
        phs=sorted({str(digest) for copy in members for digest in copy["ph"]}),
        of_browser=int(True in sides),
        received_us=int(members[0]["received_us"]),
    )
    if not rows:
        return None
    near = Candidate(*rows[0])
    groups = actions.rows("group_of_nearest", PACKAGE, place=int(near.place))
    first_place = int(groups[0][0]) if groups else int(near.place)
    since_us = (int(near.place) >> RECEIVED_SHIFT) - (first_place >> RECEIVED_SHIFT)
    return nearest_of(event_name, members, near, int(near.received_us) - since_us)
