"""Users of one data folder: all that belongs to them, and what they decided, together."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from truecount.manager.answers import LinkMade, NewUser
from truecount.manager.mutes import Mutes

from .accounts import GIVEN, AccountError, Accounts, Role, User
from .file import UsersFile
from .links import Links
from .passwords import Passwords
from .reading import ReadingTokens
from .sessions import Sessions
from .throttle import Throttle


class Users:
    """Users, links, sessions, passwords, the throttle and mutes. Nothing is opened or made before it is asked for."""

    def __init__(
        self, folder: Path, *, now_s: Callable[[], float] = time.time, passwords: Passwords | None = None
    ) -> None:
        def now_us() -> int:
            return int(now_s() * 1e6)

        self.file = UsersFile(folder)
        self.accounts = Accounts(self.file, now_us)
        self.links = Links(self.file, self.accounts, now_us)
        self.sessions = Sessions(self.file, self.accounts, now_us)
        self.reading = ReadingTokens(self.file, now_us)
        self.mutes = Mutes(self.file, now_us)
        self.passwords = passwords or Passwords()
        self.throttle = Throttle(time.monotonic if now_s is time.time else now_s)

    def add(self, given: NewUser) -> LinkMade:
        """Make a user, and the link that sets the first password. AccountError when that cannot be."""
        if given.role is not None and given.role not in GIVEN:
            raise AccountError(f"role = {given.role!r}: wanted one of {', '.join(GIVEN)}")
        role = Role(given.role) if given.role else None
        user = self.accounts.add(given.email, role, given.datasets)
        return LinkMade(user.email, str(user.role), password_path(self.links.make(user)))

    def reset(self, email: str) -> LinkMade:
        """A link that sets another password. UnknownUser when there is no such user.

        Nothing else changes before the link is used: the sessions end, and the old password, when there is a new one.
        """
        user = self.accounts.get(email)
        return LinkMade(user.email, str(user.role), password_path(self.links.make(user)))

    def remove(self, email: str) -> User:
        """Take a user out, with sessions, links and reading tokens. UnknownUser when there is none; AccountError for
        the last owner. The address is gone from this file, also where the user muted a finding.
        """
        user = self.accounts.remove(email)
        self.mutes.forget_user(user.email)
        self.file.forget()
        return user

    def forget_dataset(self, dataset: str) -> None:
        """A dataset is deleted: one that gets its id later is another one."""
        self.accounts.forget_dataset(dataset)
        self.mutes.forget_dataset(dataset)
        self.reading.forget_dataset(dataset)

    def entrance(self, email: str) -> LinkMade:
        """A link that signs a user in as it is opened, once. UnknownUser when there is no such user."""
        user = self.accounts.get(email)
        return LinkMade(user.email, str(user.role), f"/enter/{self.links.make(user, enters=True)}")

    def close(self) -> None:
        self.file.close()


def first_run_path(once: str) -> str:
    return f"/first-run/{once}"


def password_path(once: str) -> str:
    return f"/new-password/{once}"
