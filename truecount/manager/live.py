"""Live: what the doors receive, followed for whoever looks. One poller a dataset, however many look at it.

A poller asks for the copies that lie between the frontier it saw last and the one of now: offsets, not clocks, so that
nothing is missed and nothing comes twice. It asks while somebody looks. What it found it offers to each viewer, who
takes what passes its filter, ten rows a second at most, and counts the rest; who does not read holds no memory.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final, NamedTuple, Protocol, TypeVar

import msgspec

from truecount.measure.arrivals import EVERYTHING, Arrival, Filter, Frontier, Offset, SeenAction, Tallied
from truecount.measure.listing import Door
from truecount.vocabulary import BROWSER_SIDE

IDLE_S: Final = 0.05
"""How often is looked whether anything came at all, which costs the store next to nothing."""
EVERY_S: Final = 0.1
"""The shortest pause after a look that found something: one that saw several copies is no more work."""
AWAY_S: Final = 1.0
"""How long a poller waits after the store did not answer."""
SHARE: Final = 0.5
"""A look that takes long makes a pause so many times as long: looking never takes more than two thirds of what one
question can take of the engine."""
ROWS_A_SECOND: Final = 10
MOST_VIEWERS: Final = 100
MOST_WAITING: Final = 30
"""News that wait for a viewer who does not read."""
MOST_SHOWN: Final = 500
"""Rows of a page that a viewer remembers, so that a twin is not left out in a flood."""
SLACK_US: Final = 600 * 1_000_000
"""A copy is in the log long before so much time is over since its receipt: older parts need not be looked at."""
THREADS: Final = 2
T = TypeVar("T")


class TooManyViewers(Exception):
    """So many look already."""


class Watch(NamedTuple):
    """What a viewer wants to see."""

    copies: Filter = EVERYTHING
    door: Door | None = None

    def takes(self, action: SeenAction) -> bool:
        return self.door is None or action.door == self.door

    def takes_tally(self, tally: Tallied) -> bool:
        """Refused items carry neither test code nor page: they pass those filters, as one may be what is looked for."""
        if self.copies.event and tally.event_name not in ("", self.copies.event):
            return False
        if self.door is None:
            return True
        return self.door == ("browser_only" if tally.source in BROWSER_SIDE else "server_only")


class News(msgspec.Struct):
    """What a viewer is told at once, the oldest first."""

    actions: Sequence[SeenAction] = ()
    gone: Sequence[str] = ()
    """Ids of rows that are no more: they became part of another, or do not pass the filter any longer."""
    refused: Sequence[Tallied] = ()
    more: int = 0
    """Copies of this second that were not shown."""
    missed: int = 0
    """Copies that could not be told: the viewer was away, or did not read."""
    behind_s: float | None = None
    """From the receipt of the newest copy until now."""
    cursor: Frontier | None = None
    away: bool = False
    """The store does not answer at the moment."""

    @property
    def rows(self) -> int:
        return len(self.actions) + len(self.refused)


class Found(NamedTuple):
    """The copies of one look."""

    arrivals: Sequence[Arrival]
    """The newest first, arrivals.MOST at most."""
    n: int


class Feed(Protocol):
    """Where a poller looks. All of it blocks; StoreError when the store does not answer."""

    def frontier(self) -> tuple[Frontier, bool]:
        """The last entry of each door that is visible; whether all that is in the log is."""

    def arrived(self, after: Frontier, upto: Frontier, since_us: int, wanted: Filter) -> Found: ...
    def tallied(self, after: Frontier, upto: Frontier, since_us: int) -> Sequence[Tallied]: ...
    def resolved(self, found: Sequence[Arrival], upto: Frontier) -> Sequence[SeenAction]: ...


class Viewer:
    """One who looks. Everything happens in the loop: nothing here blocks."""

    def __init__(self, watch: Watch, now: Callable[[], float] = time.time) -> None:
        self.watch = watch
        self.is_over = False
        self.start: Frontier | None = None
        """From here on it is told of everything; None until the first look."""
        self._now = now
        self._news: deque[News] = deque()
        self._missed = 0
        self._woken = asyncio.Event()
        self._picked: list[Arrival] = []
        self._shown: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._second = 0
        self._painted = 0
        self._more = 0

    # What the poller does

    def begin(self, start: Frontier) -> None:
        """From here on it is told of everything."""
        self.start = start
        self._woken.set()

    def pick(self, arrivals: Iterable[Arrival]) -> list[Arrival]:
        """What it would show of a look: copies of rows that are shown already first, then the newest."""
        room = self._room()
        passing = [one for one in arrivals if one.passes(self.watch.copies)]
        passing.sort(key=lambda one: _key(one) not in self._shown)  # stable: the newest first in each half
        keys: set[tuple[str, str]] = set()
        picked = []
        # Which side an action has is known when it is resolved: where that matters, some more are.
        most = room * 3 if self.watch.door else room
        for one in passing:
            if _key(one) not in keys and len(keys) >= most:
                break
            keys.add(_key(one))
            picked.append(one)
        self._picked = picked
        return picked

    def offer(
        self,
        actions: Sequence[SeenAction],
        n: int,
        tallied: Sequence[Tallied],
        cursor: Frontier,
        behind_s: float | None = None,
    ) -> None:
        """What was found of that. `n` copies pass its filter, those that are not shown included."""
        picked = {one.offset for one in self._picked}
        self._picked = []
        mine, gone = [], []
        told = 0
        for action in actions:
            new = [copy.offset for copy in action.copies if copy.is_asked]
            if picked.isdisjoint(new):
                continue
            gone += [str(copy.offset) for copy in action.copies[1:] if not copy.is_asked]
            if self.watch.takes(action):
                mine.append(action)
            else:
                gone.append(action.id)
                told += sum(offset in picked for offset in new)
        room = self._room()
        refused = [one for one in tallied if self.watch.takes_tally(one)]
        shown_refused = refused[: max(room - len(mine), room // 2)]
        mine = mine[max(0, len(mine) - (room - len(shown_refused))) :]
        for action in mine:
            told += sum(
                copy.is_asked and (copy.offset in picked or self._passes(action, copy.url, copy.code))
                for copy in action.copies
            )
            self._remember((action.event_name, action.copies[0].event_id or action.id))
        self._painted += len(mine) + len(shown_refused)
        more = max(0, n - told) + sum(one.n for one in refused[len(shown_refused) :])
        self._more += more
        if mine or gone or shown_refused or more:
            self.tell(
                News(
                    actions=mine,
                    gone=gone,
                    refused=shown_refused[::-1],
                    more=self._more if more else 0,
                    behind_s=behind_s,
                    cursor=cursor,
                ),
                len(mine) + more,
            )

    def tell(self, news: News, weight: int = 0) -> None:
        """Let it know, if it reads; else count what it misses."""
        if len(self._news) >= MOST_WAITING:
            self._missed += weight
            return
        self._news.append(news)
        self._woken.set()

    def end(self) -> None:
        """There is nothing more to come."""
        self.is_over = True
        self._woken.set()

    # What its stream does

    async def take(self, patience_s: float) -> list[News]:
        """What is new, as soon as there is something; [] after so long, and when it begins or ends."""
        if not self._news and not self._missed and not self.is_over:
            with suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    await self._woken.wait()
        self._woken.clear()
        taken = list(self._news)
        self._news.clear()
        if self._missed:
            taken.append(News(missed=self._missed))
            self._missed = 0
        return taken

    def _passes(self, action: SeenAction, url: str, code: str) -> bool:
        return Arrival("", 0, 0, 0, "", action.event_name, "", url, code).passes(self.watch.copies)

    def _room(self) -> int:
        second = int(self._now())
        if second != self._second:
            self._second, self._painted, self._more = second, 0, 0
        return max(0, ROWS_A_SECOND - self._painted)

    def _remember(self, key: tuple[str, str]) -> None:
        self._shown[key] = None
        self._shown.move_to_end(key)
        if len(self._shown) > MOST_SHOWN:
            self._shown.popitem(last=False)


def _key(one: Arrival) -> tuple[str, str]:
    """What copies of one action have in common, nearly always: enough to choose by."""
    return one.event_name, one.event_id or str(one.offset)


class Poller:
    """Looks at one dataset for all of its viewers, while there are any."""

    def __init__(self, feed: Feed, threads: ThreadPoolExecutor, now: Callable[[], float] = time.time) -> None:
        self.viewers: set[Viewer] = set()
        self.seen: dict[str, int] | None = None
        self._feed = feed
        self._threads = threads
        self._now = now
        self._waiting: set[Viewer] = set()
        self._since_us = 0
        self._task: asyncio.Task[None] | None = None

    def add(self, viewer: Viewer) -> None:
        """It is told of everything from the next look on."""
        self._waiting.add(viewer)
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def remove(self, viewer: Viewer) -> None:
        self._waiting.discard(viewer)
        self.viewers.discard(viewer)

    def close(self) -> None:
        for viewer in (*self.viewers, *self._waiting):
            viewer.end()
        if self._task is not None:
            self._task.cancel()

    @property
    def size(self) -> int:
        """How many look."""
        return len(self.viewers) + len(self._waiting)

    async def look(self) -> bool:
        """One look: whether anything came. What it could not find out it looks for again the next time."""
        looked_us = int(self._now() * 1e6)
        there, is_whole = await self._away(self._feed.frontier)
        if self.seen is None:
            self.seen, self._since_us = dict(there), looked_us - SLACK_US
        # Never back: a store that is built anew shows again what was seen.
        upto = {door: max(seq, self.seen.get(door, 0)) for door, seq in {**self.seen, **there}.items()}
        for viewer in self._waiting:
            viewer.begin(dict(self.seen))
        self.viewers |= self._waiting
        self._waiting.clear()
        came = upto != self.seen
        if came:
            await self._tell(dict(self.seen), upto)
        self.seen = upto
        if is_whole:
            self._since_us = max(self._since_us, looked_us - SLACK_US)
        return came

    async def _tell(self, after: Frontier, upto: Frontier) -> None:
        feed, since_us = self._feed, self._since_us
        viewers = tuple(self.viewers)
        wishes = {viewer.watch.copies for viewer in viewers}
        widest = wishes.pop() if len(wishes) == 1 else EVERYTHING
        found, tallied = await asyncio.gather(
            self._away(lambda: feed.arrived(after, upto, since_us, widest)),
            self._away(lambda: feed.tallied(after, upto, since_us)),
        )
        by_filter: dict[Filter, Found] = {widest: found}
        for wish in wishes - {widest}:
            if found.n > len(found.arrivals):  # what passes the filter may lie behind the newest of all
                by_filter[wish] = await self._away(partial(feed.arrived, after, upto, since_us, wish))
            else:
                passing = [one for one in found.arrivals if one.passes(wish)]
                by_filter[wish] = Found(passing, len(passing))
        wanted: dict[Offset, Arrival] = {}
        for viewer in viewers:
            arrivals = by_filter[viewer.watch.copies].arrivals
            wanted.update((one.offset, one) for one in viewer.pick(arrivals))
        actions: Sequence[SeenAction] = ()
        if wanted:
            actions = await self._away(lambda: feed.resolved(list(wanted.values()), upto))
        behind_s = max(0.0, self._now() - found.arrivals[0].received_us / 1e6) if found.arrivals else None
        for viewer in viewers:
            viewer.offer(actions, by_filter[viewer.watch.copies].n, tallied, upto, behind_s)

    async def _run(self) -> None:
        while self.size:
            began = time.monotonic()
            try:
                came = await self.look()
                pause = max(EVERY_S, SHARE * (time.monotonic() - began)) if came else IDLE_S
            except Exception:  # the store is away, or this is a fault: it is tried again, and nothing is passed over
                for viewer in (*self.viewers, *self._waiting):
                    viewer.tell(News(away=True))
                pause = AWAY_S
            await asyncio.sleep(pause)
        self._task = None

    async def _away(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


class Live:
    """The pollers of a server, and how many look."""

    def __init__(self, feed_of: Callable[[str], Feed], most: int = MOST_VIEWERS) -> None:
        self._feed_of = feed_of
        self._most = most
        self._pollers: dict[str, Poller] = {}
        self._threads = ThreadPoolExecutor(THREADS, "live")
        self._is_closed = False

    @asynccontextmanager
    async def watch(self, dataset: str, watch: Watch) -> AsyncIterator[Viewer]:
        """Look at a dataset. TooManyViewers when that cannot be."""
        if self._is_closed or self.size >= self._most:
            raise TooManyViewers
        viewer = Viewer(watch)
        poller = self._pollers.get(dataset)
        if poller is None:
            poller = self._pollers[dataset] = Poller(self._feed_of(dataset), self._threads)
        poller.add(viewer)
        try:
            yield viewer
        finally:
            poller.remove(viewer)
            if not poller.size and self._pollers.get(dataset) is poller:
                del self._pollers[dataset]

    @property
    def size(self) -> int:
        """How many look, at all datasets."""
        return sum(poller.size for poller in self._pollers.values())

    async def away(self, work: Callable[[], T]) -> T:
        """Blocking work of a stream, in the same few threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        """End all streams."""
        self._is_closed = True
        for poller in self._pollers.values():
            poller.close()
        self._threads.shutdown(wait=False, cancel_futures=True)
