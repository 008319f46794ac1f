"""Steps of the browser door that say who acted: browser and click ids, match keys, visitor, address."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from truecount.policy.address import addresses_of, weak_column
from truecount.policy.digest_columns import hashed_column
from truecount.policy.hit_columns import Column, HitColumns
from truecount.policy.hits import PARTNER_FIELDS, Sort
from truecount.policy.keys import digests
from truecount.policy.scrub import scrub_id, scrub_text
from truecount.policy.urls import are_browser_ids, fbc_of, is_browser_id, strip_appendix
from truecount.policy.visitor import is_prefetch
from truecount.vocabulary import DIGEST_KEYS, PLAIN_KEYS, Mark, Visitor

_DIGEST: Final = frozenset(DIGEST_KEYS)
_PLAIN: Final = frozenset(PLAIN_KEYS)
_MARKS: Final = {
    Visitor.BOT.value: Mark.BOT,
    Visitor.PREFETCH.value: Mark.BOT,
    Visitor.TOOL.value: Mark.TOOL,
}


def read_browser_ids(rows: HitColumns) -> None:
    """fbp and fbc without appendix; where the page has no click id cookie, fbc is made of the landing's fbclid."""
    fbp = _browser_ids(rows, "fbp")
    if fbp is not None:
        rows.columns["fbp"] = fbp
    fbc = _browser_ids(rows, "fbc")
    if rows.click_ids:
        fbc = fbc or [""] * rows.n
        times = rows.columns["event_time_ms"]
        for row, fbclid in rows.click_ids.items():
            if not (fbc[row] and is_browser_id(fbc[row])):
                fbc[row] = fbc_of(fbclid, times[row]) or fbc[row]
    if fbc is not None:
        rows.columns["fbc"] = fbc


def _browser_ids(rows: HitColumns, name: Literal["fbp", "fbc"]) -> list[str] | None:
    cookie, passed = rows.sent.get(name), rows.sorts[Sort.USER].get(name)
    if cookie is None and passed is None:
        return None
    absent: Column = [None] * rows.n
    texts = [one or other or "" for one, other in zip(passed or absent, cookie or absent, strict=True)]
    present = [text for text in texts if text]
    if are_browser_ids(present):
        return texts
    for row, text in enumerate(texts):
        if text and not is_browser_id(text):  # the usual case has four parts, and nothing to take off
            text = strip_appendix(text, name)
            if not is_browser_id(text):  # no cookie of ours or Meta's: "undefined" would make strangers one
                rows.note(row, f"unreadable:{name}")
                rows.take(row, name, scrub_text(text)[1])
                text = ""
        texts[row] = spared(rows, row, name, text)
    return texts


def spared(rows: HitColumns, row: int, field: str, text: str) -> str:
    """An id: verbatim, but for an e-mail inside."""
    if not rows.at:
        return text
    clean, kinds = scrub_id(text)
    rows.take(row, field, kinds)
    return clean


def hash_match_keys(rows: HitColumns) -> None:
    """ud[...], aud[...] and udff[...]: kept as digests alone, of the manual reading first."""
    readings = [rows.sorts[sort] for sort in (Sort.USER, Sort.USER_SECOND, Sort.USER_FORM)]
    names = sorted({name for columns in readings for name in columns if name not in PARTNER_FIELDS})
    others: list[dict[str, str]] = []
    for name in names:
        columns = [columns[name] for columns in readings if name in columns]
        if name in _DIGEST and len(columns) == 1:
            found = hashed_column(columns[0])
            if found is not None:
                rows.columns[name] = found
                continue
        for row in range(rows.n):
            texts = [column[row] for column in columns]
            present = [text for text in texts if text]
            if not present:
                continue
            value = _key_of(rows, row, name, present)
            if not value:
                continue
            if name in _DIGEST:
                rows.columns.setdefault(name, [b""] * rows.n)[row] = value
            else:
                others = others or [{} for _ in range(rows.n)]
                others[row][name] = value if isinstance(value, str) else value[:32].hex()
    if others:
        rows.columns["other_keys"] = [other or None for other in others]


def _key_of(rows: HitColumns, row: int, name: str, texts: list[str]) -> bytes | str:
    """Digests of a match key's readings, or its plain text where the wire format leaves it unhashed."""
    if name in _PLAIN:
        return "" if texts[0] in ("null", "undefined") else spared(rows, row, f"ud.{name}", texts[0])
    if texts[0][0] == "[":
        texts = _listed(texts)
    found, notes = digests(name, texts, _country_of(rows, row))
    for note in notes:
        rows.note(row, note)
    return found


def _listed(values: list[str]) -> list[str]:
    """Values of a match key of which some are JSON arrays."""
    flat: list[str] = []
    for value in values:
        if value.startswith("["):
            try:
                flat += [str(one) for one in msgspec.json.decode(value) if one is not None]
                continue
            except (msgspec.MsgspecError, RecursionError, ValueError, TypeError):
                pass
        flat.append(value)
    return flat


def _country_of(rows: HitColumns, row: int) -> str:
    for sort in (Sort.USER, Sort.USER_FORM):
        column = rows.sorts[sort].get("country")
        said = column[row] if column is not None else None
        if said:
            return said if len(said) == 2 else rows.settings.country
    return rows.settings.country


def judge_visitor(rows: HitColumns) -> None:
    """Browser family and kind of visitor, from the user agent and the request's purpose."""
    rows.columns["browser"] = rows.families
    rows.columns["visitor"] = kinds = rows.visitors
    for row, hit in enumerate(rows.hits):
        if hit.purpose and is_prefetch(hit.purpose):
            kinds[row] = Visitor.PREFETCH.value
    if kinds.count(Visitor.PERSON.value) != rows.n:
        for row, kind in enumerate(kinds):
            rows.mark(row, _MARKS.get(kind, 0))
            if kind == Visitor.UNKNOWN.value:
                rows.note(row, "no_user_agent")


def shorten_address(rows: HitColumns) -> None:
    """The shortened address, and the weak hash of the full one with the user agent."""
    addresses = addresses_of([hit.address for hit in rows.hits])
    rows.columns["address"] = addresses.shortened
    rows.columns["weak"] = weak_column(rows.receipt.weak_key, addresses, rows.agents)
