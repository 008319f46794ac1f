"""Every path that is no collecting door: relayed to the manager on loopback, as an ASGI application.

Bodies stream both ways, connections to the manager are kept and used again. What concerns one connection alone
(hop-by-hop headers) stays here, and what a client says of itself in X-Forwarded-* is replaced by what the door knows.
No WebSocket.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

import httptools

from truecount.collect.metrics import Counters

MOST_AT_ONCE: Final = 256
MOST_OF_ONE: Final = 192
"""Of one address: requests whose bodies never come are no reason to shut everybody out. An office shares one."""
MOST_KEPT: Final = 32
CONNECT_S: Final = 2.0
ANSWER_S: Final = 120.0
"""Longest silence of the manager: a heavy report may take its time."""
HIGH_WATER: Final = 256 * 1024

AWAY_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><meta http-equiv="refresh" content="3">
<title>In a moment · Truecount</title></head><body><main><h1>In a moment</h1><p>503: {words}.</p>
<p>This page asks again every 3 seconds. If it stays so, look at what <code>truecount serve</code> said last.</p>
</main></body></html>
"""
"""For a browser that asks for a page while the manager starts again."""

HOP_BY_HOP: Final = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
    )
)
_OURS: Final = frozenset(
    (b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-real-ip", b"expect")
)
_PORT: Final = rb"(?::(?:\d{0,4}|[0-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5]))?"
HOST: Final = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])" + _PORT).fullmatch
"""A host that may be in a header Host, with a port up to 65535 or none."""

Scope = Any
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class ManagerAway(Exception):
    """The manager does not answer. `stored` tells nothing: what it did with the request is not known."""


class _Upstream(asyncio.Protocol):
    """One connection to the manager. Answers are read by a parser of httptools into a bounded queue of chunks."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.closed = False
        self._drained = asyncio.Event()
        self._drained.set()
        self._begin(False)

    def _begin(self, is_head: bool) -> None:
        self._is_head = is_head
        self._parser = httptools.HttpResponseParser(self)
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = False
        self._head_read = False
        self._until_close = False
        self._failed = False
        self._keep = False
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._heard = 0
        self._client: asyncio.Transport | None = None
        self._news = asyncio.Event()

    # Called by the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self._until_close and exc is None:
            self.complete = True
        elif not self.complete:
            self._failed = True
        self._drained.set()
        self._news.set()

    def pause_writing(self) -> None:
        self._drained.clear()

    def resume_writing(self) -> None:
        self._drained.set()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._failed = True
            self.close()
        self._heard += 1
        if self._client is None or self.complete or self._failed:
            self._news.set()
        if self._size > HIGH_WATER and self.transport is not None and not self.closed:
            self.transport.pause_reading()

    # Called by the parser

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._head_read:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status < 200:
            self.headers.clear()
            return
        self._head_read = True
        names = {name for name, _ in self.headers}
        if self._is_head or self.status in (204, 304):
            self.complete = True
        elif b"content-length" not in names and b"transfer-encoding" not in names:
            self._until_close = True

    def on_body(self, body: bytes) -> None:
        if self._is_head:
            return
        client = self._client
        if client is not None and not client.is_closing() and client.get_write_buffer_size() <= HIGH_WATER:
            client.write(b"%x\r\n%b\r\n" % (len(body), body))
            return
        self._client = None  # a client that does not read is waited for
        self._chunks.append(body)
        self._size += len(body)

    def on_message_complete(self) -> None:
        if self._head_read:
            self.complete = True
            self._keep = self._parser.should_keep_alive()

    # Called by the relay

    async def send(self, data: bytes) -> None:
        if self.transport is None or self.closed:
            raise ManagerAway
        self.transport.write(data)
        await self._drained.wait()

    async def head(self) -> None:
        while not self._head_read:
            await self._wait()

    async def chunk(self) -> bytes | None:
        """The next piece of the body, None at its end."""
        while True:
            if self._chunks:
                data = b"".join(self._chunks)
                self._chunks.clear()
                self._size = 0
                if self.transport is not None and not self.closed:
                    self.transport.resume_reading()
                return data
            if self.complete:
                return None
            await self._wait()

    def pour(self, client: asyncio.Transport) -> None:
        """Write what comes from now on to a client as it comes, in chunks (RFC 9112, 7.1), while it reads.

        For streams, of which a server may have a hundred: an event that passes through here wakes no task. Only behind
        the head and all that `chunk` gave.
        """
        if not self._chunks and not self.complete:
            self._client = client

    async def _wait(self) -> None:
        if self._failed or (self.closed and not self.complete):
            raise ManagerAway
        self._news.clear()
        heard = self._heard
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._news.wait()
        except TimeoutError:
            if self._heard == heard:
                raise

    @property
    def reusable(self) -> bool:
        return (
            self.complete
            and not self.closed
            and not self._failed
            and not self._until_close
            and not self._is_head
            and self._keep
        )

    def close(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class Relay:
    """The ASGI application. `port` is the manager's on 127.0.0.1; None while nobody said it."""

    def __init__(
        self,
        port: int | None,
        counters: Counters,
    ) -> None:
        self.port = port
        self._counters = counters
        self._kept: list[_Upstream] = []
        self._running: Counter[str] = Counter()
        """Requests under way, by the address that they came from."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        address = scope["state"]["forwarded"][0]
        if self._running.total() >= MOST_AT_ONCE or self._running[address] >= MOST_OF_ONE:
            await self._away(scope, send, "too many requests are under way: try again in a moment")
            return
        self._running[address] += 1
        try:
            self._counters.add("truecount_relayed_total")
            await self._relay(scope, receive, send)
        finally:
            self._running[address] -= 1
            if not self._running[address]:
                del self._running[address]

    async def _relay(self, scope: Scope, receive: Receive, send: Send) -> None:
        upstream: _Upstream | None = None
        started = False
        pump: asyncio.Task[None] | None = None
        chunked = any(name == b"transfer-encoding" for name, _ in scope["headers"])
        has_body = chunked or any(name == b"content-length" and value != b"0" for name, value in scope["headers"])
        try:
            upstream = await self._open(fresh=has_body)
            upstream._begin(scope["method"] == "HEAD")
            try:
                await upstream.send(self._head(scope, chunked))
            except ManagerAway:
                if has_body:
                    raise
            pump = asyncio.create_task(_pump(upstream, receive, chunked))
            try:
                await upstream.head()
            except ManagerAway:
                # A kept connection may have been closed while the request was on its way; nothing was sent twice
                # when it had no body and changes nothing.
                if has_body or scope["method"] not in ("GET", "HEAD", "OPTIONS"):
                    raise
                pump.cancel()
                upstream.close()
                upstream = await self._open(fresh=True)
                upstream._begin(scope["method"] == "HEAD")
                await upstream.send(self._head(scope, chunked))
                pump = asyncio.create_task(_pump(upstream, receive, chunked))
                await upstream.head()
            drop = HOP_BY_HOP | _named_by_connection(upstream.headers)
            headers = [(name, value) for name, value in upstream.headers if name not in drop]
            started = True
            await send({"type": "http.response.start", "status": upstream.status, "headers": headers})
            pours = _is_stream(upstream)
            while True:
                if pours:
                    upstream.pour(scope["state"]["transport"])
                if (data := await upstream.chunk()) is None:
                    break
                await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except asyncio.CancelledError:
            scope["state"]["transport"].abort()  # the process ends, and the manager took too long
        except (ManagerAway, OSError, TimeoutError):
            self._counters.add("truecount_relay_failures_total")
            if started:
                # Half an answer is out: only an abrupt end tells the client so.
                scope["state"]["transport"].abort()
            else:
                words = "the manager is starting or away: try again in a moment (events are collected)"
                await self._away(scope, send, words)
        finally:
            if pump is not None:
                pump_done = pump.done()
                pump.cancel()
            else:
                pump_done = True
            if upstream is not None:
                if upstream.reusable and len(self._kept) < MOST_KEPT and (pump_done or not has_body):
                    self._kept.append(upstream)
                else:
                    upstream.close()

    async def _open(self, *, fresh: bool) -> _Upstream:
        """A connection: a kept one, or a new one. One with a body gets a new one, since it can't be sent twice."""
        while self._kept and not fresh:
            upstream = self._kept.pop()
            if not upstream.closed:
                return upstream
        if self.port is None:
            raise ManagerAway
        async with asyncio.timeout(CONNECT_S):
            _, made = await asyncio.get_running_loop().create_connection(_Upstream, "127.0.0.1", self.port)
        return made

    def _head(self, scope: Scope, chunked: bool) -> bytes:
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        drop = HOP_BY_HOP | _OURS | _named_by_connection(scope["headers"])
        lines = [b"%b %b HTTP/1.1" % (scope["method"].encode(), target)]
        lines.extend(b"%b: %b" % (name, value) for name, value in scope["headers"] if name not in drop)
        address, scheme = scope["state"]["forwarded"]
        lines.append(b"x-forwarded-for: %b" % address.encode("latin-1", "replace"))
        lines.append(b"x-forwarded-proto: %b" % scheme.encode())
        if chunked:
            lines.append(b"transfer-encoding: chunked")
        return b"\r\n".join((*lines, b"", b""))

    async def _away(self, scope: Scope, send: Send, words: str) -> None:
        is_page = scope["method"] == "GET" and any(
            name == b"accept" and b"text/html" in value for name, value in scope["headers"]
        )
        text = (AWAY_PAGE.format(words=words) if is_page else f"503: {words}\n").encode()
        headers = [
            (b"content-type", b"text/html; charset=utf-8" if is_page else b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(text)),
            (b"retry-after", b"1"),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": text, "more_body": False})

    def close(self) -> None:
        for upstream in self._kept:
            upstream.close()
        self._kept.clear()


async def _pump(upstream: _Upstream, receive: Receive, chunked: bool) -> None:
    """Send the request's body on; then wait for the client to leave, and leave too."""
    try:
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                upstream.close()
                return
            body, more = message.get("body", b""), message.get("more_body", False)
            if body:
                await upstream.send(b"%x\r\n%b\r\n" % (len(body), body) if chunked else body)
        if chunked:
            await upstream.send(b"0\r\n\r\n")
        while not upstream.complete:
            message = await receive()
            if message["type"] == "http.disconnect":
                if not upstream.complete:
                    upstream.close()
                return
    except ManagerAway:
        pass


def _is_stream(upstream: _Upstream) -> bool:
    """Whether an answer is one of server-sent events, which goes out in chunks."""
    names = dict(upstream.headers)
    return (
        upstream.status == 200
        and names.get(b"content-type", b"").startswith(b"text/event-stream")
        and b"content-length" not in names
    )


def _named_by_connection(headers: list[tuple[bytes, bytes]]) -> frozenset[bytes]:
    """Headers that `Connection` names: they are hop-by-hop too."""
    return frozenset(
        token.strip().lower() for name, value in headers if name == b"connection" for token in value.split(b",")
    ) - {b"host", b"content-length", b"content-type", b"authorization", b"cookie"}
