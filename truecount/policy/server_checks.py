"""Checks of the server door, a column at a time: shape, time, match keys, what each action source requires.

The order of checks and the codes are those of conversions-api.md §4 to §9; each step only looks closer where its cheap
look over the column finds something unusual.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from truecount.policy.consent import consent_of, fate_of
from truecount.policy.errors import WHATSAPP_ID
from truecount.policy.permissions import host_as_sent
from truecount.policy.slices import Slice, values
from truecount.policy.times import MAX_S, looks_like_milliseconds, time_ms_of
from truecount.policy.urls import within
from truecount.vocabulary import (
    ACTION_SOURCES,
    DIGEST_KEYS,
    FUTURE_LIMIT_S,
    FUTURE_SILENT_S,
    MAX_EVENT_AGE_S,
    MAX_OFFLINE_AGE_S,
    MESSAGING_EVENTS,
    PLAIN_KEYS,
    RARE_DIGEST_KEYS,
    Reason,
    Source,
)

MAX_EVENT_NAME: Final = 100
"""Characters. The pixel's own limit is 50; names of CRM stages are longer."""
MESSAGING_IDS: Final = {
    "messenger": ("page_id", "page_scoped_user_id"),
    "whatsapp": ("ctwa_clid",),
    "instagram": ("ig_account_id", "ig_sid"),
}

BROAD_KEYS: Final = (
    frozenset(("ct", "country", "st", "zp", "ge", "client_user_agent")),
    frozenset(("db", "client_user_agent")),
    frozenset(("fn", "ge")),
    frozenset(("ln", "ge")),
)
"""Sets of keys that fit too many people: keys that are all in one of them are not enough (conversions-api.md §8)."""


def check_shape(rows: Slice) -> None:
    """Each event is an object with a name and user_data."""
    first = rows.first
    for index, problem in rows.body.problems.items():
        if first <= index < first + rows.failed_row:
            rows.failed_row, rows.failure = index - first, problem
    names = values(rows.sent.get("event_name") or ("",) * rows.n)
    distinct = set(names)
    if not all(map(str.strip, distinct)) or max(map(len, distinct)) > MAX_EVENT_NAME:
        for row, name in enumerate(names):
            if not name.strip():
                rows.fail(row, Reason.NO_EVENT_NAME, "event_name")
            elif len(name) > MAX_EVENT_NAME:
                rows.fail(row, Reason.BAD_EVENT_NAME, "event_name")
    rows.columns["event_name"] = names
    users = rows.sent.get("user_data") or (None,) * rows.n
    if not all(users):
        nameless = _imported_hits(rows) | _limited(rows)
        for row, user in enumerate(users):
            if user is None and row not in nameless:
                rows.fail(row, Reason.NO_USER_DATA, "user_data")
    rows.unpack_users(users)


def _imported_hits(rows: Slice) -> set[int]:
    """Rows of a backfill that were hits: as at the browser door they need name nobody, an event id can be all."""
    if not rows.request.imported:
        return set()
    sources = rows.sent.get("source", ())
    return {row for row, source in enumerate(sources) if (source or "").strip().lower() == Source.BROWSER}


def _limited(rows: Slice) -> set[int]:
    """Rows whose consent is denied: nothing that names anybody is kept of them, so nothing of the kind is asked for."""
    said = rows.sent.get("consent") or (None,) * rows.n
    return {row for row, one in enumerate(said) if fate_of(consent_of(one), rows.settings) != "keep"}


def check_time(rows: Slice) -> None:
    """event_time is seconds (or says clearly what it is), neither too old nor in the future."""
    times: Sequence[Any] = rows.sent.get("event_time") or (None,) * rows.n
    now_s = rows.request.now_us // 1_000_000
    if (
        set(map(type, times)) == {int}
        and min(times) >= now_s - MAX_EVENT_AGE_S
        and max(times) <= now_s + FUTURE_SILENT_S
    ):
        rows.columns["event_time_ms"] = [time * 1000 for time in times]
    else:
        rows.columns["event_time_ms"] = [_time(rows, row, time, now_s) for row, time in enumerate(times)]
    if rows.request.imported:
        _keep_own_receipt(rows)


def _time(rows: Slice, row: int, time: Any, now_s: int) -> int:
    if time is None:
        rows.fail(row, Reason.NO_EVENT_TIME, "event_time")
        return 0
    ms = time_ms_of(time)
    if ms is None:
        rows.fail(row, Reason.BAD_EVENT_TIME, "event_time")
        return 0
    if isinstance(time, str):
        rows.tell(
            "{place}['event_time'] is text: read as a time in seconds or ISO 8601, UTC where no zone is named", row
        )
    offline = rows.events[row].action_source == "physical_store"
    age_s = now_s - ms // 1000
    if looks_like_milliseconds(ms):
        rows.fail(row, Reason.TIME_IN_MILLISECONDS, "event_time")
    elif age_s < -FUTURE_LIMIT_S:
        rows.fail(row, Reason.TIME_IN_FUTURE, "event_time")
    elif rows.request.imported:
        if ms < -MAX_S * 1000:
            rows.fail(row, Reason.BAD_EVENT_TIME, "event_time")
            return 0
        return ms
    elif age_s > (MAX_OFFLINE_AGE_S if offline else MAX_EVENT_AGE_S):
        rows.fail(row, Reason.TIME_TOO_OLD, "event_time")
    elif age_s < -FUTURE_SILENT_S:
        rows.tell("{place}['event_time'] lies in the future: check the clock", row)
        return ms
    else:
        return ms
    return 0


def _keep_own_receipt(rows: Slice) -> None:
    """An imported event was received at received_time if that is given, else when it happened."""
    received = [ms * 1000 for ms in rows.columns["event_time_ms"]]
    for row, given in enumerate(rows.sent.get("received_time", ())):
        if given is not None:
            ms = time_ms_of(given)
            if ms is None or not -MAX_S < ms // 1000 <= rows.request.now_us // 1_000_000 + FUTURE_LIMIT_S:
                rows.fail(row, Reason.BAD_EVENT_TIME, "received_time")
            else:
                received[row] = ms * 1000
    rows.columns["received_us"] = received


def check_match_keys(rows: Slice) -> None:
    """Each event says enough of who acted: conversions-api.md §8, judged on usable values."""
    strong = [
        rows.columns[name] for name in ("em", "ph", "external_id", "fbp", "fbc", "address") if name in rows.columns
    ]
    for column in strong:
        if all(column):
            return
    user, others = rows.user, rows.columns.get("other_keys")
    nameless = _imported_hits(rows) | _limited(rows)
    for row in range(rows.n):
        if row in nameless:
            continue
        keys: set[str] = {name for name in DIGEST_KEYS if name in rows.columns and rows.columns[name][row]}
        keys.update(rows.unmatched.get(row, ()))
        keys.update(name for name in ("fbp", "fbc") if name in rows.columns and rows.columns[name][row])
        if "address" in rows.columns and rows.columns["address"][row]:
            keys.add("client_ip_address")
        if rows.agents and rows.agents[row].strip():
            keys.add("client_user_agent")
        keys.update(name for name in PLAIN_KEYS if name in user and str(user[name][row] or "").strip())
        keys.update(name for name in RARE_DIGEST_KEYS if others is not None and name in (others[row] or ()))
        if not keys or any(keys <= broad for broad in BROAD_KEYS):
            rows.fail(row, Reason.NO_MATCH_KEYS, "user_data")


def check_action_source(rows: Slice) -> None:
    """action_source is known, and what it requires is there (conversions-api.md §5.1)."""
    said = rows.sent.get("action_source") or (None,) * rows.n
    known = _SOURCES
    sources: list[Any]
    if said[0] in known and said.count(said[0]) == rows.n:  # one shop, one source
        sources = [known[said[0]]] * rows.n
    else:
        sources = [known.get(one) for one in said]
    if not all(sources):
        for row, one in enumerate(said):
            if sources[row] is None:
                name = (one or "").strip().lower()
                if name in ACTION_SOURCES:
                    sources[row] = name
                elif name:
                    rows.fail(row, Reason.BAD_ACTION_SOURCE, "action_source")
                    sources[row] = "other"
                else:
                    rows.tell("{place}['action_source'] is missing: read as other", row)
                    rows.note(row, "no_action_source")
                    sources[row] = "other"
    kinds = set(sources)
    rows.columns["action_source"] = sources
    rows.columns["source"] = [_DOORS[one] for one in sources]
    if "website" in kinds:
        _check_websites(rows, sources)
    for row, source in enumerate(sources) if kinds - {"website", "other"} else ():
        if source == "app":
            _check_app(rows, row)
        elif source == "business_messaging":
            _check_messaging(rows, row)
    if "lead_id" in rows.user:
        for row, lead in enumerate(rows.user["lead_id"]):
            if lead is not None and str(lead).strip() and not _is_lead_id(str(lead).strip()):
                rows.fail(row, Reason.BAD_LEAD_ID, "user_data", "lead_id")
    if rows.request.imported and "source" in rows.sent:
        _take_named_sources(rows)


_SOURCES: Final[dict[Any, Any]] = {name: name for name in ACTION_SOURCES}
_DOORS: Final = {name: str(source) for name, source in ACTION_SOURCES.items()}


def _take_named_sources(rows: Slice) -> None:
    """A backfill tells browser rows from those that came by the server.

    `browser` is a door of its own. `server` names the door of all others, whose side is what action_source says (CRM,
    offline, messaging); an app's event is on the server's side where its row says so.
    """
    for row, named in enumerate(rows.sent["source"]):
        name = (named or "").strip().lower()
        if name == Source.BROWSER:
            rows.columns["source"][row] = Source.BROWSER.value
        elif name == Source.SERVER:
            if rows.columns["source"][row] == Source.APP:
                rows.columns["source"][row] = Source.SERVER.value
        elif name:
            rows.fail(row, Reason.BAD_SHAPE, "source")


def _check_websites(rows: Slice, sources: list[Any]) -> None:
    agents = rows.agents or ("",) * rows.n
    hits = _imported_hits(rows)
    if not all(agents):
        nameless = hits | _limited(rows)
        for row, agent in enumerate(agents):
            if not agent and sources[row] == "website" and row not in nameless:
                rows.tell("{place}['user_data']['client_user_agent'] is required for website events", row)
                rows.note(row, "no_user_agent")
    pages = rows.sent.get("event_source_url") or (None,) * rows.n
    if not all(pages):
        for row, page in enumerate(pages):
            if not page and sources[row] == "website" and row not in hits:
                rows.tell("{place}['event_source_url'] is required for website events", row)
                rows.note(row, "no_event_source_url")


def _is_lead_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and 15 <= len(text) <= 17


def _check_app(rows: Slice, row: int) -> None:
    app = _object(rows.sent["app_data"][row]) if "app_data" in rows.sent else None
    enabled = rows.sent.get("advertiser_tracking_enabled")
    if app is None:
        rows.fail(row, Reason.NO_APP_DATA, "app_data")
        return
    if app.get("advertiser_tracking_enabled") is None and (enabled is None or enabled[row] is None):
        rows.fail(row, Reason.NO_APP_DATA, "app_data", "advertiser_tracking_enabled")
    info = app.get("extinfo")
    if isinstance(info, str):
        info = _decoded(info)
    if not isinstance(info, list) or not info:
        rows.fail(row, Reason.NO_APP_DATA, "app_data", "extinfo")
    elif not str(info[0] or "").strip():
        rows.fail(row, Reason.NO_APP_DATA, "app_data", "extinfo", 0)
    elif len(info) < 5 or not str(info[4] or "").strip():
        rows.fail(row, Reason.NO_OS_VERSION, "app_data", "extinfo", 4)


def _check_messaging(rows: Slice, row: int) -> None:
    channels = rows.sent.get("messaging_channel")
    channel = ((channels[row] if channels else None) or "").strip().lower()
    if rows.columns["event_name"][row] not in MESSAGING_EVENTS:
        rows.fail(row, Reason.BAD_MESSAGING_EVENT, "event_name")
    if channel not in MESSAGING_IDS:
        rows.fail(row, Reason.NO_MESSAGING_ID, "messaging_channel")
        return
    has = {name for name in PLAIN_KEYS if name in rows.user and str(rows.user[name][row] or "").strip()}
    for name in MESSAGING_IDS[channel]:
        if name not in has:
            rows.fail(row, Reason.NO_MESSAGING_ID, "user_data", name)
    if channel == "whatsapp" and has.isdisjoint(("page_id", "whatsapp_business_account_id")):
        rows.fail(row, Reason.NO_MESSAGING_ID, "user_data", problem=WHATSAPP_ID)


def check_domains(rows: Slice) -> None:
    """The dataset takes events of this page's domain. Events without a page are of none, and taken."""
    allowed, blocked = rows.settings.allowed_domains, rows.settings.blocked_domains
    if not (allowed or blocked):
        return
    for row, url in enumerate(rows.sent.get("event_source_url", ())):
        if url:
            host = host_as_sent(url.strip())
            if blocked and within(host, blocked):
                rows.fail(row, Reason.DOMAIN_BLOCKED, "event_source_url")
            elif allowed and not within(host, allowed):
                rows.fail(row, Reason.DOMAIN_NOT_ALLOWED, "event_source_url")


def stop_at_first_failure(rows: Slice) -> None:
    """All or nothing: one wrong event refuses the request."""
    if rows.failure is not None:
        rows.failure.n_events = len(rows.body.data)
        raise rows.failure


def _object(raw: msgspec.Raw) -> dict[str, Any] | None:
    found = _decoded(bytes(raw)) if bytes(raw) else None
    return found if isinstance(found, dict) else None


def _decoded(raw: bytes | str) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None
