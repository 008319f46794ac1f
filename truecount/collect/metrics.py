"""Counters of a door process, in a small file that the manager reads while the door writes.

The file lies in `run/`, is mapped into memory and outlives a killed process: a door that starts again under its name
goes on counting. Layout: 8 bytes magic, 8 bytes of little-endian length, that many bytes of JSON (the samples' names
and labels in order), padding to HEADER_BYTES, then a little-endian unsigned 64-bit number for each.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from truecount.vocabulary import Outcome, Reason

MAGIC: Final = b"TCCOUNT1"
HEADER_BYTES: Final = 65536
BROWSER: Final = "browser"
SERVER: Final = "server"
KINDS: Final = (BROWSER, SERVER)

RECEIVED: Final = "truecount_received_total"
OUTCOMES: Final = "truecount_outcomes_total"
UNAVAILABLE: Final = "truecount_unavailable_total"

PLAIN: Final = {
    "truecount_dry_runs_total": "Events that were only checked (dry_run).",
    "truecount_bad_requests_total": "Requests refused before it was known what they are: broken HTTP, heads too large.",
    "truecount_scripts_total": "Answers with the pixel script, or that it is unchanged.",
    "truecount_bytes_received_total": "Bytes read from clients.",
    "truecount_commits_total": "Transactions of the log.",
    "truecount_commit_failures_total": "Transactions of the log that failed; their requests were answered 503.",
    "truecount_commit_nanoseconds_total": "Time spent in transactions of the log.",
    "truecount_connections_total": "Connections accepted.",
    "truecount_slow_closed_total": "Connections closed because the peer was too slow or silent.",
    "truecount_relayed_total": "Requests relayed to the manager.",
    "truecount_relay_failures_total": "Requests that could not be relayed.",
    "truecount_connections": "Open connections.",
    "truecount_queue_bytes": "Bytes that wait for a commit.",
}
"""Counters without labels, and their help."""

HELP: Final = {
    RECEIVED: "Items that were given an outcome, or turned away because nothing could be stored.",
    OUTCOMES: "Items by outcome and reason.",
    UNAVAILABLE: "Items answered 503: nothing of them was stored.",
    **PLAIN,
}
"""Help text of each metric, for /metrics."""

GAUGES: Final = frozenset({"truecount_connections", "truecount_queue_bytes"})

SampleName = tuple[str, tuple[tuple[str, str], ...]]


def _samples() -> tuple[SampleName, ...]:
    samples: list[SampleName] = []
    for kind in KINDS:
        door = ("door", kind)
        samples.append((RECEIVED, (door,)))
        samples.append((UNAVAILABLE, (door,)))
        samples.append((OUTCOMES, (door, ("outcome", Outcome.ACCEPTED.value), ("reason", ""))))
        samples.append((OUTCOMES, (door, ("outcome", Outcome.WITHHELD.value), ("reason", Reason.CONSENT_DENIED.value))))
        samples.extend(
            (OUTCOMES, (door, ("outcome", Outcome.REFUSED.value), ("reason", reason.value))) for reason in Reason
        )
    samples.extend((name, ()) for name in PLAIN)
    return tuple(samples)


SAMPLES: Final = _samples()
SLOT: Final = {sample: place for place, sample in enumerate(SAMPLES)}


class DoorSample(msgspec.Struct, frozen=True):
    """One number of one door process. `labels` come as (name, value) pairs."""

    process: str
    name: str
    labels: tuple[tuple[str, str], ...]
    value: int


class Counters:
    """The numbers of this process. `slots[place] += n` is the whole cost of counting.

    Without a path they live in memory alone (tests).
    """

    def __init__(self, path: Path | None = None) -> None:
        names = msgspec.json.encode(SAMPLES)
        size = HEADER_BYTES + 8 * len(SAMPLES)
        header = (MAGIC + struct.pack("<Q", len(names)) + names).ljust(HEADER_BYTES, b"\0")
        if path is None:
            self._map = mmap.mmap(-1, size)
            self._map[:HEADER_BYTES] = header
        else:
            with open(path, "a+b") as file:
                file.seek(0)
                if file.read(HEADER_BYTES) != header:
                    file.truncate(0)
                    file.write(header)
                    file.flush()
                file.truncate(size)
                self._map = mmap.mmap(file.fileno(), size)
        self._bytes = memoryview(self._map)
        self.slots = self._bytes[HEADER_BYTES:].cast("Q")
        for name in GAUGES:
            self.slots[SLOT[name, ()]] = 0
        self.received = {kind: SLOT[RECEIVED, (("door", kind),)] for kind in KINDS}
        self.unavailable = {kind: SLOT[UNAVAILABLE, (("door", kind),)] for kind in KINDS}
        self.accepted = {kind: _outcome(kind, Outcome.ACCEPTED, "") for kind in KINDS}
        self.withheld = {kind: _outcome(kind, Outcome.WITHHELD, Reason.CONSENT_DENIED) for kind in KINDS}
        self._refused = {(kind, reason): _outcome(kind, Outcome.REFUSED, reason) for kind in KINDS for reason in Reason}
        self.plain = {name: SLOT[name, ()] for name in PLAIN}

    def add(self, name: str, n: int = 1) -> None:
        """Count a plain counter up by n."""
        self.slots[self.plain[name]] += n

    def gauge(self, name: str, value: int) -> None:
        self.slots[self.plain[name]] = max(value, 0)

    def take(self, kind: str, *, accepted: int = 0, withheld: int = 0, unavailable: int = 0) -> None:
        """Count items of a door that ended well, were withheld, or could not be stored."""
        slots = self.slots
        slots[self.received[kind]] += accepted + withheld + unavailable
        if accepted:
            slots[self.accepted[kind]] += accepted
        if withheld:
            slots[self.withheld[kind]] += withheld
        if unavailable:
            slots[self.unavailable[kind]] += unavailable

    def refuse(self, kind: str, reason: Reason, n: int = 1) -> None:
        """Count n items of a door that were refused. A hit that consent withholds is no refusal: it is counted so."""
        if reason is Reason.CONSENT_DENIED:
            self.take(kind, withheld=n)
            return
        self.slots[self.received[kind]] += n
        self.slots[self._refused[kind, reason]] += n

    def close(self) -> None:
        self.slots.release()
        self._bytes.release()
        self._map.close()


def _outcome(kind: str, outcome: Outcome, reason: str) -> int:
    return SLOT[OUTCOMES, (("door", kind), ("outcome", outcome.value), ("reason", str(reason)))]


def counters_path(folder: Path, door: str) -> Path:
    """Where a door of a data folder counts."""
    return folder / "run" / f"{door}.counters"


def door_metrics(folder: Path) -> list[DoorSample]:
    """Read the numbers of all doors that ever ran on a data folder, each door by name; the manager sums them.

    A file that is not whole (a door that just starts) is passed over.
    """
    samples: list[DoorSample] = []
    for path in sorted((folder / "run").glob("*.counters")):
        try:
            raw = path.read_bytes()
        except OSError:
            continue
        names, numbers = _read(raw)
        samples.extend(
            DoorSample(path.name.removesuffix(".counters"), name, labels, value)
            for (name, labels), value in zip(names, numbers, strict=True)
        )
    return samples


_names_of: Final = msgspec.json.Decoder(tuple[tuple[str, tuple[tuple[str, str], ...]], ...]).decode


def _read(raw: bytes) -> tuple[Sequence[SampleName], Sequence[int]]:
    if raw[:8] != MAGIC or len(raw) < HEADER_BYTES:
        return (), ()
    (length,) = struct.unpack_from("<Q", raw, 8)
    names = _names_of(raw[16 : 16 + length])
    if len(raw) < HEADER_BYTES + 8 * len(names):
        return (), ()
    return names, struct.unpack_from(f"<{len(names)}Q", raw, HEADER_BYTES)
