"""/api lists the HTTP API, /api/openapi.json describes it to machines."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Response, get

from truecount.manager import openapi
from truecount.manager.pages import show
from truecount.manager.shared import Asked, manager_of
from truecount.manager.web import JSON
from truecount.manager.who import Who


class ApiView(msgspec.Struct):
    """What the API has."""

    about: str
    operations: list[openapi.Operation]


@get("/api", who=Who.USER, include_in_schema=False)
async def browse(request: Asked) -> Response[Any]:
    found = await manager_of(request).away(openapi.operations)
    return show(request, "api.j2", ApiView(openapi.ABOUT, found), here="api")


@get("/api/openapi.json", who=Who.USER, include_in_schema=False)
async def document(request: Asked) -> Response[Any]:
    found = await manager_of(request).away(openapi.document)
    return Response(msgspec.json.encode(found), media_type=JSON)


ROUTES: Final[list[Any]] = [browse, document]
