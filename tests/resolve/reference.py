"""Dedup once more, in plain Python, copy by copy, from the text of the rules and not from the SQL.

Rules: Conversions API, deduplication; and the pinned details of this project. Slow and simple on purpose.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from truecount.copies import Copy

HOUR_US = 3_600_000_000
WINDOW_US = 48 * HOUR_US
OFFLINE_US = 7 * 24 * HOUR_US
FIVE_MINUTES_US = 300_000_000


@dataclass(frozen=True)
class Row:
    """A copy and where it lies in the log."""

    door: str
    seq: int
    pos: int
    copy: Copy

    @property
    def offset(self) -> tuple[str, int, int]:
        return (self.door, self.seq, self.pos)

    @property
    def order(self) -> tuple[int, str, int, int]:
        return (self.copy.received_us, self.door, self.seq, self.pos)

    @property
    def is_browser(self) -> bool:
        return self.copy.source in ("browser", "app")


@dataclass
class Group:
    """Copies that one id (or the offline rule) holds together; a copy without either is alone in its group."""

    rows: list[Row]
    later_session: bool
    joined: list[tuple[Group, str]] = field(default_factory=list)
    taken_by_id: str = ""

    @property
    def first(self) -> Row:
        return self.rows[0]

    @property
    def id(self) -> str:
        return self.first.copy.event_id


@dataclass(frozen=True)
class Said:
    """What is said of one copy: its action (offset of the first copy), verdict and rule."""

    action: tuple[str, int, int]
    verdict: str
    rule: str


def digests(joined: bytes) -> set[bytes]:
    return {joined[at : at + 32] for at in range(0, len(joined), 32)}


def resolve(rows: Iterable[Row]) -> tuple[dict[tuple[str, int, int], Said], list[list[Row]]]:
    """What is said of each copy, and the actions: lists of rows in log order, the kept one first."""
    said: dict[tuple[str, int, int], Said] = {}
    actions: list[list[Row]] = []
    ordered = sorted((row for row in rows if row.copy.event_name != "AppendValue"), key=lambda row: row.order)
    for name in dict.fromkeys(row.copy.event_name for row in ordered):
        of_name = [row for row in ordered if row.copy.event_name == name]
        offline = [row for row in of_name if row.copy.source == "offline"]
        messaging = [row for row in of_name if row.copy.source == "messaging"]
        website = [row for row in of_name if row.copy.source not in ("offline", "messaging")]
        groups = grouped(website, lambda row: row.copy.event_id, WINDOW_US)
        key_b(groups)
        merged = {id(group) for one in groups for group, _ in one.joined}
        for group in groups:
            if id(group) not in merged:
                actions.append(judge(group, said, "event_id", keyless=without_key))
        for group in grouped(messaging, lambda row: row.copy.event_id, WINDOW_US):
            actions.append(judge(group, said, "event_id", keyless=lambda row: not row.copy.event_id))
        for group in grouped(offline, offline_key, OFFLINE_US):
            actions.append(judge(group, said, "offline", keyless=lambda row: not offline_key(row)))
    return said, actions


def without_key(row: Row) -> bool:
    return not (row.copy.event_id or row.copy.fbp or row.copy.external_id)


def offline_key(row: Row) -> object:
    copy = row.copy
    if copy.order_id:
        return ("order", copy.event_time_ms, copy.item_number, copy.order_id)
    named = ("em", "ph", "fn", "ln", "db", "ge", "ct", "st", "zp", "country", "external_id")
    keys = {(name, digest) for name in named for digest in digests(getattr(copy, name))}
    keys |= {("fbp", copy.fbp)} if copy.fbp else set()
    keys |= {("fbc", copy.fbc)} if copy.fbc else set()
    keys |= set((copy.other_keys or {}).items())
    return ("keys", copy.event_time_ms, copy.item_number, frozenset(keys)) if keys else ""


def grouped(rows, key_of, window_us) -> list[Group]:
    """Groups in log order of their first copies: a group spans the window from its first copy's receipt."""
    groups: list[Group] = []
    newest: dict[object, Group] = {}
    for row in rows:
        key = key_of(row)
        group = newest.get(key) if key else None
        if group is not None and row.copy.received_us - group.first.copy.received_us <= window_us:
            group.rows.append(row)
            continue
        made = Group([row], later_session=group is not None)
        groups.append(made)
        if key:
            newest[key] = made
    return groups


def key_b(groups: list[Group]) -> None:
    """Server groups without a browser copy, in log order, look for an earlier browser copy."""
    browsers = sorted(
        ((row, group) for group in groups for row in group.rows if row.is_browser), key=lambda pair: pair[0].order
    )
    for group in groups:
        if any(row.is_browser for row in group.rows):
            continue
        for browser, home in reversed(browsers):
            if not browser.order < group.first.order:
                continue
            if group.first.copy.received_us - browser.copy.received_us > WINDOW_US:
                continue
            if browser.copy.event_id and group.id:
                continue
            if group.id and home.taken_by_id and home.taken_by_id != group.id:
                continue
            rule = agreement(browser, group)
            if rule:
                home.joined.append((group, rule))
                home.taken_by_id = home.taken_by_id or group.id
                break


def agreement(browser: Row, group: Group) -> str:
    """Both have external_id: it decides. Else fbp decides. The rule that agrees, or nothing."""
    mine = digests(browser.copy.external_id)
    theirs = set().union(*(digests(row.copy.external_id) for row in group.rows))
    if mine and theirs:
        return "external_id" if mine & theirs else ""
    fbps = {row.copy.fbp for row in group.rows} - {""}
    return "fbp" if browser.copy.fbp and browser.copy.fbp in fbps else ""


def judge(group: Group, said, same_key_rule: str, keyless) -> list[Row]:
    rows = sorted([*group.rows, *(row for other, _ in group.joined for row in other.rows)], key=lambda row: row.order)
    first = rows[0]
    kept = first
    if first.copy.source not in ("offline", "messaging"):
        for row in rows:
            if row.is_browser:
                if row.copy.received_us - first.copy.received_us <= FIVE_MINUTES_US:
                    kept = row
                break
    join_rules = {other.first.offset: rule for other, rule in group.joined}
    for row in rows:
        if row is kept:
            if row is not first:
                rule = "browser_within_5_min"
            elif keyless(row):
                rule = "no_key"
            else:
                rule = "outside_window" if group.later_session else "first_received"
            said[row.offset] = Said(first.offset, "kept", rule)
        else:
            said[row.offset] = Said(first.offset, "duplicate", join_rules.get(row.offset, same_key_rule))
    return [kept, *(row for row in rows if row is not kept)]


@dataclass
class Counted:
    """What `events` says of one name, from the reference."""

    copies: int = 0
    actions: int = 0
    browser_only: int = 0
    server_only: int = 0
    both: int = 0
    limited: int = 0
    left_out: int = 0
    value_e4: dict[str, int] = field(default_factory=dict)


def count(rows: Iterable[Row], left_out_marks: int = 0) -> dict[str, Counted]:
    """Counts per event name, amendments applied: the last one with a value that names the action replaces its value."""
    rows = list(rows)
    counted = [row for row in rows if not row.copy.marks & left_out_marks]
    _, actions = resolve(counted)
    names: dict[str, Counted] = {}
    for row in rows:
        if row.copy.marks & left_out_marks and row.copy.event_name != "AppendValue":
            names.setdefault(row.copy.event_name, Counted()).left_out += 1
            names[row.copy.event_name].copies += 1
    amended = amendments(rows, counted, actions)
    for at, action in enumerate(actions):
        of_name = names.setdefault(action[0].copy.event_name, Counted())
        browsers = sum(row.is_browser for row in action)
        of_name.copies += len(action)
        of_name.actions += 1
        of_name.browser_only += browsers == len(action)
        of_name.server_only += browsers == 0
        of_name.both += 0 < browsers < len(action)
        of_name.limited += browsers in (0, len(action)) and all(row.copy.marks & 32 for row in action)
        value, currency = action[0].copy.value_e4, action[0].copy.currency
        if at in amended:
            value, currency = amended[at][0], amended[at][1] or currency
        if value is not None and currency:
            of_name.value_e4[currency] = of_name.value_e4.get(currency, 0) + value
    return names


def originals(rows: list[Row], amendment: Row) -> list[Row]:
    """The copies that an amendment names: by event id, else by order id."""
    copy = amendment.copy
    named = [
        row
        for row in rows
        if row.copy.event_name != "AppendValue" and copy.original_event_name in ("", row.copy.event_name)
    ]
    by_id = [row for row in named if copy.original_event_id and row.copy.event_id == copy.original_event_id]
    return by_id or [row for row in named if copy.original_order_id and row.copy.order_id == copy.original_order_id]


def amendments(rows, counted, actions) -> dict[int, tuple[int, str]]:
    amended: dict[int, tuple[int, str]] = {}
    of_offset = {row.offset: at for at, action in enumerate(actions) for row in action}
    for amendment in sorted(counted, key=lambda row: row.order):
        if amendment.copy.event_name != "AppendValue" or amendment.copy.value_e4 is None:
            continue
        meant = {of_offset[row.offset] for row in originals(rows, amendment) if row.offset in of_offset}
        if not meant:
            continue
        reference_ms = amendment.copy.original_time_ms or amendment.copy.event_time_ms

        def nearness(at: int, reference_ms: int = reference_ms) -> tuple[int, tuple]:
            first = min(row.order for row in actions[at])
            return (-abs(actions[at][0].copy.event_time_ms - reference_ms), first)

        best = max(meant, key=nearness)
        amended[best] = (amendment.copy.value_e4, amendment.copy.currency)
    return amended
