"""Steps of the server door that read what an event carries: custom_data, money, orders, originals, and the rest."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

import msgspec

from truecount.policy.calm import is_calm
from truecount.policy.coerce import MAX_UNKNOWN
from truecount.policy.events import NO_RAW
from truecount.policy.loose_json import MAX_DEPTH, deeper_than, encoded, loads
from truecount.policy.money import currency_of, values_e4_of
from truecount.policy.scrub import placed, scrub_id, scrub_json, scrub_text
from truecount.policy.slices import SEPARATOR, Slice
from truecount.policy.times import time_ms_of
from truecount.vocabulary import Reason


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


_customs: Final = msgspec.json.Decoder(list[Custom | None]).decode
_custom: Final = msgspec.json.Decoder(Custom).decode
_NO_CUSTOM: Final = Custom()
_astuple: Final = msgspec.structs.astuple
_CUSTOM_FIELDS: Final = Custom.__struct_fields__


def read_custom_data(rows: Slice) -> None:
    """Read money, order and item out of custom_data, and keep its JSON text without contact data."""
    raws = [_NULL if raw is NO_RAW else raw for raw in rows.sent["custom_data"]]
    if raws[0] == _NULL and raws.count(_NULL) == rows.n:
        _check_money(rows)
        _check_leads(rows, {})
        return
    try:
        customs: list[Any] = _customs(b"[" + b",".join(raws) + b"]")
        joined = b"\x1e".join(raws)
        texts = joined.decode().split(SEPARATOR)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        customs, texts = _customs_one_by_one(rows, raws)
        joined = SEPARATOR.join(texts).encode()
    if not all(customs):
        customs = [custom or _NO_CUSTOM for custom in customs]
        texts = ["" if text == "null" else text for text in texts]
    absent = (None,) * rows.n
    found = {
        name: column
        for name, column in zip(_CUSTOM_FIELDS, zip(*map(_astuple, customs), strict=True), strict=True)
        if column != absent
    }
    _take_money(rows, found)
    _takeids_of(rows, "order_id", found.get("order_id"), found.get("app_order_id"))
    _takeids_of(rows, "item_number", found.get("item_number"), None)
    if "test_event_code" in found:
        rows.test_codes = [_text(code) for code in found["test_event_code"]]
    if not is_calm(joined):
        for row, text in enumerate(texts):
            texts[row], removed = scrub_json(text)
            if removed:
                rows.take(row, placed("custom_data", removed))
    if max(map(len, joined.translate(None, _NO_OPENERS).split(b"\x1e"))) > MAX_DEPTH:
        for row, text in enumerate(texts):
            if _too_deep(text):
                rows.fail(row, Reason.TOO_DEEP, "custom_data")
    rows.columns["custom_data"] = texts
    _check_money(rows)
    _check_leads(rows, found)


_NO_OPENERS: Final = bytes(code for code in range(256) if code not in b"{[\x1e")
"""All bytes but those that open a level, and the separator."""
_NULL: Final = msgspec.Raw(b"null")


def _customs_one_by_one(rows: Slice, raws: Sequence[msgspec.Raw]) -> tuple[list[Any], list[str]]:
    """Objects in text, empty arrays for empty objects, numbers where texts belong; anything else is a wrong shape."""
    customs: list[Any] = []
    texts: list[str] = []
    for row, raw in enumerate(raws):
        text = bytes(raw).decode("utf-8", "replace")
        if "\ufffd" in text and not _is_utf8(raw):
            rows.fail(row, Reason.MALFORMED_REQUEST, "custom_data")
        try:
            customs.append(_custom(text))
        except (msgspec.DecodeError, RecursionError):
            value = _object(text)
            if value is None:
                if text != "null":
                    rows.fail(row, Reason.BAD_SHAPE, "custom_data")
                value = {}
            text = encoded(value).decode() if value else ""
            fields: dict[str, Any] = {}
            for field in msgspec.structs.fields(Custom):
                known = value.get(field.encode_name)
                if isinstance(known, (str, int, float)) and not isinstance(known, bool):
                    fields[field.name] = known
            customs.append(Custom(**fields))
        texts.append(text)
    return customs, texts


def _is_utf8(raw: msgspec.Raw) -> bool:
    try:
        bytes(raw).decode()
    except UnicodeDecodeError:
        return False
    return True


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = loads(text)
        if isinstance(value, str):
            value = loads(value) if value.strip() else {}
    except (ValueError, RecursionError):
        return None
    if value == []:
        return {}
    return value if isinstance(value, dict) and not deeper_than(value, MAX_DEPTH) else None


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
        rows.columns["value_e4"] = exact = values_e4_of(amounts)
        if None in exact:
            for row, one in enumerate(exact):
                if one is None and amounts[row] is not None and amounts[row] != "":
                    rows.note(row, "bad:value")
                    rows.tell("{place}['custom_data']['value'] is no number that can be summed, such as 1299.00", row)
    named = _either(found.get("currency"), found.get("app_currency"))
    if named is not None:
        if len(set(named)) == 1:  # one shop, one currency
            codes = [currency_of(_text(named[0]))] * rows.n
        else:
            codes = [currency_of(_text(one)) for one in named]
        rows.columns["currency"] = codes
        if "" in codes:
            for row, code in enumerate(codes):
                if not code and named[row]:
                    rows.note(row, "bad:currency")
                    rows.tell("{place}['custom_data']['currency'] is no ISO 4217 code", row)


def _takeids_of(rows: Slice, name: str, main: Sequence[Any] | None, twin: Sequence[Any] | None) -> None:
    column = _either(main, twin)
    if column is not None:
        rows.columns[name] = ids_of(rows, name, column)


def ids_of(rows: Slice, name: str, column: Sequence[Any]) -> list[str]:
    """Ids verbatim, numbers as their decimal text; an e-mail inside one is hashed, alike at both doors."""
    try:
        texts, joined = list(column), SEPARATOR.join(column)
    except TypeError:
        texts = list(map(_text, column))
        joined = SEPARATOR.join(texts)
    if "\0" in joined:  # no store keeps it, and the browser door takes it off too
        texts = [text.replace("\0", "") for text in texts]
        joined = joined.replace("\0", "")
    # Without one of these, and in ASCII, no e-mail can be in a text, however it is written.
    if "@" in joined or "%" in joined or "&" in joined or "\\" in joined or not joined.isascii():
        for row, text in enumerate(texts):
            clean, kinds = scrub_id(text)
            if kinds:
                texts[row] = clean
                rows.take(row, [f"{name}:{kind}" for kind in kinds])
    return texts


def _check_money(rows: Slice) -> None:
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
            if "bad:value" not in rows.row_notes.get(row, ()):
                rows.tell(
                    "{place}['custom_data'] of a Purchase needs value and currency: it is not in sums of value", row
                )
            if rows.settings.strict_money:
                rows.fail(row, Reason.NO_MONEY_STRICT, "custom_data", missing)


def _check_leads(rows: Slice, found: dict[str, Any]) -> None:
    sources = rows.columns["action_source"]
    if "system_generated" not in sources:
        return
    for row, source in enumerate(sources):
        if source == "system_generated" and (
            _text(found["event_source"][row] if "event_source" in found else None).lower() != "crm"
            or not _text(found["lead_event_source"][row] if "lead_event_source" in found else None)
        ):
            rows.note(row, "no_crm_fields")
            rows.tell("{place}['custom_data'] of a CRM event needs event_source (crm) and lead_event_source", row)


def scrubbed(rows: Slice, row: int, name: str, text: str) -> str:
    clean, kinds = scrub_text(text)
    if kinds:
        rows.take(row, [f"{name}:{kind}" for kind in kinds])
    return clean


def read_originals(rows: Slice) -> None:
    """Read which earlier event a delayed one belongs to."""
    sent = rows.sent.get("original_event_data", ())
    if sent.count(NO_RAW) == len(sent):
        return
    raws = list(map(bytes, sent))
    name_column, id_column, order_column = [""] * rows.n, [""] * rows.n, [""] * rows.n
    times = [0] * rows.n
    for row, raw in enumerate(raws):
        if not raw or raw == b"null":
            continue
        original = _object(raw.decode("utf-8", "replace"))
        if original is None:
            rows.fail(row, Reason.BAD_SHAPE, "original_event_data")
            continue
        name_column[row] = scrubbed(rows, row, "original_event_name", _text(original.get("event_name")))
        id_column[row] = _text(original.get("event_id"))
        order_column[row] = _text(original.get("order_id"))
        ms = time_ms_of(original.get("event_time"))
        times[row] = ms if ms is not None and abs(ms) < 10**14 else 0
    rows.columns["original_event_name"] = name_column
    rows.columns["original_event_id"] = ids_of(rows, "original_event_id", id_column)
    rows.columns["original_order_id"] = ids_of(rows, "original_order_id", order_column)
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
        column = rows.sent.get(name, ())
        if column.count(NO_RAW) == len(column):
            continue
        for row, raw in enumerate(map(bytes, column)):
            if raw and raw != b"null":
                value = _object(raw.decode("utf-8", "replace"))
                if value is None:
                    rows.fail(row, Reason.BAD_SHAPE, name)
                else:
                    rows.rest.setdefault(row, {})[name] = value
    for row, unknown in enumerate(rows.sent.get("unknown", ())):
        if unknown:
            rest = rows.rest.setdefault(row, {})
            if len(unknown) > MAX_UNKNOWN:
                rows.note(row, "many:unknown")
                unknown = dict(islice(unknown.items(), MAX_UNKNOWN))
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
