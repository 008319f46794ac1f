"""The copies of one action as a table, for a file."""

from __future__ import annotations

from typing import Final

from truecount.measure.explain import CopyDetails, Explained

_DETAILS: Final = (
    "value", "currency", "item_number", "action_source", "url", "referrer", "custom_data", "consent",
    "test_event_code", "browser", "campaign",
)  # fmt: skip
COLUMNS: Final = (
    "offset", "source", "received_time", "event_time", "verdict", "rule", "event_id", "order_id", *_DETAILS,
    "match_keys", "marks", "removed", "notes",
)  # fmt: skip


def rows(found: Explained) -> list[list[object]]:
    """A row a copy, in the order of the log. What is several stands with blanks between."""
    table: list[list[object]] = []
    for copy in found.copies:
        details = copy.details
        assert isinstance(details, CopyDetails)
        table.append(
            [
                *(details.offset, copy.source, copy.received_time, copy.event_time, copy.verdict, copy.rule),
                *(copy.event_id, copy.order_id, *(getattr(details, name) for name in _DETAILS)),
                *(" ".join(several) for several in (copy.match_keys, copy.marks, details.removed, details.notes)),
            ]
        )
    return table
