"""Group commit: all requests that wait become one transaction, and are answered when it is on disk.

Every answer of a collecting door goes through here, errors too, so that pipelined answers keep their order. A commit
runs in the loop while it is small and the disk quick, else in a thread, while the loop goes on reading.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from truecount.collect.answers import Answers
from truecount.collect.metrics import BROWSER, SERVER, Counters
from truecount.collect.request import Receiver, Request
from truecount.log.entries import Entry, Tally, copies_entry, tallies_entry
from truecount.log.errors import LogFull
from truecount.log.writer import LogWriter
from truecount.vocabulary import Outcome, Reason

INLINE_BYTES: Final = 128 * 1024
"""Commits up to this size run in the loop, as those of hits do: a thread costs two hand-overs and the lock of the
interpreter. For larger ones it pays, since it compresses and writes beside the loop."""
SLOW_COMMIT_S: Final = 0.02
"""Where commits take longer than this on average, the thread takes them, and the loop is free meanwhile."""
HIT_BYTES: Final = 600
"""What a hit that waits counts for in the queue: about what one holds in memory."""

TURN_BYTES: Final = 512 * 1024
"""What is put together in one go, as it counts for the queue (a packed hit with what it may unpack to): hits that are
much work, or much to keep, hold the loop and fill a log entry no longer than others do."""
ANSWER_BYTES: Final = 200
"""What an answer that waits counts for."""

log: Final = logging.getLogger("truecount.collect")

Private = tuple[str, str]
"""Full address and user agent of a copy."""


class HitKept(msgspec.Struct, gc=False):
    """A hit that is among those of a `HitsKept`."""


KEPT: Final = HitKept()


class HitsKept(msgspec.Struct, gc=False):
    """Hits to be kept: a packed part of n copies."""

    n: int
    part: bytes
    private: list[Private | None]
    received_us: int
    is_canary: bool = False
    """Of the server's own test: stored and answered as others are, and counted nowhere."""


class HitRefused(msgspec.Struct, gc=False):
    """A hit that is not kept. `dataset` is "" where it is not known: such hits count in the metrics alone."""

    dataset: str
    reason: Reason
    event_name: str = ""


class EventsKept(msgspec.Struct, gc=False):
    """A server request to be kept whole: its packed parts of n copies in all, and what consent withheld of it."""

    n: int
    size: int
    parts: list[bytes]
    private: list[Private | None] | None
    withheld: list[Tally]
    is_canary: bool = False


class EventsRefused(msgspec.Struct, gc=False):
    """A server request that is refused whole: n events, with the tallies to be written (none for an unknown token)."""

    n: int
    reason: Reason
    tallies: list[Tally]


Payload = HitKept | HitRefused | EventsKept | EventsRefused
Waiting = tuple[Receiver, bytes, Payload | Request | None]
"""Whom an answer goes to, the answer, and what has to be on disk before; or a hit that is still to be judged, whose
answer is not known yet."""


class Judged(msgspec.Struct, gc=False):
    """What the browser door decided of the hits of a turn: an answer and a payload for each, and the copies to keep."""

    answers: list[bytes]
    payloads: list[Payload | None]
    kept: list[HitsKept]


class _Batch(msgspec.Struct, gc=False):
    """One transaction in the making, and whom it answers."""

    receivers: list[Receiver]
    answers: list[bytes]
    payloads: list[Payload | None]
    others: list[Payload]
    """Payloads but those of hits that are kept, which need no look each."""
    hits: int
    """Hits that are kept, but for canaries."""
    entries: list[Entry]
    private: bytes | None
    size: int
    first_us: int
    last_us: int
    tallies: list[Tally]
    seconds: float = 0.0
    error: Exception | None = None


class Batcher:
    """Collects what is decided within one turn of the loop, commits it, answers it.

    `begin_turn` is called at the first request of a turn. Where more than `queue_bytes` wait, `is_full` is true, and
    the doors answer 503 at once.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        writer: LogWriter,
        answers: Answers,
        counters: Counters,
        *,
        queue_bytes: int,
        judge: Callable[[Sequence[Request]], Judged],
    ) -> None:
        self._loop = loop
        self._writer = writer
        self._answers = answers
        self._counters = counters
        self._queue_bytes = queue_bytes
        self._judge = judge
        self.waiters: list[Waiting] = []
        self._sizes: list[int] = []
        self.waiting_bytes = 0
        self.scheduled = False
        self._committing_bytes = 0
        self._committing = 0
        self._mean_s = 0.0
        self._hits_refused: dict[tuple[str, Outcome, Reason, str], int] = {}
        self._tallies_due = False
        self._jobs: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._said_full = 0.0

    # What doors call

    def begin_turn(self) -> None:
        """See to it that what is handed in is committed at the end of this turn of the loop."""
        if not self.scheduled:
            self.scheduled = True
            self._loop.call_soon(self.flush)

    def hand_in(
        self, receiver: Receiver, answer: bytes, payload: Payload | Request | None, size: int = ANSWER_BYTES
    ) -> None:
        """An answer to be sent once the payload is on disk. `size` is what it holds in memory, for the bound."""
        self.waiters.append((receiver, answer, payload))
        self._sizes.append(size)
        self.waiting_bytes += size
        if not self.scheduled:
            self.begin_turn()

    @property
    def is_full(self) -> bool:
        """Whether more waits than is allowed."""
        return self.waiting_bytes + self._committing_bytes > self._queue_bytes

    @property
    def queued_bytes(self) -> int:
        return self.waiting_bytes + self._committing_bytes

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits, not even a tally."""
        return not (self.waiters or self._committing or self._hits_refused)

    def write_tallies(self) -> None:
        """Write what was refused of hits since the last call. Once a second, and at the end."""
        if self._hits_refused:
            self._tallies_due = True
            self.begin_turn()

    # The commit

    def flush(self) -> None:
        """Commit all that waits. While a thread commits, what comes meanwhile waits for the next round."""
        self.scheduled = False
        if self._committing or not (self.waiters or self._tallies_due):
            return
        waiting, size = self._next()
        try:
            batch = self._make(waiting)
        except Exception as error:
            self._give_up(waiting, error)
            return
        if not batch.entries:
            self._finish(batch)
        elif batch.size <= INLINE_BYTES and self._mean_s <= SLOW_COMMIT_S:
            self._commit(batch)
            self._finish(batch)
        else:
            self._committing = len(waiting) or 1
            self._committing_bytes = size
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
                self._thread.start()
            self._jobs.put(batch)

    def _next(self) -> tuple[list[Waiting], int]:
        """What is put together now, and its size; the rest waits for another turn of the loop."""
        size = self.waiting_bytes
        if size <= TURN_BYTES:
            waiting, self.waiters = self.waiters, []
            self._sizes = []
        else:
            n = size = work = 0
            for (_, _, payload), one in zip(self.waiters, self._sizes, strict=True):
                work += one if type(payload) is Request else 0  # what the server door hands in is worked through
                if n and work > TURN_BYTES:
                    break
                size += one
                n += 1
            waiting, self.waiters = self.waiters[:n], self.waiters[n:]
            self._sizes = self._sizes[n:]
            if self.waiters:
                self.begin_turn()
        self.waiting_bytes -= size
        return waiting, size

    def _give_up(self, waiting: list[Waiting], error: Exception) -> None:
        """A fault of ours (no memory, most likely): nothing of this turn is stored, and everybody is told so."""
        log.error("what waits could not be put together: %s", type(error).__name__)
        hits = events = 0
        answers = []
        for _, answer, payload in waiting:
            if type(payload) is Request:
                hits += 1
                answer = self._answers.hit_unavailable
            elif isinstance(payload, EventsKept):
                events += payload.n + sum(tally.n for tally in payload.withheld)
                answer = self._answers.server_unavailable
            elif isinstance(payload, EventsRefused):
                events += payload.n
                answer = self._answers.server_unavailable
            answers.append(answer)
        self._counters.take(BROWSER, unavailable=hits)
        self._counters.take(SERVER, unavailable=events)
        _answer([receiver for receiver, _, _ in waiting], answers)

    def _decide(self, waiting: list[Waiting]) -> tuple[list[bytes], list[Payload | None], list[HitsKept]]:
        """Have the hits among what waits judged. Answers and payloads keep the order."""
        requests = [payload for _, _, payload in waiting if type(payload) is Request]
        if not requests:
            return [answer for _, answer, _ in waiting], [payload for _, _, payload in waiting], []  # type: ignore[misc]
        judged = self._judge(requests)
        if len(requests) == len(waiting):
            return judged.answers, judged.payloads, judged.kept
        decided = iter(zip(judged.answers, judged.payloads, strict=True))
        both = [next(decided) if type(payload) is Request else (answer, payload) for _, answer, payload in waiting]
        return [answer for answer, _ in both], [payload for _, payload in both], judged.kept  # type: ignore[misc]

    def _make(self, waiting: list[Waiting]) -> _Batch:
        answers, payloads, hits = self._decide(waiting)
        others = [payload for payload in payloads if payload is not KEPT and payload is not None]
        now_us = self._writer.now_us()
        first_us = min([now_us, *(kept.received_us for kept in hits)])
        parts = [kept.part for kept in hits]
        n = sum(kept.n for kept in hits)
        n_hits = n - sum(kept.n for kept in hits if kept.is_canary)
        private: list[Private | None] = [one for kept in hits for one in kept.private]
        tallies: list[Tally] = []
        for payload in others:
            if isinstance(payload, EventsKept):
                tallies.extend(payload.withheld)
                if payload.n:
                    parts.extend(payload.parts)
                    private.extend(payload.private or [None] * payload.n)
                    n += payload.n
            elif isinstance(payload, EventsRefused):
                tallies.extend(payload.tallies)
        if self._tallies_due:
            self._tallies_due = False
            tallies.extend(
                Tally(dataset, "browser", outcome, reason, count, now_us, name)
                for (dataset, outcome, reason, name), count in self._hits_refused.items()
            )
            self._hits_refused = {}
        entries: list[Entry] = []
        packed_private: bytes | None = None
        if n:
            entries.append(copies_entry(n, parts))
            if any(private):
                packed_private = _encode(private)
        if tallies:
            entries.append(tallies_entry(tallies))
            first_us = min(first_us, *(tally.received_us for tally in tallies))
        size = sum(len(entry.body) for entry in entries)
        receivers = [receiver for receiver, _, _ in waiting]
        return _Batch(
            receivers, answers, payloads, others, n_hits, entries, packed_private, size, first_us, now_us, tallies
        )

    def _commit(self, batch: _Batch) -> None:
        start = time.perf_counter()
        try:
            self._writer.append(batch.entries, batch.private, first_us=batch.first_us, last_us=batch.last_us)
        except Exception as error:
            batch.error = error
        batch.seconds = time.perf_counter() - start

    def _run(self) -> None:
        while (batch := self._jobs.get()) is not None:
            self._commit(batch)
            try:
                self._loop.call_soon_threadsafe(self._committed, batch)
            except RuntimeError:  # the loop is closed: the process ends
                return

    def _committed(self, batch: _Batch) -> None:
        self._finish(batch)  # before anything newer is decided: the next batch may be answered at once
        self._committing = self._committing_bytes = 0
        self.flush()

    # The answers

    def _finish(self, batch: _Batch) -> None:
        if batch.entries:
            self._mean_s += (batch.seconds - self._mean_s) / 8
            counters = self._counters
            counters.add("truecount_commits_total")
            counters.add("truecount_commit_nanoseconds_total", int(batch.seconds * 1e9))
            if batch.error is not None:
                counters.add("truecount_commit_failures_total")
                self._tell(batch.error)
                self._take_back(batch)
        self._count(batch)
        if batch.error is not None:
            hits, events = self._answers.hit_unavailable, self._answers.server_unavailable
            batch.answers = [
                _unavailable(answer, payload, hits, events)
                for answer, payload in zip(batch.answers, batch.payloads, strict=True)
            ]
        _answer(batch.receivers, batch.answers)

    def _count(self, batch: _Batch) -> None:
        counters = self._counters
        stored = batch.error is None
        events = events_lost = withheld = 0
        for payload in batch.others:
            if isinstance(payload, HitRefused):
                self._count_refused_hit(payload)
            elif isinstance(payload, EventsKept):
                if payload.is_canary:
                    continue
                held = sum(tally.n for tally in payload.withheld)
                if stored:
                    events += payload.n
                    withheld += held
                else:
                    events_lost += payload.n + held
            elif isinstance(payload, EventsRefused):
                if stored or not payload.tallies:
                    counters.refuse(SERVER, payload.reason, payload.n)
                else:
                    events_lost += payload.n
        if batch.hits:
            counters.take(BROWSER, accepted=batch.hits if stored else 0, unavailable=0 if stored else batch.hits)
        if events or events_lost or withheld:
            counters.take(SERVER, accepted=events, withheld=withheld, unavailable=events_lost)

    def _count_refused_hit(self, refused: HitRefused) -> None:
        self._counters.refuse(BROWSER, refused.reason)
        if refused.dataset:
            outcome = Outcome.WITHHELD if refused.reason is Reason.CONSENT_DENIED else Outcome.REFUSED
            key = (refused.dataset, outcome, refused.reason, refused.event_name)
            self._hits_refused[key] = self._hits_refused.get(key, 0) + 1

    def _take_back(self, batch: _Batch) -> None:
        """Tallies of hits that could not be written wait for the next second; the server's senders will send again."""
        for tally in batch.tallies:
            if tally.source == "browser":
                key = (tally.dataset, Outcome(tally.outcome), Reason(tally.reason), tally.event_name)
                self._hits_refused[key] = self._hits_refused.get(key, 0) + tally.n

    def _tell(self, error: Exception) -> None:
        """Say once in ten seconds that the log does not take anything. Saying it may fail too: the disk is full."""
        now = time.monotonic()
        if now - self._said_full >= 10:
            self._said_full = now
            try:
                log.error("nothing can be stored, clients are told to wait (503): %s", error)
                if not isinstance(error, LogFull):
                    log.debug("the log's failure", exc_info=error)
            except OSError:
                pass

    def close(self) -> None:
        """Let the committing thread end. For the end of the process, when nothing waits any more."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join(5)


def _unavailable(answer: bytes, payload: Payload | None, hits: bytes, events: bytes) -> bytes:
    if payload is KEPT:
        return hits
    if isinstance(payload, EventsKept) or (isinstance(payload, EventsRefused) and payload.tallies):
        return events
    return answer


def _answer(receivers: Sequence[Receiver], answers: Sequence[bytes]) -> None:
    """Send the answers in order, those of one connection that follow each other in one piece."""
    last = len(receivers) - 1
    first = 0
    for at, receiver in enumerate(receivers):
        if at < last and receivers[at + 1] is receiver:
            continue
        try:
            if first == at:
                receiver.give(answers[at], 1)
            else:
                receiver.give(b"".join(answers[first : at + 1]), at + 1 - first)
        except Exception as error:  # one connection must not cost the others their answers
            log.error("an answer could not be given: %s", type(error).__name__)
        first = at + 1


_encode: Final[Callable[[Any], bytes]] = msgspec.msgpack.Encoder().encode
