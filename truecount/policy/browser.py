"""From a pixel hit to the copy that is kept: the browser door's rules, one small step each (pixel.md §4, design.md).

`BROWSER_STEPS` is the order of work. A step takes the draft and changes it, or answers with the reason for which the
hit ends here. No step raises for any text, none reads a clock, and none lets contact data through unhashed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from truecount.copies import DEFAULTS, PLACE, Copy
from truecount.datasets import Dataset
from truecount.policy.address import shorten, weak_of
from truecount.policy.consent import LIMITED_BLANK, consent_of, fate_of, is_ldu, page_of
from truecount.policy.customdata import AMOUNT_OF, JSON_OF, UNSTORABLE, json_of
from truecount.policy.hits import SORT_OF, Hit, Sort
from truecount.policy.keys import digests
from truecount.policy.memo import Memo
from truecount.policy.money import currency_of
from truecount.policy.permissions import refusal_of
from truecount.policy.scrub import (
    has_at,
    scrub_id,
    scrub_text,
    scrub_url,
    scrub_value,
    suspicious,
)
from truecount.policy.urls import NOWHERE, Landing, fbc_of, landing_of, strip_appendix
from truecount.policy.userdata import listed, take_hashed
from truecount.policy.visitor import agent_of, is_prefetch, visitor_of
from truecount.vocabulary import (
    DIGEST_KEYS,
    FUTURE_LIMIT_S,
    MAX_EVENT_AGE_S,
    PLAIN_KEYS,
    Mark,
    Reason,
    Source,
    Visitor,
)

__all__ = ["BROWSER_STEPS", "Draft", "Hit", "keep_hit"]

MAX_EVENT_NAME: Final = 100
"""Characters, as at the server door."""
MAX_AGE_MS: Final = MAX_EVENT_AGE_S * 1000
MAX_AHEAD_MS: Final = FUTURE_LIMIT_S * 1000


class Draft:
    """A hit on its way through the steps."""

    __slots__ = (
        "agent", "at", "copy", "dataset", "hit", "landing", "notes", "pairs", "purpose", "removed", "sorts", "weak_key",
    )  # fmt: skip

    def __init__(self, hit: Hit, dataset: Dataset, weak_key: bytes, purpose: str) -> None:
        self.hit = hit
        self.pairs = hit.pairs
        self.agent = hit.agent
        self.dataset = dataset
        self.weak_key = weak_key
        self.purpose = purpose
        self.copy = Copy(dataset.id, BROWSER, hit.received_us)
        self.sorts: tuple[dict[str, str], ...] = ({}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {})
        """One dict for each hits.Sort."""
        self.at = False
        """Whether a sign of an @ stands in any value; where none does, ids need no closer look."""
        self.landing = NOWHERE
        self.removed: list[str] = []
        self.notes: list[str] = []


def keep_hit(hit: Hit, dataset: Dataset, weak_key: bytes, purpose: str = "") -> Copy | Reason:
    """Run a hit through BROWSER_STEPS.

    `weak_key` is `address.day_key(secret, hit.received_us)`; `purpose` a Sec-Purpose, Purpose or X-Moz header.
    Returns the copy to keep, or the reason for which there is none: CONSENT_DENIED means withheld, others refused.
    """
    draft = Draft(hit, dataset, weak_key, purpose)
    for _, step in BROWSER_STEPS:
        reason = step(draft)
        if reason is not None:
            return reason
    return draft.copy


# --- steps -----------------------------------------------------------------------------------------------------------


def strip_unstorable(draft: Draft) -> None:
    """NUL and lone surrogates are no text that a store keeps: they go. From the user agent contact data goes too."""
    values = "\n".join(draft.pairs.values())
    draft.at = has_at(values)
    if (not values.isascii() or "\0" in values) and UNSTORABLE.search(values):
        draft.pairs = {key: UNSTORABLE.sub("", value) for key, value in draft.pairs.items()}
        draft.notes.append("unstorable_text")
    draft.agent = agent_of(draft.agent)


def require_name(draft: Draft) -> Reason | None:
    name = draft.pairs.get("ev", "")
    if not name or name.isspace():
        return Reason.NO_EVENT_NAME
    if len(name) > MAX_EVENT_NAME:
        return Reason.BAD_EVENT_NAME
    draft.copy.event_name, kinds = CLEAN_OF[name]
    if kinds:
        draft.removed += [f"event_name:{kind}" for kind in kinds]
    return None


def refuse_automatic(draft: Draft) -> Reason | None:
    if not draft.dataset.settings.automatic_events and draft.pairs.get("es") == "automatic":
        return Reason.AUTOMATIC_EVENTS_OFF
    return None


def check_permissions(draft: Draft) -> Reason | None:
    """Traffic permissions must hold for the page's own address, which the page can say at will, and for Origin, which
    the browser says; where neither has a host, for Referer.
    """
    hit = draft.hit
    settings = draft.dataset.settings
    pages = (draft.pairs.get("dl", ""), hit.origin, hit.referer)
    reason = refusal_of(pages, settings)
    if reason is None and hit.origin:
        reason = refusal_of((hit.origin, *pages), settings)
    return reason


def ask_consent(draft: Draft) -> Reason | None:
    """Withhold where consent is denied and the dataset says so; limiting comes last."""
    said = draft.pairs.get("consent", "")
    if said:
        draft.copy.consent = consent_of(said)
        if not draft.copy.consent:
            draft.notes.append("unreadable:consent")
    fate = fate_of(draft.copy.consent, draft.dataset.settings)
    if fate == "withhold":
        return Reason.CONSENT_DENIED
    if fate == "limit":
        draft.copy.marks |= LIMITED
    return None


def sort_keys(draft: Draft) -> None:
    """Tell match keys, custom data and the rest apart."""
    sorts = draft.sorts
    sort_of = SORT_OF
    for key, value in draft.pairs.items():
        sort, name = sort_of[key]
        sorts[sort][name] = value
    if sorts[UNCLEAN]:
        _sort_unclean(draft)
    if sorts[DROPPED] and any(not key.startswith(("cud[", "ncud[")) for key in sorts[DROPPED]):
        draft.notes.append("unknown_user_data")


def tell_time(draft: Draft) -> None:
    """`ts` while it lies within 7 days before and 10 minutes after the clock, else what the clock says."""
    hit = draft.hit
    now = (hit.received_us if hit.clock_us is None else hit.clock_us) // 1000
    ts = draft.pairs.get("ts", "")
    if ts:
        if len(ts) <= 16 and ts.isascii() and ts.isdigit():
            time = int(ts)
            if now - MAX_AGE_MS <= time <= now + MAX_AHEAD_MS:
                draft.copy.event_time_ms = time
                return
        draft.notes.append("unusable:ts")
    draft.copy.event_time_ms = now


def read_page(draft: Draft) -> None:
    """The page and where it was reached from, without contact data; the landing's campaign and click id."""
    pairs = draft.pairs
    copy = draft.copy
    url = pairs.get("dl")
    if url:
        copy.url, kinds, draft.landing = PAGE_OF[url]
        copy.campaign = draft.landing.campaign
        copy.campaign_source = draft.landing.campaign_source
        if kinds:
            draft.removed += [f"url:{kind}" for kind in kinds]
    url = pairs.get("rl")
    if url:
        copy.referrer, kinds, _ = PAGE_OF[url]
        if kinds:
            draft.removed += [f"referrer:{kind}" for kind in kinds]


def read_ids(draft: Draft) -> None:
    """Event, order and item ids verbatim (an e-mail inside becomes its hash), the agent, test code and options."""
    pairs = draft.pairs
    copy = draft.copy
    get = pairs.get
    value = get("eid")
    if value:
        copy.event_id = _spared(draft, "event_id", value)
    ids = draft.sorts[CUSTOM_ID]
    if ids:
        if draft.at:
            for name, value in ids.items():
                ids[name] = _spared(draft, "custom_data." + name, value)
        copy.order_id = ids.get("order_id", "")
        copy.item_number = ids.get("item_number", "")
    value = get("test_event_code")
    if value:
        copy.test_event_code, kinds = CLEAN_OF[value]
        draft.removed += [f"test_event_code:{kind}" for kind in kinds]
        copy.marks |= TEST
    value = get("a")
    if value:
        copy.agent, kinds = scrub_text(value)
        draft.removed += [f"agent:{kind}" for kind in kinds]
    value = draft.sorts[TECHNICAL].get("dpo")
    if value and is_ldu(value):
        copy.marks |= LDU


def read_browser_ids(draft: Draft) -> None:
    """fbp and fbc without appendix; where the page has no click id cookie, fbc is made of the landing's fbclid."""
    pairs = draft.pairs
    copy = draft.copy
    user = draft.sorts[USER]
    value = user.get("fbp") or pairs.get("fbp")
    if value:
        copy.fbp = _browser_id(draft, "fbp", value)
    value = user.get("fbc") or pairs.get("fbc")
    if value:
        copy.fbc = _browser_id(draft, "fbc", value)
    if draft.landing.fbclid and not (copy.fbc and _readable(copy.fbc)):
        copy.fbc = fbc_of(draft.landing.fbclid, draft.landing.host, copy.event_time_ms) or copy.fbc


def hash_match_keys(draft: Draft) -> None:
    """ud[...], aud[...] and udff[...]: kept as digests alone, of the manual reading first."""
    manual, second, form = draft.sorts[USER:TECHNICAL]
    if not (manual or second or form):
        return
    copy = draft.copy
    if not (second or form):
        rest = take_hashed(copy, manual)
        if not rest:
            return
        manual = rest
    country = manual.get("country") or form.get("country") or ""
    if len(country) != 2:
        country = draft.dataset.settings.country
    others: dict[str, str] = {}
    names = manual if not (second or form) else {**manual, **second, **form}
    for name in names:
        if name in ("fbp", "fbc"):
            continue
        values = [keys[name] for keys in (manual, second, form) if keys.get(name)]
        if not values:
            continue
        if name in _PLAIN:
            if values[0] not in ("null", "undefined"):
                others[name] = _spared(draft, "ud." + name, values[0])
            continue
        if values[0][0] == "[":
            values = listed(values)
        found, notes = digests(name, values, country)
        if notes:
            draft.notes += notes
        if found:
            if name in _DIGEST:
                setattr(copy, name, found)
            else:
                others[name] = found[:32].hex()
    if others:
        copy.other_keys = others


def judge_visitor(draft: Draft) -> None:
    """Browser family and kind of visitor, from the user agent and the request's purpose."""
    copy = draft.copy
    copy.browser, visitor = visitor_of(draft.agent)
    if draft.purpose and is_prefetch(draft.purpose):
        visitor = Visitor.PREFETCH
    copy.visitor, mark = MARK_OF_VISITOR[visitor]
    if mark:
        copy.marks |= mark
    elif visitor is Visitor.UNKNOWN:
        draft.notes.append("no_user_agent")


def shorten_address(draft: Draft) -> None:
    """The shortened address, and the weak hash of the full one with the user agent."""
    address = draft.hit.address
    if address:
        draft.copy.address = shorten(address)
        draft.copy.weak = weak_of(draft.weak_key, address, draft.agent)


def read_custom_data(draft: Draft) -> None:
    """cd[...], one level deep: texts as they came, JSON where it is expected, all of it without contact data."""
    texts, json, ids = draft.sorts[CUSTOM:USER]
    if not (texts or json or ids):
        return
    copy = draft.copy
    if texts:
        if draft.at or suspicious("\n".join(texts.values())):
            for name, value in texts.items():
                texts[name], kinds = scrub_value(name, value)
                draft.removed += [f"custom_data.{name[:64]}:{kind}" for kind in kinds]
        money = texts.get("value")
        if money:
            copy.value_e4 = AMOUNT_OF[money]
            if copy.value_e4 is None:
                draft.notes.append("unreadable:value")
        code = texts.get("currency")
        if code:
            copy.currency = currency_of(code)
            if not copy.currency:
                draft.notes.append("unreadable:currency")
    data: dict[str, Any] = {**texts, **ids}
    for name, value in json.items():
        data[name], findings = JSON_OF[name][value] if name in JSON_OF else json_of(name, value)
        if findings is not None:
            draft.removed += findings[0]
            draft.notes += findings[1]
    copy.custom_data = _encode(data).decode()


def keep_the_rest(draft: Draft) -> None:
    """Screen, versions, page metadata and unknown keys, as JSON in `extra`."""
    technical, clocks, extra = draft.sorts[TECHNICAL:DROPPED]
    texts: list[str] = []
    if technical:
        label = "\0".join((*technical, *technical.values()))
        known = _LABELS.get(label)
        if known is None:
            known = _label_of(draft, technical, label)
        texts.append(known)
    for name, value in clocks.items():
        if len(value) <= 13 and value.isascii() and value.replace(".", "", 1).isdigit():
            texts.append(f'"{name}":"{value}"')
        else:
            extra[name] = value
    if extra:
        if suspicious("\n".join(extra.values())):
            for name, value in extra.items():
                extra[name], kinds = scrub_value(_inner(name), value)
                draft.removed += [f"extra.{name[:64]}:{kind}" for kind in kinds]
        texts.append(_encode(extra)[1:-1].decode())
    if texts:
        draft.copy.extra = f"{{{','.join(texts)}}}"


def limit(draft: Draft) -> None:
    """Denied consent: the event, its value, its id and the page without query stay, all else goes."""
    copy = draft.copy
    if not copy.marks & LIMITED:
        return
    for name in LIMITED_BLANK:
        setattr(copy, name, DEFAULTS[PLACE[name]])
    copy.url = page_of(copy.url)


def record_findings(draft: Draft) -> None:
    """What scrubbing took, and the notes for diagnostics."""
    if draft.removed:
        draft.copy.removed = tuple(dict.fromkeys(draft.removed))
    if draft.notes:
        draft.copy.notes = tuple(dict.fromkeys(draft.notes))


Step = Callable[[Draft], Reason | None]

BROWSER_STEPS: Final[tuple[tuple[str, Step], ...]] = (
    ("strip_unstorable", strip_unstorable),
    ("require_name", require_name),
    ("refuse_automatic", refuse_automatic),
    ("check_permissions", check_permissions),
    ("ask_consent", ask_consent),
    ("sort_keys", sort_keys),
    ("tell_time", tell_time),
    ("read_page", read_page),
    ("read_ids", read_ids),
    ("read_browser_ids", read_browser_ids),
    ("hash_match_keys", hash_match_keys),
    ("judge_visitor", judge_visitor),
    ("shorten_address", shorten_address),
    ("read_custom_data", read_custom_data),
    ("keep_the_rest", keep_the_rest),
    ("limit", limit),
    ("record_findings", record_findings),
)
"""The order of work, by name: first what may end the hit, then what it says, last what of it may not be kept."""

# --- parts of steps --------------------------------------------------------------------------------------------------

BROWSER: Final = Source.BROWSER.value
CUSTOM, CUSTOM_ID, USER, TECHNICAL, DROPPED, UNCLEAN = (
    int(sort) for sort in (Sort.CUSTOM, Sort.CUSTOM_ID, Sort.USER, Sort.TECHNICAL, Sort.DROPPED, Sort.UNCLEAN)
)
LIMITED: Final = int(Mark.LIMITED)
TEST: Final = int(Mark.TEST)
LDU: Final = int(Mark.LDU)
MARK_OF_VISITOR: Final = {
    visitor: (visitor.value, int(mark))
    for visitor, mark in (
        (Visitor.PERSON, 0),
        (Visitor.UNKNOWN, 0),
        (Visitor.BOT, Mark.BOT),
        (Visitor.PREFETCH, Mark.BOT),
        (Visitor.TOOL, Mark.TOOL),
    )
}
_DIGEST: Final = frozenset(DIGEST_KEYS)
_PLAIN: Final = frozenset(PLAIN_KEYS)
_readable: Final = re.compile(r"fb\.\d{1,2}\.\d{1,20}\.[^.]+").fullmatch
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


def _page_of(raw: str) -> tuple[str, tuple[str, ...], Landing]:
    url, kinds = scrub_url(strip_appendix(raw, "url"))
    return url, kinds, landing_of(url)


CLEAN_OF: Final[Memo[tuple[str, tuple[str, ...]]]] = Memo(scrub_text, most=4096, longest=MAX_EVENT_NAME)
"""Names and test codes without contact data, as at the server door."""
PAGE_OF: Final[Memo[tuple[str, tuple[str, ...], Landing]]] = Memo(_page_of, most=16384, longest=512)


def _spared(draft: Draft, field: str, value: str) -> str:
    """An id: verbatim, but for an e-mail inside."""
    if not draft.at:
        return value
    clean, kinds = scrub_id(value)
    if kinds:
        draft.removed.append(f"{field}:email")
    return clean


def _browser_id(draft: Draft, kind: Any, value: str) -> str:
    if not _readable(value):  # the usual case has four parts, and nothing to take off
        value = strip_appendix(value, kind)
        if not _readable(value):
            draft.notes.append(f"unreadable:{kind}")
    return _spared(draft, kind, value)


def _inner(name: str) -> str:
    """title of pmd[title]."""
    return name.rpartition("[")[2].rstrip("]")


def _sort_unclean(draft: Draft) -> None:
    sorts = draft.sorts
    for key, value in list(sorts[Sort.UNCLEAN].items()):
        clean, kinds = scrub_text(UNSTORABLE.sub("", key))
        draft.removed += [f"extra:{kind}" for kind in kinds]
        sort, name = SORT_OF[clean]
        if sort == Sort.UNCLEAN:
            sort, name = DROPPED, ""
        sorts[sort].setdefault(name, value)


_LABELS: Final[dict[str, str]] = {}
"""Names and values of technical keys -> their JSON, for those that needed no scrubbing; bounded by `_label_of`."""


def _label_of(draft: Draft, technical: dict[str, str], label: str) -> str:
    for name, value in technical.items():
        technical[name], kinds = scrub_value(name, value)
        draft.removed += [f"extra.{name}:{kind}" for kind in kinds]
    text = _encode(technical)[1:-1].decode()
    if not draft.removed and len(label) <= 512:
        if len(_LABELS) >= 4096:
            _LABELS.clear()
        _LABELS[label] = text
    return text
