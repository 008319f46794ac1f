"""/start makes a dataset; /d/{dataset}/start says how to send to it, and whether it arrives."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery

from truecount.datasets import PIXEL_ID, PIXEL_ID_WORDS, Dataset
from truecount.lines import lines_for
from truecount.log.registry import RegistryError, check_name
from truecount.manager import words
from truecount.manager.answers import DatasetMade
from truecount.manager.boxes import Box, ask
from truecount.manager.nav import dataset_path
from truecount.manager.pages import show
from truecount.manager.shared import Asked, Format, Manager, manager_of
from truecount.manager.soon import Made, show_soon
from truecount.manager.users.sessions import token_hash
from truecount.manager.views import start as view
from truecount.manager.web import base_url, gives, json_answer, see_other, wants_json
from truecount.manager.who import LARGEST_FORM, Who, form_of, user_of, visitor_of

LARGE: Final = 100_000
"""Copies from which on the checklist looks less often."""


class NewDatasetView(msgspec.Struct):
    """The page that makes a dataset."""

    may_create: bool
    name: str = ""
    id: str = ""
    problem: str | None = None
    wrong: str | None = None
    """The field that the problem is about."""
    deleted: str | None = None
    """Name of the dataset that this session has just deleted."""


@get("/start", who=Who.USER, responses=gives(NewDatasetView, "What the form needs."))
async def ask_name(request: Asked, format: Format = None) -> Response[Any]:
    """The form for a new dataset. Who has just deleted one is told so here."""
    view = NewDatasetView(user_of(request).is_owner)
    if not wants_json(request):
        view.deleted = manager_of(request).once.take(place_of_deleted(request))
    return show(request, "new_dataset.j2", view, here="start")


@post(
    "/start",
    who=Who.OWNER,
    status_code=200,
    request_max_body_size=LARGEST_FORM,
    responses=gives(DatasetMade, "The dataset, and its access token, shown this once."),
)
async def create(request: Asked) -> Response[Any]:
    """Make a dataset of the fields `name` and, where it is to keep an id it has elsewhere, `id`."""
    manager = manager_of(request)
    form = await form_of(request)
    name, id = form.get("name", "").strip(), "".join(form.get("id", "").split())
    wrong = "name"
    try:
        check_name(name)
        wrong = "id"
        if id and not PIXEL_ID(id):
            raise RegistryError(
                f"an id is {PIXEL_ID_WORDS}: the pixel takes no other, so no page could send to this dataset"
            )
        made, token = await manager.create_dataset(name, id, None, user_of(request).id)
    except RegistryError as error:
        again = NewDatasetView(True, name[:300], id[:100], words.sentence(str(error)), wrong)
        return show(request, "new_dataset.j2", again, here="start", status=400)
    if wants_json(request):
        return json_answer(DatasetMade(made.id, made.name, token))
    manager.once.keep(place_of(request, made), token)
    return see_other(dataset_path(made.id, "/start"))


@get(
    "/d/{dataset:str}/start",
    who=Who.USER,
    responses=gives(view.StartView | Box[view.Checklist], "The lines to paste, and what arrived so far."),
)
async def start(
    request: Asked,
    dataset: FromPath[str],
    part: FromQuery[Literal["checklist"] | None] = None,
    format: Format = None,
) -> Response[Any]:
    """How to send to a dataset, and whether it arrives. `part` gives the checklist alone."""
    manager = manager_of(request)
    found = manager.dataset(dataset)
    if part:
        return show(request, "start_checklist.j2", await _checklist(manager, found), id=dataset, large=LARGE)
    base = base_url(request)
    lines = lines_for(base, found.id)  # ValueError for a host that cannot stand in them

    async def made() -> Made:
        checklist = await _checklist(manager, found)
        token = manager.once.take(place_of(request, found))
        more = {"large": LARGE, "is_pixel_id": bool(PIXEL_ID(found.id))}
        return view.start(found, base, lines, checklist, token), more

    return await show_soon(request, "start.j2", made, here="start", dataset=dataset)


async def _checklist(manager: Manager, dataset: Dataset) -> Box[view.Checklist]:
    boxes = await ask(manager, {"checklist": lambda store: view.checklist(store, dataset)})
    return boxes["checklist"]


def place_of(request: Asked, dataset: Dataset) -> tuple[bytes, str]:
    """Where a token of a dataset waits for the page that shows it: to this session alone."""
    return token_hash(visitor_of(request).token), dataset.id


def place_of_deleted(request: Asked) -> tuple[bytes, str]:
    """Where the name of a deleted dataset waits: no dataset has this id."""
    return token_hash(visitor_of(request).token), "/deleted"


ROUTES: Final[list[Any]] = [ask_name, create, start]
