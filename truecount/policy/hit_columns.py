"""Hits that are judged together, on their way through the steps: columns in, columns of the copy out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any, Final

import msgspec

from truecount.policy.hits import Hit, Receipt, Sort
from truecount.policy.visitor import JUDGED
from truecount.vocabulary import Reason

MOST_HITS: Final = 256
MOST_KEYS: Final = 256
"""Different keys of hits that are judged together and not all of the same: each costs all of them a place."""

Column = list[str | None]
"""The values of one key, None for a hit without it."""
_encode: Final = msgspec.json.Encoder().encode


class HitColumns:
    """State that the steps share. A step reads columns of what came, and adds columns of the copy.

    Hits together give what each gives alone: no step may let one hit's keys or their order change another's copy, so
    whatever goes over keys goes over them sorted.
    """

    def __init__(self, hits: Sequence[Hit], receipt: Receipt) -> None:
        self.hits = hits
        self.n = len(hits)
        self.receipt = receipt
        self.dataset = receipt.dataset
        self.settings = receipt.dataset.settings
        self.texts = [hit.values for hit in hits]
        """The values of each hit, in the order of its keys."""
        self.groups = _groups_of(hits)
        """Rows of hits that share their keys."""
        self.sent: dict[str, Column] = {}
        """A column a key, for keys that at least one hit has."""
        self.sorts: dict[int, dict[str, Column]] = {int(sort): {} for sort in Sort}
        """hits.Sort -> name inside the brackets -> column. NAMED ones are read from `sent`."""
        self.columns: dict[str, list[Any]] = {}
        judged = zip(*[JUDGED[hit.agent] for hit in hits], strict=True)
        self.agents, self.families, self.visitors = map(list, judged)
        """User agents as they may be kept, browser families, kinds of visitor."""
        self.at = False
        """Whether a sign of an @ stands in any value; where none does, ids need no closer look."""
        self.click_ids: dict[int, str] = {}
        """Row -> the landing's fbclid."""
        self.marks = [0] * self.n
        self.limited: list[int] = []
        self.ended: dict[int, Reason] = {}
        """Row -> why the hit ends here: refused, or (CONSENT_DENIED) withheld."""
        self.notes: dict[int, list[str]] = {}
        self.removed: dict[int, list[str]] = {}

    def end(self, row: int, reason: Reason) -> None:
        """Keep no copy of a hit; of several reasons the first counts."""
        self.ended.setdefault(row, reason)

    def note(self, row: int, note: str) -> None:
        self.notes.setdefault(row, []).append(note)

    def take(self, row: int, field: str, kinds: Sequence[str]) -> None:
        """Record what scrubbing took from a field."""
        if kinds:
            self.removed.setdefault(row, []).extend(f"{field}:{kind}" for kind in kinds)

    def mark(self, row: int, mark: int) -> None:
        self.marks[row] |= mark


def _groups_of(hits: Sequence[Hit]) -> list[list[int]]:
    groups: dict[int, list[int]] = {}
    for row, hit in enumerate(hits):
        groups.setdefault(id(hit.keys), []).append(row)
    return list(groups.values())


def columns_of(rows: HitColumns) -> dict[str, Column]:
    """Keys of hits and their values as columns."""
    if len(rows.groups) == 1:
        return dict(zip(rows.hits[0].keys, map(list, zip(*rows.texts, strict=True)), strict=True))
    columns: dict[str, Column] = {}
    for group in rows.groups:
        parts = zip(*[rows.texts[row] for row in group], strict=True)
        for key, part in zip(rows.hits[group[0]].keys, parts, strict=True):
            column = columns.get(key)
            if column is None:
                column = columns[key] = [None] * rows.n
            for row, text in zip(group, part, strict=True):
                column[row] = text
    return columns


def values(column: Column) -> list[str]:
    """A column with "" for what did not come."""
    if all(column) or None not in column:  # the first look takes half the second's time
        return column  # type: ignore[return-value]
    return [value or "" for value in column]


def objects_of(rows: HitColumns, texts: dict[str, Column], json: dict[str, Column]) -> list[str]:
    """A JSON object a row, of the columns that have a value there, sorted by name; "" for a row without any.

    `texts` become strings, `json` are JSON texts already. No name is in both.
    """
    escaped = {name: _escaped(column) for name, column in texts.items()}
    marks = [(f"{_encode(name).decode()}:", '"' if name in escaped else "") for name in sorted({*texts, *json})]
    columns = [escaped[name] if name in escaped else json[name] for name in sorted({*texts, *json})]
    found = [""] * rows.n
    for group in rows.groups:
        whole = len(group) == rows.n
        parts = columns if whole else [[column[row] for row in group] for column in columns]
        there = [all(part) or None not in part for part in parts]
        if any(not full and part.count(None) != len(part) for full, part in zip(there, parts, strict=True)):
            objects = _one_by_one(marks, parts)  # hits of the same keys differ where a key was cleaned
        elif any(there):
            form = ",".join(
                f"{label.replace('%', '%%')}{quote}%s{quote}"
                for (label, quote), full in zip(marks, there, strict=True)
                if full
            )
            form = f"{{{form}}}"
            objects = [form % row for row in zip(*compress(parts, there), strict=True)]
        else:
            continue
        if whole:
            return objects
        for row, text in zip(group, objects, strict=True):
            found[row] = text
    return found


def _escaped(column: Column) -> Column:
    """Texts as they stand between the quotes of a JSON string."""
    joined = "".join(values(column))
    if len(_encode(joined)) == len(joined.encode()) + 2:
        return column
    return [_encode(text)[1:-1].decode() if text is not None else None for text in column]


def _one_by_one(marks: list[tuple[str, str]], parts: Sequence[Column]) -> list[str]:
    out = []
    for row in zip(*parts, strict=True):
        inner = ",".join(
            f"{label}{quote}{text}{quote}" for (label, quote), text in zip(marks, row, strict=True) if text is not None
        )
        out.append(f"{{{inner}}}" if inner else "")
    return out


def apart(hits: Sequence[Hit]) -> list[Sequence[Hit]]:
    """Cut hits, in their order, into as few runs as can be judged together: bounded in hits and in different keys."""
    runs: list[Sequence[Hit]] = []
    first = 0
    keys: set[str] = set()
    shapes: set[int] = set()
    for at, hit in enumerate(hits):
        if id(hit.keys) not in shapes:
            more = keys.union(hit.keys)
            if at > first and len(more) > MOST_KEYS:
                runs.append(hits[first:at])
                first, more, shapes = at, set(hit.keys), set()
            keys = more
            shapes.add(id(hit.keys))
        if at + 1 - first == MOST_HITS:
            runs.append(hits[first : at + 1])
            first, keys, shapes = at + 1, set(), set()
    if first < len(hits):
        runs.append(hits[first:])
    return runs


Step = Callable[[HitColumns], None]
