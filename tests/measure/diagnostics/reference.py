"""What each check should find, in plain Python, copy by copy, from the text of its question and not from its SQL."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from tests.resolve.reference import Row
from truecount.copies import Copy
from truecount.measure.forms import money
from truecount.vocabulary import STANDARD_EVENTS, Mark

from .streams import DAY, HOUR

Subject = tuple[str, ...]
NOT_EARNED = {
    "PageView", "ViewContent", "Search", "FindLocation", "CustomizeProduct", "AddToWishlist", "AddToCart",
    "InitiateCheckout", "AddPaymentInfo",
}  # fmt: skip


class Told(NamedTuple):
    """What is compared of a finding."""

    affected: int
    looked_at: int
    value: dict[str, str]


class World(NamedTuple):
    """What a reference looks at: copies, what was refused (received_us, name, reason), the end of the range."""

    rows: Sequence[Row]
    refused: Sequence[tuple[int, str, str]]
    asked_us: int

    @property
    def copies(self) -> list[Copy]:
        return [row.copy for row in sorted(self.rows, key=lambda row: row.order)]


def counted(copies: Iterable[Copy], left_out: int = Mark.CANARY | Mark.BOT) -> list[Copy]:
    return [copy for copy in copies if not copy.marks & left_out and copy.event_name != "AppendValue"]


def side(copy: Copy) -> str:
    return "browser" if copy.source in ("browser", "app") else "server"


def once(copy: Copy) -> object:
    return copy.event_id or id(copy)


def worth(copies: Iterable[Copy], earned: Callable[[Copy], bool] = lambda copy: copy.event_name not in NOT_EARNED):
    """The value of copies in log order, each event id once, by its first copy with a value."""
    first: dict[object, tuple[int, str]] = {}
    for copy in copies:
        if copy.value_e4 is not None and copy.currency and earned(copy):
            first.setdefault((copy.event_name, once(copy)), (copy.value_e4, copy.currency))
    return added(first.values())


def added(amounts: Iterable[tuple[int, str]]) -> dict[str, str]:
    sums: dict[str, int] = defaultdict(int)
    for amount, currency in amounts:
        sums[currency] += amount
    return {currency: money(amount) for currency, amount in sorted(sums.items())}


def by_copy(
    copies: Iterable[Copy],
    subject: Callable[[Copy], Subject | None],
    bad: Callable[[Copy], bool],
    value: Callable[[list[Copy]], dict[str, str]] = worth,
    least: int = 1,
) -> dict[Subject, Told]:
    """Findings of a check that looks at each copy by itself."""
    groups: dict[Subject, list[Copy]] = defaultdict(list)
    for copy in copies:
        about = subject(copy)
        if about is not None:
            groups[about].append(copy)
    found = {}
    for about, group in groups.items():
        wrong = [copy for copy in group if bad(copy)]
        if len(wrong) >= least:
            found[about] = Told(len(wrong), len(group), value(wrong))
    return found


def nothing(_: list[Copy]) -> dict[str, str]:
    return {}


def two_sided(copies: Iterable[Copy]) -> set[str]:
    seen = {(copy.event_name, side(copy)) for copy in copies if copy.source not in ("offline", "messaging")}
    return {name for name, _ in seen if {(name, "browser"), (name, "server")} <= seen}


def purchase_without_value(world: World) -> dict[Subject, Told]:
    sales = [copy for copy in counted(world.copies) if copy.event_name == "Purchase"]

    def incomplete(copy: Copy) -> bool:
        return copy.value_e4 is None or not copy.currency

    def of_twins(wrong: list[Copy]) -> dict[str, str]:
        ids = {copy.event_id for copy in wrong} - {""}
        return worth(copy for copy in sales if copy.event_id in ids and not incomplete(copy))

    return by_copy(sales, lambda copy: (side(copy),), incomplete, of_twins)


def event_id_missing(world: World) -> dict[Subject, Told]:
    copies = [copy for copy in counted(world.copies) if copy.source not in ("offline", "messaging")]
    both = two_sided(copies)
    return by_copy(
        copies,
        lambda copy: (copy.event_name, side(copy)) if copy.event_name in both else None,
        lambda copy: not copy.event_id,
    )


def one_id_on_many_sales(world: World) -> dict[Subject, Told]:
    ids: dict[tuple[str, str], list[Copy]] = defaultdict(list)
    for copy in counted(world.copies):
        if copy.event_id:
            ids[copy.event_name, copy.event_id].append(copy)
    looked: dict[str, int] = defaultdict(int)
    wrong: dict[str, list[list[Copy]]] = defaultdict(list)
    hidden: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for (name, _), group in ids.items():
        looked[name] += 1
        orders = {copy.order_id for copy in group} - {""}
        amounts = [
            {(copy.value_e4, copy.currency) for copy in group if copy.value_e4 is not None and side(copy) == one}
            for one in ("browser", "server")
        ]
        several = len(orders) >= 2 or (not orders and max(map(len, amounts)) >= 3)
        if not several and len(group) <= 20:
            continue
        wrong[name].append(group)
        if several:
            sales: dict[object, list[Copy]] = {}
            for copy in group:
                sale: object = copy.order_id if len(orders) >= 2 else (copy.value_e4, copy.currency)
                if copy.order_id if len(orders) >= 2 else copy.value_e4 is not None:
                    sales.setdefault(sale, []).append(copy)
            for of_sale in list(sales.values())[1:]:
                valued = next((copy for copy in of_sale if copy.value_e4 is not None), None)
                if valued and valued.currency and name not in NOT_EARNED:
                    hidden[name].append((valued.value_e4 or 0, valued.currency))
    return {(name,): Told(len(groups), looked[name], added(hidden[name])) for name, groups in wrong.items()}


def folded(event_id: str) -> str:
    lower = event_id.lower()
    tail = re.findall(r"[a-z0-9]+", lower)
    ends = lower.rstrip("".join(set(lower) - set("abcdefghijklmnopqrstuvwxyz0123456789")))
    if tail and ends.endswith(tail[-1]) and re.fullmatch(r"[0-9]{4,}", tail[-1]):
        return tail[-1].lstrip("0")
    bare = "".join(sign for sign in lower if sign.isalnum())
    number = bare.lstrip("".join(sign for sign in set(bare) if sign.isalpha())).lstrip("0")
    return number if re.fullmatch(r"[0-9]{3,}", number) else bare


def ids_almost_alike(world: World) -> dict[Subject, Told]:
    copies = [copy for copy in counted(world.copies) if copy.source not in ("offline", "messaging")]
    both = two_sided(copies)
    ids: dict[tuple[str, str], list[Copy]] = defaultdict(list)
    for copy in copies:
        if copy.event_name in both and copy.event_id:
            ids[copy.event_name, copy.event_id].append(copy)
    merged: dict[str, int] = defaultdict(int)
    alone: dict[tuple[str, str], list[list[Copy]]] = defaultdict(list)
    for (name, event_id), group in ids.items():
        if len({side(copy) for copy in group}) == 2:
            merged[name] += 1
        elif folded(event_id):
            alone[name, folded(event_id)].append(group)
    pairs: dict[str, list[dict[str, str]]] = defaultdict(list)
    money_of: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for (name, _), groups in alone.items():
        if sorted(side(group[0]) for group in groups) != ["browser", "server"]:
            continue
        times = [copy.received_us for group in groups for copy in group]
        valued = [
            next(((c.value_e4, c.currency) for c in g if c.value_e4 is not None and c.currency), None) for g in groups
        ]
        told = [one for one in valued if one]
        if max(times) - min(times) > 48 * HOUR or len(set(told)) > 1:
            continue
        pairs[name].append({})
        if told and name not in NOT_EARNED:
            money_of[name].append((told[0][0] or 0, told[0][1]))
    return {(name,): Told(len(of), len(of) + merged[name], added(money_of[name])) for name, of in pairs.items()}


def one_door_only(world: World) -> dict[Subject, Told]:
    site = [copy for copy in counted(world.copies) if copy.source in ("browser", "server")]
    doors = {copy.source for copy in site}
    found: dict[Subject, Told] = {}
    for name in sorted({copy.event_name for copy in site} & set(STANDARD_EVENTS) - {"PageView"}):
        own = [copy for copy in site if copy.event_name == name]
        first = {
            door: min((c.received_us for c in own if c.source == door), default=None) for door in ("browser", "server")
        }
        if doors != {"browser", "server"}:
            continue
        browser_us, server_us = first["browser"], first["server"]
        if browser_us is None or (server_us is not None and server_us < browser_us):
            door, missing, until_us = "server", "browser", browser_us
        else:
            door, missing, until_us = "browser", "server", server_us
        if until_us is not None and until_us - min(c.received_us for c in own) < DAY:
            continue
        wrong = [copy for copy in own if copy.source == door and (until_us is None or copy.received_us < until_us)]
        if len(wrong) >= 10:
            found[name, door, missing] = Told(len(wrong), len(own), worth(wrong))
    return found


def silence(world: World) -> dict[Subject, Told]:
    """Of each door and event: its arrivals in steps of ten minutes, its longest gap so far, and the gap in question."""
    step_us = 600_000_000
    copies = [
        copy for copy in counted(world.copies)
        if copy.received_us < world.asked_us and not copy.marks & (Mark.TEST | Mark.IMPORTED)
    ]  # fmt: skip
    now = world.asked_us // step_us
    found: dict[Subject, Told] = {}
    dead: set[str] = set()
    subjects = [("door", door) for door in sorted({copy.source for copy in copies})]
    subjects += [("event", name) for name in sorted({copy.event_name for copy in copies})]
    for kind, name in subjects:
        own = [copy for copy in copies if name == (copy.source if kind == "door" else copy.event_name)]
        steps = [copy.received_us // step_us for copy in own]
        silent: tuple[int, int, int, bool] | None = None
        for at, step in enumerate([*sorted(set(steps))[1:], now]):
            is_now = at == len(set(steps)) - 1
            before = [one for one in steps if one < step or is_now]
            heard = sorted(set(before))
            gap = step - heard[-1]
            longest = max((b - a for a, b in pairwise(heard)), default=0)
            span = heard[-1] - heard[0] + 1
            if len(before) >= 20 and span >= 144 and gap > 6 and gap > 3 * max(longest, 1):
                silent = (len(before), gap, span, is_now)
        if silent is None:
            continue
        n, gap, span, is_now = silent
        if kind == "door" and is_now:
            dead.add(name)
        if kind == "event" and is_now and {copy.source for copy in own} <= dead:
            continue
        total: dict[str, str] = {}
        if is_now:
            sums: dict[str, int] = defaultdict(int)
            first: dict[object, tuple[int, str]] = {}
            for copy in own:
                if copy.value_e4 is not None and copy.currency and copy.event_name not in NOT_EARNED:
                    first.setdefault((copy.event_name, once(copy)), (copy.value_e4, copy.currency))
            for amount, currency in first.values():
                sums[currency] += amount
            total = {
                currency: money(int(Fraction(amount * gap, span * 100)) * 100)
                for currency, amount in sorted(sums.items())
            }
        missing = max(n * gap // span, 1)
        found[kind, name] = Told(missing, missing + len(own), total)
    return found


def page_view_only(world: World) -> dict[Subject, Told]:
    copies = counted(world.copies)
    others = [copy.received_us for copy in copies if copy.event_name != "PageView"]
    until_us = min(others, default=world.asked_us + 1)
    if not copies or (others and until_us - min(copy.received_us for copy in copies) < DAY):
        return {}
    return by_copy(
        copies,
        lambda copy: (),
        lambda copy: copy.event_name == "PageView" and copy.received_us < until_us,
        nothing,
        20,
    )


def contact_data_sent(world: World) -> dict[Subject, Told]:
    copies = counted(world.copies)

    def fields(copy: Copy) -> set[str]:
        taken = {one for one in copy.removed or () if not one.endswith(":word")}
        return taken | ({"user_data:unhashed"} if "unhashed" in (copy.notes or ()) else set())

    found: dict[Subject, Told] = {}
    for source, what in {(copy.source, what) for copy in copies for what in fields(copy)}:
        own = [fields(copy) for copy in copies if copy.source == source]
        field, _, kind = what.rpartition(":")
        found[source, field, kind] = Told(sum(what in taken for taken in own), len(own), {})
    return found


def clock_skew(world: World) -> dict[Subject, Told]:
    copies = [copy for copy in counted(world.copies) if copy.source != "offline" and not copy.marks & Mark.IMPORTED]

    def wrong(copy: Copy) -> bool:
        late_us = copy.received_us - copy.event_time_ms * 1000
        unusable = "unusable:ts" in (copy.notes or ())
        return late_us < -60_000_000 or (side(copy) == "browser" and late_us > HOUR) or unusable

    found = by_copy(copies, lambda copy: (copy.source,), wrong, least=0)
    refused = sum(reason in ("time_in_future", "time_in_milliseconds") for _, _, reason in world.refused)
    if refused:
        old = found.get(("server",), Told(0, 0, {}))
        found["server",] = Told(old.affected + refused, old.looked_at + refused, old.value)
    return {about: told for about, told in found.items() if told.affected >= 5}


def test_traffic(world: World) -> dict[Subject, Told]:
    copies = counted(world.copies)
    kinds = {(copy.event_name, bool(copy.marks & Mark.TEST)) for copy in copies}
    mixed = {name for name, _ in kinds if {(name, True), (name, False)} <= kinds}
    return by_copy(
        copies,
        lambda copy: (copy.event_name,) if copy.event_name in mixed else None,
        lambda copy: bool(copy.marks & Mark.TEST),
    )


def distance(one: str, other: str) -> int:
    """Edits of one letter, a swap of neighbours among them (each place edited once)."""
    rows = [list(range(len(other) + 1))]
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            best = min(rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                best = min(best, rows[i - 2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]


def name_almost_standard(world: World) -> dict[Subject, Told]:
    copies = counted(world.copies)
    found: dict[Subject, Told] = {}
    for name in {copy.event_name for copy in copies} - set(STANDARD_EVENTS):
        bare = "".join(sign for sign in name.lower() if sign.isalnum())
        exact = [known for known in STANDARD_EVENTS if known.lower() == bare]
        near = [known for known in STANDARD_EVENTS if len(known) >= 6 and distance(known.lower(), bare) == 1]
        for known in (exact or sorted(near))[:1]:
            wrong = [copy for copy in copies if copy.event_name == name]
            right = [copy for copy in copies if copy.event_name == known]
            value = worth(wrong) if known not in NOT_EARNED else {}
            found[name, known] = Told(len(wrong), len(wrong) + len(right), value)
    return found


def currency_not_iso(world: World) -> dict[Subject, Told]:
    def wrong(copy: Copy) -> bool:
        return not {"bad:currency", "unreadable:currency"}.isdisjoint(copy.notes or ())

    return by_copy(
        counted(world.copies),
        lambda copy: (copy.event_name,) if copy.currency or wrong(copy) else None,
        wrong,
        nothing,
    )


def currencies_in_one_funnel(world: World) -> dict[Subject, Told]:
    visitors: dict[str, list[Copy]] = defaultdict(list)
    for copy in counted(world.copies):
        if copy.fbp and copy.currency and copy.event_name in STANDARD_EVENTS:
            visitors[copy.fbp].append(copy)
    mixed = [fbp for fbp, own in visitors.items() if len({copy.currency for copy in own}) > 1]
    if not mixed:
        return {}
    theirs = [copy for copy in counted(world.copies) if copy.fbp in mixed and copy.event_name in STANDARD_EVENTS]
    return {(): Told(len(mixed), len(visitors), worth(theirs))}


def currencies_on_one_id(world: World) -> dict[Subject, Told]:
    ids: dict[tuple[str, str], list[Copy]] = defaultdict(list)
    for copy in counted(world.copies):
        if copy.event_id and copy.currency:
            ids[copy.event_name, copy.event_id].append(copy)
    found: dict[Subject, Told] = {}
    for name in {name for name, _ in ids}:
        own = [group for (of, _), group in ids.items() if of == name]
        wrong = [group for group in own if len({copy.currency for copy in group}) > 1]
        if wrong:
            found[name,] = Told(len(wrong), len(own), worth(copy for group in wrong for copy in group))
    return found


EXPECTED: dict[str, Callable[[World], dict[Subject, Told]]] = {
    "purchase-without-value": purchase_without_value,
    "event-id-missing": event_id_missing,
    "one-id-on-many-sales": one_id_on_many_sales,
    "ids-almost-alike": ids_almost_alike,
    "one-door-only": one_door_only,
    "silence": silence,
    "page-view-only": page_view_only,
    "contact-data-sent": contact_data_sent,
    "clock-skew": clock_skew,
    "test-traffic": test_traffic,
    "name-almost-standard": name_almost_standard,
    "currency-not-iso": currency_not_iso,
    "currencies-in-one-funnel": currencies_in_one_funnel,
    "currencies-on-one-id": currencies_on_one_id,
}
"""Check -> what it should find, by subject."""
