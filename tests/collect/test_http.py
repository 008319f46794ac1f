"""What a door does with HTTP itself: order of answers, limits, broken and hostile requests."""

from __future__ import annotations

import gzip
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.collect.running import SHOP, TOKEN, RunningDoor, answers_of, manager, read_all, running, wait_until
from truecount.collect import incoming, protocol

HIT = f"GET /tr/?id={SHOP}&ev=PageView&eid=%s HTTP/1.1\r\nHost: x\r\n%s\r\n"


def hit(id: str, *lines: str) -> bytes:
    return (HIT % (id, "".join(f"{line}\r\n" for line in lines))).encode()


CLOSE = "Connection: close"


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDoor]:
    with manager() as port, running(tmp_path_factory.mktemp("door"), manager=port) as door:
        yield door


def ids(door: RunningDoor, prefix: str) -> list[str]:
    return [copy.event_id for copy in door.copies() if copy.event_id.startswith(prefix)]


def test_a_thousand_pipelined_hits_are_answered_and_kept_in_order(door: RunningDoor) -> None:
    requests = [hit(f"pipe{at}", *([CLOSE] if at == 999 else [])) for at in range(1000)]
    answers = answers_of(door.raw(b"".join(requests)))
    assert [answer.status for answer in answers] == [200] * 1000
    assert ids(door, "pipe") == [f"pipe{at}" for at in range(1000)]


def test_answers_of_both_doors_and_the_relay_keep_the_order_of_their_requests(door: RunningDoor) -> None:
    events = b"[" + b",".join(b'{"event_name":"A"}' for _ in range(300)) + b"]"
    body = b'{"data":' + events + b"}"
    post = b"POST /v1.0/%b/events?access_token=%b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (
        SHOP.encode(),
        TOKEN.encode(),
        len(body),
        body,
    )
    get = b"GET /page%d HTTP/1.1\r\nHost: x\r\n\r\n"
    raw = door.raw(
        hit("o1"), get % 1, post, hit("o2"), get % 2, get % 3, post, post, hit("o3"), get % 4, hit("o4", CLOSE)
    )
    kinds = [(answer.headers["content-type"].partition(";")[0], answer.body) for answer in answers_of(raw)]
    pages = [f'"path": "/page{at}"'.encode() for at in (1, 2, 3, 4)]
    assert [kind for kind, _ in kinds] == [
        "image/gif", "application/json", "application/json", "image/gif", "application/json", "application/json",
        "application/json", "application/json", "image/gif", "application/json", "image/gif",
    ]  # fmt: skip
    for at, page in zip((1, 4, 5, 9), pages, strict=True):
        assert page in kinds[at][1]
    for at in (2, 6, 7):
        assert b"fbtrace_id" in kinds[at][1]


def test_one_byte_at_a_time_is_a_request_too(door: RunningDoor) -> None:
    raw = door.raw(*(bytes([byte]) for byte in hit("slow", CLOSE)))
    assert answers_of(raw)[0].status == 200
    assert ids(door, "slow") == ["slow"]


def test_a_peer_that_sends_no_more_still_gets_its_answers(door: RunningDoor) -> None:
    raw = door.raw(hit("half1"), hit("half2"), b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n", half_close=True)
    assert [answer.status for answer in answers_of(raw)] == [200, 200, 200]


def test_http_1_0_is_answered_and_closed(door: RunningDoor) -> None:
    raw = door.raw(f"GET /tr?id={SHOP}&ev=PageView&eid=old HTTP/1.0\r\n\r\n".encode())
    assert answers_of(raw)[0].status == 200
    assert ids(door, "old") == ["old"]


def test_100_continue_is_said_before_the_body_is_sent(door: RunningDoor) -> None:
    body = f"id={SHOP}&ev=PageView&eid=continue".encode()
    with door.connect() as connection:
        connection.sendall(
            b"POST /tr/ HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
            % len(body)
        )
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert answers_of(read_all(connection))[0].status == 200
    assert ids(door, "continue") == ["continue"]


def test_a_body_that_is_announced_too_large_is_refused_before_it_is_sent(door: RunningDoor) -> None:
    with door.connect() as connection:
        connection.sendall(
            b"POST /tr/ HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n"
        )
        connection.shutdown(socket.SHUT_WR)
        assert [answer.status for answer in answers_of(read_all(connection))] == [413]


def test_a_chunked_body_is_read_and_its_trailers_change_nothing(door: RunningDoor) -> None:
    body = f"id={SHOP}&ev=PageView&eid=chunked".encode()
    raw = door.raw(
        b"POST /tr/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        b"5\r\n%b\r\n%x\r\n%b\r\n0\r\nContent-Encoding: gzip\r\n\r\n" % (body[:5], len(body) - 5, body[5:])
    )
    assert "x-truecount-refused" not in answers_of(raw)[0].headers
    assert ids(door, "chunked") == ["chunked"]


def test_a_chunked_body_is_counted_as_it_comes(door: RunningDoor) -> None:
    piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with door.connect() as connection:
        connection.sendall(b"POST /tr/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(160):
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        assert [answer.status for answer in answers_of(read_all(connection))] == [413]


HEAD = b"GET /tr/?id=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: "


@pytest.mark.parametrize(("size", "status"), [(65_000, 200), (66_000, 431)], ids=["inside", "outside"])
@pytest.mark.parametrize("pieces", [1, 50])
def test_a_head_may_have_64_kb(door: RunningDoor, size: int, status: int, pieces: int) -> None:
    raw = HEAD + b"y" * (size - len(HEAD) - 4) + b"\r\n\r\n"
    step = len(raw) // pieces + 1
    answers = answers_of(door.raw(*(raw[at : at + step] for at in range(0, len(raw), step))))
    assert [answer.status for answer in answers] == [status]


def test_a_head_without_an_end_is_refused_while_it_comes(door: RunningDoor) -> None:
    with door.connect() as connection:
        connection.sendall(HEAD)
        for _ in range(20):
            connection.sendall(b"y" * 4096)
        assert [answer.status for answer in answers_of(read_all(connection))] == [431]


POST = b"POST /tr/ HTTP/1.1\r\nHost: x\r\n"
BROKEN = {
    "length_and_chunks": POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two_lengths": b"POST /tr/ HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "negative_length": b"POST /tr/ HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\n",
    "other_coding": b"POST /tr/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
    "bare_lf": b"GET /tr/?id=1 HTTP/1.1\nHost: x\n\n",
    "folded_header": b"GET /tr/?id=1 HTTP/1.1\r\nHost: x\r\n y\r\n\r\n",
    "two_hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "two_hosts_at_a_door": b"GET /tr/?id=1 HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "no_host": b"GET / HTTP/1.1\r\n\r\n",
    "bad_host": b"GET / HTTP/1.1\r\nHost: a b<c>\r\n\r\n",
    "connect": b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
    "other_scheme": b"GET ftp://x/tr/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "http2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "tls_on_http": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "not_http": b"hello\r\n\r\n",
    "raw_bytes_in_path": b"GET /tr/?a=\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    "upgrade_with_body": POST + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc",
    "chunk_without_size": b"POST /tr/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
}


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN.keys())
def test_a_request_that_could_be_read_in_two_ways_is_refused_and_the_connection_ends(
    door: RunningDoor, raw: bytes
) -> None:
    assert [answer.status for answer in answers_of(door.raw(raw))] == [400]


def test_what_was_asked_before_a_broken_request_is_still_answered(door: RunningDoor) -> None:
    raw = door.raw(hit("before"), b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n", b"broken\r\n\r\n")
    assert [answer.status for answer in answers_of(raw)] == [200, 200, 400]
    assert ids(door, "before") == ["before"]


def test_an_upgrade_is_ignored_and_the_connection_ends(door: RunningDoor) -> None:
    raw = door.raw(hit("upgrade", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: x"))
    assert [answer.status for answer in answers_of(raw)] == [200]
    assert ids(door, "upgrade") == ["upgrade"]


def test_options_for_the_whole_server_is_answered(door: RunningDoor) -> None:
    assert answers_of(door.raw(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"))[0].status == 200


def test_a_packed_body_is_unpacked(door: RunningDoor) -> None:
    body = gzip.compress(f"id={SHOP}&ev=PageView&eid=packed".encode())
    door.ask("POST", "/tr/", body, {"Content-Encoding": "gzip"})
    assert ids(door, "packed") == ["packed"]


def test_a_peer_that_leaves_in_the_middle_costs_nothing(door: RunningDoor) -> None:
    for piece in (b"", b"GET /tr", HEAD, b"POST /tr/ HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc", hit("gone")):
        with door.connect() as connection:
            connection.sendall(piece)
    wait_until(lambda: not door.call(lambda: len(door.door.server_state.connections)), "the end of all connections")
    wait_until(lambda: ids(door, "gone") == ["gone"], "the hit of the one that left")
    assert door.call(lambda: door.door.held.size) == 0
    assert door.hit(ev="PageView", eid="after").status == 200


def _connections(door: RunningDoor) -> list[protocol.DoorProtocol]:
    return [c for c in door.door.server_state.connections if isinstance(c, protocol.DoorProtocol)]


@pytest.mark.parametrize(
    ("sent", "limit_s"),
    [
        (b"GET /tr/?id=1", protocol.HEAD_S),
        (b"POST /tr/ HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\nabc", incoming.BODY_S),
        (b"", protocol.IDLE_S),
    ],
    ids=["slow_head", "slow_body", "idle"],
)
def test_a_peer_that_is_too_slow_is_left(door: RunningDoor, sent: bytes, limit_s: float) -> None:
    """The sweep is asked about a later moment, so that nobody has to wait."""
    with door.connect() as connection:
        connection.sendall(sent)
        wait_until(
            lambda: door.call(lambda: [c._in_message for c in _connections(door)]) == [bool(sent)], "the beginning"
        )

        def sweep(after_s: float) -> None:
            for found in _connections(door):
                found.sweep(found.since + after_s)

        door.call(lambda: sweep(limit_s - 1))
        assert door.call(lambda: len(_connections(door))) == 1
        door.call(lambda: sweep(limit_s + 1))
        assert read_all(connection) == b""


def test_a_peer_that_does_not_read_its_answers_is_not_read_from_either(door: RunningDoor) -> None:
    with door.connect() as connection:
        connection.settimeout(0.2)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        request = hit("unread") * 100
        sent = 0
        try:
            while sent < 200_000_000:
                sent += connection.send(request[sent % len(request) :])
        except TimeoutError:
            pass
        assert sent < 100_000_000
        (found,) = door.call(lambda: _connections(door))
        assert found._write_paused
        door.call(lambda: found.sweep(found.since + protocol.UNREAD_S + 1))
        wait_until(lambda: found.lost, "the end of the connection")


def test_above_the_most_connections_a_peer_is_told_so(door: RunningDoor) -> None:
    most = door.door.most_connections
    door.door.most_connections = 2
    try:
        wait_until(lambda: not door.call(lambda: len(_connections(door))), "no connection")
        with door.connect() as one, door.connect() as two:
            wait_until(lambda: door.call(lambda: len(_connections(door))) == 2, "two connections")
            with door.connect() as three:
                (answer,) = answers_of(read_all(three))
                assert answer.status == 503
                assert "retry-after" in answer.headers
            for connection in (one, two):
                connection.sendall(hit("few", CLOSE))
                assert answers_of(read_all(connection))[0].status == 200
    finally:
        door.door.most_connections = most


def test_the_date_of_an_answer_goes_on(door: RunningDoor) -> None:
    first = door.hit().headers["date"]
    until = time.monotonic() + 60
    while door.hit().headers["date"] == first:
        assert time.monotonic() < until
        time.sleep(0.05)


POST_200K = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: 200100\r\n\r\n" + b"x" * 200_000
EVENTS = f"/v1.0/{SHOP}/events".encode()


@pytest.mark.parametrize("bound", ["most", "most_each"])
@pytest.mark.parametrize(("path", "kind"), [(b"/tr/", "browser"), (EVENTS, "server")], ids=["browser", "server"])
def test_what_peers_are_sending_is_bounded_for_all_and_for_each(
    door: RunningDoor, path: bytes, kind: str, bound: str
) -> None:
    held = door.door.held
    before, most = door.counts(), getattr(held, bound)
    setattr(held, bound, 250_000)
    try:
        with door.connect() as one, door.connect() as two:
            one.sendall(POST_200K % b"/tr/")
            wait_until(lambda: door.call(lambda: held.size) == 200_000, "the first body")
            two.sendall(POST_200K % path)
            two.shutdown(socket.SHUT_WR)
            (answer,) = answers_of(read_all(two))
            assert answer.status == 503
            assert "retry-after" in answer.headers
            one.sendall(b"x" * 100)
            assert one.recv(100).startswith(b"HTTP/1.1 200")
        wait_until(lambda: door.call(lambda: held.size) == 0, "nothing held")
        assert door.call(lambda: held.by_holder) == {}
    finally:
        setattr(held, bound, most)
    counted = door.counts() - before
    assert counted[kind, "unavailable"] == 1
    assert counted["truecount_bad_requests_total",] == 0


def test_a_trusted_proxy_speaks_for_many_and_has_no_share(tmp_path: Path) -> None:
    with running(tmp_path, trusted_proxy="127.0.0.1") as door, door.connect() as one:
        door.door.held.most_each = 1000
        one.sendall(POST_200K % b"/tr/")
        wait_until(lambda: door.call(lambda: door.door.held.size) == 200_000, "the body")
        assert door.call(lambda: dict(door.door.held.by_holder)) == {}


def _sweeps(found: protocol.DoorProtocol, moments: list[tuple[float, int]]) -> list[bool]:
    """Whether a connection is still there after each sweep, `size` bytes of its body having come until then."""
    there = []
    for after_s, size in moments:
        found._incoming.size = size
        found.sweep(found.since + after_s)
        there.append(not found.transport.is_closing())
    return there


RATE = incoming.BODY_RATE


@pytest.mark.parametrize(
    ("moments", "crowded", "stays"),
    [
        ([(21, 9_900_000), (30, 9_900_000), (40, 9_900_000)], False, True),
        ([(21, 9_900_000), (30, 9_900_000), (42, 9_900_000)], False, False),
        ([(21, 21 * RATE), (42, 42 * RATE)], False, True),
        ([(21, 21 * RATE - 1)], False, False),
        ([(at, at * 100_000) for at in range(1, 60)], False, True),
        ([(at, at * 100_000) for at in range(1, 62)], False, False),
        ([(4, 9_900_000), (5, 9_900_000)], True, True),
        ([(6, 9_900_000), (10, 9_900_000)], True, True),
        ([(6, 9_900_000), (12, 9_900_000)], True, False),
    ],
    ids=[
        "pause", "much_then_nothing", "slow", "too_slow", "under_a_minute", "over_a_minute",
        "crowd_first", "crowd_pause", "crowd_then_nothing",
    ],
)  # fmt: skip
def test_a_body_has_to_go_on_coming(
    door: RunningDoor, moments: list[tuple[float, int]], crowded: bool, stays: bool
) -> None:
    wait_until(lambda: not door.call(lambda: len(_connections(door))), "no connection")
    held = door.door.held
    most = held.most
    with door.connect() as connection:
        connection.sendall(b"POST /tr/ HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\nabc")
        wait_until(lambda: door.call(lambda: held.size) == 3, "the beginning")
        (found,) = door.call(lambda: _connections(door))
        try:
            if crowded:
                held.most = 4
            there = door.call(lambda: _sweeps(found, moments))
        finally:
            held.most = most
        assert there == [True] * (len(moments) - 1) + [stays]


def test_a_body_in_many_small_chunks_is_held_as_few_pieces(door: RunningDoor) -> None:
    head = f"POST /tr/?id={SHOP}&ev=PageView HTTP/1.1\r\nHost: x\r\n{CLOSE}\r\nTransfer-Encoding: chunked\r\n"
    with door.connect() as connection:
        connection.sendall(head.encode() + b"Content-Type: application/x-www-form-urlencoded\r\n\r\n")
        connection.sendall(b"4\r\neid=\r\n" + b"".join(b"2\r\n%02d\r\n" % at for at in range(40)))
        wait_until(lambda: door.call(lambda: door.door.held.size) == 84, "the body")
        (found,) = [c for c in door.call(lambda: _connections(door)) if c._in_body]
        assert len(found._incoming._pieces) == 2
        connection.sendall(b"0\r\n\r\n")
        assert answers_of(read_all(connection))[0].status == 200
    (id,) = ids(door, "0001")
    assert id == "".join(f"{at:02d}" for at in range(40))


def test_what_is_pipelined_behind_a_long_request_is_held_back_within_bounds(door: RunningDoor) -> None:
    """40 MB behind a request of a thousand events: reading stops meanwhile, and all is answered in the end."""
    events = b'{"data":[' + b",".join(b'{"event_name":"A"}' for _ in range(1000)) + b"]}"
    target = f"POST /v1.0/{SHOP}/events?access_token={TOKEN} HTTP/1.1\r\nHost: x\r\n".encode()
    one = target + b"Content-Length: %d\r\n\r\n%b" % (len(events), events)
    body = b"x" * 200_000
    other = b"POST /tr/ HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    answers = answers_of(door.raw(one, other * 200, one, hit("behind", CLOSE)))
    assert [answer.status for answer in answers] == [400] + [200] * 200 + [400, 200]
    assert ids(door, "behind") == ["behind"]


@pytest.mark.parametrize(
    "target", [f"/tr/?id={SHOP}", f"/v1.0/{SHOP}/events", "/api/x"], ids=["hit", "events", "relay"]
)
@pytest.mark.parametrize("name", ["x", "h{}"], ids=["one", "many"])
def test_trailers_are_bounded_as_a_head_is(door: RunningDoor, target: str, name: str) -> None:
    head = f"POST {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    with door.connect() as connection:
        connection.sendall(head.encode())
        sent = 0
        try:
            for at in range(200):
                connection.sendall("".join(f"{name.format(at * 100 + one)}: v\r\n" for one in range(100)).encode())
                sent += 700
                time.sleep(0.001)
        except OSError:
            pass
        try:
            answer = read_all(connection)
        except ConnectionError:
            answer = b""
    assert answer.startswith(b"HTTP/1.1 431") or "api" in target
    wait_until(lambda: door.call(lambda: len(_connections(door))) == 0, "the end of the connection")
