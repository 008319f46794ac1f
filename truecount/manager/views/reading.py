"""Reading tokens: which scripts may read what, and when each did so last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from truecount.manager.answers import time_of
from truecount.manager.users.accounts import User
from truecount.manager.users.reading import ReadingToken
from truecount.manager.views.changes import BY_COMMAND


class ReadingTokenView(msgspec.Struct):
    """A token as it is listed: without its secret, which nobody knows here."""

    id: str
    name: str
    dataset: str | None
    """The one that it reads; null: every one."""
    created: str
    created_by: str
    """The user's address, or words."""
    last_used: str | None
    """UTC, to the minute; null where it never was."""


class ReadingTokensView(msgspec.Struct):
    """The page of all reading tokens."""

    tokens: list[ReadingTokenView]
    made: str | None = None
    """A new token: shown this once."""
    name: str = ""
    problem: str | None = None


def view_of_token(token: ReadingToken, emails: Mapping[str, str]) -> ReadingTokenView:
    """`emails` are the users' addresses by id."""
    return ReadingTokenView(
        id=token.id,
        name=token.name,
        dataset=token.dataset,
        created=time_of(token.created_us),
        created_by=emails.get(token.user, "") if token.user else BY_COMMAND,
        last_used=time_of(token.used_us) if token.used_us else None,
    )


def listed(tokens: Iterable[ReadingToken], users: Iterable[User]) -> list[ReadingTokenView]:
    emails = {user.id: user.email for user in users}
    return [view_of_token(token, emails) for token in tokens]
