"""The server door: every shape of body, the order of checks, all or nothing, tallies."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.collect.running import OTHER, OTHER_TOKEN, SHOP, TOKEN, Answer, RunningDoor, running
from truecount.datasets import DatasetSettings

EM = "john_smith@gmail.com"
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"


def event(id: str = "", **more: Any) -> dict[str, Any]:
    return {
        "event_name": "Purchase",
        "event_time": int(time.time()) - 5,
        "event_id": id,
        "action_source": "website",
        "event_source_url": "https://shop.example/thanks",
        "user_data": {"em": [EM], "client_user_agent": AGENT, "client_ip_address": "203.0.113.7"},
        "custom_data": {"value": 899, "currency": "INR"},
        **more,
    }


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDoor]:
    with running(tmp_path_factory.mktemp("door")) as door:
        yield door


def ids(door: RunningDoor) -> list[str]:
    return [copy.event_id for copy in door.copies()]


def form(**fields: str) -> bytes:
    return urlencode(fields).encode()


def parts(**fields: str) -> bytes:
    return (
        "".join(
            f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in fields.items()
        )
        + "--b--\r\n"
    ).encode()


URL = f"/v26.0/{SHOP}/events"
WITH = f"{URL}?access_token={TOKEN}"
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
PARTS = "multipart/form-data; boundary=b"

# name, target, content type, body made of the events, more headers
SHAPES: list[tuple[str, str, str, Any, dict[str, str]]] = [
    ("json_token_in_query", WITH, JSON, lambda e: json.dumps({"data": e}).encode(), {}),
    ("json_token_in_body", URL, JSON, lambda e: json.dumps({"data": e, "access_token": TOKEN}).encode(), {}),
    ("json_bearer", URL, JSON, lambda e: json.dumps({"data": e}).encode(), {"Authorization": f"Bearer {TOKEN}"}),
    ("json_nulls_and_id_as_node_sends", WITH, "application/json; charset=utf-8",
     lambda e: json.dumps({"data": e, "id": SHOP, "partner_agent": None, "test_event_code": None}).encode(), {}),
    ("json_data_as_text", WITH, JSON, lambda e: json.dumps({"data": json.dumps(e)}).encode(), {}),
    ("json_without_type", WITH, "", lambda e: json.dumps({"data": e}).encode(), {}),
    ("no_version", f"/{SHOP}/events?access_token={TOKEN}", JSON, lambda e: json.dumps({"data": e}).encode(), {}),
    ("slash", f"{URL}/?access_token={TOKEN}", JSON, lambda e: json.dumps({"data": e}).encode(), {}),
    ("form_array_of_texts", WITH, FORM, lambda e: form(data=json.dumps([json.dumps(one) for one in e])), {}),
    ("form_array_of_objects", URL, FORM, lambda e: form(data=json.dumps(e), access_token=TOKEN), {}),
    ("multipart", URL, PARTS, lambda e: parts(access_token=TOKEN, data=json.dumps(e)), {}),
    ("gzip", WITH, JSON, lambda e: gzip.compress(json.dumps({"data": e}).encode()), {"Content-Encoding": "gzip"}),
    ("wrong_token_first_right_one_last", f"{URL}?access_token=wrong", JSON,
     lambda e: json.dumps({"data": e, "access_token": "wrong too"}).encode(), {"Authorization": f"Bearer {TOKEN}"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("target", "kind", "body", "more"), [row[1:] for row in SHAPES], ids=[row[0] for row in SHAPES]
)
def test_a_body_of_any_shape_is_kept(
    door: RunningDoor, target: str, kind: str, body: Any, more: dict[str, str], request: pytest.FixtureRequest
) -> None:
    names = [f"{request.node.name}-{at}" for at in range(2)]
    headers = {**({"Content-Type": kind} if kind else {}), **more}
    answer = door.ask("POST", target, body([event(name) for name in names]), headers)
    assert answer.status == 200, answer.body
    told = answer.json()
    assert told["events_received"] == 2
    assert isinstance(told["messages"], list)
    assert told["fbtrace_id"].startswith("A")
    assert len(told["fbtrace_id"]) == 23
    assert answer.headers["content-type"] == "application/json; charset=UTF-8"
    assert ids(door)[-2:] == names


def test_data_in_the_query_of_an_empty_post_is_kept(door: RunningDoor) -> None:
    query = urlencode({"access_token": TOKEN, "data": json.dumps([event("query")])})
    answer = door.ask("POST", f"{URL}?{query}", b"")
    assert answer.json()["events_received"] == 1
    assert ids(door)[-1] == "query"


def test_a_finding_of_many_events_is_told_once_with_the_first_place_and_their_number(door: RunningDoor) -> None:
    events = [event(f"many-{at}", custom_data={"value": 5} if at % 2 else {}) for at in range(500)]
    for one in events:
        one["event_name"] = "Purchase"
    answer = door.ask("POST", WITH, json.dumps({"data": events}).encode(), {"Content-Type": JSON})
    messages = [one for one in answer.json()["messages"] if "value and currency" in one]
    assert len(messages) == 1
    assert messages[0].startswith("$['data'][0]") and messages[0].endswith("(and in 499 more events)")


ERRORS: list[tuple[str, str, Any, dict[str, str], int, int, int | None, str]] = [
    # name, target, body, headers, http, code, subcode, type
    ("no_token", URL, {"data": []}, {}, 400, 104, None, "OAuthException"),
    ("unknown_token", f"{URL}?access_token=x", {"data": []}, {}, 401, 190, None, "OAuthException"),
    ("unknown_token_before_unknown_dataset", "/v1.0/9/events?access_token=x", {}, {}, 401, 190, None, "OAuthException"),
    ("unknown_dataset", f"/v1.0/9/events?access_token={TOKEN}", {}, {}, 400, 100, 33, "GraphMethodException"),
    ("token_of_another_dataset", f"{URL}?access_token={OTHER_TOKEN}", {}, {}, 400, 100, 33, "GraphMethodException"),
    ("no_data", WITH, {}, {}, 400, 100, None, "OAuthException"),
    ("no_data_token_in_body", URL, {"access_token": TOKEN}, {}, 400, 100, None, "OAuthException"),
    ("no_json", WITH, b"{nonsense", {}, 400, 100, 2804019, "OAuthException"),
    ("no_json_no_token", URL, b"{nonsense", {}, 400, 104, None, "OAuthException"),
    ("too_deep", WITH, b'{"data":' + b"[" * 100_000, {}, 400, 100, 2804019, "OAuthException"),
    ("too_many", WITH, {"data": [event()] * 1001}, {}, 400, 100, 2804019, "OAuthException"),
    ("bad_gzip", WITH, b"nonsense", {"Content-Encoding": "gzip"}, 400, 100, 2804019, "OAuthException"),
    ("unknown_packing", WITH, b"x", {"Content-Encoding": "br"}, 415, 100, 2804019, "OAuthException"),
    ("unknown_type", WITH, b"<x/>", {"Content-Type": "application/xml"}, 415, 100, 2804019, "OAuthException"),
    ("bomb", WITH, gzip.compress(b" " * 20_000_000), {"Content-Encoding": "gzip"}, 413, 100, 2804019, "OAuthException"),
    ("too_large", WITH, b" " * 10_000_001, {}, 413, 100, 2804019, "OAuthException"),
    ("too_old", WITH, {"data": [event(event_time=int(time.time()) - 8 * 86400)]}, {}, 400, 100, 2804003,
     "OAuthException"),
    ("no_keys", WITH, {"data": [event(), event(user_data={"ct": "x"})]}, {}, 400, 100, 2804050, "OAuthException"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("target", "body", "headers", "http", "code", "subcode", "type"),
    [row[1:] for row in ERRORS],
    ids=[row[0] for row in ERRORS],
)
def test_an_error_is_told_in_the_envelope_and_nothing_is_kept(
    door: RunningDoor,
    target: str,
    body: Any,
    headers: dict[str, str],
    http: int,
    code: int,
    subcode: int | None,
    type: str,
) -> None:
    before = len(door.copies())
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = door.ask("POST", target, raw, {"Content-Type": JSON, **headers})
    error = answer.json()["error"]
    assert (answer.status, error["code"], error.get("error_subcode"), error["type"]) == (http, code, subcode, type)
    assert error["is_transient"] is False
    assert error["message"]
    assert error["fbtrace_id"].startswith("A")
    assert len(door.copies()) == before


def test_one_bad_event_among_a_thousand_keeps_all_of_them_out(door: RunningDoor) -> None:
    before = len(door.copies())
    events = [event(f"e{at}") for at in range(1000)]
    events[997]["user_data"] = {}
    answer = door.events({"data": events})
    assert answer.status == 400
    assert "$['data'][997]" in answer.json()["error"]["error_user_msg"]
    assert len(door.copies()) == before


def test_a_thousand_events_are_kept_in_order_and_others_are_answered_meanwhile(door: RunningDoor) -> None:
    before = len(door.copies())
    assert door.events({"data": [event(f"m{at}") for at in range(1000)]}).json()["events_received"] == 1000
    assert ids(door)[before:] == [f"m{at}" for at in range(1000)]
    assert len({copy.received_us for copy in door.copies()[before:]}) == 1


def test_contact_data_is_kept_as_digests_and_addresses_lie_beside(door: RunningDoor) -> None:
    door.events({"data": [event("digest")]})
    place = ids(door).index("digest")
    copy = door.copies()[place]
    assert copy.em.hex().startswith("62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f")
    assert copy.address == "203.0.113.0"
    assert door.private()[place] == ["203.0.113.7", AGENT]
    assert EM.encode() not in b"".join(path.read_bytes() for path in door.folder.log.rglob("*") if path.is_file())


def test_a_dry_run_shows_what_would_be_kept_and_keeps_nothing(door: RunningDoor) -> None:
    before, counts = len(door.copies()), door.counts()
    told = door.events({"data": [event(f"dry{at}") for at in range(100)], "dry_run": True}).json()
    assert told["events_received"] == 100
    assert [shown["event_id"] for shown in told["normalised"]] == [f"dry{at}" for at in range(100)]
    assert EM not in json.dumps(told)
    assert door.events({"data": [event(user_data={})], "dry_run": True}).status == 400
    assert len(door.copies()) == before
    now = door.counts()
    assert now["server", "received"] == counts["server", "received"]
    assert now["truecount_dry_runs_total",] == counts["truecount_dry_runs_total",] + 101


def test_another_dataset_s_events_need_its_own_token(door: RunningDoor) -> None:
    answer = door.events({"data": [event("other")]}, f"/{OTHER}/events?access_token={OTHER_TOKEN}")
    assert answer.status == 200
    assert door.copies()[-1].dataset == OTHER


def test_refusals_leave_a_tally_for_each_event_of_a_known_token_alone(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running(tmp_path_factory.mktemp("tallies")) as door:
        named = {"event_name": "Jane Doe's own"}
        old = {"event_time": int(time.time()) - 8 * 86400}
        answers: list[Answer] = [
            door.events({"data": [event(**old), event(), event(**named)]}),
            door.events({"data": [event()] * 1001}),
            door.events({"data": [event()]}, f"{URL}?access_token=unknown"),
            door.events(b"{nonsense"),
            door.events({"data": [event("good")]}),
        ]
        assert [answer.status for answer in answers] == [400, 400, 401, 400, 200]
    found = sorted((t.reason, t.event_name, t.n) for t in door.tallies())
    assert found == [
        ("malformed_request", "", 1),
        ("time_too_old", "", 1),
        ("time_too_old", "Purchase", 2),
        ("too_many_events", "", 1001),
    ]
    assert {(t.dataset, t.source, t.outcome) for t in door.tallies()} == {(SHOP, "server", "refused")}
    counts = door.counts()
    assert counts["server", "received"] == 3 + 1001 + 1 + 1 + 1
    outcomes = sum(n for key, n in counts.items() if key[0] == "server" and len(key) == 3)
    assert outcomes == counts["server", "received"]
    assert counts["server", "refused", "bad_token"] == 1


def test_withheld_events_leave_a_tally_and_are_counted_as_received(tmp_path_factory: pytest.TempPathFactory) -> None:
    withhold = DatasetSettings(denied_events="withhold")
    with running(tmp_path_factory.mktemp("withheld"), dataset=withhold) as door:
        answer = door.events({"data": [event("a"), event("b", consent="denied"), event("c", consent="denied")]})
        assert answer.json()["events_received"] == 3
    assert ids(door) == ["a"]
    assert [(t.outcome, t.reason, t.n) for t in door.tallies()] == [("withheld", "consent_denied", 2)]
    counts = door.counts()
    assert (counts["server", "accepted", ""], counts["server", "withheld", "consent_denied"]) == (1, 2)
    assert counts["server", "received"] == 3


def test_a_limited_event_has_nothing_beside_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running(tmp_path_factory.mktemp("limited")) as door:
        door.events({"data": [event("a"), event("b", consent="denied")]})
    assert door.private()[0] == ["203.0.113.7", AGENT]
    assert door.private()[1] in (None, ["", ""])


def test_while_the_log_takes_nothing_the_server_door_says_503_and_transient(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    from tests.collect.test_batcher import Failing
    from truecount.log.errors import LogFull

    with running(tmp_path_factory.mktemp("full")) as door:
        failing = Failing(door, LogFull("full"))
        answer = door.events({"data": [event("lost")]})
        assert answer.status == 503
        assert "retry-after" in answer.headers
        assert answer.json()["error"]["is_transient"] is True
        failing.error = None
        assert door.events({"data": [event("kept")]}).status == 200
    assert ids(door) == ["kept"]
    assert door.counts()["server", "unavailable"] == 1


def test_large_events_hold_the_door_for_no_longer_than_small_ones(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from truecount.collect import server

    taken: list[int] = []

    def counted(events: Any, first: int, *more: Any) -> Any:
        taken.append(len(events))
        return keep_slice(events, first, *more)

    keep_slice = server.keep_slice
    monkeypatch.setattr(server, "keep_slice", counted)
    with running(tmp_path_factory.mktemp("large")) as door:
        large = [event(f"e{at}", custom_data={"value": 1, "currency": "INR", "note": "x" * 100_000}) for at in range(9)]
        assert door.events({"data": large}).json()["events_received"] == 9
    assert taken == [2, 2, 2, 2, 1]
    assert ids(door) == [f"e{at}" for at in range(9)]


def test_a_step_that_fails_is_no_500(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    from truecount.collect import server

    def fail(*_: Any) -> Any:
        raise ZeroDivisionError(EM)

    with running(tmp_path_factory.mktemp("fault")) as door:
        monkeypatch.setattr(server, "keep_slice", fail)
        for n in (1, 100):
            answer = door.events({"data": [event()] * n})
            assert answer.status == 400
            assert EM not in answer.body.decode()
        monkeypatch.undo()
        assert door.events({"data": [event("good")]}).status == 200
    assert door.counts()["server", "refused", "unreadable"] == 101


def test_reading_the_path_of_events_is_the_manager_s_business(door: RunningDoor) -> None:
    assert door.ask("GET", f"{URL}?access_token={TOKEN}").status == 503
