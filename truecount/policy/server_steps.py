"""Steps of the server door that derive a copy's columns: who, what, where; limited, scrubbed, noted."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from msgspec import UnsetType

from truecount.copies import DEFAULTS, PLACE
from truecount.policy.address import shorten, weak_of
from truecount.policy.calm import is_calm
from truecount.policy.consent import LIMITED_BLANK, consent_of, fate_of, is_ldu, page_of
from truecount.policy.decode import deeper_than, encoded, is_true, loads
from truecount.policy.digest_columns import digest_column, texts_of
from truecount.policy.keys import MUST_BE_HASHED, digests, is_hashed, md5s
from truecount.policy.memo import Memo
from truecount.policy.money import currency_of, value_e4_of
from truecount.policy.places import country_code
from truecount.policy.scrub import placed, scrub_id, scrub_json, scrub_text, scrub_url
from truecount.policy.slices import Slice, values
from truecount.policy.times import time_ms_of
from truecount.policy.urls import fbc_of, landing_of, strip_appendix
from truecount.policy.visitor import visitor_of
from truecount.vocabulary import DIGEST_KEYS, PLAIN_KEYS, RARE_DIGEST_KEYS, Mark, Reason, Visitor

SEPARATOR: Final = "\x1e"
"""Between values that are looked at together: no JSON text holds it unescaped."""
YEAR_US: Final = 31_556_952_000_000
MAX_DEPTH: Final = 64

_country: Final[Memo[str]] = Memo(lambda text: country_code(text) if len(text) < 64 else "", most=4096, longest=64)
_ipv4s: Final = re.compile(
    r"(?:(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\n)++"
).fullmatch
_browser_ids: Final = re.compile(rf"(?:fb\.[0-9]{{1,2}}\.[0-9]{{1,20}}\.[A-Za-z0-9_-]++{SEPARATOR})++").fullmatch
_signs_of_a_landing: Final = ("utm_", "clid=", "campaign_id=", "braid=")


def find_visitors(rows: Slice) -> None:
    """Who is at the other end: shortened address, weak hash, browser family and kind of visitor."""
    user, columns = rows.user, rows.columns
    if "client_ip_address" in user:
        rows.addresses = values(user["client_ip_address"])
        if _ipv4s("\n".join(rows.addresses) + "\n"):
            columns["address"] = [address[: address.rindex(".")] + ".0" for address in rows.addresses]
        else:
            columns["address"] = list(map(shorten, rows.addresses))
    if "client_user_agent" in user:
        rows.agents = agents = values(user["client_user_agent"])
        judged = list(map(visitor_of, agents))
        columns["browser"] = [family for family, _ in judged]
        columns["visitor"] = kinds = [str(kind) for _, kind in judged]
        if not {Visitor.PERSON, Visitor.UNKNOWN}.issuperset(kinds):
            for row, kind in enumerate(kinds):
                if kind == Visitor.TOOL:
                    rows.mark(row, Mark.TOOL)
                elif kind in (Visitor.BOT, Visitor.PREFETCH):
                    rows.mark(row, Mark.BOT)
    if rows.addresses is not None and rows.agents is not None:
        columns["weak"] = weak_column(rows.request.weak_key, rows.addresses, rows.agents, columns["address"])


def weak_column(
    weak_key: bytes, addresses: Sequence[str], agents: Sequence[str], shortened: Sequence[str]
) -> list[int]:
    """`address.weak_of` of each event; IPv4 as it stands without another look, since `shortened` came from it."""
    copy = hashlib.blake2b(key=weak_key[:64], digest_size=8).copy
    read = int.from_bytes
    return [
        (read(keyed.digest(), "big", signed=True) or 1)
        if agent
        and short
        and ":" not in address
        and address[-1] in "0123456789"
        and not (keyed := copy()).update(f"{address}\n{agent}".encode("utf-8", "surrogatepass"))
        else weak_of(weak_key, address, agent)
        for address, agent, short in zip(addresses, agents, shortened, strict=True)
    ]


def hash_keys(rows: Slice) -> None:
    """Normalise and hash the match keys; MD5 is kept apart, nothing is kept raw."""
    user = rows.user
    default = rows.settings.country.lower()
    if "country" in user:
        countries = [_country[text] if type(text) is str else _first_country(text) for text in _first(user["country"])]
        rows.countries = [country or default for country in countries] if default else countries
    elif default:
        rows.countries = [default] * rows.n
    last_year = 1970 + rows.request.received_us // YEAR_US
    strict = rows.settings.strict_hashing
    raw = False
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
            if strict:
                for row, is_raw in enumerate([True] * rows.n if found.raw is True else found.raw):
                    if is_raw:
                        rows.fail(row, Reason.UNHASHED_STRICT, "user_data", key)
    if raw:
        _note_raw(rows)


def _note_raw(rows: Slice) -> None:
    """Contact data that came unhashed is a finding: one a copy, whichever keys it was."""
    plain = [rows.user[key] for key in DIGEST_KEYS if key in rows.user and key in MUST_BE_HASHED]
    mail = rows.user.get("em") or rows.user.get("ph")
    if mail is not None and all(mail) and not any(map(_any_hashed, mail)):
        rows.notes.append("unhashed")
        return
    for row in range(rows.n):
        texts = [text for column in plain for text in texts_of(column[row])]
        if not all(map(is_hashed, texts)):
            rows.note(row, "unhashed")


def _any_hashed(value: Any) -> bool:
    text = value[0] if type(value) is list and value else value
    return not isinstance(text, str) or (len(text) >= 32 and is_hashed(text))


def _first(column: Sequence[Any]) -> list[Any]:
    return [value[0] if type(value) is list and value else value for value in column]


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
            rows.rest.setdefault(row, {})["unknown_user_data"] = unknown
            rows.note(row, "unknown_user_data")
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
    if "" not in texts and _browser_ids(SEPARATOR.join(texts) + SEPARATOR):
        return texts
    out = []
    for row, text in enumerate(texts):
        text = strip_appendix(text.strip(), "fbc" if name == "fbc" else "fbp")
        clean, kinds = scrub_id(text)
        if kinds:
            rows.take(row, [f"{name}:{kind}" for kind in kinds])
        if clean and not _browser_ids(clean + SEPARATOR):
            rows.note(row, f"bad:{name}")
        out.append(clean)
    return out


class Custom(msgspec.Struct, gc=False):
    """The fields of custom_data that rules know; all else stays in its JSON text."""

    value: float | int | str | None = None
    currency: str | None = None
    order_id: str | int | None = None
    item_number: str | int | None = None
    test_event_code: str | int | None = None
    event_source: str | int | None = None
    lead_event_source: str | int | None = None
    app_value: float | int | str | None = msgspec.field(default=None, name="_valueToSum")
    app_currency: str | None = msgspec.field(default=None, name="fb_currency")
    app_order_id: str | int | None = msgspec.field(default=None, name="fb_order_id")


_customs: Final = msgspec.json.Decoder(list[Custom | UnsetType | None]).decode
_custom: Final = msgspec.json.Decoder(Custom).decode
_NO_CUSTOM: Final = Custom()
_astuple: Final = msgspec.structs.astuple
_CUSTOM_FIELDS: Final = Custom.__struct_fields__


def read_custom_data(rows: Slice) -> None:
    """Read money, order and item out of custom_data, and keep its JSON text without contact data."""
    raws = [event.custom_data for event in rows.events]
    lengths = list(map(len, map(bytes, raws)))
    if not any(lengths):
        _check_money(rows, None)
        return
    if not all(lengths):
        raws = [raw if length else _NULL for raw, length in zip(raws, lengths, strict=True)]
    try:
        customs: list[Any] = _customs(b"[" + b",".join(raws) + b"]")
        joined = b"\x1e".join(raws)
        texts = joined.decode().split(SEPARATOR)
    except (msgspec.DecodeError, RecursionError):
        customs, texts = _customs_one_by_one(rows, raws)
        joined = SEPARATOR.join(texts).encode()
    if None in customs:
        customs = [custom or _NO_CUSTOM for custom in customs]
        texts = ["" if text == "null" else text for text in texts]
    found = {
        name: column
        for name, column in zip(_CUSTOM_FIELDS, zip(*map(_astuple, customs), strict=True), strict=True)
        if column.count(None) != rows.n
    }
    _take_money(rows, found)
    _take_ids(rows, "order_id", found.get("order_id"), found.get("app_order_id"))
    _take_ids(rows, "item_number", found.get("item_number"), None)
    if "test_event_code" in found:
        rows.test_codes = [_text(code) for code in found["test_event_code"]]
    if not is_calm(joined):
        for row, text in enumerate(texts):
            clean, removed = scrub_json(text)
            if removed:
                texts[row] = clean
                rows.take(row, placed("custom_data", removed))
    for row, text in enumerate(texts):
        if text.count("{") + text.count("[") > MAX_DEPTH and _too_deep(text):
            rows.fail(row, Reason.TOO_DEEP, "custom_data")
    rows.columns["custom_data"] = texts
    _check_money(rows, found)
    _check_leads(rows, found)


_NULL: Final = msgspec.Raw(b"null")


def _customs_one_by_one(rows: Slice, raws: Sequence[msgspec.Raw]) -> tuple[list[Any], list[str]]:
    """Objects in text, empty arrays for empty objects, numbers where texts belong; anything else is a wrong shape."""
    customs: list[Any] = []
    texts: list[str] = []
    for row, raw in enumerate(raws):
        text = bytes(raw).decode()
        try:
            customs.append(_custom(text))
        except (msgspec.DecodeError, RecursionError):
            value = _object(text)
            if value is None:
                rows.fail(row, Reason.BAD_SHAPE, "custom_data") if text != "null" else None
                value = {}
            text = encoded(value).decode() if value else "null"
            fields = {}
            for field in msgspec.structs.fields(Custom):
                known = value.get(field.encode_name)
                if isinstance(known, (str, int, float)) and not isinstance(known, bool):
                    fields[field.name] = known
            customs.append(Custom(**fields))
        texts.append(text)
    return customs, texts


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = loads(text)
        if isinstance(value, str):
            value = loads(value) if value.strip() else {}
    except (ValueError, RecursionError):
        return None
    if value == []:
        return {}
    return value if isinstance(value, dict) else None


def _too_deep(text: str) -> bool:
    try:
        return deeper_than(msgspec.json.decode(text), MAX_DEPTH)
    except RecursionError:
        return True
    except msgspec.DecodeError:
        return False


def _text(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else str(value)


def _either(main: Sequence[Any] | None, twin: Sequence[Any] | None) -> Sequence[Any] | None:
    """A field, or where it is missing its app-event twin."""
    if twin is None or main is None:
        return main if twin is None else twin
    return [two if one is None else one for one, two in zip(main, twin, strict=True)]


def _take_money(rows: Slice, found: dict[str, Any]) -> None:
    amounts = _either(found.get("value"), found.get("app_value"))
    if amounts is not None:
        rows.columns["value_e4"] = exact = list(map(value_e4_of, amounts))
        if None in exact:
            for row, one in enumerate(exact):
                if one is None and amounts[row] is not None and amounts[row] != "":
                    rows.note(row, "bad:value")
    named = _either(found.get("currency"), found.get("app_currency"))
    if named is not None:
        rows.columns["currency"] = codes = [currency_of(_text(one)) for one in named]
        if "" in codes:
            for row, code in enumerate(codes):
                if not code and named[row]:
                    rows.note(row, "bad:currency")
                    rows.tell("{place}['custom_data']['currency'] is no ISO 4217 code", row)


def _take_ids(rows: Slice, name: str, main: Sequence[Any] | None, twin: Sequence[Any] | None) -> None:
    column = _either(main, twin)
    if column is not None:
        rows.columns[name] = _ids(rows, name, column)


def _ids(rows: Slice, name: str, column: Sequence[Any]) -> list[str]:
    """Ids verbatim, numbers as their decimal text; an e-mail inside one is hashed, alike at both doors."""
    texts = list(column) if set(map(type, column)) == {str} else [_text(one) for one in column]
    if not is_calm(SEPARATOR.join(texts).encode()):
        for row, text in enumerate(texts):
            clean, kinds = scrub_id(text)
            if kinds:
                texts[row] = clean
                rows.take(row, [f"{name}:{kind}" for kind in kinds])
    return texts


def _check_money(rows: Slice, found: dict[str, Any] | None) -> None:
    names = rows.columns["event_name"]
    if "Purchase" not in names:
        return
    amounts, codes = rows.columns.get("value_e4"), rows.columns.get("currency")
    if amounts is not None and codes is not None and None not in amounts and "" not in codes:
        return
    for row, name in enumerate(names):
        if name != "Purchase":
            continue
        missing = "value" if not amounts or amounts[row] is None else "currency" if not codes or not codes[row] else ""
        if missing:
            rows.note(row, "no_money")
            rows.tell("{place}['custom_data'] of a Purchase needs value and currency: it is not in sums of value", row)
            if rows.settings.strict_money:
                rows.fail(row, Reason.NO_MONEY_STRICT, "custom_data", missing)


def _check_leads(rows: Slice, found: dict[str, Any]) -> None:
    sources = rows.columns["action_source"]
    if "system_generated" not in sources:
        return
    for row, source in enumerate(sources):
        if source == "system_generated" and (
            _text(found.get("event_source", _NONES)[row] if "event_source" in found else None).lower() != "crm"
            or not _text(found["lead_event_source"][row] if "lead_event_source" in found else None)
        ):
            rows.note(row, "no_crm_fields")
            rows.tell("{place}['custom_data'] of a CRM event needs event_source (crm) and lead_event_source", row)


_NONES: Final[tuple[None, ...]] = (None,)


def read_pages(rows: Slice) -> None:
    """Read the page and its referrer without contact data; the campaign that brought the visit; fbc from the click id."""
    pages = rows.sent.get("event_source_url")
    if pages is not None:
        urls = _urls(rows, "url", values(pages))
        rows.columns["url"] = urls
        joined = SEPARATOR.join(urls)
        if any(sign in joined for sign in _signs_of_a_landing):
            _read_landings(rows, urls)
    if "referrer_url" in rows.sent:
        rows.columns["referrer"] = _urls(rows, "referrer", values(rows.sent["referrer_url"]))


def _urls(rows: Slice, name: str, urls: list[str]) -> list[str]:
    joined = SEPARATOR.join(urls)
    if ".A" in joined or " " in joined:
        urls = [strip_appendix(url.strip(), "url") for url in urls]
    if not is_calm(joined.encode()):
        for row, url in enumerate(urls):
            clean, kinds = scrub_url(url) if not is_calm(url.encode()) else (url, ())
            if kinds:
                urls[row] = clean
                rows.take(row, [f"{name}:{kind}" for kind in kinds])
    return urls


def _read_landings(rows: Slice, urls: list[str]) -> None:
    campaigns, sources = [""] * rows.n, [""] * rows.n
    clicks = rows.columns.get("fbc") or [""] * rows.n
    derived = False
    for row, url in enumerate(urls):
        if "utm_" in url or "clid=" in url or "campaign_id=" in url or "braid=" in url:
            landing = landing_of(url)
            campaigns[row], sources[row] = landing.campaign, landing.campaign_source
            if landing.fbclid and not clicks[row]:
                clicks[row] = fbc_of(landing.fbclid, landing.host, rows.columns["event_time_ms"][row])
                derived = True
    rows.columns["campaign"], rows.columns["campaign_source"] = campaigns, sources
    if derived:
        rows.columns["fbc"] = clicks


def read_event_ids(rows: Slice) -> None:
    """Keep the event's id verbatim, and its name without contact data."""
    if "event_id" in rows.sent:
        rows.columns["event_id"] = _ids(rows, "event_id", rows.sent["event_id"])
    names = rows.columns["event_name"]
    if not is_calm(SEPARATOR.join(set(names)).encode()):
        rows.columns["event_name"] = [_scrubbed(rows, row, "event_name", name) for row, name in enumerate(names)]


def _scrubbed(rows: Slice, row: int, name: str, text: str) -> str:
    clean, kinds = scrub_text(text)
    if kinds:
        rows.take(row, [f"{name}:{kind}" for kind in kinds])
    return clean


def read_originals(rows: Slice) -> None:
    """Read which earlier event a delayed one belongs to."""
    raws = [bytes(event.original_event_data) for event in rows.events]
    if not any(raws):
        return
    names, ids, orders, times = ([""] * rows.n for _ in range(3)), None, None, [0] * rows.n
    name_column, id_column, order_column = names
    for row, raw in enumerate(raws):
        if not raw or raw == b"null":
            continue
        original = _object(raw.decode())
        if original is None:
            rows.fail(row, Reason.BAD_SHAPE, "original_event_data")
            continue
        name_column[row] = _scrubbed(rows, row, "original_event_name", _text(original.get("event_name")))
        id_column[row] = _text(original.get("event_id"))
        order_column[row] = _text(original.get("order_id"))
        ms = time_ms_of(original.get("event_time"))
        times[row] = ms if ms is not None and abs(ms) < 10**14 else 0
    rows.columns["original_event_name"] = name_column
    rows.columns["original_event_id"] = _ids(rows, "original_event_id", id_column)
    rows.columns["original_order_id"] = _ids(rows, "original_order_id", order_column)
    rows.columns["original_time_ms"] = times


_KEPT_TEXTS: Final = (
    "customer_segmentation",
    "advanced_measurement_table",
    "messaging_channel",
    "advertiser_tracking_enabled",
    "data_processing_options",
    "data_processing_options_country",
    "data_processing_options_state",
)
_MONEY_PLACES: Final = frozenset(("value", "currency", "contents"))


def keep_the_rest(rows: Slice) -> None:
    """Keep what no column is for, as scrubbed JSON: app and attribution data, unknown keys, MD5 values."""
    for name in _KEPT_TEXTS:
        for row, value in enumerate(rows.sent.get(name, ())):
            if value is not None and value != "":
                rows.rest.setdefault(row, {})[name] = value
    for name in ("app_data", "attribution_data"):
        for row, event in enumerate(rows.events):
            raw = bytes(getattr(event, name))
            if raw and raw != b"null":
                value = _object(raw.decode())
                if value is None:
                    rows.fail(row, Reason.BAD_SHAPE, name)
                else:
                    rows.rest.setdefault(row, {})[name] = value
    for row, unknown in enumerate(rows.sent.get("unknown", ())):
        if unknown:
            rest = rows.rest.setdefault(row, {})
            rest.update({name: value for name, value in unknown.items() if name not in rest})
            if not _MONEY_PLACES.isdisjoint(unknown):
                rows.note(row, "money_at_event_level")
                rows.tell("{place} has value, currency or contents beside custom_data: they belong inside it", row)
    for row, unmatched in rows.unmatched.items():
        rows.rest.setdefault(row, {})["md5"] = unmatched
    if not rows.request.imported:
        for name in ("received_time", "source"):
            for row, value in enumerate(rows.sent.get(name, ())):
                if value is not None:
                    rows.rest.setdefault(row, {})[name] = value
    if rows.body.upload_tag:
        for row in range(rows.n):
            rows.rest.setdefault(row, {})["upload_tag"] = rows.body.upload_tag
    if not rows.rest:
        return
    extra = [""] * rows.n
    for row, rest in rows.rest.items():
        if deeper_than(rest, MAX_DEPTH):
            rows.fail(row, Reason.TOO_DEEP)
            continue
        text, removed = scrub_json(encoded(rest).decode())
        extra[row] = text
        if removed:
            rows.take(row, placed("extra", removed))
    rows.columns["extra"] = extra


def set_marks(rows: Slice) -> None:
    """Mark tests, Limited Data Use, opt-outs, imports; name the request's partner agent."""
    sent = rows.sent
    if rows.request.imported:
        rows.marks |= Mark.IMPORTED
    agent = rows.body.partner_agent
    if agent:
        rows.columns["agent"] = [scrub_text(agent)[0]] * rows.n
    _mark_tests(rows)
    for row, options in enumerate(sent.get("data_processing_options", ())):
        if options and is_ldu(options if isinstance(options, str) else ",".join(options)):
            rows.mark(row, Mark.LDU)
    for row, out in enumerate(sent.get("opt_out", ())):
        if is_true(out):
            rows.mark(row, Mark.OPT_OUT)


def _mark_tests(rows: Slice) -> None:
    code = scrub_text(rows.body.test_event_code)[0]
    if code:
        rows.marks |= Mark.TEST
        rows.columns["test_event_code"] = [code] * rows.n
    elif rows.test_codes is not None:
        codes = [scrub_text(one)[0] for one in rows.test_codes]
        rows.columns["test_event_code"] = codes
        for row, one in enumerate(codes):
            if one:
                rows.mark(row, Mark.TEST)
    if rows.test_codes is not None:
        for row, one in enumerate(rows.test_codes):
            if one:
                rows.tell("{place}['custom_data']['test_event_code'] belongs beside data: it works as such", row)


def apply_consent(rows: Slice) -> None:
    """Limit, or withhold, events whose consent is denied (design.md, Consent)."""
    said = rows.sent.get("consent")
    if said is None and rows.settings.consent_default == "granted":
        return
    column = [consent_of(one) for one in said or (None,) * rows.n]
    rows.columns["consent"] = column
    limited = []
    for row, consent in enumerate(column):
        fate = fate_of(consent, rows.settings)
        if fate == "withhold":
            rows.withheld.add(row)
        elif fate == "limit":
            limited.append(row)
            rows.mark(row, Mark.LIMITED)
    for row in limited:
        _limit(rows, row)


def _limit(rows: Slice, row: int) -> None:
    for name in LIMITED_BLANK:
        if name in rows.columns:
            rows.columns[name][row] = DEFAULTS[PLACE[name]]
    if "url" in rows.columns:
        rows.columns["url"][row] = page_of(rows.columns["url"][row])
    for side in ("addresses", "agents"):
        texts = getattr(rows, side)
        if texts is not None:
            setattr(rows, side, [*texts[:row], "", *texts[row + 1 :]])


def write_down(rows: Slice) -> None:
    """Fill the columns of marks, findings and removals, and those that are alike in all copies of a request."""
    n, columns = rows.n, rows.columns
    columns["dataset"] = [rows.dataset.id] * n
    if "received_us" not in columns:
        columns["received_us"] = [rows.request.received_us] * n
    if rows.row_marks is not None:
        columns["marks"] = [int(mark | rows.marks) for mark in rows.row_marks]
    elif rows.marks:
        columns["marks"] = [int(rows.marks)] * n
    if rows.row_notes:
        always = tuple(rows.notes)
        columns["notes"] = [tuple(dict.fromkeys((*always, *rows.row_notes.get(row, ())))) or None for row in range(n)]
    elif rows.notes:
        columns["notes"] = [tuple(rows.notes)] * n
    if rows.removed:
        columns["removed"] = [
            tuple(dict.fromkeys(rows.removed[row])) if row in rows.removed else None for row in range(n)
        ]


Step = Callable[[Slice], None]
