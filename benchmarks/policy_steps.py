"""What the server door's steps cost an event, beside the official SDK's build, normalise and hash of the same events.

    python -m benchmarks.policy_steps [--rounds N] [--profile]

Both sides take the same 1,000 raw events, each of another person, in slices that alternate. Ours: decode the JSON body,
all policy steps, pack. The SDK's: build Event objects, normalise, hash (no sending, no JSON). The rates of CPU time are
printed with their ratio, and the share of each of our steps.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import json
import math
import statistics
import time
from typing import Any, Final

from benchmarks.server_events import raw_events
from truecount.copies import pack
from truecount.datasets import Dataset
from truecount.policy.decode import body_of_json
from truecount.policy.server import SERVER_STEPS, SLICE, ServerRequest, keep_slice
from truecount.policy.slices import Slice

EVENTS: Final = 1000


def ours(raw: bytes, request: ServerRequest) -> int:
    """Take a body to packed copies; gives their bytes."""
    body = body_of_json(raw)
    size = 0
    for first in range(0, len(body.data), SLICE):
        kept = keep_slice(body.data[first : first + SLICE], first, body, request)
        size += len(pack(kept.n, kept.columns))
    return size


def sdk(events: list[dict[str, Any]]) -> int:
    """Build, normalise and hash the events as the SDK does before it sends them; gives their number."""
    from facebook_business.adobjects.serverside.action_source import ActionSource
    from facebook_business.adobjects.serverside.content import Content
    from facebook_business.adobjects.serverside.custom_data import CustomData
    from facebook_business.adobjects.serverside.event import Event
    from facebook_business.adobjects.serverside.user_data import UserData

    done = []
    for raw in events:
        user, custom = raw["user_data"], raw["custom_data"]
        event = Event(
            event_name=raw["event_name"],
            event_time=raw["event_time"],
            event_id=raw["event_id"],
            event_source_url=raw["event_source_url"],
            action_source=ActionSource.WEBSITE,
            user_data=UserData(
                emails=user["em"],
                phones=user["ph"],
                first_names=user["fn"],
                last_names=user["ln"],
                cities=user["ct"],
                states=user["st"],
                zip_codes=user["zp"],
                country_codes=user["country"],
                external_ids=user["external_id"],
                client_ip_address=user["client_ip_address"],
                client_user_agent=user["client_user_agent"],
                fbp=user["fbp"],
                fbc=user["fbc"],
            ),
            custom_data=CustomData(
                value=custom["value"],
                currency=custom["currency"],
                order_id=custom["order_id"],
                content_type=custom["content_type"],
                content_ids=custom["content_ids"],
                contents=[
                    Content(product_id=item["id"], quantity=item["quantity"], item_price=item["item_price"])
                    for item in custom["contents"]
                ],
                num_items=custom["num_items"],
            ),
        )
        done.append(event.normalize())
    return len(done)


def shares(bodies: list[bytes], request: ServerRequest) -> dict[str, float]:
    """µs an event of each step, the least of all bodies."""
    names = ("decode", "columns", *(name for name, _ in SERVER_STEPS), "pack")
    least = dict.fromkeys(names, math.inf)
    clock = time.perf_counter
    for raw in bodies:
        spent = dict.fromkeys(names, 0.0)
        began = clock()
        body = body_of_json(raw)
        spent["decode"] += clock() - began
        for first in range(0, len(body.data), SLICE):
            began = clock()
            rows = Slice(body.data[first : first + SLICE], first, body, request)
            spent["columns"] += clock() - began
            for name, step in SERVER_STEPS:
                began = clock()
                step(rows)
                spent[name] += clock() - began
            began = clock()
            pack(rows.n, rows.columns)
            spent["pack"] += clock() - began
        least = {name: min(least[name], spent[name]) for name in names}
    return {name: seconds / EVENTS * 1e6 for name, seconds in least.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)  # type: ignore[union-attr]
    parser.add_argument("--rounds", type=int, default=15, help="slices of each side (default 15)")
    parser.add_argument("--profile", action="store_true", help="show where our time goes, by function")
    given = parser.parse_args()
    now_s = int(time.time())
    dataset = Dataset(id="1234567890123456", name="bench", created_us=0)
    request = ServerRequest(dataset, now_s * 1_000_000, bytes(32))
    # Other people in each round: no round finds its own values in a memo, as no door does.
    batches = [raw_events(EVENTS, now_s, seed) for seed in range(given.rounds + 1)]
    bodies = [json.dumps({"data": batch}, ensure_ascii=False, separators=(",", ":")).encode() for batch in batches]
    ours(bodies[-1], request)
    sdk(batches[-1][:100])
    gc.collect()
    gc.freeze()  # the material is no garbage, and would be walked through again and again on both sides
    gc.set_threshold(50_000, 20, 100)  # as the door does
    rates: list[tuple[float, float]] = []
    for raw, batch in zip(bodies[:-1], batches[:-1], strict=True):
        began = time.process_time()
        ours(raw, request)
        between = time.process_time()
        sdk(batch)
        ended = time.process_time()
        rates.append((EVENTS / (between - began), EVENTS / (ended - between)))
    ratios = sorted(mine / theirs for mine, theirs in rates)
    print(
        f"ours {statistics.median(mine for mine, _ in rates):,.0f} events/s, "
        f"SDK {statistics.median(theirs for _, theirs in rates):,.0f} events/s, "
        f"ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})"
    )
    for name, us in shares(bodies, request).items():
        print(f"  {name:24}{us:6.2f} µs an event")
    if given.profile:
        with cProfile.Profile() as profile:
            for raw in bodies:
                ours(raw, request)
        profile.print_stats("tottime")


if __name__ == "__main__":
    main()
