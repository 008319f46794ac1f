"""The store of a folder that nobody serves: an engine for the length of one command. The caller owns the folder."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from truecount import heartbeat

from .client import Store
from .errors import LoaderStuck, StoreDown

if TYPE_CHECKING:
    from .rebuild import Rebuilt

START_S: Final = 60.0
STUCK_S: Final = 3.0
"""A question waits so long for a loader that has an error and loads nothing."""
LOAD_S: Final = 6 * 3600.0
END_S: Final = 15.0


@contextmanager
def open_store(folder: Path, *, load: bool = True, stuck: Callable[[str], None] | None = None) -> Iterator[Store]:
    """Start an engine on a data folder, load what the log has and the store has not, give a client, stop the engine.

    StoreDown with the engine's own words when it does not start, or ends while it loads. When not all can be loaded,
    `stuck` is told the loader's error, and the store is given as it is; without `stuck` LoaderStuck is raised.
    """
    flags = ["--no-upkeep"] if load else ["--no-upkeep", "--no-load"]
    with engine(folder, flags) as store:
        if load and stuck:
            if error := load_what_can_be(store):
                stuck(error)
        elif load:
            wait_for_all(store)
        yield store


def wait_for_all(store: Store, told: Callable[[dict[str, object]], None] | None = None) -> None:
    """Wait until all that is in the log is loaded. `told` gets the loader's state every half second.

    LoaderStuck when the loader cannot go on, for a minute where that may pass: its last error is in the text.
    """
    stuck_since: float | None = None
    until = time.monotonic() + LOAD_S
    while not store.wait_loaded(timeout_s=0.5):
        loader = store.state()["loader"]
        if told:
            told(loader)
        if not loader["error"]:
            stuck_since = None
        elif "StoreRefused" in loader["error"] or "LogDamaged" in loader["error"]:
            raise LoaderStuck(loader["error"])
        else:
            stuck_since = stuck_since or time.monotonic()
            if time.monotonic() - stuck_since > START_S:
                raise LoaderStuck(loader["error"])
        if time.monotonic() > until:
            raise StoreDown("loading takes too long")
    if told:
        told(store.state()["loader"])


def load_what_can_be(store: Store) -> str:
    """Wait until all that can be loaded is; the loader's error where that is not all of the log.

    A door that cannot be read holds up none of the others: it is over when nothing moves any more.
    """
    until = time.monotonic() + LOAD_S
    moved = time.monotonic()
    before: object = None
    while not store.wait_loaded(timeout_s=0.25):
        loader = store.state()["loader"]
        error = str(loader["error"])
        now = (loader["doors"], loader["batches"], loader["copies"])
        if not error or now != before:
            moved, before = time.monotonic(), now
        if error.startswith("StoreRefused") or (error and time.monotonic() - moved > STUCK_S):
            return error
        if time.monotonic() > until:
            raise StoreDown("loading takes too long")
    return ""


def replay(folder: Path, told: Callable[[int, int], None] | None = None) -> Rebuilt:
    """rebuild.rebuild: the store made anew from the log."""
    from .rebuild import rebuild

    return rebuild(folder, told)


@contextmanager
def engine(folder: Path, flags: list[str]) -> Iterator[Store]:
    """An engine process of our own for a data folder, and a client of it."""
    process, reading = start(folder, flags)
    try:
        _wait_ready(process, reading)
        with Store.of_folder(folder) as store:
            yield store
    finally:
        os.close(reading)
        stop(process)


def start(folder: Path, flags: list[str]) -> tuple[subprocess.Popen[bytes], int]:
    """Start the process; it ends with the thread that calls this. The pipe tells when it is ready."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "truecount.store.service", "--data", str(folder), "--with-parent", *flags],
            stdin=subprocess.DEVNULL,
            stdout=2,
            pass_fds=(writing,),
            env={**os.environ, heartbeat.VARIABLE: str(writing)},
            process_group=0,  # Ctrl-C is for the command, which ends it
        )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    return process, reading


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the process, kindly at first."""
    process.terminate()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_ready(process: subprocess.Popen[bytes], reading: int) -> None:
    until = time.monotonic() + START_S
    while (left := until - time.monotonic()) > 0:
        ready, _, _ = select.select([reading], [], [], left)
        if not ready:
            break
        said = os.read(reading, 4096)
        if heartbeat.READY in said:
            return
        if not said:
            code = process.wait()
            raise StoreDown(f"the engine did not start (it ended with {code}; its words are above)")
    raise StoreDown(f"the engine did not start within {START_S:g} s")
