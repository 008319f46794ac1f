"""A pixel hit as the door hands it over, and what each of its keys is (pixel.md §4.1)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import IntEnum
from typing import Final

import msgspec

from truecount.datasets import Dataset
from truecount.policy.memo import Memo
from truecount.policy.scrub import ID_KEYS, scrub_text
from truecount.vocabulary import DIGEST_KEYS, KEY_ALIASES, PLAIN_KEYS, RARE_DIGEST_KEYS


class Hit(msgspec.Struct, gc=False):
    """One hit: decoded keys, none twice, and their values. Hits of one shape should share one tuple of keys."""

    keys: tuple[str, ...]
    values: Sequence[str]
    address: str = ""
    """The visitor's address, "" where unknown."""
    agent: str = ""
    """The User-Agent header."""
    origin: str = ""
    referer: str = ""
    purpose: str = ""
    """A Sec-Purpose, Purpose or X-Moz header."""

    def get(self, key: str) -> str:
        """The value of a key, "" for none."""
        return self.values[self.keys.index(key)] if key in self.keys else ""


class Receipt(msgspec.Struct):
    """What hits have in common that are judged together."""

    dataset: Dataset
    received_us: int
    """Place in the log's order: never runs backwards, so it may stand ahead of the clock."""
    weak_key: bytes
    """`address.day_key` of the day of receipt."""
    clock_us: int | None = None
    """What the clock says, by which ages are judged; None: as received_us."""

    @property
    def now_ms(self) -> int:
        """The time that ages are judged by."""
        return (self.received_us if self.clock_us is None else self.clock_us) // 1000


class Sort(IntEnum):
    """What a key of a hit is."""

    NAMED = 0
    """Has a field of its own, read by name: id, ev, dl, ..."""
    CUSTOM = 1
    """cd[...] whose value is a text."""
    CUSTOM_JSON = 2
    """cd[...] whose value is expected to be JSON."""
    CUSTOM_ID = 3
    """cd[...] whose value is an id."""
    USER = 4
    """ud[...]: a match key of this name."""
    USER_SECOND = 5
    """aud[...]: another reading of a match key."""
    USER_FORM = 6
    """udff[...]: a match key harvested from a form."""
    TECHNICAL = 7
    """Labels that the pixel itself sends, much alike from hit to hit."""
    CLOCK = 8
    """Plain numbers that the pixel itself sends, different in each hit."""
    EXTRA = 9
    """Page metadata and everything unknown."""
    DROPPED = 10
    """Shapes of user data (cud, ncud), and user data without a known name: never kept."""
    UNCLEAN = 11
    """A key that itself holds contact data or what can't be stored."""


NAMED: Final = ("id", "ev", "dl", "rl", "ts", "eid", "fbp", "fbc", "a", "consent", "test_event_code")
TECHNICAL: Final = (
    "if", "iw", "sw", "sh", "v", "r", "o", "aems", "hmd", "cs_est", "est_source", "ler", "cdl", "iss",
    "imft", "tz", "coo", "dpo", "dpoco", "dpost", "es", "tm", "cf", "exp", "noscript", "rqm", "cs_cc", "cas",
    "ccs", "redirect", "pm", "hrl", "bs", "chmd", "chpv", "chfv",
)  # fmt: skip
CLOCKS: Final = ("ec", "it", "plt")
JSON_KEYS: Final = (
    "contents", "content_ids", "buttonFeatures", "formFeatures", "pageFeatures", "parameters", "DataLayer", "Meta",
    "OpenGraph", "Schema.org", "JSON-LD",
)  # fmt: skip
"""Names of cd[...] whose value is read as JSON: contents, content_ids and those of automatic events. No other is."""

PARTNER_FIELDS: Final = ("fbp", "fbc")
"""May be passed as user data and then override the cookie's values."""

MAX_NAME: Final = 64

_bracketed: Final = re.compile(r"(cd|ud|aud|udff|cud|ncud)\[(.*)\]", re.DOTALL).fullmatch
_storable: Final = re.compile(r"[^\x00\ud800-\udfff]*").fullmatch

_SORTS: Final = {"ud": Sort.USER, "aud": Sort.USER_SECOND, "udff": Sort.USER_FORM}
_USER_KEYS: Final = frozenset((*DIGEST_KEYS, *RARE_DIGEST_KEYS, *PLAIN_KEYS, *PARTNER_FIELDS))


def _sort_of(key: str) -> tuple[int, str]:
    if not _storable(key) or scrub_text(key)[1]:
        return int(Sort.UNCLEAN), key
    if key in NAMED:
        return int(Sort.NAMED), key
    if key in TECHNICAL:
        return int(Sort.TECHNICAL), key
    if key in CLOCKS:
        return int(Sort.CLOCK), key
    if key == "vdpo":  # a misprint in Meta's documentation that pages have copied (pixel.md §7)
        return int(Sort.TECHNICAL), "dpo"
    match = _bracketed(key)
    if match is None:
        if key in ("ud", "aud", "udff", "cud", "ncud") or key in _USER_KEYS or key in KEY_ALIASES:
            return int(Sort.DROPPED), key
        return int(Sort.EXTRA), key
    kind, name = match.groups()
    if kind == "cd":
        if name in JSON_KEYS:
            return int(Sort.CUSTOM_JSON), name
        return int(Sort.CUSTOM_ID if name.lower() in ID_KEYS else Sort.CUSTOM), name
    name = KEY_ALIASES.get(name, name)
    if kind in _SORTS and name in _USER_KEYS:
        return int(_SORTS[kind]), name
    return int(Sort.DROPPED), key


SORT_OF: Final[Memo[tuple[int, str]]] = Memo(_sort_of, most=4096, longest=MAX_NAME)
"""Key -> (Sort, name inside the brackets)."""
