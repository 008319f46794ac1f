"""Sessions: a random token in the browser's cookie, its SHA-256 here. They end by themselves, or at sign-out."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from typing import Final

from .accounts import Accounts, User
from .file import UsersFile

IDLE_S: Final = 24 * 3600
"""A session that nobody used for so long is over."""
LONGEST_S: Final = 30 * 24 * 3600
"""So is one that began so long ago."""
NOTED_S: Final = 60
"""How often its use is written down."""


class Sessions:
    """The sessions of a data folder. `now_us` is the clock."""

    def __init__(self, file: UsersFile, accounts: Accounts, now_us: Callable[[], int]) -> None:
        self._file = file
        self._accounts = accounts
        self._now_us = now_us

    def begin(self, user: User) -> str:
        """Let a user in. Returns the token for the cookie; a session never gets one that was there before."""
        token = secrets.token_urlsafe(32)
        now_us = self._now_us()
        with self._file.change() as database:
            database.execute(
                "delete from sessions where seen_us < ? or begun_us < ?",
                (now_us - IDLE_S * 1_000_000, now_us - LONGEST_S * 1_000_000),
            )
            database.execute("insert into sessions values (?, ?, ?, ?)", (token_hash(token), user.id, now_us, now_us))
        return token

    def look(self, token: str) -> tuple[User | None, bool]:
        """Whose session it is, None when it is over or never was; and whether it is time to note that it is used."""
        found = self._file.rows("select user, begun_us, seen_us from sessions where hash = ?", token_hash(token))
        if not found:
            return None, False
        id, begun_us, seen_us = found[0]
        now_us = self._now_us()
        if now_us - seen_us > IDLE_S * 1_000_000 or now_us - begun_us > LONGEST_S * 1_000_000:
            return None, False
        return self._accounts.by_id(id), now_us - seen_us > NOTED_S * 1_000_000

    def note(self, token: str) -> None:
        """It is used now."""
        with self._file.change() as database:
            database.execute("update sessions set seen_us = ? where hash = ?", (self._now_us(), token_hash(token)))

    def end(self, token: str) -> None:
        with self._file.change() as database:
            database.execute("delete from sessions where hash = ?", (token_hash(token),))


def token_hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
