"""Server events for tests: one that is accepted, and a call through all steps."""

from __future__ import annotations

import json
from typing import Any

from truecount.copies import Copy, copies_of, pack
from truecount.datasets import Dataset, DatasetSettings
from truecount.policy.decode import Body, body_of_json
from truecount.policy.errors import RequestRefused
from truecount.policy.server import Kept, ServerRequest, end_of_slice, keep_slice
from truecount.policy.slices import Told, messages_of

NOW_S = 1_791_212_460
AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"


def dataset(**settings: Any) -> Dataset:
    return Dataset(id="1234567890123456", name="BrewBeans", created_us=0, settings=DatasetSettings(**settings))


def request(imported: bool = False, **settings: Any) -> ServerRequest:
    return ServerRequest(dataset(**settings), NOW_S * 1_000_000 + 250_000, bytes(range(32)), imported)


def event(**changes: Any) -> dict[str, Any]:
    """A website Purchase that is accepted without a message; a change of None takes a key away."""
    whole: dict[str, Any] = {
        "event_name": "Purchase",
        "event_time": NOW_S - 60,
        "event_id": "order-1001",
        "action_source": "website",
        "event_source_url": "https://shop.example/thanks",
        "user_data": {"em": ["jane@example.com"], "client_user_agent": AGENT},
        "custom_data": {"value": 899.5, "currency": "INR"},
        **changes,
    }
    return {key: value for key, value in whole.items() if value is not None}


def keep_all(body: Body, how: ServerRequest) -> tuple[list[Copy], list[Kept]]:
    kept, at = [], 0
    while at < len(body.data):
        end = end_of_slice(body, at)
        kept.append(keep_slice(body.data[at:end], at, body, how))
        at = end
    return [copy for one in kept for copy in copies_of(pack(one.n, one.columns))], kept


def keep(
    *events: dict[str, Any], beside: dict[str, Any] | None = None, **settings: Any
) -> tuple[list[Copy], list[str]]:
    """The copies kept of a JSON request with these events, and its messages."""
    body = body_of_json(json.dumps({"data": list(events), **(beside or {})}).encode())
    copies, kept = keep_all(body, request(**settings))
    told: Told = {}
    for text, rows in kept[0].told.items() if kept else ():
        told[text] = (rows[0], len(rows))
    assert len(kept) <= 1
    return copies, messages_of(told)


def keep_one(beside: dict[str, Any] | None = None, settings: dict[str, Any] | None = None, **changes: Any) -> Copy:
    copies, _ = keep(event(**changes), beside=beside, **(settings or {}))
    (copy,) = copies
    return copy


def refusal(*events: Any, **settings: Any) -> RequestRefused:
    """The refusal that a request with these events meets."""
    try:
        keep(*events, **settings)
    except RequestRefused as refused:
        return refused
    raise AssertionError("the request was not refused")
