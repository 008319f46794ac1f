"""A door process: what its connections share, and its life from start to SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
import ssl
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import uvicorn
from uvicorn.server import ServerState

from truecount import heartbeat
from truecount.collect.answers import Answers
from truecount.collect.batcher import Batcher
from truecount.collect.browser import BrowserDoor
from truecount.collect.held import Held
from truecount.collect.metrics import Counters, counters_path
from truecount.collect.protocol import DoorProtocol
from truecount.collect.proxies import Proxies, networks_of
from truecount.collect.relay import Relay
from truecount.collect.request import Receiver
from truecount.collect.script import Scripts
from truecount.collect.server import ServerDoor
from truecount.collect.uses import WRITE_EVERY_S, Uses
from truecount.datasets import Dataset, canary_dataset
from truecount.log.folder import DataFolder
from truecount.log.registry import Registry
from truecount.log.writer import LogWriter
from truecount.policy import keys, visitor
from truecount.policy.address import DAY_US, day_key
from truecount.settings import Settings

STOP_S: Final = 4.0
"""After SIGTERM: so long for what is under way, then the process ends."""
MOST_CONNECTIONS: Final = 20_000
ROLL_EVERY_S: Final = 60

log: Final = logging.getLogger("truecount.collect")


class Door:
    """All that the connections of a door process share. `now_us` is the time of receipt of this turn of the loop, which
    never runs backwards; `clock_us` what the clock says of it.
    """

    def __init__(
        self,
        name: str,
        folder: DataFolder,
        settings: Settings,
        loop: asyncio.AbstractEventLoop,
        manager_port: int | None,
    ) -> None:
        self.name = name
        self.loop = loop
        self.max_body = settings.max_body_bytes
        self.queue_bytes = settings.queue_mb * 1_000_000
        self.held = Held(2 * self.queue_bytes, self.max_body)
        self.most_connections = _most_connections()
        self.counters = Counters(counters_path(folder.path, name))
        self.answers = Answers()
        self.scripts = Scripts()
        self.proxies = Proxies(networks_of([settings.trusted_proxy]))
        self.registry = Registry.open(folder.path, read_only=True)
        self.writer = LogWriter(folder.path, name, reserve_bytes=settings.reserve_mb * 1_000_000)
        self.browser = BrowserDoor(self)
        self.batcher = Batcher(
            loop,
            self.writer,
            self.answers,
            self.counters,
            queue_bytes=self.queue_bytes,
            judge=self.browser.judge,
        )
        self.relay = Relay(manager_port, self.counters)
        self.config = uvicorn.Config(
            self.relay, http=DoorProtocol, ws="none", lifespan="off", proxy_headers=False, log_config=None,
            access_log=False, server_header=False, date_header=False,
        )  # fmt: skip
        self.config.load()
        self.server_state = ServerState()
        self.server = ServerDoor(self)
        secret = folder.secret("canary")
        self._canary = {secret: canary_dataset(secret)}
        self.datasets: dict[str, Dataset] = {}
        """By what hits and requests call them: their id; of the canary's the secret, which nobody else knows."""
        self.tokens: frozenset[bytes] = frozenset()
        self.uses = Uses(folder.path, name)
        self.stopping = False
        self.bytes_received = 0
        self.now_s = time.monotonic()
        self._secret = folder.weak_key()
        self._day = -1
        self.weak_key = b""
        self._told_fault = 0.0
        self._ticks = 0
        self.begin_turn()

    def begin_turn(self) -> None:
        """At the first request of a turn of the loop: the time, the newest settings, a commit at its end."""
        self.batcher.begin_turn()
        try:
            if self.registry.fresh():
                self.datasets = {**self.registry.datasets(), **self._canary}
                self.tokens = frozenset(found for dataset in self.datasets.values() for found in dataset.token_hashes)
                self.writer.not_before(max([0, *(dataset.created_us for dataset in self.datasets.values())]))
        except Exception as error:  # a disk that fails for a moment: the settings known last hold on
            self.fault("the settings could not be read again", error)
        self.now_us = now_us = self.writer.now_us()
        self.clock_us = self.writer.clock_us()
        day = now_us // DAY_US
        if day != self._day:
            self._day = day
            self.weak_key = day_key(self._secret, now_us)

    def resume(self, receiver: Receiver) -> None:
        """Tell a connection that its long request's answer is handed in."""
        assert isinstance(receiver, DoorProtocol)
        receiver.resume()

    def fault(self, what: str, error: Exception) -> None:
        """Say, once a second at most, that something of ours failed: kind and place, since the text may hold data."""
        if self.now_s - self._told_fault < 1 and self._told_fault:
            return
        self._told_fault = self.now_s
        where = error.__traceback__
        while where is not None and where.tb_next is not None:
            where = where.tb_next
        place = f"{where.tb_frame.f_code.co_filename}:{where.tb_lineno}" if where is not None else "?"
        try:
            log.error("%s: %s at %s", what, type(error).__name__, place)
        except OSError:
            pass

    def tick(self) -> None:
        """Once a second: the date, tallies, the sweep, gauges."""
        self.now_s = time.monotonic()
        self._ticks += 1
        self._ticking = self.loop.call_later(1.0, self.tick)
        self.answers.refresh()
        self.batcher.write_tallies()
        counters = self.counters
        if self.bytes_received:
            counters.add("truecount_bytes_received_total", self.bytes_received)
            self.bytes_received = 0
        counters.gauge("truecount_connections", len(self.server_state.connections))
        counters.gauge("truecount_queue_bytes", self.batcher.queued_bytes + self.server.job_bytes)
        for connection in list(self.server_state.connections):
            assert isinstance(connection, DoorProtocol)
            try:
                connection.sweep(self.now_s)
            except Exception as error:  # one connection must not cost the others their watch
                self.fault("a connection could not be looked at", error)
        if self._ticks % ROLL_EVERY_S == 0:
            try:
                self.writer.roll_if_due()
            except Exception as error:
                self.fault("the log's file could not be changed", error)
        if self._ticks % WRITE_EVERY_S == 0:
            self._write_uses()

    def _write_uses(self) -> None:
        """When tokens were last used; the canary's, which nobody is shown, is not told."""
        try:
            canary = {hash for dataset in self._canary.values() for hash in dataset.token_hashes}
            self.uses.write(self.tokens - canary)
        except Exception as error:  # tried again in a minute
            self.fault("the last uses of tokens could not be written down", error)

    async def stop(self) -> None:
        """Answer what is under way, write the last tallies, let go of the log. Takes STOP_S at most."""
        until = time.monotonic() + STOP_S
        self._ticking.cancel()
        for _ in range(3):
            await asyncio.sleep(0)  # what was accepted just now is read and answered too
        self.stopping = True
        connections = self.server_state.connections
        for connection in list(connections):
            connection.shutdown()
        while time.monotonic() < until:
            self.batcher.write_tallies()
            owed = any(
                isinstance(connection, DoorProtocol) and connection.is_owing() for connection in list(connections)
            )
            if not owed and self.server.is_idle and self.batcher.is_idle:
                break
            await asyncio.sleep(0.005)
        for task in list(self.server_state.tasks):
            task.cancel()
        self.relay.close()
        for connection in list(connections):
            if isinstance(connection, DoorProtocol) and not connection.lost:
                connection.transport.close()
        await asyncio.sleep(0)
        self.counters.add("truecount_bytes_received_total", self.bytes_received)
        self.counters.gauge("truecount_connections", 0)
        self._write_uses()
        self.batcher.close()
        self.writer.close()
        self.registry.close()


async def serve(
    name: str,
    folder: DataFolder,
    settings: Settings,
    listener: socket.socket,
    manager_port: int | None,
    stopping: asyncio.Event,
    on_ready: Callable[[Door], None],
) -> None:
    """Run a door on a listening socket until `stopping` is set; `on_ready` is called when it serves."""
    loop = asyncio.get_running_loop()
    door = Door(name, folder, settings, loop, manager_port)
    tls = _tls(settings)
    server = await loop.create_server(
        lambda: DoorProtocol(door),
        sock=listener,
        backlog=4096,
        ssl=tls,
        ssl_handshake_timeout=10.0 if tls else None,
        ssl_shutdown_timeout=2.0 if tls else None,
    )
    door.tick()
    on_ready(door)
    await stopping.wait()
    server.close()
    await door.stop()


def run(name: str, folder: DataFolder, settings: Settings, listener: socket.socket, manager_port: int | None) -> None:
    """Run a door process, whole."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format=f"{name}: %(message)s")
    logging.raiseExceptions = False  # a log line that cannot be written must not cost an event
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # "socket.send() raised": peers leave, that is usual
    import uvloop

    async def whole() -> None:
        loop = asyncio.get_running_loop()
        stopping = asyncio.Event()
        for number in heartbeat.signals_to_end_at():
            loop.add_signal_handler(number, stopping.set)
        await serve(name, folder, settings, listener, manager_port, stopping, _settle)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(whole())


def _settle(door: Door) -> None:
    visitor.warm()  # tables are read at first use; the first event should not wait for that
    keys.warm()
    gc.collect()
    gc.freeze()  # what is there now stays: no collection looks at it again
    gc.set_threshold(50_000, 20, 100)
    heartbeat.ready()
    heartbeat.keep_beating(door.loop)


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if not settings.tls_cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.tls_cert, settings.tls_key)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _most_connections() -> int:
    """So many that descriptors are left for the log and the manager. The soft limit is raised to the hard one first."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + 200
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
        except (ValueError, OSError):
            pass
    return MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else max(16, min(MOST_CONNECTIONS, soft - 200))


def listener_of(fd: int) -> socket.socket:
    """The inherited listening socket."""
    listener = socket.socket(fileno=fd)
    listener.setblocking(False)
    os.set_inheritable(fd, False)
    return listener


def data_folder(path: str) -> DataFolder:
    """The data folder, which its owner has made before."""
    return DataFolder(Path(path), create=False)
