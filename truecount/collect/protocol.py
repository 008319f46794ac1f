"""HTTP of a door: Uvicorn's httptools protocol, with the two collecting paths answered here and the rest relayed.

No task and no future a request on the collecting paths. Answers keep the order of their requests: while a relayed
request or a long server request is under way, what follows on the connection is held back.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from truecount.collect.bodies import MAX_HEAD
from truecount.collect.held import holder_of
from truecount.collect.incoming import Incoming
from truecount.collect.metrics import BROWSER, SERVER
from truecount.collect.proxies import plain_address
from truecount.collect.relay import HOST
from truecount.collect.request import HEAD_OF_HIT, Request
from truecount.collect.server import EVENTS_PATH

if TYPE_CHECKING:
    from truecount.collect.door import Door

RELAY: Final = 0
PIXEL: Final = 1
EVENTS: Final = 2
SCRIPT: Final = 3

HEAD_S: Final = 10.0
"""A head has to be there within this."""
BODY_MOST_S: Final = 60.0
"""A body for the collecting doors, which is held until it is whole, has to be there within this."""
IDLE_S: Final = 75.0
"""Longer than usual proxies keep a connection (60 s), so that it is they who close it."""
UNREAD_S: Final = 30.0
"""A peer that does not read its answers for so long is cut off."""
LINGER_S: Final = 3.0
"""After an early refusal, what is still sent is read and thrown away for so long: else the answer could be lost."""

_PIXEL_PATHS: Final = frozenset((b"/tr", b"/tr/"))


class _Held(NamedTuple):
    """What waits for its turn: a collecting request, a relayed one's cycle, or an answer that is ready."""

    request: Request | None = None
    cycle: RequestResponseCycle | None = None
    answer: bytes = b""


class DoorProtocol(HttpToolsProtocol):
    """One connection. It is a `batcher.Receiver`."""

    # With more than 30 attributes an object has a hash table of its own, which no processor's cache holds for hundreds
    # of connections; slots lie side by side. The first line's are the base class's.
    __slots__ = (  # noqa: RUF023
        "connections", "cycle", "flow", "on_header", "parser", "transport", "url",
        "_begun", "_check_head", "_closing", "_descriptor", "_discarding", "_head", "_head_size", "_held",
        "_in_body", "_in_message", "_incoming", "_kept_head", "_lingering", "_long", "_path", "_peer", "_query",
        "_repeated", "_route", "_running", "_trusted", "_want_100", "_write_paused",
        "door", "lost", "since", "waiting",
    )  # fmt: skip

    def __init__(self, door: Door) -> None:
        # The parser looks its callbacks up when it is made; a closure over the dict is the cheapest one.
        self._head: dict[bytes, bytes] = {}
        self._repeated: list[tuple[bytes, bytes]] = []
        head, repeated = self._head, self._repeated

        def on_header(name: bytes, value: bytes) -> None:
            name = name.lower()
            if name in head:
                repeated.append((name, value))
            else:
                head[name] = value

        self.on_header = on_header  # type: ignore[method-assign]
        super().__init__(door.config, door.server_state, {}, door.loop)
        self.door = door
        self.lost = False
        self.waiting = 0
        """Answers that the batcher owes."""
        self._long = False
        """A server request is being worked on in slices."""
        self._running: RequestResponseCycle | None = None
        """The relayed request that is under way."""
        self._held: deque[_Held] = deque()
        self._route = RELAY
        self._path = self._query = b""
        self._kept_head: dict[bytes, bytes] | None = None
        self._incoming = Incoming(door.held)
        self._closing = False
        """No further request is read; the connection ends when all is answered."""
        self._discarding = False
        """What is left of this read belongs to a request that is refused."""
        self._lingering = False
        self._want_100 = False
        self._in_message = False
        self._in_body = False
        self._begun = 0
        """Requests that began in this read."""
        self._head_size = 0
        self._check_head = False
        self._write_paused = False
        self._descriptor = -1
        """The socket's, where answers may be written to it past the transport: without TLS."""
        self._peer = ""
        self._trusted = False
        self.since = door.now_s
        """When the state that the sweep looks at began."""

    # Connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        door = self.door
        self.connections.add(self)
        self.transport = transport
        self.flow = FlowControl(transport)
        door.counters.add("truecount_connections_total")
        peer = transport.get_extra_info("peername")
        self._peer = plain_address(str(peer[0])) if isinstance(peer, tuple | list) and peer else ""
        self._trusted = door.proxies.trusts(self._peer)
        self._incoming.holder = "" if self._trusted else holder_of(self._peer)
        self.client = (self._peer, int(peer[1])) if self._peer else None
        self.scheme = "https" if transport.get_extra_info("sslcontext") else "http"
        if self.scheme == "http" and (socket := transport.get_extra_info("socket")) is not None:
            self._descriptor = socket.fileno()
        self.since = door.now_s
        if door.stopping:
            self._closing = True
            transport.close()
        elif len(self.connections) > door.most_connections:
            self._closing = True
            transport.write(door.answers.plain(503, "Too many connections.\n", extra=b"Retry-After: 5\r\n", keep=False))
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._held.clear()
        self._incoming.release()
        running = self._running
        if running is not None:
            running.disconnected = True
            running.message_event.set()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """The peer sends no more. What it has sent whole is answered first."""
        self._closing = True
        if self._lingering or not self.is_owing() or (self._in_body and self._route == RELAY):
            return False
        return self.scheme == "http"  # TLS knows no half-closed connection

    def pause_writing(self) -> None:
        """The peer does not read its answers: it may send no more either."""
        self.flow.pause_writing()
        self.flow.pause_reading()
        self._write_paused = True
        self.since = self.door.now_s

    def resume_writing(self) -> None:
        self._write_paused = False
        self.since = self.door.now_s
        self.flow.resume_writing()
        self.flow.resume_reading()

    def data_received(self, data: bytes) -> None:
        self.door.bytes_received += len(data)
        if self._closing:
            if self._lingering:
                self._incoming.size += len(data)
                if self._incoming.size > 8 * self.door.max_body:
                    self.transport.abort()
            return
        idle = not self._in_message
        came = self._incoming.size if self._in_body else -1
        self._begun = 0
        self._check_head = len(data) > MAX_HEAD or not idle
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._closing = True  # what follows is in no protocol that is spoken here
            if not self.is_owing():
                self._end()
            return
        except httptools.HttpParserCallbackError as error:
            # A fault of ours, and no answer may come for what was being read: this connection alone ends.
            self.door.fault("a request could not be taken", error)
            self._closing = True
            self.transport.close()
            return
        except httptools.HttpParserError:
            if not self._closing:
                self._refuse_connection(400, "The request is no HTTP that can be read here.\n")
            return
        if not self._in_message:
            return
        if self._in_body:
            # Trailers, extensions of chunks: what comes of a body's message and is no body is bounded as a head is.
            no_body = not self._begun and self._incoming.size == came
            self._head_size = self._head_size + len(data) if no_body else 0
            if self._head_size > MAX_HEAD and not self._closing:
                if self._route == RELAY:  # its answer is under way, and may wait for the end of the body
                    self.door.counters.add("truecount_bad_requests_total")
                    self._closing = True
                    self.transport.abort()
                else:
                    self._refuse_head()
        else:
            if not self._begun:
                self._head_size += len(data)
            elif idle and self._begun == 1:
                self._head_size = len(data)
            else:  # other requests lie before it in this read: what is whole of it counts now, later reads wholly
                self._head_size = self._size_of_head()
            if self._head_size > MAX_HEAD and not self._closing:
                self._refuse_head()

    # Parser

    def on_message_begin(self) -> None:
        self.url = b""
        self._in_message = True
        self._begun += 1
        self.since = self.door.now_s
        self._in_body = False
        if self._head:
            self._head.clear()
        if self._repeated:
            self._repeated.clear()

    def on_headers_complete(self) -> None:
        if self._closing:
            self._discarding = True
            return
        self._in_body = True
        self._head_size = 0
        url = self.url
        head = self._head
        if self._check_head and self._size_of_head() > MAX_HEAD:
            self._refuse_head()
            return
        if url[:1] != b"/":
            url = self._origin_form(url)
            if not url:
                return
        path, _, self._query = url.partition(b"?")
        self._path = path
        self.url = b""
        if self._repeated and any(
            name in (b"host", b"content-length", b"transfer-encoding") for name, _ in self._repeated
        ):
            self._refuse_connection(400, "A header that may come once came twice.\n")
            return
        if path in _PIXEL_PATHS or path.endswith((b"/tr", b"/tr/")):
            self._route = PIXEL
            if (
                self.parser.get_method() == b"GET"
                and b"content-length" not in head
                and b"transfer-encoding" not in head
            ):
                return
        elif path.endswith((b"/events", b"/events/")) and self.parser.get_method() == b"POST" and EVENTS_PATH(path):
            self._route = EVENTS
        elif path.endswith(b".js") and self._asks_for_script(path):
            self._route = SCRIPT
            return
        else:
            self._route = RELAY
            self._begin_relay()
            return
        # A request with a body. Its head is taken now: trailers must not change it.
        self._kept_head = head.copy()
        self._incoming.begin()
        if self.parser.should_upgrade():
            self._refuse_connection(400, "Upgrade is not spoken here.\n")
            return
        length = head.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self.door.max_body:
            self._refuse_body()
            return
        if head.get(b"expect", b"").lower() == b"100-continue":
            if self.is_owing():
                self._want_100 = True  # the answers before it go first
            else:
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        if self._discarding:
            return
        incoming = self._incoming
        incoming.size += len(body)
        if self._route == RELAY:
            super().on_body(body)
        elif incoming.size > self.door.max_body:
            self._refuse_body()
        elif not incoming.keep(body):
            self.door.counters.take(BROWSER if self._route == PIXEL else SERVER, unavailable=1)
            text = "Too much is being sent at once: nothing was stored, please send it again.\n"
            self._refuse_connection(503, text, b"Retry-After: 2\r\n", bad=False)

    def on_message_complete(self) -> None:
        self._in_message = self._in_body = False
        if self._discarding or self._closing:
            return
        self._want_100 = False
        keep = self.parser.should_keep_alive()
        if not keep:
            self._closing = True
        if self._route == RELAY:
            if not self.cycle.response_complete:
                self.cycle.more_body = False
                self.cycle.message_event.set()
            return
        head = self._kept_head
        if head is None:
            whole = self._head
            if self._route == SCRIPT:
                self._take_script(whole, keep)
                return
            head = {name: whole[name] for name in HEAD_OF_HIT if name in whole}
            request = self._request(head, b"", keep, self._address(whole))
            # What else came is freed at once: the next request's head lies where the processor's cache still is.
            whole.clear()
            self._query = b""
        else:
            self._kept_head = None
            request = self._request(head, self._incoming.take(), keep, self._address(head))
        self._take(request)

    def _asks_for_script(self, path: bytes) -> bool:
        head = self._head
        return (
            self.parser.get_method() in (b"GET", b"HEAD")
            and b"content-length" not in head
            and b"transfer-encoding" not in head
            and not self.parser.should_upgrade()
            and self.door.scripts.serves(path)
        )

    def _take_script(self, head: dict[bytes, bytes], keep: bool) -> None:
        """Answer with the pixel script, in turn."""
        door = self.door
        door.counters.add("truecount_scripts_total")
        with_body = self.parser.get_method() == b"GET"
        answer = door.scripts.answer(self._path, head, with_body=with_body, date=door.answers.date, keep=keep)
        if self._held or self._long or self._running is not None:
            self._held.append(_Held(answer=answer))
            self.flow.pause_reading()
        else:
            self.waiting += 1
            door.batcher.hand_in(self, answer, None)

    def _address(self, head: dict[bytes, bytes]) -> str:
        return self._client_of(head) if self._trusted and b"x-forwarded-for" in head else self._peer

    def _request(
        self, head: dict[bytes, bytes], body: bytes, keep: bool, address: str, too_large: bool = False
    ) -> Request:
        method = self.parser.get_method()
        return Request(self, self._route, method, self._path, self._query, head, body, keep, address, too_large)

    def _take(self, request: Request) -> None:
        """Let its door decide of a request, once it is its turn."""
        if self._held or self._long or self._running is not None:
            self._held.append(_Held(request))
            self.flow.pause_reading()  # what is held back is bounded by one read
            return
        self.waiting += 1
        if request.route == PIXEL:
            self.door.browser.take(request)
        elif not self.door.server.take(request):
            self._long = True

    def _client_of(self, head: dict[bytes, bytes]) -> str:
        chain = [head.get(b"x-forwarded-for", b"")]
        chain.extend(value for name, value in self._repeated if name == b"x-forwarded-for")
        return self.door.proxies.client(self._peer, b",".join(chain).decode("latin-1"))

    def forwarded(self, head: dict[bytes, bytes]) -> tuple[str, str]:
        """The client's address and scheme, for the relay."""
        scheme = self.scheme or "http"
        if not self._trusted:
            return self._peer, scheme
        said = head.get(b"x-forwarded-proto", b"").decode("latin-1").strip().lower()
        return self._client_of(head), said if said in ("http", "https") else scheme

    # Relay

    def _begin_relay(self) -> None:
        head = self._head
        parser = self.parser
        self._incoming.begin()
        method = parser.get_method()
        version = parser.get_http_version()
        if version not in ("1.1", "1.0"):
            self._refuse_connection(400, "HTTP/1.0 and HTTP/1.1 are spoken here.\n")
            return
        host = head.get(b"host")
        if (host is None and version == "1.1") or (host is not None and not HOST(host)):
            self._refuse_connection(400, "The header Host is missing or no host.\n")
            return
        has_body = b"transfer-encoding" in head or head.get(b"content-length", b"0") != b"0"
        if method == b"CONNECT" or (parser.should_upgrade() and has_body):
            self._refuse_connection(400, "CONNECT and Upgrade are not spoken here.\n")
            return
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": version,
            "server": None,
            "client": self.client,
            "scheme": self.scheme or "http",
            "root_path": "",
            "headers": [*head.items(), *self._repeated],
            "state": {"transport": self.transport, "forwarded": self.forwarded(head)},
            "method": method.decode("ascii"),
            "path": self._path.decode("ascii", "replace"),
            "raw_path": self._path,
            "query_string": self._query,
        }
        self.cycle = RequestResponseCycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=[],
            message_event=asyncio.Event(),
            expect_100_continue=head.get(b"expect", b"").lower() == b"100-continue",
            keep_alive=version == "1.1" and parser.should_keep_alive() and not parser.should_upgrade(),
            on_response=self.on_response_complete,
        )
        if self._held or self._long or self.waiting or self._running is not None:
            self.flow.pause_reading()
            self._held.append(_Held(cycle=self.cycle))
        else:
            self._run(self.cycle)

    def _run(self, cycle: RequestResponseCycle) -> None:
        self._running = cycle
        self._start_asgi_task(cycle, self.app)

    def on_response_complete(self) -> None:
        self._running = None
        if self.transport.is_closing():
            return
        self.since = self.door.now_s
        if not self._write_paused:
            self.flow.resume_reading()
        self._go_on()

    # Answers

    def give(self, data: bytes, n: int) -> None:
        """Send n answers of the batcher."""
        self.waiting -= n
        if self.lost:
            return
        self._write(data)
        if not self.waiting:
            self.since = self.door.now_s
            if self._held or self._closing or self._want_100:
                self._go_on()

    def _write(self, data: bytes) -> None:
        """Write at once what the socket takes; the transport, which costs a hit 2 µs more, has the rest."""
        transport = self.transport
        if self._descriptor >= 0 and not transport.is_closing() and not transport.get_write_buffer_size():
            try:
                written = os.write(self._descriptor, data)
            except OSError:
                written = 0
            if written == len(data):
                return
            data = data[written:]
        transport.write(data)

    def resume(self) -> None:
        """The long request's answer is handed in: those behind it may follow."""
        self._long = False
        if not self.lost:
            self._go_on()

    def _go_on(self) -> None:
        """Start what is held back, as far as the order of answers allows."""
        held = self._held
        while held and not self._long and self._running is None:
            first = held[0]
            if first.cycle is not None:
                if self.waiting:
                    return  # a relayed one writes by itself, so that all answers before it must be out
                held.popleft()
                self.flow.resume_reading()
                self._run(first.cycle)
                return
            held.popleft()
            self.waiting += 1
            request = first.request
            if request is None:
                self.door.batcher.hand_in(self, first.answer, None)
            elif request.route == PIXEL:
                self.door.browser.take(request)
            elif not self.door.server.take(request):
                self._long = True
        if not held and not self._write_paused:
            self.flow.resume_reading()
        if self.is_owing():
            return
        if self._want_100:
            self._want_100 = False
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._closing:
            self._end()

    def is_owing(self) -> bool:
        """Whether an answer is still to come for what was read."""
        return bool(self.waiting or self._long or self._held or self._running is not None)

    # Refusals that end the connection

    def _refuse_connection(self, status: int, text: str, extra: bytes = b"", *, bad: bool = True) -> None:
        """Answer in turn, then close; what the peer still sends is thrown away. `bad` counts it as a bad request."""
        if bad:
            self.door.counters.add("truecount_bad_requests_total")
        self._closing = self._discarding = self._lingering = True
        answer = self.door.answers.plain(status, text, extra=extra, keep=False)
        if self._held or self._long or self._running is not None:
            self._held.append(_Held(answer=answer))
        else:
            self.waiting += 1
            self.door.batcher.hand_in(self, answer, None)

    def _refuse_head(self) -> None:
        self._refuse_connection(431, f"The head of a request may have {MAX_HEAD} bytes.\n")

    def _refuse_body(self) -> None:
        """The body is too large. Its door tells so, in its own way."""
        self._incoming.release()
        self._closing = self._discarding = self._lingering = True
        head, self._kept_head = self._kept_head or {}, None
        self._take(self._request(head, b"", False, self._address(head), too_large=True))

    def _size_of_head(self) -> int:
        pairs = [*self._head.items(), *self._repeated]
        return len(self.url) + 16 + sum(len(name) + len(value) + 4 for name, value in pairs)

    def _origin_form(self, url: bytes) -> bytes:
        """Path and query of a target in absolute form; b"" where the target was answered instead."""
        if url == b"*" and self.parser.get_method() == b"OPTIONS":
            self._refuse_connection(200, "", b"Allow: GET, HEAD, POST, OPTIONS\r\n")
            return b""
        if url[:7].lower() == b"http://" or url[:8].lower() == b"https://":
            try:
                parsed = httptools.parse_url(url)
            except httptools.HttpParserError:
                parsed = None
            if parsed is not None:
                path: bytes = parsed.path or b"/"
                return path + (b"?" + parsed.query if parsed.query else b"")
        self._refuse_connection(400, "The request's target is no path.\n")
        return b""

    # Ends

    def _end(self) -> None:
        """All is answered and nothing more is read: close, or first read on for a while what was refused unread."""
        if self.lost:
            return
        if self._lingering and self.scheme == "http" and self.transport.can_write_eof():
            self.since = self.door.now_s
            self._incoming.begin()
            self.transport.write_eof()
            self.flow.resume_reading()
        else:
            self.transport.close()

    def shutdown(self) -> None:
        """The process ends: answer what is read whole, read no more."""
        self._closing = True
        if self._running is not None:
            self._running.keep_alive = False
        if not self.is_owing() and not self.lost:
            self.transport.close()

    def sweep(self, now_s: float) -> None:
        """Close a connection whose peer is too slow, silent, or does not read."""
        if self.lost:
            return
        age = now_s - self.since
        if self._write_paused:
            slow = age > UNREAD_S
        elif self._in_body and (self._route == RELAY or not self.is_owing()):
            kept = self._route != RELAY
            slow = self._incoming.is_slow(now_s, self.since, paused=self.flow.read_paused, kept=kept)
            slow = slow or (kept and age > BODY_MOST_S)
        elif self.is_owing():
            slow = False
        elif self._lingering:
            slow = age > LINGER_S
        elif self._in_message:
            slow = age > HEAD_S
        else:
            if age > IDLE_S or self._closing:
                self.transport.close()
            return
        if slow:
            self.door.counters.add("truecount_slow_closed_total")
            self.transport.abort()
