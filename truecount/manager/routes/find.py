"""/d/{dataset}/find: from an id that somebody has to the action that it names."""

from __future__ import annotations

from typing import Any, Final, Literal
from urllib.parse import urlencode

import msgspec
from litestar import Response, get
from litestar.params import FromPath, FromQuery

from truecount.manager.boxes import Box, ask
from truecount.manager.nav import dataset_path
from truecount.manager.pages import show
from truecount.manager.shared import Asked, Format, manager_of
from truecount.manager.views.explain import Search
from truecount.manager.web import gives, see_other, wants_json
from truecount.manager.who import Who
from truecount.measure.found import Found, found_by_id
from truecount.policy.scrub import scrub_id

LONGEST: Final = 20_000
"""Characters of an id that are read."""
USUAL: Final = "Purchase"
"""The event whose action is looked for where a person is known and no event is named."""


class FindView(msgspec.Struct):
    """What holds an id. Each entry leads to Explain: by its event name, and the id as `by` says."""

    dataset: str
    q: str
    found: Box[list[Found]]


@get(
    "/d/{dataset:str}/find",
    who=Who.USER,
    responses=gives(FindView, "The events with copies that hold the id, and as which kind of id."),
)
async def find(
    request: Asked,
    dataset: FromPath[str],
    q: FromQuery[str] = "",
    em: FromQuery[str] = "",
    was: FromQuery[Literal["email"] | None] = None,
    format: Format = None,
) -> Response[Any]:
    """What holds the id `q`: as event id, order id or fbp. A page goes on to Explain where that is one event alone.

    An e-mail address in it is hashed, as it is in ids that are kept. `em` is its SHA-256 as a match key: where no id
    is found, a page goes on to Explain by that. `was=email` says that `q` had one.
    """
    manager = manager_of(request)
    known = manager.dataset(dataset)
    q, removed = scrub_id(q.strip()[:LONGEST])
    is_page = not wants_json(request)
    if is_page and not q:
        return see_other(dataset_path(dataset, "/explain"))
    if is_page and removed:  # a browser without a script sent it: it stays in no address, and comes back on no page
        return see_other(dataset_path(dataset, "/find?" + urlencode({"q": q, "was": "email"})))
    found: Box[list[Found]] = (await ask(manager, {"it": lambda store: found_by_id(store, known, q)}))["it"]
    if is_page and found.data and _is_one(found.data):
        return see_other(search_of(found.data[0], q).address(dataset))
    if is_page and em and found.is_there and not found.data:
        return see_other(Search(event=USUAL, em=em).address(dataset))
    page = FindView(dataset, q, found)
    return show(
        request,
        "find.j2",
        page,
        here="actions",
        dataset=dataset,
        status=200 if found.data or not found.is_there or not is_page else 404,
        address=lambda one: search_of(one, q).address(dataset),
        search=Search() if was else Search(id=q),
        was_email=bool(was),
    )


def search_of(one: Found, id: str) -> Search:
    return Search(**{"event": one.event_name, one.by: id})


def _is_one(found: list[Found]) -> bool:
    """Whether the id leads to one event: an id of an event is more than the same word as an order's."""
    return len([one for one in found if one.by == found[0].by]) == 1


ROUTES: Final[list[Any]] = [find]
