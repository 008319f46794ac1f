"""Streams of a shop for tests: through the doors' own policy, into the tables by the loader's own columns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa

from tests.policy.server_events import AGENT
from tests.resolve.loading import START_US, load
from tests.resolve.reference import Row
from truecount.copies import Copy, columns_of, copies_of, pack
from truecount.datasets import Dataset, DatasetSettings
from truecount.measure.diagnostics.findings import Diagnosis, Finding, findings
from truecount.policy.browser import Hit, Receipt, keep_hit
from truecount.policy.decode import body_of_json
from truecount.policy.errors import RequestRefused
from truecount.policy.server import ServerRequest, keep_slice
from truecount.store.client import Store

MINUTE: Final = 60_000_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
KEY: Final = bytes(range(32))
FBP: Final = "fb.1.1790000000000.{}"


class Stream:
    """What a shop sends, in order. Times are microseconds after START_US."""

    def __init__(self, id: str = "d", **settings: Any) -> None:
        self.dataset = Dataset(id=id, name="shop", created_us=0, settings=DatasetSettings(**settings))
        self.copies: list[Copy] = []
        self.refused: list[tuple[int, str, str]] = []
        """(received_us, event name, reason) of what the server door refused."""

    def hit(self, at_us: int, event_name: str, event_id: str = "", *, agent: str = AGENT, **pairs: str) -> None:
        """One hit; keys with brackets are written cd__value, ud__em."""
        keys = {"id": self.dataset.id, "ev": event_name, **({"eid": event_id} if event_id else {})}
        for name, value in pairs.items():
            kind, _, inner = name.partition("__")
            keys[f"{kind}[{inner}]" if inner else name] = value
        received_us = START_US + at_us
        kept = keep_hit(
            Hit(tuple(keys), list(keys.values()), "203.0.113.9", agent), Receipt(self.dataset, received_us, KEY)
        )
        assert isinstance(kept, Copy), kept
        self.copies += copies_of(pack(1, columns_of([kept])))  # as the log holds it

    def event(
        self, at_us: int, event_name: str, event_id: str = "", *, age_s: int = 0, test: str = "", **fields: Any
    ) -> None:
        """One server event of the website; its event time lies age_s before receipt. What is refused leaves a tally."""
        received_us = START_US + at_us
        user = fields.pop("user_data", {"em": ["a" * 64], "client_user_agent": AGENT})
        sent = {
            "event_name": event_name,
            "event_time": received_us // 1_000_000 - age_s,
            "action_source": "website",
            "event_source_url": "https://shop.example/thanks",
            "user_data": {"client_user_agent": AGENT, **user},
            **({"event_id": event_id} if event_id else {}),
            **fields,
        }
        beside = {"test_event_code": test} if test else {}
        body = body_of_json(json.dumps({"data": [sent], **beside}).encode())
        try:
            kept = keep_slice(body.data, 0, body, ServerRequest(self.dataset, received_us, KEY))
        except RequestRefused as error:
            self.refused.append((received_us, event_name, str(error.reason)))
            return
        self.copies += copies_of(pack(kept.n, kept.columns))

    def sale(self, at_us: int, event_id: str = "", value: str = "100.00", currency: str = "INR", **pairs: str) -> None:
        """The browser's copy of a sale."""
        self.hit(at_us, "Purchase", event_id, cd__value=value, cd__currency=currency, **pairs)

    def sale_told(
        self, at_us: int, event_id: str = "", value: Any = "100.00", currency: str = "INR", **fields: Any
    ) -> None:
        """The server's copy of a sale."""
        more = fields.pop("custom_data", {})
        self.event(at_us, "Purchase", event_id, custom_data={"value": value, "currency": currency, **more}, **fields)

    def rows(self, batch: int = 1_000) -> list[Row]:
        """The copies in order of receipt, as one door's log holds them in batches of so many."""
        ordered = sorted(self.copies, key=lambda copy: copy.received_us)
        return [Row("d1", 1 + at // batch, at % batch, copy) for at, copy in enumerate(ordered)]

    def load(self, store: Store, rows: Sequence[Row] | None = None) -> None:
        load(store, self.rows() if rows is None else rows)
        for number, (received_us, name, reason) in enumerate(self.refused):
            columns = {
                **{key: pa.array([value], pa.string()) for key, value in self._tally(name, reason).items()},
                "n": pa.array([1], pa.uint64()),
                "received_us": pa.array([received_us], pa.int64()),
                "seq": pa.array([1_000_000 + number], pa.uint64()),
                "pos": pa.array([0], pa.uint32()),
            }
            store.insert_arrow("tallies", pa.table(columns))

    def _tally(self, name: str, reason: str) -> dict[str, str]:
        return {
            "dataset": self.dataset.id,
            "source": "server",
            "outcome": "refused",
            "reason": reason,
            "event_name": name,
            "door": "d1",
        }

    def diagnosis(self, store: Store, until_us: int = 30 * DAY, now_us: int | None = None, **more: Any) -> Diagnosis:
        """What is found at `until_us` after the start of the stream, however long it takes."""
        now_us = START_US + (until_us if now_us is None else now_us)
        more = {"check_s": 600.0, "budget_s": 600.0, **more}
        return findings(store, self.dataset, START_US, START_US + until_us, now_us, **more)


def found_by(diagnosis: Diagnosis, check: str) -> dict[tuple[str, ...], Finding]:
    """The findings of one check by their subject."""
    assert diagnosis.not_checked == []
    return {tuple(one.subject.values()): one for one in diagnosis.findings if one.check == check}
