"""Refusals of the server door: reason, code, place; the first failing rule of the first such event; all or nothing."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest

from tests.policy.server_events import AGENT, NOW_S, event, keep, keep_all, refusal, request
from truecount.policy.decode import body_of_json
from truecount.policy.errors import PROBLEMS, RequestRefused
from truecount.vocabulary import MESSAGING_EVENTS, Reason

DAY = 86400
EXTINFO = ["i2", "shop.example", "1", "1.0", "17.5"] + [""] * 11


def app(**changes: Any) -> dict[str, Any]:
    return event(
        action_source="app",
        app_data={"advertiser_tracking_enabled": 1, "extinfo": EXTINFO, **changes},
        user_data={"em": "a@b.de"},
    )


def chat(channel: str | None, name: str = "Purchase", **user: Any) -> dict[str, Any]:
    return event(action_source="business_messaging", messaging_channel=channel, event_name=name, user_data=user)


CASES: dict[str, tuple[Any, Reason, int | None, str]] = {
    "a_number": (5, Reason.BAD_SHAPE, 2804019, ""),
    "an_array": ([], Reason.BAD_SHAPE, 2804019, ""),
    "no_name": (event(event_name=None), Reason.NO_EVENT_NAME, 2804019, "['event_name']"),
    "empty_name": (event(event_name=""), Reason.NO_EVENT_NAME, 2804019, "['event_name']"),
    "blank_name": (event(event_name=" \t"), Reason.NO_EVENT_NAME, 2804019, "['event_name']"),
    "name_of_101": (event(event_name="x" * 101), Reason.BAD_EVENT_NAME, 2804019, "['event_name']"),
    "name_is_a_number": (event(event_name=1), Reason.BAD_SHAPE, 2804019, "['event_name']"),
    "no_user_data": (event(user_data=None), Reason.NO_USER_DATA, 2804019, "['user_data']"),
    "user_data_is_text": (event(user_data="em"), Reason.BAD_SHAPE, 2804019, "['user_data']"),
    "em_is_an_object": (event(user_data={"em": {}}), Reason.BAD_SHAPE, 2804019, "['user_data']['em']"),
    "em_is_a_flag": (event(user_data={"em": [True]}), Reason.BAD_SHAPE, 2804019, "['user_data']['em']"),
    "url_is_a_number": (event(event_source_url=5), Reason.BAD_SHAPE, 2804019, "['event_source_url']"),
    "custom_data_is_text": (event(custom_data="x"), Reason.BAD_SHAPE, 2804019, "['custom_data']"),
    "custom_data_is_an_array": (event(custom_data=[1]), Reason.BAD_SHAPE, 2804019, "['custom_data']"),
    "custom_data_is_deep": (
        event(custom_data=json.loads('{"a":' * 70 + "1" + "}" * 70)),
        Reason.TOO_DEEP,
        2804019,
        "['custom_data']",
    ),
    "no_time": (event(event_time=None), Reason.NO_EVENT_TIME, 2804019, "['event_time']"),
    "time_is_a_word": (event(event_time="yesterday"), Reason.BAD_EVENT_TIME, 2804019, "['event_time']"),
    "time_is_a_flag": (event(event_time=True), Reason.BAD_EVENT_TIME, 2804019, "['event_time']"),
    "time_is_a_fraction": (event(event_time=NOW_S + 0.5), Reason.BAD_EVENT_TIME, 2804019, "['event_time']"),
    "time_is_an_object": (event(event_time={}), Reason.BAD_EVENT_TIME, 2804019, "['event_time']"),
    "time_zero": (event(event_time=0), Reason.TIME_TOO_OLD, 2804003, "['event_time']"),
    "time_before_1970": (event(event_time=-5), Reason.TIME_TOO_OLD, 2804003, "['event_time']"),
    "8_days_old": (event(event_time=NOW_S - 8 * DAY), Reason.TIME_TOO_OLD, 2804003, "['event_time']"),
    "milliseconds": (event(event_time=NOW_S * 1000), Reason.TIME_IN_MILLISECONDS, 2804019, "['event_time']"),
    "milliseconds_in_text": (
        event(event_time=str(NOW_S * 1000)),
        Reason.TIME_IN_MILLISECONDS,
        2804019,
        "['event_time']",
    ),
    "an_hour_ahead": (event(event_time=NOW_S + 3600), Reason.TIME_IN_FUTURE, 2804019, "['event_time']"),
    "an_absurd_time": (event(event_time=10**30), Reason.TIME_IN_FUTURE, 2804019, "['event_time']"),
    "no_keys": (event(user_data={}), Reason.NO_MATCH_KEYS, 2804050, "['user_data']"),
    "php_empty": (event(user_data=[]), Reason.NO_MATCH_KEYS, 2804050, "['user_data']"),
    "agent_alone": (event(user_data={"client_user_agent": AGENT}), Reason.NO_MATCH_KEYS, 2804050, "['user_data']"),
    "unknown_keys_alone": (event(user_data={"nickname": "j"}), Reason.NO_MATCH_KEYS, 2804050, "['user_data']"),
    "all_keys_rejected": (
        event(user_data={"em": "not-an-email", "client_user_agent": AGENT}),
        Reason.NO_MATCH_KEYS,
        2804050,
        "['user_data']",
    ),
    "unknown_action_source": (event(action_source="web"), Reason.BAD_ACTION_SOURCE, 2804019, "['action_source']"),
    "app_without_app_data": (
        event(action_source="app", user_data={"em": "a@b.de"}),
        Reason.NO_APP_DATA,
        2804019,
        "['app_data']",
    ),
    "app_without_tracking": (
        app(advertiser_tracking_enabled=None),
        Reason.NO_APP_DATA,
        2804019,
        "['app_data']['advertiser_tracking_enabled']",
    ),
    "app_without_extinfo": (app(extinfo=None), Reason.NO_APP_DATA, 2804019, "['app_data']['extinfo']"),
    "app_without_version": (app(extinfo=["", *EXTINFO[1:]]), Reason.NO_APP_DATA, 2804019, "['app_data']['extinfo'][0]"),
    "app_without_os": (
        app(extinfo=[*EXTINFO[:4], None, *EXTINFO[5:]]),
        Reason.NO_OS_VERSION,
        2804043,
        "['app_data']['extinfo'][4]",
    ),
    "short_lead_id": (event(user_data={"lead_id": "12345"}), Reason.BAD_LEAD_ID, 2804036, "['user_data']['lead_id']"),
    "long_lead_id": (event(user_data={"lead_id": 10**17}), Reason.BAD_LEAD_ID, 2804036, "['user_data']['lead_id']"),
    "messaging_lead": (chat("messenger", "Lead", page_id="1"), Reason.BAD_MESSAGING_EVENT, 2804066, "['event_name']"),
    "no_channel": (chat(None, page_id="1"), Reason.NO_MESSAGING_ID, 2804019, "['messaging_channel']"),
    "messenger_without_user": (
        chat("messenger", page_id="1"),
        Reason.NO_MESSAGING_ID,
        2804019,
        "['user_data']['page_scoped_user_id']",
    ),
    "whatsapp_without_click": (
        chat("whatsapp", page_id="1"),
        Reason.NO_MESSAGING_ID,
        2804019,
        "['user_data']['ctwa_clid']",
    ),
    "whatsapp_without_account": (chat("whatsapp", ctwa_clid="1"), Reason.NO_MESSAGING_ID, 2804116, "['user_data']"),
    "instagram_without_user": (
        chat("instagram", instagram_business_account_id="1"),
        Reason.NO_MESSAGING_ID,
        2804019,
        "['user_data']['ig_sid']",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_event_is_refused_with_its_reason_code_and_place(case: str) -> None:
    wrong, reason, subcode, place = CASES[case]
    refused = refusal(event(), wrong, event())
    assert (refused.reason, refused.http, refused.code, refused.subcode) == (reason, 400, 100, subcode)
    assert f"$['data'][1]{place} " in refused.text + " "
    assert refused.n_events == 3


PAIRS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "seven_days": (event(event_time=NOW_S - 7 * DAY), event(event_time=NOW_S - 7 * DAY - 1)),
    "62_days_offline": (
        event(action_source="physical_store", event_time=NOW_S - 62 * DAY),
        event(action_source="physical_store", event_time=NOW_S - 62 * DAY - 1),
    ),
    "ten_minutes_ahead": (event(event_time=NOW_S + 600), event(event_time=NOW_S + 601)),
    "name_of_100": (event(event_name="x" * 100), event(event_name="x" * 101)),
    "lead_id_of_15": (event(user_data={"lead_id": "1" * 15}), event(user_data={"lead_id": "1" * 14})),
    "lead_id_of_17": (event(user_data={"lead_id": int("1" * 17)}), event(user_data={"lead_id": int("1" * 18)})),
}


@pytest.mark.parametrize("case", PAIRS)
def test_thresholds_take_what_lies_just_inside_and_refuse_what_lies_just_outside(case: str) -> None:
    inside, outside = PAIRS[case]
    assert len(keep(inside)[0]) == 1
    refusal(outside)


def test_a_clock_a_minute_ahead_is_silent_and_one_further_ahead_is_told() -> None:
    assert keep(event(event_time=NOW_S + 60))[1] == []
    (message,) = keep(event(event_time=NOW_S + 61))[1]
    assert "$['data'][0]['event_time']" in message and "future" in message


KEY_SETS = {
    "em": True,
    "ph": True,
    "fbp": True,
    "fbc": True,
    "external_id": True,
    "client_ip_address": True,
    "partner_id": True,
    "fn ln": True,
    "fn ln ct": True,
    "client_ip_address client_user_agent": True,
    "fn": False,
    "ln": False,
    "db": False,
    "ge": False,
    "fn ge": False,
    "ln ge": False,
    "db client_user_agent": False,
    "db ge": True,
    "db fn": True,
    "ct country st zp ge client_user_agent": False,
    "ct country st zp ge client_user_agent fn": True,
    "fi": True,
    "lead_id": True,
    "madid": True,
    "fn ln ge": True,
    "fn client_user_agent": True,
}
VALUES = {
    "em": "a@b.de",
    "ph": "+1 650 555 1212",
    "fbp": "fb.1.1.2",
    "fbc": "fb.1.1.abc",
    "external_id": "u1",
    "partner_id": "p",
    "client_ip_address": "203.0.113.9",
    "client_user_agent": AGENT,
    "fn": "Ada",
    "ln": "Bo",
    "db": "19970216",
    "ge": "f",
    "ct": "Rome",
    "country": "it",
    "st": "RM",
    "zp": "00100",
    "fi": "a",
    "lead_id": "1" * 16,
    "madid": "AB-12",
}


@pytest.mark.parametrize("names", KEY_SETS)
def test_keys_that_fit_too_many_people_are_not_enough(names: str) -> None:
    user = {name: VALUES[name] for name in names.split()}
    if KEY_SETS[names]:
        assert len(keep(event(user_data=user))[0]) == 1
    else:
        assert refusal(event(user_data=user)).reason == Reason.NO_MATCH_KEYS


@pytest.mark.parametrize("where", ["event_name", "custom_data", "user_data"])
def test_an_event_that_is_not_utf8_is_refused_at_its_place(where: str) -> None:
    wrong = event(event_name="N") if where == "event_name" else event(**{where: {"em": "N", "a": "N"}})
    raw = json.dumps({"data": [event(), wrong]}).encode().replace(b'"N"', b'"\xff"')
    with pytest.raises(RequestRefused) as caught:
        keep_all(body_of_json(raw), request())
    assert caught.value.reason == Reason.MALFORMED_REQUEST
    assert "$['data'][1]" in caught.value.text


@pytest.mark.parametrize("levels", [60, 300, 990, 5000])
@pytest.mark.parametrize("key", ["custom_data", "original_event_data", "app_data", "user_data", "zz", "opt_out"])
def test_nesting_costs_a_refusal_at_most(key: str, levels: int) -> None:
    deep = '{"a":' * levels + "1" + "}" * levels
    for value in (deep, json.dumps(deep), "[" * levels + "]" * levels):
        whole = json.dumps(event(**{key: None}))[:-1] + f', "{key}": {value}}}'
        for data in (f"[{whole}]", json.dumps([whole])):
            with contextlib.suppress(RequestRefused):  # any other exception would be a traceback at the door
                keep_all(body_of_json(f'{{"data":{data}}}'.encode()), request())


def test_the_first_failing_event_is_told_and_its_first_failing_rule() -> None:
    both = event(event_time=NOW_S - 9 * DAY, user_data={"client_user_agent": AGENT}, action_source="nowhere")
    assert refusal(both).reason == Reason.TIME_TOO_OLD
    late = event(user_data={})
    assert refusal(event(), late, both, event(event_name=None)).reason == Reason.NO_MATCH_KEYS
    assert refusal(event(), event(event_name=None), late, 5).reason == Reason.NO_EVENT_NAME


@pytest.mark.parametrize("index", [0, 63, 64, 200])
def test_one_wrong_event_refuses_all_and_is_named_by_its_index_in_the_request(index: int) -> None:
    events = [event()] * 201
    events[index] = event(event_name=None)
    refused = refusal(*events)
    assert f"$['data'][{index}]['event_name']" in refused.text
    assert refused.n_events == 201


def test_each_name_of_a_messaging_event_is_taken() -> None:
    for name in MESSAGING_EVENTS:
        copies, _ = keep(chat("whatsapp", name, ctwa_clid="1", page_id="2"))
        assert copies[0].source == "messaging"


def test_an_answer_has_the_envelope_of_the_official_api() -> None:
    answer = refusal(event(user_data=None)).answer("Atrace")
    assert answer == {
        "error": {
            "message": "Invalid parameter",
            "type": "OAuthException",
            "code": 100,
            "error_subcode": 2804019,
            "is_transient": False,
            "error_data": {"blame_field_specs": [["user_data"]]},
            "error_user_title": "Server Side Api Parameter Error",
            "error_user_msg": "The parameter $['data'][0]['user_data'] is required",
            "fbtrace_id": "Atrace",
        }
    }


def test_no_refusal_has_a_code_that_clients_retry() -> None:
    assert {problem.code for problem in PROBLEMS.values()}.isdisjoint(
        {1, 2, 4, 17, 32, 341, 368, 613, 5000, 21009, 80003}
    )


def test_strict_datasets_refuse_raw_contact_data_and_purchases_without_money() -> None:
    hashed = "a" * 64
    assert len(keep(event(user_data={"em": hashed, "external_id": "raw-is-fine"}), strict_hashing=True)[0]) == 1
    refused = refusal(event(user_data={"em": [hashed], "fn": ["Ada"]}), strict_hashing=True)
    assert (refused.reason, refused.field) == (Reason.UNHASHED_STRICT, ["user_data", "fn"])
    assert len(keep(event(event_name="Lead", custom_data=None), strict_money=True)[0]) == 1
    for custom in (
        None,
        {"value": 1},
        {"currency": "EUR"},
        {"value": "x", "currency": "EUR"},
        {"value": 1, "currency": "?"},
    ):
        assert refusal(event(custom_data=custom), strict_money=True).reason == Reason.NO_MONEY_STRICT


def test_domains_that_are_blocked_or_not_allowed_are_refused() -> None:
    shop = event(event_source_url="https://www.shop.example/x")
    assert len(keep(shop, allowed_domains=("shop.example",))[0]) == 1
    assert refusal(shop, allowed_domains=("other.example",)).reason == Reason.DOMAIN_NOT_ALLOWED
    assert refusal(shop, blocked_domains=("shop.example",)).reason == Reason.DOMAIN_BLOCKED


def test_a_refusal_never_repeats_a_value_that_was_sent() -> None:
    secret = "jane.secret@example.com"
    for wrong in (
        event(event_time=secret),
        event(action_source=secret),
        event(user_data={"em": {"x": secret}}),
        event(user_data={"lead_id": secret}),
        event(custom_data=secret),
    ):
        refused = refusal(wrong)
        assert secret not in refused.text + str(refused) + json.dumps(refused.answer("t"))
