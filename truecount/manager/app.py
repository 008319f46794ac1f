"""The manager's ASGI application: its routes, behind one guard, and what is said when something is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from litestar import Litestar
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from truecount.log.folder import DataFolder
from truecount.manager.faults import words
from truecount.manager.headers import add_headers
from truecount.manager.live import Live
from truecount.manager.renewals import Renewals
from truecount.manager.routes import ROUTES
from truecount.manager.shared import Manager
from truecount.manager.users.together import Users
from truecount.manager.views.arriving import StoreFeed
from truecount.manager.who import Who, let_in
from truecount.settings import Settings


def application(
    folder: DataFolder, settings: Settings, on_start: Callable[[], None] = lambda: None, users: Users | None = None
) -> Litestar:
    """The application for one data folder, which the caller's supervisor owns. `users` None: those of the folder."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        manager = app.state.manager = Manager(folder, settings, users)
        app.state.live = Live(lambda dataset: StoreFeed(manager, dataset))
        app.state.renewals = Renewals(lambda: manager.link.store().loaded())
        on_start()
        manager.rolling.start()
        working = [asyncio.create_task(work) for work in (manager.roll_now_and_then(), manager.canary.fly())]
        try:
            yield
        finally:
            for task in working:
                task.cancel()
            end_streams(app)
            manager.close()

    made = Litestar(
        ROUTES,
        guards=[let_in],
        state=State({}),
        lifespan=[lifespan],
        before_send=[add_headers],
        exception_handlers={Exception: words, HTTPException: words},
        openapi_config=None,
        logging_config=None,
    )
    check_everyone_said_who(made)
    return made


def end_streams(app: Litestar) -> None:
    """Let nobody wait for what has no end."""
    app.state.live.close()
    app.state.renewals.close()


def check_everyone_said_who(app: Litestar) -> None:
    """RuntimeError for a route that does not say who may use it."""
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            # Litestar's own answers to OPTIONS tell the methods of a path and nothing else.
            if not isinstance(handler.opt.get("who"), Who) and not handler.fn.__module__.startswith("litestar."):
                raise RuntimeError(f"{route.path} does not say who may use it")
