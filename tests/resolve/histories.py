"""Small histories that meet every rule of dedup, drawn by Hypothesis."""

from __future__ import annotations

from hashlib import sha256
from itertools import product

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from truecount.copies import Copy
from truecount.vocabulary import Mark

from .loading import START_US
from .reference import HOUR_US, Row

STEPS_US = (0, 1, 300_000_000, 300_000_001, HOUR_US, 24 * HOUR_US, 48 * HOUR_US, 48 * HOUR_US + 1)
SHORT_STEPS_US = (1, HOUR_US, 16 * HOUR_US)
OFFLINE_STEPS_US = (0, 1, 84 * HOUR_US, 168 * HOUR_US, 168 * HOUR_US + 1)
TIMES_MS = (0, 1000)


def digest(text: str) -> bytes:
    return sha256(text.encode()).digest()


X, Y, Z = (digest(text) for text in "xyz")


def variants(steps, **fields):
    """Copies of each combination of the fields' values, each with a door and the time since the copy before it."""
    names = list(fields)
    made = [
        (Copy(event_name=values[-1], **dict(zip(names, values[:-1], strict=True))), door, step)
        for *values, door, step in product(*fields.values(), ("Purchase",), ("d1", "d2"), steps)
    ]
    return st.sampled_from(made)


def marked(steps):
    """The same with names, values, marks and times of all kinds drawn beside."""

    def dress(drawn_step, name, money, marks, time_ms):
        copy, door, step = drawn_step
        fields = {field: getattr(copy, field) for field in copy.__struct_fields__}
        fields |= {"event_name": name, "marks": int(marks), "event_time_ms": time_ms}
        fields |= {"value_e4": money[0], "currency": money[1]}
        return Copy(**fields), door, step

    return st.builds(
        dress,
        steps,
        st.sampled_from(["Purchase"] * 5 + ["Lead"]),
        st.sampled_from([(None, ""), (8_990_000, "INR"), (-5_000, "EUR"), (10_000, "")]),
        st.sampled_from([0] * 6 + [Mark.LIMITED, Mark.LIMITED, Mark.BOT, Mark.TOOL]),
        st.sampled_from(TIMES_MS),
    )


KEY_A = variants(STEPS_US, source=("browser", "server", "app", "crm"), event_id=("a", "a", "b"))
KEY_B = variants(
    SHORT_STEPS_US,
    source=("browser", "server"),
    event_id=("", "a", "b", "c"),
    fbp=("f",),
)
KEY_B_EDGES = variants(STEPS_US, source=("browser", "server"), event_id=("", "a"), fbp=("", "f", "f", "g"))
KEY_B_MIXED = variants(
    SHORT_STEPS_US,
    source=("browser", "server"),
    event_id=("", "", "a", "b", "c"),
    fbp=("", "f", "f", "g"),
    external_id=(b"", X, Y, X + Y, Y + Z),
)
OFFLINE = variants(
    OFFLINE_STEPS_US,
    source=("offline", "offline", "server"),
    event_id=("", "a"),
    event_time_ms=TIMES_MS,
    order_id=("", "o", "p"),
    item_number=("", "1"),
    em=(b"", X, X + Y, Y + X),
    other_keys=(None, {"lead_id": "1"}),
)
MESSAGING = variants(STEPS_US, source=("messaging", "messaging", "server", "browser"), event_id=("", "a", "a"))
ORIGINALS = variants(STEPS_US, source=("browser", "server"), event_id=("", "a", "b"), order_id=("", "o"))
AMENDMENTS = st.builds(
    lambda copy, door, step, name, time_ms, value, currency: (
        Copy(
            source="server",
            event_name="AppendValue",
            event_time_ms=time_ms,
            value_e4=value,
            currency=currency,
            original_event_name=name,
            original_event_id=copy[0],
            original_order_id=copy[1],
            original_time_ms=copy[2],
            marks=copy[3],
        ),
        door,
        step,
    ),
    st.tuples(
        st.sampled_from(["", "a", "b"]),
        st.sampled_from(["", "o", "p"]),
        st.sampled_from([0, 0, 1000]),
        st.sampled_from([0, 0, 0, int(Mark.BOT)]),
    ),
    st.sampled_from(["d1", "d2"]),
    st.sampled_from(STEPS_US),
    st.sampled_from(["Purchase", "Purchase", "Lead", ""]),
    st.sampled_from(TIMES_MS),
    st.sampled_from([None, 50_000, 70_000]),
    st.sampled_from(["", "INR", "USD"]),
)
KINDS = {
    "key_a": st.lists(KEY_A, min_size=2, max_size=7),
    "key_b": st.lists(KEY_B, min_size=3, max_size=12),
    "key_b_edges": st.lists(KEY_B_EDGES, min_size=2, max_size=6),
    "key_b_mixed": st.lists(KEY_B_MIXED, min_size=4, max_size=14),
    "offline": st.lists(OFFLINE, min_size=2, max_size=6),
    "messaging": st.lists(MESSAGING, min_size=2, max_size=6),
    "all": st.lists(marked(st.one_of(KEY_A, KEY_B, KEY_B_MIXED, OFFLINE, MESSAGING)), min_size=2, max_size=10),
    "amended": st.lists(st.one_of(marked(ORIGINALS), marked(ORIGINALS), AMENDMENTS), min_size=2, max_size=7),
}


def drawn(strategy, n: int) -> list[list[tuple[Copy, str, int]]]:
    """n examples, always the same: Hypothesis draws, one load and one run of the SQL serve them all."""
    found: list[list[tuple[Copy, str, int]]] = []

    @settings(
        max_examples=n,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(history) -> None:
        found.append(history)

    collect()
    return found


def drawn_of_each_kind(n: int) -> list[list[tuple[Copy, str, int]]]:
    return [history for strategy in KINDS.values() for history in drawn(strategy, n)]


def placed(history: list[tuple[Copy, str, int]], number: int, dataset: str = "d") -> list[Row]:
    """A history as rows of the log. Its names, ids and keys are its own, so that many lie in one dataset."""
    rows: list[Row] = []
    received_us = START_US
    for at, (copy, door, step_us) in enumerate(history):
        received_us += step_us
        fields = {field: getattr(copy, field) for field in copy.__struct_fields__}
        for name in ("event_id", "fbp", "order_id", "original_event_id", "original_order_id"):
            fields[name] = f"{number}:{fields[name]}" if fields[name] else ""
        for name in ("event_name", "original_event_name"):
            if fields[name] not in ("", "AppendValue"):
                fields[name] = f"{number}.{fields[name]}"
        fields["dataset"] = dataset
        fields["received_us"] = received_us
        fields["event_time_ms"] += START_US // 1000
        fields["original_time_ms"] += START_US // 1000 if fields["original_time_ms"] else 0
        rows.append(Row(door, number * 100 + at // 2, at % 2, Copy(**fields)))
    return rows
