"""/d/{dataset}/test: what the doors receive, as they receive it; its stream; a payload tried out."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Final, Literal

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery
from litestar.response import Stream

from truecount.datasets import Dataset
from truecount.manager import streams
from truecount.manager.boxes import Question, ask
from truecount.manager.formats import Formats
from truecount.manager.links import actions_path
from truecount.manager.live import Live, News, TooManyViewers
from truecount.manager.pages import environment, show
from truecount.manager.shared import Asked, Format, manager_of
from truecount.manager.soon import Made, show_soon
from truecount.manager.views import arriving as view
from truecount.manager.views import dry_run
from truecount.manager.web import gives
from truecount.manager.who import Who, form_of
from truecount.measure.arrivals import offset_of
from truecount.measure.listing import Door
from truecount.store.errors import StoreError

LONGEST_FILTER: Final = 1000
LARGEST_TRIED: Final = 2 * dry_run.LARGEST
"""Bytes of the form that tries a payload: what is no letter or digit takes three in a form."""
FULL: Final = (
    "So many people look at test events that this server shows no more live views at the moment. Close one, or reload "
    "this page now and then: it shows the newest events each time."
)


@get(
    "/d/{dataset:str}/test",
    who=Who.USER,
    responses=gives(view.TestEventsView, "The newest actions, and one of them in full."),
)
async def arriving(
    request: Asked,
    dataset: FromPath[str],
    code: FromQuery[str] = "",
    event: FromQuery[str] = "",
    door: FromQuery[str] = "",
    page: FromQuery[str] = "",
    action: FromQuery[str] = "",
    part: FromQuery[Literal["action"] | None] = None,
    format: Format = None,
) -> Response[Any]:
    """The actions of the last 15 minutes, by test code, event, door and page; `action` gives one in full."""
    manager = manager_of(request)
    found = manager.dataset(dataset)
    wanted = _shown(code, event, door, page)
    questions: dict[str, Question] = {}
    if action:
        offset = offset_of(action)
        questions["action"] = lambda store: view.action(store, found, offset)
    if part:
        boxes = await ask(manager, questions)
        return show(request, "test_action.j2", boxes.get("action"), dataset=dataset, id=dataset)

    async def made() -> Made:
        questions["recent"] = lambda store: view.recent(store, found, wanted, time.time_ns() // 1000)
        boxes = await ask(manager, questions)
        tried = dry_run.Tried(dry_run.example(int(time.time())))
        page_view = view.TestEventsView(wanted, boxes["recent"], boxes.get("action"))
        return page_view, {"door_names": DOOR_NAMES, "tried": tried}

    return await show_soon(request, "test_events.j2", made, here="test", dataset=dataset, id=dataset)


@post(
    "/d/{dataset:str}/test/try",
    who=Who.USER,
    status_code=200,
    request_max_body_size=LARGEST_TRIED,
    responses=gives(dry_run.Tried, "What would be kept, or why it would be refused."),
)
async def try_payload(request: Asked, dataset: FromPath[str]) -> Response[Any]:
    """Take the field `payload` through the steps of the server door. Nothing is stored."""
    manager = manager_of(request)
    found = manager.dataset(dataset)
    payload = (await form_of(request)).get("payload", "")
    tried = await manager.away(lambda: dry_run.tried(found, payload))
    is_part = "hx-request" in request.headers
    return show(request, "test_try.j2" if is_part else "test_tried.j2", tried, here="test", dataset=dataset, id=dataset)


@get("/d/{dataset:str}/test/stream", who=Who.USER, by_session=True)
async def stream(
    request: Asked,
    dataset: FromPath[str],
    code: FromQuery[str] = "",
    event: FromQuery[str] = "",
    door: FromQuery[str] = "",
    page: FromQuery[str] = "",
    after: FromQuery[str] = "",
) -> Stream:
    """What arrives from now on, as server-sent events: what came since `after`, or Last-Event-ID, is filled in."""
    manager_of(request).dataset(dataset)
    wanted = _shown(code, event, door, page)
    last = request.headers.get("last-event-id", "") or after
    events = _events(request, dataset, wanted, last)
    return Stream(events, media_type=streams.MEDIA_TYPE, headers=streams.headers())


async def _events(request: Asked, id: str, wanted: view.Shown, last: str) -> AsyncIterator[bytes]:
    manager, live = manager_of(request), live_of(request)
    dataset = manager.dataset(id)
    writer = _Writer(request, wanted)
    try:
        async with live.watch(id, wanted.watch) as viewer:
            yield streams.BEGIN
            after = view.cursor_of(last)
            spoken = time.monotonic()
            while not viewer.is_over:
                taken = await viewer.take(streams.LOOK_AGAIN_S)
                now = manager.registry.datasets().get(id, dataset)  # its settings may have changed meanwhile
                if after and viewer.start is not None:
                    filled = partial(view.filled_in, manager, now, wanted.watch, after, viewer.start)
                    after = {}
                    taken[:0] = await live.away(filled)
                for news in taken:
                    yield writer.event(news, now)
                    spoken = time.monotonic()
                if why := streams.why_over(request, dataset):
                    yield streams.event("end", why)
                    return
                if time.monotonic() - spoken >= streams.HEARTBEAT_S:
                    yield streams.HERE
                    spoken = time.monotonic()
    except TooManyViewers:
        yield streams.event("end", FULL)
    except StoreError:
        return  # what was missed is not known: the browser comes back, and asks again for what is behind its last id


class _Writer:
    """News as an event of the stream, in the words of its viewer."""

    def __init__(self, request: Asked, wanted: view.Shown) -> None:
        self._accept = request.headers.get("accept-language", "")
        self._wanted = wanted
        self._template = environment().get_template("test_news.j2")

    def event(self, news: News, dataset: Dataset) -> bytes:
        rows = [view.row_of(one) for one in news.actions] + [view.row_of_tally(one) for one in news.refused]
        text = self._template.render(
            news=news,
            rows=rows,
            gone=[view.element_of(one) for one in news.gone],
            f=Formats(self._accept, dataset.settings.time_zone),
            id=dataset.id,
            query=self._wanted.query,
            actions_path=actions_path(dataset.id),
        )
        return streams.event("rows", text, "" if news.cursor is None else view.cursor_text(news.cursor))


DOOR_NAMES: Final[dict[Door, str]] = {"both": "Merged", "browser_only": "Browser only", "server_only": "Server only"}


def _shown(code: str, event: str, door: str, page: str) -> view.Shown:
    """The filter in the address. ValueError for one that cannot be."""
    if max(map(len, (code, event, page))) > LONGEST_FILTER:
        raise ValueError(f"a filter is longer than {LONGEST_FILTER} characters")
    if door and door not in DOOR_NAMES:
        raise ValueError(f"door = {door[:40]!r}: wanted one of {', '.join(DOOR_NAMES)}")
    texts = (text.replace("\0", "").strip() for text in (code, event, page))
    one, two, three = texts
    return view.Shown(one, two, next((name for name in DOOR_NAMES if name == door), None), three)


def live_of(request: Asked) -> Live:
    live: Live = request.app.state.live
    return live


ROUTES: Final[list[Any]] = [arriving, try_payload]
STREAMS: Final[list[Any]] = [stream]
"""What has no twin."""
