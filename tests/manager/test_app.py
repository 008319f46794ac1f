"""The manager's paths, without an engine: what each answers, who is let in, how errors are told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from tests.store.helpers import eventually
from truecount.collect.metrics import Counters, counters_path
from truecount.commands.intake import Chunk
from truecount.log.errors import LogFull
from truecount.log.files import ROLL, files_of
from truecount.log.folder import DataFolder
from truecount.log.upkeep import ask_to_roll
from truecount.manager import shared
from truecount.manager.answers import changed_settings
from truecount.manager.app import application
from truecount.manager.engine import EngineLink
from truecount.settings import read_settings
from truecount.store.errors import QueryFailed, QueryTooHeavy, StoreDown
from truecount.vocabulary import Reason

Client = TestClient[Litestar]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> DataFolder:
    return DataFolder(tmp_path_factory.mktemp("manager") / "data")


@pytest.fixture(scope="module")
def client(folder: DataFolder) -> Iterator[Client]:
    with TestClient(application(folder, read_settings({"data": str(folder.path)}, environ={}))) as client:
        yield client


@pytest.fixture(scope="module")
def secret(folder: DataFolder) -> dict[str, str]:
    return {"X-Truecount-Secret": folder.secret("manager")}


def test_it_is_alive_without_an_engine_and_not_ready(client: Client) -> None:
    assert (client.get("/healthz").status_code, client.get("/healthz").text) == (200, "ok\n")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["ready"] is False
    assert answer.json()["parts"]["engine"].startswith("down: ")


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("path", ["/v26.0/77", "/v26.0/77/insights", "/v1.0/", "/v26.0/act_1/customaudiences"])
def test_what_is_not_served_yet_of_the_graph_api_gets_its_envelope(client: Client, method: str, path: str) -> None:
    answer = client.request(method, path)
    assert answer.status_code == 400
    error: dict[str, Any] = answer.json()["error"]
    assert (error["code"], error["error_subcode"], error["is_transient"]) == (100, 33, False)
    assert "is not served yet" in error["message"]
    assert error["fbtrace_id"]


def test_an_unknown_path_gets_404_in_words(client: Client) -> None:
    answer = client.get("/nothing")
    assert answer.status_code == 404
    assert "There is nothing at /nothing" in answer.text


@pytest.mark.parametrize("host", ["x:99999", "x:port", "[:::]", "[", "x]", ""])
@pytest.mark.parametrize(
    ("path", "status"), [("/nothing", 404), ("/healthz", 200), ("/v26.0/77", 400), ("/api/datasets", 401)]
)
def test_a_host_that_is_none_changes_no_answer(client: Client, host: str, path: str, status: int) -> None:
    assert client.get(path, headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    "path",
    [
        "/api/datasets",
        "/api/outcomes",
        "/api/datasets/77/events",
        "/api/datasets/77/findings",
        "/api/datasets/77/imports",
        "/api/nothing",
    ],
)
def test_the_api_wants_the_secret(client: Client, path: str) -> None:
    expected = 404 if path.endswith("nothing") else 401
    assert client.get(path).status_code == expected
    assert client.get(path, headers={"X-Truecount-Secret": "guess"}).status_code == expected
    assert client.get(path, headers={"X-Truecount-Secret": "ünïcode".encode()}).status_code == expected


def test_a_dataset_is_made_changed_listed_and_deleted(client: Client, secret: dict[str, str]) -> None:
    made = client.post("/api/datasets", json={"name": "Shop", "id": "76"}, headers=secret)
    assert (made.status_code, made.json()["id"]) == (201, "76")
    changed = client.patch("/api/datasets/76", json={"settings": {"country": "in"}}, headers=secret)
    assert changed.json()["settings"]["country"] == "IN"
    assert "76" in [row["id"] for row in client.get("/api/datasets", headers=secret).json()]
    assert client.delete("/api/datasets/76", headers=secret).status_code == 200
    assert "76" not in [row["id"] for row in client.get("/api/datasets", headers=secret).json()]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("POST", "datasets", {"name": "Twice", "id": "77"}, 409, "77 already"),
        ("POST", "datasets", {"name": "", "id": "78"}, 400, "name"),
        ("POST", "datasets", {"name": "x", "id": "a b"}, 400, "id"),
        ("POST", "datasets", {"name": "x", "token": "fifteen-letters"}, 400, "at least 16 characters"),
        ("POST", "datasets", {"name": "x", "token": "token-of-dataset-77"}, 400, "that of dataset 77 already"),
        ("POST", "datasets", {"nom": "x"}, 400, ""),
        ("PATCH", "datasets/78", {"settings": {}}, 404, "no dataset 78"),
        ("PATCH", "datasets/77", {"settings": {"x": "y"}}, 400, "x is no setting"),
        ("DELETE", "datasets/78", None, 404, "no dataset 78"),
        ("GET", "datasets/78/events", None, 404, "no dataset 78"),
        ("GET", "datasets/77/events", None, 503, "engine"),
        ("GET", "datasets/77/events?since_us=soon", None, 400, ""),
        ("GET", "datasets/78/findings?since_us=0&until_us=1&now_us=1", None, 404, "no dataset 78"),
        ("GET", "datasets/77/findings?since_us=0&until_us=1&now_us=1", None, 503, "engine"),
        ("GET", "datasets/77/findings?since_us=0", None, 400, ""),
        ("GET", "datasets/77/explain", None, 400, ""),
        ("POST", "datasets/77/imports", None, 400, ""),
        ("PUT", "datasets", None, 405, ""),
    ],
    ids=lambda value: str(value) if isinstance(value, str | int) else "",
)
def test_an_error_is_told_in_words(
    client: Client, secret: dict[str, str], method: str, path: str, body: Any, status: int, words: str
) -> None:
    client.post("/api/datasets", json={"name": "Shop", "id": "77", "token": "token-of-dataset-77"}, headers=secret)
    answer = client.request(method, f"/api/{path}", json=body, headers=secret)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["error"]


def test_metrics_are_the_sums_over_the_doors(client: Client, folder: DataFolder) -> None:
    for name in ("door-1", "door-2"):
        counters = Counters(counters_path(folder.path, name))
        counters.take("browser", accepted=2)
        counters.refuse("server", Reason.NO_MATCH_KEYS, 3)
        counters.close()
    text = client.get("/metrics").text
    assert 'truecount_received_total{door="browser"} 4.0' in text
    assert 'truecount_outcomes_total{door="server",outcome="refused",reason="no_match_keys"} 6.0' in text
    assert "truecount_engine_up 0.0" in text
    assert "truecount_disk_free_bytes " in text


def test_settings_as_a_person_types_them_become_typed() -> None:
    from truecount.datasets import DatasetSettings

    texts = {
        "count_bots": "Yes",
        "allowed_domains": " a.example , b.example,",
        "consent_default": "denied",
        "country": "",
    }
    changed = changed_settings(DatasetSettings(country="IN"), texts)
    assert changed == DatasetSettings(
        count_bots=True, allowed_domains=("a.example", "b.example"), consent_default="denied", country=""
    )


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (StoreDown("the engine is not up"), 503, "the engine is not up"),
        (QueryFailed("Code: 62. near 'jane@mail.example'", 62), 500, "refused the question (code 62)"),
        (QueryTooHeavy("Code: 241. 'jane@mail.example'", 241), 422, "too heavy for the engine (code 241)"),
        (LogFull("the log's disk is full"), 507, "the log's disk is full. Nothing was changed. Make room there"),
        (RuntimeError("jane@mail.example"), 500, "RuntimeError"),
    ],
    ids=["down", "refused", "heavy", "full", "fault"],
)
def test_an_error_behind_the_api_is_told_without_what_was_asked(
    client: Client, secret: dict[str, str], monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, words: str
) -> None:
    def failing(self: EngineLink) -> None:
        raise error

    client.post("/api/datasets", json={"name": "Shop", "id": "77"}, headers=secret)
    monkeypatch.setattr(EngineLink, "store", failing)
    answer = client.get("/api/datasets/77/events", headers=secret)
    assert answer.status_code == status
    assert words in answer.json()["error"] and "jane" not in answer.text


def test_the_file_of_imported_events_is_closed_when_upkeep_asks_also_where_nothing_more_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "ROLL_EVERY_S", 0.01)
    folder = DataFolder(tmp_path / "data")
    secret = {"X-Truecount-Secret": folder.secret("manager")}
    door = folder.log / "import"
    with TestClient(application(folder, read_settings({"data": str(folder.path)}, environ={}))) as client:
        client.post("/api/datasets", json={"name": "Shop", "id": "77"}, headers=secret)
        chunk = Chunk(b"", b"digest", 2, 1, [], [(1, "no JSON")])
        taken = client.post("/api/datasets/77/imports", content=msgspec.msgpack.encode(chunk), headers=secret)
        assert taken.json()["mark"][1] == 2
        assert [file.first for file in files_of(door)] == [1]
        ask_to_roll(door)
        eventually(lambda: [file.first for file in files_of(door)] == [1, 2], "the file is closed")
        eventually(lambda: not (door / ROLL).exists(), "what was asked is done")


@pytest.mark.parametrize("code", [32, 33, 39, 40, 246, 271, 432])
def test_a_question_that_damaged_parts_refuse_is_answered_with_the_cure(code: int) -> None:
    from truecount.manager.answers import in_words
    from truecount.store.errors import query_error

    assert "the store is damaged" in in_words(query_error("x", code)) and "report" not in in_words(
        query_error("x", code)
    )
    assert "please report it" in in_words(query_error("x", 62))
