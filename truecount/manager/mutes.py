"""Findings that the owner does not want to see for a while: who decided so, when, why and until when.

They stand with the users and not in the store, so that a rebuild of the store keeps them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from truecount.manager.users.file import UsersFile

if TYPE_CHECKING:
    from truecount.measure.diagnostics.findings import About

FOREVER_US: Final = 2**62
"""Until when something is muted that has no end, to whoever compares with a time."""
LONGEST_REASON: Final = 300
GONE: Final = "a user who was removed"


class Mute(msgspec.Struct, frozen=True, kw_only=True):
    """One decision. Times are microseconds since 1970; without `until_us` it stands until it is taken back."""

    reason: str
    until_us: int | None
    muted_us: int
    muted_by: str
    """E-mail address of who muted it, as it was then."""


class Mutes:
    """The muted findings of a data folder. `now_us` is the clock."""

    def __init__(self, file: UsersFile, now_us: Callable[[], int]) -> None:
        self._file = file
        self._now_us = now_us

    def mute(self, dataset: str, about: About, *, by: str, reason: str = "", until_us: int | None = None) -> None:
        """Mute a finding; an earlier mute of it is replaced. ValueError where the end lies behind us already."""
        now_us = self._now_us()
        if until_us is not None and until_us <= now_us:
            raise ValueError("until: this day is over already; wanted today or a later one, or none")
        row = (dataset, about[0], _text(about[1]), reason[:LONGEST_REASON], until_us, now_us, by)
        with self._file.change() as database:
            database.execute("insert or replace into mutes values (?, ?, ?, ?, ?, ?, ?)", row)

    def unmute(self, dataset: str, about: About) -> None:
        """Take a mute back. Nothing happens where there is none."""
        with self._file.change() as database:
            database.execute(
                "delete from mutes where dataset = ? and finding = ? and subject = ?",
                (dataset, about[0], _text(about[1])),
            )

    def of_dataset(self, dataset: str) -> dict[About, Mute]:
        """What is muted now."""
        rows = self._file.rows(
            "select finding, subject, reason, until_us, muted_us, muted_by from mutes "
            "where dataset = ? and (until_us is null or until_us > ?)",
            dataset,
            self._now_us(),
        )
        return {
            (str(finding), tuple(json.loads(subject))): Mute(
                reason=reason, until_us=until_us, muted_us=muted_us, muted_by=muted_by
            )
            for finding, subject, reason, until_us, muted_us, muted_by in rows
        }

    def ends_of(self, dataset: str) -> dict[About, int]:
        """What is muted now and until when, as `findings` takes it."""
        return {about: one.until_us or FOREVER_US for about, one in self.of_dataset(dataset).items()}

    def forget_user(self, email: str) -> None:
        """A user is removed: what was muted stays so, and nobody knows by whom."""
        with self._file.change() as database:
            database.execute("update mutes set muted_by = ? where muted_by = ?", (GONE, email))

    def forget_dataset(self, dataset: str) -> None:
        """A dataset is deleted: one that gets its id later is another one."""
        with self._file.change() as database:
            database.execute("delete from mutes where dataset = ?", (dataset,))


def _text(subject: tuple[str, ...]) -> str:
    return json.dumps(subject)
