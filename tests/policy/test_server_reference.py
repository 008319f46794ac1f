"""The columns of the server door against a plain reading of the specification, one event at a time.

The reference below is written from conversions-api.md §4 to §9 and design.md, for requests of JSON objects whose values
have the documented types; it shares nothing with the steps but the vocabulary.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policy.server_events import AGENT, NOW_S, keep_all, request
from truecount.policy.decode import body_of_json
from truecount.policy.errors import RequestRefused
from truecount.vocabulary import Mark, Reason

SOURCES = {
    "website": "server",
    "email": "server",
    "physical_store": "offline",
    "system_generated": "crm",
    "other": "server",
}
BROAD = [{"ct", "country", "client_user_agent"}, {"client_user_agent", "db"}]
Refused = tuple[str, Reason]


def seconds(time: Any) -> int | None:
    if isinstance(time, int):
        return time
    if isinstance(time, str) and time.isdigit():
        return int(time)
    try:
        moment = datetime.datetime.fromisoformat(time)
    except (ValueError, TypeError):
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp())


def sha(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def email(value: Any) -> bytes:
    """em: trimmed, lower case, x@y.z; a SHA-256 as it is; a hash of nothing is none."""
    found = []
    for one in value if isinstance(value, list) else [value]:
        text = (one or "").strip().lower()
        if len(text) == 64:
            digest = bytes.fromhex(text)
        elif "@" in text and "." in text.split("@")[1]:
            digest = sha(text)
        else:
            continue
        if digest != sha("") and digest not in found:
            found.append(digest)
    return b"".join(found)


def phone(value: Any) -> bytes:
    """ph of numbers with their country code: the digits."""
    digits = "".join(filter(str.isdigit, value or "")).lstrip("0")
    return sha(digits) if digits else b""


def expected(event: dict[str, Any]) -> dict[str, Any] | Refused:
    """What becomes of one event: the copy's values, or the first rule that it breaks and its place."""
    if not event.get("event_name"):
        return "event_name", Reason.NO_EVENT_NAME
    denied = event.get("consent") == "denied"
    if event.get("user_data") is None and not denied:
        return "user_data", Reason.NO_USER_DATA
    if event.get("event_time") is None:
        return "event_time", Reason.NO_EVENT_TIME
    time = seconds(event["event_time"])
    if time is None:
        return "event_time", Reason.BAD_EVENT_TIME
    if 10**12 <= time < 10**13:
        return "event_time", Reason.TIME_IN_MILLISECONDS
    if time > NOW_S + 600:
        return "event_time", Reason.TIME_IN_FUTURE
    days = 62 if event.get("action_source") == "physical_store" else 7
    if time < NOW_S - days * 86400:
        return "event_time", Reason.TIME_TOO_OLD
    user = {key: value for key, value in (event.get("user_data") or {}).items() if value not in (None, "", [])}
    hashed = {
        "em": email(user.get("em")),
        "ph": phone(user.get("ph")),
        "external_id": sha(user["external_id"]) if "external_id" in user else b"",
    }
    usable = {key for key in user if key not in hashed or hashed[key]}
    if not denied and (not usable or any(usable <= broad for broad in BROAD)):
        return "user_data", Reason.NO_MATCH_KEYS
    said = event.get("action_source") or "other"
    if said not in SOURCES:
        return "action_source", Reason.BAD_ACTION_SOURCE
    custom = event.get("custom_data") or {}
    value = custom.get("value")
    if value is not None:
        value = int(Decimal(str(value)).scaleb(4).to_integral_value(ROUND_HALF_UP))
    marks = Mark.OPT_OUT if event.get("opt_out") in (True, "1", 1) else 0
    if "LDU" in (event.get("data_processing_options") or ()):
        marks |= Mark.LDU
    limited = denied
    if limited:
        marks |= Mark.LIMITED
    url = event.get("event_source_url") or ""
    event_id = event.get("event_id")
    return {
        "event_name": event["event_name"],
        "event_time_ms": time * 1000,
        "event_id": "" if event_id is None else str(event_id),
        "action_source": said,
        "source": SOURCES[said],
        "url": url.split("?")[0] if limited else url,
        "value_e4": value,
        "currency": (custom.get("currency") or "").upper(),
        "order_id": "" if limited else str(custom.get("order_id") or ""),
        "fbp": "" if limited else user.get("fbp", ""),
        "marks": marks,
        "consent": event.get("consent") or "",
        **{key: b"" if limited else digest for key, digest in hashed.items()},
    }


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(strategy, strategy, st.none())


TIMES = st.one_of(
    st.integers(NOW_S - 3600, NOW_S),
    st.integers(NOW_S - 3600, NOW_S),
    st.sampled_from(
        [
            *(NOW_S - 604800, NOW_S - 604801, NOW_S + 600, NOW_S + 601, NOW_S - 62 * 86400, NOW_S * 1000, 0, -1),
            *(str(NOW_S), "2026-10-05T14:00:00Z", "2026-10-05T16:00:00+02:00", "2026-10-05T14:00:00", "soon", ""),
        ]
    ),
)
EMAILS = st.sampled_from(
    ["Jane@Example.com ", "a@b.de", "nobody", "", sha("x").hex(), sha("x").hex().upper(), sha("").hex()]
)
USERS = st.fixed_dictionaries(
    {},
    optional={
        "em": st.one_of(EMAILS, st.lists(EMAILS, max_size=2)),
        "ph": st.sampled_from(["+1 (650) 555-1212", "16505551212", "0041 79 123 45 67", ""]),
        "external_id": st.sampled_from(["user-42", "u1", ""]),
        "fbp": st.sampled_from(["fb.1.1791212460000.123", ""]),
        "client_user_agent": st.just(AGENT),
        "ct": st.sampled_from(["Rome", ""]),
        "country": st.just("us"),
        "db": st.just("19970216"),
    },
)
EVENTS = st.fixed_dictionaries(
    {
        "event_name": st.sampled_from(["Purchase", "Lead", "Custom 1", "Lead", "Purchase", "", None]),
        "event_time": TIMES,
        "user_data": st.one_of(USERS, USERS, USERS, USERS, st.none()),
    },
    optional={
        "event_id": maybe(st.one_of(st.sampled_from(["o-1", " x ", ""]), st.integers(0, 10**20))),
        "action_source": maybe(st.sampled_from([*SOURCES, *SOURCES, "nowhere", ""])),
        "event_source_url": maybe(st.sampled_from(["https://shop.example/a", "https://shop.example/a?b=1"])),
        "custom_data": maybe(
            st.fixed_dictionaries(
                {},
                optional={
                    "value": st.one_of(
                        st.integers(0, 10**6),
                        st.decimals(0, 10**6, places=5).map(float),
                        st.sampled_from(["5.25", "0.00005"]),
                    ),
                    "currency": st.sampled_from(["EUR", "inr", "Usd"]),
                    "order_id": st.one_of(st.integers(1, 99), st.sampled_from(["A-1", "b"])),
                    "content_name": st.text(max_size=5),
                },
            )
        ),
        "opt_out": st.sampled_from([True, False, "1", "0", 1, None]),
        "data_processing_options": st.sampled_from([[], ["LDU"], None]),
        "consent": st.sampled_from(["granted", "denied", None]),
    },
)


def repaired(event: dict[str, Any]) -> dict[str, Any]:
    """An event that is accepted, as near as can be to one that may not be."""
    if not isinstance(expected(event), tuple):
        return event
    user = {"fbp": "fb.1.1.2", **{key: value for key, value in (event.get("user_data") or {}).items() if key != "fbp"}}
    return {
        **event,
        "event_name": event["event_name"] or "Lead",
        "event_time": NOW_S,
        "user_data": user,
        "action_source": "other",
    }


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(st.one_of(EVENTS, EVENTS.map(repaired)), min_size=1, max_size=4), st.booleans())
def test_columns_agree_with_a_plain_reading_of_the_specification(events: list[dict[str, Any]], as_texts: bool) -> None:
    data = [json.dumps(event) for event in events] if as_texts else events
    outcomes = [expected(event) for event in events]
    body = body_of_json(json.dumps({"data": data}).encode())
    failing = [(at, one) for at, one in enumerate(outcomes) if isinstance(one, tuple)]
    if failing:
        index, (field, reason) = failing[0]
        with pytest.raises(RequestRefused) as caught:
            keep_all(body, request())
        assert (caught.value.reason, caught.value.field) == (reason, [field])
        assert f"$['data'][{index}]['{field}']" in caught.value.text
        return
    copies, _ = keep_all(body, request())
    for copy, outcome in zip(copies, outcomes, strict=True):
        assert not isinstance(outcome, tuple)
        assert {name: getattr(copy, name) for name in outcome} == outcome


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(EVENTS.map(repaired), min_size=1, max_size=4))
def test_an_event_is_kept_alike_alone_and_among_others(events: list[dict[str, Any]]) -> None:
    together, _ = keep_all(body_of_json(json.dumps({"data": events}).encode()), request())
    alone = [keep_all(body_of_json(json.dumps({"data": [event]}).encode()), request())[0][0] for event in events]
    assert together == alone


JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)
KEYS = [
    "event_name",
    "event_time",
    "user_data",
    "custom_data",
    "action_source",
    "event_id",
    "app_data",
    "opt_out",
    "consent",
]
USER_KEYS = [
    "em",
    "ph",
    "fn",
    "external_id",
    "fbp",
    "client_ip_address",
    "client_user_agent",
    "lead_id",
    "email",
    "country",
]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.dictionaries(st.sampled_from([*KEYS, "original_event_data", "data_processing_options", "zz"]), JSON, max_size=4),
    st.dictionaries(st.sampled_from(USER_KEYS), JSON, max_size=3),
    st.dictionaries(
        st.sampled_from(["value", "currency", "order_id", "contents", "test_event_code"]), JSON, max_size=3
    ),
)
def test_any_json_is_kept_or_refused_and_nothing_else_happens(
    event: dict[str, Any], user: dict[str, Any], custom: dict[str, Any]
) -> None:
    whole = {
        "event_name": "Lead",
        "event_time": NOW_S,
        "user_data": {"fbp": "fb.1.1.2", **user},
        "custom_data": custom,
        **event,
    }
    try:
        copies, kept = keep_all(body_of_json(json.dumps({"data": [whole]}).encode()), request())
    except RequestRefused as refused:
        json.dumps(refused.answer("t"))
    else:
        assert len(copies) == 1
        assert kept[0].n == 1
        repr(copies).encode()
