"""The routes: one file for each page or part of the API, and the list of all of them."""

from __future__ import annotations

from typing import Any, Final

from truecount.manager.routes import (
    actions,
    browse_api,
    commands,
    explain,
    front,
    health,
    overview,
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
    *start.ROUTES,
    *actions.ROUTES,
    *explain.ROUTES,
    *settings.ROUTES,
    *tokens.ROUTES,
]
"""What has a JSON twin: these are in the OpenAPI document."""

ROUTES: Final[list[Any]] = [*PAGES, *health.ROUTES, *static.ROUTES, *browse_api.ROUTES, commands.ROUTES]
