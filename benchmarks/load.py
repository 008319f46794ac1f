"""A steady load on a running server, from a process of its own: `python -m benchmarks.load` reads its plan from stdin.

Ten actions make eighteen events: a PageView of the browser alone, a sale of the server alone, and eight actions that
both sides report with one event id. Hits go one a request, as pixels send them; server events in batches, raw, so that
the door has everything to hash. What must be counted in the end follows from the number of actions alone.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections import deque
from typing import Any, Final, cast

import msgspec

from benchmarks import raw
from truecount.simulate.brewbeans import BAGS, HOST, Deed, How, Report
from truecount.simulate.hits import pairs_of, query_of

EVENTS_OF_TEN: Final = 18
TICK_S: Final = 0.02
CROWD: Final = 4096
NAMES: Final = ("Purchase", "InitiateCheckout", "AddToCart", "AddToCart", "ViewContent")
ID: Final = b"event-id-goes-here"
TIME: Final = b"1111111111"
_LENGTH: Final = re.compile(rb"content-length: *(\d+)", re.I)


class Plan(msgspec.Struct, kw_only=True):
    port: int
    dataset: str
    token: str
    rate: float
    """Events a second, hits and server events together."""
    seconds: float
    batch: int = 50
    """Server events a request at most; the SDK's own batchers use 50."""
    connections: int = 48


class Sent(msgspec.Struct, kw_only=True):
    """What was sent and acknowledged."""

    actions: int = 0
    hits: int = 0
    server_events: int = 0
    failed: int = 0
    """Requests answered otherwise than with a plain yes."""
    said: str = ""
    """The first such answer's beginning."""
    seconds: float = 0.0
    lag_s: float = 0.0
    """The longest time a request waited for a free connection: a load that falls behind shows here."""
    answer_p50_ms: float = 0.0
    answer_p95_ms: float = 0.0

    @property
    def events(self) -> int:
        return self.hits + self.server_events


class Material:
    """Prebuilt requests with places for an id and a time, so that sending costs the sender little."""

    def __init__(self, plan: Plan) -> None:
        self.hits: list[tuple[bytes, bytes]] = []
        self.views: list[bytes] = []
        self.events: list[bytes] = []
        crowd = raw.people(CROWD)
        for at, person in enumerate(crowd):
            deed = Deed(
                at_ms=0, name=NAMES[at % len(NAMES)], person=person, url=f"{HOST}/p/{at}?utm_source=meta",
                event_id=ID.decode(), order=f"o-{at}" if at % len(NAMES) == 0 else "", value=89900,
                bag=BAGS[at % len(BAGS)],
            )  # fmt: skip
            head, tail = self._hit(deed, plan).split(ID)
            self.hits.append((head, tail))
            view = Deed(at_ms=0, name="PageView", person=person, url=f"{HOST}/p/{at}?utm_source=meta")
            self.views.append(self._hit(view, plan))
            event = raw.raw_event(person, at, int(TIME))
            event["event_name"] = deed.name
            event["event_id"] = ID.decode()
            if not deed.order:
                del event["custom_data"]["order_id"]
            self.events.append(json.dumps(event, ensure_ascii=False).encode())
        path = f"/v24.0/{plan.dataset}/events?access_token={plan.token}"
        self.post = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: "

    @staticmethod
    def _hit(deed: Deed, plan: Plan) -> bytes:
        report = Report(deed=deed, how=How.IMAGE, after_ms=0)
        query = query_of([pair for pair in pairs_of(report, plan.dataset, raw.OPENED_MS) if pair[0] != "ts"])
        lines = (
            f"GET /tr/?{query} HTTP/1.1",
            "Host: 127.0.0.1",
            f"User-Agent: {deed.person.agent}",
            "Accept: image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
            "Accept-Encoding: gzip, deflate, br, zstd",
            "Accept-Language: en-IN,en;q=0.9",
            f"Referer: {HOST}/",
            "Sec-Fetch-Dest: image",
        )
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Line(asyncio.Protocol):
    """One kept connection: a request at a time, the next one as soon as the answer is whole."""

    def __init__(self, sender: Sender) -> None:
        self.sender = sender
        self.transport: asyncio.Transport
        self.got = b""
        self.request: tuple[float, bytes, int, int] | None = None
        self.began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass
        self.sender.free(self)

    def send(self, request: tuple[float, bytes, int, int]) -> None:
        self.request = request
        self.began = time.perf_counter()
        self.sender.lag(self.began - request[0])
        self.transport.write(request[1])

    def data_received(self, data: bytes) -> None:
        self.got += data
        end = self.got.find(b"\r\n\r\n")
        if end < 0:
            return
        found = _LENGTH.search(self.got, 0, end)
        length = int(found[1]) if found else 0
        if len(self.got) < end + 4 + length:
            return
        answer, self.got = self.got[: end + 4 + length], self.got[end + 4 + length :]
        request, self.request = self.request, None
        assert request
        self.sender.answered(answer, request, time.perf_counter() - self.began)
        self.sender.free(self)

    def connection_lost(self, _: Exception | None) -> None:
        if self.request:
            self.sender.answered(b"the connection was closed", self.request, 0.0)
        elif self in self.sender.idle:
            self.sender.idle.remove(self)  # nobody had use for it, so the door closed it
        self.sender.lost()


class Sender:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.material = Material(plan)
        self.sent = Sent()
        self.waiting: deque[tuple[float, bytes, int, int]] = deque()
        self.idle: list[Line] = []
        self.open = 0
        self.flying = 0
        self.answers: list[float] = []

    def free(self, line: Line) -> None:
        if self.waiting:
            line.send(self.waiting.popleft())
        else:
            self.idle.append(line)

    def put(self, request: bytes, hits: int, events: int) -> None:
        self.flying += 1
        waiting = (time.perf_counter(), request, hits, events)
        while self.idle:
            line = self.idle.pop()
            if not line.transport.is_closing():
                line.send(waiting)
                return
        self.waiting.append(waiting)

    def lag(self, seconds: float) -> None:
        self.sent.lag_s = max(self.sent.lag_s, seconds)

    def answered(self, answer: bytes, request: tuple[float, bytes, int, int], took: float) -> None:
        self.flying -= 1
        sent = self.sent
        if (
            not answer.startswith(b"HTTP/1.1 200")
            or b"\nX-Truecount-Refused" in answer
            or b"\nx-truecount-refused" in answer
        ):
            sent.failed += 1
            sent.said = sent.said or answer[:300].decode(errors="replace")
            return
        sent.hits += request[2]
        sent.server_events += request[3]
        if len(self.answers) < 2_000_000:
            self.answers.append(took)

    def lost(self) -> None:
        self.open -= 1

    async def run(self) -> Sent:
        loop = asyncio.get_running_loop()
        for _ in range(self.plan.connections):
            await loop.create_connection(lambda: Line(self), "127.0.0.1", self.plan.port)
            self.open += 1
        started = time.perf_counter()
        per_second = self.plan.rate * 10 / EVENTS_OF_TEN
        done = 0
        while (now := time.perf_counter() - started) < self.plan.seconds:
            due = int(now * per_second)
            if due > done and len(self.waiting) < 200_000:
                self._act(done, due)
                done = due
            await asyncio.sleep(TICK_S)
        self.sent.actions = done
        self.sent.seconds = time.perf_counter() - started
        until = time.perf_counter() + 60
        while self.flying and self.open and time.perf_counter() < until:  # noqa: ASYNC110 - a deadline is enough
            await asyncio.sleep(0.01)
        self.sent.failed += self.flying
        ordered = sorted(self.answers) or [0.0]
        self.sent.answer_p50_ms = ordered[len(ordered) // 2] * 1000
        self.sent.answer_p95_ms = ordered[int(len(ordered) * 0.95)] * 1000
        return self.sent

    def _act(self, first: int, until: int) -> None:
        material, stamp = self.material, str(int(time.time())).encode()
        batch: list[bytes] = []
        for number in range(first, until):
            at = number % CROWD
            kind = number % 10
            if kind == 0:
                self.put(material.views[at], 1, 0)
                continue
            name = b"a%d" % number
            if kind != 1:
                head, tail = material.hits[at]
                self.put(head + name + tail, 1, 0)
            batch.append(material.events[at].replace(ID, name).replace(TIME, stamp, 1))
            if len(batch) == self.plan.batch:
                self._post(batch)
                batch = []
        if batch:
            self._post(batch)

    def _post(self, batch: list[bytes]) -> None:
        body = b'{"data":[' + b",".join(batch) + b"]}"
        self.put(f"{self.material.post}{len(body)}\r\n\r\n".encode() + body, 0, len(batch))


def expected(actions: int) -> dict[str, int]:
    """Copies, actions and sides that `actions` actions of the load make."""
    full, rest = divmod(actions, 10)
    browser_only = full + (rest > 0)
    server_only = full + (rest > 1)
    both = actions - browser_only - server_only
    return {
        "copies": browser_only + server_only + 2 * both,
        "actions": actions,
        "browser_only": browser_only,
        "server_only": server_only,
        "both": both,
    }


def sums_of(rows: list[dict[str, Any]]) -> dict[str, int]:
    """The same numbers from an answer of `events`, probes left aside."""
    return {key: sum(row[key] for row in rows if row["event_name"] != "Probe") for key in expected(0)}


def main() -> None:
    import uvloop

    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    sender = Sender(plan)
    print("ready", flush=True)
    sent = uvloop.run(sender.run())
    sys.stdout.buffer.write(msgspec.json.encode(sent) + b"\n")


if __name__ == "__main__":
    main()
