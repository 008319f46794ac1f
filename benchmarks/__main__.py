"""`python -m benchmarks`, which `make bench` runs: ratios measured side by side. Run nothing else meanwhile."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from benchmarks.tools import CannotMeasure, machine, say

ABOUT = """\
Ratios, measured side by side in one run, with median (least-most). Without a name: all but the last three, in
twenty minutes. The README's figure is `sustain --rate R --seconds 600`; `find` looks for R; `dedup`
compares `events` with the engine's bare GROUP BY over two million copies."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=ABOUT, allow_abbrev=False)
    names = (
        "doors", "start", "visible", "disk", "pixel", "pages", "live", "viewers", "history", "answers",
        "sustain", "find", "dedup",
    )  # fmt: skip
    parser.add_argument("name", nargs="*", choices=[*names, []], default=[], metavar="NAME", help=", ".join(names))
    parser.add_argument("--rate", type=float, default=1000.0, help="events a second of sustain; where find begins")
    parser.add_argument(
        "--seconds", type=float, help="length of sustain (default 600), of viewers (default 60), a try of find (30)"
    )
    parser.add_argument(
        "--batch", type=int, default=50, help="server events a request in sustain and find (default 50)"
    )
    parser.add_argument("--rounds", type=int, default=7, help="alternating slices of doors (default 7)")
    parser.add_argument("--doors", type=int, help="door processes of sustain and find (default: the server's own)")
    parser.add_argument("--copies", type=int, default=10_000_000, help="copies of history (default 10,000,000)")
    parser.add_argument("--runs", type=int, default=1000, help="navigations of pixel (default 1,000)")
    given = parser.parse_args()
    flags = ("--doors", str(given.doors)) if given.doors else ()
    from benchmarks import answers, dedup, doors, history, live, pages, pixel, small, sustain, viewers

    todo: dict[str, Callable[[], object]] = {
        "doors": lambda: doors.run(given.rounds),
        "start": small.start,
        "visible": small.visible,
        "disk": small.disk,
        "pixel": lambda: pixel.run(given.runs),
        "pages": pages.run,
        "live": live.run,
        "viewers": lambda: viewers.run(given.seconds or 60, given.rate),
        "history": lambda: history.run(given.copies),
        "answers": lambda: answers.measure("mixed", list(answers.SIZES), 5),
        "sustain": lambda: sustain.run(given.rate, given.seconds or 600, given.batch, *flags),
        "dedup": lambda: [dedup.measure(2_000_000, 3, mix, False) for mix in dedup.MIXES],
        "find": lambda: sustain.find(given.seconds or 30, given.rate, given.batch, *flags),
    }
    say(machine())
    code = 0
    for name in given.name or names[:-3]:
        began = time.monotonic()
        say()
        try:
            if todo[name]() is False:
                code = 1
        except CannotMeasure as error:
            say(f"{name}: not measured. {error}")
            code = 1
        say(f"  ({name} took {time.monotonic() - began:.0f} s)")
    return code


if __name__ == "__main__":
    sys.exit(main())
