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

from truecount.manager.who import Who

ABOUT: Final = """\
Every page of the manager has a JSON twin: the same address with `format=json`, or with `Accept: application/json`.
A reading token (`Authorization: Bearer tcr_...`) reads what an analyst may see, and gets twins without asking for them.
The cookie of a session lets in everywhere; a form wants the proof `csrf` that its page holds, as a field or in the
header `X-Truecount-Csrf`. Errors are `{"error": "a sentence"}`, or what the page shows with the sentence as `problem`.
Money is a decimal in a string, times are ISO 8601 in UTC."""
JSON_TYPE: Final = "application/json"
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
    token = SecurityScheme(type="http", scheme="bearer", description="A reading token.")
    config = OpenAPIConfig(
        title="Truecount",
        version=version("truecount"),
        description=ABOUT,
        components=Components(security_schemes={"session": session, "token": token}),
        use_handler_docstrings=True,
        create_examples=False,
    )
    # An application of its own, which serves nobody: it takes the same routes and describes them.
    app = Litestar(PAGES, openapi_config=config, logging_config=None)
    found: dict[str, Any] = app.openapi_schema.to_schema()
    found["components"]["schemas"] |= {"Fault": FAULT}
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            for method in handler.http_methods:
                if told := found["paths"].get(route.path_format, {}).get(str(method).lower()):
                    _complete(told, str(method), handler.opt.get("who"))
    return found


FAULT: Final = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string", "description": "A sentence: what is wrong."}},
}
_WRONG: Final = {
    "description": "What is wrong, in a sentence.",
    "content": {
        JSON_TYPE: {
            "schema": {
                "anyOf": [
                    {"$ref": "#/components/schemas/Fault"},
                    {"type": "object", "required": ["problem"], "properties": {"problem": {"type": "string"}}},
                    {"type": "object", "required": ["problems"], "properties": {"problems": {"type": "object"}}},
                ]
            }
        },
        "text/html": {"schema": {"type": "string"}},
        "text/plain": {"schema": {"type": "string"}},
    },
}


def _complete(told: dict[str, Any], method: str, who: object) -> None:
    """What the routes do not say themselves: who is let in how, other forms of an answer, and refusals."""
    told["responses"].pop("400", None)  # of Litestar's own shape, which no answer here has
    told["responses"]["default"] = _WRONG
    if who is Who.USER:
        told["security"] = [{"session": []}, {"token": []}] if method == "GET" else [{"session": []}]
    elif who is Who.OWNER:
        told["security"] = [{"session": []}]
    else:
        told["security"] = []
    content = told["responses"].get("200", {}).get("content", {})
    shape = content.get(JSON_TYPE, {}).get("schema", {})
    if "oneOf" in shape:  # of several shapes one answer may have what two of them want
        shape["anyOf"] = shape.pop("oneOf")
    for one in told.get("parameters", ()):
        if one["name"] == "format":
            content["text/html"] = {"schema": {"type": "string"}}
            if "csv" in str(one["schema"]):
                content["text/csv"] = {"schema": {"type": "string"}}


def operations() -> list[Operation]:
    """What the document holds, to be listed."""
    found = []
    for path, item in sorted(document()["paths"].items()):
        for method, told in item.items():
            if method not in ("get", "post"):
                continue
            content = told["responses"].get("200", {}).get("content", {}).get(JSON_TYPE, {})
            shapes = content.get("schema", {}).get("anyOf") or [content.get("schema", {})]
            shape = " or ".join(one["$ref"].rpartition("/")[2] for one in shapes if "$ref" in one)
            what = _WORDS.sub(" ", told.get("description", ""))
            names = [one["name"] for one in told.get("parameters", ()) if one["in"] == "query"]
            found.append(Operation(method.upper(), path, what, names, shape))
    return found
