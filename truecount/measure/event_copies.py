"""What the copies of one event name carry, by the door that they came through, how late they came, and the newest.

All look at the copies that count whose own event time lies in the range [since_ms, until_ms), so that their numbers of
copies are those of the range and not of its actions, some of whose copies may lie outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from truecount.datasets import Dataset
from truecount.resolve.actions import left_out_marks
from truecount.resolve.definitions import text_of
from truecount.resolve.scratch import Sql
from truecount.vocabulary import DIGEST_KEYS, Source

from .forms import money, time_of_ms, time_of_us

PACKAGE: Final = "truecount.measure"
DELAYS_MS: Final = (-(2**62), 0, 1000, 5000, 30_000, 300_000, 3_600_000, 86_400_000)
"""Lower edges of the buckets of delays; below the second one the event lies after its receipt."""
MOST_PARAMETERS: Final = 60
MOST_READ: Final = 250_000
"""About as many copies are looked into for their parameters at most."""
NEWEST: Final = 10
MOSTLY: Final = 0.8
"""From this share of numbers on, a text among them is odd."""
KEYS: Final = (*DIGEST_KEYS, "fbp", "fbc")
"""Match keys in the order that event_match_keys.sql gives them."""
ADDRESS_AND_AGENT: Final = "client_ip_address + client_user_agent"


class Delays(msgspec.Struct, kw_only=True):
    """Delays of one source's copies. `buckets` has a number for each of DELAYS_MS; the others are seconds, one percent
    about: half, and 95 %, of the copies came within them.
    """

    source: str
    copies: int
    buckets: list[int]
    p50_s: float
    p95_s: float


class Presence(msgspec.Struct, kw_only=True):
    """How many copies of one source carry a parameter, and what is odd of them: without a value, a script's word for
    nothing (undefined, NaN), text where most are numbers.
    """

    copies: int
    empty: int = 0
    word: int = 0
    text_among_numbers: int = 0

    @property
    def odd(self) -> int:
        return self.empty + self.word + self.text_among_numbers


class Parameter(msgspec.Struct, kw_only=True):
    """One parameter. `place` is custom_data, or event for what stands beside it. `word` and `text` are examples of odd
    values, 60 characters at most.
    """

    place: str
    name: str
    by_source: dict[str, Presence]
    word: str | None
    text: str | None


class Parameters(msgspec.Struct, kw_only=True):
    """Parameters, the most frequent first. `copies` is by source, of those looked at: one copy in `one_in`, evenly
    chosen, where there are very many. `more` names are not told.
    """

    copies: dict[str, int]
    one_in: int
    parameters: list[Parameter]
    more: int


class KeyPresence(msgspec.Struct, kw_only=True):
    """How many copies carry a match key, by source."""

    name: str
    by_source: dict[str, int]


class MatchKeys(msgspec.Struct, kw_only=True):
    """Match keys in the order of the vocabulary, those that are there. `strong` copies carry an e-mail address, a phone
    number or an external id.
    """

    copies: dict[str, int]
    strong: dict[str, int]
    keys: list[KeyPresence]


class NewestCopy(msgspec.Struct, kw_only=True):
    """One copy; `offset` (door:entry:position) names one that has no event id."""

    source: str
    event_id: str
    order_id: str
    event_time: str
    received_time: str
    value: str | None
    currency: str | None
    offset: str


def delays(store: Sql, dataset: Dataset, event_name: str, since_ms: int, until_ms: int) -> list[Delays]:
    """From event to receipt, by source."""
    found = []
    for source, n, (edges, counts), (half_ms, most_ms) in _rows(
        store, "event_delays", dataset, event_name, since_ms, until_ms, delays=list(DELAYS_MS)
    ):
        by_edge = dict(zip(map(int, edges), map(int, counts), strict=True))
        found.append(
            Delays(
                source=str(source),
                copies=int(n),
                buckets=[by_edge.get(edge, 0) for edge in DELAYS_MS],
                p50_s=float(half_ms) / 1000,
                p95_s=float(most_ms) / 1000,
            )
        )
    return sorted(found, key=lambda one: SOURCES.index(one.source))


def parameters(store: Sql, dataset: Dataset, event_name: str, since_ms: int, until_ms: int) -> Parameters:
    """What stands in the copies, by source."""
    given = (dataset, event_name, since_ms, until_ms)
    sources = _rows(store, "event_sources", *given, one_in=1)
    one_in = max(-(-sum(int(n) for _, n, _ in sources) // MOST_READ), 1)
    if one_in > 1:
        sources = _rows(store, "event_sources", *given, one_in=one_in)
    rows = _rows(store, "event_parameters", *given, most=MOST_PARAMETERS, one_in=one_in)
    return Parameters(
        copies=_by_source((str(source), int(chosen)) for source, _, chosen in sources),
        one_in=one_in,
        parameters=[_parameter(*row[:6]) for row in rows],
        more=max(int(rows[0][6]) - len(rows), 0) if rows else 0,
    )


def match_keys(store: Sql, dataset: Dataset, event_name: str, since_ms: int, until_ms: int) -> MatchKeys:
    """Which keys the copies could be matched by, by source."""
    rows = sorted(
        _rows(store, "event_match_keys", dataset, event_name, since_ms, until_ms),
        key=lambda row: SOURCES.index(str(row[0])),
    )
    by_key: dict[str, dict[str, int]] = {name: {} for name in (*KEYS, ADDRESS_AND_AGENT)}
    for source, _, held, address_and_agent, _, (other_names, other_counts) in rows:
        others = sorted(zip(map(str, other_names), map(int, other_counts), strict=True))
        for name, n in [*zip(KEYS, map(int, held), strict=True), (ADDRESS_AND_AGENT, int(address_and_agent)), *others]:
            by_key.setdefault(name, {})[str(source)] = n
    sources = [str(row[0]) for row in rows]
    return MatchKeys(
        copies={str(row[0]): int(row[1]) for row in rows},
        strong={str(row[0]): int(row[4]) for row in rows},
        keys=[
            KeyPresence(name=name, by_source={source: found.get(source, 0) for source in sources})
            for name, found in by_key.items()
            if any(found.values())
        ],
    )


def newest(store: Sql, dataset: Dataset, event_name: str, since_ms: int, until_ms: int) -> list[NewestCopy]:
    """The copies that were received last."""
    rows = _rows(store, "event_newest", dataset, event_name, since_ms, until_ms, most=NEWEST)
    return [
        NewestCopy(
            source=str(source),
            event_id=str(event_id),
            order_id=str(order_id),
            event_time=time_of_ms(int(event_time_ms)),
            received_time=time_of_us(int(received_us)),
            value=None if value_e4 is None else money(int(value_e4)),
            currency=str(currency) or None,
            offset=f"{log}:{int(seq)}:{int(pos)}",
        )
        for source, event_id, order_id, event_time_ms, received_us, value_e4, currency, log, seq, pos in rows
    ]


SOURCES: Final = tuple(str(source) for source in Source)


def _rows(
    store: Sql, statement: str, dataset: Dataset, event_name: str, since_ms: int, until_ms: int, **more: Any
) -> Sequence[Sequence[Any]]:
    params = {
        "dataset": dataset.id,
        "event_name": event_name,
        "left_out_marks": left_out_marks(dataset),
        "since_ms": since_ms,
        "until_ms": until_ms,
        **more,
    }
    return store.query_rows(text_of(statement, PACKAGE), params)


def _by_source(rows: Iterable[tuple[str, int]]) -> dict[str, int]:
    return dict(sorted(rows, key=lambda row: SOURCES.index(row[0])))


def _parameter(
    place: object, name: object, total: object, by_source: Sequence[Sequence[Any]], word: object, text: object
) -> Parameter:
    rows = sorted(by_source, key=lambda row: SOURCES.index(str(row[0])))
    numbers, texts = (sum(int(row[at]) for row in rows) for at in (2, 5))
    mixed = bool(texts) and numbers >= MOSTLY * (numbers + texts)
    return Parameter(
        place=str(place),
        name=str(name),
        by_source={
            str(source): Presence(
                copies=int(n), empty=int(empties), word=int(words), text_among_numbers=int(texts) if mixed else 0
            )
            for source, n, _, empties, words, texts in rows
        },
        word=None if word is None else str(word),
        text=str(text) if mixed and text is not None else None,
    )
