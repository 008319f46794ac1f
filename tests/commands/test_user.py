"""truecount user: with a server and without one, and what is never told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system import System
from truecount.cli import main
from truecount.manager.users.together import Users

Run = Callable[..., tuple[int, str, str]]
LINK = re.compile(r"http://127\.0\.0\.1:\d+(/(?:first-run|new-password)/[\w-]{43})")


@pytest.fixture
def truecount(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process, on a data folder of its own. Returns exit code, stdout, stderr."""
    monkeypatch.setenv("TRUECOUNT_DATA", str(tmp_path / "data"))

    def run(*arguments: str) -> tuple[int, str, str]:
        try:
            code = main(arguments)
        except SystemExit as left:
            code = int(left.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_the_first_user_is_an_owner_and_the_others_are_analysts(truecount: Run, tmp_path: Path) -> None:
    code, out, err = truecount("user", "add", "owner@shop.example")
    assert code == 0 and LINK.search(out) and "works once, for 24 hours" in err
    made = json.loads(truecount("user", "add", "Ana@shop.example", "--format", "json")[1])
    assert (made["role"], bool(LINK.fullmatch(made["link"]))) == ("analyst", True)
    listed = json.loads(truecount("user", "list", "--format", "json")[1])
    assert [(user["email"], user["role"], user["has_password"]) for user in listed] == [
        ("owner@shop.example", "owner", False),
        ("Ana@shop.example", "analyst", False),
    ]
    users = Users(tmp_path / "data")
    users.links.use(made["link"].rpartition("/")[2], "", "a hash")
    users.close()
    text = truecount("user", "list")[1]
    assert "set" in text and "not yet" in text and "a hash" not in text
    assert truecount("user", "list", "--format", "csv")[1].splitlines()[0] == "email,role,created,password,datasets"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["add", "no address"], 2, "no e-mail address"),
        (["add", "OWNER@shop.example"], 1, "there is a user OWNER@shop.example already"),
        (["add", "x@y.example", "--role", "king"], 2, "invalid choice"),
        (["add", "x@y.example", "--role", "owner", "--datasets", "1"], 2, "--datasets is for an analyst"),
        (["add", "x@y.example", "--datasets", "404"], 1, "there is no dataset 404"),
        (["reset", "nobody@shop.example"], 1, "there is no user nobody@shop.example"),
        (["delete", "x"], 2, "wanted one of add, list, reset, remove"),
    ],
)
def test_what_cannot_be_is_said(truecount: Run, arguments: list[str], code: int, words: str) -> None:
    truecount("user", "add", "owner@shop.example")
    found = truecount("user", *arguments)
    assert (found[0], found[1], words in found[2]) == (code, "", True)


def test_the_first_user_cannot_be_one_who_may_nothing(truecount: Run) -> None:
    code, _, err = truecount("user", "add", "ana@shop.example", "--role", "analyst")
    assert code == 1 and "has to be an owner" in err


def test_an_analyst_may_be_given_some_datasets_alone(truecount: Run) -> None:
    truecount("dataset", "create", "Shop", "--id", "77")
    truecount("user", "add", "owner@shop.example")
    truecount("user", "add", "ana@shop.example", "--datasets", "77")
    rows = json.loads(truecount("user", "list", "--format", "json")[1])
    assert [row["datasets"] for row in rows] == [None, ["77"]]
    truecount("dataset", "delete", "77", "--yes")
    assert json.loads(truecount("user", "list", "--format", "json")[1])[1]["datasets"] == []


def test_without_a_folder_nothing_is_made_by_asking(truecount: Run, tmp_path: Path) -> None:
    assert truecount("user", "list")[0] == 1
    assert not (tmp_path / "data").exists()


def test_a_server_without_users_tells_its_link_and_one_with_users_does_not(tmp_path: Path) -> None:
    system = System(tmp_path)
    with system.running():
        (first,) = LINK.findall(system.words())
        assert system.get(first).status == 200
        made = json.loads(system.cli("user", "add", "owner@shop.example", "--format", "json"))
        assert system.get(first).status == 410, "there is a user now"
        path = LINK.fullmatch(made["link"])
        assert made["link"].startswith(system.state["url"]) and path, "with a server the link leads to it"
        assert b"Set your password" in system.get(path[1]).body, "and works at once"
        again = json.loads(system.cli("user", "reset", "owner@shop.example", "--format", "json"))
        assert system.get(path[1]).status == 410
        assert "owner@shop.example" in system.cli("user", "list")
        system.cli("user", "add", "owner@shop.example", code=1)
        system.cli("user", "add", "ana@shop.example", "--datasets", "404", code=1)
    with system.running():
        assert LINK.findall(system.words()) == [first], "no other link was told"
        path = LINK.fullmatch(again["link"])
        assert path and b"Set your password" in system.get(path[1]).body, "a user's own link outlives a start"
