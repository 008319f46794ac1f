"""A payload tried out: the very steps of the server door, and nothing is stored."""

from __future__ import annotations

import json
import time
from typing import Any, Final

import msgspec

from truecount.datasets import Dataset
from truecount.manager.remarks import reason_in_words
from truecount.manager.views.arriving import Field, fields_of
from truecount.measure.forms import money, time_of_ms
from truecount.policy.decode import body_of_json
from truecount.policy.errors import RequestRefused
from truecount.policy.server import ServerRequest, end_of_slice, keep_slice, normalised
from truecount.policy.slices import Told, messages_of

LARGEST: Final = 2_000_000
"""Characters of a payload that is tried out: a thousand events, which is what a request may hold, and room to spare."""
MOST_SHOWN: Final = 20
"""Events that are shown field by field; the others are counted, and what is wrong with them is told."""
_NO_KEY: Final = bytes(32)
"""Nothing that is kept for a day is made here: the hash of address and agent is not shown."""


class Refusal(msgspec.Struct):
    """Why the whole request would be refused: what the sender would be told."""

    code: int
    subcode: int | None
    title: str
    text: str
    path: str
    """Place in the event, as in user_data.em; "" for the request as a whole."""
    advice: str = ""
    """What to do."""


class TriedEvent(msgspec.Struct):
    """One event as it would be kept."""

    fields: list[Field]
    remarks: list[str]
    marks: list[str]


class Tried(msgspec.Struct):
    """What the server door would say of a payload."""

    payload: str
    events: list[TriedEvent] = []
    """Those that would be kept, MOST_SHOWN at most."""
    kept: int = 0
    """All events that would be kept."""
    warnings: int = 0
    """Remarks about all of them and their fields."""
    withheld: int = 0
    """Events that would neither be kept nor refused: consent is denied."""
    messages: list[str] = []
    refusal: Refusal | None = None


def example(now_s: int) -> str:
    """An event to begin with."""
    return f"""{{"event_name": "Purchase",
 "event_id": "order-1001",
 "event_time": {now_s},
 "action_source": "website",
 "event_source_url": "https://shop.example/thanks",
 "user_data": {{"ph": "98000 00000"}},
 "custom_data": {{"value": 899}}}}"""


def tried(dataset: Dataset, payload: str, now_us: int | None = None) -> Tried:
    """Take a payload through the steps: one event, an array of them, or a request body with `data`."""
    moment = time.time_ns() // 1000 if now_us is None else now_us
    found = Tried(payload)
    try:
        if not payload.strip():
            raise _NotTried(
                "Nothing to try", "The box is empty. Paste one event, an array of events or a whole request."
            )
        if len(payload) > LARGEST:
            raise _NotTried("Too large to try", f"This is longer than {LARGEST:,} characters. Try fewer events.")
        body = body_of_json(_as_body(payload).encode("utf-8", "replace"))
        request = ServerRequest(dataset, moment, _NO_KEY, clock_us=moment)
        told: Told = {}
        at = 0
        while at < len(body.data):
            events = body.data[at : end_of_slice(body, at)]
            kept = keep_slice(events, at, body, request)
            for copy in normalised(kept):
                event = _event(copy)
                found.kept += 1
                found.warnings += len(event.remarks) + sum(len(field.remarks) for field in event.fields)
                if len(found.events) < MOST_SHOWN:
                    found.events.append(event)
            found.withheld += kept.withheld
            for text, rows in kept.told.items():
                first, n = told.get(text, (at + rows[0], 0))
                told[text] = (first, n + len(rows))
            at += len(events)
        found.messages = [*body.messages, *messages_of(told)]
    except RequestRefused as refused:
        found.events, found.kept, found.warnings, found.withheld = [], 0, 0, 0
        path = ".".join(refused.field or ())
        found.refusal = Refusal(
            refused.code, refused.subcode, refused.title, refused.text, path, reason_in_words(refused.reason)
        )
    except _NotTried as error:
        title, text = error.args
        found.refusal = Refusal(0, None, title, text, "")
    return found


class _NotTried(Exception):
    """Nothing, or more than is tried out here; the door itself may take it. A title and a sentence."""


def _as_body(payload: str) -> str:
    """What was typed as a request body."""
    text = payload.strip()
    if text.startswith("["):
        return f'{{"data": {text}}}'
    try:
        # not msgspec: it reads no lone surrogates, say, which the door mends, and then one event would stay unwrapped
        outer = json.loads(text)
    except (ValueError, RecursionError):
        return text  # the door says what is wrong with it
    return text if isinstance(outer, dict) and "data" in outer else f'{{"data": [{text}]}}'


def _event(copy: dict[str, Any]) -> TriedEvent:
    kept = {name: value for name, value in copy.items() if name not in ("dataset", "weak", "marks", "notes", "removed")}
    kept.pop("received_us", None)
    if kept.get("value_e4") is not None:
        kept["value_e4"] = money(int(kept["value_e4"]))
    for name in ("event_time_ms", "original_time_ms"):
        if name in kept:
            kept[name] = time_of_ms(int(kept[name]))
    fields, remarks = fields_of(kept, copy.get("notes") or (), copy.get("removed") or ())
    return TriedEvent(fields, remarks, list(copy.get("marks", ())))
