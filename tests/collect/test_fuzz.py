"""Raw bytes at a door: whatever comes, no 5xx but the deliberate 503, nothing dies, nothing grows, the books add up."""

from __future__ import annotations

import gc
import gzip
import json
import os
import random
import socket
import time
from pathlib import Path

import psutil
import pytest

from tests.collect.running import PATIENCE_S, SHOP, TOKEN, RunningDoor, running, wait_until

SEED = 20261126


def good(chance: random.Random) -> list[bytes]:
    """Requests as they should be: what is bent below."""
    now = int(time.time())
    event = {
        "event_name": chance.choice(["Purchase", "Lead", "ünï", "x" * 60]),
        "event_time": now - chance.choice([0, 5, 8 * 86400, -7200]),
        "user_data": chance.choice([{"em": ["a@b.example"]}, {"ph": "+1 650 555 1212"}, {}, {"fbp": "fb.1.1.2"}]),
        "custom_data": {
            "value": chance.choice([1, "2.5", -1, 1e300, None]),
            "currency": "INR",
            "contents": [{"id": "a"}],
        },
        "event_id": chance.choice(["a", 12, None, "\ud800"]),
    }
    body = json.dumps({"data": [event] * chance.choice([1, 2, 70])}).encode()
    query = f"id={SHOP}&ev=PageView&dl=https%3A%2F%2Fa.example%2F%3Fq%3D1&cd%5Bvalue%5D=1&ud[em]=a%40b.example".encode()
    head = b"Host: x\r\nUser-Agent: Mozilla/5.0\r\n"
    post = b"POST /v26.0/%b/events?access_token=%b HTTP/1.1\r\n" % (SHOP.encode(), TOKEN.encode())
    packed = gzip.compress(body)
    return [
        b"GET /tr/?%b HTTP/1.1\r\n%b\r\n" % (query, head),
        b"POST /tr/ HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n%b" % (head, len(query), query),
        post + b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body),
        post + b"%bTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (head, len(body), body),
        post + b"%bContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (head, len(packed), packed),
        b"GET /page HTTP/1.1\r\n%b\r\n" % head,
    ]


TOKENS = [
    b"\r\n", b"\n", b"\0", b"%00", b"%ED%A0%80", b"\\ud800", b"\xff\xfe", b"Content-Length: 5\r\n", b"Host: y\r\n",
    b"[", b"{",
    b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", b"Upgrade: h2c\r\nConnection: Upgrade\r\n", b"null",
    b"1e999", b"-1", b"&" * 50, b"[" * 5000, b"%" * 20, b"A" * 70_000, b"Connection: close\r\n",
    b"Content-Encoding: gzip\r\n",
    b"HTTP/1.0", b"X-Forwarded-For: 1.1.1.1\r\n",
]  # fmt: skip


def bent(chance: random.Random) -> bytes:
    """One to three requests, with some bytes cut, doubled, swapped or put in."""
    raw = bytearray(b"".join(chance.choice(good(chance)) for _ in range(chance.choice([1, 1, 1, 2, 3]))))
    for _ in range(chance.choice([0, 1, 1, 2, 5])):
        at = chance.randrange(len(raw) + 1)
        kind = chance.randrange(5)
        if kind == 0:
            del raw[at : at + chance.randrange(1, 30)]
        elif kind == 1:
            raw[at:at] = chance.choice(TOKENS)
        elif kind == 2:
            raw[at : at + 1] = bytes([chance.randrange(256)])
        elif kind == 3:
            raw[at:at] = raw[at : at + chance.randrange(1, 40)]
        else:
            raw = raw[:at]
        raw = raw or bytearray(b"x")
    return bytes(raw)


def statuses(raw: bytes) -> list[int]:
    """Status codes in what a door sent."""
    return [int(piece[:3]) for piece in raw.split(b"HTTP/1.1 ")[1:] if piece[:3].isdigit()]


def throw(door: RunningDoor, chance: random.Random, n: int) -> None:
    """Send n bent requests, a connection each; look at each answer."""
    for _ in range(n):
        raw = bent(chance)
        with socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE_S) as connection:
            try:
                cut = chance.randrange(len(raw) + 1)
                connection.sendall(raw[:cut])
                connection.sendall(raw[cut:])
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            found = bytearray()
            try:
                while piece := connection.recv(65536):
                    found += piece
            except ConnectionResetError:
                pass
            except TimeoutError:
                pytest.fail(f"no end of the answer to {raw[:2000]!r}")
        for status in statuses(bytes(found)):
            assert status < 500 or status in (503, 505), (status, raw[:2000])


def adds_up(door: RunningDoor) -> None:
    """Everything received has one outcome, and what is accepted or tallied lies in the log."""
    counts = door.counts()
    for kind in ("browser", "server"):
        outcomes = sum(n for key, n in counts.items() if key[0] == kind and len(key) == 3)
        assert counts[kind, "received"] == outcomes + counts[kind, "unavailable"]
    copies = door.copies()
    assert counts["browser", "accepted", ""] + counts["server", "accepted", ""] == len(copies)


def test_bent_requests_are_answered_or_refused_and_never_more(tmp_path: Path) -> None:
    with running(tmp_path) as door:
        throw(door, random.Random(SEED), 1000)
        wait_until(lambda: not door.call(lambda: len(door.door.server_state.connections)), "the end of all connections")
        assert door.hit(eid="alive").status == 200
    assert door.copies()[-1].event_id == "alive"
    adds_up(door)


@pytest.mark.slow
def test_a_hundred_thousand_bent_requests_leave_nothing_behind(tmp_path: Path) -> None:
    chance = random.Random(SEED + 1)
    this = psutil.Process()
    with running(tmp_path) as door:

        def settled() -> tuple[int, int]:
            wait_until(lambda: not door.call(lambda: len(door.door.server_state.connections)), "all ends")
            gc.collect()
            return len(os.listdir("/proc/self/fd")), this.memory_info().rss

        throw(door, chance, 20_000)  # memos fill, the allocator finds its size
        descriptors, memory = settled()
        for _ in range(4):
            throw(door, chance, 20_000)
        more_descriptors, more_memory = settled()
        assert more_descriptors <= descriptors + 2
        assert more_memory <= memory + 60_000_000
        assert door.hit(eid="alive").status == 200
    adds_up(door)
