"""Steps of the browser door that read what a hit carries: page, ids, custom data, and the rest."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from itertools import chain
from typing import Final

from truecount.policy.browser_checks import CLEAN_OF
from truecount.policy.browser_people import spared
from truecount.policy.calm import restless
from truecount.policy.consent import is_ldu
from truecount.policy.customdata import JSON_OF, MONEY_OF, Findings, json_of
from truecount.policy.hit_columns import Column, HitColumns, objects_of, values
from truecount.policy.hits import Sort
from truecount.policy.keys import NOTHING_TEXTS
from truecount.policy.money import currency_of
from truecount.policy.pages import clean_urls, landings_of
from truecount.policy.scrub import scrub_value
from truecount.policy.slices import SEPARATOR
from truecount.vocabulary import Mark

_clocks: Final = re.compile(rf"(?:(?=[0-9.]{{1,13}}{SEPARATOR})[0-9]*\.?[0-9]*{SEPARATOR})++").fullmatch


def read_page(rows: HitColumns) -> None:
    """The page and where it was reached from, without contact data; the landing's campaign and click id."""
    for key, name in (("dl", "url"), ("rl", "referrer")):
        column = rows.sent.get(key)
        if column is not None:
            rows.columns[name] = clean_urls(values(column), partial(_take, rows, name))
    landings = landings_of(rows.columns.get("url", ()))
    if landings is not None:
        rows.columns["campaign"], rows.columns["campaign_source"] = landings.campaigns, landings.sources
        rows.click_ids = landings.click_ids


def _take(rows: HitColumns, field: str, row: int, kinds: tuple[str, ...]) -> None:
    rows.take(row, field, kinds)


def read_ids(rows: HitColumns) -> None:
    """Event, order and item ids verbatim (an e-mail inside becomes its hash), the agent, test code and options."""
    if "eid" in rows.sent:
        event_ids = _ids(rows, "event_id", rows.sent["eid"])
        if not NOTHING_TEXTS.isdisjoint(event_ids):
            for row, text in enumerate(event_ids):
                if text in NOTHING_TEXTS:
                    rows.note(row, "nothing:event_id")
            event_ids = ["" if text in NOTHING_TEXTS else text for text in event_ids]
        rows.columns["event_id"] = event_ids
    ids = rows.sorts[Sort.CUSTOM_ID]
    for name in sorted(ids):
        column = ids[name]
        if rows.at:
            column = ids[name] = [
                spared(rows, row, "custom_data." + name, text) if text else text for row, text in enumerate(column)
            ]
        if name in ("order_id", "item_number"):
            rows.columns[name] = values(column)
    for key, field in (("test_event_code", "test_event_code"), ("a", "agent")):
        if key in rows.sent:
            rows.columns[field] = texts = values(rows.sent[key]).copy()
            for row, text in enumerate(texts):
                texts[row], kinds = CLEAN_OF[text]
                rows.take(row, field, kinds)
                if text and key == "test_event_code":
                    rows.mark(row, Mark.TEST)
    for row, options in enumerate(rows.sorts[Sort.TECHNICAL].get("dpo", ())):
        if options and is_ldu(options):
            rows.mark(row, Mark.LDU)


def _ids(rows: HitColumns, field: str, column: Column) -> list[str]:
    texts = values(column)
    return [spared(rows, row, field, text) for row, text in enumerate(texts)] if rows.at else texts


def read_custom_data(rows: HitColumns) -> None:
    """cd[...], one level deep: texts as they came, JSON where it is expected, all of it without contact data."""
    data: dict[str, Column] = dict(rows.sorts[Sort.CUSTOM_ID])
    texts = rows.sorts[Sort.CUSTOM]
    money = texts.pop("value", None)
    if money is not None:
        data["value"] = _read_money(rows, money)
    for name in sorted(texts):
        data[name] = _scrubbed(rows, f"custom_data.{name[:64]}", name, texts[name])
    codes = data.get("currency")
    if codes is not None and "currency" in texts:
        rows.columns["currency"] = read = [currency_of(code or "") for code in codes]
        if "" in read:
            for row, code in enumerate(codes):
                if code and not read[row]:
                    rows.note(row, "unreadable:currency")
    json = {name: _read_json(rows, name, column) for name, column in sorted(rows.sorts[Sort.CUSTOM_JSON].items())}
    if data or json:
        rows.columns["custom_data"] = objects_of(rows, data, json)


def _read_money(rows: HitColumns, column: Column) -> Column:
    read = [MONEY_OF[text] if text is not None else (None, (), None) for text in column]
    rows.columns["value_e4"] = [amount for _, _, amount in read]
    for row, (text, kinds, amount) in enumerate(read):
        if kinds:
            rows.take(row, "custom_data.value", kinds)
        if amount is None and text:
            rows.note(row, "unreadable:value")
    return [text for text, _, _ in read]


def _read_json(rows: HitColumns, name: str, column: Column) -> Column:
    read: Callable[[str], tuple[str, Findings | None]] = (
        JSON_OF[name].__getitem__ if name in JSON_OF else partial(json_of, name)
    )
    found = [read(text) if text is not None else (None, None) for text in column]
    for row, (_, findings) in enumerate(found):
        if findings is not None:
            rows.removed.setdefault(row, []).extend(findings[0])
            for note in findings[1]:
                rows.note(row, note)
    return [json for json, _ in found]


def keep_the_rest(rows: HitColumns) -> None:
    """Screen, versions, page metadata and unknown keys, as JSON in `extra`."""
    rest: dict[str, Column] = {}
    technical = rows.sorts[Sort.TECHNICAL]
    calm = not restless(list(chain.from_iterable(map(values, technical.values()))))
    for name in sorted(technical):
        rest[name] = technical[name] if calm else _scrubbed(rows, f"extra.{name}", name, technical[name])
    for name, column in sorted(rows.sorts[Sort.CLOCK].items()):
        texts = [text for text in column if text]
        joined = SEPARATOR.join(texts) + SEPARATOR
        plain = not texts or (joined.count(SEPARATOR) == len(texts) and _clocks(joined))
        rest[name] = column if plain else _scrubbed(rows, f"extra.{name}", name, column)
    for name, column in sorted(rows.sorts[Sort.EXTRA].items()):
        rest[name] = _scrubbed(rows, f"extra.{name[:64]}", _inner(name), column)
    if rest:
        rows.columns["extra"] = objects_of(rows, rest, {})


def _scrubbed(rows: HitColumns, field: str, name: str, column: Column) -> Column:
    """A column of texts that stand under a name, without contact data."""
    rows_to_see = restless(values(column))
    if not rows_to_see:
        return column
    clean = column.copy()
    for row in rows_to_see:
        clean[row], kinds = scrub_value(name, column[row] or "")
        rows.take(row, field, kinds)
    return clean


def _inner(name: str) -> str:
    """title of pmd[title]."""
    return name.rpartition("[")[2].rstrip("]")
