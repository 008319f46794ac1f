"""Adding up what dedup says, into a scratch table `rolling`: all of it, or in slices of the key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from truecount.measure.sums import want_all
from truecount.resolve.actions import ALL_SLICES, AMENDMENT, Actions
from truecount.vocabulary import Source

from .basis import PACKAGE

SLICE: Final = 4_000_000
"""Copies that are grouped at a time when long histories are added up: a gigabyte, at most."""
NAMES_AT_ONCE: Final = 1000
"""Names that one slice holds at most."""
SAMPLE: Final = 4096
"""Ids that a range is cut by."""


class Slice(NamedTuple):
    """Some names, or a range of the ids of one: [begin, until)."""

    names: Sequence[str]
    begin: str = ""
    until: str | None = None

    @property
    def params(self) -> dict[str, Any]:
        return {
            "all_slices": 0,
            "slice_names": list(self.names),
            "slice_from": self.begin,
            "slice_until": self.until or "",
            "is_last_slice": int(self.until is None),
        }


def add_all(
    actions: Actions,
    sign: int = 1,
    slice_copies: int = SLICE,
    after_slice: Callable[[float], None] | None = None,
) -> None:
    """Add up all actions of `actions`, each number times `sign`, into its scratch table `rolling`.

    `after_slice` is called after each part with the share that is done, and may take away the rows that are there.
    """
    amended = want_all(actions)
    actions.params["sign"] = sign
    actions.need("rolling")
    slices = [] if actions.is_whole else list(_slices(actions, slice_copies))
    said = after_slice or (lambda share: None)
    found_long = False
    for at, one in enumerate(slices):
        actions.put("rolling", "actions_of_ids", PACKAGE, **one.params)
        found_long |= _want_long(actions)
        said((at + 1) / (len(slices) + 2))
    if not actions.is_whole and any(row.bare and row.source != Source.OFFLINE for row in actions.profile):
        actions.put("rolling", "actions_of_bare", PACKAGE)
    if actions.any_offline and not actions.is_whole:
        actions.put("rolling", "actions_of_offline", PACKAGE)
        found_long |= _want_long(actions)
    said((len(slices) + 1) / (len(slices) + 2))
    if found_long:
        actions.fill(2)
    if actions.resolve():
        if actions.count("originals"):
            actions.put("amended", "amended")
        actions.put("rolling", "actions_of_special", PACKAGE)
        actions.put("rolling", "removed_of_special", PACKAGE)
    if amended:
        actions.put("rolling", "amended", PACKAGE)
    said(1.0)


def _want_long(actions: Actions) -> bool:
    """Want the keys that the pool must cut into sessions; whether there were any."""
    rows = actions.ask("SELECT sum(length(long_keys)) FROM {rolling:Identifier}")
    if not int(rows[0][0] or 0):
        return False
    actions.put("wanted", "wanted_long", PACKAGE)
    actions.do("ALTER TABLE {rolling:Identifier} UPDATE long_keys = [] WHERE notEmpty(long_keys)")
    return True


def _slices(actions: Actions, most: int) -> Iterable[Slice]:
    """All ids, cut so that no slice has many more copies than `most`."""
    copies: dict[str, int] = {}
    for row in actions.profile:
        if not row.bare and row.source != Source.OFFLINE and row.event_name != AMENDMENT:
            copies[row.event_name] = copies.get(row.event_name, 0) + row.n
    if sum(copies.values()) <= most:
        if copies:
            yield _Whole()
        return
    names: list[str] = []
    held = 0
    for name, n in sorted(copies.items()):
        if names and (held + n > most or len(names) == NAMES_AT_ONCE):
            yield Slice(names)
            names, held = [], 0
        if n <= most:
            names.append(name)
            held += n
        else:
            yield from _ranges(actions, name, -(-n // most), n)
    if names:
        yield Slice(names)


class _Whole(Slice):
    """All ids in one go."""

    def __new__(cls) -> _Whole:
        return super().__new__(cls, ())

    @property
    def params(self) -> dict[str, Any]:
        return dict(ALL_SLICES)


def _ranges(actions: Actions, name: str, parts: int, copies: int) -> Iterable[Slice]:
    """The ids of one name in ranges of about as many copies, by a sample of them."""
    rows = actions.ask(
        "SELECT event_id FROM copies WHERE dataset = {dataset:String} AND event_name = {name:String} "
        "AND event_id != '' AND cityHash64(event_id) % {every:UInt64} = 0 ORDER BY event_id",
        name=name,
        every=max(1, copies // SAMPLE),
    )
    ids = [str(id) for (id,) in rows]
    edges = sorted({ids[len(ids) * at // parts] for at in range(1, parts)}) if ids else []
    for begin, until in zip(["", *edges], [*edges, None], strict=True):
        yield Slice((name,), begin, until)
