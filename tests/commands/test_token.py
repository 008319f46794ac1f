"""truecount token, and user remove: with a folder of one's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.test_user import truecount  # noqa: F401  a fixture
from truecount.manager.users.together import Users

Run = Callable[..., tuple[int, str, str]]


def test_a_token_is_made_listed_and_revoked(truecount: Run, tmp_path: Path) -> None:  # noqa: F811
    truecount("dataset", "create", "Shop", "--id", "77")
    code, out, _ = truecount("token", "add", "Weekly", "--dataset", "77", "--format", "json")
    made = json.loads(out)
    assert code == 0 and made["token"].startswith("tcr_") and made["dataset"] == "77"
    users = Users(tmp_path / "data")
    found, _ = users.reading.look(made["token"])
    users.close()
    assert found and found.as_user().may_see("77") and not found.as_user().may_see("78")
    assert "can't be shown again" in truecount("token", "add", "Other")[2]
    listed = json.loads(truecount("token", "list", "--format", "json")[1])
    assert [(one["name"], one["dataset"], one["created_by"], one["last_used"]) for one in listed] == [
        ("Weekly", "77", "the command line", None),
        ("Other", None, "the command line", None),
    ]
    table = truecount("token", "list")[1]
    assert "every one" in table and "never" in table and made["token"] not in table
    assert truecount("token", "list", "--format", "csv")[1].startswith("id,name,reads,created,created_by,last_used")
    assert truecount("token", "revoke", made["id"])[0] == 0
    assert [one["name"] for one in json.loads(truecount("token", "list", "--format", "json")[1])] == ["Other"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["token"], 2, "wanted one of add, list, revoke"),
        (["token", "add", ""], 1, "wants a name"),
        (["token", "add", "x", "--dataset", "99"], 1, "there is no dataset 99"),
        (["token", "revoke", "nothing"], 1, "there is no reading token nothing"),
        (["user", "remove", "owner@shop.example"], 2, "say so with --yes"),
        (["user", "remove", "owner@shop.example", "--yes"], 1, "is the last owner"),
        (["user", "remove", "nobody@shop.example", "--yes"], 1, "there is no user"),
    ],
)
def test_what_cannot_be_is_told(truecount: Run, arguments: list[str], code: int, words: str) -> None:  # noqa: F811
    truecount("user", "add", "owner@shop.example")
    found = truecount(*arguments)
    assert (found[0], words in found[2]) == (code, True), found


def test_a_user_is_removed(truecount: Run) -> None:  # noqa: F811
    truecount("user", "add", "owner@shop.example")
    truecount("user", "add", "ana@shop.example")
    assert truecount("user", "remove", "ANA@shop.example", "--yes")[0] == 0
    assert [one["email"] for one in json.loads(truecount("user", "list", "--format", "json")[1])] == [
        "owner@shop.example"
    ]
