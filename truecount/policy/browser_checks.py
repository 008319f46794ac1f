"""Steps of the browser door that may end a hit, and those that tell its keys and its time."""

from __future__ import annotations

import re
from typing import Final

from truecount.policy.consent import consent_of, fate_of
from truecount.policy.customdata import UNSTORABLE
from truecount.policy.hit_columns import Column, HitColumns, columns_of, values
from truecount.policy.hits import SORT_OF, Sort
from truecount.policy.memo import Memo
from truecount.policy.permissions import refusal_of, restricts
from truecount.policy.scrub import scrub_text
from truecount.policy.slices import SEPARATOR
from truecount.policy.spelling import has_at
from truecount.vocabulary import FUTURE_LIMIT_S, MAX_EVENT_AGE_S, Mark, Reason

MAX_EVENT_NAME: Final = 100
"""Characters, as at the server door."""
MAX_AGE_MS: Final = MAX_EVENT_AGE_S * 1000
MAX_AHEAD_MS: Final = FUTURE_LIMIT_S * 1000
CLEAN_OF: Final[Memo[tuple[str, tuple[str, ...]]]] = Memo(scrub_text, most=4096, longest=MAX_EVENT_NAME)
"""Names and test codes without contact data, as at the server door."""
_MASKED: Final = ("cud[", "ncud[")
_times: Final = re.compile(r"(?:[0-9]{1,16}\n)++").fullmatch


def strip_unstorable(rows: HitColumns) -> None:
    """NUL and lone surrogates are no text that a store keeps: they go, and with them what separates values here."""
    text = _text_of(rows)
    mixed = text.count(SEPARATOR) != sum(map(len, rows.texts)) - 1
    if mixed or ((not text.isascii() or "\0" in text) and UNSTORABLE.search(text)):
        for row, values_of_hit in enumerate(rows.texts):
            if any(SEPARATOR in value or UNSTORABLE.search(value) for value in values_of_hit):
                rows.texts[row] = [UNSTORABLE.sub("", value).replace(SEPARATOR, "") for value in values_of_hit]
                rows.note(row, "unstorable_text")
        text = _text_of(rows)
    rows.at = has_at(text)
    rows.sent = columns_of(rows)


def _text_of(rows: HitColumns) -> str:
    return SEPARATOR.join([SEPARATOR.join(texts) for texts in rows.texts])


def require_name(rows: HitColumns) -> None:
    names = values(rows.sent.get("ev") or [None] * rows.n)
    clean_of = {}
    for name in dict.fromkeys(names):
        reason, clean = None, ""
        kinds: tuple[str, ...] = ()
        if not name or name.isspace():
            reason = Reason.NO_EVENT_NAME
        elif len(name) > MAX_EVENT_NAME:
            reason = Reason.BAD_EVENT_NAME
        else:
            clean, kinds = CLEAN_OF[name]
        clean_of[name] = clean
        if reason or kinds:
            for row, one in enumerate(names):
                if one == name:
                    if reason:
                        rows.end(row, reason)
                    rows.take(row, "event_name", kinds)
    rows.columns["event_name"] = [clean_of[name] for name in names]


def refuse_automatic(rows: HitColumns) -> None:
    if not rows.settings.automatic_events:
        for row, sender in enumerate(rows.sent.get("es", ())):
            if sender == "automatic":
                rows.end(row, Reason.AUTOMATIC_EVENTS_OFF)


def check_permissions(rows: HitColumns) -> None:
    """Traffic permissions must hold for the page's own address, which the page can say at will, and for Origin, which
    the browser says; where neither has a host, for Referer.
    """
    if not restricts(rows.settings):
        return
    pages_told = values(rows.sent.get("dl") or [None] * rows.n)
    for row, (hit, page) in enumerate(zip(rows.hits, pages_told, strict=True)):
        pages = (page, hit.origin, hit.referer)
        reason = refusal_of(pages, rows.settings)
        if reason is None and hit.origin:
            reason = refusal_of((hit.origin, *pages), rows.settings)
        if reason is not None:
            rows.end(row, reason)


def ask_consent(rows: HitColumns) -> None:
    """Withhold where consent is denied and the dataset says so; limiting comes last."""
    said = rows.sent.get("consent")
    if said is None and rows.settings.consent_default == "granted":
        return
    column = [consent_of(one) for one in said or [None] * rows.n]
    if said is not None:
        rows.columns["consent"] = column
        for row, one in enumerate(said):
            if one and not column[row]:
                rows.note(row, "unreadable:consent")
    for row, consent in enumerate(column):
        fate = fate_of(consent, rows.settings)
        if fate == "withhold":
            rows.end(row, Reason.CONSENT_DENIED)
        elif fate == "limit":
            rows.mark(row, Mark.LIMITED)
            rows.limited.append(row)


def sort_keys(rows: HitColumns) -> None:
    """Tell match keys, custom data and the rest apart."""
    spellings: dict[tuple[int, str], list[str]] = {}
    for key in rows.sent:
        spellings.setdefault(SORT_OF[key], []).append(key)
    for (sort, name), keys in spellings.items():
        if sort != Sort.UNCLEAN:
            rows.sorts[sort][name] = rows.sent[keys[0]] if len(keys) == 1 else _last_of(rows, keys)
    unclean = rows.sorts[Sort.UNCLEAN] = {name: rows.sent[name] for sort, name in spellings if sort == Sort.UNCLEAN}
    if unclean:
        _sort_unclean(rows, unclean)
    for name, column in rows.sorts[Sort.DROPPED].items():
        if not name.startswith(_MASKED):
            for row, value in enumerate(column):
                if value is not None:
                    rows.note(row, "unknown_user_data")


def _last_of(rows: HitColumns, keys: list[str]) -> Column:
    """The column of a name that came in several spellings: of each hit the one that it said last."""
    merged: Column = [None] * rows.n
    for row, (hit, texts) in enumerate(zip(rows.hits, rows.texts, strict=True)):
        for key, text in zip(hit.keys, texts, strict=True):
            if key in keys:
                merged[row] = text
    return merged


def _sort_unclean(rows: HitColumns, unclean: dict[str, Column]) -> None:
    """Keys that hold contact data or what can't be stored, by what is left of them; they never replace another."""
    cleaned = {key: scrub_text(UNSTORABLE.sub("", key)) for key in unclean}
    own: set[tuple[int, str]] = set()
    for row, (hit, texts) in enumerate(zip(rows.hits, rows.texts, strict=True)):
        for key, text in zip(hit.keys, texts, strict=True):
            if key not in cleaned:
                continue
            clean, kinds = cleaned[key]
            rows.take(row, "extra", kinds)
            sort, name = SORT_OF[clean]
            if sort == Sort.UNCLEAN:
                sort, name = int(Sort.DROPPED), ""
            columns = rows.sorts[sort]
            if (sort, name) not in own:  # the column may be the one of `sent`, which stays as it came
                own.add((sort, name))
                columns[name] = columns[name].copy() if name in columns else [None] * rows.n
            column = columns[name]
            if column[row] is None:
                column[row] = text


def tell_time(rows: HitColumns) -> None:
    """`ts` while it lies within 7 days before and 10 minutes after the clock, else what the clock says."""
    now = rows.receipt.now_ms
    low, high = now - MAX_AGE_MS, now + MAX_AHEAD_MS
    said = rows.sent.get("ts")
    if said is None:
        rows.columns["event_time_ms"] = [now] * rows.n
        return
    if None not in said:
        joined = "\n".join(values(said)) + "\n"
        if _times(joined) and joined.count("\n") == rows.n:
            times = list(map(int, joined.split()))
            if low <= min(times) and max(times) <= high:
                rows.columns["event_time_ms"] = times
                return
    rows.columns["event_time_ms"] = times = []
    for row, ts in enumerate(said):
        time = int(ts) if ts and len(ts) <= 16 and ts.isascii() and ts.isdigit() else None
        if time is None or not low <= time <= high:
            time = now
            if ts:
                rows.note(row, "unusable:ts")
        times.append(time)
