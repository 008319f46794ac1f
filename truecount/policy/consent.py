"""What an event with denied consent keeps, for both doors (design.md, Consent)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal

from truecount.copies import DEFAULTS, FIELDS, PLACE
from truecount.datasets import DatasetSettings

Fate = Literal["keep", "limit", "withhold"]

LIMITED_KEEPS: Final = (
    "dataset",
    "source",
    "received_us",
    "event_time_ms",
    "event_name",
    "event_id",
    "action_source",
    "url",
    "value_e4",
    "currency",
    "marks",
    "visitor",
    "original_event_name",
    "original_event_id",
    "original_time_ms",
    "consent",
    "removed",
    "notes",
)
"""Fields of a copy that a limited one keeps: the event, its value, its id, the page without query, and what the door
itself found out about the delivery. No identifier, no address (not in the side table either), no order, and
of free words the event's name alone."""
LIMITED_BLANK: Final = tuple(name for name in FIELDS if name not in LIMITED_KEEPS)
"""Fields of a copy that are set to their default in a limited one. `url` loses its query, see `page_of`."""

_GRANTED: Final = ("granted", "grant", "accepted", "accept", "allowed", "given", "yes", "true", "1")
_DENIED: Final = (
    "denied", "deny", "revoked", "revoke", "refused", "refuse", "rejected", "reject", "declined", "withdrawn",
    "withdraw", "no", "false", "0", "none",
)  # fmt: skip
_SPELLINGS: Final = {**dict.fromkeys(_GRANTED, "granted"), **dict.fromkeys(_DENIED, "denied")}
"""What `consent` may say; granted and denied are the documented words."""


def consent_of(said: object) -> str:
    """granted, denied, or "" where nothing (readable) was said."""
    return _SPELLINGS.get(str(said).strip().lower(), "") if isinstance(said, str | bool) else ""


def fate_of(consent: str, settings: DatasetSettings) -> Fate:
    """What becomes of an event, by what it said of consent and by the dataset's settings."""
    if (consent or settings.consent_default) != "denied":
        return "keep"
    return "withhold" if settings.denied_events == "withhold" else "limit"


def page_of(url: str) -> str:
    """A page's address without parameters, query and fragment, which may name a person; "" for what is no address."""
    page = url.partition("?")[0].partition("#")[0].partition(";")[0]
    return page if page.startswith(("http://", "https://")) else ""


def is_ldu(options: str) -> bool:
    """Whether dpo (options with commas between) asks for Limited Data Use."""
    return "LDU" in options.upper()


def without_names(removed: Iterable[str]) -> tuple[str, ...]:
    """What scrubbing took from a limited copy: field and kind, for the names of keys are the sender's own words."""
    parts = (one.rpartition(":") for one in removed)
    return tuple(dict.fromkeys(f"{field.partition('.')[0]}:{kind}" for field, _, kind in parts))


def limit_row(columns: dict[str, list[Any]], row: int) -> None:
    """Take from one copy of several what a limited one does not keep."""
    for name in LIMITED_BLANK:
        if name in columns:
            columns[name][row] = DEFAULTS[PLACE[name]]
    if "url" in columns:
        columns["url"][row] = page_of(columns["url"][row])
