"""/sign-in and /sign-out."""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.params import FromQuery

from truecount.manager.pages import show
from truecount.manager.shared import Asked, Format, Manager, manager_of
from truecount.manager.users.accounts import User
from truecount.manager.web import address_of, gives, json_answer, safe_next, see_other, wants_json
from truecount.manager.who import LARGEST_FORM, Who, form_of, let_go, sign_in, visitor_of


class SignInView(msgspec.Struct):
    """The page that asks for e-mail and password."""

    email: str = ""
    next: str = "/"
    is_form_lost: bool = False
    """A form was sent when the session was over: nothing of it was saved."""
    problem: str | None = None
    wait_s: int = 0
    """Seconds until this account or address may try again."""
    has_users: bool = True
    """False: there is no password yet; the one-time link sets the first one."""


class SignedIn(msgspec.Struct):
    email: str
    next: str


@get("/sign-in", who=Who.ANYONE, responses=gives(SignInView, "What the form needs."))
async def ask_password(
    request: Asked,
    next: FromQuery[str | None] = None,
    lost: FromQuery[str | None] = None,
    format: Format = None,
) -> Response[Any]:
    """The form for e-mail and password. `lost=form`: it stands in for the answer to another form."""
    if visitor_of(request).user is not None and not wants_json(request):
        return see_other(safe_next(next))
    manager = manager_of(request)
    view = SignInView(
        next=safe_next(next), is_form_lost=lost == "form", has_users=not manager.users.accounts.is_empty()
    )
    return show(request, "sign_in.j2", view)


@post(
    "/sign-in",
    who=Who.ANYONE,
    status_code=200,
    request_max_body_size=LARGEST_FORM,
    responses=gives(SignedIn, "Signed in; the cookie is set."),
)
async def take_password(request: Asked) -> Response[Any]:
    """Sign in with the fields `email` and `password`. 401 when they do not fit, 429 while sign-in pauses."""
    manager = manager_of(request)
    form = await form_of(request)
    email, password = form.get("email", ""), form.get("password", "")
    view = SignInView(email=email[:300], next=safe_next(form.get("next")))
    address = address_of(request)
    throttle = manager.users.throttle
    wait_s = throttle.wait_s(email, address)
    if wait_s > 0:
        return _paused(request, view, wait_s)
    throttle.begin(email, address)
    user = await manager.hashed(lambda: _user_of(manager, email, password))
    if user is None:
        wait_s = throttle.wait_s(email, address)
        if wait_s > 0:
            return _paused(request, view, wait_s, "E-mail or password is wrong. ")
        view.problem = "E-mail or password is wrong."
        return show(request, "sign_in.j2", view, status=401)
    throttle.succeeded(email, address)
    answer: Response[Any]
    answer = json_answer(SignedIn(user.email, view.next)) if wants_json(request) else see_other(view.next)
    await sign_in(request, answer, user)
    return answer


@post("/sign-out", who=Who.ANYONE, status_code=200, request_max_body_size=LARGEST_FORM)
async def sign_out(request: Asked) -> Response[Any]:
    """End the session."""
    manager, visitor = manager_of(request), visitor_of(request)
    await manager.away(lambda: manager.users.sessions.end(visitor.token))
    answer: Response[Any]
    answer = json_answer({"signed_out": True}) if wants_json(request) else see_other("/sign-in")
    let_go(request, answer)
    return answer


def _user_of(manager: Manager, email: str, password: str) -> User | None:
    """Whose e-mail and password these are. An unknown address takes as long as a wrong password."""
    users = manager.users
    user = users.accounts.by_email(email)
    hash = user.password if user else None
    if not users.passwords.fits(password, hash) or user is None or hash is None:
        return None
    if users.passwords.is_old(hash):
        users.accounts.rehash(user, users.passwords.hash(password))
    return user


def _paused(request: Asked, view: SignInView, wait_s: float, before: str = "") -> Response[Any]:
    view.wait_s = math.ceil(wait_s)
    view.problem = (
        f"{before}Too many tries: sign-in pauses for {_long(view.wait_s)}. A one-time link works all the same."
    )
    answer = show(request, "sign_in.j2", view, status=429)
    answer.headers["Retry-After"] = str(view.wait_s)
    return answer


def _long(seconds: int) -> str:
    if seconds < 60:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} minute{'' if minutes == 1 else 's'}"


ROUTES: Final[list[Any]] = [ask_password, take_password, sign_out]
