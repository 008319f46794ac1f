"""What the browser door's steps cost a hit, of 128 that came together: µs, and as a share of urllib.parse.parse_qsl.

    python -m benchmarks.hit_steps [--profile]

The hit has 21 keys, as a pixel sends them for a Purchase. One of 8 is of a landing with a click id of its own, carts
differ, and each hit has its own visitor, ids and clocks.
"""

from __future__ import annotations

import cProfile
import sys
import timeit
from statistics import median
from urllib.parse import parse_qsl, urlencode

from truecount.datasets import Dataset
from truecount.policy.browser import BROWSER_STEPS, Hit, Receipt, keep_hits
from truecount.policy.hit_columns import HitColumns

RECEIVED_US = 1_791_212_460_500_000
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
DATASET = Dataset(id="1234567890123456", name="BrewBeans", created_us=0)
RECEIPT = Receipt(DATASET, RECEIVED_US, bytes(32))
TOGETHER = 128


def pairs(n: int) -> dict[str, str]:
    """A Purchase of 21 keys; hits of different n differ as those of different visitors do."""
    landing = f"?utm_campaign=spring&fbclid=IwAR{n:026d}" if n % 8 == 0 else "?utm_source=news&utm_campaign=spring"
    return {
        "id": DATASET.id,
        "ev": "Purchase",
        "dl": "https://shop.example/checkout/thanks" + landing,
        "rl": "https://shop.example/cart",
        "if": "false",
        "ts": str(1_791_212_460_000 + n % 400),
        "cd[value]": "899.00",
        "cd[currency]": "INR",
        "cd[content_ids]": f'["bean-{n % 90}","mug-{n % 41}"]',
        "cd[contents]": f'[{{"id":"bean-{n % 90}","quantity":{1 + n % 3},"item_price":599}},'
        f'{{"id":"mug-{n % 41}","quantity":1,"item_price":300}}]',
        "sw": "1920",
        "sh": "1080",
        "ud[em]": f"{n * 2654435761 % 2**256:064x}",
        "v": "2.9.170",
        "r": "stable",
        "ec": str(n % 4),
        "o": "4126",
        "fbp": f"fb.1.{1_791_212_000_000 + n}.{1_000_000_000 + n}",
        "it": str(1_791_212_459_000 + n % 300),
        "eid": f"order-{n}",
        "rqm": "GET",
    }


def hits(n: int = 2000) -> list[Hit]:
    keys = tuple(pairs(0))
    return [Hit(keys, list(pairs(at).values()), f"203.0.{at % 199}.{at % 251}", AGENT) for at in range(n)]


def main() -> None:
    batch = hits()
    queries = [urlencode(dict(zip(hit.keys, hit.values, strict=True))) for hit in batch]
    runs = [batch[at : at + TOGETHER] for at in range(0, len(batch), TOGETHER)]
    assert len(batch[0].keys) == 21
    assert sum(keep_hits(run, RECEIPT).n for run in runs) == len(batch)

    def steps() -> None:
        for run in runs:
            keep_hits(run, RECEIPT)

    def parse() -> None:
        for query in queries:
            parse_qsl(query, keep_blank_values=True)

    if "--profile" in sys.argv:
        cProfile.runctx("steps()", {}, {"steps": steps}, sort="tottime")
        return
    rounds = [(timeit.timeit(steps, number=1), timeit.timeit(parse, number=1)) for _ in range(15)]
    of_steps = median(one for one, _ in rounds) / len(batch) * 1e6
    ratio = median(one / other for one, other in rounds)
    print(f"policy steps of a hit of 21 keys: {of_steps:.1f} us, {ratio:.2f} x urllib.parse.parse_qsl of its query")
    spent = dict.fromkeys((name for name, _ in BROWSER_STEPS), 0.0)
    for run in runs:
        rows = HitColumns(run, RECEIPT)
        for name, step in BROWSER_STEPS:
            start = timeit.default_timer()
            step(rows)
            spent[name] += timeit.default_timer() - start
    for name, seconds in spent.items():
        print(f"  {name:18} {seconds / len(batch) * 1e6:5.2f} us")


if __name__ == "__main__":
    main()
