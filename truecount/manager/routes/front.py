"""/: where a user begins."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Response, get

from truecount.manager.nav import first_page
from truecount.manager.pages import frame_of
from truecount.manager.shared import Asked, Format
from truecount.manager.web import gives, json_answer, see_other, wants_json
from truecount.manager.who import Who


class FrontView(msgspec.Struct):
    """What a user may see, by name."""

    datasets: list[FrontDataset]


class FrontDataset(msgspec.Struct):
    id: str
    name: str


@get("/", who=Who.USER, responses=gives(FrontView, "The datasets that you may see."))
async def front(request: Asked, format: Format = None) -> Response[Any]:
    """Go to the first dataset, or to the page that makes one."""
    seen = frame_of(request, "").datasets
    if wants_json(request):
        return json_answer(FrontView([FrontDataset(one.id, one.name) for one in seen]))
    return see_other(first_page(seen[0].id) if seen else "/start")


ROUTES: Final[list[Any]] = [front]
