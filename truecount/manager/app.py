"""The manager's ASGI application: a list of routes, and what each says when something is wrong.

Everything under /api wants the secret of run/manager.secret, which the command line reads from the data folder.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from litestar import Litestar, MediaType, Request, Response, Router, delete, get, patch, post
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.exceptions import HTTPException, NotAuthorizedException
from litestar.handlers import BaseRouteHandler

from truecount.datasets import Dataset
from truecount.log.errors import LogError, LogFull
from truecount.log.folder import DataFolder
from truecount.log.registry import DatasetExists, Registry, RegistryError, UnknownDataset, check_chosen_token
from truecount.manager import health
from truecount.manager.answers import (
    ChangeDataset,
    CreateDataset,
    DatasetMade,
    changed_settings,
    encode,
    in_words,
    view_of,
)
from truecount.manager.engine import EngineLink
from truecount.manager.page import page
from truecount.settings import Settings
from truecount.store.client import Store
from truecount.store.errors import QueryFailed, QueryTooHeavy, StoreDown, StoreError

if TYPE_CHECKING:
    from truecount.commands.intake import Intake

PATIENCE_S: Final = 3.0
"""How long a question waits for an engine that is away: about twice as long as one takes to start."""
ROLL_EVERY_S: Final = 60.0
SECRET_HEADER: Final = "x-truecount-secret"
GRAPH_PATH: Final = re.compile(r"/v\d+\.\d+(/|$)").match
T = TypeVar("T")
Asked = Request[Any, Any, Any]


class Manager:
    """What the routes share. Blocking work goes through `away`."""

    def __init__(self, folder: DataFolder, settings: Settings) -> None:
        self.folder = folder
        self.settings = settings
        self.secret = folder.secret("manager")
        self.registry = Registry.open(folder.path)
        self.link = EngineLink(folder.path)
        self.writing = asyncio.Lock()
        self.importing = asyncio.Lock()
        self._intake: Intake | None = None

    async def away(self, work: Callable[[], T]) -> T:
        """Run blocking work in a thread. It is given up (504) when it takes longer than a query may."""
        limit_s = (self.settings.query_limit_s or 86_400) + 5
        try:
            async with asyncio.timeout(limit_s):
                return await asyncio.to_thread(work)
        except TimeoutError:
            raise HTTPException(status_code=504, detail=f"no answer within {limit_s} s") from None

    async def asked(self, ask: Callable[[Store], T]) -> T:
        """Ask the store in a thread. An engine that is being started again is waited for, PATIENCE_S at most."""
        return await self.away(lambda: self._patiently(ask))

    def _patiently(self, ask: Callable[[Store], T]) -> T:
        until: float | None = None
        while True:
            try:
                # The whole question: an engine started again has another port, and none of the scratch tables.
                return ask(self.link.store())
            except StoreDown:
                now = time.monotonic()
                until = until or now + PATIENCE_S
                if now >= until:
                    raise
            time.sleep(0.1)

    def intake(self) -> Intake:
        """The way in for imported events. Made at its first use: few servers import."""
        from truecount.commands.intake import Intake

        if self._intake is None:
            self._intake = Intake(self.folder, reserve_bytes=self.settings.reserve_mb * 1_000_000)
        return self._intake

    async def roll_now_and_then(self) -> None:
        """Let the log's file of imported events be closed when its day is over, or upkeep asks. Ends when cancelled."""
        while True:
            await asyncio.sleep(ROLL_EVERY_S)
            async with self.importing:
                if self._intake:
                    with suppress(LogError, OSError):  # tried again in a minute
                        await asyncio.to_thread(self._intake.roll_if_due)

    def wait_loaded(self) -> None:
        """Wait until reports know what is in the log now: a deleted dataset is gone when the command returns."""
        try:
            self.link.store().wait_loaded(timeout_s=10)
        except StoreError:
            pass  # it will know once it is back

    def dataset(self, id: str) -> Dataset:
        return self.registry.get(id)

    def close(self) -> None:
        if self._intake:
            self._intake.close()
        self.link.close()
        self.registry.close()


def json_answer(value: Any, status: int = 200) -> Response[bytes]:
    return Response(encode(value), status_code=status, media_type="application/json; charset=utf-8")


class Span(msgspec.Struct):
    """A range of times, [since, until), microseconds since 1970."""

    since_us: int | None = None
    until_us: int | None = None


class Look(msgspec.Struct):
    """What to look at for findings: a range of receipts, and the moment that solved ones are told as of."""

    since_us: int
    until_us: int
    now_us: int


class Which(msgspec.Struct):
    """Which action to explain."""

    event_name: str
    event_id: str | None = None
    order: str | None = None
    fbp: str | None = None
    external_id: str | None = None
    hashes: bool = False


def query_of(request: Asked, kind: type[T]) -> T:
    """The query as a struct. ValueError names what is wrong."""
    return msgspec.convert(dict(request.query_params), kind, strict=False)


def id_of(request: Asked) -> str:
    """The dataset that the path names."""
    return str(request.path_params["id"])


def _manager(request: Asked) -> Manager:
    manager: Manager = request.app.state.manager
    return manager


def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Let nobody in without the secret."""
    given = connection.headers.get(SECRET_HEADER, "")
    if not compare_digest(given.encode(), connection.app.state.manager.secret.encode()):
        raise NotAuthorizedException(detail="this path wants the secret of run/manager.secret: use the command line")


@get("/healthz", media_type=MediaType.TEXT)
async def healthz() -> str:
    return "ok\n"


@get("/readyz")
async def readyz(request: Asked) -> Response[bytes]:
    manager = _manager(request)
    found = await manager.away(lambda: health.readiness(manager.folder.path, manager.link))
    return json_answer(found, 200 if found.ready else 503)


@get("/metrics")
async def metrics(request: Asked) -> Response[bytes]:
    manager = _manager(request)
    text = await manager.away(lambda: health.metrics_text(manager.folder.path, manager.link))
    return Response(text, media_type="text/plain; version=1.0.0; charset=utf-8")


@get("/", media_type=MediaType.HTML)
async def front(request: Asked) -> str:
    manager = _manager(request)
    found = await manager.away(lambda: health.readiness(manager.folder.path, manager.link))
    return page(found.parts, len(manager.registry.datasets()))


@get("/datasets")
async def list_datasets(request: Asked) -> Response[bytes]:
    return json_answer([view_of(dataset) for dataset in _manager(request).registry.datasets().values()])


@post("/datasets")
async def create_dataset(request: Asked) -> Response[bytes]:
    manager = _manager(request)
    data = msgspec.json.decode(await request.body(), type=CreateDataset)
    if data.token:
        check_chosen_token(data.token)
    async with manager.writing:
        made, token = await manager.away(
            lambda: manager.registry.create(data.name, id=data.id or None, token=data.token or None)
        )
    return json_answer(DatasetMade(made.id, made.name, token), 201)


@patch("/datasets/{id:str}")
async def change_dataset(request: Asked) -> Response[bytes]:
    manager = _manager(request)
    data = msgspec.json.decode(await request.body(), type=ChangeDataset)
    async with manager.writing:
        id = id_of(request)
        settings = changed_settings(manager.dataset(id).settings, data.settings)
        changed = await manager.away(lambda: manager.registry.change(id, name=data.name, settings=settings))
    return json_answer(view_of(changed))


@delete("/datasets/{id:str}", status_code=200)
async def delete_dataset(request: Asked) -> Response[bytes]:
    manager = _manager(request)
    async with manager.writing:
        gone = await manager.away(lambda: manager.registry.delete(id_of(request)))
    await manager.away(manager.wait_loaded)
    return json_answer(view_of(gone))


@get("/datasets/{id:str}/events")
async def dataset_events(request: Asked) -> Response[bytes]:
    from truecount.measure.events import events

    manager = _manager(request)
    dataset = manager.dataset(id_of(request))
    span = query_of(request, Span)
    return json_answer(await manager.asked(lambda store: events(store, dataset, span.since_us, span.until_us)))


@get("/datasets/{id:str}/refused")
async def dataset_refused(request: Asked) -> Response[bytes]:
    from truecount.measure.refused import refused

    manager = _manager(request)
    dataset = manager.dataset(id_of(request))
    span = query_of(request, Span)
    return json_answer(await manager.asked(lambda store: refused(store, dataset, span.since_us, span.until_us)))


@get("/datasets/{id:str}/findings")
async def dataset_findings(request: Asked) -> Response[bytes]:
    from truecount.measure.diagnostics.findings import BUDGET_S, CHECK_S, findings

    manager = _manager(request)
    dataset = manager.dataset(id_of(request))
    look = query_of(request, Look)
    limit_s = manager.settings.query_limit_s or BUDGET_S
    ask = partial(
        findings,
        dataset=dataset,
        since_us=look.since_us,
        until_us=look.until_us,
        now_us=look.now_us,
        check_s=min(CHECK_S, limit_s),
        budget_s=min(BUDGET_S, limit_s),
    )
    return json_answer(await manager.asked(ask))


@get("/datasets/{id:str}/outcomes")
async def dataset_outcomes(request: Asked) -> Response[bytes]:
    from truecount.measure.outcomes import outcomes

    manager = _manager(request)
    dataset = manager.dataset(id_of(request))
    return json_answer(await manager.asked(lambda store: outcomes(store, dataset)))


@get("/outcomes")
async def all_outcomes(request: Asked) -> Response[bytes]:
    from truecount.measure.outcomes import outcomes

    return json_answer(await _manager(request).asked(lambda store: outcomes(store, None)))


@get("/datasets/{id:str}/explain")
async def dataset_explain(request: Asked) -> Response[bytes]:
    from truecount.measure.explain import explain

    manager = _manager(request)
    dataset = manager.dataset(id_of(request))
    which = query_of(request, Which)
    by = {name: getattr(which, name) for name in ("event_id", "order", "fbp", "external_id")}
    found = await manager.asked(lambda store: explain(store, dataset, which.event_name, **by, hashes=which.hashes))
    return json_answer(found)


@get("/datasets/{id:str}/imports")
async def list_imports(request: Asked) -> Response[bytes]:
    manager = _manager(request)
    dataset = manager.dataset(id_of(request))
    async with manager.importing:
        return json_answer(await manager.away(lambda: manager.intake().marks(dataset)))


@get("/datasets/{id:str}/imports/{digest:str}")
async def list_refused_rows(request: Asked) -> Response[bytes]:
    manager = _manager(request)
    dataset = manager.dataset(id_of(request))
    digest = bytes.fromhex(request.path_params["digest"])
    async with manager.importing:
        return json_answer(await manager.away(lambda: manager.intake().refused(dataset, digest)))


@post("/datasets/{id:str}/imports", request_max_body_size=None)
async def import_chunk(request: Asked) -> Response[bytes]:
    manager = _manager(request)
    dataset = manager.dataset(id_of(request))
    chunk = await request.body()
    async with manager.importing:
        return json_answer(await manager.away(lambda: manager.intake().take(dataset, chunk)))


def words(request: Asked, error: Exception) -> Response[bytes]:
    """An error as an answer: JSON with words for the API, Graph's envelope for its paths, plain text elsewhere."""
    status, text = _status_of(error)
    path: str = request.scope["path"]  # the whole URL cannot be made of every header Host
    if GRAPH_PATH(path):
        return json_answer(_graph_error(path, status), 400 if status in (404, 405) else status)
    if path.startswith("/api/"):
        return json_answer({"error": text}, status)
    if status == 404:
        text = f"There is nothing at {path}. Events go to /tr and /v<N>.0/<dataset>/events."
    return Response(f"{text}\n".encode(), status_code=status, media_type="text/plain; charset=utf-8")


def _status_of(error: Exception) -> tuple[int, str]:
    match error:
        case HTTPException():
            return error.status_code, error.detail
        case UnknownDataset():
            return 404, str(error)
        case DatasetExists():
            return 409, str(error)
        case RegistryError() | ValueError() | msgspec.MsgspecError():
            return 400, str(error)
        case QueryFailed():
            return 422 if isinstance(error, QueryTooHeavy) else 500, in_words(error)
        case StoreError():
            return 503, in_words(error)
        case LogFull():
            return 507, str(error)
        case LogError():
            return 503, str(error)
        case _:
            return 500, f"this should not happen ({type(error).__name__}); please report it"


def _graph_error(path: str, status: int) -> dict[str, Any]:
    missing = status in (404, 405)
    return {
        "error": {
            "message": f"Unsupported request: {path} is not served yet. Events go to /v<N>.0/<dataset>/events."
            if missing
            else "An unknown error occurred",
            "type": "GraphMethodException",
            "code": 100 if missing else 1,
            "error_subcode": 33,
            "is_transient": not missing,
            "fbtrace_id": "A0000000000000000000000",
        }
    }


def application(folder: DataFolder, settings: Settings, on_start: Callable[[], None] = lambda: None) -> Litestar:
    """The application for one data folder, which the caller's supervisor owns."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        app.state.manager = Manager(folder, settings)
        on_start()
        rolling = asyncio.create_task(app.state.manager.roll_now_and_then())
        try:
            yield
        finally:
            rolling.cancel()
            app.state.manager.close()

    api = Router(
        "/api",
        guards=[guard],
        route_handlers=[
            list_datasets,
            create_dataset,
            change_dataset,
            delete_dataset,
            dataset_events,
            dataset_refused,
            dataset_findings,
            dataset_outcomes,
            dataset_explain,
            all_outcomes,
            list_imports,
            list_refused_rows,
            import_chunk,
        ],
    )
    return Litestar(
        [healthz, readyz, metrics, front, api],
        state=State({}),
        lifespan=[lifespan],
        exception_handlers={Exception: words, HTTPException: words},
        openapi_config=None,
        logging_config=None,
    )
