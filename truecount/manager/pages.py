"""Pages: the templates, what every page needs around its own view, and the answer as HTML or as its JSON twin.

A page prints only what its view holds. Everything is escaped; a name that the view lacks is an error.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Response
from markupsafe import Markup, escape

from truecount.datasets import Dataset
from truecount.manager import static_files
from truecount.manager.canary import Canary
from truecount.manager.formats import Formats
from truecount.manager.links import explain_path, test_path
from truecount.manager.nav import Entry, dataset_path, entries, same_page
from truecount.manager.remarks import MARKS
from truecount.manager.shared import Connection, manager_of
from truecount.manager.users.accounts import User
from truecount.manager.web import host_of, json_answer, wants_json
from truecount.manager.who import Visitor, set_cookie, visitor_of
from truecount.manager.words import RULE_NAMES
from truecount.unseen import visible

HTML: Final = "text/html"
HEADERS: Final = {"Vary": "Accept, Accept-Encoding, Cookie", "Cache-Control": "no-store"}
"""Of every page."""
SMALL: Final = 1000
"""Bytes of a page that is not worth packing."""
THEMES: Final = frozenset({"light", "dark"})
THEME_COOKIE: Final = "truecount-theme"


class Choice(msgspec.Struct, frozen=True):
    """A dataset to change to."""

    id: str
    name: str
    href: str
    """This very page of it, where that is a page of a dataset; else its first."""


class Frame(msgspec.Struct):
    """What the layout shows around a page."""

    user: User | None
    dataset: Dataset | None
    datasets: Sequence[Choice]
    """Those that the user may see, by name."""
    nav: Sequence[Entry]
    here: str
    theme: str
    host: str
    canary: Canary | None = None
    """None while no canary flies: nothing is shown of one."""


_CODE: Final = re.compile("`([^`]*)`")


def coded(text: object) -> Markup:
    """A sentence of ours: what stands in `backticks` is drawn as code. Everything in it is escaped."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))


def spaced(id: str) -> str:
    """A long number in groups of four, to be read aloud."""
    return " ".join(id[at : at + 4] for at in range(0, len(id), 4)) if id.isdecimal() and len(id) > 6 else id


@cache
def environment() -> Environment:
    made = Environment(
        loader=PackageLoader("truecount.manager"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters.update(visible=visible, spaced=spaced, coded=coded)
    made.globals.update(static=static_files.address, at=dataset_path)
    made.globals.update(at_test=test_path, explain_path=explain_path, rules=RULE_NAMES, marks=MARKS)
    made.globals["p"] = made.get_template("parts.j2").module
    return made


def frame_of(connection: Connection, here: str, dataset: str | None = None) -> Frame:
    """The layout's part of a page. Signed out: without names of anything."""
    manager = manager_of(connection)
    user = visitor_of(connection).user
    known = manager.registry.datasets()
    seen = sorted((one for one in known.values() if user and user.may_see(one.id)), key=lambda one: one.name.casefold())
    found = known.get(dataset) if dataset and user and user.may_see(dataset) else None
    theme = connection.cookies.get(THEME_COOKIE, "")
    return Frame(
        user=user,
        dataset=found,
        datasets=[Choice(one.id, one.name, same_page(here, one.id)) for one in seen],
        nav=entries(user, found.id) if user and found else [],
        here=here,
        theme=theme if theme in THEMES else "",
        host=host_of(connection),
        canary=manager.canary.seen() if user else None,
    )


def show(
    connection: Connection,
    template: str,
    view: Any,
    *,
    here: str = "",
    dataset: str | None = None,
    status: int = 200,
    **more: Any,
) -> Response[bytes]:
    """A view as a page, or as JSON where the twin is asked for.

    `here` is the navigation's id of the page, `dataset` the one it is about. `more` is for the template alone: what
    helps to draw the view and is no part of it.
    """
    if wants_json(connection):
        return json_answer(view, status)
    visitor = visitor_of(connection)
    frame = frame_of(connection, here, dataset)
    formats = formats_of(connection, frame.dataset.settings.time_zone if frame.dataset else "UTC")
    answer = html(connection, template, status, view=view, frame=frame, f=formats, csrf=visitor.csrf, **more)
    keep_form_cookie(connection, answer, visitor)
    return answer


def formats_of(connection: Connection, zone: str) -> Formats:
    """How numbers and times are written for this viewer, in a dataset's zone."""
    return Formats(connection.headers.get("accept-language", ""), zone)


def keep_form_cookie(connection: Connection, answer: Response[Any], visitor: Visitor) -> None:
    """Give a visitor without a session what its forms are known by."""
    if visitor.is_new:
        set_cookie(connection, answer, visitor.token)


def packs(connection: Connection) -> bool:
    """Whether the browser takes a page packed."""
    return "gzip" in connection.headers.get("accept-encoding", "").lower()


def html(connection: Connection, template: str, status: int = 200, **names: Any) -> Response[bytes]:
    """A template as an answer, packed where the browser takes it."""
    body = environment().get_template(template).render(names).encode()
    headers = dict(HEADERS)
    if len(body) > SMALL and packs(connection):
        body = gzip.compress(body, 5, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(body, status_code=status, media_type=HTML, headers=headers)
