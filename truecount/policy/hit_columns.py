"""Hits that are judged together, on their way through the steps: columns in, columns of the copy out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, Final

import msgspec

from truecount.policy.hits import Hit, Receipt, Sort
from truecount.policy.slices import SEPARATOR
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
        self.pairs = [hit.pairs for hit in hits]
        self.sent: dict[str, Column] = {}
        """A column a key, for keys that at least one hit has."""
        self.sorts: dict[int, dict[str, Column]] = {int(sort): {} for sort in Sort}
        """hits.Sort -> name inside the brackets -> column. NAMED ones are read from `sent`."""
        self.columns: dict[str, list[Any]] = {}
        self.agents: list[str] = []
        """User agents as they may be kept."""
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


def columns_of(pairs: Sequence[dict[str, str]]) -> dict[str, Column]:
    """Rows of keys and values as columns."""
    shapes = dict.fromkeys(map(tuple, pairs))
    if len(shapes) == 1:
        (keys,) = shapes
        return dict(zip(keys, map(list, zip(*map(dict.values, pairs), strict=True)), strict=True))
    keys = tuple(dict.fromkeys(chain.from_iterable(shapes)))
    return {key: [row.get(key) for row in pairs] for key in keys}


def values(column: Column) -> list[str]:
    """A column with "" for what did not come."""
    return [value or "" for value in column] if None in column else column  # type: ignore[return-value]


def objects_of(columns: dict[str, list[Any]], n: int) -> list[str]:
    """A JSON object a row, of the columns that have a value there, by name; "" for a row without any."""
    names = sorted(columns)
    rows = zip(*(columns[name] for name in names), strict=True)
    if any(None in columns[name] for name in names):
        found = [{name: value for name, value in zip(names, row, strict=True) if value is not None} for row in rows]
    else:
        found = [dict(zip(names, row, strict=True)) for row in rows]
    texts = b"\x1e".join(map(_encode, found)).decode().split(SEPARATOR)
    return texts if all(found) else ["" if text == "{}" else text for text in texts]


def apart(hits: Sequence[Hit]) -> list[Sequence[Hit]]:
    """Cut hits, in their order, into as few runs as can be judged together: bounded in hits and in different keys."""
    runs: list[Sequence[Hit]] = []
    first = 0
    keys: set[str] = set()
    shapes: set[tuple[str, ...]] = set()
    for at, hit in enumerate(hits):
        shape = tuple(hit.pairs)
        if shape not in shapes:
            more = keys.union(shape)
            if at > first and len(more) > MOST_KEYS:
                runs.append(hits[first:at])
                first, more, shapes = at, set(shape), set()
            keys = more
            shapes.add(shape)
        if at + 1 - first == MOST_HITS:
            runs.append(hits[first : at + 1])
            first, keys, shapes = at + 1, set(), set()
    if first < len(hits):
        runs.append(hits[first:])
    return runs


Step = Callable[[HitColumns], None]
