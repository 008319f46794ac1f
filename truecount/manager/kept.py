"""Answers that are kept for a moment, so that many viewers of one page are one question to the store."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Final, TypeVar, cast

import msgspec

from truecount.datasets import Dataset

SHORTEST_S: Final = 1.0
"""How long an answer is kept at least."""
TIMES: Final = 3.0
"""An answer that took long is kept for this many times as long: the store never works for pages alone."""
OLDEST_S: Final = 60.0
"""What nobody asked for so long is not shown any more as the latest."""
MOST: Final = 256
"""Answers that are kept."""
MOST_ROWS: Final = 100_000
"""Rows of all of them together. A period of ten thousand event names has so many, beside those of the period before."""
T = TypeVar("T")


def identity(dataset: Dataset) -> tuple[Hashable, ...]:
    """What answers about a dataset are kept by: one that is deleted and made again, or counted by other settings, is
    another one.
    """
    return dataset.id, dataset.created_us, dataset.settings


class Kept:
    """Answers by key. One question is under way at a time for a key; who comes meanwhile waits for its answer."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._found: OrderedDict[Hashable, tuple[float, Any, int]] = OrderedDict()
        """Key -> (good until, answer, its rows)."""
        self.rows = 0
        self._under_way: dict[Hashable, asyncio.Task[Any]] = {}

    async def get(
        self, key: Hashable, make: Callable[[], Awaitable[T]], *, keep: Callable[[T], bool] = lambda _: True
    ) -> T:
        """The answer for a key: one that is kept, one that is being made, or a new one.

        `keep` says whether an answer may be kept: a failure should be asked again. An error is raised for all who wait.
        """
        held = self._found.get(key)
        if held is not None and self._clock() < held[0]:
            return cast("T", held[1])
        # One viewer who leaves does not take the answer from the others.
        return cast("T", await asyncio.shield(self._begin(key, make, keep)))

    async def latest(
        self,
        key: Hashable,
        make: Callable[[], Awaitable[T]],
        renew_s: float,
        *,
        keep: Callable[[T], bool] = lambda _: True,
    ) -> T:
        """The last answer at once; one older than `renew_s` is made anew beside it. The first is waited for, and so is
        one after OLDEST_S.
        """
        held = self._found.get(key)
        if held is None or self._clock() >= held[0] + OLDEST_S:
            return await self.get(key, make, keep=keep)
        self._found.move_to_end(key)
        if self._clock() >= held[0] - SHORTEST_S + renew_s:
            self._begin(key, make, keep)
        return cast("T", held[1])

    def _begin(self, key: Hashable, make: Callable[[], Awaitable[T]], keep: Callable[[T], bool]) -> asyncio.Task[Any]:
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(self._make(key, make, keep))
            self._under_way[key] = task
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        return task

    async def _make(self, key: Hashable, make: Callable[[], Awaitable[T]], keep: Callable[[T], bool]) -> T:
        began = self._clock()
        made = await make()
        now = self._clock()
        if keep(made):
            self._drop(key)
            rows = _rows(made)
            self._found[key] = (now + max(SHORTEST_S, TIMES * (now - began)), made, rows)
            self.rows += rows
            for old in [old for old, held in self._found.items() if now >= held[0] + OLDEST_S]:
                self._drop(old)
            while len(self._found) > MOST or (self.rows > MOST_ROWS and len(self._found) > 1):
                self._drop(next(iter(self._found)))
        return made

    def _drop(self, key: Hashable) -> None:
        _, _, rows = self._found.pop(key, (0.0, None, 0))
        self.rows -= rows


def _rows(answer: Any) -> int:
    """How many rows an answer has, roughly: the entries of its lists. Of what is in them nothing is looked at."""
    if isinstance(answer, list | dict):
        return len(answer)
    if isinstance(answer, msgspec.Struct):
        return sum(_rows(getattr(answer, name)) for name in answer.__struct_fields__)
    return sum(map(_rows, answer)) if isinstance(answer, tuple) else 0
