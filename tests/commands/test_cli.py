"""The command line without a server: help, exit codes, variables, datasets, what goes to stdout."""

from __future__ import annotations

import errno
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, NoReturn

import msgspec
import pytest

from tests.system import run_cli
from truecount.cli import COMMANDS, MODULES, main
from truecount.commands.flags import Parser
from truecount.commands.reach import Local, Remote
from truecount.datasets import DatasetSettings
from truecount.log.entries import tallies_entry
from truecount.log.folder import DataFolder
from truecount.log.writer import LogWriter
from truecount.manager.answers import encode
from truecount.measure.events import EventCounts
from truecount.measure.refused import Refused
from truecount.policy.permissions import refusal_of
from truecount.store import local
from truecount.store.rebuild import Rebuilt
from truecount.supervisor import Supervisor
from truecount.vocabulary import Reason

TOKEN = "T0ken-of-the-shop"
Run = Callable[..., tuple[int, str, str]]


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


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "demo"])
def test_help_works_for_each_command_and_exits_0(truecount: Run, command: str) -> None:
    code, out, err = truecount(command, "--help")
    assert (code, err) == (0, "")
    assert f"truecount {command}" in out


def test_help_names_each_command_with_what_it_does(truecount: Run) -> None:
    code, out, _ = truecount("--help")
    assert code == 0
    for name, text in COMMANDS.items():
        assert f"{name} " in out and text in out


@pytest.mark.parametrize("command", ["check", "events", "explain", "import", "replay", "backup", "doctor", "snippet"])
def test_each_command_takes_data(truecount: Run, command: str) -> None:
    assert "--data DIR" in truecount(command, "--help")[1]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("evnts",),
        ("events",),
        ("events", "1", "--form", "json"),
        ("events", "1", "--format", "xml"),
        ("events", "1", "--since", "yesterday"),
        ("events", "1", "--since", ""),
        ("events", "1", "--until", ""),
        ("demo", "--for", "abc"),
        ("demo", "--for", "nan"),
        ("demo", "--seed", "x"),
        ("demo", "--pace", "fast"),
        ("demo", "--port", "eighty"),
        ("events", "1", "--since", "2026-02-01", "--until", "2026-01-01"),
        ("check",),
        ("check", "1", "--format", "csv"),
        ("check", "1", "--since", "yesterday"),
        ("explain", "1", "Purchase"),
        ("explain", "1", "Purchase", "id", "--fbp", "fb.1.2.3"),
        ("dataset",),
        ("dataset", "rename"),
        ("dataset", "set", "1", "country"),
        ("dataset", "delete", "1"),
        ("import", "file.jsonl"),
        ("serve", "--port", "eighty"),
        ("snippet", "1", "--url", "shop.example"),
    ],
    ids=lambda arguments: " ".join(arguments) or "nothing",
)
def test_wrong_use_exits_2_with_words_on_stderr_alone(truecount: Run, arguments: tuple[str, ...]) -> None:
    code, out, err = truecount(*arguments)
    assert code == 2
    assert out == ""
    assert "Traceback" not in err and len(err.splitlines()) >= 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("events", "1"),
        ("check", "1"),
        ("dataset", "list"),
        ("dataset", "set", "1", "country=IN"),
        ("dataset", "delete", "1", "--yes"),
        ("replay",),
        ("doctor",),
        ("backup", "copy"),
        ("snippet", "1"),
        ("import", "nowhere.jsonl", "--dataset", "1"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_an_unknown_thing_exits_1_with_a_sentence(truecount: Run, arguments: tuple[str, ...]) -> None:
    code, out, err = truecount(*arguments)
    assert (code, out) == (1, "")
    assert err.startswith(f"truecount {arguments[0]}: ") and err.count("\n") == 1


@pytest.mark.parametrize("command", ["explain", "events", "check"])
def test_an_argument_that_is_not_utf_8_exits_2_with_a_sentence(
    truecount: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    def ask(given: list[str]) -> NoReturn:
        for text in given:
            text.encode()  # as the store's client does
        raise AssertionError

    monkeypatch.setattr(f"truecount.commands.{MODULES.get(command, command)}.run", ask)
    code, out, err = truecount(command, "1", "a\udcffb")
    assert (code, out, err) == (2, "", f"truecount {command}: b'a\\xffb' is not UTF-8\n")


def test_an_unknown_dataset_exits_1_in_a_folder_that_is_there(truecount: Run) -> None:
    truecount("dataset", "create", "Shop", "--id", "77")
    for arguments in (("events", "78"), ("check", "78"), ("explain", "78", "Purchase", "x"), ("snippet", "78")):
        code, out, err = truecount(*arguments)
        assert (code, out) == (1, "")
        assert "there is no dataset 78" in err


def test_a_dataset_is_made_listed_changed_and_deleted(truecount: Run) -> None:
    code, out, _ = truecount("dataset", "create", "Shop", "--id", "77", "--token", TOKEN, "--format", "json")
    assert (code, json.loads(out)) == (0, {"id": "77", "name": "Shop", "token": TOKEN})
    code, out, _ = truecount("dataset", "set", "77", "country=in", "blocked_domains=a.example, b.example", "name=Two")
    assert code == 0 and "country=IN blocked_domains=a.example,b.example" in out
    listed = json.loads(truecount("dataset", "list", "--format", "json")[1])
    assert [(row["id"], row["name"], row["tokens"], row["settings"]["country"]) for row in listed] == [
        ("77", "Two", 1, "IN")
    ]
    assert truecount("dataset", "delete", "77", "--yes")[0] == 0
    assert json.loads(truecount("dataset", "list", "--format", "json")[1]) == []


def test_a_token_is_made_shown_once_and_kept_nowhere(truecount: Run, tmp_path: Path) -> None:
    token = json.loads(truecount("dataset", "create", "Shop", "--format", "json")[1])["token"]
    assert len(token) > 40
    assert token not in truecount("dataset", "list", "--format", "json")[1]
    kept = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    assert token.encode() not in kept


def test_a_control_file_that_is_no_database_is_told_with_its_cure(
    truecount: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Supervisor, "start", lambda *_: None)
    truecount("dataset", "create", "Shop", "--id", "77")
    control = tmp_path / "data" / "control.sqlite"
    control.write_bytes(Random(1).randbytes(4096))
    for arguments in (("dataset", "list"), ("events", "77"), ("serve", "--port", "0")):
        code, out, err = truecount(*arguments)
        assert (code, out) == (1, "")
        assert f"{control} cannot be read (file is not a database): stop the server, move control.sqlite away" in err
        assert "made anew from the log" in err
    control.unlink()
    assert "77" in truecount("dataset", "list")[1]


@pytest.mark.parametrize("command", [("events", "77"), ("doctor",), ("dataset", "list"), ("replay",)], ids=" ".join)
@pytest.mark.parametrize("name", ["lock", "truecount.version"])
def test_a_folder_that_may_not_be_read_is_told_in_words(
    truecount: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], name: str
) -> None:
    truecount("dataset", "create", "Shop", "--id", "77")
    path = tmp_path / "data" / name

    def refused(*_: object, **__: object) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    if name == "lock":
        monkeypatch.setattr(DataFolder, "is_owned", refused)
        monkeypatch.setattr(DataFolder, "lock", refused)
    else:
        monkeypatch.setattr(DataFolder, "version", property(refused))
    code, out, err = truecount(*command)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "Permission denied" in err and str(path if name == "lock" else path.parent) in err


def test_a_database_that_may_not_be_opened_is_told_in_words(truecount: Run, tmp_path: Path) -> None:
    truecount("dataset", "create", "Shop", "--id", "77")
    (tmp_path / "data" / "control.sqlite").unlink()
    (tmp_path / "data" / "control.sqlite").mkdir()
    for arguments in (("backup", str(tmp_path / "copy")), ("events", "77")):
        code, out, err = truecount(*arguments)
        assert (code, out, err.count("\n")) == (1, "", 1) and "cannot be used" in err


def test_an_id_that_is_taken_exits_1(truecount: Run) -> None:
    truecount("dataset", "create", "Shop", "--id", "77")
    code, _, err = truecount("dataset", "create", "Other", "--id", "77")
    assert code == 1 and "77 already" in err


@pytest.mark.parametrize(
    "change",
    [
        "count_bots=perhaps", "country=India", "country=xx", "nothing=1", "denied_events=drop", "name=",
        "allowed_origins=shop.example", "allowed_origins=https://shop.example:99999",
        "allowed_origins=https://shop.example,null", "allowed_domains=*", "allowed_domains=a.example, b c.example",
        "blocked_domains=ftp://evil.example/",
    ],
)  # fmt: skip
def test_a_wrong_setting_of_a_dataset_is_refused_with_its_name(truecount: Run, change: str) -> None:
    truecount("dataset", "create", "Shop", "--id", "77")
    code, _, err = truecount("dataset", "set", "77", change)
    assert code == 2 and change.partition("=")[0] in err


def test_an_id_that_the_pixel_does_not_take_is_warned_of(truecount: Run) -> None:
    code, _, err = truecount("dataset", "create", "Shop", "--id", "shop-a")
    assert code == 0 and "No page can send to it: the pixel takes ids of 1 to 20 digits" in err
    assert "No page" not in truecount("dataset", "create", "Shop", "--id", "78")[2]


def test_a_token_of_another_dataset_is_refused_as_wrong_use(truecount: Run) -> None:
    assert truecount("dataset", "create", "Shop", "--id", "77", "--token", TOKEN)[0] == 0
    code, out, err = truecount("dataset", "create", "Other", "--id", "78", "--token", TOKEN)
    assert (code, out) == (2, "") and "that of dataset 77 already" in err
    assert [row["id"] for row in json.loads(truecount("dataset", "list", "--format", "json")[1])] == ["77"]
    truecount("dataset", "delete", "77", "--yes")
    assert truecount("dataset", "create", "Other", "--id", "78", "--token", TOKEN)[0] == 0


@pytest.mark.parametrize(
    ("flag", "value"), [("--id", "7 7"), ("--token", "two words of a person"), ("--token", "fifteen-letters")]
)
def test_a_dataset_with_a_wrong_id_or_token_is_not_made(truecount: Run, flag: str, value: str, tmp_path: Path) -> None:
    assert truecount("dataset", "create", "Shop", flag, value)[0] == 2
    assert not (tmp_path / "data").exists()


PERMISSIONS = [
    ("blocked_domains=https://Evil.example/a?b", "blocked_domains=evil.example", "https://evil.example/x"),
    ("blocked_domains=ÜBEL.example", "blocked_domains=xn--bel-goa.example", "https://www.xn--bel-goa.example/"),
    ("blocked_domains=übel.example", "blocked_domains=xn--bel-goa.example", "https://Übel.example/"),
    ("blocked_domains=*.evil.example:8080, .evil.example.", "blocked_domains=evil.example", "https://evil.example"),
    ("blocked_domains=[::1]", "blocked_domains=[::1]", "http://[::1]:8000/"),
    (
        "allowed_origins=HTTPS://Übel.example:443/a",
        "allowed_origins=https://xn--bel-goa.example",
        "https://evil.example",
    ),
]


@pytest.mark.parametrize(("change", "shown", "page"), PERMISSIONS, ids=range(len(PERMISSIONS)))
def test_permissions_are_set_as_browsers_write_hosts_shown_so_and_hold(
    truecount: Run, change: str, shown: str, page: str
) -> None:
    truecount("dataset", "create", "Shop", "--id", "77")
    code, out, _ = truecount("dataset", "set", "77", change)
    assert (code, out.split()[-1]) == (0, shown)
    (row,) = json.loads(truecount("dataset", "list", "--format", "json")[1])
    settings = msgspec.convert(row["settings"], DatasetSettings)
    assert refusal_of([page], settings) in (Reason.DOMAIN_BLOCKED, Reason.ORIGIN_NOT_ALLOWED)
    assert refusal_of(["https://xn--bel-goa.example:443/", page], settings) == (
        Reason.DOMAIN_BLOCKED if "xn--bel" in shown and "blocked" in shown else None
    )


def test_a_snippet_points_page_and_sdk_at_this_server(truecount: Run) -> None:
    truecount("dataset", "create", "Shop", "--id", "77")
    code, out, _ = truecount("snippet", "77", "--url", "https://count.shop.example/")
    assert code == 0
    assert 'src="https://count.shop.example/tr?id=77&amp;ev=PageView' in out
    assert 'FacebookSession.GRAPH = "https://count.shop.example"' in out


def test_the_event_of_a_snippet_and_of_the_readme_names_a_user_agent_as_web_events_must(truecount: Run) -> None:
    truecount("dataset", "create", "Shop", "--id", "77")
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    for text in (truecount("snippet", "77")[1], readme):
        body = text[text.index("curl http") :].partition("[")[2].partition("}]")[0]
        assert re.search(r'"client_user_agent": ?"Mozilla/5.0"', body)


def test_without_an_url_a_snippet_points_where_the_settings_say(
    truecount: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    truecount("dataset", "create", "Shop", "--id", "77")
    monkeypatch.setenv("TRUECOUNT_PORT", "8055")
    assert 'src="http://127.0.0.1:8055/tr?id=77&amp;' in truecount("snippet", "77")[1]
    monkeypatch.setenv("TRUECOUNT_HOST", "0.0.0.0")
    assert 'GRAPH = "http://127.0.0.1:8055"' in truecount("snippet", "77")[1]
    monkeypatch.setenv("TRUECOUNT_PORT", "0")
    code, out, err = truecount("snippet", "77")
    assert (code, out) == (2, "") and "--url" in err


def test_a_snippet_points_at_the_server_that_owns_the_folder(
    truecount: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truecount("dataset", "create", "Shop", "--id", "77")
    monkeypatch.setattr(Remote, "datasets", lambda self: b'[{"id":"77"}]')
    folder = DataFolder(tmp_path / "data")
    folder.secret("manager")
    state = folder.run / "serve.json"
    state.write_text('{"url": "https://127.0.0.1:8443", "manager": 1}')
    with folder.lock():
        assert 'src="https://127.0.0.1:8443/tr?id=77&amp;' in truecount("snippet", "77")[1]
        assert 'src="http://a.example/tr?' in truecount("snippet", "77", "--url", "http://a.example")[1]
    # What a server that was killed left behind says nothing.
    assert 'src="http://127.0.0.1:8000/tr?id=77&amp;' in truecount("snippet", "77")[1]


def test_doctor_finds_a_new_folder_well_and_changes_nothing(truecount: Run, tmp_path: Path) -> None:
    truecount("dataset", "create", "Shop", "--id", "77")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*.sqlite")}
    code, out, _ = truecount("doctor", "--format", "json")
    assert code == 0
    found = {finding["check"]: finding for finding in json.loads(out)}
    assert found["log"]["state"] == found["datasets"]["state"] == found["clock"]["state"] == "good"
    assert found["server"]["do"] == "truecount serve"
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*.sqlite")} == before


@pytest.mark.parametrize(
    ("ahead_s", "state", "says"),
    [
        (0, "good", "not behind"),
        (300, "look", "jumped back"),
        (1200, "broken", "20 minutes"),
        (864_060, "broken", "10.0 days"),
    ],
)
def test_doctor_calls_a_log_far_ahead_of_the_clock_broken(
    truecount: Run, tmp_path: Path, ahead_s: int, state: str, says: str
) -> None:
    truecount("dataset", "create", "Shop", "--id", "77")
    at_us = (time.time_ns() // 1000) + ahead_s * 1_000_000
    with LogWriter(tmp_path / "data", "door-1", clock=lambda: at_us * 1000) as writer:
        writer.append([tallies_entry([])], first_us=at_us, last_us=at_us)
    code, out, _ = truecount("doctor", "--format", "json")
    found = next(finding for finding in json.loads(out) if finding["check"] == "clock")
    assert (found["state"], code) == (state, int(state == "broken"))
    assert says in found["says"]


def test_doctor_tells_of_a_store_that_is_no_folder(truecount: Run, tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    folder.store.touch()
    code, out, _ = truecount("doctor", "--format", "json")
    found = {row["check"]: (row["state"], row["says"]) for row in json.loads(out)}
    assert (code, found["store"]) == (1, ("broken", f"{folder.store} is not a folder"))


def test_doctor_names_a_damaged_file_and_exits_1(truecount: Run, tmp_path: Path) -> None:
    truecount("dataset", "create", "Shop", "--id", "77")
    for path in (tmp_path / "data" / "log").rglob("*.sqlite"):
        path.write_bytes(b"not a database" * 1000)
    code, out, _ = truecount("doctor", "--format", "json")
    assert code == 1
    broken = [finding for finding in json.loads(out) if finding["state"] == "broken"]
    assert any(finding["check"] == "log" and ".sqlite" in finding["says"] and finding["do"] for finding in broken)


@pytest.fixture
def empty_books(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Answers to `events`, without a store."""
    answers: list[Any] = []

    def answer(*_: object) -> bytes:
        return encode(answers)

    monkeypatch.setattr(Local, "events", answer)
    monkeypatch.setattr(Local, "refused", answer)
    return answers


def test_the_csv_of_events_has_the_same_header_with_and_without_rows(truecount: Run, empty_books: list[Any]) -> None:
    truecount("dataset", "create", "Shop", "--id", "77")
    refused = Refused(
        event_name="Lead", source="server", outcome="refused", reason="x", n=1, first_time="", last_time=""
    )
    for flags, row in (((), EventCounts(event_name="Lead")), (("--refused",), refused)):
        command = ("events", "77", *flags, "--format", "csv")
        empty_books.clear()
        (header,) = truecount(*command)[1].splitlines()
        empty_books.append(row)
        assert truecount(*command)[1].splitlines()[0] == header
        assert set(header.split(",")) == set(type(row).__struct_fields__)


@pytest.mark.usefixtures("empty_books")
def test_a_range_of_time_without_events_is_no_dataset_without_events(truecount: Run) -> None:
    truecount("dataset", "create", "Shop", "--id", "77")
    assert truecount("events", "77")[2] == "no events in dataset 77 yet\n"
    for flags in (("--since", "9999-12-31"), ("--until", "9999-12-31")):
        assert truecount("events", "77", *flags)[2] == "no events of dataset 77 lie in this range of time\n"
    assert "in this range of time" in truecount("events", "77", "--refused", "--since", "7d")[2]
    said = truecount("events", "77", "--refused")[2]
    assert said.startswith("nothing was refused or withheld;") and said.endswith("counted in /metrics alone\n")


def test_a_replay_says_that_the_store_came_from_the_log(truecount: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    truecount("dataset", "create", "Shop", "--id", "77")
    monkeypatch.setattr(local, "replay", lambda _: Rebuilt(copies=1234, set_aside=2, doors=4))
    code, _, err = truecount("replay")
    assert code == 0 and err.endswith(" s: 1,234 copies from the log, 2 rows set aside\n")


@pytest.mark.parametrize("flag", ["--for", "--seed", "--pace", "--port"])
def test_a_flag_of_the_demo_says_what_it_wants(truecount: Run, flag: str) -> None:
    err = truecount("demo", flag, "abc")[2]
    assert f"{flag}: 'abc': wanted a" in err and "invalid" not in err


def test_a_backup_holds_the_datasets(truecount: Run, tmp_path: Path) -> None:
    truecount("dataset", "create", "Shop", "--id", "77")
    assert truecount("backup", str(tmp_path / "copy"))[0] == 0
    listed = truecount("dataset", "list", "--format", "json", "--data", str(tmp_path / "copy"))[1]
    assert [row["id"] for row in json.loads(listed)] == ["77"]
    assert truecount("backup", str(tmp_path / "copy"))[0] == 1


def test_every_flag_can_be_a_variable(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    environ = {"TRUECOUNT_FORMAT": "json", "TRUECOUNT_REFUSED": "1", "TRUECOUNT_SINCE": "7d", "TRUECOUNT_DATASET": "77"}
    parser = Parser("x", "", environ)
    parser.format_flag()
    parser.flag("--refused", action="store_true", help="")
    parser.flag("--since", help="")
    parser.flag("--dataset", required=True, help="")
    found = parser.read([])
    assert (found.format, found.refused, found.since, found.dataset) == ("json", True, "7d", "77")
    assert parser.read(["--format", "csv", "--dataset", "78"]).format == "csv"
    parser.print_help()
    shown = capsys.readouterr().out
    assert all(name in shown for name in environ)


def _two_flags(parser: Parser) -> None:
    parser.format_flag()
    parser.flag("--refused", action="store_true", help="")


@pytest.mark.parametrize(("name", "value"), [("TRUECOUNT_FORMAT", "xml"), ("TRUECOUNT_REFUSED", "perhaps")])
def test_a_wrong_variable_exits_2_with_its_name(name: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = Parser("x", "", {name: value})
    with pytest.raises(SystemExit) as left:
        _two_flags(parser)
    assert left.value.code == 2
    assert name in capsys.readouterr().err


def test_the_module_runs_as_the_command_does() -> None:
    done = run_cli("--version")
    assert done.returncode == 0 and done.stdout.startswith("truecount ")


def test_each_command_has_a_module_with_run() -> None:
    from importlib.util import find_spec

    for name in COMMANDS:
        assert find_spec(f"truecount.commands.{MODULES.get(name, name)}")
