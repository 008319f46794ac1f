"""/d/{dataset}/settings: the rules of a dataset, and its end."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery

from truecount.manager.nav import dataset_path
from truecount.manager.pages import show
from truecount.manager.routes.start import place_of
from truecount.manager.shared import Asked, Format, manager_of
from truecount.manager.views import settings as view
from truecount.manager.web import gives, json_answer, see_other, wants_json
from truecount.manager.who import LARGEST_FORM, Who, form_of


class Deleted(msgspec.Struct):
    """The dataset that is gone."""

    id: str
    name: str


_VIEW: Final = gives(view.SettingsView, "The settings, and the tokens by fingerprint.")


@get("/d/{dataset:str}/settings", who=Who.OWNER, responses=_VIEW)
async def settings(
    request: Asked, dataset: FromPath[str], saved: FromQuery[str | None] = None, format: Format = None
) -> Response[Any]:
    """What a dataset takes, and how it counts."""
    manager = manager_of(request)
    found = manager.dataset(dataset)
    known = {section.id for section in view.SECTIONS}
    token = manager.once.take(place_of(request, found))
    page = view.settings(found, token=token, saved=saved if saved in known else None)
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
    section = next((one for one in view.SECTIONS if one.id == form.get("section")), None)
    if section is None:
        raise ValueError(f"section: wanted one of {', '.join(one.id for one in view.SECTIONS)}")
    texts = view.given_values(section, form)
    name = texts.pop("name", None)
    try:
        changed = await manager.change_dataset(dataset, texts, name)
    except ValueError as error:
        page = view.settings(manager.dataset(dataset))
        page.problem = str(error)
        given = {**form, "name": form.get("name", page.name)}
        return _show(request, page, section, given, status=400)
    if wants_json(request):
        return json_answer(view.settings(changed, saved=section.id))
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
        page = view.settings(found)
        page.problem = f"Nothing was deleted: type the dataset's id, {dataset}, to delete it."
        return _show(request, page, status=400)
    gone = await manager.delete_dataset(dataset)
    return json_answer(Deleted(gone.id, gone.name)) if wants_json(request) else see_other("/")


def _show(
    request: Asked,
    page: view.SettingsView,
    wrong: view.Section | None = None,
    given: dict[str, str] | None = None,
    status: int = 200,
) -> Response[Any]:
    """The page. What was given and will not do stays in its form."""
    values = view.shown_values(page)
    if wrong and given:
        for field in wrong.fields:
            values[field.name] = field.name in given if field.kind == "switch" else given.get(field.name, "")
    bad = _named(page.problem, wrong) if wrong else None
    more = {"sections": view.SECTIONS, "values": values, "wrong": wrong.id if wrong else "", "bad": bad}
    return show(request, "settings.j2", page, here="settings", dataset=page.id, status=status, **more)


def _named(problem: str | None, section: view.Section) -> str:
    """The field that a refusal names, else the first of its form."""
    names = [field.name for field in section.fields]
    return next((name for name in names if (problem or "").startswith(name)), names[0])


ROUTES: Final[list[Any]] = [settings, change, delete]
