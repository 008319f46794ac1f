"""Reading tokens: scripts read the twins with them, and nothing else. 256 random bits; their SHA-256 is kept.

A token reads every dataset or one. It ends when it is revoked, or when the user who made it is removed.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, Final

import msgspec

from .accounts import AccountError, Role, User
from .file import UsersFile
from .sessions import token_hash

PREFIX: Final = "tcr_"
"""What a reading token begins with: people and scanners of leaked secrets know it by that."""
MAX_NAME: Final = 100
MOST: Final = 1000
"""Reading tokens of a folder."""
NOTED_S: Final = 60
"""How often a use is written down."""


class ReadingToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token as it is kept. Times are microseconds since 1970."""

    id: str
    name: str
    dataset: str | None
    """The one that it reads; None: every one."""
    created_us: int
    user: str | None
    """Id of who made it; None: the command line."""
    used_us: int | None

    def as_user(self) -> User:
        """Whoever has the token, as the guard sees it: an analyst of these datasets, without address or password."""
        datasets = () if self.dataset is None else (self.dataset,)
        every = self.dataset is None
        return User(id=f"token {self.id}", email="", role=Role.ANALYST, every_dataset=every, datasets=datasets)


class UnknownReadingToken(AccountError):
    """No reading token has this id."""


class ReadingTokens:
    """The reading tokens of a data folder. `now_us` is the clock."""

    def __init__(self, file: UsersFile, now_us: Callable[[], int]) -> None:
        self._file = file
        self._now_us = now_us

    def add(self, name: str, dataset: str | None = None, user: str | None = None) -> tuple[ReadingToken, str]:
        """Make a token: it and its secret, which cannot be shown again. AccountError when the name will not do."""
        name = name.strip()
        if not name or len(name) > MAX_NAME or not name.isprintable():
            raise AccountError(f"a reading token wants a name of 1 to {MAX_NAME} printable characters: what is it for?")
        secret = PREFIX + secrets.token_urlsafe(32)
        made = ReadingToken(
            id=secrets.token_hex(4), name=name, dataset=dataset, created_us=self._now_us(), user=user, used_us=None
        )
        with self._file.change() as database:
            if database.execute("select count(*) from reading").fetchone()[0] >= MOST:
                raise AccountError(f"there are {MOST} reading tokens already: revoke some first")
            database.execute(
                "insert into reading values (?, ?, ?, ?, ?, ?, null)",
                (made.id, token_hash(secret), name, dataset, made.created_us, user),
            )
        return made, secret

    def all(self) -> list[ReadingToken]:
        """Every token, the oldest first."""
        return [_token(row) for row in self._file.rows(f"{_SELECT} order by created_us, id")]

    def look(self, secret: str) -> tuple[ReadingToken | None, bool]:
        """The token of a secret, None when it is revoked or never was; and whether it is time to note its use."""
        if not secret.startswith(PREFIX):
            return None, False
        found = self._file.rows(f"{_SELECT} where hash = ?", token_hash(secret))
        if not found:
            return None, False
        token = _token(found[0])
        return token, token.used_us is None or self._now_us() - token.used_us > NOTED_S * 1_000_000

    def note(self, id: str) -> None:
        """It is used now."""
        with self._file.change() as database:
            database.execute("update reading set used_us = ? where id = ?", (self._now_us(), id))

    def revoke(self, id: str) -> None:
        """End a token. UnknownReadingToken when there is none of this id."""
        with self._file.change() as database:
            if not database.execute("delete from reading where id = ?", (id,)).rowcount:
                raise UnknownReadingToken(f"there is no reading token {id[:40]}")

    def forget_dataset(self, dataset: str) -> None:
        """A dataset is deleted: tokens that read it alone end, since one that gets its id later is another one."""
        with self._file.change() as database:
            database.execute("delete from reading where dataset = ?", (dataset,))


_SELECT: Final = "select id, name, dataset, created_us, user, used_us from reading"


def _token(row: Any) -> ReadingToken:
    id, name, dataset, created_us, user, used_us = row
    return ReadingToken(id=id, name=name, dataset=dataset, created_us=created_us, user=user, used_us=used_us)
