"""The routes: one file for each page or part of the API, and the list of all of them."""

from __future__ import annotations

from typing import Any, Final

from truecount.manager.routes import (
    actions,
    arriving,
    browse_api,
    commands,
    diagnostics,
    event,
    explain,
    find,
    front,
    health,
    overview,
    reading,
    renewing,
    set_password,
    settings,
    sign_in,
    start,
    static,
    tokens,
)

PAGES: Final[list[Any]] = [
    *front.ROUTES,
    *sign_in.ROUTES,
    *set_password.ROUTES,
    *overview.ROUTES,
    *diagnostics.ROUTES,
    *event.ROUTES,
    *start.ROUTES,
    *actions.ROUTES,
    *explain.ROUTES,
    *find.ROUTES,
    *arriving.ROUTES,
    *settings.ROUTES,
    *tokens.ROUTES,
    *reading.ROUTES,
]
"""What has a JSON twin: these are in the OpenAPI document."""

ROUTES: Final[list[Any]] = [
    *PAGES,
    *arriving.STREAMS,
    *renewing.STREAMS,
    *health.ROUTES,
    *static.ROUTES,
    *browse_api.ROUTES,
    commands.ROUTES,
]
