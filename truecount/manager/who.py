"""Who may use a route, and who is asking: the session's cookie, and the proof that a form is one of ours.

Each route says `who=`; one that says nothing is refused when the application is made, and nobody is let in by default.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from binascii import Error as BadBase64
from enum import StrEnum
from hmac import compare_digest
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from litestar import Response
from litestar.exceptions import HTTPException, NotAuthorizedException
from litestar.handlers import BaseRouteHandler

from truecount.manager.shared import Connection, manager_of
from truecount.manager.users.accounts import User
from truecount.manager.users.sessions import LONGEST_S
from truecount.manager.web import BY_TOKEN, host_of, is_secure

SECRET_HEADER: Final = "x-truecount-secret"
CSRF_HEADER: Final = "x-truecount-csrf"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
READING: Final = frozenset({"GET", "HEAD"})
FORM: Final = "application/x-www-form-urlencoded"
LARGEST_FORM: Final = 64 * 1024
MOST_FIELDS: Final = 100


class Who(StrEnum):
    ANYONE = "anyone"
    """Also who is not signed in."""
    COMMANDS = "commands"
    """The command line, by the secret of run/manager.secret."""
    USER = "user"
    """Whoever is signed in; under /d/{dataset}: and may see that dataset."""
    OWNER = "owner"


class SignInFirst(Exception):
    """This page is for users."""


class TokenRefused(Exception):
    """A reading token that is none, or that is revoked."""


class TokenReads(Exception):
    """A reading token reads twins: it changes nothing, and keeps no stream open."""


class NotThere(Exception):
    """It is not there, or not for this user: the same answer for both."""


class FormRefused(Exception):
    """A form that is not one of ours, or too old."""


class Visitor:
    """Who sent a request. `token` is the cookie's: of a session where there is a user, else of a form alone."""

    def __init__(self, user: User | None, token: str, is_new: bool, is_due: bool) -> None:
        self.user = user
        self.token = token
        self.is_due = is_due
        """The use of the session is to be noted."""
        self.is_new = is_new
        """The cookie is to be set."""

    def csrf(self) -> str:
        """The proof for a form, written anew each time: compressed pages let nobody guess it by their length."""
        mask = secrets.token_bytes(32)
        return base64.urlsafe_b64encode(mask + _xor(mask, _proof(self.token))).decode()

    def knows(self, given: str) -> bool:
        try:
            both = base64.urlsafe_b64decode(given.encode("ascii"))
        except (BadBase64, ValueError):
            return False
        return len(both) == 64 and compare_digest(_xor(both[:32], both[32:]), _proof(self.token))


def cookie_name(connection: Connection) -> str:
    """Cookies know no ports: two servers of one machine must not sign each other's users out. Behind TLS the name binds
    the cookie to this host.
    """
    mark = hashlib.sha256(manager_of(connection).secret.encode()).hexdigest()[:8]
    return f"{'__Host-' if is_secure(connection) else ''}truecount-{mark}"


def visitor_of(connection: Connection) -> Visitor:
    """Who sent this request. UsersError when users.sqlite cannot be used."""
    state: dict[str, Any] = connection.scope.setdefault("state", {})
    found: Visitor | None = state.get("visitor")
    if found is None:
        token = connection.cookies.get(cookie_name(connection), "")
        user, is_due = manager_of(connection).users.sessions.look(token) if token else (None, False)
        is_token = 40 <= len(token) <= 60
        found = Visitor(user, token if is_token else secrets.token_urlsafe(32), not is_token, is_due)
        state["visitor"] = found
    return found


def user_of(connection: Connection) -> User:
    """The user of a route that is for users."""
    user = visitor_of(connection).user
    if user is None:
        raise SignInFirst
    return user


def set_cookie(connection: Connection, answer: Response[Any], token: str, lasts_s: int | None = None) -> None:
    """Give the browser a token. Without `lasts_s` until it is closed."""
    answer.set_cookie(
        key=cookie_name(connection),
        value=token,
        max_age=lasts_s,
        path="/",
        httponly=True,
        secure=is_secure(connection),
        samesite="lax",
    )


def let_go(connection: Connection, answer: Response[Any]) -> None:
    """Take the cookie back."""
    set_cookie(connection, answer, "", 0)


async def sign_in(connection: Connection, answer: Response[Any], user: User) -> None:
    """Begin a session of its own: whatever cookie was there before is worth nothing now."""
    manager = manager_of(connection)
    before = connection.cookies.get(cookie_name(connection), "")

    def begin() -> str:
        if before:
            manager.users.sessions.end(before)
        return manager.users.sessions.begin(user)

    set_cookie(connection, answer, await manager.away(begin), LONGEST_S)


def bearer_of(connection: Connection) -> str | None:
    """The token of the header Authorization, None where it names none. It is looked for nowhere else: an address gets
    into logs and histories.
    """
    scheme, _, token = connection.headers.get("authorization", "").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


async def _admit_token(connection: Connection, handler: BaseRouteHandler, token: str) -> None:
    """Let who has a reading token in as a reader: whatever cookie stands beside it is not looked at."""
    manager = manager_of(connection)
    connection.scope.setdefault("state", {})[BY_TOKEN] = True  # refusals are JSON too
    found, is_due = manager.users.reading.look(token)
    if found is None:
        raise TokenRefused
    if str(connection.scope.get("method")) not in READING or handler.opt.get("by_session"):
        raise TokenReads
    connection.scope["state"]["visitor"] = Visitor(found.as_user(), "", False, False)
    if is_due:
        id = found.id
        await manager.away(lambda: manager.users.reading.note(id))


async def let_in(connection: Connection, handler: BaseRouteHandler) -> None:
    """The guard of all routes."""
    who = handler.opt.get("who")
    if (who is Who.USER or who is Who.OWNER) and (token := bearer_of(connection)) is not None:
        await _admit_token(connection, handler, token)
    if who is Who.COMMANDS:
        given = connection.headers.get(SECRET_HEADER, "")
        if not compare_digest(given.encode(), manager_of(connection).secret.encode()):
            raise NotAuthorizedException(
                detail="this path wants the secret of run/manager.secret: use the command line"
            )
        return
    if who is Who.USER or who is Who.OWNER:
        user = user_of(connection)
        visitor = visitor_of(connection)
        if visitor.is_due and "hx-request" not in connection.headers:  # a page that asks by itself is no use
            manager = manager_of(connection)
            await manager.away(lambda: manager.users.sessions.note(visitor.token))
        dataset = connection.path_params.get("dataset")
        if who is Who.OWNER and not user.is_owner:
            raise NotThere
        if dataset is not None and not (
            user.may_see(str(dataset)) and str(dataset) in manager_of(connection).registry.datasets()
        ):
            raise NotThere
    elif who is not Who.ANYONE:
        raise NotThere
    if str(connection.scope.get("method")) not in SAFE:
        await _check_form(connection)


async def form_of(connection: Connection) -> dict[str, str]:
    """The fields of a form; of a field that comes several times, the last."""
    kind = connection.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM:
        raise HTTPException(status_code=415, detail=f"wanted a form ({FORM})")
    body: bytes = await connection.body()  # type: ignore[attr-defined]  # guards are given the request
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError:
        raise HTTPException(status_code=400, detail="this form cannot be read") from None


async def _check_form(connection: Connection) -> None:
    """FormRefused unless the form comes from one of our pages, and of this very visitor."""
    site = connection.headers.get("sec-fetch-site")
    origin = connection.headers.get("origin")
    if site is not None:
        if site != "same-origin":
            raise FormRefused
    elif origin is not None and _host_in(origin) != host_of(connection).lower():
        # Browsers leave Sec-Fetch-Site out on plain http. A client without either header is none that forms are stolen
        # from: it has to know the proof like everybody.
        raise FormRefused
    given = connection.headers.get(CSRF_HEADER) or (await form_of(connection)).get("csrf", "")
    if not visitor_of(connection).knows(given):
        raise FormRefused


def _host_in(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _proof(token: str) -> bytes:
    return hashlib.sha256(b"truecount form\n" + token.encode("utf-8", "surrogatepass")).digest()


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
