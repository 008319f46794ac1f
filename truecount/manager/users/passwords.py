"""Passwords: which ones will do, and their hashes (argon2id)."""

from __future__ import annotations

import secrets
import threading
import unicodedata
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from .accounts import email_key

if TYPE_CHECKING:
    from argon2 import PasswordHasher

LEAST: Final = 10
MOST: Final = 1000
"""Characters. More than anybody types, and little enough to hash."""

_COMMON: Final = frozenset({
    "password", "passwort", "passw0rd", "qwerty", "qwertyuiop", "qwertzuiop", "azertyuiop", "asdfghjkl",
    "iloveyou", "letmein", "welcome", "admin", "administrator", "changeme", "secret", "truecount",
    "football", "baseball", "superman", "dragon", "monkey", "sunshine", "princess", "abc", "1q2w3e4r5t",
    "1qaz2wsx3edc", "zaq12wsxcde",
})  # fmt: skip


class WeakPassword(ValueError):
    """A password that will not do; the text says why."""


def check_password(password: str, email: str = "") -> None:
    """WeakPassword in words when a password is too short, or one that anybody would try first."""
    plain = normal(password)
    if len(plain) < LEAST:
        raise WeakPassword(f"{LEAST} characters or more, please; this one has {len(plain)}")
    if len(plain) > MOST:
        raise WeakPassword(f"{MOST:,} characters at most, please")
    folded = plain.casefold()
    local = email_key(email).partition("@")[0]
    if email and folded in (email_key(email), local * 2, local + email_key(email)):
        raise WeakPassword("this is your e-mail address; take something that nobody reads on a letter")
    word = folded.strip("0123456789!?.-_* ")
    if len(set(folded)) < 4 or folded in _COMMON or word in _COMMON or _is_run(folded):
        raise WeakPassword("this is one of the first passwords that somebody would try; a few random words are better")


def _is_run(text: str) -> bool:
    """Whether a text is counting up or down, or round and round: 1234567890, abcdefghij."""
    steps = {ord(after) - ord(before) for before, after in pairwise(text)}
    return steps <= {1, -9} or steps <= {-1, 9}


def normal(password: str) -> str:
    """A password as it is compared: however the keyboard composed its letters."""
    return unicodedata.normalize("NFKC", password)


class Passwords:
    """Makes and checks hashes. `costs` are argon2-cffi's parameters; its own defaults (RFC 9106) without."""

    def __init__(self, **costs: int) -> None:
        self._costs = costs
        self._made: PasswordHasher | None = None
        self._decoy = ""
        self._mutex = threading.Lock()

    def hash(self, password: str) -> str:
        return self._hasher().hash(normal(password))

    def fits(self, password: str, hash: str | None) -> bool:
        """Whether a password is the one of this hash. Without a hash: no, after the same time."""
        from argon2.exceptions import InvalidHashError, VerificationError

        hasher = self._hasher()
        plain = normal(password)[: MOST + 1]
        try:
            hasher.verify(hash or self._decoy, plain)
        except (VerificationError, InvalidHashError):
            return False
        return hash is not None

    def is_old(self, hash: str) -> bool:
        """Whether the hash was made with other costs than today's: it is to be made anew."""
        return bool(self._hasher().check_needs_rehash(hash))

    def _hasher(self) -> PasswordHasher:
        with self._mutex:
            if self._made is None:
                import argon2

                given: dict[str, Any] = self._costs
                self._made = argon2.PasswordHasher(**given)
                # Made before any question is answered, so that the first unknown address takes no longer than others.
                self._decoy = self._made.hash(secrets.token_urlsafe())
            return self._made
