"""/healthz, /readyz, /metrics, /canary: for whoever watches the server."""

from __future__ import annotations

from typing import Final

from litestar import MediaType, Response, get

from truecount.manager import health
from truecount.manager.pages import html
from truecount.manager.shared import Asked, manager_of
from truecount.manager.web import json_answer, wants_json
from truecount.manager.who import Who


@get("/healthz", media_type=MediaType.TEXT, who=Who.ANYONE, include_in_schema=False)
async def healthz() -> str:
    return "ok\n"


@get("/readyz", who=Who.ANYONE, include_in_schema=False)
async def readyz(request: Asked) -> Response[bytes]:
    manager = manager_of(request)
    found = await manager.away(lambda: health.readiness(manager.folder.path, manager.link))
    return json_answer(found, 200 if found.ready else 503)


@get("/metrics", who=Who.ANYONE, include_in_schema=False)
async def metrics(request: Asked) -> Response[bytes]:
    manager = manager_of(request)
    text = await manager.away(lambda: health.metrics_text(manager.folder.path, manager.link, manager.canary))
    return Response(text, media_type="text/plain; version=1.0.0")


@get("/canary", who=Who.ANYONE, include_in_schema=False)
async def canary(request: Asked) -> Response[bytes]:
    """The canary as it stands on every page, which ask for it again: without a session, whose use that would be.

    204 before the first one came, or was lost.
    """
    seen = manager_of(request).canary.seen()
    if seen is None:
        return Response(b"", status_code=204)
    return json_answer(seen) if wants_json(request) else html(request, "canary.j2", canary=seen)


ROUTES: Final = [healthz, readyz, metrics, canary]
