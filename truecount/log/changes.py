"""What became of the datasets, record by record, as the log tells it: a table of control.sqlite.

It says nothing that the log does not, and is made anew from there. Reading it out of the log for each page would mean
to go through all events of the day.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from truecount.datasets import Dataset

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Dataset).decode


class Record(NamedTuple):
    """A dataset as it is from a moment on: microseconds since 1970, UTC. `door` and `seq` are its place in the log."""

    door: str
    seq: int
    at_us: int
    dataset: Dataset


class Changes:
    """The records of all datasets. The registry guards it: its mutex, its transactions."""

    SCHEMA: Final = (
        """create table if not exists changes (
            door    text    not null,
            seq     integer not null,
            at_us   integer not null,
            dataset text    not null,
            record  blob    not null,
            primary key (door, seq)
        )""",
        'create index if not exists "changes#dataset" on changes (dataset)',
    )

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._known: dict[str, list[Record]] = {}

    @staticmethod
    def is_missing(database: sqlite3.Connection) -> bool:
        """Whether a database is one of a version that kept no changes."""
        return not database.execute("select 1 from sqlite_master where name = 'changes'").fetchone()

    def add(self, records: Iterable[Record]) -> None:
        """Keep records, within a transaction. One that is there already changes nothing."""
        self._database.executemany(
            "insert or replace into changes values (?, ?, ?, ?, ?)",
            [(one.door, one.seq, one.at_us, one.dataset.id, _encode(one.dataset)) for one in records],
        )

    def clear(self) -> None:
        """Forget all, within a transaction."""
        self._database.execute("delete from changes")

    def of(self, dataset: str) -> list[Record]:
        """The records of a dataset in the log's order, from the one that made it: an earlier one of its id, which was
        deleted, is another one.
        """
        if dataset not in self._known:
            rows = self._database.execute(
                "select door, seq, at_us, record from changes where dataset = ? order by at_us, door, seq", (dataset,)
            )
            found = [Record(door, seq, at_us, _decode(record)) for door, seq, at_us, record in rows]
            ends = [at for at, one in enumerate(found) if one.dataset.deleted]
            self._known[dataset] = found[ends[-1] + 1 if ends else 0 :]
        return self._known[dataset]

    def forget(self) -> None:
        """What was read is read again: the database was changed."""
        self._known = {}
