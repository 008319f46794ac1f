"""The nearest candidate: a copy that shares something with an action and does not belong to it, and what differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from truecount.unseen import visible
from truecount.vocabulary import DEDUP_WINDOW_S, OFFLINE_WINDOW_S

from .forms import time_of_ms, time_of_us

_SHARES: Final = ("event_id", "order_id", "external_id", "fbp", "em", "ph")
_WEBSITE, _MESSAGING, _OFFLINE = 0, 1, 2


class Candidate(NamedTuple):
    """One row of nearest.sql."""

    event_name: str
    event_id: str
    source: str
    received_us: int
    event_time_ms: int
    order_id: str
    fbp: str
    external_id: Sequence[str]
    left_out: int
    browser: int
    kind: int
    shares: Sequence[int]
    place: int
    offset: str


class Nearest(msgspec.Struct, kw_only=True):
    """A copy that did not merge. `shares` and `differs` name fields; `why` says it in words.

    `differs` holds any of: event_name, event_id, external_id, fbp, source, time, order, marks, key, taken.
    """

    event_name: str
    event_id: str
    source: str
    received_time: str
    event_time: str
    shares: list[str]
    differs: list[str]
    why: str
    offset: str
    """Its place in the log, door:entry:position: by this it is found where it has no id."""


def nearest_of(event_name: str, members: Sequence[Mapping[str, Any]], candidate: Candidate, first_us: int) -> Nearest:
    """What keeps the candidate out of the action that `members`, in log order, make.

    `first_us` is the receipt of the first copy of the candidate's own group: windows are measured from there.
    """
    reasons = dict(_reasons(event_name, members, candidate, first_us))
    if not reasons:
        reasons = {"taken": "another action, nearer to it, has it"}
    return Nearest(
        event_name=str(candidate.event_name),
        event_id=str(candidate.event_id),
        source=str(candidate.source),
        received_time=time_of_us(int(candidate.received_us)),
        event_time=time_of_ms(int(candidate.event_time_ms)),
        offset=str(candidate.offset),
        shares=[name for name, shared in zip(_SHARES, candidate.shares, strict=True) if shared],
        differs=list(reasons),
        why="; ".join(reasons.values()),
    )


def _reasons(
    event_name: str, members: Sequence[Mapping[str, Any]], other: Candidate, first_us: int
) -> list[tuple[str, str]]:
    reasons: list[tuple[str, str]] = []
    ids = {str(copy["event_id"]) for copy in members} - {""}
    same_id = bool(ids) and other.event_id in ids
    kind = int(members[0]["class"])
    is_browser = str(members[0]["source"]) in ("browser", "app")
    if other.event_name != event_name:
        reasons.append(("event_name", f"it is named {visible(other.event_name)}"))
    if other.left_out:
        reasons.append(("marks", "it carries a mark that this dataset leaves out"))
    if other.kind != kind:
        reasons.append(("source", f"{other.source} copies merge among themselves alone"))
    elif kind == _OFFLINE:
        reasons += _offline_reasons(members, other)
    elif ids and other.event_id and not same_id:
        reasons.append(("event_id", "both have an event id, and they differ"))
    elif kind == _MESSAGING and not same_id:
        reasons.append(("key", "messaging copies merge by event id alone"))
    elif not same_id:
        reasons += _key_b_reasons(members, other, is_browser)
    apart_us, of_group = _apart_us(members, other, same_id, first_us)
    window_s = OFFLINE_WINDOW_S if kind == _OFFLINE else DEDUP_WINDOW_S
    if apart_us > window_s * 1_000_000:
        who = "the first copy of its action and the first of this one" if of_group else "they"
        reasons.append(("time", f"{who} were received {_span(apart_us, window_s)} apart, more than {window_s // 3600}"))
    return reasons


def _offline_reasons(members: Sequence[Mapping[str, Any]], other: Candidate) -> list[tuple[str, str]]:
    first = members[0]
    if int(other.event_time_ms) != int(first["event_time_ms"]):
        return [("event_time", "offline copies merge only where the event time is the same")]
    if other.order_id != first["order_id"]:
        return [("order_id", "offline copies merge only where the order id is the same")]
    return [
        ("key", "offline copies merge only where the item number and, without an order id, all match keys are the same")
    ]


def _key_b_reasons(members: Sequence[Mapping[str, Any]], other: Candidate, is_browser: bool) -> list[tuple[str, str]]:
    reasons: list[tuple[str, str]] = []
    external_ids = {str(digest) for copy in members for digest in copy["external_id"]}
    fbps = {str(copy["fbp"]) for copy in members} - {""}
    if bool(other.browser) == is_browser:
        reasons.append(("source", "copies of one side without a common event id are two actions"))
    elif is_browser == (int(other.place) < int(members[0]["place"])):
        reasons.append(
            ("order", "without a common event id only a browser copy that came first takes in a server copy")
        )
    if external_ids and other.external_id:
        if not external_ids & {str(digest) for digest in other.external_id}:
            reasons.append(("external_id", "both have an external_id, and they differ"))
    elif not fbps or other.fbp not in fbps:
        reasons.append(("fbp", "they have no event id, external_id or fbp in common"))
    return reasons


def _apart_us(members: Sequence[Mapping[str, Any]], other: Candidate, same_id: bool, first_us: int) -> tuple[int, bool]:
    """How far the receipts lie apart that the window is measured by; whether that is not from the candidate itself."""
    received_us = int(other.received_us)
    if same_id:
        own_us = min(int(copy["received_us"]) for copy in members if copy["event_id"] == other.event_id)
        if received_us < own_us:  # its group was open before: this action's first copy came too late for it
            return own_us - first_us, first_us != received_us
        return received_us - own_us, False
    return min(abs(received_us - int(copy["received_us"])) for copy in members), False


def _span(apart_us: int, window_s: int) -> str:
    """Hours; just over the window its hours and the seconds beyond."""
    over_us = apart_us - window_s * 1_000_000
    if over_us < 3_600_000_000:
        seconds = f"{over_us / 1_000_000:.6f}".rstrip("0").rstrip(".")
        return f"{window_s // 3600} hours and {seconds} seconds"
    return f"{apart_us / 3_600_000_000:.2f} hours"
