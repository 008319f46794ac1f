"""The smaller figures: start to ready, event to visible, bytes an event."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.sustain import hold
from benchmarks.tools import DATASET, TOKEN, Server, Spread, a_folder, a_server, percentile, say
from benchmarks.watch import Eyes

ENGINE_ALONE: Final = """
import sys, chdb.session as s
c = s.Session(sys.argv[1])
c.query("CREATE DATABASE IF NOT EXISTS b")
c.query("CREATE TABLE IF NOT EXISTS b.t (a Int64) ENGINE = MergeTree ORDER BY a")
print(c.query("SELECT 1"))
"""


def start(rounds: int = 5) -> None:
    """Start to ready on an empty folder, beside the engine alone: nothing that needs it can be ready sooner."""
    ours, bare = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="truecount-bench-", ignore_cleanup_errors=True) as temporary:
            began = time.perf_counter()
            with a_server(Path(temporary) / "data"):
                ours.append(time.perf_counter() - began)
        with tempfile.TemporaryDirectory(prefix="truecount-bench-", ignore_cleanup_errors=True) as temporary:
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", ENGINE_ALONE, temporary], check=True, capture_output=True)
            bare.append(time.perf_counter() - began)
    ratio = Spread.of([a / b for a, b in zip(ours, bare, strict=True)])
    say(f"start to ready / engine   {ratio.text()}    bar < 3 s")
    say(f"  empty folder to all ready {Spread.of(ours).text()} s; the bare engine {Spread.of(bare).text()}")


def visible(rate: float = 1000.0, seconds: float = 30.0) -> None:
    found = hold(rate, seconds, quiet=True)
    seen = found.visible
    with a_folder() as folder, a_server(folder) as server:
        eyes = Eyes(server)
        eyes.probe("idle-0")
        idle = [eyes.probe(f"idle-{number}") for number in range(1, 9)]
    p95 = percentile(seen, 0.95)
    say(f"visible, loaded / idle    {percentile(seen, 0.5) / percentile(idle, 0.5):.2f}    bar p95 < 1 s at 1,000/s")
    say(
        f"  at {rate:,.0f} events/s p50 {percentile(seen, 0.5):.2f} s, p95 {p95:.2f} s ({len(seen)} probes); "
        f"idle p50 {percentile(idle, 0.5):.2f} s; count {'exact' if found.exact else 'WRONG: ' + found.counted}"
    )


def demo_mix(seed: int = 1, opened_ms: int | None = None) -> Iterator[tuple[str, Any]]:
    """The demo's reports without its waiting: ("hit", query, agent) or ("event", object)."""
    from truecount.simulate.brewbeans import How, Kind, Shop
    from truecount.simulate.hits import pairs_of, query_of
    from truecount.simulate.sdk import event_of

    opened_ms = opened_ms or time.time_ns() // 1_000_000 - 3_600_000
    for visit in Shop(seed, opened_ms, pace=20.0).visits():
        for report in itertools.chain.from_iterable(visit.chains):
            if report.deed.kind is Kind.TOO_OLD:
                continue
            if report.how is How.SERVER:
                said = event_of(report, opened_ms).normalize()
                if report.deed.person.consent:
                    said["consent"] = report.deed.person.consent
                yield "event", said
            else:
                yield "hit", (query_of(pairs_of(report, DATASET, opened_ms)), report.deed.person.agent)


def send_mix(server: Server, events: int) -> None:
    """Send so many of the demo's reports: hits one by one over one connection, server events by 50."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    batch: list[Any] = []

    def ask(method: str, path: str, body: bytes | None, headers: dict[str, str]) -> None:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != 200 or answer.headers.get("X-Truecount-Refused"):
            raise RuntimeError(f"{method} answered {answer.status}: {said[:300]!r}")

    def post() -> None:
        body = json.dumps({"data": batch, "access_token": TOKEN}).encode()
        ask("POST", f"/v24.0/{DATASET}/events", body, {"Content-Type": "application/json"})
        batch.clear()

    for kind, what in itertools.islice(demo_mix(), events):
        if kind == "event":
            batch.append(what)
            if len(batch) == 50:
                post()
        else:
            ask("GET", f"/tr/?{what[0]}", None, {"User-Agent": what[1]})
    if batch:
        post()
    connection.close()


def size_of(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def disk(events: int = 40_000) -> None:
    """Bytes an event in the store and in the sealed log, in the demo's mix."""
    from truecount.log import upkeep
    from truecount.log.reader import LogReader
    from truecount.store.client import Store

    with a_folder() as folder:
        with a_server(folder) as server:
            send_mix(server, events)
            eyes = Eyes(server)
            until = time.monotonic() + 60
            while sum(row["copies"] for row in eyes.events()) < events and time.monotonic() < until:
                time.sleep(0.2)
            store = Store.of_folder(folder)
            store.command("OPTIMIZE TABLE copies FINAL")
            rows, size, plain = store.query_rows(
                "SELECT sum(rows), sum(bytes_on_disk), sum(data_uncompressed_bytes) FROM system.parts "
                "WHERE active AND database = currentDatabase() AND table = 'copies'"
            )[0]
            store.close()
        open_log = size_of(folder / "log")
        with_reader = LogReader(folder)
        loaded = {door: with_reader.last_seq(door) for door in with_reader.doors()}
        report = upkeep.run(folder, loaded, time.time_ns() // 1000 + 2 * 86_400_000_000)
        sealed = size_of(folder / "log")
    say(f"store / its columns plain {size / plain:.2f}    bar <= 120 bytes an event in the store")
    say(
        f"  {rows:,} events of the demo's mix, bytes each: store {size / rows:,.0f}, sealed log {sealed / rows:,.0f} "
        f"(open {open_log / rows:,.0f}), both {(size + sealed) / rows:,.0f}"
    )
    for problem in report.problems:
        say(f"  {problem}")
