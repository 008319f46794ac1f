"""The loader: entries of the log into the store, each exactly once, in batches.

At start, and whenever something failed on the way, what is missing of each door's last batch is inserted (batches.py
has how). Earlier ones are whole: the next one of a door is written down only after the rows of this one were counted.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import Final, Protocol, TypeVar

import msgspec

from truecount.log.entries import Stored
from truecount.log.errors import LogError

from .batches import WAITS_S, Batches, Stopped, Tables, say
from .errors import StoreRefused

T = TypeVar("T")
BATCH_ROWS: Final = 50_000
PAUSE_S: Final = 0.2
"""Time between two batches when little comes: each is a part that the store has to merge."""
LOOK_S: Final = 0.05
"""Time until it is looked again whether anything came."""
READ_BYTES: Final = 8 * 1024 * 1024
HOLD_S: Final = 5.0
"""A door whose log cannot be read is tried again after so long."""


class Log(Protocol):
    """What the loader needs of a log."""

    def doors(self) -> list[str]: ...
    def read(
        self, door: str, after_seq: int = 0, limit_bytes: int = READ_BYTES, kinds: Collection[int] | None = None
    ) -> list[Stored]: ...
    def last_seq(self, door: str) -> int: ...


class LoaderState(msgspec.Struct, frozen=True):
    """How far the loader is. `lag_us`: all that was in the log so long ago is visible now."""

    doors: dict[str, int]
    lag_us: int
    set_aside: int
    copies: int
    batches: int
    recovered: bool
    caught_up: bool
    error: str


class Loader:
    """Loads a log into an engine, in a thread of its own (`start`, `stop`) or step by step (`recover`, `step`)."""

    def __init__(
        self,
        engine: Tables,
        log: Log,
        *,
        pause_s: float = PAUSE_S,
        batch_rows: int = BATCH_ROWS,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._log = log
        self._pause_s = pause_s
        self._batch_rows = batch_rows
        self._clock = clock
        self._positions: dict[str, int] = {}
        self._read: dict[str, int] = {}
        self._ahead: dict[str, deque[Stored]] = {}
        self._batch = 0
        self._current_us = clock() // 1000
        self._more = False
        self._caught_up = False
        self._recovered = False
        self._held: dict[str, float] = {}
        self._troubles: dict[str, str] = {}
        self._earlier: dict[str, str] = {}
        self._said: dict[str, str] = {}
        self._stopping = threading.Event()
        self._batches = Batches(engine, self._stopping)
        self._wake = threading.Event()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    # What others ask

    def state(self) -> LoaderState:
        """A picture of now."""
        with self._changed:
            return LoaderState(
                dict(self._positions),
                max(0, self._clock() // 1000 - self._current_us),
                self._batches.totals.get("set_aside", 0),
                self._batches.totals.get("copies", 0),
                self._batch,
                self._recovered,
                self._caught_up,
                self._batches.error or next(iter((self._troubles or self._earlier).values()), ""),
            )

    def wait(self, needed: Mapping[str, int], timeout_s: float) -> bool:
        """Wait until each door named is loaded so far; nothing needed: until all is loaded that is there now."""
        self._wake.set()
        asked_us = self._clock() // 1000

        def there() -> bool:
            if not needed:
                return self._recovered and self._caught_up and self._current_us >= asked_us
            return self._recovered and all(self._positions.get(door, 0) >= seq for door, seq in needed.items())

        with self._changed:
            return self._changed.wait_for(there, timeout_s)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="loader", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Let the batch at hand end, at most so long. What is not loaded then is loaded at the next start."""
        self._stopping.set()
        self._wake.set()
        if self._thread:
            self._thread.join(timeout_s)

    # One step

    def recover(self) -> None:
        """Find out how far the store is, and fill in what is missing of each door's last batch.

        StoreRefused when the store is ahead of the log. A door whose log cannot be read is held back, the others go on.
        """
        found = self._batches.read()
        self._held.clear()
        # What is tried again is no trouble less until a step has shown it.
        self._earlier, self._troubles = self._troubles or self._earlier, {}
        for door, _, _, last in found:
            # Else entries that get these numbers again would be taken for loaded ones, without a word.
            there = self._readable(door, lambda door=door: self._log.last_seq(door))  # type: ignore[misc]
            if there is not None and there < last:
                raise StoreRefused(
                    f"the store holds entries up to {last} of door {door}, the log ends at {there}: put the missing "
                    "files of the log back, or delete the store folder, and it is rebuilt without them"
                )
        self._ahead.clear()
        self._batch = max((batch for _, batch, _, _ in found), default=0)
        entries: list[Stored] = []
        for door, _, first, last in found:
            if door not in self._held:
                entries += self._readable(door, lambda span=(door, first, last): self._entries_between(*span)) or []  # type: ignore[misc]
        self._learn()
        if entries:
            self._batches.load(entries, fresh=False)
        with self._changed:
            self._positions = {door: last for door, _, _, last in found}
            self._read = dict(self._positions)
            self._recovered = True
            self._changed.notify_all()

    def step(self) -> int:
        """Load one batch. Returns the number of items in it; 0 when nothing is there."""
        if any(time.monotonic() - since > HOLD_S for since in self._held.values()):
            self.recover()
        looked_us = self._clock() // 1000
        entries, self._more = self._gather()
        items = sum(entry.n for entry in entries)
        if entries:
            self._learn()
            self._batch += 1
            self._batches.write_down(self._batch, entries)
            self._batches.load(entries, fresh=True)
        with self._changed:
            for entry in entries:
                self._positions[entry.door] = entry.seq
            self._caught_up = not self._more and not self._troubles
            self._earlier = {}
            self._batches.error = ""  # what failed before is done
            if self._caught_up:
                self._current_us = looked_us
            self._changed.notify_all()
        return items

    # The thread

    def _run(self) -> None:
        failed = 0
        while not self._stopping.is_set():
            try:
                began = time.monotonic()
                if not self._recovered:
                    self.recover()
                came = self.step()
                failed = 0
                pause = self._pause_s if came else min(LOOK_S, self._pause_s)
                pause = 0.0 if self._more else max(0.0, began + pause - time.monotonic())
            except Stopped:
                return
            except Exception as error:
                # Whatever it was, what is in the store is not known any more: recover finds out, and goes on.
                self._batches.note(error)
                self._recovered = False
                pause = WAITS_S[min(failed, len(WAITS_S) - 1)]
                failed += 1
            if pause:
                self._wake.wait(pause)
                self._wake.clear()

    def _gather(self) -> tuple[list[Stored], bool]:
        """The next entries of all doors, at most a batch of them; whether more are there."""
        chosen: list[Stored] = []
        room = self._batch_rows
        more = False
        doors = self._log.doors()
        turn = self._batch % len(doors) if doors else 0
        for door in (
            doors[turn:] + doors[:turn]
        ):  # another one first each time: a backlog of one delays no other for long
            if door in self._held:
                continue
            ahead = self._ahead.setdefault(door, deque())
            while room > 0:
                if not ahead:
                    after = self._read.get(door, 0)
                    read = lambda door=door, after=after: self._log.read(door, after, READ_BYTES)  # noqa: E731
                    ahead.extend(self._readable(door, read) or ())
                    if not ahead:
                        break
                    self._read[door] = ahead[-1].seq
                entry = ahead.popleft()
                chosen.append(entry)
                room -= entry.n
            more = more or room <= 0
        return chosen, more

    def _learn(self) -> None:
        """Learn what was deleted, from all settings in the log, however far they are loaded.

        It comes after reading what is to be loaded: what made a dataset was written before anything came for it, so
        it is known by then.
        """

        for door in self._log.doors():
            if door not in self._held:
                self._readable(door, lambda door=door: self._batches.deletions.follow(self._log, door))  # type: ignore[misc]

    def _readable(self, door: str, read: Callable[[], T]) -> T | None:
        """What reading a door's log gives. None when it cannot be read: that is said, the door is tried again later."""
        try:
            return read()
        except (LogError, OSError) as error:
            self._held[door] = time.monotonic()
            text = f"{type(error).__name__}: {error}"[:1000]
            if self._said.get(door) != text:
                self._said[door] = text
                say(text)
            self._troubles[door] = text
            return None

    def _entries_between(self, door: str, first: int, last: int) -> list[Stored]:
        entries: list[Stored] = []
        after = first - 1
        while after < last:
            found = self._log.read(door, after, READ_BYTES)
            if not found:
                raise LogError(f"entries {after + 1} to {last} of door {door} are in the store but not in the log")
            entries += [entry for entry in found if entry.seq <= last]
            after = found[-1].seq
        return entries
