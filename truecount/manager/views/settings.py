"""Settings: who may send to a dataset, under which rules. The forms are made from one table of fields."""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

import msgspec

from truecount.datasets import Dataset, DatasetSettings
from truecount.manager.answers import time_of


class Field(NamedTuple):
    """One setting as a form shows it. `name` is its key, as in `truecount dataset set`."""

    name: str
    kind: Literal["text", "list", "switch", "choice"]
    label: str
    hint: str = ""
    choices: tuple[tuple[str, str, str], ...] = ()
    """(value, label, hint) of each choice."""


class Section(NamedTuple):
    """A form that is saved by itself."""

    id: str
    title: str
    meaning: str
    fields: tuple[Field, ...]


SECTIONS: Final[tuple[Section, ...]] = (
    Section(
        "general",
        "General",
        "What the dataset is called, where its days begin, and how its phone numbers are read.",
        (
            Field("name", "text", "Name"),
            Field("time_zone", "text", "Time zone", "An IANA name, as in Asia/Kolkata. Times in files stay in UTC."),
            Field(
                "country",
                "text",
                "Country of bare phone numbers",
                "Two letters, as in IN. Numbers without a country code are read as its own; empty: as they are.",
            ),
        ),
    ),
    Section(
        "domains",
        "Domains",
        "Where events may come from. What comes from elsewhere is refused, and counted as such.",
        (
            Field(
                "allowed_domains",
                "list",
                "Take events of these domains only",
                "One a line, subdomains too. Empty: all.",
            ),
            Field("blocked_domains", "list", "Refuse events of these domains", "One a line; looked at first."),
            Field(
                "allowed_origins",
                "list",
                "Take hits of these pages only",
                "Origins, as in https://shop.example, one a line. Empty: all.",
            ),
        ),
    ),
    Section(
        "consent",
        "Consent",
        "What happens to a visitor who has not said yes.",
        (
            Field(
                "consent_default",
                "choice",
                "An event that says nothing of consent",
                choices=(
                    ("granted", "Counts as granted", "Where it is asked for before anything is sent, or not needed."),
                    ("denied", "Counts as denied", "Only an event that says that consent was given is kept whole."),
                ),
            ),
            Field(
                "denied_events",
                "choice",
                "An event whose consent is denied",
                choices=(
                    (
                        "limit",
                        "Count without identifiers",
                        "Its event id is kept, no match key: it can merge by the id.",
                    ),
                    ("withhold", "Hold back", "Only a tally is kept, and nothing of the event."),
                ),
            ),
        ),
    ),
    Section(
        "counting",
        "Counting",
        "What is kept and marked in any case; here you decide whether it counts.",
        (
            Field("count_tests", "switch", "Count test events", "Events that carry a test code."),
            Field(
                "count_tools", "switch", "Count developers' tools", "Reported by curl, HTTP libraries, test browsers."
            ),
            Field("count_bots", "switch", "Count bots", "Reported by declared crawlers, previewers and prefetches."),
        ),
    ),
    Section(
        "doors",
        "Doors",
        "What the doors take.",
        (
            Field("automatic_events", "switch", "Take automatic events", "Those that the pixel sends by itself."),
            Field("strict_hashing", "switch", "Refuse unhashed contact data from servers", "Off: the door hashes it."),
            Field("strict_money", "switch", "Refuse a Purchase without value and currency", "Off: its sender is told."),
        ),
    ),
)


class TokenView(msgspec.Struct):
    """An access token as it is known here: by its fingerprint, the beginning of its SHA-256."""

    fingerprint: str
    hash: str


class SettingsView(msgspec.Struct):
    """The page Settings of a dataset."""

    id: str
    name: str
    created: str
    settings: DatasetSettings
    tokens: list[TokenView]
    token: str | None = None
    """A new access token: shown this once."""
    saved: str | None = None
    """The section that was saved just now."""
    problem: str | None = None
    """What is wrong with what was given."""


def settings(dataset: Dataset, *, token: str | None = None, saved: str | None = None) -> SettingsView:
    return SettingsView(
        id=dataset.id,
        name=dataset.name,
        created=time_of(dataset.created_us),
        settings=dataset.settings,
        tokens=[TokenView(hash.hex()[:12], hash.hex()) for hash in dataset.token_hashes],
        token=token,
        saved=saved,
    )


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
