"""Steps of the server door that say who acted: visitor, match keys, browser and click ids."""

from __future__ import annotations

from typing import Any, Final

from truecount.policy.address import addresses_of, weak_column
from truecount.policy.coerce import MAX_UNKNOWN
from truecount.policy.digest_columns import digest_column, single_texts, texts_of
from truecount.policy.keys import MUST_BE_HASHED, digests, is_hashed, md5s
from truecount.policy.memo import Memo
from truecount.policy.places import country_code
from truecount.policy.scrub import scrub_id, scrub_text
from truecount.policy.slices import Slice, values
from truecount.policy.urls import are_browser_ids, is_browser_id, strip_appendix
from truecount.policy.visitor import JUDGED
from truecount.vocabulary import DIGEST_KEYS, PLAIN_KEYS, RARE_DIGEST_KEYS, Mark, Reason, Visitor

YEAR_US: Final = 31_556_952_000_000

_country: Final[Memo[str]] = Memo(lambda text: country_code(text) if len(text) < 64 else "", most=4096, longest=64)
_UNMARKED: Final = frozenset((Visitor.PERSON.value, Visitor.UNKNOWN.value))


def find_visitors(rows: Slice) -> None:
    """Who is at the other end: shortened address, weak hash, browser family and kind of visitor."""
    user, columns = rows.user, rows.columns
    addresses = None
    if "client_ip_address" in user:
        addresses = addresses_of(values(user["client_ip_address"]))
        rows.addresses = addresses.canonical
        columns["address"] = addresses.shortened
    if "client_user_agent" in user:
        judged = [JUDGED[agent] for agent in values(user["client_user_agent"])]
        agents, families, kinds = map(list, zip(*judged, strict=True))
        rows.agents = agents
        columns["browser"], columns["visitor"] = families, kinds
        if not _UNMARKED.issuperset(kinds):
            for row, kind in enumerate(kinds):
                if kind == Visitor.TOOL:
                    rows.mark(row, Mark.TOOL)
                elif kind in (Visitor.BOT, Visitor.PREFETCH):
                    rows.mark(row, Mark.BOT)
    else:
        columns["visitor"] = [Visitor.UNKNOWN.value] * rows.n
    if addresses is not None and rows.agents is not None:
        columns["weak"] = weak_column(rows.request.weak_key, addresses, rows.agents)


def hash_keys(rows: Slice) -> None:
    """Normalise and hash the match keys; MD5 is kept apart, nothing is kept raw."""
    user = rows.user
    default = rows.settings.country.lower()
    if "country" in user:
        single = single_texts(user["country"])
        if single is not None:
            countries = [_country[text] for text in single[0]]
        else:
            countries = list(map(_first_country, user["country"]))
        rows.countries = [country or default for country in countries] if default else countries
    elif default:
        rows.countries = [default] * rows.n
    last_year = 1970 + rows.request.now_us // YEAR_US
    strict = rows.settings.strict_hashing
    raw = all_raw = False
    for key in DIGEST_KEYS:
        column = user.get(key)
        if column is None:
            continue
        found = digest_column(key, column, rows.countries, last_year)
        rows.columns[key] = found.digests
        for row, notes in found.notes.items():
            for note in notes:
                rows.note(row, note)
                if note.startswith("md5:"):
                    rows.unmatched.setdefault(row, {})[key] = md5s(key, texts_of(column[row]))
        if found.raw is not False and key in MUST_BE_HASHED:
            raw = True
            all_raw = all_raw or found.raw is True
            if strict:
                for row, is_raw in enumerate([True] * rows.n if found.raw is True else found.raw):
                    if is_raw:
                        rows.fail(row, Reason.UNHASHED_STRICT, "user_data", key)
    if all_raw:
        rows.notes.append("unhashed")
    elif raw:
        _note_raw(rows)


def _note_raw(rows: Slice) -> None:
    """Contact data that came unhashed is a finding: one a copy, whichever keys it was."""
    plain = [rows.user[key] for key in DIGEST_KEYS if key in rows.user and key in MUST_BE_HASHED]
    for row in range(rows.n):
        texts = [text for column in plain for text in texts_of(column[row])]
        if not all(map(is_hashed, texts)):
            rows.note(row, "unhashed")


def _first_country(value: Any) -> str:
    texts = texts_of(value)
    return _country[texts[0]] if texts else ""


def keep_plain_keys(rows: Slice) -> None:
    """Keep the match keys that the wire format leaves unhashed: fbp, fbc and the rare ones."""
    for name in ("fbp", "fbc"):
        if name in rows.user:
            rows.columns[name] = _browser_ids_of(rows, name, values(rows.user[name]))
    for row, unknown in enumerate(rows.user.get("unknown", ())):
        if unknown:
            rows.rest.setdefault(row, {})["unknown_user_data"] = unknown[:MAX_UNKNOWN]
            rows.note(row, "unknown_user_data")
            if len(unknown) > MAX_UNKNOWN:
                rows.note(row, "many:unknown_user_data")
    for row, partner in enumerate(rows.user.get("partner_name", ())):
        if partner:
            rows.rest.setdefault(row, {})["partner_name"] = partner
    names = [name for name in RARE_DIGEST_KEYS + PLAIN_KEYS if name in rows.user]
    if not names:
        return
    others: list[dict[str, str] | None] = []
    for row in range(rows.n):
        other: dict[str, str] = {}
        for name in names:
            text = str(rows.user[name][row] if rows.user[name][row] is not None else "").strip()
            if not text:
                continue
            if name in RARE_DIGEST_KEYS:
                digest, notes = digests(name, text)
                for note in notes:
                    rows.note(row, note)
                if digest:
                    other[name] = digest[:32].hex()
            else:
                clean, kinds = scrub_id(text)
                if kinds:
                    rows.take(row, [f"user_data.{name}:{kind}" for kind in kinds])
                other[name] = clean.lower() if name == "madid" else clean
        others.append(other or None)
    rows.columns["other_keys"] = others


def _browser_ids_of(rows: Slice, name: str, texts: list[str]) -> list[str]:
    present = texts if all(texts) else [text for text in texts if text]
    if are_browser_ids(present):
        return texts
    out = []
    for row, text in enumerate(texts):
        if not text or are_browser_ids([text]):
            out.append(text)
            continue
        text = strip_appendix(text.strip(), "fbc" if name == "fbc" else "fbp")
        if not is_browser_id(text):  # no cookie of ours or Meta's: "undefined" would make strangers one
            if text:
                rows.note(row, f"unreadable:{name}")
                kinds = scrub_text(text)[1]
                if kinds:
                    rows.take(row, [f"{name}:{kind}" for kind in kinds])
                rows.tell("{place}['user_data']['" + name + "'] is no value of that cookie: it is left out", row)
            out.append("")
            continue
        clean, kinds = scrub_id(text)
        if kinds:
            rows.take(row, [f"{name}:{kind}" for kind in kinds])
        out.append(clean)
    return out
