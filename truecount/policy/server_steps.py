"""Steps of the server door that say where and how: pages, ids, marks, consent; and the writing down."""

from __future__ import annotations

from typing import Final

from truecount.copies import DEFAULTS, PLACE
from truecount.policy.calm import is_calm
from truecount.policy.consent import LIMITED_BLANK, consent_of, fate_of, is_ldu, page_of
from truecount.policy.loose_json import is_true
from truecount.policy.memo import Memo
from truecount.policy.scrub import scrub_text, scrub_url
from truecount.policy.server_data import ids_of, scrubbed
from truecount.policy.slices import SEPARATOR, Slice, values
from truecount.policy.urls import fbc_of, landing_of, strip_appendix
from truecount.vocabulary import Mark

_landings: Final = Memo(landing_of, most=4096, longest=256)
_signs_of_a_landing: Final = ("utm_", "clid=", "campaign_id=", "braid=")


def read_pages(rows: Slice) -> None:
    """Read page and referrer without contact data; the campaign that brought the visit; fbc from the click id."""
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
    landings = [
        # The part from the first utm_ on repeats from visit to visit; a click id never does.
        (row, landing_of(url) if "id=" in url else _landings[url[max(url.find("utm_") - 1, 0) :]])
        for row, url in enumerate(urls)
        if "utm_" in url or "clid=" in url or "campaign_id=" in url or "braid=" in url
    ]
    for row, landing in landings:
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
        rows.columns["event_id"] = ids_of(rows, "event_id", rows.sent["event_id"])
    names = rows.columns["event_name"]
    if not is_calm(SEPARATOR.join(set(names)).encode()):
        rows.columns["event_name"] = [scrubbed(rows, row, "event_name", name) for row, name in enumerate(names)]


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
