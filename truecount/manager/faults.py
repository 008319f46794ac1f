"""What is answered when something is wrong: in words on a page, as JSON, or in the Graph API's envelope."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, Literal, get_args, get_origin
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from litestar import Response
from litestar.exceptions import HTTPException, ValidationException

from truecount.log.errors import LogError, LogFull
from truecount.log.registry import DatasetExists, RegistryError, UnknownDataset
from truecount.manager.answers import in_words
from truecount.manager.pages import html
from truecount.manager.shared import Asked
from truecount.manager.users.accounts import AccountError, UnknownUser
from truecount.manager.users.file import UsersError
from truecount.manager.users.links import LinkGone
from truecount.manager.web import (
    accepts_json,
    by_token,
    host_of,
    json_answer,
    path_and_query,
    safe_next,
    see_other,
    takes_html,
    wants_json,
)
from truecount.manager.who import SAFE, FormRefused, NotThere, SignInFirst, TokenReads, TokenRefused
from truecount.store.errors import QueryFailed, QueryTooHeavy, StoreError

GRAPH_PATH: Final = re.compile(r"/v\d+\.\d+(/|$)").match
COMMANDS_PATH: Final = re.compile(r"/api/.").match
MISSING: Final = re.compile(r"Missing required query parameter '(\w+)'").match
NO_CHOICE: Final = re.compile(r"Invalid enum value ('.*')", re.DOTALL).fullmatch
OLD_FORM: Final = (
    "This form was open for too long, or it was sent from another page. Nothing was changed. Go back, reload the page "
    "and send it again."
)


PAGES_OF_FORMS: Final = (
    ("/test/try", "/test"),
    ("/diagnostics/mute", "/diagnostics"),
    ("/diagnostics/unmute", "/diagnostics"),
    ("/delete", "/settings"),
)
"""Addresses that answer a form with a page, and are none to go back to: that page's own."""


class Fault(msgspec.Struct):
    """What the page for an error holds, and its twin."""

    error: str


def words(request: Asked, error: Exception) -> Response[Any]:
    """The answer for an exception of a route. It tells nothing of what was asked, nor of what others have."""
    path: str = request.scope["path"]  # the whole URL cannot be made of every header Host
    status, text = status_of(error)
    if isinstance(error, ValidationException):
        text = _what_is_wrong(error, request.scope.get("route_handler"))
    if status == 413:
        text = _too_large(request)
    if isinstance(error, TokenRefused):
        return json_answer(Fault(text), status, {"WWW-Authenticate": 'Bearer realm="Truecount"'})
    if GRAPH_PATH(path):
        return json_answer(_graph_error(path, status), 400 if status in (404, 405) else status)
    if COMMANDS_PATH(path) or _asks_json(request):
        return json_answer(Fault(text), status)
    if isinstance(error, SignInFirst):
        return _to_sign_in(request)
    if isinstance(error, NotThere) or status == 404:
        status, text = 404, f"There is nothing at {path}, or it is not yours to see."
        more = "Events go to /tr and /v<N>.0/<dataset>/events."
    else:
        more = ""
    if takes_html(request):
        title = TITLES.get(status, "This did not work")
        return html(request, "fault.j2", status, fault=Fault(text), title=title, more=more, code=status)
    plain = " ".join(part for part in (text, more) if part)
    return Response(f"{plain}\n".encode(), status_code=status, media_type="text/plain")


TITLES: Final = {
    400: "This cannot be read",
    403: "This form was not taken",
    404: "There is nothing here",
    405: "This cannot be done here",
    410: "This link is used up",
    413: "This is too large",
    503: "Not available at the moment",
    504: "This took too long",
    507: "The disk is full",
}


def status_of(error: Exception) -> tuple[int, str]:
    """The status and the sentence for an exception."""
    match error:
        case SignInFirst():
            return 401, "Sign in first: this address is for users of this server."
        case NotThere():
            return 404, "There is nothing at this address, or it is not yours to see."
        case TokenRefused():
            return 401, "This is no reading token of this server, or it was revoked. (An access token reads nothing.)"
        case TokenReads():
            return 403, "A reading token reads: it cannot do this. Sign in to do it."
        case FormRefused():
            return 403, OLD_FORM
        case LinkGone():
            return 410, "This link was used already, or it is older than a day."
        case ValidationException():
            return 400, _what_is_wrong(error)
        case HTTPException():
            return error.status_code, error.detail
        case UnknownDataset() | UnknownUser():
            return 404, str(error)
        case DatasetExists():
            return 409, str(error)
        case RegistryError() | AccountError() | ValueError() | msgspec.MsgspecError():
            return 400, str(error)
        case QueryFailed():
            return 422 if isinstance(error, QueryTooHeavy) else 500, in_words(error)
        case StoreError():
            return 503, in_words(error)
        case LogFull():
            return 507, f"{error}. Nothing was changed. Make room there: `truecount doctor` tells how much is free."
        case LogError() | UsersError():
            return 503, str(error)
        case _:
            return 500, f"this should not happen ({type(error).__name__}); please report it"


def _too_large(request: Asked) -> str:
    """What is said of a body that is larger than its route takes, and what is to be done."""
    limit = getattr(request.scope.get("route_handler"), "request_max_body_size", None)
    most = f"{limit // 1024:,} kB, the most" if isinstance(limit, int) else "what"
    return (
        f"What was sent is larger than {most} that is taken here. Nothing was changed. Send less: a shorter list, say."
    )


def _asks_json(request: Asked) -> bool:
    try:
        return wants_json(request)
    except ValueError:
        return by_token(request) or accepts_json(request)


def _what_is_wrong(error: ValidationException, handler: Any = None) -> str:
    """Which parameters of a request cannot be read, and why; what would do, where the route's handler names it."""
    found: Any = error.extra
    if not isinstance(found, list):
        missing = MISSING(error.detail)
        return f"{missing[1]}: wanted, and the address has none" if missing else "the request cannot be read"
    return "; ".join(_of_parameter(one, handler) for one in found)


def _of_parameter(one: dict[str, Any], handler: Any) -> str:
    key, text = str(one.get("key", "request")), str(one.get("message", "cannot be read"))
    given = NO_CHOICE(text)
    known = handler.parsed_fn_signature.parameters.get(key) if given and handler else None
    choices = list(_choices(known.annotation)) if known else []
    name = getattr(known.kwarg_definition, "name", None) or key if known else key  # as an address calls it
    return f"{name} = {given[1][:40]}: wanted one of {', '.join(choices)}" if given and choices else f"{key}: {text}"


def _choices(annotation: Any) -> Iterator[str]:
    """The words of the Literals in an annotation."""
    if get_origin(annotation) is Literal:
        yield from map(str, get_args(annotation))
    else:
        for part in get_args(annotation):
            yield from _choices(part)


def _to_sign_in(request: Asked) -> Response[bytes]:
    """To the sign-in page, and back from there to a page. What a form would have changed is not done later: the page
    says that it is lost, and leads back to the one that the form was on.
    """
    is_part = "hx-request" in request.headers
    is_form = request.scope["method"] not in SAFE
    if is_part:
        back = _path_in(request.headers.get("hx-current-url", ""))
    elif is_form:
        back = _page_of_form(request)
    else:
        back = path_and_query(request)
    query = {"lost": "form"} if is_form else {}
    if back != "/":
        query["next"] = back
    target = "/sign-in" + (f"?{urlencode(query, quote_via=quote, safe='')}" if query else "")
    if is_part:  # htmx would put the sign-in page into the middle of the other one
        return Response(b"", status_code=401, headers={"HX-Redirect": target})
    return see_other(target)


def _page_of_form(request: Asked) -> str:
    """The page that a form was sent from, "/" where the browser does not say, or it is none of ours."""
    referer = request.headers.get("referer", "")
    path = _path_in(referer)
    if path == "/" or urlsplit(referer).netloc.lower() != host_of(request).lower():
        return "/"
    for ending, page in PAGES_OF_FORMS:
        if path.partition("?")[0].endswith(ending):
            return path.partition("?")[0].removesuffix(ending) + page
    return path


def _path_in(url: str) -> str:
    """The path and query of the page that a part was asked for."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "/"
    return safe_next(parts.path + (f"?{parts.query}" if parts.query else ""))


def _graph_error(path: str, status: int) -> dict[str, Any]:
    missing = status in (404, 405)
    return {
        "error": {
            "message": f"Unsupported request: {path} is not served yet. Events go to /v<N>.0/<dataset>/events."
            if missing
            else "An unknown error occurred",
            "type": "GraphMethodException",
            "code": 100 if missing else 1,
            "error_subcode": 33,
            "is_transient": not missing,
            "fbtrace_id": "A0000000000000000000000",
        }
    }
