"""A dataset with a past: what BrewBeans' visitors sent in the days before now, in the log as doors would have put it.

The shop's visits are those of the demo, by day more than by night. Each report goes through its door's policy with the
time of its receipt, so that nothing here knows what a copy looks like. Write it before the server starts.
"""

from __future__ import annotations

import heapq
import json
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

from tests.system import Shop as Access
from truecount.copies import pack
from truecount.datasets import Dataset, DatasetSettings
from truecount.log.entries import Entry, Tally, copies_entry, tallies_entry
from truecount.log.folder import DataFolder
from truecount.log.registry import Registry
from truecount.log.writer import LogWriter
from truecount.policy.address import day_key
from truecount.policy.browser import Receipt, keep_hits
from truecount.policy.decode import body_of_json
from truecount.policy.errors import RequestRefused
from truecount.policy.hits import Hit
from truecount.policy.server import ServerRequest, keep_slice
from truecount.simulate.brewbeans import HOST, How, Report, Shop
from truecount.simulate.hits import pairs_of
from truecount.simulate.sdk import event_of
from truecount.vocabulary import Outcome, Source

DAY_MS: Final = 86_400_000
BUSY: Final = (3, 2, 1, 1, 1, 2, 4, 6, 8, 10, 11, 11, 10, 9, 9, 10, 11, 12, 13, 15, 16, 14, 10, 6)
"""How busy the shop is, by hour of its day, against the busiest of 16."""
ZONE_MS: Final = 19_800_000
"""The shop is in India."""


def write_past(folder: Path, now_ms: int, days: float, seed: int = 1, pace: float = 0.02) -> Access:
    """Make the dataset BrewBeans in a data folder, with what it received in the `days` before `now_ms` (ms since 1970).

    `pace` is visits a second when the shop is busiest. Returns the dataset's id and token.
    """
    opened_ms = now_ms - int(days * DAY_MS)
    at_us = opened_ms * 1000

    def clock() -> int:
        return at_us * 1000

    owned = DataFolder(folder)
    with LogWriter(owned.path, "settings", clock=clock) as writer:
        registry = Registry.open(owned.path, writer=writer)
        settings = DatasetSettings(time_zone="Asia/Kolkata")
        dataset, token = registry.create("BrewBeans", id="1095271648210437", settings=settings)
        registry.close()
    secret = owned.weak_key()
    with LogWriter(owned.path, "earlier", clock=clock) as writer:
        entries: list[Entry] = []
        first_us = last_us = at_us
        for report_ms, report in _reports(Shop(seed, opened_ms, pace), opened_ms, now_ms):
            at_us = report_ms * 1000
            if entries and (at_us - first_us > 3_600_000_000 or len(entries) > 500):
                writer.append(entries, first_us=first_us, last_us=last_us)
                entries = []
            if not entries:
                first_us = at_us
            last_us = at_us
            entries.append(_entry(report, dataset, opened_ms, at_us, day_key(secret, at_us)))
        writer.append(entries, first_us=first_us, last_us=last_us)
    return Access(dataset.id, token)


def _reports(shop: Shop, opened_ms: int, now_ms: int) -> Iterator[tuple[int, Report]]:
    """All reports with the moment of their receipt, in its order, up to `now_ms`."""
    chance = Random("rhythm")
    waiting: list[tuple[int, int, Report]] = []
    number = 0
    for visit in shop.visits():
        arrived_ms = opened_ms + visit.at_ms
        while waiting and waiting[0][0] <= arrived_ms:
            at_ms, _, report = heapq.heappop(waiting)
            if at_ms > now_ms:
                return
            yield at_ms, report
        if arrived_ms > now_ms:
            return
        if chance.random() * max(BUSY) > BUSY[(arrived_ms + ZONE_MS) // 3_600_000 % 24]:
            continue
        for chain in visit.chains:
            at_ms = opened_ms + chain[0].deed.at_ms
            for report in chain:
                at_ms += report.after_ms
                number += 1
                heapq.heappush(waiting, (at_ms, number, report))


def _entry(report: Report, dataset: Dataset, opened_ms: int, at_us: int, weak_key: bytes) -> Entry:
    """What the report's door appends for it: a copy, or a tally where it is refused."""
    if report.how is not How.SERVER:
        pairs = dict(pairs_of(report, dataset.id, opened_ms))
        person = report.deed.person
        hit = Hit(tuple(pairs), list(pairs.values()), person.address, person.agent, HOST, f"{HOST}/")
        kept = keep_hits([hit], Receipt(dataset, at_us, weak_key, at_us))
        if kept.n:
            return copies_entry(1, [pack(1, kept.columns)])
        return tallies_entry([Tally(dataset.id, Source.BROWSER, Outcome.REFUSED, kept.ended[0], 1, at_us)])
    event = event_of(report, opened_ms).normalize()
    if consent := report.deed.person.consent:
        event |= {"consent": consent}
        if consent == "denied":
            event |= {"user_data": {}, "event_source_url": re.split("[?#]", event["event_source_url"])[0]}
    body = body_of_json(json.dumps({"data": [event]}).encode())
    try:
        told = keep_slice(body.data, 0, body, ServerRequest(dataset, at_us, weak_key, clock_us=at_us))
    except RequestRefused as refused:
        tally = Tally(dataset.id, Source.SERVER, Outcome.REFUSED, refused.reason, 1, at_us, report.deed.name)
        return tallies_entry([tally])
    return copies_entry(told.n, [pack(told.n, told.columns)])
