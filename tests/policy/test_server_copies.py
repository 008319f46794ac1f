"""What the server door keeps of an event: money, ids, pages, visitors, consent, marks, the rest; peers' odd shapes."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policy.server_events import AGENT, NOW_S, event, keep, keep_all, keep_one, refusal, request
from truecount.policy.address import weak_of
from truecount.policy.calm import is_calm
from truecount.policy.decode import body_of_json
from truecount.policy.errors import RequestRefused
from truecount.policy.money import currency_of, value_e4_of, values_e4_of
from truecount.policy.scrub import scrub_id, scrub_json, scrub_text, scrub_url
from truecount.policy.server import SERVER_STEPS, keep_slice, normalised
from truecount.policy.times import time_ms_of
from truecount.policy.urls import landing_of
from truecount.vocabulary import Mark, Reason

MONEY: list[tuple[Any, int | None]] = [
    (899, 8990000),
    (899.5, 8995000),
    (0.1, 1000),
    (0.00005, 1),
    (0.00004, 0),
    (19.99, 199900),
    (1e3, 10000000),
    (0, 0),
    (-5.25, -52500),
    ("899.50", 8995000),
    (" 12 ", 120000),
    ("1e2", 1000000),
    (".5", 5000),
    ("5.", 50000),
    ("+3", 30000),
    (123456789012.3456, 1234567890123456),
    ("922337203685477.5807", 2**63 - 1),
    ("922337203685477.5808", None),
    (10**15, None),
    (1e300, None),
    ("1,299.00", None),
    ("12,50", None),
    ("NaN", None),
    ("Infinity", None),
    ("", None),
    (None, None),
    (True, None),
    ([1], None),
    ("1" * 400, None),
    ("1e99", None),
    (0.30000000000000004, 3000),
]


@pytest.mark.parametrize(("value", "expected"), MONEY, ids=range(len(MONEY)))
def test_money_is_read_exactly(value: Any, expected: int | None) -> None:
    assert value_e4_of(value) == expected


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.one_of(st.floats(-1e12, 1e12), st.decimals(-9999, 9999, places=4).map(float)), min_size=1, max_size=5)
)
def test_a_column_of_money_is_read_as_its_values_are(column: list[float]) -> None:
    assert values_e4_of(column) == [value_e4_of(value) for value in column]


TIMES: list[tuple[Any, int | None]] = [
    (5, 5000),
    (-5, -5000),
    ("1791212460", 1791212460000),
    (" 5 ", 5000),
    ("2026-10-05T12:01:00Z", 1791201660000),
    ("2026-10-05T12:01:00", 1791201660000),
    ("2026-10-05T14:01:00.250+02:00", 1791201660250),
    ("2026-10-05", 1791158400000),
    ("2026-10-05 12:01:00", 1791201660000),
    (5.0, None),
    (True, None),
    ("", None),
    ("5.5", None),
    ("tomorrow", None),
    ("2026-13-05", None),
    ("0001-01-01T00:00:00+23:59", -62135683140000),
    ("١٢", None),
    ([], None),
    (None, None),
]


@pytest.mark.parametrize(("value", "expected"), TIMES, ids=range(len(TIMES)))
def test_a_time_is_read_in_the_forms_that_senders_use(value: Any, expected: int | None) -> None:
    assert time_ms_of(value) == expected


def test_currencies_are_upper_case_and_of_the_table() -> None:
    assert [currency_of(text) for text in ("inr", " EUR ", "usd", "XYZ", "€", "", "INRR")] == ["INR", "EUR", "USD"] + [
        ""
    ] * 4


def test_a_whole_event_is_kept_in_its_columns() -> None:
    copy = keep_one(
        event_source_url="https://shop.example/p?utm_campaign=spring&utm_source=news",
        referrer_url="https://news.example/",
        user_data={
            "em": "Jane@Example.com",
            "client_user_agent": AGENT,
            "client_ip_address": "203.0.113.77",
            "fbp": "fb.1.1791212460000.123.AQICAQMC",
            "lead_id": 123456789012345,
            "madid": "AB-1",
            "fi": "Jane",
            "partner_name": "liveramp",
        },
        custom_data={
            "value": "899.50",
            "currency": "inr",
            "order_id": 1001,
            "item_number": "2",
            "contents": [{"id": "b"}],
        },
    )
    assert (copy.dataset, copy.source, copy.action_source) == ("1234567890123456", "server", "website")
    assert (copy.received_us, copy.event_time_ms) == (NOW_S * 1_000_000 + 250_000, (NOW_S - 60) * 1000)
    assert (copy.event_name, copy.event_id) == ("Purchase", "order-1001")
    assert (copy.url, copy.referrer) == (
        "https://shop.example/p?utm_campaign=spring&utm_source=news",
        "https://news.example/",
    )
    assert (copy.campaign, copy.campaign_source) == ("spring", "news")
    assert (copy.value_e4, copy.currency, copy.order_id, copy.item_number) == (8995000, "INR", "1001", "2")
    assert copy.em == hashlib.sha256(b"jane@example.com").digest()
    assert copy.fbp == "fb.1.1791212460000.123"
    assert copy.other_keys == {
        "lead_id": "123456789012345",
        "madid": "ab-1",
        "fi": hashlib.sha256(b"j").hexdigest(),
    }
    assert (copy.browser, copy.visitor, copy.address) == ("Chrome", "person", "203.0.113.0")
    assert copy.weak == weak_of(bytes(range(32)), "203.0.113.77", AGENT) != 0
    assert json.loads(copy.extra) == {"partner_name": "liveramp"}
    assert (copy.marks, copy.notes) == (0, ("unhashed",))


@pytest.mark.parametrize(
    "address", ["2001:db8::1", " 203.0.113.77", "203.0.113.77.AQICAQM1", "::ffff:203.0.113.77", "no", ""]
)
def test_the_weak_hash_is_that_of_the_browser_door(address: str) -> None:
    plain = {"em": "a@b.de", "client_ip_address": "198.51.100.7", "client_user_agent": AGENT}
    copies, _ = keep(event(user_data=plain), event(user_data={**plain, "client_ip_address": address}))
    assert [copy.weak for copy in copies] == [
        weak_of(bytes(range(32)), one, AGENT) for one in ("198.51.100.7", address)
    ]


def test_the_side_table_has_address_and_agent_of_each_copy_or_is_none() -> None:
    body = body_of_json(json.dumps({"data": [event(), event(user_data={"em": "a@b.de"})]}).encode())
    (kept,) = keep_all(body, request())[1]
    assert kept.private == [("", AGENT), ("", "")]
    body = body_of_json(json.dumps({"data": [event(user_data={"em": "a@b.de"})]}).encode())
    assert keep_all(body, request())[1][0].private is None


def test_the_side_table_has_an_address_without_its_appendix() -> None:
    body = body_of_json(
        json.dumps({"data": [event(user_data={"client_ip_address": " 203.0.113.9.AQICAQMC"})]}).encode()
    )
    assert keep_all(body, request())[1][0].private == [("203.0.113.9", "")]


@pytest.mark.parametrize("place", ["custom_data", "app_data", "zzz"])
def test_a_key_that_came_twice_is_kept_once(place: str) -> None:
    raw = json.dumps(event(**{place: {"value": 1, "n": {"note": "NOTE"}}}))
    raw = raw.replace('"note": "NOTE"', '"note":"dup.john@example.com","note":"x"')
    (kept,) = keep_all(body_of_json(f'{{"data":[{raw}]}}'.encode()), request())[1]
    assert "john" not in repr(kept)
    assert '"note":"x"' in repr(kept)


def test_the_side_table_has_no_contact_data_and_nothing_that_is_no_address() -> None:
    user = {
        "em": "a@b.de",
        "client_ip_address": "ip.john@example.com",
        "client_user_agent": "ua.john@example.com +1 650-555-7777",
    }
    two = {**user, "client_ip_address": "203.0.113.77\n198.51.100.5"}
    body = body_of_json(json.dumps({"data": [event(user_data=user), event(user_data=two)]}).encode())
    (kept,) = keep_all(body, request())[1]
    assert kept.private == [("", "removed-email removed-phone")] * 2
    assert "203.0.113.77" not in repr(kept) and "john" not in repr(kept)


def test_fbc_is_derived_from_a_click_id_only_where_none_came() -> None:
    url = "https://shop.example/p?fbclid=AbC"
    assert keep_one(event_source_url=url).fbc == f"fb.1.{(NOW_S - 60) * 1000}.AbC"
    assert keep_one(event_source_url=url).campaign_source == "facebook"
    assert keep_one(event_source_url=url, user_data={"em": "a@b.de", "fbc": "fb.1.5.Xyz"}).fbc == "fb.1.5.Xyz"


URL_PARTS = st.sampled_from(
    ("https://shop.example/", "utm_source=a", "?utm_campaign=b+c", "&utm_source=d", "&utm_id=7", "&x=1", "&fbclid=AbC")
) | st.sampled_from(
    ("?gbraid=z", "&campaign_id=9", "&order_id=5", "xutm_source=f", "utm_", "?", "&", "#utm_campaign=%20e")
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.lists(URL_PARTS, max_size=5).map("".join), min_size=1, max_size=5))
def test_pages_in_a_column_lead_to_the_campaigns_that_each_names(urls: list[str]) -> None:
    copies, _ = keep(*(event(event_source_url=url) for url in urls))
    assert [(copy.campaign, copy.campaign_source) for copy in copies] == [landing_of(copy.url)[:2] for copy in copies]


def test_the_appendix_of_a_page_is_stripped() -> None:
    assert keep_one(event_source_url="https://shop.example/p?x=1.AQICAQMC").url == "https://shop.example/p?x=1"


@pytest.mark.parametrize(
    ("agent", "mark", "visitor"),
    [
        ("Googlebot/2.1 (+http://www.google.com/bot.html)", Mark.BOT, "bot"),
        ("curl/8.4.0", Mark.TOOL, "tool"),
        (AGENT, 0, "person"),
    ],
    ids=["bot", "tool", "person"],
)
def test_a_visitor_is_judged_by_the_events_own_user_agent(agent: str, mark: int, visitor: str) -> None:
    copy = keep_one(user_data={"em": "a@b.de", "client_user_agent": agent})
    assert (copy.marks, copy.visitor) == (mark, visitor)


def test_app_twins_of_money_and_order_are_read() -> None:
    copy = keep_one(custom_data={"_valueToSum": 5, "fb_currency": "EUR", "fb_order_id": "o1"})
    assert (copy.value_e4, copy.currency, copy.order_id) == (50000, "EUR", "o1")
    copy = keep_one(custom_data={"_valueToSum": 5, "value": 6, "currency": "EUR"})
    assert copy.value_e4 == 60000


def test_custom_data_in_text_or_as_an_empty_array_is_read_and_wrong_types_inside_are_harmless() -> None:
    assert keep_one(custom_data='{"value": 5, "currency": "EUR"}').value_e4 == 50000
    assert keep_one(custom_data=[]).custom_data == ""
    copy = keep_one(custom_data={"value": {"a": 1}, "currency": 5, "order_id": [1], "search_string": 77})
    assert (copy.value_e4, copy.currency, copy.order_id) == (None, "", "")
    assert json.loads(copy.custom_data)["search_string"] == 77


def test_custom_data_is_kept_as_it_came_but_for_contact_data() -> None:
    custom = {
        "value": 1,
        "currency": "EUR",
        "products[0].name": "Bean",
        "note": "call jane@example.com",
        "order_id": "o",
    }
    copy = keep_one(custom_data=custom)
    assert "jane" not in copy.custom_data
    assert copy.removed == ("custom_data.note:email",)
    assert json.loads(copy.custom_data)["products[0].name"] == "Bean"


def test_ids_are_verbatim_and_an_email_inside_is_hashed_at_its_place() -> None:
    copy = keep_one(event_id=" Order 1 ")
    assert copy.event_id == " Order 1 "
    assert keep_one(event_id=12345678901234567890).event_id == "12345678901234567890"
    copy = keep_one(
        event_id="jane@example.com", custom_data={"value": 1, "currency": "EUR", "order_id": "jane@example.com"}
    )
    assert copy.event_id == copy.order_id == hashlib.sha256(b"id\njane@example.com").hexdigest()
    assert hashlib.sha256(b"jane@example.com").hexdigest() not in repr(
        keep_one(event_id="jane@example.com", consent="denied")
    )
    assert set(copy.removed or ()) >= {"event_id:email", "order_id:email"}


def test_marks_of_tests_ldu_and_opt_out() -> None:
    assert keep_one(beside={"test_event_code": "TEST1"}).marks == Mark.TEST
    assert keep_one(beside={"test_event_code": "TEST1"}).test_event_code == "TEST1"
    assert keep_one(data_processing_options=["LDU"], data_processing_options_country=1).marks == Mark.LDU
    assert keep_one(data_processing_options=[]).marks == 0
    for yes in (True, 1, "1", "true"):
        assert keep_one(opt_out=yes).marks == Mark.OPT_OUT
    for no in (False, 0, "0", "false"):
        assert keep_one(opt_out=no).marks == 0


def test_a_test_code_inside_custom_data_works_and_is_told() -> None:
    custom = {"value": 1, "currency": "EUR", "test_event_code": "TEST9"}
    copies, messages = keep(event(custom_data=custom), event())
    assert [(copy.marks, copy.test_event_code) for copy in copies] == [(Mark.TEST, "TEST9"), (0, "")]
    assert len(messages) == 1 and "test_event_code" in messages[0]


def test_denied_consent_limits_an_event_to_what_names_nobody() -> None:
    copies, _ = keep(
        event(
            consent="denied",
            event_source_url="https://shop.example/p?mail=1&utm_campaign=x",
            user_data={
                "em": "a@b.de",
                "fbp": "fb.1.1.2",
                "client_ip_address": "203.0.113.9",
                "client_user_agent": AGENT,
            },
            custom_data={"value": 5, "currency": "EUR", "order_id": "o1"},
            extra_key=1,
        ),
        event(),
    )
    limited, other = copies
    assert (limited.marks, limited.consent) == (Mark.LIMITED, "denied")
    assert (limited.event_id, limited.value_e4, limited.currency) == ("order-1001", 50000, "EUR")
    assert limited.url == "https://shop.example/p"
    blank = (
        limited.em,
        limited.fbp,
        limited.address,
        limited.order_id,
        limited.custom_data,
        limited.extra,
        limited.campaign,
    )
    assert blank == (b"", "", "", "", "", "", "")
    assert limited.weak == 0
    assert other.em and not other.marks


def test_withholding_datasets_keep_nothing_of_a_denied_event() -> None:
    events = [event(event_id=str(n), consent="denied" if n % 2 else None) for n in range(5)]
    body = body_of_json(json.dumps({"data": events}).encode())
    copies, (kept,) = keep_all(body, request(denied_events="withhold"))
    assert [copy.event_id for copy in copies] == ["0", "2", "4"]
    assert (kept.n, kept.withheld) == (3, 2)
    assert kept.private is not None and len(kept.private) == 3


@pytest.mark.parametrize("user_data", [{}, None, {"client_user_agent": "Mozilla/5.0"}, {"country": "in"}])
def test_an_event_of_denied_consent_need_name_nobody(user_data: Any) -> None:
    given = {**event(consent="denied", event_id="order-1"), "user_data": user_data}
    (copy,), messages = keep(given)
    assert (copy.event_id, copy.marks) == ("order-1", Mark.LIMITED)
    assert not [said for said in messages if "user_agent" in said]
    unsaid = {key: value for key, value in given.items() if key != "consent"}
    assert keep(unsaid, consent_default="denied")[0][0].marks == Mark.LIMITED
    for refused in (unsaid, {**unsaid, "consent": "granted"}, {**unsaid, "consent": "perhaps"}):
        with pytest.raises(RequestRefused):
            keep(refused)


def test_the_dataset_decides_where_nothing_is_said_of_consent() -> None:
    assert keep_one(settings={"consent_default": "denied"}).marks == Mark.LIMITED
    assert keep_one(settings={"consent_default": "denied"}, consent="granted").marks == 0


def test_an_original_event_is_named() -> None:
    original = {"event_name": "Purchase", "event_time": NOW_S - 90, "order_id": 77, "event_id": "e1"}
    copy = keep_one(event_name="AppendValue", original_event_data=original)
    assert (copy.original_event_name, copy.original_event_id, copy.original_order_id, copy.original_time_ms) == (
        "Purchase",
        "e1",
        "77",
        (NOW_S - 90) * 1000,
    )


def test_unknown_keys_are_kept_without_contact_data_and_unknown_user_data_by_name_alone() -> None:
    copy = keep_one(
        loyalty={"tier": 3, "mail": "jane@example.com"},
        user_data={"em": "a@b.de", "nickname": "Janey"},
        attribution_data={"scope": "x"},
    )
    extra = json.loads(copy.extra)
    assert extra["loyalty"]["tier"] == 3 and extra["attribution_data"] == {"scope": "x"}
    assert extra["unknown_user_data"] == ["nickname"]
    assert "jane" not in copy.extra.lower().replace("nickname", "")
    assert "unknown_user_data" in (copy.notes or ())


def test_md5_is_kept_as_an_unmatched_value() -> None:
    md5 = "5f4dcc3b5aa765d61d8327deb882cf99"
    copy = keep_one(user_data={"em": md5})
    assert copy.em == b"" and json.loads(copy.extra) == {"md5": {"em": [md5]}}
    assert "md5:em" in (copy.notes or ())


PEERS: dict[str, tuple[dict[str, Any], str]] = {
    "no_action_source": (event(action_source=None), "action_source"),
    "time_in_digits": (event(event_time=str(NOW_S - 5)), "event_time"),
    "time_in_iso": (event(event_time="2026-10-05T15:00:00Z"), "event_time"),
    "no_user_agent": (event(user_data={"em": "a@b.de"}), "client_user_agent"),
    "no_page": (event(event_source_url=None), "event_source_url"),
    "no_money": (event(custom_data=None), "custom_data"),
    "no_currency": (event(custom_data={"value": 1}), "custom_data"),
    "money_beside_custom_data": (event(event_name="Lead", value=5, currency="EUR"), "beside custom_data"),
    "crm_without_fields": (event(action_source="system_generated", event_name="Won"), "lead_event_source"),
}


@pytest.mark.parametrize("case", PEERS)
def test_shapes_of_peers_are_accepted_with_a_message_that_names_the_place(case: str) -> None:
    sent, place = PEERS[case]
    copies, messages = keep(event(), sent, sent)
    assert len(copies) == 3
    assert [place in message and "$['data'][1]" in message for message in messages] == [True]
    assert "1 more" in messages[0]


def test_action_sources_lead_to_the_side_that_dedup_knows() -> None:
    info = {"advertiser_tracking_enabled": "1", "extinfo": ["i2", "", "", "", "17"]}
    sides = {
        "website": "server",
        "Website": "server",
        "email": "server",
        "physical_store": "offline",
        "other": "server",
    }
    for name, source in sides.items():
        assert keep_one(action_source=name).source == source
    assert keep_one(action_source="app", app_data=info).source == "app"
    assert keep_one(action_source="system_generated").source == "crm"


def test_an_imported_event_keeps_its_own_times_and_names_its_source() -> None:
    old = NOW_S - 400 * 86400
    sent = [event(event_time=old, source="browser"), event(event_time=old, received_time=old + 9, source="")]
    copies, _ = keep_all(body_of_json(json.dumps({"data": sent}).encode()), request(imported=True))
    assert [(copy.received_us, copy.source, copy.marks) for copy in copies] == [
        (old * 1_000_000, "browser", Mark.IMPORTED),
        ((old + 9) * 1_000_000, "server", Mark.IMPORTED),
    ]
    assert refusal(sent[0]).reason == Reason.TIME_TOO_OLD


def test_an_imported_event_named_as_the_servers_keeps_the_side_its_action_source_says() -> None:
    info = {"advertiser_tracking_enabled": "1", "extinfo": ["i2", "", "", "", "17"]}
    sides = {"website": "server", "system_generated": "crm", "physical_store": "offline", "app": "server"}
    for said, side in sides.items():
        sent = [event(action_source=said, app_data=info, source=name) for name in ("server", "browser")]
        copies, _ = keep_all(body_of_json(json.dumps({"data": sent}).encode()), request(imported=True))
        assert [copy.source for copy in copies] == [side, "browser"], said


@pytest.mark.parametrize("imported", [False, True])
def test_ages_are_judged_by_the_clock_where_receipt_stands_ahead_of_it(imported: bool) -> None:
    how = request(imported)
    how.clock_us, how.received_us = how.received_us, how.received_us + 30 * 86400 * 1_000_000
    times = [NOW_S - 7 * 86400, NOW_S, NOW_S + 600]
    copies, _ = keep_all(body_of_json(json.dumps({"data": [event(event_time=at) for at in times]}).encode()), how)
    assert [copy.event_time_ms // 1000 for copy in copies] == times
    assert imported or {copy.received_us for copy in copies} == {how.received_us}
    late = body_of_json(json.dumps({"data": [event(event_time=NOW_S + 601)]}).encode())
    with pytest.raises(RequestRefused) as refused:
        keep_all(late, how)
    assert refused.value.reason == Reason.TIME_IN_FUTURE


def test_a_dry_run_shows_events_as_they_would_be_kept() -> None:
    body = body_of_json(json.dumps({"data": [event(opt_out=True)], "dry_run": True}).encode())
    (shown,) = normalised(keep_slice(body.data, 0, body, request()))
    assert shown["em"] == [hashlib.sha256(b"jane@example.com").hexdigest()]
    assert (shown["marks"], shown["value_e4"], shown["event_name"]) == (["opt_out"], 8995000, "Purchase")
    json.dumps(shown)


RAW = {
    "em": "jane.secret@example.com",
    "ph": "+1 650 555 1212",
    "fn": "Janesecret",
    "ln": "Doesecret",
    "db": "1997-02-16",
    "ct": "Secretville",
    "st": "Secretstate",
    "zp": "94035-1234",
    "external_id": "secret-77",
    "app_user_id": "secret-app",
}


def test_no_raw_contact_data_is_in_what_is_kept() -> None:
    copy = keep_one(
        event_name="jane.secret@example.com bought",
        event_id="jane.secret@example.com",
        event_source_url="https://shop.example/?m=jane.secret%40example.com",
        referrer_url="https://shop.example/?m=jane.secret@example.com",
        user_data={**RAW, "first_name": "Janesecret", "client_user_agent": AGENT},
        custom_data={"email": "jane.secret@example.com", "value": 1, "currency": "EUR", "phone": "+1 650 555 1212"},
        contact="jane.secret@example.com",
        original_event_data={"event_id": "jane.secret@example.com", "event_name": "jane.secret@example.com"},
    )
    whole = repr(copy).lower()
    for value in RAW.values():
        assert value.lower() not in whole


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.one_of(
        st.text(),
        st.text(alphabet="0123456789-. ()/+%@&#;x4\\u0\u2011\u00a0\uff20\ufe6b\t\r\n", max_size=40),
        st.builds(
            "{0[0]}{1}{0[1]}{1}{0[2]}{1}{0[3]}".format,
            st.lists(st.sampled_from(["4111", "1111", "411", "x1111", "650", "555", "1212"]), min_size=4, max_size=4),
            st.text(" .-/+\t\r\n\b\f\x1e,", max_size=3),
        ),
    )
)
def test_what_is_calm_needs_no_scrubbing(text: str) -> None:
    if is_calm(text.encode("utf-8", "replace")):
        assert scrub_text(text) == (text, ()) == scrub_url(text) == scrub_id(text)
        assert scrub_json(json.dumps({"a": text}))[1] == ()
    raw = json.dumps({"a": text}, ensure_ascii=False)
    if is_calm(raw.encode("utf-8", "replace")):
        assert scrub_json(raw) == (raw, ())


def test_steps_are_named_once_each() -> None:
    assert len({name for name, _ in SERVER_STEPS}) == len(SERVER_STEPS)
    assert all(name == step.__name__ and step.__doc__ for name, step in SERVER_STEPS)


@pytest.mark.parametrize(
    ("address", "whole", "network"),
    [
        ("203.0.113.77\n198.51.100.5", "", ""),
        ("203.0.113.77\n", "203.0.113.77", "203.0.113.0"),
        ("\n203.0.113.77", "203.0.113.77", "203.0.113.0"),
        ("ip.john@example.com", "", ""),
        ("203.0.113.77, john@example.com", "", ""),
        ("fe80::1%john@example.com", "fe80::1", "fe80::"),
        ("203.0.113.77.AQYCAQMB", "203.0.113.77", "203.0.113.0"),
        ("::ffff:203.0.113.77", "203.0.113.77", "203.0.113.0"),
    ],
    ids=range(8),
)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_what_is_no_address_is_kept_nowhere_and_what_holds_one_as_the_address_alone(
    address: str, whole: str, network: str, n: int
) -> None:
    user = {"em": "a@b.de", "client_user_agent": AGENT}
    others = [event(user_data={**user, "client_ip_address": "198.51.100.9"})] * (n - 1)
    body = body_of_json(
        json.dumps({"data": [*others, event(user_data={**user, "client_ip_address": address})]}).encode()
    )
    copies, (kept,) = keep_all(body, request())
    assert copies[-1].address == network
    assert copies[-1].weak == weak_of(request().weak_key, whole, AGENT)
    assert kept.private is not None
    assert [one[0] for one in kept.private] == ["198.51.100.9"] * (n - 1) + [whole]


@pytest.mark.parametrize("name", ["fbp", "fbc"])
def test_two_browser_ids_in_one_are_a_bad_one(name: str) -> None:
    twice = keep_one(user_data={"em": "a@b.de", name: "fb.1.1.a\x1efb.1.2.b"})
    assert twice.notes is not None and f"unreadable:{name}" in twice.notes


@pytest.mark.parametrize("said", ["denied", "Deny", "no", "false", "0", "rejected", "withdrawn", False])
def test_consent_that_is_refused_in_other_words_is_refused(said: Any) -> None:
    copy = keep_one(consent=said)
    assert (copy.consent, copy.em, copy.marks) == ("denied", b"", Mark.LIMITED)


def test_consent_that_says_nothing_readable_is_told() -> None:
    (copy,), messages = keep(event(consent="perhaps"))
    assert copy.consent == ""
    assert "unreadable:consent" in (copy.notes or ())
    assert any("['consent']" in message for message in messages)


@pytest.mark.parametrize("value", ["1,299.00", "12,50", "abc", 1e30])
@pytest.mark.parametrize("name", ["Purchase", "Lead"])
def test_a_value_that_cannot_be_read_is_told_as_such(value: Any, name: str) -> None:
    (copy,), messages = keep(event(event_name=name, custom_data={"value": value, "currency": "EUR"}))
    assert copy.value_e4 is None
    (message,) = [one for one in messages if "custom_data" in one]
    assert "['value'] is no number" in message


def test_a_browser_id_that_is_none_is_left_out_and_what_was_in_it_told() -> None:
    user = {"em": ["jane@x.com"], "fbp": "+49 151 99887711", "fbc": "4242 4242 4242 4242"}
    copy = keep_one(user_data=user)
    assert (copy.fbp, copy.fbc) == ("", "")
    assert copy.removed is not None and set(copy.removed) >= {"fbp:phone", "fbc:card"}


@pytest.mark.parametrize("nothing", ["undefined", "null", "NULL", "0", "garbage", "fb.1.0", "fb.1.1791212460000."])
def test_strangers_do_not_meet_by_a_browser_id_that_is_none(nothing: str) -> None:
    copy = keep_one(user_data={"em": ["jane@x.com"], "fbp": nothing, "fbc": nothing})
    assert (copy.fbp, copy.fbc) == ("", "")
    assert copy.notes is not None and {"unreadable:fbp", "unreadable:fbc"} <= set(copy.notes)


@pytest.mark.parametrize("nothing", ["undefined", "null", "NULL", "None", "Undefined"])
def test_an_event_id_that_programs_write_for_none_is_none(nothing: str) -> None:
    copy = keep_one(event_id=nothing)
    assert copy.event_id == ""
    assert copy.notes is not None and "nothing:event_id" in copy.notes
    assert keep_one(event_id=nothing + "1").event_id == nothing + "1"


@pytest.mark.parametrize(
    "more",
    [
        {"event_name": "N jane.zebra@\x1ezz-example.com"},
        {"event_id": "jane.zebra@\x1ezz-example.com"},
        {"event_source_url": "https://s.example/?m=jane.zebra@\x1ezz-example.com"},
        {"custom_data": {"note": "jane.zebra@\x1ezz-example.com"}},
        {"unheard_of": "jane.zebra@\x1ezz-example.com"},
    ],
)
def test_the_sign_that_separates_texts_here_hides_no_contact_data(more: dict[str, Any]) -> None:
    assert "zebra" not in repr(keep_one(**more))


def test_of_a_limited_copy_no_free_words_stay_but_the_events_name() -> None:
    custom = {"value": 5, "currency": "EUR", "Erika Mustermann": "jane@x.com"}
    copy = keep_one(beside={"test_event_code": "erika", "partner_agent": "erika"}, consent="no", custom_data=custom)
    assert "erika" not in repr(copy).lower()
    assert copy.removed == ("custom_data:email",)


def test_a_nul_in_an_id_goes_as_at_the_browser_door() -> None:
    assert keep_one(event_id="or\0der-1").event_id == "order-1"


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1e300"])
def test_a_number_that_no_float_tells_from_its_neighbours_is_no_id(number: str) -> None:
    body = json.dumps({"data": [event(event_id="@")]}).replace('"@"', number)
    with pytest.raises(RequestRefused) as refused:
        keep_all(body_of_json(body.encode()), request())
    assert refused.value.reason == Reason.BAD_SHAPE
