"""Bodies of the server door: every shape that clients send reads as the same events; what can't be read is refused."""

from __future__ import annotations

import json
import re
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policy.server_events import event
from truecount.policy.decode import Body, body_of_fields, body_of_json, event_of_text
from truecount.policy.errors import RequestRefused
from truecount.vocabulary import Reason

EVENTS = [event(), event(event_name="Lead", event_id="2")]
TEXTS = [json.dumps(one) for one in EVENTS]

SHAPES: dict[str, Any] = {
    "json_objects": lambda: body_of_json(json.dumps({"data": EVENTS}).encode()),
    "json_with_a_byte_order_mark": lambda: body_of_json(b"\xef\xbb\xbf" + json.dumps({"data": EVENTS}).encode()),
    "json_strings": lambda: body_of_json(json.dumps({"data": TEXTS}).encode()),
    "json_mixed": lambda: body_of_json(json.dumps({"data": [EVENTS[0], TEXTS[1]]}).encode()),
    "json_text_of_objects": lambda: body_of_json(json.dumps({"data": json.dumps(EVENTS)}).encode()),
    "json_text_of_strings": lambda: body_of_json(json.dumps({"data": json.dumps(TEXTS)}).encode()),
    "form_of_objects": lambda: body_of_fields({"data": json.dumps(EVENTS)}),
    "form_of_strings": lambda: body_of_fields({"data": json.dumps(TEXTS)}),
    "form_of_a_string": lambda: body_of_fields({"data": json.dumps(json.dumps(EVENTS))}),
    "form_pretty": lambda: body_of_fields({"data": json.dumps(EVENTS, indent=2)}),
    "node_nulls": lambda: body_of_json(
        json.dumps(
            {
                "data": EVENTS,
                "access_token": "t",
                "partner_agent": None,
                "test_event_code": None,
                "namespace_id": None,
                "upload_id": None,
                "upload_tag": None,
                "upload_source": None,
                "id": "1234567890123456",
            }
        ).encode()
    ),
}


def content(body: Body) -> list[tuple[Any, ...]]:
    return [
        (one.event_name, one.event_id, one.event_time, list(one.user_data.em), json.loads(bytes(one.custom_data)))
        for one in body.data
        if one.user_data is not None
    ]


@pytest.mark.parametrize("shape", SHAPES)
def test_all_shapes_of_a_body_read_as_the_same_events(shape: str) -> None:
    body: Body = SHAPES[shape]()
    assert content(body) == content(SHAPES["json_objects"]())
    assert len(body.data) == 2
    assert not body.problems
    assert body.test_event_code == body.partner_agent == body.upload_tag == ""


def test_options_beside_data_are_read() -> None:
    options = {
        "access_token": "t",
        "test_event_code": 77,
        "partner_agent": "woo-1",
        "upload_tag": "june",
        "dry_run": "true",
    }
    body = body_of_json(json.dumps({"data": EVENTS, "dry_run": "true", **options}).encode())
    assert (body.access_token, body.test_event_code, body.partner_agent, body.upload_tag, body.dry_run) == (
        "t",
        "77",
        "woo-1",
        "june",
        True,
    )
    form = body_of_fields(
        {"data": json.dumps(EVENTS), "test_event_code": '"TEST1"', "dry_run": "0", "partner_agent": "null"}
    )
    assert (form.test_event_code, form.dry_run, form.partner_agent) == ("TEST1", False, "")


UNREADABLE = {
    "nothing": (b"", Reason.MALFORMED_REQUEST),
    "no_json": (b"data=1", Reason.MALFORMED_REQUEST),
    "half": (b'{"data":[{"event_name":"a"', Reason.MALFORMED_REQUEST),
    "array": (b"[]", Reason.MALFORMED_REQUEST),
    "no_utf8": (b'{"data":[{}],"partner_agent":"\xff"}', Reason.MALFORMED_REQUEST),
    "no_data": (b"{}", Reason.NO_DATA),
    "null": (b'{"data":null}', Reason.NO_DATA),
    "empty": (b'{"data":[]}', Reason.NO_DATA),
    "empty_text": (b'{"data":""}', Reason.NO_DATA),
    "empty_array_in_text": (b'{"data":"[]"}', Reason.NO_DATA),
    "number": (b'{"data":5}', Reason.BAD_SHAPE),
    "object": (b'{"data":{"event_name":"a"}}', Reason.BAD_SHAPE),
    "deep": (b'{"data":' + b"[" * 100_000, Reason.TOO_DEEP),
    "deep_objects": (b'{"data":[' + b'{"a":' * 100_000, Reason.TOO_DEEP),
    "1001": (b'{"data":[' + b",".join([b"{}"] * 1001) + b"]}", Reason.TOO_MANY_EVENTS),
    "a_million": (b'{"data":[' + b",".join([b"1"] * 1_000_000) + b"]}", Reason.TOO_MANY_EVENTS),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_an_unreadable_body_is_refused_with_its_reason(case: str) -> None:
    raw, reason = UNREADABLE[case]
    with pytest.raises(RequestRefused) as caught:
        body_of_json(raw)
    assert (caught.value.reason, caught.value.http, caught.value.code) == (reason, 400, 100)


def test_a_request_of_a_thousand_events_is_read_and_one_more_is_refused_with_their_number() -> None:
    assert len(body_of_json(json.dumps({"data": [event()] * 1000}).encode()).data) == 1000
    for shape in (event(), json.dumps(event())):
        with pytest.raises(RequestRefused) as caught:
            body_of_json(json.dumps({"data": [shape] * 1203}).encode())
        assert (caught.value.reason, caught.value.n_events) == (Reason.TOO_MANY_EVENTS, 1203)


def test_lone_surrogates_are_taken_out_wherever_they_stand() -> None:
    raw = rb'{"data":[{"event_name":"a\ud800b","event_id":"\udfff1","user_data":{"em":"x\ud83d@y.de"},"z":["\udc00"]}],'
    body = body_of_json(raw + rb'"partner_agent":"q\ud800"}')
    (one,) = body.data
    assert (one.event_name, one.event_id, body.partner_agent) == ("ab", "1", "q")
    assert one.user_data is not None and one.user_data.em == ["x@y.de"]
    assert one.unknown == {"z": [""]}


def test_a_pair_of_surrogates_is_one_letter() -> None:
    (one,) = body_of_json(rb'{"data":[{"event_name":"\ud83d\ude00","event_id":"\ud800"}]}').data
    assert one.event_name == "😀"


SURROGATES = [
    (rb"\ud800", ""),
    (rb"a\uDfFfb", "ab"),
    (rb"\ud83d\ude00", "😀"),
    (rb"\ud83d\ud83d\ude00", "😀"),
    (rb"\ud83d\ude00\ude00", "😀"),
    (rb"\ud83d\ud83d", ""),
    (rb"\ude00\ud83d", ""),
    (rb"\\ud800", r"\ud800"),
    (rb"\\\ud800", "\\"),
    (rb"\\\\ud800\ud800", r"\\ud800"),
    (rb"\ud83d\\ude00", r"\ude00"),
    (rb"\"\ud800\u00e9\n", '"é\n'),
    (rb"\ud800" * 1000, ""),
]


@pytest.mark.parametrize(("written", "read"), SURROGATES, ids=range(len(SURROGATES)))
def test_only_lone_surrogates_are_taken_out_whatever_backslashes_stand_beside(written: bytes, read: str) -> None:
    body = body_of_json(b'{"partner_agent":"' + written + b'","data":[{"event_name":"' + written + b'"}]}')
    assert (body.partner_agent, body.data[0].event_name) == (read, read)
    text = json.dumps('[{"event_name":"' + written.decode() + '"}]').encode()
    (one,) = body_of_json(rb'{"upload_tag":"\ud800","data":' + text + b"}").data
    assert one.event_name == read


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(["\\", '\\"', "\\ud83d", "\\ude00", "\\uDAFF", "\\u00e9", "ud83d", "a", "\\n"])))
def test_lone_surrogates_are_those_that_a_lenient_reader_finds(parts: list[str]) -> None:
    written = "".join("\\\\" if part == "\\" else part for part in parts)
    expected = re.sub("[\ud800-\udfff]", "", json.loads(f'"{written}"'))
    assert body_of_json(f'{{"data":[{{}}],"upload_tag":"{written}"}}'.encode()).upload_tag == expected


HOSTILE = {
    "a_lone_surrogate_before_arrays": rb'{"access_token":"\ud800","y":[' + b",".join([b"[]"] * 2_000_000) + b"]}",
    "a_token_of_arrays": b'{"access_token":[' + b",".join([b"[]"] * 2_000_000) + b"]}",
    "a_flag_of_arrays": b'{"dry_run":[' + b",".join([b"[]"] * 2_000_000) + b'],"data":"5"}',
    "names_without_end": b"{" + b",".join(b'"%d":1' % n for n in range(500_000)) + b',"data":5}',
    "lone_surrogates_without_end": rb'{"upload_tag":"' + rb"a\ud800" * 900_000 + b'"}',
    "backslashes_without_end": b'{"upload_tag":"' + b"\\\\" * 2_000_000 + rb'\ud800"}',
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_body_that_is_refused_takes_little_more_memory_than_itself(case: str) -> None:
    raw = HOSTILE[case]
    tracemalloc.start()
    try:
        with pytest.raises(RequestRefused):
            body_of_json(raw)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5 * len(raw)


def test_options_that_are_no_text_are_none() -> None:
    for wrong in ("[]", "{}", "null", "1.5", "true", "1" * 500, '{"a":[1]}'):
        body = body_of_json(f'{{"data":[{{}}],"access_token":{wrong},"partner_agent":{wrong}}}'.encode())
        assert (body.access_token, body.partner_agent) == ("", "")


FLAGS = [("true", True), ("1", True), ('"yes"', True), ("false", False), ("0", False), ("null", False), ("[1]", False)]


@pytest.mark.parametrize(("written", "read"), FLAGS, ids=range(len(FLAGS)))
def test_dry_run_is_read_as_senders_write_flags(written: str, read: bool) -> None:
    assert body_of_json(f'{{"data":[{{}}],"dry_run":{written}}}'.encode()).dry_run is read


TOO_MANY = {
    "garbage_behind": "[" + ",".join(["1"] * 1001) + "]garbage",
    "never_closed": "[" + ",".join(["1"] * 1001),
    "bad_letters_inside": "[" + ",".join(["1"] * 1001) + ',"\udcff"]',
    "commas_without_end": "[" + ",".join(["1"] * 300_000) + "]garbage",
}


@pytest.mark.parametrize("case", TOO_MANY)
def test_too_many_events_are_too_many_whatever_follows_them(case: str) -> None:
    text = TOO_MANY[case]
    for form in (True, False):
        with pytest.raises(RequestRefused) as caught:
            body_of_fields({"data": text}) if form else body_of_json(b'{"data":' + json.dumps(text).encode() + b"}")
        assert caught.value.reason == Reason.TOO_MANY_EVENTS
        assert caught.value.n_events >= 1001


def test_aliases_join_their_key_and_numbers_become_text() -> None:
    data = {"em": "a@b.de", "email": ["c@d.de"], "phone": 16505551212, "zip": 94035, "gen": "f", "uid": 42, "zp": None}
    (one,) = body_of_json(json.dumps({"data": [event(user_data=data)]}).encode()).data
    user = one.user_data
    assert user is not None
    assert (user.em, user.ph, user.zp, user.ge, user.external_id) == (
        ["a@b.de", "c@d.de"],
        ["16505551212"],
        ["94035"],
        ["f"],
        ["42"],
    )


def test_a_line_of_an_import_is_one_event() -> None:
    assert event_of_text(json.dumps(event())).event_id == "order-1001"
    for wrong in ("", "[]", "5", '{"event_name":', json.dumps(event()) + "," + json.dumps(event())):
        with pytest.raises(RequestRefused):
            event_of_text(wrong)


@pytest.mark.parametrize("number", ["1" + "0" * 25, "1" + "0" * 5000, "1e400", "-1e400", "1.5"], ids=range(5))
def test_huge_numbers_are_harmless_anywhere(number: str) -> None:
    text = json.dumps(event(custom_data={"value": "N", "x": ["N"]}, zzz={"a": "N"}, event_time="N")).replace(
        '"N"', number
    )
    body = body_of_json(f'{{"data":[{text}]}}'.encode())
    assert len(body.data) == 1
