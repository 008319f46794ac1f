"""What became of a dataset, when, and by whom: the log of its settings, for Settings, files, and marks on charts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import msgspec

from truecount.datasets import COMMAND_LINE, Dataset, DatasetSettings
from truecount.log.changes import Record
from truecount.manager.answers import time_of
from truecount.manager.mutes import GONE
from truecount.manager.users.accounts import User
from truecount.manager.views.settings_forms import FIELDS

UNKNOWN: Final = "not known"
"""Who changed what was changed before that was kept."""
BY_COMMAND: Final = "the command line"
FINGERPRINT: Final = 12
"""Hex digits of a token's SHA-256 by which people name it."""
COLUMNS: Final = ("time", "who", "name", "before", "after")
SHORT: Final = ("switch", "choice")
"""Kinds of fields whose value may stand on a chart: it is one of ours, and says nothing that only an owner may read."""


class Changed(msgspec.Struct, frozen=True):
    """One thing that became another. `name` is a setting, `name`, `dataset` or `token`; values are as `dataset set`
    takes them, a token's the beginning of its SHA-256, null where there was or is none.
    """

    name: str
    before: str | None
    after: str | None
    words: str
    """The same for a person."""
    short: str
    """The same for everybody who sees the dataset: lists and texts are not told."""


class Change(msgspec.Struct, frozen=True):
    """What one form or one command changed. `time` is UTC."""

    time: str
    who: str
    """The user's address, or words where that was none of the users who are there."""
    changed: list[Changed]


class ChangeMark(msgspec.Struct, frozen=True):
    """A change as a chart shows it."""

    time: str
    what: str


def changes(records: Sequence[Record], users: Iterable[User]) -> list[Change]:
    """The changes of a dataset, the newest first. What was saved as it was before is none."""
    names = {user.id: user.email for user in users}
    return [
        Change(time_of(record.at_us), _who(record.dataset.by, names), changed) for record, changed in _each(records)
    ][::-1]


def marks(records: Sequence[Record], since_ms: int, until_ms: int) -> list[ChangeMark]:
    """What changed in [since_ms, until_ms) and may change a count, the oldest first."""
    return [
        ChangeMark(time_of(record.at_us), "; ".join(told))
        for record, changed in _each(records)
        if since_ms * 1000 <= record.at_us < until_ms * 1000
        and (told := [one.short for one in changed if one.name not in ("name", "dataset")])
    ]


def rows(found: Sequence[Change]) -> list[tuple[str | None, ...]]:
    """The changes as a table of COLUMNS, a row each thing that changed."""
    return [(one.time, one.who, it.name, it.before, it.after) for one in found for it in one.changed]


def made_at(records: Sequence[Record]) -> dict[bytes, Record]:
    """The record that brought each token, by the token's hash."""
    found: dict[bytes, Record] = {}
    for record in records:
        for hash in record.dataset.token_hashes:
            found.setdefault(hash, record)
    return found


def who_of(by: str, users: Iterable[User]) -> str:
    """Who a record is by, in words."""
    return _who(by, {user.id: user.email for user in users})


def _who(by: str, names: Mapping[str, str]) -> str:
    if by == COMMAND_LINE:
        return BY_COMMAND
    return names.get(by, GONE) if by else UNKNOWN


def _each(records: Sequence[Record]) -> Iterator[tuple[Record, list[Changed]]]:
    if records:
        name = records[0].dataset.name
        yield records[0], [Changed("dataset", None, name, f"Made, as {name}", "Made")]
    for (_, _, _, old), record in pairwise(records):
        if changed := _changed(old, record.dataset):
            yield record, changed


def _changed(old: Dataset, new: Dataset) -> list[Changed]:
    found = []
    if old.name != new.name:
        found.append(Changed("name", old.name, new.name, f"Name: {new.name}, before {old.name}", "Name changed"))
    for name in DatasetSettings.__struct_fields__:
        before, after = getattr(old.settings, name), getattr(new.settings, name)
        if before != after:
            found.append(_setting(name, before, after))
    for hash in new.token_hashes:
        if hash not in old.token_hashes:
            mark = hash.hex()[:FINGERPRINT]
            found.append(Changed("token", None, mark, f"Token {mark}… made", "A token made"))
    for hash in old.token_hashes:
        if hash not in new.token_hashes:
            mark = hash.hex()[:FINGERPRINT]
            found.append(Changed("token", mark, None, f"Token {mark}… revoked", "A token revoked"))
    return found


def _setting(name: str, before: Any, after: Any) -> Changed:
    field = FIELDS[name]
    words = f"{field.label}: {_shown(name, after)}, before {_shown(name, before)}"
    short = f"{field.label}: {_shown(name, after)}" if field.kind in SHORT else f"{field.label}: changed"
    return Changed(name, _text(before), _text(after), words, short)


def _text(value: Any) -> str:
    """A value as `dataset set` takes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _shown(name: str, value: Any) -> str:
    """A value as the form shows it."""
    field = FIELDS[name]
    if field.kind == "switch":
        return "on" if value else "off"
    if field.kind == "choice":
        return next((f"“{label}”" for key, label, _ in field.choices if key == value), str(value))
    return (", ".join(value) if isinstance(value, tuple) else str(value)) or "nothing"
