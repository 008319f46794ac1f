"""A real door in a thread of the test, on a temporary data folder and a free port; and a manager for it to relay to."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec
import uvloop

from truecount.collect.door import Door, serve
from truecount.collect.metrics import OUTCOMES, RECEIVED, UNAVAILABLE, door_metrics
from truecount.copies import Copy, copies_of
from truecount.datasets import DatasetSettings
from truecount.log.entries import Kind, Tally, split_parts, tallies_of
from truecount.log.folder import DataFolder
from truecount.log.reader import LogReader
from truecount.log.registry import Registry
from truecount.settings import read_settings

SHOP = "1234567890123456"
TOKEN = "TCshop"
OTHER = "6543210987654321"
OTHER_TOKEN = "TCother"
AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)
PATIENCE_S = 10.0
DATA = Path(__file__).parent / "data"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def refused(self) -> str | None:
        """The reason in X-Truecount-Refused."""
        words = self.headers.get("x-truecount-refused")
        return words.partition(":")[0] if words else None

    def json(self) -> Any:
        return json.loads(self.body)


def wait_until(look: Callable[[], Any], what: str = "it") -> Any:
    until = time.monotonic() + PATIENCE_S
    while not (found := look()):
        assert time.monotonic() < until, f"{what} did not come; last: {found!r}"
        time.sleep(0.01)
    return found


def new_folder(path: Path, settings: DatasetSettings | None = None) -> DataFolder:
    """A data folder with two datasets."""
    folder = DataFolder(path)
    with Registry.open(folder.path) as registry:
        registry.create("Shop", id=SHOP, token=TOKEN, settings=settings or DatasetSettings())
        registry.create("Other", id=OTHER, token=OTHER_TOKEN)
    return folder


def listening() -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    listener.setblocking(False)
    return listener


class RunningDoor:
    """A door that answers. `door` is its inside, to be looked at or bent through `call`."""

    def __init__(self, folder: DataFolder, manager: int | None = None, **settings: str) -> None:
        self.folder = folder
        self.tls = "tls_cert" in settings
        listener = listening()
        self.port: int = listener.getsockname()[1]
        values = read_settings({"data": str(folder.path), "reserve_mb": "0", **settings}, environ={})
        ready = threading.Event()
        self.failure: BaseException | None = None
        self.faults: list[dict[str, Any]] = []
        """What was raised where nobody caught it: there must be nothing."""

        async def whole() -> None:
            self.loop = asyncio.get_running_loop()
            self.loop.set_exception_handler(lambda _, context: self.faults.append(context))
            self.stopping = asyncio.Event()

            def on_ready(door: Door) -> None:
                self.door = door
                ready.set()

            await serve("door-1", folder, values, listener, manager, self.stopping, on_ready)

        def live() -> None:
            try:
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    runner.run(whole())
            except BaseException as error:
                self.failure = error
                ready.set()

        self.thread = threading.Thread(target=live, daemon=True)
        self.thread.start()
        assert ready.wait(PATIENCE_S)
        if self.failure is not None:
            raise self.failure

    def stop(self) -> None:
        if self.thread.is_alive():
            self.loop.call_soon_threadsafe(self.stopping.set)
            self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()
        assert self.faults == []
        if self.failure is not None:
            raise self.failure

    def call(self, function: Callable[[], Any]) -> Any:
        """Run a function in the door's loop and give its answer."""

        async def wrapped() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(wrapped(), self.loop).result(PATIENCE_S)

    # Speaking to it

    def connect(self) -> socket.socket:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)
        if not self.tls:
            return plain
        context = ssl.create_default_context(cafile=str(DATA / "cert.pem"))
        return context.wrap_socket(plain, server_hostname="localhost")

    def ask(
        self, method: str, target: str, body: bytes | str | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        connection.sock = self.connect()
        try:
            connection.request(method, target, body=body, headers={"User-Agent": AGENT, **(headers or {})})
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def hit(self, headers: dict[str, str] | None = None, **keys: str) -> Answer:
        return self.ask("GET", "/tr/?" + urlencode({"id": SHOP, "ev": "PageView", **keys}), headers=headers)

    def events(self, body: Any, target: str = f"/v26.0/{SHOP}/events?access_token={TOKEN}", **headers: str) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {key.replace("_", "-"): value for key, value in headers.items()}
        return self.ask("POST", target, raw, {"Content-Type": "application/json", **given})

    def raw(self, *pieces: bytes, half_close: bool = False) -> bytes:
        """Send bytes as they are; return all that comes until the door closes the connection."""
        with self.connect() as connection:
            for piece in pieces:
                connection.sendall(piece)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            return read_all(connection)

    # Looking into the folder

    def entries(self, kind: Kind) -> Iterator[Any]:
        with LogReader(self.folder.path) as reader:
            yield from reader.all("door-1", 0, (kind,))

    def copies(self) -> list[Copy]:
        return [
            copy for entry in self.entries(Kind.COPIES) for part in split_parts(entry.body) for copy in copies_of(part)
        ]

    def private(self) -> list[Any]:
        """Addresses and agents beside the copies, None for a copy without."""
        found: list[Any] = []
        with LogReader(self.folder.path) as reader:
            for entry in reader.all("door-1", 0, (Kind.COPIES,)):
                raw = reader.private("door-1", entry.seq)
                found.extend(msgspec.msgpack.decode(raw) if raw is not None else [None] * entry.n)
        return found

    def tallies(self) -> list[Tally]:
        return [tally for entry in self.entries(Kind.TALLIES) for tally in tallies_of(entry.body)]

    def counts(self) -> Counter[tuple[str, ...]]:
        """The metrics: (door, outcome, reason) -> items; (door, "received") and (door, "unavailable") too."""
        return counts_of(self.folder.path)


def counts_of(path: Path) -> Counter[tuple[str, ...]]:
    counts: Counter[tuple[str, ...]] = Counter()
    for sample in door_metrics(path):
        labels = dict(sample.labels)
        if sample.name == OUTCOMES:
            counts[labels["door"], labels["outcome"], labels["reason"]] += sample.value
        elif sample.name == RECEIVED:
            counts[labels["door"], "received"] += sample.value
        elif sample.name == UNAVAILABLE:
            counts[labels["door"], "unavailable"] += sample.value
        else:
            counts[sample.name,] += sample.value
    return Counter({key: value for key, value in counts.items() if value})


def read_all(connection: socket.socket) -> bytes:
    connection.settimeout(PATIENCE_S)
    pieces = []
    try:
        while piece := connection.recv(65536):
            pieces.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(pieces)


def answers_of(raw: bytes) -> list[Answer]:
    """Split what a door sent into answers (all of them carry Content-Length, interim ones have no body)."""
    answers = []
    while raw:
        head, mark, raw = raw.partition(b"\r\n\r\n")
        assert mark, f"an answer without an end: {head[:200]!r}"
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        answers.append(Answer(int(first.split()[1]), headers, raw[:length]))
        assert len(raw) >= length
        raw = raw[length:]
    return answers


@contextmanager
def running(path: Path, *, dataset: DatasetSettings | None = None, **settings: Any) -> Iterator[RunningDoor]:
    door = RunningDoor(new_folder(path / "data", dataset), **settings)
    try:
        yield door
    finally:
        door.stop()


class _Manager(BaseHTTPRequestHandler):
    """Tells what it was sent; a few paths behave in a special way."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            pieces = []
            while size := int(self.rfile.readline(), 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def _tell(self) -> None:
        body = self._body()
        if self.path == "/stream":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for at in range(100):
                piece = b"%d," % at * 2000
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
            return
        if self.path.startswith("/events-stream"):
            # "event,event,...": each goes out by itself; "break" ends it in the middle, "flood" fills all buffers
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for word in self.path.partition("?")[2].split(","):
                if word == "break":
                    self.close_connection = True
                    return
                piece = b"data: %b\n\n" % (word.encode() if word != "flood" else b"x" * 4_000_000)
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
            return
        if self.path == "/until-close":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Kind: until-close\r\n\r\n" + b"x" * 100_000)
            self.close_connection = True
            return
        if self.path == "/break":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
            self.close_connection = True
            return
        if self.path == "/nothing":
            self.close_connection = True
            return
        told = json.dumps(
            {
                "method": self.command,
                "path": self.path,
                "headers": [[name.lower(), value] for name, value in self.headers.items()],
                "size": len(body),
                "connection": self.client_address[1],
            }
        ).encode()
        self.send_response(200 if self.path != "/none" else 204)
        self.send_header("Set-Cookie", "a=1")
        self.send_header("Set-Cookie", "b=2")
        self.send_header("Content-Type", "application/json")
        if self.path != "/none":
            self.send_header("Content-Length", str(len(told)))
        self.send_header("Keep-Alive", "timeout=5")
        self.end_headers()
        if self.command != "HEAD" and self.path != "/none":
            self.wfile.write(told)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = _tell


@contextmanager
def manager() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Manager)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
