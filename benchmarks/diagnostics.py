"""All checks of diagnostics over many copies: each beside the engine's own bare GROUP BY, in one run.

    python -m benchmarks.diagnostics [--copies N] [--rounds N]

Copies are those of benchmarks.dedup, a tenth of the browser's sales without an id. A hundredth carries a test code,
contact data in its address, or an odd currency each; all of the server's carry unhashed keys.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.dedup import BARE, CHUNK, COPIES, MIXES
from truecount.datasets import Dataset
from truecount.measure.diagnostics.findings import findings
from truecount.measure.diagnostics.registry import checks
from truecount.store.client import Store
from truecount.store.local import engine

START_US: Final = 1_790_000_000_000_000
STEP_US: Final = 30_000
"""Between two copies of benchmarks.dedup."""
NO_LIMIT_S: Final = 600.0
FAULTY: Final = COPIES.replace("door, seq, pos\n)", "door, seq, pos, marks, removed, notes\n)").replace(
    "'door-0', intDiv(number, 500), number % 500",
    """'door-0', intDiv(number, 500), number % 500,
    if(cityHash64(number, 'test') % 100 = 0, 1, 0),
    if(cityHash64(number, 'removed') % 100 = 0, ['url:email'], []),
    arrayConcat(if(server, ['unhashed'], []), if(cityHash64(number, 'money') % 100 = 0, ['bad:currency'], []))""",
)


def measure(copies: int, rounds: int) -> None:
    """Seconds of the bare GROUP BY, of each check and of all; medians of alternating rounds."""
    dataset = Dataset(id="bench", name="bench", created_us=0)
    until_us = START_US + copies * STEP_US + 60_000_000
    with tempfile.TemporaryDirectory() as folder, engine(Path(folder), ["--no-upkeep", "--no-load"]) as store:
        bare_sales, pages = MIXES["mixed"]
        for first in range(0, copies, CHUNK):
            params = {"first": first, "n": min(CHUNK, copies - first), "bare": bare_sales, "pages": pages}
            store.command(FAULTY, params)
        took: dict[str, list[float]] = {}
        for _ in range(rounds):
            took.setdefault("bare GROUP BY", []).append(_timed(lambda: store.query_rows(BARE)))
            for check in checks():
                took.setdefault(check.name, []).append(_timed(partial(_find, store, dataset, until_us, [check.name])))
            took.setdefault("all checks", []).append(_timed(partial(_find, store, dataset, until_us, None)))
        medians = {name: statistics.median(seconds) for name, seconds in took.items()}
        print(f"diagnostics, {copies:,} copies, {rounds} rounds; times of the bare GROUP BY in brackets")
        for name, seconds in medians.items():
            print(f"  {name:26} {seconds:7.2f} s  ({seconds / medians['bare GROUP BY']:.2f})")


def _find(store: Store, dataset: Dataset, until_us: int, names: list[str] | None) -> None:
    limits = {"check_s": NO_LIMIT_S, "budget_s": NO_LIMIT_S}
    told = findings(store, dataset, START_US, until_us, until_us, names=names, **limits)
    for one in told.not_checked:
        print(f"  not checked: {one.check}: {one.reason}")


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--copies", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    measure(args.copies, args.rounds)


if __name__ == "__main__":
    main()
