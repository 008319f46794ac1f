"""/static: the manager's own files."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, get
from litestar.params import FromPath

from truecount.manager import static_files
from truecount.manager.shared import Asked
from truecount.manager.who import NotThere, Who


@get("/static/{name:str}", who=Who.ANYONE, include_in_schema=False)
async def static(request: Asked, name: FromPath[str]) -> Response[bytes]:
    found = static_files.answer(name, request.headers.get("accept-encoding", ""))
    if found is None:
        raise NotThere
    return found


ROUTES: Final[list[Any]] = [static]
