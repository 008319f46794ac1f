"""Looks: what all checks last found of each dataset. A look costs seconds on large data, so its answer is kept.

Who asks gets the kept answer at once, however old, and a new look begins where it is older than REFRESH_S. One look of
a dataset is under way at a time, and one in the whole server: diagnostics never crowd out what people wait for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from truecount.manager.boxes import Box
    from truecount.measure.diagnostics.findings import Diagnosis

REFRESH_S: Final = 60.0
"""Age from which on an answer is looked for anew, when somebody asks."""
RETRY_S: Final = 5.0
"""How soon after a look that failed another one may begin."""


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """An answer with the moment that it is of, microseconds since 1970."""

    asked_us: int
    diagnosis: Diagnosis


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """What a page gets. `look` is the last answer, None while there is none; `failed` tells why the newest look gave
    none; `is_under_way` whether another one is being made.
    """

    look: Look | None
    failed: Box[Diagnosis] | None
    is_under_way: bool


class Looks:
    """The last answer of each dataset, of the version (kept.identity) that was asked about last. For one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "look")
        self._versions: dict[str, Hashable] = {}
        self._found: dict[str, Look] = {}
        self._ended_s: dict[str, float] = {}
        """When the last look of a dataset ended, by the clock."""
        self._failed: dict[str, Box[Diagnosis]] = {}
        self._under_way: dict[str, asyncio.Task[None]] = {}

    def kept(self, dataset: str, version: Hashable = None) -> Look | None:
        """The last answer of this version, without a question to anybody."""
        return self._found.get(dataset) if self._versions.get(dataset) == version else None

    async def get(
        self,
        dataset: str,
        make: Callable[[], Look],
        wait_s: float,
        as_box: Callable[[Exception], Box[Diagnosis]],
        version: Hashable = None,
    ) -> Looked:
        """The last answer; a new look begins beside it where it is old. Only for a first one it is waited, `wait_s`
        seconds at most.

        `make` runs in a thread; what it raises becomes a box by `as_box`. What was found of another `version` of the
        dataset is forgotten.
        """
        if self._versions.get(dataset) != version:
            self.forget(dataset)
            self._versions[dataset] = version
        task = self._under_way.get(dataset)
        if task is None and self._is_due(dataset):
            task = asyncio.create_task(self._look(dataset, make, as_box))
            self._under_way[dataset] = task
        if task is not None and dataset not in self._found:
            await asyncio.wait({task}, timeout=wait_s)
        return Looked(
            look=self._found.get(dataset),
            failed=self._failed.get(dataset),
            is_under_way=dataset in self._under_way,
        )

    def forget(self, dataset: str) -> None:
        """The dataset is gone, or another one: what was found of it is not told any more."""
        for kept in (self._found, self._failed, self._ended_s, self._versions):
            kept.pop(dataset, None)
        if dataset in self._under_way:
            self._under_way.pop(dataset).cancel()

    def close(self) -> None:
        for task in self._under_way.values():
            with suppress(RuntimeError):  # the loop has ended already, and the task with it
                task.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _is_due(self, dataset: str) -> bool:
        ended_s = self._ended_s.get(dataset)
        pause_s = RETRY_S if dataset in self._failed else REFRESH_S
        return ended_s is None or self._clock() - ended_s >= pause_s

    async def _look(
        self, dataset: str, make: Callable[[], Look], as_box: Callable[[Exception], Box[Diagnosis]]
    ) -> None:
        me = asyncio.current_task()
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._thread, make)
            if self._under_way.get(dataset) is me:
                self._found[dataset] = found
                self._failed.pop(dataset, None)
        except Exception as error:  # whatever it is, the page says it and the server goes on
            if self._under_way.get(dataset) is me:
                self._failed[dataset] = as_box(error)
        finally:
            if self._under_way.get(dataset) is me:
                self._ended_s[dataset] = self._clock()
                del self._under_way[dataset]
