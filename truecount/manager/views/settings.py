"""Settings: who may send to a dataset, under which rules. The forms are made from one table of fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from truecount.datasets import Dataset, DatasetSettings
from truecount.log.changes import Record
from truecount.manager.answers import time_of
from truecount.manager.users.accounts import User
from truecount.manager.views.changes import FINGERPRINT, Change, changes, made_at, who_of
from truecount.manager.views.settings_forms import Section


class TokenView(msgspec.Struct):
    """An access token as it is known here: by its fingerprint, the beginning of its SHA-256."""

    fingerprint: str
    hash: str
    scope: str
    """What it is good for."""
    created: str | None
    """UTC; null for one that is older than the log of changes."""
    created_by: str
    """The user's address, or words."""
    last_used: str | None
    """UTC, up to a minute ago: when the server door last took it; null where it never did."""


class SettingsView(msgspec.Struct):
    """The page Settings of a dataset."""

    id: str
    name: str
    created: str
    settings: DatasetSettings
    tokens: list[TokenView]
    changes: list[Change]
    """Who changed what, the newest first."""
    token: str | None = None
    """A new access token: shown this once."""
    saved: str | None = None
    """The section that was saved just now."""
    problem: str | None = None
    """What is wrong with what was given."""


SCOPE: Final = "send events"
"""The one thing that an access token is good for."""


class Known(NamedTuple):
    """What is known of a dataset beside itself: its records, the users, when each token was last used (us)."""

    records: Sequence[Record] = ()
    users: Iterable[User] = ()
    used_us: Mapping[bytes, int] = {}


def settings(
    dataset: Dataset, known: Known, *, token: str | None = None, saved: str | None = None, problem: str | None = None
) -> SettingsView:
    return SettingsView(
        id=dataset.id,
        name=dataset.name,
        created=time_of(dataset.created_us),
        settings=dataset.settings,
        tokens=_tokens(dataset, known),
        changes=changes(known.records, known.users),
        token=token,
        saved=saved,
        problem=problem,
    )


def _tokens(dataset: Dataset, known: Known) -> list[TokenView]:
    made = made_at(known.records)
    found = []
    for hash in dataset.token_hashes:
        record, used_us = made.get(hash), known.used_us.get(hash)
        found.append(
            TokenView(
                fingerprint=hash.hex()[:FINGERPRINT],
                hash=hash.hex(),
                scope=SCOPE,
                created=time_of(record.at_us) if record else None,
                created_by=who_of(record.dataset.by if record else "", known.users),
                last_used=time_of(used_us) if used_us else None,
            )
        )
    return found


def shown_values(view: SettingsView) -> dict[str, Any]:
    """What the fields hold: texts, and True or False for switches."""
    values: dict[str, Any] = {"name": view.name}
    for name in DatasetSettings.__struct_fields__:
        value = getattr(view.settings, name)
        values[name] = "\n".join(value) if isinstance(value, tuple) else value
    return values


def given_values(section: Section, form: dict[str, str]) -> dict[str, str]:
    """What a form says, as `truecount dataset set` takes it. A switch that is off is not in a form."""
    values: dict[str, str] = {}
    for field in section.fields:
        if field.kind == "switch":
            values[field.name] = "true" if field.name in form else "false"
        elif field.name in form:
            text = form[field.name]
            values[field.name] = ",".join(text.splitlines()) if field.kind == "list" else text.strip()
    return values
