"""Where the bars of a chart stand: all that a template needs to draw it as SVG, in percent across and pixels up."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Final

from truecount.manager.formats import Formats
from truecount.measure.forms import time_of_ms

HEIGHT: Final = 200
DOORS: Final = ("both", "server", "browser")
"""From the bottom up, always in this order."""
LABELS: Final = 8
"""Labels under a chart at most."""
LAST_LABEL: Final = 95.0
"""Percent of the width behind which no label begins: it would run over the edge."""
LAST_ON_PHONE: Final = 76.0
"""The same on a phone, where a label takes up to a quarter of the width; and every second one has room there."""


@dataclass
class Bar:
    """Actions of one bucket."""

    since: str
    until: str
    both: int
    server: int
    browser: int
    href: str
    label: str
    """When it is, in words."""
    is_so_far: bool
    """Whether it still fills."""
    x: str = ""
    w: str = ""
    hx: str = ""
    hw: str = ""
    segments: list[tuple[str, str, str]] = field(default_factory=list)
    """Door, y and height."""

    @property
    def n(self) -> int:
        return self.both + self.server + self.browser


@dataclass
class Mark:
    """What was changed within one bar, drawn as a line at the first of it."""

    x: str
    what: list[tuple[str, str]]
    """Time (UTC) and words of each."""


@dataclass
class Chart:
    bars: list[Bar]
    top: int
    grid: list[tuple[int, str]]
    """Number and y of each line; the axis first."""
    labels: list[tuple[str, str, bool]]
    """x, text, and whether there is room for it on a phone."""
    step: str
    """What one bar is, in words: "3 hours a bar"."""
    height: int = HEIGHT
    marks: list[Mark] = field(default_factory=list)

    @property
    def n(self) -> int:
        return sum(bar.n for bar in self.bars)


def chart(
    edges: Sequence[int],
    counts: dict[int, tuple[int, int, int]],
    formats: Formats,
    href: Callable[[int, int], str],
    until_ms: int,
    step_s: int,
) -> Chart:
    """Lay out bars between `edges` (ms). `counts` has (both, server only, browser only) by a bar's beginning; `href`
    gives the address of what is behind a bar; a bar that ends after `until_ms` still fills.
    """
    n_bars = len(edges) - 1
    width = 100 / n_bars
    top = top_of(max((sum(three) for three in counts.values()), default=0))
    bars = []
    for at, (since_ms, end_ms) in enumerate(pairwise(edges)):
        both, server, browser = counts.get(since_ms, (0, 0, 0))
        bar = Bar(
            since=time_of_ms(since_ms),
            until=time_of_ms(end_ms),
            both=both,
            server=server,
            browser=browser,
            href=href(since_ms, end_ms),
            label=span_label(formats, since_ms, end_ms, step_s),
            is_so_far=end_ms > until_ms,
            hx=f"{at * width:.3f}",
            hw=f"{width:.3f}",
            x=f"{(at + 0.1) * width:.3f}",
            w=f"{0.8 * width:.3f}",
        )
        y = float(HEIGHT)
        for door, n in zip(DOORS, (both, server, browser), strict=True):
            if n:
                height = n / top * HEIGHT
                y -= height
                gap = 1.0 if y + height < HEIGHT and height > 2 else 0.0  # a seam between neighbours
                bar.segments.append((door, f"{y:.1f}", f"{height - gap:.1f}"))
        bars.append(bar)
    return Chart(
        bars=bars,
        top=top,
        grid=[(n, f"{HEIGHT - n / top * HEIGHT:.1f}") for n in (0, top // 2, top)],
        labels=_labels(edges, formats, width),
        step=step_words(step_s),
    )


def marks_of(edges: Sequence[int], changes: Sequence[tuple[str, str]]) -> list[Mark]:
    """Where changes (time in UTC, words) stand between the edges of a chart: those of one bar are one mark."""
    width = 100 / (len(edges) - 1)
    by_bar: dict[int, list[tuple[str, str]]] = {}
    for time, what in changes:
        bar = bisect_right(edges, _ms_of(time)) - 1
        if 0 <= bar < len(edges) - 1:
            by_bar.setdefault(bar, []).append((time, what))
    found = []
    for bar, told in by_bar.items():
        since_ms, end_ms = edges[bar], edges[bar + 1]
        x = (bar + (_ms_of(told[0][0]) - since_ms) / (end_ms - since_ms)) * width
        found.append(Mark(f"{x:.3f}", told))
    return found


def _ms_of(time: str) -> int:
    return int(datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp() * 1000)


def top_of(most: int) -> int:
    """The round, even number at or above the highest bar."""
    ten = 1
    while True:
        for factor in (2, 4, 6, 8) if ten == 1 else (1, 2, 3, 4, 5, 6, 8):
            if ten * factor >= most:
                return ten * factor
        ten *= 10


def step_words(step_s: int) -> str:
    for unit, word in ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if step_s % unit == 0:
            n = step_s // unit
            return f"{'a' if n > 1 or word != 'hour' else 'an'} {word} a bar" if n == 1 else f"{n} {word}s a bar"
    raise ValueError(step_s)


def span_label(formats: Formats, since_ms: int, end_ms: int, step_s: int) -> str:
    """When a bar is: "24 Nov 12:00 to 15:00", "24 Nov", "18 to 24 Nov"."""
    first, last = formats.local(time_of_ms(since_ms)), formats.local(time_of_ms(end_ms))
    day = f"{first.day} {first:%b}"
    if step_s < 86_400:
        clock = "%H:%M" if step_s >= 60 else "%H:%M:%S"
        return f"{day} {first.strftime(clock)} to {last.strftime(clock)}"
    if step_s == 86_400:
        return f"{first:%a} {day}"
    final = formats.local(time_of_ms(end_ms - 1))
    return f"{day} to {final.day} {final:%b}"


def _labels(edges: Sequence[int], formats: Formats, width: float) -> list[tuple[str, str, bool]]:
    """At most LABELS, at beginnings of bars; days where there is more than one, else hours."""
    moments = [formats.local(time_of_ms(edge)) for edge in edges[:-1]]
    days = [at for at, moment in enumerate(moments) if at == 0 or moment.date() != moments[at - 1].date()]
    by_day = len(days) > 2
    places = days if by_day else list(range(len(moments)))
    if by_day and moments[0].time() != datetime.min.time() and len(places) > 2:
        places = places[1:]
    every = -(-len(places) // LABELS)
    texts: list[tuple[str, str, bool]] = []
    for at in places[::every]:
        if at * width > LAST_LABEL:
            break
        moment = moments[at]
        clock = moment.strftime("%H:%M" if edges[1] - edges[0] >= 60_000 else "%H:%M:%S")
        text = (f"{moment.day} {moment:%b}" if every > 1 else f"{moment:%a} {moment.day}") if by_day else clock
        fits_phone = len(texts) % 2 == 0 and at * width <= LAST_ON_PHONE
        texts.append((f"{at * width + 0.3:.3f}", text, fits_phone))
    return texts
