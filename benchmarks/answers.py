"""Answers about small datasets: all copies into the pool, beside looking for those that need it, in one run.

    python -m benchmarks.answers [--mix mixed|all|...] [--rounds N] [--copies N ...]

Below 1 the whole way is the quicker one; the bar is that it is not slower for actions one by one, up to WHOLE copies.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from benchmarks.dedup import COPIES, MIXES
from truecount.datasets import Dataset
from truecount.measure.arrivals import arrivals, seen
from truecount.measure.events import events
from truecount.measure.explain import explain
from truecount.measure.listing import listing
from truecount.resolve import actions
from truecount.store.local import engine

SIZES: Final = (5_000, 20_000, 50_000, 100_000, 200_000)
WAYS: Final = {"whole": 2**62, "sifted": -1}


def median_ms(ask: Callable[[], Any], rounds: int) -> dict[str, float]:
    """Of each way, taken in turn."""
    took: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way, most in WAYS.items():
            with patch.object(actions, "WHOLE", most):
                begun = time.perf_counter()
                ask()
                took[way].append(1000 * (time.perf_counter() - begun))
    return {way: statistics.median(times) for way, times in took.items()}


def measure(mix: str, sizes: list[int], rounds: int) -> bool:
    dataset = Dataset(id="bench", name="bench", created_us=0)
    bare, pages = MIXES[mix]
    holds = True
    with tempfile.TemporaryDirectory() as folder, engine(Path(folder), ["--no-upkeep", "--no-load"]) as store:
        there = 0
        for size in sizes:
            store.command(COPIES, {"first": there, "n": size - there, "bare": bare, "pages": pages})
            there = size
            upto = {"door-0": size}
            newest = arrivals(store, "bench", {"door-0": size // 500 - 3}, upto, 0, limit=10)
            one = newest[0]
            asked: dict[str, Callable[[], Any]] = {
                "events": lambda: events(store, dataset),
                "a page of actions": lambda: listing(store, dataset),
                "ten new copies": lambda newest=newest, upto=upto: seen(store, dataset, newest, upto),  # type: ignore[misc]
                "one action explained": lambda one=one: explain(  # type: ignore[misc]
                    store, dataset, one.event_name, offset=str(one.offset)
                ),
            }
            for name, ask in asked.items():
                ask()
                found = median_ms(ask, rounds)
                ratio = found["whole"] / found["sifted"]
                over = name != "events" and size <= actions.WHOLE and ratio > 1.0
                holds = holds and not over
                print(
                    f"answers, {mix}: {size:>9,} copies, {name:21} {found['whole']:6.0f} ms of "
                    f"{found['sifted']:6.0f} = {ratio:.2f}{'   OVER' if over else ''}",
                    flush=True,
                )
    return holds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mix", choices=MIXES, default="mixed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--copies", type=int, nargs="+", default=list(SIZES))
    args = parser.parse_args()
    measure(args.mix, sorted(args.copies), args.rounds)


if __name__ == "__main__":
    main()
