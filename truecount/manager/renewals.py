"""Renewals: answers that are made anew when something new is visible, once for all who look at them.

A page that asks every so often is late by half of that, and fifty of them are fifty requests through a door. Here one
task watches how far the store is while anybody looks, and each answer that is looked at is made once and told to all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Generic, TypeVar, cast

WATCH_S: Final = 0.05
"""How often is looked how far the store is: a question that costs it next to nothing."""
AWAY_S: Final = 1.0
"""The same while it does not answer."""
SHORTEST_S: Final = 0.1
"""Between two answers."""
SHARE: Final = 0.5
"""An answer that takes long makes a pause so many times as long: looking never takes more than two thirds of what one
question can take of the engine."""
LONGEST_S: Final = 10.0
"""An answer is made anew after so long though nothing came: its period goes on."""
MOST_FOLLOWERS: Final = 100
T = TypeVar("T")


class TooManyFollowers(Exception):
    """So many look already."""


class Follower(Generic[T]):
    """One who looks at an answer."""

    def __init__(self) -> None:
        self.is_over = False
        self._answer: T | None = None
        self._woken = asyncio.Event()

    def tell(self, answer: T) -> None:
        """The newest one: who did not read those before gets this alone."""
        self._answer = answer
        self._woken.set()

    def end(self) -> None:
        self.is_over = True
        self._woken.set()

    async def take(self, patience_s: float) -> T | None:
        """The newest answer as soon as there is one that was not taken yet; None after so long, or at the end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._woken.wait()
        self._woken.clear()
        answer, self._answer = self._answer, None
        return answer


class _Renewal:
    """One answer, and those who follow it."""

    def __init__(self, make: Callable[[], Awaitable[Any]]) -> None:
        self.make = make
        self.followers: set[Follower[Any]] = set()
        self.is_due = asyncio.Event()
        self.last: Any = None
        self.task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LONGEST_S):
                    await self.is_due.wait()
            self.is_due.clear()
            began = time.monotonic()
            with suppress(Exception):  # what can go wrong is in the answer; a fault of ours is no reason to end
                self.last = await self.make()
                for follower in self.followers:
                    follower.tell(self.last)
            await asyncio.sleep(max(SHORTEST_S, SHARE * (time.monotonic() - began)))


class Renewals:
    """The answers that are looked at. `visible` tells how far the store is; it blocks, and raises while it is away."""

    def __init__(self, visible: Callable[[], Any], most: int = MOST_FOLLOWERS) -> None:
        self._visible = visible
        self._most = most
        self._renewals: dict[Hashable, _Renewal] = {}
        self._thread = ThreadPoolExecutor(1, "renewals")
        self._watching: asyncio.Task[None] | None = None
        self._is_closed = False

    @asynccontextmanager
    async def follow(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> AsyncIterator[Follower[T]]:
        """Follow the answer of a key; `make` makes it where nobody follows it yet. TooManyFollowers."""
        if self._is_closed or self.size >= self._most:
            raise TooManyFollowers
        follower: Follower[T] = Follower()
        renewal = self._renewals.get(key)
        if renewal is None:
            renewal = self._renewals[key] = _Renewal(make)
            renewal.is_due.set()
            renewal.task = asyncio.create_task(renewal.run())
        elif renewal.last is not None:
            follower.tell(cast("T", renewal.last))
        renewal.followers.add(follower)
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())
        try:
            yield follower
        finally:
            renewal.followers.discard(follower)
            if not renewal.followers and self._renewals.get(key) is renewal:
                del self._renewals[key]
                if renewal.task:
                    renewal.task.cancel()

    @property
    def size(self) -> int:
        """How many look."""
        return sum(len(renewal.followers) for renewal in self._renewals.values())

    async def _watch(self) -> None:
        seen: Any = None
        loop = asyncio.get_running_loop()
        while self._renewals:
            pause = WATCH_S
            try:
                there = await loop.run_in_executor(self._thread, self._visible)
            except Exception:  # the store is away: the answers say so
                there, pause = None, AWAY_S
            if there is None or there != seen:
                seen = there
                for renewal in self._renewals.values():
                    renewal.is_due.set()
            await asyncio.sleep(pause)
        self._watching = None

    def close(self) -> None:
        """End all streams."""
        self._is_closed = True
        for renewal in self._renewals.values():
            for follower in renewal.followers:
                follower.end()
            if renewal.task:
                renewal.task.cancel()
        if self._watching is not None:
            self._watching.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)
