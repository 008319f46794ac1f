"""A dataset: one stream of measurement, its tokens and settings, as doors and reports see it."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Final, Literal

import msgspec

DATASET_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch
"""Opaque, but short and harmless in a path, a shell and a file name."""
PIXEL_ID: Final = re.compile(r"[1-9][0-9]{0,19}").fullmatch
"""What the pixel, and the snippets of official SDKs, take as an id: they leave an event of any other unsent. People are
asked for such an id; datasets that have another one go on, and their servers' events too.
"""
PIXEL_ID_WORDS: Final = "1 to 20 digits, the first of them not 0"
CANARY_ID: Final = "truecount-canary"
"""The dataset that copies of the server's own canary have. No registry holds it, and nobody can make one of that id."""


COMMAND_LINE: Final = "command line"
"""Who changed a dataset, where it was a command. No user's id has a blank."""


class DatasetSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an owner decides for a dataset. Each field's meaning is the text that docs/settings.md shows."""

    country: str = ""
    """ISO 3166 alpha-2 code: phone numbers without a country code are read as this country's; empty: as they are."""
    time_zone: str = "UTC"
    """IANA name (Asia/Kolkata): where days begin in reports, and how times are shown."""
    allowed_origins: tuple[str, ...] = ()
    """Origins (https://shop.example) whose pages may send hits; empty: all."""
    allowed_domains: tuple[str, ...] = ()
    """Domains (and their subdomains) whose events are taken; empty: all."""
    blocked_domains: tuple[str, ...] = ()
    """Domains (and their subdomains) whose events are refused; looked at first."""
    consent_default: Literal["granted", "denied"] = "granted"
    """How an event is read that says nothing of consent."""
    denied_events: Literal["limit", "withhold"] = "limit"
    """What becomes of an event whose consent is denied: kept without identifiers, or only tallied."""
    count_bots: bool = False
    """Count actions that declared crawlers, previewers and prefetches reported."""
    count_tools: bool = True
    """Count actions that developers' tools (curl, HTTP libraries, test browsers) reported."""
    count_tests: bool = True
    """Count events that carry a test_event_code."""
    automatic_events: bool = True
    """Take events that the pixel sends by itself (es=automatic)."""
    sensitive_words: tuple[str, ...] = ()
    """Words that no page address and no custom data may keep; removed-word stands in their place."""
    strict_hashing: bool = False
    """Refuse server events with unhashed contact data where it must be hashed (2804019)."""
    strict_money: bool = False
    """Refuse a Purchase without value and currency."""


class Dataset(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    created_us: int
    token_hashes: tuple[bytes, ...] = ()
    settings: DatasetSettings = DatasetSettings()
    deleted: bool = False
    by: str = ""
    """Who made it what it is now: the id of a user, COMMAND_LINE, "" where nobody knows. Never an address: a record of
    the log cannot be taken back, and a user's address lies in users.sqlite alone, where it can.
    """


def canary_dataset(secret: str) -> Dataset:
    """What the doors take the canary for; its secret is its access token."""
    return Dataset(id=CANARY_ID, name="Canary", created_us=0, token_hashes=(token_hash(secret),))


def token_hash(token: str) -> bytes:
    """What is kept of an access token: SHA-256. Tokens are long and random, so a slow hash would add nothing."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def new_token() -> str:
    return "TC" + secrets.token_urlsafe(32)


def new_dataset_id() -> str:
    """16 digits, as pixel ids look, so that plugins with a check of their own take it."""
    return str(secrets.randbelow(9 * 10**15) + 10**15)
