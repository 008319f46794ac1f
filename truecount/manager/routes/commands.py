"""The API that the command line uses. It wants the secret of run/manager.secret, which is read from the data folder."""

from __future__ import annotations

from functools import partial
from typing import Final, TypeVar

import msgspec
from litestar import Response, Router, delete, get, patch, post

from truecount.datasets import COMMAND_LINE
from truecount.log.registry import check_chosen_token
from truecount.manager.answers import (
    ChangeDataset,
    CreateDataset,
    DatasetMade,
    NewReadingToken,
    NewUser,
    ReadingTokenMade,
    ResetUser,
    WhichToken,
    WhichUser,
    view_of,
    view_of_user,
)
from truecount.manager.shared import Asked, manager_of
from truecount.manager.views.reading import listed
from truecount.manager.web import json_answer
from truecount.manager.who import Who

T = TypeVar("T")


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


@get("/datasets")
async def list_datasets(request: Asked) -> Response[bytes]:
    return json_answer([view_of(dataset) for dataset in manager_of(request).registry.datasets().values()])


@post("/datasets")
async def create_dataset(request: Asked) -> Response[bytes]:
    manager = manager_of(request)
    data = msgspec.json.decode(await request.body(), type=CreateDataset)
    if data.token:
        check_chosen_token(data.token)
    made, token = await manager.create_dataset(data.name, data.id, data.token, COMMAND_LINE)
    return json_answer(DatasetMade(made.id, made.name, token), 201)


@patch("/datasets/{id:str}")
async def change_dataset(request: Asked) -> Response[bytes]:
    manager = manager_of(request)
    data = msgspec.json.decode(await request.body(), type=ChangeDataset)
    changed = await manager.change_dataset(id_of(request), data.settings, data.name, by=COMMAND_LINE)
    return json_answer(view_of(changed))


@delete("/datasets/{id:str}", status_code=200)
async def delete_dataset(request: Asked) -> Response[bytes]:
    return json_answer(view_of(await manager_of(request).delete_dataset(id_of(request), COMMAND_LINE)))


@get("/datasets/{id:str}/events")
async def dataset_events(request: Asked) -> Response[bytes]:
    from truecount.measure.events import events

    manager = manager_of(request)
    dataset = manager.dataset(id_of(request))
    span = query_of(request, Span)
    return json_answer(await manager.asked(lambda store: events(store, dataset, span.since_us, span.until_us)))


@get("/datasets/{id:str}/refused")
async def dataset_refused(request: Asked) -> Response[bytes]:
    from truecount.measure.refused import refused

    manager = manager_of(request)
    dataset = manager.dataset(id_of(request))
    span = query_of(request, Span)
    return json_answer(await manager.asked(lambda store: refused(store, dataset, span.since_us, span.until_us)))


@get("/datasets/{id:str}/findings")
async def dataset_findings(request: Asked) -> Response[bytes]:
    from truecount.measure.diagnostics.findings import BUDGET_S, CHECK_S, findings

    manager = manager_of(request)
    dataset = manager.dataset(id_of(request))
    look = query_of(request, Look)
    limit_s = manager.settings.query_limit_s or BUDGET_S
    ask = partial(
        findings,
        dataset=dataset,
        since_us=look.since_us,
        until_us=look.until_us,
        now_us=look.now_us,
        muted=await manager.away(lambda: manager.users.mutes.ends_of(dataset.id)),
        check_s=min(CHECK_S, limit_s),
        budget_s=min(BUDGET_S, limit_s),
    )
    return json_answer(await manager.asked(ask))


@get("/datasets/{id:str}/outcomes")
async def dataset_outcomes(request: Asked) -> Response[bytes]:
    from truecount.measure.outcomes import outcomes

    manager = manager_of(request)
    dataset = manager.dataset(id_of(request))
    return json_answer(await manager.asked(lambda store: outcomes(store, dataset)))


@get("/outcomes")
async def all_outcomes(request: Asked) -> Response[bytes]:
    from truecount.measure.outcomes import outcomes

    return json_answer(await manager_of(request).asked(lambda store: outcomes(store, None)))


@get("/datasets/{id:str}/explain")
async def dataset_explain(request: Asked) -> Response[bytes]:
    from truecount.measure.explain import explain

    manager = manager_of(request)
    dataset = manager.dataset(id_of(request))
    which = query_of(request, Which)
    by = {name: getattr(which, name) for name in ("event_id", "order", "fbp", "external_id")}
    found = await manager.asked(lambda store: explain(store, dataset, which.event_name, **by, hashes=which.hashes))
    return json_answer(found)


@get("/datasets/{id:str}/imports")
async def list_imports(request: Asked) -> Response[bytes]:
    manager = manager_of(request)
    dataset = manager.dataset(id_of(request))
    async with manager.importing:
        return json_answer(await manager.away(lambda: manager.intake().marks(dataset)))


@get("/datasets/{id:str}/imports/{digest:str}")
async def list_refused_rows(request: Asked) -> Response[bytes]:
    manager = manager_of(request)
    dataset = manager.dataset(id_of(request))
    digest = bytes.fromhex(request.path_params["digest"])
    async with manager.importing:
        return json_answer(await manager.away(lambda: manager.intake().refused(dataset, digest)))


@post("/datasets/{id:str}/imports", request_max_body_size=None)
async def import_chunk(request: Asked) -> Response[bytes]:
    manager = manager_of(request)
    dataset = manager.dataset(id_of(request))
    chunk = await request.body()
    async with manager.importing:
        return json_answer(await manager.away(lambda: manager.intake().take(dataset, chunk)))


@get("/users")
async def list_users(request: Asked) -> Response[bytes]:
    manager = manager_of(request)
    return json_answer([view_of_user(user) for user in await manager.away(manager.users.accounts.all)])


@post("/users")
async def add_user(request: Asked) -> Response[bytes]:
    manager = manager_of(request)
    data = msgspec.json.decode(await request.body(), type=NewUser)
    for dataset in data.datasets or ():
        manager.dataset(dataset)
    made = await manager.away(lambda: manager.users.add(data))
    return json_answer(made, 201)


@post("/users/link")
async def make_link(request: Asked) -> Response[bytes]:
    manager = manager_of(request)
    data = msgspec.json.decode(await request.body(), type=ResetUser)
    make = manager.users.entrance if data.enters else manager.users.reset
    return json_answer(await manager.away(lambda: make(data.email)), 201)


@post("/users/remove", status_code=200)
async def remove_user(request: Asked) -> Response[bytes]:
    manager = manager_of(request)
    data = msgspec.json.decode(await request.body(), type=WhichUser)
    return json_answer(view_of_user(await manager.away(lambda: manager.users.remove(data.email))))


@get("/tokens")
async def list_tokens(request: Asked) -> Response[bytes]:
    users = manager_of(request).users
    return json_answer(await manager_of(request).away(lambda: listed(users.reading.all(), users.accounts.all())))


@post("/tokens")
async def add_token(request: Asked) -> Response[bytes]:
    manager = manager_of(request)
    data = msgspec.json.decode(await request.body(), type=NewReadingToken)
    if data.dataset is not None:
        manager.dataset(data.dataset)
    token, secret = await manager.away(lambda: manager.users.reading.add(data.name, data.dataset))
    return json_answer(ReadingTokenMade(token.id, token.name, token.dataset, secret), 201)


@post("/tokens/revoke", status_code=200)
async def revoke_token(request: Asked) -> Response[bytes]:
    users = manager_of(request).users
    data = msgspec.json.decode(await request.body(), type=WhichToken)
    await manager_of(request).away(lambda: users.reading.revoke(data.id))
    return json_answer(await manager_of(request).away(lambda: listed(users.reading.all(), users.accounts.all())))


ROUTES: Final = Router(
    "/api",
    opt={"who": Who.COMMANDS},
    include_in_schema=False,
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
        list_users,
        add_user,
        make_link,
        remove_user,
        list_tokens,
        add_token,
        revoke_token,
    ],
)
