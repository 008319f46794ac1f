"""The OpenAPI document of the JSON twins, made by Litestar from the routes themselves."""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import version
from typing import Any, Final

import msgspec
from litestar import Litestar
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme

ABOUT: Final = """\
Every page of the manager has a JSON twin: the same address with `format=json`, or with `Accept: application/json`.
The cookie of a session lets in; a form wants the proof `csrf` that its page holds, as a field or in the header
`X-Truecount-Csrf`. Errors are `{"error": "a sentence"}`. Money is a decimal in a string, times are ISO 8601 in UTC."""
_WORDS: Final = re.compile(r"\s+")


class Operation(msgspec.Struct):
    """One address and method, as the page /api lists it."""

    method: str
    path: str
    what: str
    parameters: list[str]
    answer: str
    """Name of the answer's shape."""


@cache
def document() -> dict[str, Any]:
    """The document. Takes some tenths of a second the first time."""
    from truecount.manager.routes import PAGES

    session = SecurityScheme(
        type="apiKey", name="truecount-…", security_scheme_in="cookie", description="Of a session."
    )
    config = OpenAPIConfig(
        title="Truecount",
        version=version("truecount"),
        description=ABOUT,
        components=Components(security_schemes={"session": session}),
        security=[{"session": []}],
        use_handler_docstrings=True,
        create_examples=False,
    )
    # An application of its own, which serves nobody: it takes the same routes and describes them.
    found: dict[str, Any] = Litestar(PAGES, openapi_config=config, logging_config=None).openapi_schema.to_schema()
    return found


def operations() -> list[Operation]:
    """What the document holds, to be listed."""
    found = []
    for path, item in sorted(document()["paths"].items()):
        for method, told in item.items():
            if method not in ("get", "post"):
                continue
            content = told["responses"].get("200", {}).get("content", {}).get("application/json", {})
            shape = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
            what = _WORDS.sub(" ", told.get("description", ""))
            names = [one["name"] for one in told.get("parameters", ()) if one["in"] == "query"]
            found.append(Operation(method.upper(), path, what, names, shape))
    return found
