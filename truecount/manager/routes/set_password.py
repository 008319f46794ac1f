"""One-time links: /first-run makes the owner, /new-password sets another password of a user, /enter signs in."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from truecount.manager.pages import show
from truecount.manager.shared import Asked, Format, manager_of
from truecount.manager.users.accounts import AccountError, User, check_email
from truecount.manager.users.links import LinkGone
from truecount.manager.users.passwords import LEAST, WeakPassword, check_password
from truecount.manager.users.together import first_run_path, password_path
from truecount.manager.web import gives, json_answer, see_other, wants_json
from truecount.manager.who import LARGEST_FORM, Who, form_of, sign_in, visitor_of


class SetPasswordView(msgspec.Struct):
    """The page of a one-time link."""

    is_first: bool
    """It makes the owner, and asks for the address too."""
    email: str
    least: int = LEAST
    """Characters of a password."""
    problems: dict[str, str] = {}
    """Field -> what is wrong with it."""


class UsedLinkView(msgspec.Struct):
    """The page of a link that does not work any more."""

    error: str
    command: str
    """What makes another one."""


class PasswordSet(msgspec.Struct):
    email: str


_ONE: Final = gives(SetPasswordView, "What the form needs.")
_DONE: Final = gives(PasswordSet, "The password is set, and the cookie of a session.")


@get("/first-run/{once:str}", who=Who.ANYONE, responses=_ONE)
async def ask_first(request: Asked, once: FromPath[str], format: Format = None) -> Response[Any]:
    """The form for the owner's address and password."""
    return await _ask(request, once)


@get("/new-password/{once:str}", who=Who.ANYONE, responses=_ONE)
async def ask_new(request: Asked, once: FromPath[str], format: Format = None) -> Response[Any]:
    """The form for another password."""
    return await _ask(request, once)


@post("/first-run/{once:str}", who=Who.ANYONE, status_code=200, request_max_body_size=LARGEST_FORM, responses=_DONE)
async def take_first(request: Asked, once: FromPath[str]) -> Response[Any]:
    """Make the owner of the fields `email` and `password`, and sign in."""
    return await _take(request, once)


@post("/new-password/{once:str}", who=Who.ANYONE, status_code=200, request_max_body_size=LARGEST_FORM, responses=_DONE)
async def take_new(request: Asked, once: FromPath[str]) -> Response[Any]:
    """Set the field `password`, end all sessions of its user, and sign in."""
    return await _take(request, once)


@get("/enter/{once:str}", who=Who.ANYONE)
async def enter(request: Asked, once: FromPath[str]) -> Response[Any]:
    """Sign in whom the link is for. Who is in already is led on: the link is opened again, or was in another tab."""
    manager = manager_of(request)
    if visitor_of(request).user is not None:
        return see_other("/")
    try:
        user = await manager.away(lambda: manager.users.links.enter(once))
    except LinkGone:
        return _gone(request)
    answer = see_other("/")
    await sign_in(request, answer, user)
    return answer


async def _ask(request: Asked, once: str) -> Response[Any]:
    manager = manager_of(request)
    try:
        link = await manager.away(lambda: manager.users.links.look(once))
    except LinkGone:
        return _gone(request)
    view = SetPasswordView(link.user is None, link.user.email if link.user else "")
    return show(request, "set_password.j2", view, action=_path(link.user, once), folder=str(manager.folder.path))


async def _take(request: Asked, once: str) -> Response[Any]:
    manager = manager_of(request)
    users = manager.users
    form = await form_of(request)
    try:
        link = await manager.away(lambda: users.links.look(once))
        email = link.user.email if link.user else form.get("email", "")
        password = form.get("password", "")
        problems = _problems(email, password)
        if problems:
            view = SetPasswordView(link.user is None, email[:300], problems=problems)
            more = {"action": _path(link.user, once), "folder": str(manager.folder.path)}
            return show(request, "set_password.j2", view, status=400, **more)
        hash = await manager.hashed(lambda: users.passwords.hash(password))
        user = await manager.away(lambda: users.links.use(once, email, hash))
    except LinkGone:
        return _gone(request)
    users.throttle.forget(user.email)
    answer: Response[Any] = json_answer(PasswordSet(user.email)) if wants_json(request) else see_other("/")
    await sign_in(request, answer, user)
    return answer


def _problems(email: str, password: str) -> dict[str, str]:
    found = {}
    try:
        check_email(email)
    except AccountError as error:
        found["email"] = _sentence(error)
    try:
        check_password(password, email)
    except WeakPassword as error:
        found["password"] = _sentence(error)
    return found


def _sentence(error: Exception) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


def _path(user: User | None, once: FromPath[str]) -> str:
    return password_path(once) if user else first_run_path(once)


def _gone(request: Asked) -> Response[Any]:
    if manager_of(request).users.accounts.is_empty():
        command = "truecount serve"
        text = (
            "This link was used, or it is of an earlier start, or older than a day. The server prints a new one each "
        )
        text += "time it starts, as long as nobody has a password."
    else:
        command = "truecount user reset EMAIL"
        text = "This link was used already, or it is older than a day. Whoever runs the server can make a new one:"
    return show(request, "used_link.j2", UsedLinkView(text, command), status=410)


ROUTES: Final[list[Any]] = [enter, ask_first, ask_new, take_first, take_new]
