"""What every measurement needs: slices in turn, a folder of its own, a door or a server, words about the machine."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

TOKEN: Final = "benchmark-token-0123456789"
DATASET: Final = "1234567890123456"
READY_S: Final = 60.0


class CannotMeasure(Exception):
    """Why a measurement cannot be made here, and what to do about it."""


def need(program: str, package: str) -> str:
    """Path of a program that a measurement compares with."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
    if not found:
        raise CannotMeasure(f"{program} is not installed; `sudo apt-get install {package}` brings it")
    return found


class Spread(NamedTuple):
    """Median, least and most of what alternating slices gave."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))

    def text(self, digits: int = 2) -> str:
        return f"{self.median:,.{digits}f} ({self.least:,.{digits}f}-{self.most:,.{digits}f})"


def alternate(first: Callable[[], float], second: Callable[[], float], rounds: int) -> tuple[Spread, Spread, Spread]:
    """Measure two rates in turn, so that a noisy neighbour meets both alike. Rates of both, and first / second."""
    firsts: list[float] = []
    seconds: list[float] = []
    for number in range(rounds):
        # Who goes first changes too: the second of a pair may find warmer caches, or a slower clock.
        for which in (0, 1) if number % 2 else (1, 0):
            (firsts, seconds)[which].append((first, second)[which]())
    return Spread.of(firsts), Spread.of(seconds), Spread.of([a / b for a, b in zip(firsts, seconds, strict=True)])


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def machine() -> str:
    """One line about where this ran: figures without it mean nothing."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    when = time.strftime("%F %H:%M")
    return f"{cores} cores ({model}), Python {platform.python_version()}, load before {load:.1f}, {when}"


@contextmanager
def a_folder() -> Iterator[Path]:
    """A data folder with one dataset, on the disk of TMPDIR."""
    with tempfile.TemporaryDirectory(prefix="truecount-bench-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary) / "data"
        command = ["dataset", "create", "Benchmark", "--id", DATASET, "--token", TOKEN, "--data", str(folder)]
        done = subprocess.run(
            [sys.executable, "-m", "truecount", *command], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise CannotMeasure(f"no dataset could be made: {done.stderr.strip()}")
        yield folder


@contextmanager
def running(command: Sequence[str], words: Path, fds: Sequence[int] = ()) -> Iterator[subprocess.Popen[bytes]]:
    """A process until the block ends; what it says goes to a file."""
    with words.open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=tuple(fds))
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def answers(port: int, path: str = "/tr/?id=0") -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            return connection.recv(12).startswith(b"HTTP/1.1")
    except OSError:
        return False


def wait_until(
    ready: Callable[[], bool], process: subprocess.Popen[bytes], words: Path, limit_s: float = READY_S
) -> None:
    until = time.monotonic() + limit_s
    while not ready():
        if process.poll() is not None or time.monotonic() > until:
            said = words.read_text(errors="replace").strip()
            raise CannotMeasure(f"{process.args!r} did not get ready:\n{said[-2000:]}")
        time.sleep(0.01)


@contextmanager
def one_door(folder: Path) -> Iterator[int]:
    """One door process alone, as the supervisor starts it; yields its port. Nothing loads or queries meanwhile."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    words = folder.parent / "door.log"
    command = [sys.executable, "-m", "truecount.collect", "--data", str(folder)]
    command += ["--fd", str(listener.fileno()), "--door", "door-1", "--manager", "1"]
    with listener, running(command, words, [listener.fileno()]) as door:
        port = int(listener.getsockname()[1])
        wait_until(lambda: answers(port), door, words)
        yield port


class Server(NamedTuple):
    folder: Path
    port: int
    pid: int
    url: str


@contextmanager
def a_server(folder: Path, *flags: str) -> Iterator[Server]:
    """`truecount serve` on a folder."""
    words = folder.parent / "serve.log"
    command = [sys.executable, "-m", "truecount", "serve", "--data", str(folder), "--port", "0", *flags]
    with running(command, words) as process:
        state = folder / "run" / "serve.json"
        wait_until(state.is_file, process, words)
        told = json.loads(state.read_text())
        yield Server(folder, int(told["port"]), process.pid, str(told["url"]))


def say(text: str = "") -> None:
    print(text, flush=True)
