"""Make the folder of logs that every later version must be able to read: tests/log/released/<format>.

    python -m tests.log.make_released

Run once for a format, when it is first released; what is there is never made again. `expected.json` beside the log says
what must be read from it.
"""

from __future__ import annotations

import json
import shutil
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from truecount import copies
from truecount.copies import Copy
from truecount.datasets import Dataset, DatasetSettings, token_hash
from truecount.log import entries, upkeep
from truecount.log.entries import Entry, Erasure, Kind, Stored, Tally
from truecount.log.folder import VERSION, DataFolder
from truecount.log.reader import LogReader
from truecount.log.writer import LogWriter

RELEASED = Path(__file__).parent / "released"
START_US = 1_790_000_000_000_000
SHOP = "1234567890123456"
DAY_US = 86_400_000_000


def described(stored: Stored) -> dict[str, Any]:
    """An entry as expected.json has it; of copies, what is not default."""
    items: list[Any]
    match stored.kind:
        case Kind.COPIES:
            found = [copy for part in entries.split_parts(stored.body) for copy in copies.copies_of(part)]
            items = [
                {name: getattr(copy, name) for name in copies.FIELDS if getattr(copy, name) != getattr(Copy(), name)}
                for copy in found
            ]
        case Kind.TALLIES:
            items = list(entries.tallies_of(stored.body))
        case Kind.SETTINGS:
            items = [entries.dataset_of(stored.body)]
        case _:
            items = [entries.erasure_of(stored.body)]
    names = ("door", "seq", "kind", "n", "first_us", "last_us", "format", "rules")
    plain = {name: getattr(stored, name) for name in names}
    plain["body"] = sha256(stored.body).hexdigest()
    plain["items"] = json.loads(msgspec.json.encode(items))
    return plain


def described_log(folder: Path) -> list[dict[str, Any]]:
    with LogReader(folder) as reader:
        return [described(stored) for door in reader.doors() for stored in reader.all(door)]


def purchase(number: int, at_us: int, source: str) -> Copy:
    person = sha256(b"maya@example.com").digest()
    return Copy(
        dataset=SHOP,
        source=source,
        received_us=at_us,
        event_time_ms=at_us // 1000,
        event_name="Purchase",
        event_id=f"order-{number}",
        action_source="website" if source == "server" else "",
        url="https://brewbeans.example/thanks",
        value_e4=8_990_000,
        currency="INR",
        order_id=str(number),
        fbp="fb.1.1790000000000.1098115397",
        em=person if source == "server" else b"",
        ph=person * 2 if source == "server" else b"",
        other_keys={"lead_id": "525645896321548"} if number % 2 else None,
        custom_data='{"content_ids":["beans-1"]}',
        marks=1 if number % 3 == 0 else 0,
        browser="Chrome",
        visitor="person",
        address="198.51.100.0",
        weak=-(2**63) + number,
        removed=("url:email",) if number == 2 else None,
        notes=("no_user_agent",) if number == 3 else None,
    )


def make(path: Path) -> None:
    data = DataFolder(path)
    (data.keys / "weak.key").write_bytes(bytes(range(32)))
    now_us = START_US

    def clock() -> int:
        return now_us * 1000

    def add(writer: LogWriter, *batch: Entry, private: bytes | None = None) -> None:
        nonlocal now_us
        writer.append(batch, private, first_us=now_us, last_us=now_us + 40)
        now_us += 1_000_000

    dataset = Dataset(id=SHOP, name="BrewBeans", created_us=now_us, token_hashes=(token_hash("TC-released"),))
    with LogWriter(path, "settings", clock=clock) as settings, LogWriter(path, "door-1", clock=clock) as door:
        add(settings, entries.settings_entry(dataset))
        for number in range(1, 5):
            hits = [purchase(number, now_us, "browser"), purchase(number + 10, now_us + 40, "browser")]
            served = [purchase(number, now_us + 20, "server")]
            parts = [copies.pack_copies(hits), copies.pack_copies(served)]
            tally = Tally(SHOP, "browser", "refused", "no_event_name", number, now_us)
            add(door, entries.copies_entry(3, parts), entries.tallies_entry([tally]), private=b"private")
            if number == 2:
                door.roll()
        kept = msgspec.structs.replace(dataset, settings=DatasetSettings(country="IN", count_bots=True))
        add(settings, entries.settings_entry(kept))
        add(settings, entries.erasure_entry(Erasure(now_us, (("door-1", 1, (0, 2)),))))
    upkeep.run(path, {"door-1": 4}, now_us)
    shutil.rmtree(data.run)
    shutil.rmtree(data.tmp)
    for lock in path.rglob("*lock"):
        lock.unlink()
    for beside in [*path.rglob("*-wal"), *path.rglob("*-shm")]:
        beside.unlink()
    text = json.dumps(described_log(path), indent=1)
    for beside in [*path.rglob("*-wal"), *path.rglob("*-shm")]:
        beside.unlink()
    (path / "expected.json").write_text(text + "\n")


def main() -> None:
    path = RELEASED / str(VERSION)
    if path.exists():
        sys.exit(f"{path} is there: a released format stays as it is")
    RELEASED.mkdir(exist_ok=True)
    make(path)


if __name__ == "__main__":
    main()
