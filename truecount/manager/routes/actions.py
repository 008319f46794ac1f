"""/d/{dataset}/actions: what is behind a number."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Response, get
from litestar.exceptions import HTTPException
from litestar.params import FromPath, FromQuery

from truecount.manager import words
from truecount.manager.boxes import ask
from truecount.manager.links import explain_path
from truecount.manager.ranges import PRESETS, period_of
from truecount.manager.shared import Asked, TableFormat, manager_of
from truecount.manager.soon import show_soon
from truecount.manager.views import actions as view
from truecount.manager.web import csv_answer, gives, wants_csv
from truecount.manager.who import Who
from truecount.measure.forms import time_of_ms
from truecount.measure.listing import PAGE, check_edges

Text = FromQuery[str | None]


@get(
    "/d/{dataset:str}/actions",
    who=Who.USER,
    responses=gives(view.ActionsView, "A page of actions, the newest first; or what was not accepted, by reason."),
)
async def actions(
    request: Asked,
    dataset: FromPath[str],
    event: Text = None,
    door: Text = None,
    rule: Text = None,
    outcome: Text = None,
    since: Text = None,
    until: Text = None,
    after: Text = None,
    before: Text = None,
    format: TableFormat = None,
) -> Response[Any]:
    """What is behind a number: actions by event, door, rule and period; with `outcome` what was not accepted."""
    manager = manager_of(request)
    found = manager.dataset(dataset)
    filters = view.filters_of(
        {
            "event": event,
            "door": door,
            "rule": rule,
            "outcome": outcome,
            "since": since,
            "until": until,
            "after": after,
            "before": before,
        }
    )
    period = period_of(filters.since, filters.until, found.settings.time_zone)
    check_edges(filters.after, filters.before)
    is_file = wants_csv(request)
    limit = view.CSV_ROWS if is_file else PAGE

    async def made() -> tuple[view.ActionsView, dict[str, Any]]:
        boxes = await ask(manager, view.questions(found, filters, period, limit))
        return view.actions_view(found, filters, period, boxes), {}

    if is_file:
        page, _ = await made()
        box = page.refused or page.listing
        if box and not box.is_there:
            raise HTTPException(status_code=503, detail=box.problem or "")
        answer = csv_answer(f"{'refused' if page.refused else 'actions'}-{found.id}", *view.table(page))
        if page.listing and page.listing.data and page.listing.data.after:
            rest = filters.address(found.id, after=page.listing.data.after) + "&format=csv"
            answer.headers["Link"] = f'<{rest}>; rel="next"'
        return answer
    return await show_soon(
        request,
        "actions.j2",
        made,
        here="actions",
        dataset=dataset,
        filters=filters,
        since=time_of_ms(period.since_ms),
        until=time_of_ms(period.until_ms),
        period=view.period_words(period),
        last=time_of_ms(period.until_ms - 1),
        presets=PRESETS,
        words=words,
        link=lambda **changes: filters.address(found.id, **changes),
        explain=lambda event, id, at: explain_path(found.id, event, id, at),
        fields=msgspec.structs.asdict(filters),
        csv_rows=view.CSV_ROWS,
    )


ROUTES: Final[list[Any]] = [actions]
