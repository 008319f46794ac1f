"""The shop's traffic: reports leave when due, chains in order; a deed enters the books when all of it is answered."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

from truecount.simulate.books import Books
from truecount.simulate.brewbeans import Deed, How, Report, Visit
from truecount.simulate.hits import NotSent, TryAgain

WORKERS: Final = 8
MAX_TRIES: Final = 60
AGAIN_S: Final = 0.5


class Sender(Protocol):
    def send(self, report: Report) -> None: ...


class Traffic:
    """Plays visits against two senders. `run` blocks; `snapshot` may be asked from another thread meanwhile."""

    def __init__(self, visits: Iterator[Visit], hits: Sender, events: Sender) -> None:
        self.books = Books()
        self.troubles: list[str] = []
        """What went wrong, in sentences; a deed with trouble stays out of the books."""
        self.visitors = 0
        self._visits = visits
        self._hits, self._events = hits, events
        self._lock = threading.Condition()
        self._due: list[tuple[float, int, deque[Report]]] = []
        self._number = itertools.count()
        self._left: dict[int, int] = {}
        self._open_orders = 0
        self._flying = 0

    def under_way(self) -> int:
        """Number of orders whose reports are not all answered yet."""
        with self._lock:
            return self._open_orders

    def run(self, stop: Callable[[], bool], hurry: bool = False) -> None:
        """Play until `stop()`, then send at once what is still to come and wait for each answer.

        With `hurry` nothing waits for its time at all: order within a chain is kept, delays are not.
        """
        opened = time.monotonic()
        coming = next(self._visits, None)
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="brewbeans") as pool:
            while True:
                ending = stop() or coming is None
                now = time.monotonic() - opened
                while coming is not None and not ending and (hurry or coming.at_ms <= now * 1000):
                    self._arrive(coming)
                    coming = next(self._visits, None)
                    ending = stop()
                with self._lock:
                    while self._due and (ending or hurry or self._due[0][0] <= now):
                        chain = heapq.heappop(self._due)[2]
                        self._flying += 1
                        pool.submit(self._send, chain, opened)
                    if ending and not self._due and not self._flying:
                        return
                    self._lock.wait(0.02)

    def _arrive(self, visit: Visit) -> None:
        with self._lock:
            self.visitors += 1
            for deed in visit.deeds:
                self._left[id(deed)] = deed.browser + deed.server
                self._open_orders += bool(deed.order)
            for chain in visit.chains:
                due = (chain[0].deed.at_ms + chain[0].after_ms) / 1000
                heapq.heappush(self._due, (due, next(self._number), deque(chain)))

    def _send(self, chain: deque[Report], opened: float) -> None:
        report = chain.popleft()
        sender = self._events if report.how is How.SERVER else self._hits
        trouble = ""
        for _ in range(MAX_TRIES):
            try:
                sender.send(report)
            except TryAgain:
                trouble = "the door answered 503 for half a minute"
                time.sleep(AGAIN_S)
                continue
            except NotSent as error:
                trouble = str(error)
            except Exception as error:
                trouble = f"{type(error).__name__} while sending a {report.deed.name}"
            else:
                trouble = ""
            break
        with self._lock:
            self._flying -= 1
            if trouble:
                self.troubles.append(trouble)
            else:
                self._answered(report.deed)
            if chain:
                due = time.monotonic() - opened + chain[0].after_ms / 1000
                heapq.heappush(self._due, (due, next(self._number), chain))
            self._lock.notify()

    def _answered(self, deed: Deed) -> None:
        left = self._left[id(deed)] - 1
        if left:
            self._left[id(deed)] = left
            return
        del self._left[id(deed)]
        self._open_orders -= bool(deed.order)
        self.books.add(deed)
