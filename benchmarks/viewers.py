"""Fifty people who look at a server under load: do its doors notice?

    python -m benchmarks viewers [--seconds 600]

The load of `sustain` runs all the time. Viewers come and go in slices: a slice without anybody, a slice with all of
them, in turn. Beside each other stand the CPU time that the doors take for an event with viewers and without; what was
counted in the end; and the memory of the manager while it was looked at.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from benchmarks import load, looking
from benchmarks.load import Sent, expected, sums_of
from benchmarks.tools import DATASET, TOKEN, CannotMeasure, Server, Spread, a_folder, a_server, say
from benchmarks.watch import Eyes

VIEWERS: Final = 50
GROWS: Final = 1.10
"""What an event may cost the doors with viewers, beside what it costs without."""
SLOPE_MB_A_MINUTE: Final = 1.0
"""Memory is called flat when the manager grows by no more than this while it is looked at."""
LONG_S: Final = 300.0
"""Memory is judged in runs from so long on: what a process loads at first use is no leak, and a minute shows little
else."""
SETTLE_S: Final = 120.0
WARM_S: Final = 10.0


class Slice(NamedTuple):
    """What the processes took in a part of the run."""

    seconds: float
    events: float
    doors_s: float
    manager_s: float
    engine_s: float

    @property
    def us_an_event(self) -> float:
        return 1e6 * self.doors_s / self.events


def processes_of(server: Server) -> dict[str, list[int]]:
    """Process ids of a server by what they are: collect (the doors), manager, store."""
    import psutil

    found: dict[str, list[int]] = {"collect": [], "manager": [], "store": []}
    for process in psutil.Process(server.pid).children(recursive=True):
        module = next((word for word in process.cmdline() if word.startswith("truecount.")), "")
        kind = module.split(".")[1] if module else ""
        if kind in found:
            found[kind].append(process.pid)
    if not all(found.values()):
        raise CannotMeasure(f"not all processes of the server were found: {found}")
    return found


def cpu_s(pids: list[int]) -> float:
    """Seconds that processes have been on a CPU, all their threads together, those that ended too."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])  # utime and stime, proc(5)
    return ticks / os.sysconf("SC_CLK_TCK")


def rss_mb(pids: list[int]) -> float:
    page = os.sysconf("SC_PAGE_SIZE")
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page for pid in pids) / 1e6


@contextmanager
def looked_at(server: Server, cookie: str, paths: list[str]) -> Iterator[list[looking.Heard]]:
    """Viewers while the block runs; what they heard is in the list afterwards."""
    command = [sys.executable, "-m", "benchmarks.looking"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin and process.stdout
    plan = looking.Plan(port=server.port, cookie=cookie, paths=paths)
    process.stdin.write(msgspec.json.encode(plan) + b"\n")
    process.stdin.flush()
    if process.stdout.readline() != b"ready\n":
        raise CannotMeasure("the viewers could not look; their words are above")
    heard: list[looking.Heard] = []
    try:
        yield heard
    finally:
        process.stdin.close()
        said = process.stdout.readline()
        process.wait(30)
        if said:
            heard.append(msgspec.json.decode(said, type=looking.Heard))


def slope(points: list[tuple[float, float]]) -> float:
    """Least squares: y per x."""
    if len(points) < 2:
        return 0.0
    return statistics.linear_regression([x for x, _ in points], [y for _, y in points]).slope


class Run:
    """One server under load, and what it took."""

    def __init__(self, server: Server, rate: float, viewers: int) -> None:
        self.server, self.rate, self.viewers = server, rate, viewers
        self.eyes = Eyes(server)
        self.processes = processes_of(server)
        self.without: list[Slice] = []
        self.with_viewers: list[Slice] = []
        self.memory: list[tuple[float, float]] = []
        """(minutes looked at so far, MB of the manager)"""
        self.heard: list[looking.Heard] = []
        self._looked_s = 0.0

    def part(self, seconds: float, *, is_looked_at: bool) -> Slice:
        """Measure a part of the run; the first seconds of it do not count, while streams open or end."""
        time.sleep(2.0)
        began = time.monotonic()
        before = {kind: cpu_s(pids) for kind, pids in self.processes.items()}
        while (left := began + seconds - time.monotonic()) > 0:
            time.sleep(min(left, 2.0))
            if is_looked_at:
                minutes = (self._looked_s + time.monotonic() - began) / 60
                self.memory.append((minutes, rss_mb(self.processes["manager"])))
        took = time.monotonic() - began
        after = {kind: cpu_s(pids) for kind, pids in self.processes.items()}
        used = {kind: after[kind] - before[kind] for kind in after}
        if is_looked_at:
            self._looked_s += took
        return Slice(took, self.rate * took, used["collect"], used["manager"], used["store"])

    def go(self, seconds: float, rounds: int) -> Sent:
        """`seconds` with viewers in `rounds` parts, and before each a part without, a third as long."""
        client = looking.signed_in(self.server)
        cookie = looking.cookie_of(client)
        each, alone = seconds / rounds, max(5.0, seconds / rounds / 3)
        plan = load.Plan(
            port=self.server.port, dataset=DATASET, token=TOKEN, rate=self.rate,
            seconds=WARM_S + rounds * (each + alone + 12.0),
        )  # fmt: skip
        sender = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert sender.stdin and sender.stdout
        sender.stdin.write(msgspec.json.encode(plan))
        sender.stdin.close()
        sender.stdout.readline()
        time.sleep(WARM_S)
        pages = (looking.OVERVIEW, looking.TEST_EVENTS)
        paths = [looking.stream_of(client.get(page).text) for page in pages] * self.viewers
        for number in range(1, rounds + 1):
            self.without.append(self.part(alone, is_looked_at=False))
            with looked_at(self.server, cookie, paths) as heard:
                self.with_viewers.append(self.part(each, is_looked_at=True))
            self.heard += heard
            if sender.poll() is not None:
                raise CannotMeasure("the load generator ended before its time; its words are above")
            one, other = self.without[-1], self.with_viewers[-1]
            say(
                f"  {number:2} of {rounds}: {one.us_an_event:.0f} us an event alone, {other.us_an_event:.0f} with "
                f"viewers; manager {share_of(other.manager_s, other)}, {self.memory[-1][1]:.0f} MB; store "
                f"{share_of(one.engine_s, one)} alone, {share_of(other.engine_s, other)} with viewers"
            )
        said = sender.stdout.readline()
        if sender.wait(90) or not said:
            raise CannotMeasure("the load generator failed; its words are above")
        return msgspec.json.decode(said, type=Sent)

    def counted(self, right: dict[str, Any]) -> dict[str, Any]:
        """What is counted in the end, as soon as it is what it should be."""
        until = time.monotonic() + SETTLE_S
        while (found := sums_of(self.eyes.events())) != right and time.monotonic() < until:
            time.sleep(0.5)
        return found


def share_of(cpu: float, part: Slice) -> str:
    return f"{100 * cpu / part.seconds:.0f} % of a core"


def run(seconds: float, rate: float = 1000.0, viewers: int = VIEWERS) -> bool:
    """True when the doors lost nothing and took less than a tenth more, and the manager's memory was flat."""
    rounds = max(3, round(seconds / 60))
    say(f"viewers: {viewers} of Test events, {viewers} of the overview, {rate:,.0f} events/s, {seconds:g} s of looking")
    with a_folder() as folder, a_server(folder) as server:
        measured = Run(server, rate, viewers)
        sent = measured.go(seconds, rounds)
        right = expected(sent.actions)
        found = measured.counted(right)
    alone = [one.us_an_event for one in measured.without]
    looked_at = [one.us_an_event for one in measured.with_viewers]
    ratio = Spread.of([one / other for one, other in zip(looked_at, alone, strict=True)])
    heard = measured.heard
    streams, ended = sum(one.streams for one in heard), sum(one.ended for one in heard)
    events, size = sum(one.events for one in heard), sum(one.bytes for one in heard)
    memory = measured.memory
    rise = slope(memory[len(memory) // 4 :])
    is_exact = not sent.failed and found == right
    counted = "every one is counted" if is_exact else "WRONG: " + json.dumps({"wanted": right, "counted": found})
    say(f"doors, looked at / alone  {ratio.text()} CPU time an event    bar < {GROWS}")
    say(f"  {Spread.of(looked_at).text(1)} us an event with viewers, {Spread.of(alone).text(1)} without")
    say(f"  sent {sent.events:,} events; {counted}; {sent.failed} requests failed")
    say(f"  worst wait for a free connection {sent.lag_s:.2f} s")
    say(f"  {streams} streams opened, {ended} ended early; {events:,} events of {size / max(1, events):,.0f} bytes")
    say(
        f"  manager {memory[0][1]:.0f} MB when it was first looked at, {memory[-1][1]:.0f} MB in the end, "
        f"{rise:+.2f} MB a minute behind the first quarter    "
        + (f"bar {SLOPE_MB_A_MINUTE:g}" if seconds >= LONG_S else f"not judged in less than {LONG_S:g} s")
    )
    is_flat = seconds < LONG_S or rise <= SLOPE_MB_A_MINUTE
    return is_exact and not ended and ratio.median < GROWS and is_flat
