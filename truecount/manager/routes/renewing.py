"""/d/{dataset}/stream: the numbers of the overview, told anew whenever there are others."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any, Final

from litestar import get
from litestar.params import FromPath, FromQuery
from litestar.response import Stream

from truecount.datasets import Dataset
from truecount.log.registry import UnknownDataset
from truecount.manager import streams
from truecount.manager.boxes import Box, ask, box_of
from truecount.manager.formats import Formats
from truecount.manager.kept import identity
from truecount.manager.pages import Frame, environment
from truecount.manager.ranges import Period, period_of, usual
from truecount.manager.renewals import Follower, Renewals, TooManyFollowers
from truecount.manager.routes.overview import Links, chart_of
from truecount.manager.shared import Asked, Manager, manager_of
from truecount.manager.views import overview as view
from truecount.manager.views.diagnostics import kept_findings, look
from truecount.manager.who import Who

COVERAGE_S: Final = 5.0
"""How old the coverage of keys may be: it moves slowly, and costs as much as all counts."""


class Told:
    """One answer, drawn once for each language that it is looked at in."""

    def __init__(self, dataset: Dataset, period: Period, shown: view.OverviewView, name: str) -> None:
        self._dataset, self._period, self._shown, self._name = dataset, period, shown, name
        self._drawn: dict[str, bytes] = {}

    def event(self, accept_language: str) -> bytes:
        """The part of the page that renews itself, as an event of the stream."""
        formats = Formats(accept_language, self._dataset.settings.time_zone)
        language = str(formats.locale)
        if language not in self._drawn:
            self._drawn[language] = streams.event("live", self._draw(formats))
        return self._drawn[language]

    def _draw(self, formats: Formats) -> str:
        template = environment().get_template("overview.j2")
        counts = self._shown.counts.data
        chart = chart_of(self._dataset.id, self._period, self._name, counts.buckets, formats) if counts else None
        # Of the layout nothing but the dataset: what is drawn here goes to viewers of all kinds.
        frame = Frame(None, self._dataset, (), (), "overview", "", "")
        names = {
            "view": self._shown, "period": self._period, "name": self._name, "chart": chart, "f": formats,
            "links": Links(self._dataset.id, self._period), "row_of": view.row_of,
            "busiest": view.busiest, "frame": frame,
        }  # fmt: skip
        return "".join(template.blocks["live"](template.new_context(names))).strip()


@get("/d/{dataset:str}/stream", who=Who.USER, by_session=True)
async def stream(
    request: Asked,
    dataset: FromPath[str],
    since: FromQuery[str | None] = None,
    until: FromQuery[str | None] = None,
    event: FromQuery[str | None] = None,
) -> Stream:
    """The numbers of the overview as server-sent events, each whole: as soon as what is new is visible."""
    found = manager_of(request).dataset(dataset)
    period_of(since or usual(found.created_us), until, found.settings.time_zone)  # ValueError for one that cannot be
    pipe = streams.Pipe(request.headers.get("accept-encoding", ""))
    events = _events(request, pipe, found, (since, until, event))
    return Stream(events, media_type=streams.MEDIA_TYPE, headers=streams.headers(packed=pipe.packs))


async def _events(
    request: Asked, pipe: streams.Pipe, found: Dataset, asked: tuple[str | None, str | None, str | None]
) -> AsyncIterator[bytes]:
    manager = manager_of(request)
    answers = _Answers(manager, found, *asked)
    language = request.headers.get("accept-language", "")
    try:
        async with renewals_of(request).follow((found.id, found.created_us, *asked), answers.make) as follower:
            yield pipe.put(streams.BEGIN)
            async for data in _told(request, found, follower, language):
                yield pipe.put(data)
    except TooManyFollowers:
        yield pipe.put(streams.event("end", ""))  # the page asks every few seconds from now on
    yield pipe.end()


async def _told(request: Asked, found: Dataset, follower: Follower[Told], language: str) -> AsyncIterator[bytes]:
    spoken = time.monotonic()
    while not follower.is_over:
        told = await follower.take(streams.LOOK_AGAIN_S)
        if why := streams.why_over(request, found):
            yield streams.event("end", why)
            return
        if told is not None:
            yield told.event(language)
            spoken = time.monotonic()
        elif time.monotonic() - spoken >= streams.HEARTBEAT_S:
            yield streams.HERE
            spoken = time.monotonic()


class _Answers:
    """The counts anew each time; what moves slowly is asked for beside them, and is a few seconds old."""

    def __init__(
        self, manager: Manager, dataset: Dataset, since: str | None, until: str | None, event: str | None
    ) -> None:
        self._manager, self._since, self._until, self._event = manager, since, until, event
        self._id, self._created_us = dataset.id, dataset.created_us

    async def make(self) -> Told:
        manager = self._manager
        found = manager.dataset(self._id)
        if found.created_us != self._created_us:
            raise UnknownDataset(self._id)  # another one has its id: the streams of this one end
        zone = found.settings.time_zone
        period = period_of(self._since or usual(found.created_us), self._until, zone)
        counts: Box[view.Counts] = await self._one(
            lambda store: view.counts(store, found, period, self._event, manager.rolling)
        )
        covered: Box[Any] = await manager.kept.latest(
            ("overview", "coverage", *identity(found), period.since, period.until),
            lambda: self._one(lambda store: view.covered(store, found, period, manager.rolling)),
            COVERAGE_S,
            keep=lambda box: box.is_there,
        )
        if counts.is_there:  # a look at what is to be mended begins beside the page, once a minute at most
            await manager.looks.get(self._id, lambda: look(manager, found), 0.0, box_of, identity(found))
        name = counts.data.event_name if counts.data else view.hero_of((), self._event)
        return Told(found, period, view.overview(period, counts, covered, kept_findings(manager, found)), name)

    async def _one(self, question: Any) -> Box[Any]:
        return (await ask(self._manager, {"it": question}))["it"]


def renewals_of(request: Asked) -> Renewals:
    renewals: Renewals = request.app.state.renewals
    return renewals


STREAMS: Final[list[Any]] = [stream]
"""What has no twin."""
