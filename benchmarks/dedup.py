"""Dedup of many copies: `events` beside the engine's own bare GROUP BY, in one run.

    python -m benchmarks.dedup [--copies N] [--rounds N] [--mix ids|bare|mixed] [--stages]

Copies are made inside the engine: pages and sales seen by browser and server. Mixes: `all`: every copy has an id;
`ids`: pages have none; `mixed`: nor have a tenth of the browser's copies of sales, which key B decides of; `bare`:
nor has any of them. The bar is 3 times.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from truecount.datasets import Dataset
from truecount.measure.events import events
from truecount.store.client import Statement, Store
from truecount.store.local import engine

BAR: Final = 3.0
BARE: Final = """
select event_name, count(), sum(copies), sum(both), min(first_us), max(last_us)
from
(
    select event_name, event_id, count() as copies, countIf(source = 'browser') as both,
        min(received_us) as first_us, max(received_us) as last_us
    from copies where dataset = 'bench' group by event_name, event_id
)
group by event_name order by event_name
"""
# Each number is a copy, three in a row are one thing: told twice by the browser and, of a sale, once by the server.
COPIES: Final = """
insert into copies (
    dataset, source, received_us, event_time_ms, event_name, event_id, value_e4, currency, fbp, external_id,
    door, seq, pos
)
with
    intDiv(number, 3) as thing,
    number % 3 as nth,
    ['PageView', 'PageView', 'PageView', 'ViewContent', 'ViewContent', 'AddToCart', 'Purchase'][1 + thing % 7] as name,
    nth = 2 and name in ('AddToCart', 'Purchase') as server,
    if(name in ('AddToCart', 'Purchase'), server or cityHash64(thing) % 1000 >= {bare:UInt32}, {pages:UInt8}) as has_id
select
    'bench', if(server, 'server', 'browser'),
    1790000000000000 + number * 30000 + if(server, 3000000, 0),
    1790000000000 + intDiv(number * 30000, 1000),
    name,
    if(has_id, concat('order-', toString(if(nth = 1, cityHash64(number), cityHash64(thing)))), ''),
    if(name = 'Purchase', 8990000, null), if(name = 'Purchase', 'INR', ''),
    concat('fb.1.1790000000.', toString(cityHash64(intDiv(thing, 20), 'fbp'))),
    if(server, [SHA256(toString(intDiv(thing, 20)))], []),
    'door-0', intDiv(number, 500), number % 500
from numbers({first:UInt64}, {n:UInt64})
"""
MIXES: Final = {"all": (0, 1), "ids": (0, 0), "mixed": (100, 0), "bare": (1000, 0)}
"""Of 1,000 browser copies of sales those without an id; whether pages have one."""
CHUNK: Final = 500_000


class Timed:
    """A store that notes how long each statement took."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.took: list[tuple[float, str]] = []

    def query_rows(self, sql: str, params: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        with self._noting(sql):
            return self._store.query_rows(sql, params)

    def script(self, commands: Sequence[Statement], select: Statement | None = None) -> Sequence[Sequence[Any]]:
        """One after the other, so that each has its time."""
        for sql, params in commands:
            with self._noting(sql):
                self._store.script([(sql, params)])
        if select is None:
            return []
        with self._noting(select[0]):
            return self._store.script([], select)

    @contextmanager
    def _noting(self, sql: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        self.took.append((time.perf_counter() - begun, " ".join(sql.split())))


def measure(copies: int, rounds: int, mix: str, stages: bool) -> float:
    """The ratio of `events` to the bare GROUP BY, medians of alternating rounds."""
    dataset = Dataset(id="bench", name="bench", created_us=0)
    with tempfile.TemporaryDirectory() as folder, engine(Path(folder), ["--no-upkeep", "--no-load"]) as store:
        for first in range(0, copies, CHUNK):
            bare_sales, pages = MIXES[mix]
            params = {"first": first, "n": min(CHUNK, copies - first), "bare": bare_sales, "pages": pages}
            store.command(COPIES, params)
        timed = Timed(store)
        bare: list[float] = []
        ours: list[float] = []
        for _ in range(rounds):
            begun = time.perf_counter()
            store.query_rows(BARE)
            bare.append(time.perf_counter() - begun)
            timed.took.clear()
            begun = time.perf_counter()
            counts = events(timed, dataset)
            ours.append(time.perf_counter() - begun)
        if stages:
            for took, sql in timed.took:
                print(f"  {took * 1000:8.1f} ms  {sql[:50]} ... {sql[-50:]}")
        actions = sum(one.actions for one in counts)
        ratio = statistics.median(ours) / statistics.median(bare)
        print(
            f"dedup, {mix}: {copies:,} copies, {actions:,} actions; bare GROUP BY {statistics.median(bare):.2f} s, "
            f"events {statistics.median(ours):.2f} s: {ratio:.2f} times (bar {BAR:g})"
        )
        return ratio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--copies", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mix", choices=[*MIXES, "every"], default="every")
    parser.add_argument("--stages", action="store_true", help="how long each statement of the last round took")
    args = parser.parse_args()
    for mix in MIXES if args.mix == "every" else [args.mix]:
        measure(args.copies, args.rounds, mix, args.stages)


if __name__ == "__main__":
    main()
