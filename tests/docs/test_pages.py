"""The docs say what the code does: tables are the code's, names exist, links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
import sys
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType

import pytest

from truecount import cli
from truecount.settings import markdown
from truecount.vocabulary import Mark, Reason, Rule, Visitor

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_tables", ROOT / "docs" / "tables.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_tables_in_a_page_are_those_of_the_code(page: Path) -> None:
    text = page.read_text()
    assert text == tables().filled(text), "run `python docs/tables.py`"


def test_settings_page_is_that_of_the_code() -> None:
    assert (ROOT / "docs" / "settings.md").read_text() == markdown(), "run `python -m truecount.settings --markdown`"


@pytest.mark.parametrize(
    ("told", "words"), [("REASONS", Reason), ("MARKS", Mark), ("RULES", Rule), ("VISITORS", Visitor)], ids=str
)
def test_every_word_of_the_vocabulary_has_a_meaning(told: str, words: type) -> None:
    assert set(getattr(tables(), told)) == set(words)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_within_the_project_lead_to_a_file_and_a_heading(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]*(?:#[^)]*)?)\)", page.read_text()):
        name, _, heading = link.partition("#")
        target = (page.parent / name) if name else page
        assert target.exists(), link
        if heading:
            headings = [line.lstrip("# ").lower().replace(" ", "-") for line in target.read_text().splitlines()]
            assert heading in headings, link


@pytest.mark.parametrize("command", [*cli.COMMANDS])
def test_every_command_and_flag_is_in_the_command_line_page(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    text = (ROOT / "docs" / "cli.md").read_text()
    assert f"truecount {command}" in text
    parts = {
        "dataset": ("create", "list", "set", "delete"),
        "user": ("add", "list", "reset", "remove"),
        "token": ("add", "list", "revoke"),
    }.get(command, ())
    calls = [[command], *([command, what] for what in parts)]
    for call in calls:
        with nullcontext() if parts and call == [command] else pytest.raises(SystemExit):
            cli.main([*call, "--help"])
        flags = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", capsys.readouterr().out)) - {"--help"}
        assert flags <= set(re.findall(r"--[a-z][a-z-]+", text)), call


def test_the_readme_begins_with_the_two_commands_and_make_knows_them() -> None:
    lines = (ROOT / "README.md").read_text().split("## ", 1)[0]
    assert "make demo" in lines
    assert "make test" in lines
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
    for text in ("README.md", "CONTRIBUTING.md", "docs/benchmarks.md"):
        for target in re.findall(r"(?:^ {4}|`)make ([a-z-]+)", (ROOT / text).read_text(), re.M):
            assert target in targets, (text, target)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_in_the_pages_exist(page: Path) -> None:
    for name in re.findall(r"^ {4}truecount ([a-z]+)", page.read_text(), re.M):
        assert name in cli.COMMANDS


def test_python_that_the_readme_names_is_what_the_package_wants() -> None:
    wanted = re.search(r'requires-python = ">=([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    assert wanted
    assert f"Python {wanted[1]}" in (ROOT / "README.md").read_text()
    assert sys.version_info[:2] >= tuple(map(int, wanted[1].split(".")))
