"""Test events: is what I just sent right? The newest actions as rows, one in full, and where a stream goes on."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import msgspec

from truecount.datasets import Dataset
from truecount.manager.boxes import Box
from truecount.manager.live import Found, News, Watch
from truecount.manager.remarks import reason_in_words, remark_of, removal_of
from truecount.manager.shared import Manager
from truecount.manager.words import code_of
from truecount.measure import arrivals
from truecount.measure.arrivals import Arrival, Filter, Frontier, Offset, SeenAction, Tallied, marks_of
from truecount.measure.forms import time_of_us
from truecount.measure.listing import Door
from truecount.store.client import Store
from truecount.vocabulary import BROWSER_SIDE, DIGEST_KEYS, Outcome

BACK_US: Final = 15 * 60 * 1_000_000
"""How far a page that is opened looks back."""
LONGEST_AWAY_US: Final = 24 * 3600 * 1_000_000
FILLED_IN: Final = 100
"""Copies that are filled in after a connection was away; of more the number is told."""


class Row(msgspec.Struct, kw_only=True):
    """One action, or items that were refused alike. Times are ISO 8601 UTC."""

    id: str
    """Where its first copy lies in the log, door:entry:position: the parameter `action`."""
    event_name: str
    event_id: str
    received: str
    """Its newest copy, or the refusal."""
    browser: str | None = None
    """When the first copy of the browser's side came."""
    server: str | None = None
    apart_s: float | None = None
    """Seconds between the two."""
    state: str
    """merged, counted, not_counted, refused or withheld."""
    copies: int
    marks: list[str] = []
    rule: str = ""
    """What decided of the newest copy."""
    warnings: int = 0
    test_codes: list[str] = []
    came: str = ""
    """browser or server: the side whose copy is new."""
    reason: str = ""
    code: str = ""
    """Error code that the sender got, where it got one."""
    advice: str = ""

    @property
    def door(self) -> str:
        if self.state in ("refused", "withheld"):
            return "refused"
        return "both" if self.browser and self.server else "browser" if self.browser else "server"

    @property
    def element(self) -> str:
        """Its id on the page."""
        return element_of(self.id)

    @property
    def removed(self) -> int:
        """Copies that were removed besides the pair."""
        return max(0, self.copies - (2 if self.browser and self.server else 1))


class Recent(msgspec.Struct):
    """The newest rows, and the frontier that they reach: `after` of the stream."""

    rows: list[Row]
    copies: int
    """Copies of the last quarter of an hour that pass the filter; the newest 500 are in the rows."""
    after: str


class Field(msgspec.Struct):
    """One field of a copy."""

    name: str
    kept: str
    """As it is kept; JSON where it is no text. "" where nothing is."""
    sent: str | None = None
    """What was sent in its place, where that is known and another text."""
    remarks: list[str] = []
    kind: str = ""
    """hashed: a digest of what was sent. as_sent: kept as it came."""


class CopyInFull(msgspec.Struct):
    """One copy: its fields, warnings beside them."""

    source: str
    side: str
    received: str
    kept: bool
    rule: str
    marks: list[str]
    fields: list[Field]
    remarks: list[str]
    """Warnings that concern the copy as a whole."""

    @property
    def warnings(self) -> int:
        return len(self.remarks) + sum(len(field.remarks) for field in self.fields)


class ActionInFull(msgspec.Struct):
    """One action with its copies."""

    row: Row
    copies: list[CopyInFull]


class Shown(msgspec.Struct):
    """The filter of the page."""

    code: str
    event: str
    door: Door | None
    page: str

    @property
    def watch(self) -> Watch:
        return Watch(Filter(self.code, self.event, self.page), self.door)

    @property
    def is_set(self) -> bool:
        return bool(self.code or self.event or self.door or self.page)

    @property
    def query(self) -> dict[str, str]:
        return {"code": self.code, "event": self.event, "door": self.door or "", "page": self.page}


class TestEventsView(msgspec.Struct):
    """The page Test events."""

    filter: Shown
    recent: Box[Recent]
    action: Box[ActionInFull | None] | None = None


def element_of(id: str) -> str:
    """The id on the page of the row that an offset names."""
    return "e-" + id.replace(":", "-")


def row_of(action: SeenAction) -> Row:
    """An action as a row."""
    copies = action.copies
    firsts: dict[bool, int] = {}
    for copy in copies:
        firsts.setdefault(copy.of_browser, copy.received_us)
    marks = 0
    for copy in copies:
        marks |= copy.marks
    newest = copies[-1]
    came = next((copy for copy in reversed(copies) if copy.is_asked), newest)
    return Row(
        id=action.id,
        event_name=action.event_name,
        event_id=max(copy.event_id for copy in copies),
        received=time_of_us(newest.received_us),
        browser=time_of_us(firsts[True]) if True in firsts else None,
        server=time_of_us(firsts[False]) if False in firsts else None,
        apart_s=abs(firsts[True] - firsts[False]) / 1e6 if len(firsts) == 2 else None,
        state="not_counted" if not action.counts else "merged" if len(firsts) == 2 else "counted",
        copies=action.n,
        marks=marks_of(marks),
        rule=newest.rule,
        warnings=sum(len(copy.notes) + len(copy.removed) for copy in copies),
        test_codes=sorted({copy.code for copy in copies} - {""}),
        came="browser" if came.of_browser else "server",
    )


def row_of_tally(tally: Tallied) -> Row:
    """Items that were refused alike as a row."""
    received = time_of_us(tally.received_us)
    of_browser = tally.source in BROWSER_SIDE
    return Row(
        id=str(Offset(tally.door, tally.seq, tally.pos)),
        event_name=tally.event_name,
        event_id="",
        received=received,
        browser=received if of_browser else None,
        server=None if of_browser else received,
        state="withheld" if tally.outcome == Outcome.WITHHELD else "refused",
        copies=tally.n,
        reason=tally.reason,
        code="" if of_browser else code_of(tally.reason),
        advice=reason_in_words(tally.reason),
    )


def recent(store: Store, dataset: Dataset, wanted: Shown, now_us: int) -> Recent:
    """The rows of the last quarter of an hour, the newest first: 500 copies at most."""
    upto = store.loaded()
    since_us = now_us - BACK_US
    watch = wanted.watch
    found = arrivals.arrivals(store, dataset.id, {}, upto, since_us, watch.copies)
    number = len(found)
    if number == arrivals.MOST:
        number = arrivals.number_of_arrivals(store, dataset.id, {}, upto, since_us, watch.copies)
    rows = [row_of(one) for one in arrivals.seen(store, dataset, found, upto) if watch.takes(one)]
    tallied = arrivals.tallies(store, dataset.id, {}, upto, since_us, watch.copies.event)
    rows += [row_of_tally(one) for one in tallied if watch.takes_tally(one)]
    rows.sort(key=lambda row: row.received, reverse=True)
    return Recent(rows, number, cursor_text(upto))


def action(store: Store, dataset: Dataset, offset: Offset) -> ActionInFull | None:
    """The action that holds the copy at an offset. None where there is none."""
    found = arrivals.at(store, dataset, offset)
    if found is None:
        return None
    seen = arrivals.seen(store, dataset, [found], {**store.loaded(), offset.door: 2**62})
    if not seen:
        return None
    one = seen[0]
    payloads = {payload.offset: payload for payload in arrivals.payloads(store, dataset, one.copies, one.event_name)}
    copies = []
    for copy in one.copies:
        payload = payloads.get(copy.offset)
        if payload is None:
            continue
        fields, rest = fields_of(payload.kept, payload.notes, payload.removed)
        copies.append(
            CopyInFull(
                source=copy.source,
                side="browser" if copy.of_browser else "server",
                received=time_of_us(copy.received_us),
                kept=copy.kept,
                rule=copy.rule,
                marks=payload.marks,
                fields=fields,
                remarks=rest,
            )
        )
    return ActionInFull(row_of(one), copies)


_DIGESTS: Final = frozenset(DIGEST_KEYS)
_NAMES: Final = {"value_e4": "value", "received_us": "received", "event_time_ms": "event_time"}
_NAMES_SENT: Final = {"value": "value_e4", "currency": "currency", "order_id": "order_id", "item_number": "item_number"}
"""Keys of custom_data that have a column of their own."""


def fields_of(kept: Mapping[str, Any], notes: Sequence[str], removed: Sequence[str]) -> tuple[list[Field], list[str]]:
    """The fields of a copy by name, each with its warnings; and the warnings that stand beside none.

    `kept` is by column, without what is empty. A warning about a field of which nothing is kept makes it a field.
    """
    remarks: dict[str, list[str]] = {}
    for remark in (*map(remark_of, notes), *map(removal_of, removed)):
        texts = remarks.setdefault(remark.field, [])
        if remark.text not in texts:
            texts.append(remark.text)
    whole = remarks.pop("", [])
    custom = _object(kept.get("custom_data"))
    extra = _object(kept.get("extra"))
    fields = []
    for name, value in kept.items():
        if name == "custom_data" and custom is not None:
            fields += [
                Field(f"custom_data.{key}", _text(one), kind="as_sent") for key, one in custom.items()
                if key not in _NAMES_SENT or _NAMES_SENT[key] not in kept
            ]  # fmt: skip
            whole += remarks.pop(name, [])
        elif name == "extra" and extra is not None:
            fields += [Field(key, _text(one), kind="as_sent") for key, one in extra.items()]
            whole += remarks.pop(name, [])
        elif name == "other_keys" and isinstance(value, dict):
            fields += [Field(key, _text(one), remarks=remarks.pop(key, [])) for key, one in value.items()]
        else:
            key = next((key for key, column in _NAMES_SENT.items() if column == name), "")
            sent = _text(custom[key]) if custom and key in custom else None
            fields.append(
                Field(
                    _NAMES.get(name, name),
                    _text(value),
                    sent if sent != _text(value) else None,
                    remarks.pop(name, []),
                    "hashed" if name in _DIGESTS else "",
                )
            )
    for name, texts in remarks.items():
        if name in ("custom_data", "extra"):
            whole += texts
        else:
            fields.append(Field(_NAMES.get(name, name), "", remarks=texts))
    return fields, whole


def _object(text: object) -> dict[str, Any] | None:
    if not isinstance(text, str):
        return None
    try:
        found = msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        return value[0]
    return msgspec.json.encode(value).decode()


def cursor_text(frontier: Frontier) -> str:
    """A frontier as one word: the id of an event of the stream."""
    return urlencode(sorted(frontier.items()))


def cursor_of(text: str) -> dict[str, int]:
    """Read a frontier; {} where it is none."""
    try:
        pairs = parse_qsl(text, strict_parsing=True, max_num_fields=200) if text else []
        return {door: int(seq) for door, seq in pairs if seq.isdecimal() and len(seq) < 19}
    except ValueError:
        return {}


class StoreFeed:
    """Where the poller of a dataset looks: in the store. All of it blocks."""

    def __init__(self, manager: Manager, dataset: str) -> None:
        self._manager = manager
        self._id = dataset

    def frontier(self) -> tuple[Frontier, bool]:
        loader = self._manager.link.store().state()["loader"]
        return (dict(loader["doors"]), bool(loader["caught_up"] and not loader["error"])) if loader else ({}, False)

    def arrived(self, after: Frontier, upto: Frontier, since_us: int, wanted: Filter) -> Found:
        store = self._manager.link.store()
        found = arrivals.arrivals(store, self._id, after, upto, since_us, wanted)
        if len(found) < arrivals.MOST:
            return Found(found, len(found))
        return Found(found, arrivals.number_of_arrivals(store, self._id, after, upto, since_us, wanted))

    def tallied(self, after: Frontier, upto: Frontier, since_us: int) -> Sequence[Tallied]:
        return arrivals.tallies(self._manager.link.store(), self._id, after, upto, since_us)

    def resolved(self, found: Sequence[Arrival], upto: Frontier) -> Sequence[SeenAction]:
        return arrivals.seen(self._manager.link.store(), self._manager.dataset(self._id), found, upto)


def filled_in(manager: Manager, dataset: Dataset, watch: Watch, after: Frontier, upto: Frontier) -> list[News]:
    """What came while a viewer was away: the newest copies and refusals, and how many there were besides. It blocks."""
    if all(seq <= after.get(door, 0) for door, seq in upto.items()):
        return []
    store = manager.link.store()
    since_us = time.time_ns() // 1000 - LONGEST_AWAY_US
    found = arrivals.arrivals(store, dataset.id, after, upto, since_us, watch.copies, FILLED_IN)
    number = len(found)
    if number == FILLED_IN:
        number = arrivals.number_of_arrivals(store, dataset.id, after, upto, since_us, watch.copies)
    actions = [one for one in arrivals.seen(store, dataset, found, upto) if watch.takes(one)]
    tallied = arrivals.tallies(store, dataset.id, after, upto, since_us, watch.copies.event)
    refused = [one for one in tallied[::-1] if watch.takes_tally(one)]
    return [News(actions=actions, refused=refused, missed=number - len(found), cursor=upto)]
