"""What leaves the shop: hits as pixels say them, events as the official SDK says them."""

from __future__ import annotations

import hashlib
from email.parser import BytesParser
from itertools import chain, islice
from urllib.parse import parse_qsl

import pytest

from truecount.simulate.brewbeans import How, Report, Shop
from truecount.simulate.hits import form_of, multipart_of, pairs_of, query_of
from truecount.simulate.sdk import event_of

OPENED_MS = 1_760_000_000_000
IDENTIFIERS = ("fbp", "fbc", "ud[em]", "ud[external_id]")


def reports() -> list[Report]:
    visits = islice(Shop(1, OPENED_MS).visits(), 400)
    return [report for visit in visits for report in chain.from_iterable(visit.chains)]


HITS = [report for report in reports() if report.how is not How.SERVER]
EVENTS = [report for report in reports() if report.how is How.SERVER]


def test_a_query_a_form_and_a_beacon_say_the_same_pairs() -> None:
    for report in HITS:
        pairs = pairs_of(report, "1", OPENED_MS)
        assert parse_qsl(query_of(pairs), keep_blank_values=True) == pairs
        assert parse_qsl(form_of(pairs).decode(), keep_blank_values=True) == pairs
        head = b"Content-Type: multipart/form-data; boundary=cut\r\n\r\n"
        parts = BytesParser().parsebytes(head + multipart_of(pairs, "cut")).get_payload()
        assert isinstance(parts, list)
        said = [(part.get_param("name", header="content-disposition"), part.get_payload()) for part in parts]
        assert said == pairs


def test_a_page_without_consent_sends_no_identifier() -> None:
    denied = [report for report in HITS if report.deed.person.consent == "denied"]
    assert denied
    for report in denied:
        pairs = dict(pairs_of(report, "1", OPENED_MS))
        assert pairs["consent"] == "denied"
        assert not any(key in pairs for key in IDENTIFIERS)


def test_raw_contact_data_is_in_no_hit() -> None:
    for report in HITS:
        query = query_of(pairs_of(report, "1", OPENED_MS)).lower()
        for raw in (report.deed.person.email, report.deed.person.phone, report.deed.person.customer):
            assert not raw or raw.lower() not in query


def test_an_id_that_a_side_forgets_is_not_sent() -> None:
    forgotten = [report for report in HITS + EVENTS if not report.names_id]
    assert {report.how is How.SERVER for report in forgotten} == {True, False}
    for report in forgotten:
        if report.how is How.SERVER:
            assert event_of(report, OPENED_MS).event_id is None
        else:
            assert "eid" not in dict(pairs_of(report, "1", OPENED_MS))


def test_the_sdk_takes_each_server_report_and_hashes_as_the_page_does() -> None:
    pages = {report.deed.event_id: dict(pairs_of(report, "1", OPENED_MS)) for report in HITS if report.deed.order}
    met = 0
    for report in EVENTS:
        said = event_of(report, OPENED_MS).normalize()
        assert said["event_name"] == report.deed.name
        assert said["user_data"]["external_id"] == [report.deed.person.customer]
        page = pages.get(report.deed.event_id, {}) if report.deed.order else {}
        if "ud[em]" in page:
            met += 1
            assert said["user_data"]["em"] == [page["ud[em]"]]
            assert hashlib.sha256(said["user_data"]["external_id"][0].encode()).hexdigest() == page["ud[external_id]"]
    assert met > 10


@pytest.mark.parametrize("how", [How.IMAGE, How.FORM, How.BEACON])
def test_a_hit_says_how_it_was_sent(how: How) -> None:
    report = next(report for report in HITS if report.how is how)
    label = dict(pairs_of(report, "1", OPENED_MS))["rqm"]
    assert label == {How.IMAGE: "GET", How.FORM: "formPOST", How.BEACON: "SB"}[how]
