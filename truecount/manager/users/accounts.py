"""Users: who they are, what they may do, which datasets they may see."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any, Final

import msgspec

from .file import UsersFile

MAX_EMAIL: Final = 254


class Role(StrEnum):
    """What a user may do. An owner may do everything; an analyst reads."""

    OWNER = "owner"
    ANALYST = "analyst"
    DEVELOPER = "developer"
    AUDITOR = "auditor"


GIVEN: Final = (Role.OWNER, Role.ANALYST)
"""The roles that can be given today. The tables know the others, which come with what they may do."""


class User(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    email: str
    role: Role
    password: str | None = None
    """argon2's text; None until the first one is set."""
    every_dataset: bool = True
    created_us: int = 0
    datasets: tuple[str, ...] = ()
    """Those that the user may see, where that is not every one."""

    @property
    def is_owner(self) -> bool:
        return self.role is Role.OWNER

    def may_see(self, dataset: str) -> bool:
        return self.is_owner or self.every_dataset or dataset in self.datasets


class AccountError(ValueError):
    """A user who cannot be made; the text says why."""


class UnknownUser(AccountError):
    """No user has this address."""


class Accounts:
    """The users of a data folder. `now_us` is the clock: microseconds since 1970."""

    def __init__(self, file: UsersFile, now_us: Callable[[], int]) -> None:
        self._file = file
        self._now_us = now_us

    def is_empty(self) -> bool:
        return not self._file.rows("select 1 from users limit 1")

    def all(self) -> list[User]:
        """Every user, the oldest first."""
        return [self._user(row) for row in self._file.rows(f"{_SELECT} order by created_us, email_key")]

    def by_id(self, id: str) -> User | None:
        found = self._file.rows(f"{_SELECT} where id = ?", id)
        return self._user(found[0]) if found else None

    def by_email(self, email: str) -> User | None:
        found = self._file.rows(f"{_SELECT} where email_key = ?", email_key(email))
        return self._user(found[0]) if found else None

    def get(self, email: str) -> User:
        """The user of an address. UnknownUser when there is none."""
        user = self.by_email(email)
        if user is None:
            raise UnknownUser(f"there is no user {email}")
        return user

    def add(self, email: str, role: Role | None, datasets: Iterable[str] | None = None) -> User:
        """Make a user without a password; AccountError when that cannot be. `datasets` None: every one may be seen.

        Without a role the first user is an owner, the others are analysts.
        """
        with self._file.change() as database:
            is_first = not database.execute("select 1 from users limit 1").fetchone()
            role = role or (Role.OWNER if is_first else Role.ANALYST)
            if is_first and role is not Role.OWNER:
                raise AccountError("the first user has to be an owner: nobody else could make a dataset")
            user = new_user(email, role, self._now_us(), datasets)
            insert(database, user)
        return user

    def remove(self, email: str) -> User:
        """Take a user out. Sessions, links and all else of the user go with it. UnknownUser when there is none;
        AccountError for the last owner: nobody could make another one by the pages.
        """
        with self._file.change() as database:
            user = self.get(email)
            owners = database.execute("select count(*) from users where role = ?", (str(Role.OWNER),)).fetchone()[0]
            if user.is_owner and owners < 2:
                raise AccountError(f"{user.email} is the last owner: add another one first")
            database.execute("delete from users where id = ?", (user.id,))
        return user

    def set_password(self, database: sqlite3.Connection, user: str, hash: str) -> None:
        """Within a transaction: give a user another password. All sessions and links of the user end."""
        database.execute("update users set password = ? where id = ?", (hash, user))
        database.execute("delete from sessions where user = ?", (user,))
        database.execute("delete from links where user = ?", (user,))

    def rehash(self, user: User, hash: str) -> None:
        """Keep the same password as another hash, unless it was changed meanwhile. Sessions go on."""
        with self._file.change() as database:
            database.execute(
                "update users set password = ? where id = ? and password = ?", (hash, user.id, user.password)
            )

    def forget_dataset(self, dataset: str) -> None:
        """A dataset is deleted: one that gets its id later is another one."""
        with self._file.change() as database:
            database.execute("delete from access where dataset = ?", (dataset,))

    def _user(self, row: Any) -> User:
        id, email, role, password, every, created_us = row
        found = [] if every else self._file.rows("select dataset from access where user = ? order by dataset", id)
        return User(
            id=id,
            email=email,
            role=Role(role),
            password=password,
            every_dataset=bool(every),
            created_us=created_us,
            datasets=tuple(dataset for (dataset,) in found),
        )


_SELECT: Final = "select id, email, role, password, every_dataset, created_us from users"


def new_user(email: str, role: Role, now_us: int, datasets: Iterable[str] | None = None) -> User:
    """A user with a new id. AccountError when the address is none."""
    check_email(email)
    return User(
        id=secrets.token_hex(8),
        email=email.strip(),
        role=role,
        every_dataset=datasets is None,
        created_us=now_us,
        datasets=tuple(dict.fromkeys(datasets or ())),
    )


def insert(database: sqlite3.Connection, user: User) -> None:
    """Within a transaction: keep a new user. AccountError when the address is taken."""
    try:
        database.execute(
            "insert into users values (?, ?, ?, ?, ?, ?, ?)",
            (
                *(user.id, user.email, email_key(user.email), str(user.role), user.password),
                *(int(user.every_dataset), user.created_us),
            ),
        )
    except sqlite3.IntegrityError:
        raise AccountError(f"there is a user {user.email} already") from None
    database.executemany("insert into access values (?, ?)", [(user.id, dataset) for dataset in user.datasets])


def email_key(email: str) -> str:
    """What two writings of one address have in common."""
    return email.strip().casefold()


def check_email(email: str) -> None:
    """AccountError in words when this is no e-mail address that a user can have."""
    text = email.strip()
    local, at, domain = text.rpartition("@")
    if not (local and at and domain) or len(text) > MAX_EMAIL or not text.isprintable() or " " in text:
        raise AccountError("this is no e-mail address; wanted: one like you@shop.example")
