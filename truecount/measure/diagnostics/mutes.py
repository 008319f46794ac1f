"""Findings that a person does not want to see for a while: kept beside the settings, for each dataset."""

from __future__ import annotations

import json
import sqlite3
from typing import Final

from .findings import About

SCHEMA: Final = """
create table if not exists mutes (
    dataset   text    not null,
    check_    text    not null,
    subject   text    not null,  -- JSON array of what the subject's names stand for
    until_us  integer not null,
    muted_us  integer not null,
    muted_by  text    not null,
    primary key (dataset, check_, subject)
) without rowid
"""


class Mutes:
    """The table of muted findings in a database of the caller's. Times are microseconds since 1970."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        with database:
            database.execute(SCHEMA)

    def mute(self, dataset: str, about: About, until_us: int, *, now_us: int, by: str) -> None:
        """Mute a finding up to a moment; an earlier mute of it is replaced. `by` names who did."""
        with self._database:
            self._database.execute(
                "insert or replace into mutes values (?, ?, ?, ?, ?, ?)",
                (dataset, about[0], json.dumps(about[1]), until_us, now_us, by),
            )

    def unmute(self, dataset: str, about: About) -> None:
        with self._database:
            self._database.execute(
                "delete from mutes where dataset = ? and check_ = ? and subject = ?",
                (dataset, about[0], json.dumps(about[1])),
            )

    def of_dataset(self, dataset: str, now_us: int) -> dict[About, int]:
        """What is muted now, and until when: the `muted` of `findings`."""
        rows = self._database.execute(
            "select check_, subject, until_us from mutes where dataset = ? and until_us > ?", (dataset, now_us)
        )
        return {(str(check), tuple(json.loads(subject))): int(until_us) for check, subject, until_us in rows}
