"""How many events a second this machine takes: durable, hashed, deduplicated, soon visible, memory flat."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Final, NamedTuple

import msgspec

from benchmarks.load import EVENTS_OF_TEN, Plan, Sent, expected, sums_of
from benchmarks.tools import DATASET, TOKEN, CannotMeasure, a_folder, a_server, percentile, say
from benchmarks.watch import Eyes, Sampler

VISIBLE_S: Final = 1.0
LAG_S: Final = 1.0
SETTLE_S: Final = 120.0
MEMORY_RISE: Final = 1.15
"""Memory is called flat when the end has at most this much more than the middle."""


class Found(NamedTuple):
    rate: float
    sent: Sent
    visible: list[float]
    memory: list[dict[str, int]]
    exact: bool
    counted: str
    settled_s: float
    report_s: float
    """What a whole `events` report takes in the end."""

    def holds(self) -> bool:
        return (
            not self.sent.failed
            and self.exact
            and self.sent.lag_s < LAG_S
            and self.sent.events >= 0.98 * self.rate * self.sent.seconds
            and percentile(self.visible, 0.95) < VISIBLE_S
        )

    def flat(self) -> bool:
        return self.memory[-1]["all"] <= MEMORY_RISE * self.memory[len(self.memory) // 2]["all"]

    def why_not(self) -> str:
        why = []
        if self.sent.failed:
            why.append(
                f"{self.sent.failed} requests failed ({self.sent.said.splitlines()[0] if self.sent.said else ''})"
            )
        if not self.exact:
            why.append(f"the count is not exact: {self.counted}")
        if self.sent.lag_s >= LAG_S:
            why.append(f"senders waited up to {self.sent.lag_s:.1f} s for an answer")
        if self.sent.events < 0.98 * self.rate * self.sent.seconds:
            why.append(f"only {self.sent.events / self.sent.seconds:,.0f} events/s were sent")
        if percentile(self.visible, 0.95) >= VISIBLE_S:
            why.append(f"visible p95 {percentile(self.visible, 0.95):.2f} s")
        return "; ".join(why)


def hold(rate: float, seconds: float, *flags: str, batch: int = 50, quiet: bool = False) -> Found:
    """Run a load of `rate` events/s for `seconds` against a fresh server, and count afterwards."""
    with a_folder() as folder, a_server(folder, *flags) as server:
        eyes = Eyes(server)
        plan = Plan(port=server.port, dataset=DATASET, token=TOKEN, rate=rate, seconds=seconds, batch=batch)
        sender = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert sender.stdin and sender.stdout
        sender.stdin.write(msgspec.json.encode(plan))
        sender.stdin.close()
        sender.stdout.readline()
        memory = [eyes.memory_mb()]
        eyes.probe("warm-up")  # the first event of a server's life pays for what is loaded at first use
        sampler = Sampler(eyes, 1.0 if seconds >= 120 else 0.25)
        sampler.start()
        started = time.monotonic()
        for part in range(1, 11):
            time.sleep(max(0.0, started + seconds * part / 10 - time.monotonic()))
            memory.append(eyes.memory_mb())
            if not quiet and seconds >= 120:
                seen = sampler.seconds or [0.0]
                say(f"  {seconds * part / 10:4.0f} s: visible p95 {percentile(seen, 0.95):.2f} s, memory {memory[-1]}")
        said = sender.stdout.readline()
        if sender.wait(90) or not said:
            raise CannotMeasure("the load generator failed; its words are above")
        sent = msgspec.json.decode(said, type=Sent)
        visible = sampler.stop()
        right = expected(sent.actions)
        ended = time.monotonic()
        counted = sums_of(eyes.events())
        while counted != right and time.monotonic() - ended < SETTLE_S and not sent.failed:
            time.sleep(0.5)
            counted = sums_of(eyes.events())
        settled_s = time.monotonic() - ended
        text = f"wanted {json.dumps(right)}, counted {json.dumps(counted)}"
        return Found(rate, sent, visible, memory, counted == right, text, settled_s, eyes.report_s())


def run(rate: float, seconds: float, batch: int = 50, *flags: str) -> bool:
    say(f"sustain: {rate:,.0f} events/s for {seconds:g} s, half hits (one a request), half server events (by {batch})")
    found = hold(rate, seconds, *flags, batch=batch)
    sent, seen = found.sent, found.visible
    at = (0, len(found.memory) // 2, -1)
    share = EVENTS_OF_TEN // 2
    say(f"  sent           {sent.hits:,} hits, {sent.server_events:,} server events ({share} + {share} of ten actions)")
    held = sent.events / sent.seconds
    say(f"  held           {held:,.0f} events/s = {held / rate:.3f} of the rate asked")
    say(
        f"  visible        p50 {percentile(seen, 0.5):.2f} s, p95 {percentile(seen, 0.95):.2f} s, "
        f"worst {max(seen):.2f} s of {len(seen)} probes"
    )
    say(f"  answers        p50 {sent.answer_p50_ms:.0f} ms, p95 {sent.answer_p95_ms:.0f} ms")
    say(f"  worst wait for a free connection {sent.lag_s:.2f} s")
    for word, place in zip(("start", "middle", "end"), at, strict=True):
        say(f"  memory {word:7s} {found.memory[place]} MB")
    grown = found.memory[-1]["all"] / found.memory[at[1]]["all"]
    say(f"  memory end / middle {grown:.2f}: {'flat' if found.flat() else 'NOT flat'}")
    exact = "exact" if found.exact else found.counted
    say(f"  count          {exact}, {found.settled_s:.1f} s after the last event")
    say(f"  a report of all of it takes {found.report_s:.1f} s")
    say(f"  {'HELD' if found.holds() and found.flat() else 'NOT HELD: ' + (found.why_not() or 'memory rose')}")
    return found.holds() and found.flat()


def find(seconds: float = 30.0, least: float = 1000.0, batch: int = 50, *flags: str) -> float:
    """Bisect the highest rate that holds for `seconds`. Returns it, 0 where not even `least` does."""
    good, bad, rate = 0.0, 0.0, least
    while not bad or bad - good > max(100.0, 0.08 * good):
        found = hold(rate, seconds, *flags, batch=batch, quiet=True)
        if found.holds():
            good = rate
            said = f"holds (visible p95 {percentile(found.visible, 0.95):.2f} s)"
        else:
            bad = rate
            said = found.why_not()
        say(f"  {rate:8,.0f} events/s: {said}")
        if bad and bad <= least:
            return 0.0
        rate = rate * 2 if not bad else round((good + bad) / 2, -2)
    say(f"find: {good:,.0f} events/s held for {seconds:g} s, {bad:,.0f} did not")
    return good
