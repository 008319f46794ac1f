"""Pages that are sent in two parts: the layout at once, and what the store has to be asked for when it is there.

A browser draws the layout, and loads styles and scripts, while the store counts.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from jinja2.runtime import Context
from litestar import Response
from litestar.response import Stream

from truecount.manager.faults import status_of
from truecount.manager.pages import HEADERS, HTML, environment, formats_of, frame_of, keep_form_cookie, packs
from truecount.manager.shared import Connection
from truecount.manager.web import json_answer, wants_json
from truecount.manager.who import visitor_of

Made = tuple[Any, Mapping[str, Any]]
"""A page's view, and what else its template draws with."""
_HERE: Final = "\0"
"""Where the first part ends: no template writes it."""


async def show_soon(
    connection: Connection,
    template: str,
    make: Callable[[], Awaitable[Made]],
    *,
    here: str,
    dataset: str,
    **early: Any,
) -> Response[Any]:
    """The page of a view that `make` has to wait for; its JSON twin where that is asked for, when it is there.

    The template draws with `view` in its block `main` alone: all before it has gone out by then, with status 200. What
    is wrong with a request must be found before. `early` is for the whole template, `here` and `dataset` as of `show`.
    """
    if wants_json(connection):
        view, _ = await make()
        return json_answer(view)
    visitor = visitor_of(connection)
    frame = frame_of(connection, here, dataset)
    names = {
        "frame": frame,
        "f": formats_of(connection, frame.dataset.settings.time_zone if frame.dataset else "UTC"),
        "csrf": visitor.csrf,
        **early,
    }
    packed = packs(connection)
    headers = {**HEADERS, **({"Content-Encoding": "gzip"} if packed else {})}
    answer = Stream(_parts(template, names, make, packed), media_type=HTML, headers=headers)
    keep_form_cookie(connection, answer, visitor)
    return answer


async def _parts(
    template: str, names: dict[str, Any], make: Callable[[], Awaitable[Made]], packed: bool
) -> AsyncIterator[bytes]:
    packer = zlib.compressobj(5, zlib.DEFLATED, 31) if packed else None
    found = environment().get_template(template)
    context = found.new_context(names)
    # A template asks for a block by its name, and takes the first: ours marks the place, and goes on with the real one.
    blocks = context.blocks["main"]
    blocks.insert(0, _marked)
    pieces = found.root_render_func(context)
    yield _packed(packer, "".join(iter(pieces.__next__, _HERE)), zlib.Z_SYNC_FLUSH)
    try:
        view, more = await make()
    except Exception as error:  # said in its place: the layout is out
        blocks[1] = partial(_fault, status_of(error)[1])
    else:
        context.parent.update(more, view=view)
    yield _packed(packer, "".join(pieces), zlib.Z_FINISH)


def _marked(context: Context) -> Iterator[str]:
    yield _HERE
    yield from context.blocks["main"][1](context)


def _fault(words: str, context: Context) -> Iterator[str]:
    yield str(environment().globals["p"].problem(words))  # type: ignore[attr-defined]


def _packed(packer: Any, text: str, flush: int) -> bytes:
    data = text.encode()
    return packer.compress(data) + packer.flush(flush) if packer else data
