"""/d/{dataset}/event?name=: one event name. It stands in the query, where no door looks and all signs are safe."""

from __future__ import annotations

from functools import partial
from typing import Any, Final
from urllib.parse import unquote, urlencode

import msgspec
from litestar import Response, get
from litestar.exceptions import HTTPException
from litestar.params import FromPath, FromQuery

from truecount.manager.kept import identity
from truecount.manager.links import explain_path
from truecount.manager.nav import dataset_path
from truecount.manager.pages import formats_of
from truecount.manager.ranges import PRESETS, period_of
from truecount.manager.routes.overview import Links, chart_of
from truecount.manager.shared import Asked, TableFormat, manager_of
from truecount.manager.soon import Made, show_soon
from truecount.manager.views import event as view
from truecount.manager.views.changes import marks
from truecount.manager.web import csv_answer, gives, see_other, wants_csv
from truecount.manager.who import Who
from truecount.unseen import visible


@get(
    "/d/{dataset:str}/event",
    who=Who.USER,
    responses=gives(view.EventView, "One event name: its count, duplicates, delays, parameters and match keys."),
)
async def event(
    request: Asked,
    dataset: FromPath[str],
    name: FromQuery[str],
    since: FromQuery[str | None] = None,
    until: FromQuery[str | None] = None,
    table: FromQuery[view.Table] = "bars",
    format: TableFormat = None,
) -> Response[Any]:
    """Is this event healthy? `name` is its name, `since` a length (24h, 7d) or a date, `until` a date.

    With `format=csv` one `table` of the page is the answer.
    """
    manager = manager_of(request)
    found = manager.dataset(dataset)
    zone = found.settings.time_zone
    asked = period_of(since, until, zone)

    async def answered() -> view.Answer:
        answer: view.Answer = await manager.kept.get(
            ("event", *identity(found), asked.since, asked.until, name),
            lambda: view.event(manager, found, name, asked),
            keep=lambda made: made.is_whole,
        )
        return answer

    async def made() -> Made:
        page, period = await answered()
        # Beside what is kept for all who ask: a change is seen at once.
        records = await manager.away(lambda: manager.registry.changes(dataset))  # it waits while settings are written
        changes = marks(records, period.since_ms, period.until_ms)
        page = msgspec.structs.replace(page, changes=changes)
        counts = page.counts.data
        drawn = chart_of(dataset, period, name, counts.buckets, formats_of(request, zone), changes) if counts else None
        return page, {"period": period, "chart": drawn}

    if wants_csv(request):
        page = (await answered()).view
        if problem := view.problem_of(page, table):
            raise HTTPException(status_code=503, detail=problem)
        return csv_answer(f"event-{table}", *view.table(page, table))
    return await show_soon(
        request,
        "event.j2",
        made,
        here="event",
        dataset=dataset,
        name=visible(name),
        presets=PRESETS,
        links=EventLinks(dataset, asked, name),
        delay_words=view.DELAY_WORDS,
        sources_of=view.sources_of,
        explain=partial(explain_path, dataset),
    )


@get("/d/{dataset:str}/events/{event_name:path}", who=Who.USER, include_in_schema=False)
async def event_of_path(request: Asked, dataset: FromPath[str], event_name: FromPath[str]) -> Response[Any]:
    """The same with the name in the path: on to where it stands in the query, with all else that was asked."""
    raw: bytes = request.scope.get("raw_path") or b""
    # As it was sent: what the router gives has lost which slashes were the name's own.
    name = unquote(raw.partition(b"?")[0].decode("latin-1").partition("/events/")[2]) or event_name
    query = [(key, value) for key, value in request.query_params.multi_items() if key != "name"]
    return see_other(dataset_path(dataset, "/event?" + urlencode([("name", name), *query])))


class EventLinks(Links):
    """Addresses of this page and of what is behind its numbers."""

    def __init__(self, dataset: str, period: Any, name: str) -> None:
        super().__init__(dataset, period)
        self._name = name

    def here(self, **changes: str) -> str:
        return self.event(self._name) + ("&" + urlencode(changes) if changes else "")

    def preset(self, since: str, event: str = "") -> str:
        query = {"name": self._name, "since": since}
        return dataset_path(self._dataset, "/event?" + urlencode(query))

    def overview(self) -> str:
        return dataset_path(self._dataset, "?" + urlencode(self._period.query))


ROUTES: Final[list[Any]] = [event, event_of_path]
