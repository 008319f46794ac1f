"""The two doors against what they are measured by: nginx for hits, the official SDK's own work for server events."""

from __future__ import annotations

import itertools
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks import raw
from benchmarks.tools import (
    DATASET,
    TOKEN,
    CannotMeasure,
    a_folder,
    alternate,
    answers,
    need,
    one_door,
    running,
    say,
    wait_until,
)

HERE: Final = Path(__file__).parent
CONNECTIONS: Final = 256
BATCH: Final = 1000
NGINX: Final = """\
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 2048; }}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  keepalive_requests 100000000;
  large_client_header_buffers 4 64k;
  server {{ listen 127.0.0.1:{port}; location / {{ empty_gif; }} }}
}}
"""
_runs = itertools.count(1)


def wrk(script: str, port: int, connections: int, seconds: float, **environ: str) -> float:
    """Requests a second by wrk, one thread. CannotMeasure where a request failed: a fast refusal is no answer."""
    command = [need("wrk", "wrk"), "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "20s", "-s"]
    done = subprocess.run(
        [*command, str(HERE / script), f"http://127.0.0.1:{port}"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "BENCH_DATASET": DATASET, "BENCH_RUN": f"{os.getpid()}-{next(_runs)}", **environ},
    )
    result = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode or not result:
        raise CannotMeasure(f"wrk failed: {done.stderr.strip() or done.stdout.strip()}")
    requests, duration_us, refused, failed = map(int, result[0].split()[1:])
    if refused or failed:
        raise CannotMeasure(f"of {requests} requests {refused} were refused and {failed} got no answer")
    return requests / (duration_us / 1e6)


@contextmanager
def nginx() -> Iterator[int]:
    """One nginx worker that answers each request with its empty image, and writes an access log."""
    program = need("nginx", "nginx-light")
    with tempfile.TemporaryDirectory(prefix="truecount-nginx-") as temporary:
        import socket

        with socket.create_server(("127.0.0.1", 0)) as trial:
            port = int(trial.getsockname()[1])
        configuration = Path(temporary) / "nginx.conf"
        configuration.write_text(NGINX.format(folder=temporary, port=port))
        words = Path(temporary) / "words.log"
        with running([program, "-p", temporary, "-c", str(configuration)], words) as process:
            wait_until(lambda: answers(port, "/"), process, words)
            yield port


def browser(rounds: int, seconds: float) -> None:
    with nginx() as other, a_folder() as folder, one_door(folder) as door:
        for port in (door, other):
            wrk("hits.lua", port, CONNECTIONS, 1)
        ours, theirs, ratio = alternate(
            lambda: wrk("hits.lua", door, CONNECTIONS, seconds),
            lambda: wrk("hits.lua", other, CONNECTIONS, seconds),
            rounds,
        )
    say(f"browser door / nginx      {ratio.text()}    bar >= 0.30, aim 0.45")
    say(f"  door {ours.text(0)} hits/s; nginx empty_gif + access log {theirs.text(0)}/s")
    say(f"  one process each, {CONNECTIONS} connections, {rounds} x {seconds:g} s in turn; answered when on disk")


def sdk_rate(batches: list[list[dict[str, Any]]], seconds: float) -> float:
    """Events a second that the SDK builds, normalises and hashes in one process. It encodes and sends nothing."""
    import gc

    done = 0
    gc.collect()
    started = time.perf_counter()
    for batch in itertools.cycle(batches):
        for event in batch:
            raw.sdk_event(event).normalize()
        done += len(batch)
        if time.perf_counter() - started >= seconds:
            break
    return done / (time.perf_counter() - started)


def server(rounds: int, seconds: float) -> None:
    batches = raw.batches(24, BATCH)
    with (
        tempfile.TemporaryDirectory(prefix="truecount-bodies-") as bodies,
        a_folder() as folder,
        one_door(folder) as door,
    ):
        sizes = []
        for number, batch in enumerate(batches):
            sizes.append((Path(bodies) / f"{number}.json").write_bytes(raw.body(batch)))

        def ours() -> float:
            return BATCH * wrk("batches.lua", door, 8, seconds, BENCH_BODIES=bodies, BENCH_TOKEN=TOKEN)

        ours()
        door_rate, sdk, ratio = alternate(ours, lambda: sdk_rate(batches, seconds), rounds)
    say(f"server door / SDK         {ratio.text()}    bar >= 3, and >= 40,000 events/s")
    say(f"  door {door_rate.text(0)} events/s; the SDK's build + normalise + hash {sdk.text(0)}/s")
    size = sum(sizes) / len(sizes) / BATCH
    say(f"  one process each, raw events of {size:,.0f} bytes, batches of {BATCH:,}, {rounds} x {seconds:g} s in turn")


def run(rounds: int = 7, seconds: float = 3.0) -> None:
    browser(rounds, seconds)
    server(rounds, seconds)
