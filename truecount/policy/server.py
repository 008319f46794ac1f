"""The server door's policy: a request's events, slice by slice, through a visible list of steps into columns of copies.

All or nothing: any step may refuse the whole request, so nothing may be written before all slices are through.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, compress
from typing import Any, Final

import msgspec

from truecount.copies import FIELDS, Copy
from truecount.policy.events import Body, CommonEvent
from truecount.policy.sensitive import event_words
from truecount.policy.server_checks import (
    check_action_source,
    check_domains,
    check_match_keys,
    check_shape,
    check_time,
    stop_at_first_failure,
)
from truecount.policy.server_data import keep_the_rest, read_custom_data, read_originals
from truecount.policy.server_people import find_visitors, hash_keys, keep_plain_keys
from truecount.policy.server_steps import apply_consent, read_event_ids, read_pages, set_marks, write_down
from truecount.policy.slices import ServerRequest, Slice, Step
from truecount.vocabulary import DIGEST_KEYS, Mark

__all__ = [
    "SERVER_STEPS", "SLICE", "SLICE_BYTES", "Kept", "ServerRequest", "end_of_slice", "keep_slice", "normalised",
]  # fmt: skip

SLICE: Final = 128
"""Events that one call of the door's loop takes through the steps (two milliseconds)."""
SLICE_BYTES: Final = 256 * 1024
"""Bytes of events, as they were sent, that one such call takes; an event that alone is larger still goes in one."""

SERVER_STEPS: Final[tuple[tuple[str, Step], ...]] = (
    ("check_shape", check_shape),
    ("check_time", check_time),
    ("find_visitors", find_visitors),
    ("hash_keys", hash_keys),
    ("keep_plain_keys", keep_plain_keys),
    ("check_match_keys", check_match_keys),
    ("check_action_source", check_action_source),
    ("check_domains", check_domains),
    ("read_custom_data", read_custom_data),
    ("read_originals", read_originals),
    ("keep_the_rest", keep_the_rest),
    ("stop_at_first_failure", stop_at_first_failure),
    ("read_event_ids", read_event_ids),
    ("read_pages", read_pages),
    ("set_marks", set_marks),
    ("event_words", event_words),
    ("apply_consent", apply_consent),
    ("write_down", write_down),
)
"""What happens to each slice, in this order. Checks note the first failure; one step turns it into a refusal."""


class Kept(msgspec.Struct):
    """What came of a slice."""

    n: int
    """Copies to keep."""
    columns: dict[str, list[Any]]
    """Columns of copies, as `copies.pack` takes them; a field nobody has is not there."""
    private: list[tuple[str, str]] | None
    """(address, user agent) of each kept copy, for the side table alone; None where none has any."""
    withheld: int
    """Events that were neither kept nor refused: their consent is denied, and the dataset withholds those."""
    told: dict[str, list[int]]
    """What the sender should know, naming no value, `{place}` for the event's place, and the rows it holds for."""


def end_of_slice(body: Body, first: int) -> int:
    """Where the slice that begins at event `first` ends: after SLICE events or SLICE_BYTES, and at least one event."""
    sizes = body.sizes[first : first + SLICE]
    if sum(sizes) <= SLICE_BYTES:
        return first + len(sizes)
    return first + max(1, bisect_right(list(accumulate(sizes)), SLICE_BYTES))


def keep_slice(events: Sequence[CommonEvent], first: int, body: Body, request: ServerRequest) -> Kept:
    """Take at most SLICE events of a request through the steps; `first` is the index of the first in the request.

    RequestRefused: an event breaks a rule; the first rule of the first such event is told, with its place.
    """
    rows = Slice(events, first, body, request)
    for _, step in SERVER_STEPS:
        step(rows)
    columns, n = rows.columns, rows.n
    private = None
    if rows.addresses is not None or rows.agents is not None:
        private = list(zip(rows.addresses or [""] * n, rows.agents or [""] * n, strict=True))
    if rows.withheld:
        kept = [row not in rows.withheld for row in range(n)]
        columns = {name: list(compress(column, kept)) for name, column in columns.items()}
        private = list(compress(private, kept)) if private is not None else None
        n -= len(rows.withheld)
    if private is not None and not any(address or agent for address, agent in private):
        private = None
    return Kept(n, columns, private, len(rows.withheld), rows.told)


def normalised(kept: Kept) -> list[dict[str, Any]]:
    """The copies of a slice as they would be kept, for JSON: digests as lists of hex, marks by name, no defaults."""
    names = [name for name in FIELDS if name in kept.columns]
    default = Copy()
    out = []
    for row in range(kept.n):
        copy: dict[str, Any] = {}
        for name in names:
            value = kept.columns[name][row]
            if value == getattr(default, name):
                continue
            if name in DIGEST_KEYS:
                value = [value[at : at + 32].hex() for at in range(0, len(value), 32)]
            elif name == "marks":
                value = [mark.name.lower() for mark in Mark if value & mark and mark.name]
            copy[name] = value
        out.append(copy)
    return out
