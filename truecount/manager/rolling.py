"""Keeps the rolled-up counts of datasets with many copies: builds them beside everything else, brings them forward.

A page's question gets them by `of`, forward to now where that is done in no time, else as they are. A thread looks
after all datasets, so that no page waits for what nobody looked at for a day.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from truecount.datasets import CANARY_ID, Dataset
from truecount.manager.engine import EngineLink
from truecount.resolve.actions import Actions, Moment, moment_of
from truecount.resolve.scratch import Sql
from truecount.rolled.basis import Generation, discard, forget, generation_of, is_ahead
from truecount.rolled.keeping import MOST_OF_KEY_B, build, forward
from truecount.rolled.reading import Gone, Rolled
from truecount.store.client import Store
from truecount.store.errors import StoreDown, StoreError

TOO_MANY: Final = 3_000_000
"""With more copies a page does not even try to count in full before they are added up."""
ROUND_S: Final = 15.0
SHORTEST_S: Final = 0.5
"""Between two rounds, however much is asked for."""
PAUSES: Final = 2.0
"""What took long is done again after so many times as long: looking after counts never takes more than a third."""
IN_NO_TIME_S: Final = 1.0
"""A page waits for counts to come forward where the last time took no longer."""
IN_NO_TIME_SETTINGS: Final = {"max_execution_time": "5"}
LONG_S: Final = 60.0
"""What is taken for the time of a way forward that failed."""
BUILD_SETTINGS: Final = {"max_execution_time": "3600", "max_threads": "1"}
"""One core is left to the doors."""


class Building(Exception):
    """The counts of a dataset are being added up: `share` of it is done."""

    def __init__(self, share: float) -> None:
        super().__init__(f"{share:.0%}")
        self.share = share


class TooMixed(Exception):
    """So many copies lack an id that their counts cannot be added up."""


class Stopping(Exception):
    """The server ends."""


class _Kept:
    """What is known of one dataset's counts."""

    def __init__(self) -> None:
        self.mutex = threading.Lock()
        self.took_s = 0.0
        """The last way forward."""
        self.as_of_us = 0
        self.share: float | None = None
        """Of a build that is under way."""
        self.is_too_far = False
        """So much came that the counts are to be built anew."""
        self.is_too_mixed = False
        self.is_asked_for = False
        """A page showed counts that did not come forward."""
        self.paced_s = self.rests_s = 0.0
        """The thread leaves it alone so long: in any case, and while nobody asks."""


class Rolling:
    """The rolled-up counts of all datasets with `from_copies` copies or more. Thread-safe."""

    def __init__(self, link: EngineLink, datasets: Callable[[], list[Dataset]], from_copies: int) -> None:
        self._link = link
        self._datasets = datasets
        self._from_copies = from_copies
        self._kept: dict[str, _Kept] = {}
        self._mutex = threading.Lock()
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._said = ""
        self._sizes: dict[str, int] = {}
        self._sized_s = -ROUND_S
        self._thread: threading.Thread | None = None

    # What pages ask

    def of(self, dataset: Dataset, asking: Sql) -> tuple[Rolled, int] | None:
        """The counts, read by way of `asking`, and when they were looked at last, in microseconds since 1970.

        None: count in full. Where that would take too long: Building before they are there, TooMixed if they cannot be.
        """
        store = self._link.store()
        kept = self._of(dataset.id)
        try:
            rolled = Rolled(asking, dataset)
        except Gone:
            self._check_size(store, dataset, kept)
            return None
        if kept.is_too_mixed:
            raise TooMixed
        if kept.took_s > IN_NO_TIME_S:
            self._ask_for(kept)  # the thread goes forward, at its own pace, while somebody looks
        elif kept.mutex.acquire(timeout=IN_NO_TIME_S):
            try:
                if not self._go_forward(store.having(IN_NO_TIME_SETTINGS), dataset, kept):
                    self._check_size(store, dataset, kept)
                    return None
            except StoreError as error:  # the counts that are there are good, and say how old they are
                kept.took_s = LONG_S
                self._say(error)
            finally:
                kept.mutex.release()
        return rolled, kept.as_of_us or _newest_us(store, dataset, rolled)

    def _check_size(self, store: Store, dataset: Dataset, kept: _Kept) -> None:
        """Building or TooMixed where counting in full would take too long."""
        if _size(store, dataset.id) > max(TOO_MANY, self._from_copies):
            raise TooMixed if kept.is_too_mixed else Building(kept.share or 0.0) from None

    # The thread

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="rolling", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """What is under way is given up after its statement."""
        self._stopping.set()
        self._wake.set()

    def look(self) -> None:
        """Look after all datasets once: build what is missing, bring forward what is there, drop what nobody has."""
        store = self._link.store()
        datasets = {one.id: one for one in self._datasets()}
        if time.monotonic() - self._sized_s >= ROUND_S:
            self._size_up(store, datasets)
        for id, dataset in datasets.items():
            if self._sizes.get(id, 0) >= self._from_copies:
                self._keep(store.having(BUILD_SETTINGS), dataset)

    def _size_up(self, store: Store, datasets: Mapping[str, Dataset]) -> None:
        """How many copies each dataset has; the counts of those that are gone go."""
        self._sizes = {
            str(id): int(n)
            for id, n in store.query_rows(
                "SELECT toString(dataset), count() FROM copies WHERE dataset != {canary:String} GROUP BY dataset",
                {"canary": CANARY_ID},
            )
        }
        self._sized_s = time.monotonic()
        for (id,) in store.query_rows("SELECT DISTINCT toString(dataset) FROM rolled"):
            if str(id) not in datasets:
                forget(store, str(id))

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.look()
                self._said = ""
            except Stopping:
                return
            except StoreDown:
                pass  # it is started again by itself, and who starts it says so
            except Exception as error:  # the store is away, the disk full: the next round tries again
                self._say(error)
            self._stopping.wait(SHORTEST_S)
            self._wake.wait(ROUND_S)
            self._wake.clear()

    def _keep(self, store: Store, dataset: Dataset) -> None:
        kept = self._of(dataset.id)
        began = time.monotonic()
        if began < kept.paced_s or (began < kept.rests_s and not kept.is_asked_for):
            return
        kept.is_asked_for = False
        try:
            self._bring_up(store, dataset, kept)
        finally:
            now = time.monotonic()
            kept.paced_s = now + PAUSES * (now - began)

    def _bring_up(self, store: Store, dataset: Dataset, kept: _Kept) -> None:
        found = generation_of(store, dataset)
        if found is not None:
            forget(store, dataset.id, but=found.number)  # what a page's way forward left in one that was thrown away
        if found is not None and not kept.is_too_far:
            with kept.mutex:
                self._go_forward(store, dataset, kept)
        if found is None or kept.is_too_far:
            self._build(store, dataset, kept)

    def _build(self, store: Store, dataset: Dataset, kept: _Kept) -> None:
        def said(share: float) -> None:
            kept.share = share
            if self._stopping.is_set():
                raise Stopping

        began_us = time.time_ns() // 1000
        moment = moment_now(store, dataset)
        if moment is None:
            return
        kept.is_too_mixed = copies_of_key_b(store, dataset, moment) > MOST_OF_KEY_B
        if kept.is_too_mixed:
            return
        kept.share = 0.0
        try:
            # Without the mutex: the counts that are there can be read, and go forward, until the new ones are.
            build(store, dataset, moment, said=said)
            kept.as_of_us, kept.is_too_far, kept.took_s = began_us, False, 0.0
        finally:
            kept.share = None

    def _go_forward(self, store: Store, dataset: Dataset, kept: _Kept) -> bool:
        """Bring the counts forward, where they can be. False where they were wrong, and are gone."""
        began, began_us = time.monotonic(), time.time_ns() // 1000
        found = generation_of(store, dataset)
        moment = moment_now(store, dataset)
        if found is None or moment is None:
            return True  # the engine was started again and does not say yet how far it is
        if not is_ahead(moment, found.moment):
            return self._throw_away(store, dataset, kept, found)
        if moment != found.moment:
            kept.is_too_far = forward(store, dataset, found, moment) is None
            if kept.is_too_far:
                self._ask_for(kept)
                return True
            kept.took_s = time.monotonic() - began
            made = generation_of(store, dataset)
            if made is not None and made.number == found.number and not is_ahead(moment, made.moment):
                return self._throw_away(store, dataset, kept, made)
        kept.as_of_us = began_us
        kept.rests_s = time.monotonic() + ROUND_S / 2
        return True

    def _throw_away(self, store: Store, dataset: Dataset, kept: _Kept, found: Generation) -> bool:
        """Counts whose moment lies ahead of the log: sums were written twice, by a request that was sent again, or the
        log lost its end. They would stand still until the log is there, and be wrong after that. False.
        """
        discard(store, dataset.id, found.number)
        kept.is_too_far = True
        self._ask_for(kept)
        print(
            f"manager: rolled-up counts of dataset {dataset.id} were ahead of its log: they are added up anew",
            file=sys.stderr,
            flush=True,
        )
        return False

    def _ask_for(self, kept: _Kept) -> None:
        kept.is_asked_for = True
        self._wake.set()

    def _of(self, id: str) -> _Kept:
        with self._mutex:
            return self._kept.setdefault(id, _Kept())

    def _say(self, error: Exception) -> None:
        """Once, and without the engine's words, which may show data."""
        text = str(error) if isinstance(error, StoreError) and not hasattr(error, "code") else type(error).__name__
        if text != self._said:
            self._said = text
            print(f"manager: rolled-up counts wait: {text}", file=sys.stderr, flush=True)


def copies_of_key_b(store: Store, dataset: Dataset, moment: Moment) -> int:
    """Copies of the events that key B could merge something of."""
    with Actions(store, dataset, moment=moment) as actions:
        names = actions.names_of_key_b()
        return sum(row.n for row in actions.profile if row.event_name in names)


def moment_now(store: Store, dataset: Dataset) -> Moment | None:
    """How far the store is: entries that are there as a whole, whatever the loader is about.

    None while what was there before the dataset was deleted and made again may still be there, and while the loader has
    not looked yet what is there of its last batch: the newest entry of a door may be there in part.
    """
    loader = store.state()["loader"]
    if loader is not None and not loader["recovered"]:
        return None
    moment: Moment = dict(loader["doors"]) if loader is not None else moment_of(store, dataset)
    if not dataset.created_us:
        return moment
    rows = store.query_rows(
        "SELECT toString(door), seq FROM settings WHERE dataset = {dataset:String} AND created_us = {created:Int64} "
        "AND NOT deleted ORDER BY changed_us, door, seq LIMIT 1",
        {"dataset": dataset.id, "created": dataset.created_us},
    )
    return moment if rows and moment.get(str(rows[0][0]), 0) >= int(rows[0][1]) else None


def _size(store: Store, id: str) -> int:
    rows = store.query_rows("SELECT count() FROM copies WHERE dataset = {dataset:String}", {"dataset": id})
    return int(rows[0][0])


def _newest_us(store: Store, dataset: Dataset, rolled: Rolled) -> int:
    """The receipt of the newest copy that the counts have."""
    rows = store.query_rows(
        "SELECT max(last_us) FROM rolled WHERE dataset = {dataset:String} AND generation = {generation:UInt64} "
        "AND kind = 'copy' AND step_ms = 900000",
        {"dataset": dataset.id, "generation": rolled.generation},
    )
    return int(rows[0][0])
