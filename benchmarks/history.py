"""Pages over a long history: rolled-up counts built once, brought forward, and read by Overview and Event over HTTP.

    python -m benchmarks history [--copies N]
    python -m benchmarks.history [--copies N] [--requests N] [--mix ids|mixed|bare|all] [--folder DIR]

Copies are those of benchmarks.dedup, made inside the engine. Every request names another period, so that none is
answered from what another one left. Cold: the engine was started again and the machine's page cache emptied, where
that is allowed. The first line is the engine's own bare GROUP BY over the same copies, in the same run.
"""

from __future__ import annotations

import argparse
import html
import re
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import httpx
import uvicorn

from benchmarks.dedup import BARE, CHUNK, COPIES, MIXES
from benchmarks.tools import CannotMeasure
from truecount.datasets import Dataset
from truecount.log.folder import DataFolder
from truecount.manager import rolling
from truecount.manager.app import application
from truecount.manager.users.passwords import Passwords
from truecount.manager.users.together import Users, first_run_path
from truecount.measure.forms import time_of_ms
from truecount.resolve.actions import moment_of
from truecount.rolled.basis import generation_of
from truecount.rolled.keeping import build, forward
from truecount.settings import read_settings
from truecount.store.client import Store
from truecount.store.local import engine

WARM_S: Final = 1.0
COLD_S: Final = 3.0
START_MS: Final = 1_790_000_000_000
STEP_MS: Final = 30
"""Between two copies of benchmarks.dedup."""
MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000
DOOR: Final = "door-0"
EMAIL: Final = "owner@brewbeans.example"
PASSWORD: Final = "correct horse battery"
NO_LIMIT: Final = {"max_execution_time": "3600"}
SOME: Final = 1000
"""Copies that come between two moments."""


def run(copies: int = 10_000_000, requests: int = 60, mix: str = "ids", folder: Path | None = None) -> bool:
    """Print all figures. Whether the pages kept their limits."""
    with tempfile.TemporaryDirectory(prefix="truecount-bench-") as made:
        data = folder or Path(made)
        with engine(data, ["--no-upkeep", "--no-load"]) as store:
            _fill(store.having(NO_LIMIT), copies, mix)
            _build(store.having(NO_LIMIT))
            forwards = [_forward(store, copies + at * SOME, mix) for at in range(5)]
            print(f"  forward by {SOME:,} new copies: {statistics.median(forwards):.2f} s (median of {len(forwards)})")
        held = True
        for page, path in (("Overview", ""), ("Event", "/event")):
            cold, warm = _pages(data, path, copies, requests)
            kept = cold <= COLD_S and warm[1] <= WARM_S
            held = held and kept
            print(
                f"  {page}: cold {cold:.2f} s ({cold / COLD_S:.2f} of the limit of {COLD_S:g} s), "
                f"warm p50 {warm[0]:.3f} s, p95 {warm[1]:.3f} s ({warm[1] / WARM_S:.2f} of the limit of {WARM_S:g} s), "
                f"{requests} requests" + ("" if kept else "  LIMIT NOT KEPT")
            )
    return held


def _fill(store: Store, copies: int, mix: str) -> None:
    there = int(store.query_rows("SELECT count() FROM copies")[0][0])
    bare_sales, pages = MIXES[mix]
    for first in range(there, copies, CHUNK):
        store.command(COPIES, {"first": first, "n": min(CHUNK, copies - first), "bare": bare_sales, "pages": pages})


def _build(store: Store) -> None:
    dataset = Dataset(id="bench", name="bench", created_us=0)
    copies = int(store.query_rows("SELECT count() FROM copies")[0][0])
    began = time.perf_counter()
    store.query_rows(BARE)
    bare_s = time.perf_counter() - began
    began = time.perf_counter()
    build(store, dataset, moment_of(store, dataset))
    took_s = time.perf_counter() - began
    peak_mb = _peak_mb(int(store.state()["pid"]))
    rows, size = store.query_rows(
        "SELECT sum(rows), formatReadableSize(sum(bytes_on_disk)) FROM system.parts WHERE active AND table = 'rolled'"
    )[0]
    print(
        f"history: {copies:,} copies; bare GROUP BY {bare_s:.2f} s, built in {took_s:.1f} s "
        f"({took_s / bare_s:.1f} times); {int(rows):,} rows, {size}; the engine's peak {peak_mb:,} MB"
    )


def _peak_mb(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) // 1024


def _forward(store: Store, first: int, mix: str) -> float:
    dataset = Dataset(id="bench", name="bench", created_us=0)
    bare_sales, pages = MIXES[mix]
    store.command(COPIES, {"first": first, "n": SOME, "bare": bare_sales, "pages": pages})
    found = generation_of(store, dataset)
    if found is None:
        raise CannotMeasure("the counts that were just built are not there")
    moment = moment_of(store, dataset)
    began = time.perf_counter()
    forward(store.having(NO_LIMIT), dataset, found, moment)
    return time.perf_counter() - began


def _pages(data: Path, path: str, copies: int, requests: int) -> tuple[float, tuple[float, float]]:
    """Seconds of the first request after a start, and p50 and p95 of those that follow."""
    _drop_page_cache()
    end_ms = START_MS + copies * STEP_MS
    with engine(data, ["--no-upkeep", "--no-load"]) as store, _served(store) as client:
        took: list[float] = []
        for number in range(requests + 1):
            until_ms = end_ms // MINUTE_MS * MINUTE_MS - number * 7 * MINUTE_MS
            query = {"since": time_of_ms(until_ms - 28 * DAY_MS), "until": time_of_ms(until_ms), "name": "Purchase"}
            began = time.perf_counter()
            answer = client.get(f"/d/bench{path}?{urlencode(query)}")
            took.append(time.perf_counter() - began)
            if answer.status_code != 200 or 'class="count' not in answer.text:
                raise CannotMeasure(f"{answer.url} does not show a count: {answer.status_code}")
        warm = sorted(took[1:])
        return took[0], (statistics.median(warm), warm[int(len(warm) * 0.95)])


@contextmanager
def _served(store: Store) -> Iterator[httpx.Client]:
    """The manager over that engine, and somebody who is signed in. It is told that all is loaded that is there."""
    with tempfile.TemporaryDirectory(prefix="truecount-bench-") as made:
        folder = DataFolder(Path(made) / "data")
        users = Users(folder.path, passwords=Passwords(time_cost=1, memory_cost=8, parallelism=1))
        app = application(folder, read_settings({"data": str(folder.path)}, environ={}), users=users)
        config = uvicorn.Config(app, port=0, log_level="error", lifespan="on", loop="uvloop", http="httptools")
        server = uvicorn.Server(config)
        moment = moment_of(store, Dataset(id="bench", name="bench", created_us=0))
        rolling.moment_now = lambda store, dataset: dict(moment)  # no loader runs that could tell
        serving = threading.Thread(target=server.run, daemon=True)
        serving.start()
        while not server.started:
            time.sleep(0.01)
        manager = app.state.manager
        manager.rolling.stop()  # what is measured is there already
        manager.link.store = lambda: store
        manager.registry.create("Bench", id="bench")
        dataset = manager.dataset("bench")
        _rest_on(store, dataset)
        port = server.servers[0].sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url, headers={"accept": "text/html"}, follow_redirects=True, timeout=120) as client:
            link = first_run_path(users.links.first() or "")
            proof = re.search(r'name="csrf" value="([^"]+)"', client.get(link).text)
            assert proof
            fields = {"email": EMAIL, "password": PASSWORD, "csrf": html.unescape(proof[1])}
            client.post(link, data=fields, headers={"origin": url})
            yield client
        server.should_exit = True
        serving.join(20)


def _rest_on(store: Store, dataset: Dataset) -> None:
    """Let the counts rest on the dataset of this very server, which was made a moment ago."""
    from truecount.rolled.basis import basis_of

    number = store.query_rows("SELECT max(generation) FROM rolled WHERE dataset = 'bench'")[0][0]
    store.command(
        "INSERT INTO rolled (dataset, generation, kind, word, n) "
        "SELECT 'bench', {number:UInt64}, 'basis', {word:String}, 1",
        {"number": number, "word": basis_of(dataset)},
    )


def _drop_page_cache() -> None:
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError:
        print("  (the page cache stays as it is: emptying it needs root)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--copies", type=int, default=10_000_000)
    parser.add_argument("--requests", type=int, default=60)
    parser.add_argument("--mix", choices=[*MIXES], default="ids")
    parser.add_argument("--folder", type=Path, help="an empty folder, or one of an earlier run, whose copies stay")
    given = parser.parse_args()
    run(given.copies, given.requests, given.mix, given.folder)


if __name__ == "__main__":
    main()
