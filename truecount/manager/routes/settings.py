"""/d/{dataset}/settings: the rules of a dataset, and its end."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery

from truecount.collect.uses import last_uses
from truecount.datasets import Dataset
from truecount.log.registry import RegistryError
from truecount.manager import words
from truecount.manager.nav import dataset_path
from truecount.manager.pages import show
from truecount.manager.routes.start import place_of, place_of_deleted
from truecount.manager.shared import Asked, TableFormat, manager_of
from truecount.manager.views import settings as view
from truecount.manager.views.changes import COLUMNS, rows
from truecount.manager.views.settings_forms import SECTIONS, Section
from truecount.manager.web import csv_answer, gives, json_answer, see_other, wants_csv, wants_json
from truecount.manager.who import LARGEST_FORM, Who, form_of, user_of


class Deleted(msgspec.Struct):
    """The dataset that is gone."""

    id: str
    name: str


MOST_CHANGES: Final = 50
"""Changes that the page shows; its files have all."""
_VIEW: Final = gives(view.SettingsView, "The settings, and the tokens by fingerprint.")


@get("/d/{dataset:str}/settings", who=Who.OWNER, responses=_VIEW)
async def settings(
    request: Asked, dataset: FromPath[str], saved: FromQuery[str | None] = None, format: TableFormat = None
) -> Response[Any]:
    """What a dataset takes, and how it counts; who changed that, and when, which is the table of `format=csv`."""
    manager = manager_of(request)
    found = manager.dataset(dataset)
    if wants_csv(request):
        return csv_answer("changes", COLUMNS, rows((await view_of(request, found)).changes))
    known = {section.id for section in SECTIONS}
    token = manager.once.take(place_of(request, found))
    page = await view_of(request, found, token=token, saved=saved if saved in known else None)
    return _show(request, page)


@post(
    "/d/{dataset:str}/settings",
    who=Who.OWNER,
    status_code=200,
    request_max_body_size=LARGEST_FORM,
    responses=_VIEW,
)
async def change(request: Asked, dataset: FromPath[str]) -> Response[Any]:
    """Save the settings of one `section`: its fields, named as in `truecount dataset set`."""
    manager = manager_of(request)
    form = await form_of(request)
    section = next((one for one in SECTIONS if one.id == form.get("section")), None)
    if section is None:
        raise ValueError(f"section: wanted one of {', '.join(one.id for one in SECTIONS)}")
    texts = view.given_values(section, form)
    name = texts.pop("name", None)
    try:
        changed = await manager.change_dataset(dataset, texts, name, by=user_of(request).id)
    except ValueError as error:
        # a refusal of the registry is a sentence; others begin with the name of a field, as it is written
        problem = words.sentence(str(error)) if isinstance(error, RegistryError) else str(error)
        page = await view_of(request, manager.dataset(dataset), problem=problem)
        given = {**form, "name": form.get("name", page.name)}
        return _show(request, page, section, given, status=400)
    if wants_json(request):
        return json_answer(await view_of(request, changed, saved=section.id))
    return see_other(dataset_path(dataset, f"/settings?saved={section.id}#{section.id}"))


@post(
    "/d/{dataset:str}/delete",
    who=Who.OWNER,
    status_code=200,
    request_max_body_size=LARGEST_FORM,
    responses=gives(Deleted, "The dataset is gone."),
)
async def delete(request: Asked, dataset: FromPath[str]) -> Response[Any]:
    """Delete a dataset for good, with all that it received. The field `sure` has to be its id."""
    manager = manager_of(request)
    form = await form_of(request)
    found = manager.dataset(dataset)
    if "".join(form.get("sure", "").split()) != dataset:
        problem = f"Nothing was deleted: type the dataset's id, {dataset}, to delete it."
        page = await view_of(request, found, problem=problem)
        return _show(request, page, status=400)
    gone = await manager.delete_dataset(dataset, user_of(request).id)
    if wants_json(request):
        return json_answer(Deleted(gone.id, gone.name))
    manager.once.keep(place_of_deleted(request), gone.name)
    return see_other("/start")


async def view_of(request: Asked, dataset: Dataset, **more: str | None) -> view.SettingsView:
    """The page of a dataset, with all that is known of it."""
    manager = manager_of(request)

    def known() -> view.Known:
        records = manager.registry.changes(dataset.id)
        return view.Known(records, manager.users.accounts.all(), last_uses(manager.folder.path))

    return view.settings(dataset, await manager.away(known), **more)


def _show(
    request: Asked,
    page: view.SettingsView,
    wrong: Section | None = None,
    given: dict[str, str] | None = None,
    status: int = 200,
) -> Response[Any]:
    """The page. What was given and will not do stays in its form."""
    values = view.shown_values(page)
    if wrong and given:
        for field in wrong.fields:
            values[field.name] = field.name in given if field.kind == "switch" else given.get(field.name, "")
    bad = _named(page.problem, wrong) if wrong else None
    more = {
        "sections": SECTIONS,
        "values": values,
        "wrong": wrong.id if wrong else "",
        "bad": bad,
        "most": MOST_CHANGES,
    }
    return show(request, "settings.j2", page, here="settings", dataset=page.id, status=status, **more)


def _named(problem: str | None, section: Section) -> str:
    """The field that a refusal names, else the first of its form."""
    names = [field.name for field in section.fields]
    return next((name for name in names if (problem or "").startswith(name)), names[0])


ROUTES: Final[list[Any]] = [settings, change, delete]
