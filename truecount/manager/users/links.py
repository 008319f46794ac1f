"""One-time links: whoever holds one may set a password, or enter, once. Their SHA-256 alone is kept."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from typing import Any, Final

import msgspec

from .accounts import Accounts, Role, User, insert, new_user
from .file import UsersFile

LASTS_S: Final = 24 * 3600


class LinkGone(Exception):
    """The link was used, is too old, or never was one."""


class Link(msgspec.Struct, frozen=True):
    """What a link is for: the first owner, or another password of `user`."""

    user: User | None


class Links:
    """The links of a data folder. `now_us` is the clock."""

    def __init__(self, file: UsersFile, accounts: Accounts, now_us: Callable[[], int]) -> None:
        self._file = file
        self._accounts = accounts
        self._now_us = now_us

    def make(self, user: User | None, *, enters: bool = False) -> str:
        """A new link for a user, in place of an older one; for the first run without a user. Returns its secret.

        One that `enters` signs the user in as it is opened, and sets no password: the demo's.
        """
        once = secrets.token_urlsafe(32)
        now_us = self._now_us()
        with self._file.change() as database:
            database.execute("delete from links where user is ? or until_us < ?", (user.id if user else None, now_us))
            database.execute(
                "insert into links values (?, ?, ?, ?)",
                (_hash(once), user.id if user else None, now_us + LASTS_S * 1_000_000, int(enters)),
            )
        return once

    def first(self) -> str | None:
        """For a server that starts: a new link for the first run while there is no user, else None. Older ones end."""
        if self._accounts.is_empty():
            return self.make(None)
        with self._file.change() as database:
            database.execute("delete from links where user is null")
        return None

    def look(self, once: str) -> Link:
        """What a link is for. LinkGone when it is for nothing (any more)."""
        found = self._rows(once, enters=False)
        if not found:
            raise LinkGone
        (id,) = found[0]
        user = self._accounts.by_id(id) if id else None
        if (user is None) != (id is None) or (user is None and not self._accounts.is_empty()):
            raise LinkGone
        return Link(user)

    def use(self, once: str, email: str, hash: str) -> User:
        """Set the password that the link is for, and end the link: of its user, or of a new owner with this address.

        LinkGone when somebody was faster, AccountError when the address will not do.
        """
        with self._file.change() as database:
            link = self.look(once)
            user = link.user
            if user is None:
                user = new_user(email, Role.OWNER, self._now_us())
                insert(database, user)
            self._accounts.set_password(database, user.id, hash)
            database.execute("delete from links where hash = ? or user is null", (_hash(once),))
        self._file.forget()
        return user

    def enter(self, once: str) -> User:
        """Who a link lets in; it ends with this. LinkGone when it is none, or not any more."""
        with self._file.change() as database:
            found = self._rows(once, enters=True)
            user = self._accounts.by_id(found[0][0]) if found else None
            if user is None:
                raise LinkGone
            database.execute("delete from links where hash = ?", (_hash(once),))
        return user

    def _rows(self, once: str, *, enters: bool) -> list[tuple[Any, ...]]:
        return self._file.rows(
            "select user from links where hash = ? and until_us >= ? and enters = ?",
            _hash(once), self._now_us(), int(enters),
        )  # fmt: skip


def _hash(once: str) -> bytes:
    return hashlib.sha256(once.encode("utf-8", "surrogatepass")).digest()
