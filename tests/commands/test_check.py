"""truecount check: what it prints, its exit codes, and that both ways to the books give the same bytes."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.system import System, purchase, wait_until
from truecount.cli import main
from truecount.commands.reach import Local
from truecount.manager.answers import encode
from truecount.manager.users.together import Users
from truecount.measure.diagnostics.findings import Diagnosis, Example, Finding, NotChecked, State
from truecount.measure.diagnostics.registry import Severity

Capture = pytest.CaptureFixture[str]


def finding(**changes: Any) -> Finding:
    values: dict[str, Any] = {
        "check": "purchase-without-value",
        "subject": {"side": "browser"},
        "state": State.OPEN.value,
        "severity": Severity.FIX.value,
        "title": "3 of 7 copies\x1b[2J",
        "seen": "Seen.",
        "fix": "Mend it.",
        "closes": "Closes.",
        "unit": "copies",
        "affected": 3,
        "looked_at": 7,
        "share": 3 / 7,
        "value": {"EUR": "1.50", "INR": "899.00"},
        "first_time": "2026-09-21T14:13:20Z",
        "last_time": "2026-09-21T15:13:20Z",
        "examples": [
            Example(
                event_name="Purchase", event_id=id, source="browser", received_time="2026-09-21T14:13:20Z", offset=at
            )
            for id, at in (("a\u202eb", "door-1/1/0"), ("", "door-1/2/0"))
        ],
        **changes,
    }
    return Finding(**values)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("TRUECOUNT_DATA", str(tmp_path / "data"))
    assert main(["dataset", "create", "Shop", "--id", "77"]) == 0
    capsys.readouterr()


def answer_with(monkeypatch: pytest.MonkeyPatch, *found: Finding, failed: list[NotChecked] | None = None) -> list[Any]:
    asked: list[Any] = []

    def findings(self: Local, id: str, since_us: int, until_us: int, now_us: int) -> bytes:
        asked.append((id, since_us, until_us, now_us))
        told = Diagnosis(
            since="2026-09-21T00:00:00Z",
            until="2026-09-28T00:00:00Z",
            checked=14,
            findings=list(found),
            not_told={"contact-data-sent": 3} if found else {},
            not_checked=failed or [],
        )
        return encode(told)

    monkeypatch.setattr(Local, "findings", findings)
    return asked


LATE = [NotChecked(check="silence", reason="too late")]
SOLVED = finding(state=State.SOLVED.value)
MUTED = finding(state=State.MUTED.value, muted_until="2026-10-01T00:00:00Z")


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    ("found", "failed", "code"),
    [((), None, 0), ((finding(),), None, 4), ((SOLVED, MUTED), None, 0), ((), LATE, 4)],
    ids=["nothing", "open", "solved and muted", "not checked"],
)
def test_fail_tells_by_the_exit_code_whether_something_is_open(
    monkeypatch: pytest.MonkeyPatch, found: tuple[Finding, ...], failed: list[NotChecked] | None, code: int
) -> None:
    answer_with(monkeypatch, *found, failed=failed)
    assert main(["check", "77"]) == 0
    assert main(["check", "77", "--fail"]) == code
    assert main(["check", "77", "--fail", "--format", "json"]) == code


@pytest.mark.usefixtures("shop")
def test_findings_are_told_as_paragraphs_that_steer_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    answer_with(monkeypatch, finding(), MUTED, failed=LATE)
    assert main(["check", "77"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines() == [
        "14 checks over 2026-09-21T00:00:00Z to 2026-09-28T00:00:00Z: 1 open, 1 muted, 0 solved",
        "",
        "!  3 of 7 copies\\x1b[2J",
        "   at stake: 1.50 EUR; 899.00 INR",
        "   Seen.",
        "   Mend it.",
        "   Closes.",
        '   2026-09-21T14:13:20Z  browser  Purchase  "a\\u202eb"',
        "   2026-09-21T14:13:20Z  browser  Purchase  without id, at door-1/2/0",
        "   (purchase-without-value, 2026-09-21T14:13:20Z to 2026-09-21T15:13:20Z)",
        "",
        "muted until 2026-10-01T00:00:00Z: 3 of 7 copies\\x1b[2J (purchase-without-value, last 2026-09-21T15:13:20Z)",
        "",
        "-  contact-data-sent has 3 findings more",
        "",
        "-  silence could not be checked: too late",
    ]


@pytest.mark.usefixtures("shop")
def test_it_looks_at_seven_days_unless_it_is_told_another_range(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answer_with(monkeypatch)
    before_us = time.time_ns() // 1000
    main(["check", "77"])
    main(["check", "77", "--since", "2026-01-01", "--until", "2026-01-31"])
    main(["check", "77", "--until", "2026-01-31"])
    (id, since_us, until_us, now_us), first, second = asked
    assert (id, until_us, now_us - since_us) == ("77", now_us, 7 * 86_400_000_000)
    assert before_us <= now_us
    assert first[1:3] == (1_767_225_600_000_000, 1_769_904_000_000_000)
    assert second[1:3] == (1_769_904_000_000_000 - 7 * 86_400_000_000, 1_769_904_000_000_000)


@pytest.mark.usefixtures("shop")
def test_wrong_use_and_unknown_datasets_have_their_codes(capsys: Capture) -> None:
    assert main(["check", "78"]) == 1
    assert "there is no dataset 78" in capsys.readouterr().err
    assert main(["check", "77", "--since", "2099-01-01"]) == 2
    assert "--since must lie before" in capsys.readouterr().err


def test_a_running_server_and_the_folder_alone_give_the_same_bytes(tmp_path: Path) -> None:
    system = System(tmp_path)
    with system.running():
        shop = system.create("Shop")
        for number in range(3):
            system.post_hit(shop, ev="Purchase", eid=f"Order-{7 + number}00", cd={"value": "9.00", "currency": "INR"})
        system.post_events(shop, [purchase(f"{7 + number}00", value="9.00") for number in range(3)])
        wait_until(lambda: system.copies(shop) == 6)
        until = "--until", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1))
        time.sleep(1.1)  # the range is over: nothing that is told depends on the clock any more
        users = Users(system.folder)
        users.mutes.mute(shop.id, ("contact-data-sent", ("server", "user_data", "unhashed")), by="owner")
        users.close()
        arguments = ("check", shop.id, "--since", "2026-01-01", *until, "--format", "json")
        told = system.cli(*arguments)
        assert system.cli("check", shop.id, "--fail", code=4)
    assert system.cli(*arguments) == told
    found = {one["check"]: one for one in json.loads(told)["findings"]}
    assert json.loads(told)["not_checked"] == []
    assert (found["ids-almost-alike"]["affected"], found["ids-almost-alike"]["value"]) == (3, {"INR": "27.00"})
    assert found["contact-data-sent"]["subject"] == {"source": "server", "field": "user_data", "kind": "unhashed"}
    assert (found["contact-data-sent"]["state"], found["ids-almost-alike"]["state"]) == ("muted", "open")
