"""/d/{dataset}: the overview."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from litestar import Response, get
from litestar.exceptions import HTTPException
from litestar.params import FromPath, FromQuery

from truecount.datasets import Dataset
from truecount.manager.boxes import Box, ask, box_of
from truecount.manager.charts import Chart, chart, marks_of
from truecount.manager.formats import Formats
from truecount.manager.kept import identity
from truecount.manager.nav import dataset_path
from truecount.manager.pages import formats_of
from truecount.manager.ranges import PRESETS, Period, period_of, usual
from truecount.manager.shared import Asked, Manager, TableFormat, manager_of
from truecount.manager.soon import Made, show_soon
from truecount.manager.views import overview as view
from truecount.manager.views.changes import ChangeMark, marks
from truecount.manager.views.diagnostics import kept_findings, look
from truecount.manager.web import csv_answer, gives, wants_csv
from truecount.manager.who import Who
from truecount.measure.buckets import Bucket
from truecount.measure.forms import time_of_ms

COLUMNS: Final = (
    "event_name", "copies", "actions", "both", "browser_only", "server_only", "left_out", "limited", "refused",
    "value", "currency",
)  # fmt: skip


@get(
    "/d/{dataset:str}",
    who=Who.USER,
    responses=gives(view.OverviewView, "Counts of a period and the one before, one event over time, coverage of keys."),
)
async def overview(
    request: Asked,
    dataset: FromPath[str],
    since: FromQuery[str | None] = None,
    until: FromQuery[str | None] = None,
    event: FromQuery[str | None] = None,
    format: TableFormat = None,
) -> Response[Any]:
    """How many were there really, who reported them, and what they are worth.

    `since` is a length (24h, 7d) or a date, `until` a date; `event` chooses what the answer and the chart are about.
    """
    manager = manager_of(request)
    found = manager.dataset(dataset)
    period = period_of(since or usual(found.created_us), until, found.settings.time_zone)
    if wants_csv(request):
        return _file((await _counts(manager, found, period, event)).counts)
    return await show_soon(
        request, "overview.j2", lambda: _made(request, found, period, event), here="overview", dataset=dataset
    )


class Counted(NamedTuple):
    """Counts with the period that they are of: an answer that is kept has that of its making."""

    counts: Box[view.Counts]
    period: Period


async def _made(request: Asked, found: Dataset, asked: Period, event: str | None) -> Made:
    manager = manager_of(request)
    counts, period = await _counts(manager, found, asked, event)
    name = counts.data.event_name if counts.data else view.hero_of((), event)
    covered = await manager.kept.get(
        ("overview", "coverage", *_place(found, period)),
        lambda: _one(manager, lambda store: view.covered(store, found, period, manager.rolling)),
        keep=lambda box: box.is_there,
    )
    if counts.is_there:  # a look at what is to be mended begins beside the page, once a minute at most
        await manager.looks.get(found.id, lambda: look(manager, found), 0.0, box_of, identity(found))
    formats = formats_of(request, found.settings.time_zone)
    page = view.overview(period, counts, covered, kept_findings(manager, found))
    changes = await manager.away(lambda: manager.registry.changes(found.id))  # it waits while settings are written
    page.changes = marks(changes, period.since_ms, period.until_ms)
    return page, {
        "period": period,
        "presets": PRESETS,
        "name": name,
        "links": Links(found.id, period),
        "chart": chart_of(found.id, period, name, counts.data.buckets, formats, page.changes) if counts.data else None,
        "row_of": view.row_of,
        "busiest": view.busiest,
    }


async def _counts(manager: Manager, found: Dataset, period: Period, event: str | None) -> Counted:
    async def counted() -> Counted:
        box = await _one(manager, lambda store: view.counts(store, found, period, event, manager.rolling))
        return Counted(box, period)

    answer: Counted = await manager.kept.get(
        ("overview", "counts", *_place(found, period), event), counted, keep=lambda made: made.counts.is_there
    )
    return answer


def _place(found: Dataset, period: Period) -> tuple[Any, ...]:
    """What kept answers are known by."""
    return *identity(found), period.since, period.until


async def _one(manager: Any, question: Any) -> Box[Any]:
    return (await ask(manager, {"it": question}))["it"]


def chart_of(
    dataset: str,
    period: Period,
    name: str,
    bars: Sequence[Bucket],
    formats: Formats,
    changes: Sequence[ChangeMark] = (),
) -> Chart:
    """The chart of one event's buckets, each bar a link to its actions; and where settings were changed."""
    edges = period.edges()
    first = time_of_ms(max(edges[0], period.since_ms))
    counts: dict[str, tuple[int, int, int]] = {bar.since: (bar.both, bar.server_only, bar.browser_only) for bar in bars}
    by_edge = {edge: counts[iso] for edge in edges if (iso := time_of_ms(edge)) in counts}
    if first in counts:
        by_edge[edges[0]] = counts[first]

    def href(since_ms: int, until_ms: int) -> str:
        since, until = max(since_ms, period.since_ms), min(until_ms, period.until_ms)
        query = {"event": name, "since": time_of_ms(since), "until": time_of_ms(until)}
        return dataset_path(dataset, "/actions?" + urlencode(query))

    drawn = chart(edges, by_edge, formats, href, period.until_ms, period.step_s)
    drawn.marks = marks_of(edges, [(one.time, one.what) for one in changes])
    return drawn


class Links:
    """Addresses of what is behind the numbers of this page."""

    def __init__(self, dataset: str, period: Period) -> None:
        self._dataset, self._period = dataset, period

    def actions(self, event: str = "", **more: str) -> str:
        """The actions of an event, or of all, in the page's period."""
        query = {**({"event": event} if event else {}), **self._period.query, **more}
        return dataset_path(self._dataset, "/actions?" + urlencode(query))

    def doors(self, event: str) -> dict[str, str]:
        return {door: self.actions(event, door=door) for door in ("both", "server_only", "browser_only")}

    def event(self, name: str) -> str:
        return dataset_path(self._dataset, "/event?" + urlencode({"name": name, **self._period.query}))

    def here(self, **changes: str) -> str:
        """This page with another choice."""
        query = {**self._period.query, **changes}
        return dataset_path(self._dataset, "?" + urlencode(query))

    def stream(self, event: str) -> str:
        """What this page listens to."""
        return dataset_path(self._dataset, "/stream?" + urlencode({**self._period.query, "event": event}))

    def preset(self, since: str, event: str) -> str:
        return dataset_path(self._dataset, "?" + urlencode({"since": since, "event": event}))


def _file(counts: Box[view.Counts]) -> Response[bytes]:
    if not counts.is_there:  # a file has no place for words, and an empty one would say that nothing happened
        raise HTTPException(status_code=503, detail=counts.problem or "")
    rows = []
    for row in counts.data.now if counts.data else ():
        numbers = [getattr(row, name) for name in COLUMNS[1:9]]
        for currency, value in [*row.value.items()] or [("", "")]:
            rows.append([row.event_name, *numbers, value, currency])
            numbers = [""] * len(numbers)  # a second currency is a row of its own, and counts nothing again
    return csv_answer("events", COLUMNS, rows)


ROUTES: Final[list[Any]] = [overview]
