"""/tokens: reading tokens, by which scripts read the twins. Make one, which is shown once; revoke one."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, get, post

from truecount.manager.answers import ReadingTokenMade
from truecount.manager.pages import show
from truecount.manager.shared import Asked, Format, manager_of
from truecount.manager.users.accounts import AccountError
from truecount.manager.users.sessions import token_hash
from truecount.manager.views import reading as view
from truecount.manager.web import base_url, gives, json_answer, see_other, wants_json
from truecount.manager.who import LARGEST_FORM, Who, form_of, user_of, visitor_of

_LIST: Final = gives(view.ReadingTokensView, "The reading tokens, without their secrets.")
EVERY: Final = "*"
"""What the form says for every dataset: no dataset has this id, and an empty field is a mistake."""


@get("/tokens", who=Who.OWNER, responses=_LIST)
async def reading_tokens(request: Asked, format: Format = None) -> Response[Any]:
    """Who may read by token, and when each was used last."""
    made = manager_of(request).once.take(_place_of(request))
    return await _show(request, made=made)


@post(
    "/tokens",
    who=Who.OWNER,
    status_code=200,
    request_max_body_size=LARGEST_FORM,
    responses=gives(ReadingTokenMade, "The token, shown this once."),
)
async def make(request: Asked) -> Response[Any]:
    """Make a reading token: the field `name` says what it is for, `dataset` which one it reads, `*` every one."""
    manager, user = manager_of(request), user_of(request)
    form = await form_of(request)
    name, asked = form.get("name", ""), form.get("dataset", "")
    dataset = None if asked == EVERY else asked
    try:
        if dataset is not None and dataset not in manager.registry.datasets():
            raise AccountError("dataset: wanted the id of one, or * for every one")
        token, secret = await manager.away(lambda: manager.users.reading.add(name, dataset, user.id))
    except AccountError as error:
        return await _show(request, name=name[:300], problem=str(error), status=400)
    if wants_json(request):
        return json_answer(ReadingTokenMade(token.id, token.name, token.dataset, secret))
    manager.once.keep(_place_of(request), secret)
    return see_other("/tokens")


@post("/tokens/revoke", who=Who.OWNER, status_code=200, request_max_body_size=LARGEST_FORM, responses=_LIST)
async def revoke(request: Asked) -> Response[Any]:
    """End a reading token, named by the field `id`."""
    manager = manager_of(request)
    id = (await form_of(request)).get("id", "")
    await manager.away(lambda: manager.users.reading.revoke(id))
    return await _show(request) if wants_json(request) else see_other("/tokens")


async def _show(
    request: Asked, *, made: str | None = None, name: str = "", problem: str | None = None, status: int = 200
) -> Response[Any]:
    manager = manager_of(request)
    tokens = await manager.away(lambda: view.listed(manager.users.reading.all(), manager.users.accounts.all()))
    page = view.ReadingTokensView(tokens, made, name, problem)
    if wants_json(request):
        return json_answer(page, status)
    names = {one.id: one.name for one in manager.registry.datasets().values()}
    return show(
        request, "reading.j2", page, here="reading", status=status, names=names, every=EVERY, base=base_url(request)
    )


def _place_of(request: Asked) -> tuple[bytes, str]:
    """Where a new token waits for the page that shows it: to this session alone. No dataset's id has a blank."""
    return token_hash(visitor_of(request).token), "reading token"


ROUTES: Final[list[Any]] = [reading_tokens, make, revoke]
