"""The twins keep what /api/openapi.json promises, whatever is asked: Schemathesis draws the requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.manager.house import House, Visitor
from tests.manager.secrets_of import copies_of
from tests.resolve.loading import empty_store, load, rows_of
from truecount.manager import boxes
from truecount.manager.openapi import document

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
PATHS = [(method, path) for path, item in document()["paths"].items() for method in item if path != "/sign-out"]
"""All but what would end the session that asks."""
IDS = [f"{method} {path}" for method, path in PATHS]
TEXT = st.text(max_size=40) | st.sampled_from(
    ["77", "78", "7d", "2026-11-01", "Purchase", "on", "general", "*", "true"]
)
FIELDS = st.dictionaries(
    st.sampled_from(
        ["section", "name", "id", "hash", "sure", "dataset", "payload", "email", "password", "finding", "subject",
         "until", "reason", "sensitive_words", "time_zone", "country", "count_bots"]
    ),
    TEXT,
    max_size=5,
)  # fmt: skip


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with pytest.MonkeyPatch.context() as patch, House(tmp_path_factory.mktemp("schema")).open() as house:
        patch.setattr(boxes, "PATIENCE_S", 0.0)
        house.make_owner()
        house.manager.registry.create("Shop", id="77")
        house.manager.registry.create("Other", id="78")
        yield house


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """With a store, and copies of two datasets in it."""
    with (
        pytest.MonkeyPatch.context() as patch,
        empty_store(tmp_path_factory.mktemp("store")) as store,
        House(tmp_path_factory.mktemp("full")).open() as house,
    ):
        patch.setattr(house.manager.link, "store", lambda: store)
        house.make_owner()
        for id in ("77", "78"):
            house.manager.registry.create("Shop", id=id)
        load(store, rows_of(copies_of("77") + copies_of("78")))
        yield house


@pytest.fixture(scope="module")
def schema() -> Any:
    made = schemathesis.openapi.from_dict(document())
    made.config.generation.allow_x00 = True
    return made


def examine(
    schema: Any,
    visitor: Visitor,
    method: str,
    path: str,
    examples: int,
    csrf: str,
    *,
    is_there: bool = False,
) -> int:
    """Ask for what the schema allows. Returns how often. `is_there`: there is a store, and 503 is a failure too."""
    operation = schema[path][method.upper()]
    asked = 0

    @settings(
        max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=[*HealthCheck]
    )
    @given(operation.as_strategy(), FIELDS, st.sampled_from(["77", "78", None]))
    def ask(case: Any, fields: dict[str, str], dataset: str | None) -> None:
        nonlocal asked
        if dataset and "dataset" in case.path_parameters:
            case.path_parameters["dataset"] = dataset
        given = case.as_transport_kwargs(base_url="http://count.example")
        headers = {"accept": "application/json", "origin": "http://count.example"}
        more: dict[str, Any] = {}
        if method == "post":
            fields = {**fields, "sure": ""}  # nobody deletes what the others ask for
            more, headers = {"data": fields}, {**headers, "x-truecount-csrf": csrf}
        try:
            answer = visitor.client.request(
                given["method"],
                given["url"],
                params=given.get("params"),
                headers=headers,
                follow_redirects=False,
                **more,
            )
        except (httpx.InvalidURL, UnicodeError):
            return  # no client can send that
        asked += 1
        if not answer.is_redirect:
            away = answer.status_code == 503 and not is_there
            case.validate_response(answer, checks=CHECKS[1:] if away else CHECKS)

    ask()
    return asked


def visitor_of(house: House, who: str) -> tuple[Visitor, str]:
    """An owner with a proof for forms, or a script with a token."""
    if who == "token":
        return house.reader(), ""
    visitor = house.visitor()
    visitor.sign_in()
    return visitor, visitor.proof("/start")


@pytest.mark.parametrize("who", ["owner", "token"])
def test_no_request_fails_and_answers_have_their_shape(house: House, schema: Any, who: str) -> None:
    visitor, csrf = visitor_of(house, who)
    for method, path in PATHS:
        assert examine(schema, visitor, method, path, 1, csrf)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "path"), PATHS, ids=IDS)
@pytest.mark.parametrize("who", ["owner", "token"])
def test_no_request_fails_over_what_was_received(full: House, schema: Any, who: str, method: str, path: str) -> None:
    visitor, csrf = visitor_of(full, who)
    assert examine(schema, visitor, method, path, 25, csrf, is_there=True)
