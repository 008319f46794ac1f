"""The relay: what reaches the manager, what comes back, and what is said when it is away."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.collect.running import RunningDoor, answers_of, manager, read_all, running, wait_until

FORM = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDoor]:
    with manager() as port, running(tmp_path_factory.mktemp("door"), manager=port) as door:
        yield door


def told(body: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(body)
    return found


def stream_of(raw: bytes) -> tuple[bytes, bytes]:
    """The body of an answer in chunks, and what comes behind it."""
    _, _, raw = raw.partition(b"\r\n\r\n")
    pieces, at = [], 0
    while True:
        end = raw.index(b"\r\n", at)
        size = int(raw[at:end], 16)
        pieces.append(raw[end + 2 : end + 2 + size])
        at = end + 2 + size + 2
        if not size:
            return b"".join(pieces), raw[at:]


def test_a_request_arrives_as_it_was_sent_and_its_answer_too(door: RunningDoor) -> None:
    answer = door.ask("PUT", "/a%20b/c?d=%2F&e", b"x" * 1000, {"X-One": "1", "Cookie": "c=1"})
    seen = told(answer.body)
    assert (seen["method"], seen["path"], seen["size"]) == ("PUT", "/a%20b/c?d=%2F&e", 1000)
    headers = [(name, value) for name, value in seen["headers"]]
    assert ("x-one", "1") in headers
    assert ("cookie", "c=1") in headers
    assert ("host", f"127.0.0.1:{door.port}") in headers
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("host", "status"),
    [("x:", 200), ("x:1", 200), ("x:00080", 200), ("x:65535", 200), ("[::1]:65535", 200)]
    + [(host, 400) for host in ("x:65536", "x:66000", "x:70000", "x:99999", "x:000080", "[::1]:65536", "x:-1")],
)
def test_a_port_in_the_header_host_is_one(door: RunningDoor, host: str, status: int) -> None:
    raw = door.raw(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert [answer.status for answer in answers_of(raw)] == [status]


def test_both_cookies_of_an_answer_come_through(door: RunningDoor) -> None:
    raw = door.raw(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert raw.lower().count(b"set-cookie: ") == 2


def test_what_belongs_to_one_connection_is_not_relayed(door: RunningDoor) -> None:
    raw = door.raw(
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close, X-Private\r\nX-Private: 1\r\nTE: trailers\r\n"
        b"Proxy-Authorization: Basic x\r\nUpgrade: websocket\r\nX-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n"
        b"X-Real-IP: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n\r\n"
    )
    (answer,) = answers_of(raw)
    seen = dict(told(answer.body)["headers"])
    assert seen == {"host": "x", "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "http"}
    assert "keep-alive" not in answer.headers


def test_a_body_in_chunks_is_relayed_in_chunks(door: RunningDoor) -> None:
    raw = door.raw(
        b"POST /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"3\r\nabc\r\n",
        b"2\r\nde\r\n0\r\n\r\n",
    )
    assert told(answers_of(raw)[0].body)["size"] == 5


def test_a_large_body_passes_in_both_directions(door: RunningDoor) -> None:
    assert told(door.ask("POST", "/big", b"z" * 20_000_000, FORM).body)["size"] == 20_000_000
    answer = door.ask("GET", "/stream")
    assert answer.body == b"".join(b"%d," % at * 2000 for at in range(100))


def test_an_answer_that_ends_with_its_connection_is_whole(door: RunningDoor) -> None:
    answer = door.ask("GET", "/until-close")
    assert len(answer.body) == 100_000


@pytest.mark.parametrize(("method", "target", "status"), [("HEAD", "/", 200), ("GET", "/none", 204)])
def test_answers_without_a_body_end_at_once(door: RunningDoor, method: str, target: str, status: int) -> None:
    for _ in range(3):
        answer = door.ask(method, target)
        assert (answer.status, answer.body) == (status, b"")


def test_the_events_of_a_stream_come_through_in_order_and_its_connection_goes_on(door: RunningDoor) -> None:
    asked = b"GET /events-stream?a,b,c HTTP/1.1\r\nHost: x\r\n\r\n"
    asked += b"GET /after HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    body, rest = stream_of(door.raw(asked))
    assert body == b"data: a\n\ndata: b\n\ndata: c\n\n"
    (after,) = answers_of(rest)
    assert told(after.body)["path"] == "/after"


def test_a_stream_that_a_client_does_not_read_waits_for_it_and_is_whole(door: RunningDoor) -> None:
    with socket.create_connection(("127.0.0.1", door.port), timeout=30) as client:
        client.sendall(b"GET /events-stream?a,flood,b,flood,c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        client.recv(1)  # it began, and goes on when it is read
        assert door.ask("GET", "/meanwhile").status == 200
        body, rest = stream_of(b"H" + read_all(client))
    assert rest == b""
    parts = body.split(b"\n\n")
    assert [part[6:7] + part[-1:] for part in parts if part] == [b"aa", b"xx", b"bb", b"xx", b"cc"]
    assert len(body) == 2 * 4_000_000 + 3 + 5 * len(b"data: \n\n")


def test_a_stream_that_breaks_off_is_seen_to_break_off(door: RunningDoor) -> None:
    raw = door.raw(b"GET /events-stream?a,break HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"data: a\n\n" in raw and not raw.endswith(b"0\r\n\r\n")


def test_connections_to_the_manager_are_used_again(door: RunningDoor) -> None:
    door.call(door.door.relay.close)
    used = {told(door.ask("GET", "/").body)["connection"] for _ in range(5)}
    assert len(used) == 1


def test_a_kept_connection_that_the_manager_closed_is_replaced(door: RunningDoor) -> None:
    """A race that every keep-alive client knows: the close arrives together with the next request."""
    door.ask("GET", "/")
    kept = door.door.relay._kept
    assert kept
    door.call(lambda: kept[-1].transport.close() if kept[-1].transport else None)
    assert door.ask("GET", "/").status == 200


def test_an_answer_that_breaks_off_is_seen_to_break_off(door: RunningDoor) -> None:
    with door.connect() as connection:
        connection.sendall(b"GET /break HTTP/1.1\r\nHost: x\r\n\r\n")
        raw = read_all(connection)
    assert b"Content-Length: 1000" in raw or b"content-length: 1000" in raw
    assert raw.endswith(b"half")


def test_a_manager_that_answers_nothing_is_503(door: RunningDoor) -> None:
    answer = door.ask("POST", "/nothing", b"x")
    assert answer.status == 503
    assert answer.headers["retry-after"] == "1"


def test_a_client_that_leaves_while_the_manager_answers_costs_nothing(door: RunningDoor) -> None:
    for _ in range(5):
        with door.connect() as connection:
            connection.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
            connection.recv(100)
    wait_until(lambda: not door.door.relay._running, "the end of the relayed requests")
    assert door.ask("GET", "/nothing").status == 503


def test_without_a_manager_the_relay_says_503_in_words_and_events_are_still_collected(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for nobody in (None, port):
        with running(tmp_path_factory.mktemp("away"), manager=nobody) as door:
            answer = door.ask("GET", "/")
            assert answer.status == 503
            assert b"manager" in answer.body
            page = door.ask("GET", "/d/77", headers={"Accept": "text/html,*/*"})
            assert page.status == 503 and page.headers["content-type"] == "text/html; charset=utf-8"
            assert b"the manager is starting or away" in page.body and b'http-equiv="refresh"' in page.body
            assert door.hit().refused is None


def test_one_address_cannot_take_all_places_with_bodies_that_never_come(
    door: RunningDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("truecount.collect.relay.MOST_OF_ONE", 3)
    head = b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    waiting = [socket.create_connection(("127.0.0.1", door.port), timeout=30) for _ in range(3)]
    try:
        for one in waiting:
            one.sendall(head)
        wait_until(lambda: door.ask("GET", "/").status == 503)
        with socket.create_connection(("127.0.0.1", door.port), timeout=30, source_address=("127.0.0.2", 0)) as another:
            another.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert [answer.status for answer in answers_of(read_all(another))] == [200]
    finally:
        for one in waiting:
            one.close()
    wait_until(lambda: door.ask("GET", "/").status == 200)
