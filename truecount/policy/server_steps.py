"""Steps of the server door that say where and how: pages, ids, marks, consent; and the writing down."""

from __future__ import annotations

from functools import partial

from truecount.datasets import CANARY_ID
from truecount.policy.calm import restless
from truecount.policy.consent import consent_of, fate_of, is_ldu, limit_row, without_names
from truecount.policy.keys import NOTHING_TEXTS
from truecount.policy.loose_json import is_true
from truecount.policy.pages import clean_urls, landings_of
from truecount.policy.scrub import scrub_text
from truecount.policy.server_data import ids_of, scrubbed
from truecount.policy.slices import Slice, values
from truecount.policy.urls import fbc_of
from truecount.vocabulary import Mark


def read_pages(rows: Slice) -> None:
    """Read page and referrer without contact data; the campaign that brought the visit; fbc from the click id."""
    for key, name in (("event_source_url", "url"), ("referrer_url", "referrer")):
        if key in rows.sent:
            take = partial(_take, rows, name)
            rows.columns[name] = clean_urls(values(rows.sent[key]), take)
    landings = landings_of(rows.columns.get("url", ()))
    if landings is None:
        return
    rows.columns["campaign"], rows.columns["campaign_source"] = landings.campaigns, landings.sources
    if landings.click_ids:
        clicks = rows.columns.setdefault("fbc", [""] * rows.n)
        for row, click_id in landings.click_ids.items():
            if not clicks[row]:
                clicks[row] = fbc_of(click_id, rows.columns["event_time_ms"][row])


def _take(rows: Slice, name: str, row: int, kinds: tuple[str, ...]) -> None:
    rows.take(row, [f"{name}:{kind}" for kind in kinds])


def read_event_ids(rows: Slice) -> None:
    """Keep the event's id verbatim, but for what programs write where there is none; and its name without contact data.

    An id that strangers share would make their sales one.
    """
    if "event_id" in rows.sent:
        ids = ids_of(rows, "event_id", rows.sent["event_id"])
        if not NOTHING_TEXTS.isdisjoint(ids):
            for row, text in enumerate(ids):
                if text in NOTHING_TEXTS:
                    ids[row] = ""
                    rows.note(row, "nothing:event_id")
                    rows.tell("{place}['event_id'] is " + f"{text!r}, which is no id: it is left out", row)
        rows.columns["event_id"] = ids
    names = rows.columns["event_name"]
    if restless(list(set(names))):
        rows.columns["event_name"] = [scrubbed(rows, row, "event_name", name) for row, name in enumerate(names)]


def set_marks(rows: Slice) -> None:
    """Mark the canary, tests, Limited Data Use, opt-outs, imports; name the request's partner agent."""
    sent = rows.sent
    if rows.request.imported:
        rows.marks |= Mark.IMPORTED
    if rows.dataset.id == CANARY_ID:
        rows.marks |= Mark.CANARY
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
    for row, one in enumerate(said or ()):
        if one and not column[row]:
            rows.note(row, "unreadable:consent")
            rows.tell("{place}['consent'] says neither granted nor denied: it is read as not said", row)
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
    limit_row(rows.columns, row)
    if row in rows.removed:
        rows.removed[row] = list(without_names(rows.removed[row]))
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
        always = tuple(rows.notes) or None
        columns["notes"] = [
            tuple(sorted({*rows.notes, *rows.row_notes[row]})) if row in rows.row_notes else always for row in range(n)
        ]
    elif rows.notes:
        columns["notes"] = [tuple(rows.notes)] * n
    if rows.removed:
        columns["removed"] = [
            tuple(dict.fromkeys(rows.removed[row])) if row in rows.removed else None for row in range(n)
        ]
