"""/d/{dataset}/diagnostics: what is to be mended, and what is muted of it."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.params import FromPath, QueryParameter

from truecount.manager.boxes import LIMIT_S, box_of
from truecount.manager.kept import identity
from truecount.manager.links import explain_path
from truecount.manager.mutes import LONGEST_REASON
from truecount.manager.nav import dataset_path
from truecount.manager.pages import show
from truecount.manager.shared import Asked, Format, manager_of
from truecount.manager.views import diagnostics as view
from truecount.manager.web import gives, see_other, wants_json
from truecount.manager.who import LARGEST_FORM, Who, form_of, user_of
from truecount.measure.diagnostics.findings import About

_VIEW: Final = gives(view.DiagnosticsView, "The findings of the last look that are in this state.")


@get("/d/{dataset:str}/diagnostics", who=Who.USER, responses=_VIEW)
async def diagnostics(
    request: Asked,
    dataset: FromPath[str],
    shown: Annotated[view.Shown, QueryParameter(name="state")] = "open",
    format: Format = None,
) -> Response[Any]:
    """What is wrong with what a dataset receives, what it costs, and how it is mended.

    The answer is that of the last look; where it is old, a new one begins beside it.
    """
    return await _show(request, dataset, shown)


@post(
    "/d/{dataset:str}/diagnostics/mute",
    who=Who.OWNER,
    status_code=200,
    request_max_body_size=LARGEST_FORM,
    responses=_VIEW,
)
async def mute(request: Asked, dataset: FromPath[str]) -> Response[Any]:
    """Mute the finding that `check` and `subject` (a JSON list) name. A `reason` and a day, `until`, may be given."""
    manager = manager_of(request)
    form = await form_of(request)
    user = user_of(request)
    about: About | None = None
    try:
        about = view.read_about(form.get("check", ""), form.get("subject", ""))
        reason = view.read_reason(form.get("reason", ""))
        until_us = view.read_until(form.get("until", ""), manager.dataset(dataset).settings.time_zone)
        await manager.away(
            lambda: manager.users.mutes.mute(dataset, about, by=user.email, reason=reason, until_us=until_us)
        )
    except ValueError as error:
        return await _show(request, dataset, "open", f"Nothing was muted. {error}.", about, form.get("reason", ""))
    return await _done(request, dataset, "open")


@post(
    "/d/{dataset:str}/diagnostics/unmute",
    who=Who.OWNER,
    status_code=200,
    request_max_body_size=LARGEST_FORM,
    responses=_VIEW,
)
async def unmute(request: Asked, dataset: FromPath[str]) -> Response[Any]:
    """Take back the mute of the finding that `check` and `subject` (a JSON list) name."""
    manager = manager_of(request)
    form = await form_of(request)
    try:
        about = view.read_about(form.get("check", ""), form.get("subject", ""))
    except ValueError as error:
        return await _show(request, dataset, "muted", f"Nothing was unmuted. {error}.")
    await manager.away(lambda: manager.users.mutes.unmute(dataset, about))
    return await _done(request, dataset, "muted")


async def _done(request: Asked, dataset: str, state: view.Shown) -> Response[Any]:
    if wants_json(request):
        return await _show(request, dataset, state)
    return see_other(dataset_path(dataset, "/diagnostics?" + urlencode({"state": state})))


async def _show(
    request: Asked,
    dataset: str,
    state: view.Shown,
    problem: str | None = None,
    about: About | None = None,
    reason: str = "",
) -> Response[Any]:
    """The page. The form of `about`, which will not do, stays open with the reason that was typed."""
    manager = manager_of(request)
    found = manager.dataset(dataset)
    looked = await manager.looks.get(dataset, lambda: view.look(manager, found), LIMIT_S, box_of, identity(found))
    mutes = await manager.away(lambda: manager.users.mutes.of_dataset(dataset))
    page = view.diagnostics(found, state, looked, mutes)
    page.problem = problem
    status = 400 if problem else 200
    return show(
        request,
        "diagnostics.j2",
        page,
        here="diagnostics",
        dataset=dataset,
        status=status,
        explain=partial(explain_path, dataset),
        typed=[about[0], *about[1]] if about else [],
        reason=reason[:LONGEST_REASON],
    )


ROUTES: Final[list[Any]] = [diagnostics, mute, unmute]
