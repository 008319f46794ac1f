"""What rolled-up counts rest on, and how far they look."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Final, NamedTuple

from truecount.datasets import Dataset
from truecount.resolve.actions import Moment, left_out_marks
from truecount.resolve.definitions import text_of
from truecount.resolve.scratch import Sql

PACKAGE: Final = "truecount.rolled"
MINUTE_MS: Final = 60_000
QUARTER_MS: Final = 15 * MINUTE_MS


class Generation(NamedTuple):
    """Sums that are there: their number, and the moment of the log that they are of."""

    number: int
    moment: dict[str, int]


def basis_of(dataset: Dataset) -> str:
    """What the sums of a dataset rest on, as one word: the texts of the rules, the marks left out, its creation."""
    texts = hashlib.sha256()
    for package in ("truecount.resolve", PACKAGE):
        for name in sorted(file.name for file in files(package).joinpath("sql").iterdir()):
            texts.update(text_of(name.removesuffix(".sql"), package).encode() + b"\0")
    return f"{texts.hexdigest()[:16]}.{left_out_marks(dataset)}.{dataset.created_us}"


def generation_of(store: Sql, dataset: Dataset) -> Generation | None:
    """The sums of a dataset that are good now. None where there are none."""
    rows = store.query_rows(
        "SELECT generation, toString(kind), word, sum(n) FROM rolled "
        "WHERE dataset = {dataset:String} AND kind IN ('moment', 'basis') GROUP BY generation, kind, word",
        {"dataset": dataset.id},
    )
    basis = basis_of(dataset)
    good = [int(number) for number, kind, word, _ in rows if kind == "basis" and word == basis]
    if not good:
        return None
    number = max(good)
    moment = {str(word): int(seq) for at, kind, word, seq in rows if at == number and kind == "moment"}
    return Generation(number, moment)


def newest_number(store: Sql, dataset: Dataset) -> int:
    """The highest number that a generation of this dataset has, good or not; 0 where there is none."""
    rows = store.query_rows(
        "SELECT max(generation) FROM rolled WHERE dataset = {dataset:String}", {"dataset": dataset.id}
    )
    return int(rows[0][0])


def forget(store: Sql, dataset: str, but: int | None = None) -> int:
    """Throw away the sums of a dataset: all, or all but one generation. Gives how many generations went."""
    rows = store.query_rows(
        "SELECT DISTINCT generation FROM rolled WHERE dataset = {dataset:String}", {"dataset": dataset}
    )
    gone = sorted(int(number) for (number,) in rows if int(number) != but)
    discard(store, dataset, *gone)
    return len(gone)


def discard(store: Sql, dataset: str, *numbers: int) -> None:
    """Throw away these generations of a dataset, and no other: one may be about to be built."""
    store.script([(f"ALTER TABLE rolled DROP PARTITION ({_quoted(dataset)}, {number})", None) for number in numbers])


def is_ahead(moment: Moment, old: Moment) -> bool:
    """Whether a moment lies at or after another one, at every door."""
    return all(moment.get(door, 0) >= seq for door, seq in old.items())


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
