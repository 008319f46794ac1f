"""What two datasets hold for tests of who may read what: copies whose every word of their own says whose they are."""

from __future__ import annotations

import time

from truecount.copies import Copy

HOUR_US: int = 3_600_000_000


def secret_of(dataset: str) -> str:
    """A word that stands in all that belongs to a dataset and in nothing that anybody asks for."""
    return f"secret{dataset}word"


def copies_of(dataset: str) -> list[Copy]:
    """Sales of both doors and of one, page views, an event that only this dataset has; of the last hours.

    What can be asked for is known to everybody: the event ids sale-0 ... sale-4 of each dataset, order ids, fbp.
    """
    word, now_us = secret_of(dataset), time.time_ns() // 1000
    found = []

    def add(name: str, source: str, id: str, hours: int, **fields: object) -> None:
        at_us = now_us - hours * HOUR_US
        found.append(
            Copy(
                dataset=dataset,
                event_name=name,
                source=source,
                event_id=id,
                received_us=at_us,
                event_time_ms=at_us // 1000,
                url=f"https://{word}.example/{word}?q={word}",
                referrer=f"https://{word}.example/",
                custom_data=f'{{"note":"{word}","content_ids":["{word}"]}}',
                extra=f'{{"more":"{word}"}}',
                campaign=word,
                campaign_source=word,
                test_event_code=word if source == "server" else "",
                agent=word,
                removed=(f"custom_data.{word}:email",),
                other_keys={"lead_id": word},
                **fields,  # type: ignore[arg-type]  # names of fields are the caller's affair
            )
        )

    for n in range(5):
        money = {"value_e4": 8_990_000, "currency": "INR", "order_id": f"order-{dataset}-{n}"}
        add("Purchase", "browser", f"sale-{dataset}-{n}", n, fbp=f"fb.1.{dataset}.{n}", **money)
        if n % 2:
            add("Purchase", "server", f"sale-{dataset}-{n}", n, em=dataset.encode() * 16, **money)
    add("PageView", "browser", "", 1, fbp=f"fb.1.{dataset}.9")
    add(f"Event {word}", "server", f"own-{dataset}", 2)
    add("Purchase", "server", f"{word} id", 3)
    return found
