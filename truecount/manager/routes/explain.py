"""/d/{dataset}/explain: why one action was counted so; and the search for it."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import unquote

from litestar import Response, get
from litestar.exceptions import HTTPException
from litestar.params import FromPath, FromQuery

from truecount.manager import words
from truecount.manager.boxes import ask
from truecount.manager.links import explain_path
from truecount.manager.pages import show
from truecount.manager.shared import Asked, TableFormat, manager_of
from truecount.manager.views import explain as view
from truecount.manager.views.explain_file import COLUMNS, rows
from truecount.manager.web import csv_answer, gives, path_and_query, wants_csv, wants_json
from truecount.manager.who import Who
from truecount.measure.explain import check_names, explain

Text = FromQuery[str | None]
LONGEST: Final = 20_000
"""Characters of an id that are read."""


@get(
    "/d/{dataset:str}/explain",
    who=Who.USER,
    responses=gives(
        view.ExplainView | view.SearchView,
        "The copies of one action, which rule decided of each, and the words for it.",
    ),
)
async def explained(
    request: Asked,
    dataset: FromPath[str],
    event: Text = None,
    id: Text = None,
    order: Text = None,
    fbp: Text = None,
    em: Text = None,
    external_id: Text = None,
    at: Text = None,
    format: TableFormat = None,
) -> Response[Any]:
    """One action, found by its `event` name and one of `id`, `order`, `fbp`, `em`, `external_id` (the last two as
    SHA-256 in hex) or `at`, the offset of a copy, which may stand beside an id. Without any: the search. `format=csv`
    gives its copies.
    """
    given = {"event": event, "id": id, "order": order, "fbp": fbp, "em": em, "external_id": external_id, "at": at}
    return await _answer(
        request, dataset, view.Search(**{name: (text or "")[:LONGEST] for name, text in given.items()})
    )


@get(
    "/d/{dataset:str}/actions/{names:path}",
    who=Who.USER,
    responses=gives(view.ExplainView | view.SearchView, "The same, by event name and event id."),
)
async def by_path(
    request: Asked, dataset: FromPath[str], names: FromPath[str], format: TableFormat = None
) -> Response[Any]:
    """The same by its event name and event id in the path, both percent-encoded. An id whose path the doors claim (it
    ends in /tr) or that browsers resolve (dots) is reached by the query alone.
    """
    raw = path_and_query(request).partition("?")[0]
    event, _, id = raw.split("/", 4)[4].partition("/")
    return await _answer(request, dataset, view.Search(event=unquote(event), id=unquote(id)))


async def _answer(request: Asked, id: str, search: view.Search) -> Response[Any]:
    manager = manager_of(request)
    dataset = manager.dataset(id)

    def without(error: str | None = None, status: int = 200) -> Response[Any]:
        if wants_csv(request):
            raise HTTPException(status_code=status if error else 400, detail=error or "event: wanted its name")
        shown = view.SearchView(dataset=id, search=search, error=error, is_unknown=status == 404)
        return show(request, "explain_search.j2", shown, here="actions", dataset=id, status=status)

    if not search.by:
        return without()
    if not search.event:
        return without("event: wanted the name of the event, as in Purchase", 400)
    try:
        check_names(**search.by)
    except ValueError as error:
        return without(str(error), 400)
    box = (
        await ask(
            manager,
            {"it": lambda store: explain(store, dataset, search.event, **search.by, hashes=False, details=True)},
        )
    )["it"]
    if not box.is_there:
        return without(box.problem, 503 if wants_csv(request) or wants_json(request) else 200)
    if box.data is None:
        (by, text), *_ = search.by.items()
        return without(view.unknown(search.event, by, text), 404)
    if wants_csv(request):
        return csv_answer("copies", COLUMNS, rows(box.data))
    return show(
        request,
        "explain.j2",
        view.explain_view(box.data),
        here="actions",
        dataset=id,
        link=lambda event, event_id="", at="": explain_path(id, event, event_id, at),
        sources=words.SOURCES,
        here_as=lambda **more: search.address(id, **more),
    )


ROUTES: Final[list[Any]] = [explained, by_path]
