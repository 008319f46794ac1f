"""The canary: every minute a marked event through each door of the running server, all the way to the count.

It comes through the public port, as anybody's events do; of several door processes behind that port either may take it.
It belongs to a dataset that no registry holds (datasets.CANARY_ID), under a name that is a secret of the data folder,
so that nobody else can send one. Decision 11 has why.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import ssl
import time
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol
from urllib.parse import urlencode, urlsplit

import msgspec

from truecount.datasets import CANARY_ID
from truecount.manager.serving import serve_state
from truecount.store.errors import StoreDown, StoreError

if TYPE_CHECKING:
    from truecount.manager.engine import EngineLink
    from truecount.resolve.scratch import Sql

DOORS: Final = ("browser", "server")
EVENT: Final = "Canary"
AGENT: Final = "Truecount-Canary"
SEND_LIMIT_S: Final = 5.0
"""So long a door may take to answer."""
DEADLINE_S: Final = 45.0
"""So long a canary is looked for in the store: the engine may start again meanwhile."""
FIRST_LOOK_S: Final = 0.1
LAST_LOOK_S: Final = 2.0
"""How long to wait between two looks, first and in the end: a store that is behind must not be asked all the time."""
STARTING_S: Final = 0.25
"""How often to look whether the server is up."""
FULL: Final = "the door answers 503: nothing can be stored"
LATE_S: Final = 180.0
"""A canary older than this is late: one that got lost is no trouble yet."""
_MOST_BYTES: Final = 65_536


class Canary(msgspec.Struct, frozen=True):
    """The newest marked event that went through the doors of this server to the count."""

    age_s: float
    """Since it was sent, the oldest door's; since the first try where a door's never came."""
    doors: dict[str, float]
    """Door -> seconds from the door to the count; doors whose canary came."""
    trouble: dict[str, str] = {}
    """Door -> why its last one did not come, in words."""

    @property
    def is_late(self) -> bool:
        return self.age_s > LATE_S

    @property
    def is_shut(self) -> bool:
        """Whether a door cannot store: the disk is full, or nearly, or too slow for what comes."""
        return FULL in self.trouble.values()


class Flown(NamedTuple):
    """What is known of a door."""

    age_s: float
    """Since the newest canary that came was sent; since the first try where none came."""
    seconds: float | None
    """How long that one took; None where none came."""
    trouble: str
    """Why the last one did not come, "" where it did."""


class Lost(Exception):
    """A canary was not taken; the text says why."""


class Route(Protocol):
    """The way of a canary."""

    def is_open(self) -> bool:
        """Whether the server is up."""
        ...

    async def send(self, door: str, event_id: str) -> None:
        """Hand a canary to a door. Lost, in words, when it is not taken."""
        ...

    async def counted(self, event_ids: Collection[str]) -> set[str]:
        """Those that the count has. StoreError when nobody can say."""
        ...


class _Door:
    def __init__(self) -> None:
        self.sent_s: float | None = None
        self.seconds: float | None = None
        self.trouble = ""


class Canaries:
    """Sends canaries and knows what became of them. Nothing that happens to one ends it, or anything else."""

    def __init__(
        self,
        route: Route,
        every_s: float,
        *,
        now_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._route = route
        self._every_s = every_s
        self._now_s = now_s
        self._sleep = sleep
        self._began: float | None = None
        self._doors = {door: _Door() for door in DOORS}

    def flown(self) -> dict[str, Flown]:
        """What is known, by door; {} before the first was sent."""
        if self._began is None:
            return {}
        now = self._now_s()
        return {
            name: Flown(now - (self._began if door.sent_s is None else door.sent_s), door.seconds, door.trouble)
            for name, door in self._doors.items()
        }

    def seen(self) -> Canary | None:
        """What a page shows. None before the first canary came, or was lost."""
        found = self.flown()
        doors = {name: one.seconds for name, one in found.items() if one.seconds is not None}
        trouble = {name: one.trouble for name, one in found.items() if one.trouble}
        if not doors and not trouble:
            return None
        return Canary(max(one.age_s for one in found.values()), doors, trouble)

    async def fly(self) -> None:
        """Send them until cancelled, from when the server is up."""
        if not self._every_s:
            return
        while not self._route.is_open():
            await self._sleep(STARTING_S)
        while True:
            due = self._now_s() + self._every_s
            await self.once()
            await self._sleep(max(due - self._now_s(), self._every_s / 10))

    async def once(self) -> None:
        """One through each door; returns when all came, or are lost."""
        start = self._now_s()
        if self._began is None:
            self._began = start
        flying: dict[str, str] = {}
        await asyncio.gather(*(self._send(door, flying) for door in DOORS))
        silence, pause = "", FIRST_LOOK_S
        sent = dict.fromkeys(flying, start)
        while flying and self._now_s() - start < DEADLINE_S:
            try:
                there = await self._route.counted(flying)
                silence = ""
            except StoreError as error:
                there, silence = set(), str(error)
            except Exception as error:  # a fault of ours is told as one, and tried again
                there, silence = set(), f"the count could not be asked ({type(error).__name__})"
            for event_id in there & flying.keys():
                door = self._doors[flying.pop(event_id)]
                door.sent_s, door.seconds, door.trouble = sent[event_id], self._now_s() - sent[event_id], ""
            if flying:
                await self._sleep(pause)
                pause = min(pause * 1.25, LAST_LOOK_S)
        for name in flying.values():
            what = silence or "it is not counted"
            self._doors[name].trouble = f"taken, and after {DEADLINE_S:g} s: {what}"

    async def _send(self, door: str, flying: dict[str, str]) -> None:
        event_id = secrets.token_hex(4)  # few bytes: random ones are all that a copy costs; both doors' differ
        try:
            async with asyncio.timeout(SEND_LIMIT_S):
                await self._route.send(door, event_id)
            flying[event_id] = door
        except Lost as lost:
            self._doors[door].trouble = str(lost)
        except TimeoutError:
            self._doors[door].trouble = f"no answer within {SEND_LIMIT_S:g} s"
        except OSError as error:
            self._doors[door].trouble = f"the port cannot be reached ({error.strerror or type(error).__name__})"
        except Exception as error:  # an answer that is no HTTP, say
            self._doors[door].trouble = f"it could not be sent ({type(error).__name__})"


class Way:
    """Through the public port of the running server to the store."""

    def __init__(self, folder: Path, link: EngineLink, secret: str) -> None:
        self._folder = folder
        self._link = link
        self._secret = secret
        self._asking: asyncio.Future[set[str]] | None = None

    def is_open(self) -> bool:
        return serve_state(self._folder) is not None

    async def send(self, door: str, event_id: str) -> None:
        state = serve_state(self._folder)
        if state is None:
            raise Lost("the server is not up")
        if door == "browser":
            query = urlencode({"id": self._secret, "ev": EVENT, "eid": event_id})
            status, head = await _ask(state.url, "GET", f"/tr?{query}", {}, b"")
            refused = head.get("x-truecount-refused", "")
        else:
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._secret}"}
            body = json.dumps({"data": [_server_event(event_id)]}).encode()
            status, head = await _ask(state.url, "POST", f"/v26.0/{self._secret}/events", headers, body)
            refused = ""
        if status == 503:
            raise Lost(FULL)
        if status != 200 or refused:
            raise Lost(f"the door refused it ({refused or status})")

    async def counted(self, event_ids: Collection[str]) -> set[str]:
        """One question at a time, however long the engine is silent: threads must not pile up."""
        if self._asking is None:
            self._asking = asyncio.ensure_future(asyncio.to_thread(self._look, sorted(event_ids)))
        done, _ = await asyncio.wait({self._asking}, timeout=SEND_LIMIT_S)
        if not done:
            raise StoreDown("the store does not answer")
        asked, self._asking = self._asking, None
        return asked.result()

    def _look(self, event_ids: list[str]) -> set[str]:
        rows = self._link.store().query_rows(
            "SELECT event_id FROM copies WHERE dataset = {dataset:String} AND event_name = {name:String} "
            "AND event_id IN {ids:Array(String)}",
            {"dataset": CANARY_ID, "name": EVENT, "ids": event_ids},
        )
        return {str(event_id) for (event_id,) in rows}


def copies_in(store: Sql) -> int:
    """Accepted copies in the store; canaries are none. One statement, so that no canary on its way makes it wrong."""
    return int(store.query_rows("SELECT count() FROM copies WHERE dataset != {id:String}", {"id": CANARY_ID})[0][0])


def _server_event(event_id: str) -> dict[str, object]:
    return {
        "event_name": EVENT,
        "event_time": int(time.time()),
        "event_id": event_id,
        "action_source": "website",
        "event_source_url": "https://canary.invalid/",
        "user_data": {"external_id": EVENT, "client_user_agent": AGENT},
    }


async def _ask(url: str, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str]]:
    """One request on a connection of its own, to this very machine: no proxy, and no look at the certificate, which
    names the host that others use. It ends at once when cancelled, as no thread would. Status and head of the answer.
    """
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(
        parts.hostname, parts.port, ssl=_unchecked() if parts.scheme == "https" else None, limit=_MOST_BYTES
    )
    try:
        lines = {
            "Host": parts.netloc,
            "User-Agent": AGENT,
            "Connection": "close",
            **({"Content-Length": str(len(body))} if body else {}),
            **headers,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        await writer.drain()
        first, *fields = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    finally:
        writer.transport.abort()  # nothing else is wanted of it, and a closing handshake could be waited for
    named = (field.partition(":") for field in fields if field)
    return int(first.split(" ")[1]), {name.strip().lower(): value.strip() for name, _, value in named}


def _unchecked() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
