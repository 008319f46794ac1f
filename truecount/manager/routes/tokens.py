"""The access tokens of a dataset: make one, which is shown once; take one back."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Response, post
from litestar.params import FromPath

from truecount.manager.nav import dataset_path
from truecount.manager.routes.settings import view_of
from truecount.manager.routes.start import place_of
from truecount.manager.shared import Asked, manager_of
from truecount.manager.views.settings import SettingsView
from truecount.manager.web import gives, json_answer, see_other, wants_json
from truecount.manager.who import LARGEST_FORM, Who, form_of, user_of


class TokenMade(msgspec.Struct):
    """A new access token, shown this once."""

    id: str
    token: str


@post(
    "/d/{dataset:str}/tokens",
    who=Who.OWNER,
    status_code=200,
    request_max_body_size=LARGEST_FORM,
    responses=gives(TokenMade, "The token, shown this once."),
)
async def make(request: Asked, dataset: FromPath[str]) -> Response[Any]:
    """Give a dataset one more access token."""
    manager, user = manager_of(request), user_of(request)
    async with manager.writing:
        token = await manager.away(lambda: manager.registry.add_token(dataset, by=user.id))
    if wants_json(request):
        return json_answer(TokenMade(dataset, token))
    manager.once.keep(place_of(request, manager.dataset(dataset)), token)
    return see_other(dataset_path(dataset, "/settings#tokens"))


@post(
    "/d/{dataset:str}/tokens/revoke",
    who=Who.OWNER,
    status_code=200,
    request_max_body_size=LARGEST_FORM,
    responses=gives(SettingsView, "The settings without the token."),
)
async def revoke(request: Asked, dataset: FromPath[str]) -> Response[Any]:
    """Take an access token back, named by the field `hash` (its SHA-256, in hex)."""
    manager, user = manager_of(request), user_of(request)
    hash = bytes.fromhex((await form_of(request)).get("hash", ""))
    async with manager.writing:
        left = await manager.away(lambda: manager.registry.remove_token(dataset, hash, user.id))
    if wants_json(request):
        return json_answer(await view_of(request, left))
    return see_other(dataset_path(dataset, "/settings#tokens"))


ROUTES: Final[list[Any]] = [make, revoke]
