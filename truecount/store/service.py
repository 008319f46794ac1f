"""The engine process: `python -m truecount.store.service --data DIR [--port 0]`.

Owns DIR/store: chDB behind ClickHouse's HTTP protocol on loopback, the loader, the upkeep of the log. Writes
run/engine.json ({"port", "pid"}) when it answers; its secret is run/engine.secret. Ends at TERM or INT within seconds,
and with its parent when told so.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from truecount import heartbeat
from truecount.log.folder import DataFolder
from truecount.settings import read_settings

from .place import unusable

if TYPE_CHECKING:
    from .engine import Engine
    from .loader import Loader

READER_SECRET: Final = "reader"
UPKEEP_EVERY_S: Final = 30.0
SWEEP_EVERY_S: Final = 60.0
END_WITHIN_S: Final = 8.0
WRONG_USE: Final = 2


def arguments() -> argparse.ArgumentParser:
    """The flags of the process. Limits come from the settings table (TRUECOUNT_ENGINE_MEMORY_MB and others)."""
    parser = argparse.ArgumentParser(prog="truecount.store.service", allow_abbrev=False)
    parser.add_argument("--data", type=Path, required=True, help="data folder")
    parser.add_argument("--port", type=int, default=0, help="loopback port; 0: a free one")
    parser.add_argument("--store", default="store", help="name of the store folder inside the data folder")
    parser.add_argument("--slots", type=int, default=4, help="queries at a time")
    parser.add_argument("--reader", action="store_true", help="let the user reader in (read only; run/reader.secret)")
    parser.add_argument("--no-load", action="store_true", help="leave the store as it is")
    parser.add_argument("--no-upkeep", action="store_true", help="leave the log's files as they are")
    parser.add_argument("--with-parent", action="store_true", help="end when the process that started this one ends")
    return parser


def main(argv: list[str] | None = None) -> int:
    chosen = arguments().parse_args(argv)
    if chosen.with_parent:
        die_with_parent()
    folder = DataFolder(chosen.data)
    settings = read_settings()
    _temporary_files(folder.tmp / "engine")
    stop = threading.Event()
    # Waited for below, by no handler: one that runs while this thread holds a lock could wait for that lock for ever.
    ending = heartbeat.signals_to_end_at()
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)

    # PyArrow loads pandas, where it is installed, to ask of each list whether it is a Series: 0.4 s and 50 MB.
    sys.meta_path.insert(0, _NoPandas())
    # After the environment is set: chDB reads it when it is loaded.
    from truecount.resolve.scratch import is_ownerless, sweep

    from .engine import Engine, Limits
    from .errors import StoreError
    from .front import READER, USER, Front
    from .loader import Loader
    from .rebuild import settle
    from .schema import migrate

    settle(folder.path)
    store = folder.path / chosen.store
    if wrong := unusable(store):
        print("engine: the store {}: {}".format(*wrong), file=sys.stderr, flush=True)
        return WRONG_USE
    store.mkdir(mode=0o700, exist_ok=True)
    # All slots may be taken at once, and the loader and merges need some: a query gets half of what there is.
    memory = settings.engine_memory_mb << 20 or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    limits = Limits(memory_bytes=memory // 2, seconds=settings.query_limit_s)
    try:
        engine = Engine(store, limits=limits, slots=chosen.slots)
        migrate(engine.command, engine.rows)
        sweep(engine.command, engine.rows)
    except (StoreError, RuntimeError) as error:
        print(f"engine: {store} cannot be used: {error}", file=sys.stderr, flush=True)
        return 1
    secrets = {USER: folder.secret("engine")}
    if chosen.reader:
        secrets[READER] = folder.secret(READER_SECRET)

    loader: Loader | None = None
    if not chosen.no_load:
        from truecount.log.reader import LogReader

        loader = Loader(engine, LogReader(folder.path))

    def state() -> dict[str, Any]:
        from msgspec import to_builtins

        return {"pid": os.getpid(), "loader": to_builtins(loader.state()) if loader else None}

    front = Front(
        ("127.0.0.1", chosen.port),
        engine,
        secrets,
        state=state,
        wait=loader.wait if loader else lambda needed, timeout_s: True,
    )
    threading.Thread(target=front.serve_forever, name="front", daemon=True).start()
    if loader:
        loader.start()
        if not chosen.no_upkeep:
            upkeep = (folder.path, loader, settings.address_days, stop)
            threading.Thread(target=_upkeep, args=upkeep, name="upkeep", daemon=True).start()
    sweeping = partial(sweep, engine.command, engine.rows, is_ownerless)
    threading.Thread(target=_now_and_then, args=(sweeping, stop), name="sweep", daemon=True).start()
    _announce(folder.run / "engine.json", {"port": front.server_address[1], "pid": os.getpid()})
    heartbeat.ready()
    while signal.sigtimedwait(ending, heartbeat.EVERY_S) is None:
        if _answers(engine):
            heartbeat.beat()
    stop.set()
    # A query that runs must not hold the process: what is not durable yet is loaded again at the next start.
    threading.Timer(END_WITHIN_S, lambda: os._exit(0)).start()
    if loader:
        loader.stop()
    os._exit(0)  # chDB's own way out waits for its threads and has been seen to crash; nothing is left to write


def _answers(engine: Engine) -> bool:
    """Whether the engine answers. One that hangs does not come back from here, and is started again."""
    try:
        engine.rows("SELECT 1")
    except Exception as error:  # out of memory for a moment; if it lasts, no beat tells the supervisor
        print(f"engine: no answer: {type(error).__name__}", file=sys.stderr, flush=True)
        return False
    return True


class _NoPandas:
    """Says that pandas is not there. (None in sys.modules would do for Python, but not for PyArrow's Cython.)"""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("pandas is not used here", name=name)


def die_with_parent() -> None:
    """Kill this process when its parent's thread that started it ends (Linux).

    KILL, since a TERM would wait for whatever holds the interpreter; the store is made to be killed.
    """
    import ctypes

    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def _temporary_files(path: Path) -> None:
    """chDB's temporary files lie in the data folder, and those of a process that was killed are removed."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True, mode=0o700, exist_ok=True)
    os.environ["TMPDIR"] = str(path)


def _announce(path: Path, content: dict[str, int]) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(content))
    os.rename(partial, path)


def _now_and_then(work: Callable[[], object], stop: threading.Event) -> None:
    while not stop.wait(SWEEP_EVERY_S):
        with suppress(Exception):  # the next time, then
            work()


def _upkeep(folder: Path, loader: Loader, private_days: int, stop: threading.Event) -> None:
    """Let the log seal what is loaded, forget addresses and blank what was deleted, again and again. What fails is said
    once.
    """
    from truecount.log.blanking import blank_deleted
    from truecount.log.deleted import Deleted
    from truecount.log.upkeep import UpkeepSettings, run

    said = ""
    deleted = Deleted()
    kept = UpkeepSettings(private_days=private_days)
    while not stop.wait(UPKEEP_EVERY_S):
        problems: list[str] = []
        try:
            # Until the store is known to go with this log nothing counts as loaded; addresses are forgotten even so.
            state = loader.state()
            loaded = state.doors if state.recovered else {}
            problems += run(folder, loaded, time.time_ns() // 1000, kept, stop=stop.is_set).problems
            problems += blank_deleted(folder, deleted, stop=stop.is_set).problems
        except Exception as error:
            problems.append(f"{type(error).__name__}: {error}")
        problem = "; ".join(problems)
        if problem and problem != said:
            try:
                print(f"upkeep: {problem}", file=sys.stderr, flush=True)
            except (OSError, ValueError):
                pass
        said = problem


if __name__ == "__main__":
    sys.exit(main())
