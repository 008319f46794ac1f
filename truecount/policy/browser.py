"""From pixel hits to the copies that are kept: the browser door's policy as a visible list of steps (pixel.md §4).

A step takes the columns of hits that came together and adds to them, or ends single hits with a reason. No step raises
for any text, none reads a clock, and none lets contact data through unhashed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import Any, Final

import msgspec

from truecount.copies import Copy
from truecount.datasets import CANARY_ID
from truecount.policy.browser_checks import (
    ask_consent,
    check_permissions,
    refuse_automatic,
    require_name,
    sort_keys,
    strip_unstorable,
    tell_time,
)
from truecount.policy.browser_data import keep_the_rest, read_custom_data, read_ids, read_page
from truecount.policy.browser_people import hash_match_keys, judge_visitor, read_browser_ids, shorten_address
from truecount.policy.consent import limit_row, without_names
from truecount.policy.hit_columns import HitColumns, Step
from truecount.policy.hits import Hit, Receipt
from truecount.policy.sensitive import hit_words
from truecount.vocabulary import Mark, Reason, Source

__all__ = ["BROWSER_STEPS", "Hit", "KeptHits", "Receipt", "keep_hit", "keep_hits"]

Private = tuple[str, str]
"""Full address and user agent of a copy."""


def limit(rows: HitColumns) -> None:
    """Denied consent: the event, its value, its id and the page without query stay, all else goes."""
    for row in rows.limited:
        limit_row(rows.columns, row)


def write_down(rows: HitColumns) -> None:
    """What scrubbing took, the notes for diagnostics, the marks, and what is alike in all copies."""
    columns, n = rows.columns, rows.n
    for row in rows.limited:
        if row in rows.removed:
            rows.removed[row] = list(without_names(rows.removed[row]))
    if rows.removed:
        columns["removed"] = [tuple(dict.fromkeys(rows.removed.get(row, ()))) or None for row in range(n)]
    if rows.notes:
        columns["notes"] = [tuple(sorted(set(rows.notes.get(row, ())))) or None for row in range(n)]
    if rows.dataset.id == CANARY_ID:
        rows.marks = [int(mark | Mark.CANARY) for mark in rows.marks]
    columns["marks"] = rows.marks
    columns["dataset"] = [rows.dataset.id] * n
    columns["source"] = [Source.BROWSER.value] * n
    columns["received_us"] = [rows.receipt.received_us] * n


BROWSER_STEPS: Final[tuple[tuple[str, Step], ...]] = (
    ("strip_unstorable", strip_unstorable),
    ("require_name", require_name),
    ("refuse_automatic", refuse_automatic),
    ("check_permissions", check_permissions),
    ("ask_consent", ask_consent),
    ("sort_keys", sort_keys),
    ("tell_time", tell_time),
    ("read_page", read_page),
    ("read_ids", read_ids),
    ("read_browser_ids", read_browser_ids),
    ("hash_match_keys", hash_match_keys),
    ("judge_visitor", judge_visitor),
    ("shorten_address", shorten_address),
    ("read_custom_data", read_custom_data),
    ("keep_the_rest", keep_the_rest),
    ("hit_words", hit_words),
    ("limit", limit),
    ("write_down", write_down),
)
"""The order of work, by name: first what may end a hit, then what it says, last what of it may not be kept."""


class KeptHits(msgspec.Struct, gc=False):
    """What came of hits that were judged together."""

    n: int
    """Copies to keep."""
    columns: dict[str, list[Any]]
    """Columns of copies, as `copies.pack` takes them."""
    private: list[Private | None]
    """For the side table alone, of each copy; None where consent is denied."""
    ended: dict[int, Reason]
    """Place among the hits -> why there is no copy: CONSENT_DENIED means withheld, others refused."""


def keep_hits(hits: Sequence[Hit], receipt: Receipt) -> KeptHits:
    """Take hits of one dataset through BROWSER_STEPS. `hit_columns.apart` cuts any number into such as are bounded.

    The copies keep the order of their hits, and each is what it would be alone.
    """
    rows = HitColumns(hits, receipt)
    for _, step in BROWSER_STEPS:
        step(rows)
    columns, n = rows.columns, rows.n
    private: list[Private | None] = [(hit.address, agent) for hit, agent in zip(hits, rows.agents, strict=True)]
    for row in rows.limited:
        private[row] = None
    if rows.ended:
        kept = [row not in rows.ended for row in range(n)]
        columns = {name: list(compress(column, kept)) for name, column in columns.items()}
        private = list(compress(private, kept))
        n -= len(rows.ended)
    return KeptHits(n, columns, private, rows.ended)


def keep_hit(hit: Hit, receipt: Receipt) -> Copy | Reason:
    """Judge one hit: the copy to keep, or the reason for which there is none."""
    kept = keep_hits([hit], receipt)
    if kept.ended:
        return kept.ended[0]
    return Copy(**{name: column[0] for name, column in kept.columns.items()})
