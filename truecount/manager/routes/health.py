"""/healthz, /readyz, /metrics: for whoever watches the server."""

from __future__ import annotations

from typing import Final

from litestar import MediaType, Response, get

from truecount.manager import health
from truecount.manager.shared import Asked, manager_of
from truecount.manager.web import json_answer
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
    return Response(text, media_type="text/plain; version=1.0.0; charset=utf-8")


ROUTES: Final = [healthz, readyz, metrics]
