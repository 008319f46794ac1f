"""Diagnostics: cards by value, mutes that are kept with their reason, an old answer at once and a new one beside it."""

from __future__ import annotations

import asyncio
import html
import json
import re
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.manager.house import OWNER, House, Visitor
from truecount.manager import looks as looks_module
from truecount.manager.boxes import Box, box_of
from truecount.manager.looks import REFRESH_S, RETRY_S, Look, Looks
from truecount.manager.mutes import FOREVER_US, Mutes
from truecount.manager.users.file import FIRST, FORMAT, UsersFile
from truecount.manager.views import diagnostics as view
from truecount.manager.views.diagnostics import anchor_of, kept_findings, read_about, read_until
from truecount.measure.diagnostics.findings import Diagnosis, Example, Finding, NotChecked
from truecount.store.errors import StoreDown

PATH = "/d/77/diagnostics"
HOSTILE = [
    "<script>alert(1)</script>",
    "{{7*7}}",
    "\"><svg onload=alert(1)>'",
    "=cmd|' /C calc'!A0",
    "order-\u202egnp.exe\u2066",
    "W" * 10_000,
]


def finding(check: str = "event-id-missing", *subject: str, state: str = "open", **more: Any) -> Finding:
    names = {"event-id-missing": ("event_name", "side"), "page-view-only": (), "silence": ("kind", "name")}[check]
    given: dict[str, Any] = {
        "severity": "look_into",
        "title": "43 % of Purchase have no browser copy",
        "seen": "Only the server tells.",
        "fix": "Load the pixel on the thank-you page.",
        "closes": "Closes itself after 24 hours with 10 right ones.",
        "unit": "actions",
        "affected": 43,
        "looked_at": 100,
        "share": 0.43,
        "value": {},
        "first_time": "2026-11-22T10:40:00Z",
        "last_time": "2026-11-24T09:00:00Z",
        "examples": [],
        **more,
    }
    return Finding(check=check, subject=dict(zip(names, subject, strict=True)), state=state, **given)


def answer(
    *found: Finding, not_checked: list[NotChecked] | None = None, not_told: dict[str, int] | None = None
) -> Look:
    return Look(
        asked_us=1_800_000_000_000_000,
        diagnosis=Diagnosis(
            since="2027-01-08T08:00:00Z",
            until="2027-01-15T08:00:00Z",
            checked=14,
            findings=list(found),
            not_told=not_told or {},
            not_checked=not_checked or [],
        ),
    )


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with House(tmp_path_factory.mktemp("diagnostics")).open() as house:
        house.make_owner()
        house.manager.registry.create("Shop", id="77")
        yield house


@pytest.fixture
def owner(house: House) -> Visitor:
    visitor = house.visitor()
    visitor.sign_in()
    return visitor


class Answers:
    """What a look finds, as the test sets it; counts the looks."""

    def __init__(self) -> None:
        self.look = answer()
        self.error: Exception | None = None
        self.n = 0

    def __call__(self, *_: object) -> Look:
        self.n += 1
        if self.error:
            raise self.error
        return self.look


@pytest.fixture
def answers(house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    answers = Answers()
    monkeypatch.setattr(view, "look", answers)
    house.manager.looks.forget("77")
    yield answers
    house.manager.looks.forget("77")
    house.manager.users.mutes.forget_dataset("77")


def titles(text: str) -> list[str]:
    return [html.unescape(one) for one in re.findall(r"<h2 id=\"[^\"]+-h\"><bdi>(.*?)</bdi></h2>", text)]


def mute(owner: Visitor, one: Finding, **fields: str) -> Any:
    about = {"check": one.check, "subject": json.dumps(list(one.subject.values()))}
    return owner.send(f"{PATH}/mute", {**about, **fields}, page=PATH)


# Cards


def test_a_card_says_what_is_wrong_since_when_its_share_and_what_it_costs_by_currency(
    owner: Visitor, answers: Answers
) -> None:
    answers.look = answer(finding("event-id-missing", "Purchase", "server", value={"EUR": "20.50", "INR": "38657.00"}))
    text = owner.get(PATH).text
    assert titles(text) == ["43 % of Purchase have no browser copy"]
    assert "38,657" in text and "20\u00a0EUR" in text and "INR" in text
    assert "43 of 100 <small>43 %</small>" in text
    assert 'datetime="2026-11-22T10:40:00Z"' in text
    for words in ("Load the pixel on the thank-you page.", "Closes itself after 24 hours", "Only the server tells."):
        assert words in text
    assert 'id="event-id-missing"' in text and f'id="{anchor_of(("event-id-missing", ("Purchase", "server")))}"' in text


def test_cards_keep_the_order_of_the_look_and_each_state_has_its_own(owner: Visitor, answers: Answers) -> None:
    answers.look = answer(
        finding("event-id-missing", "Purchase", "server", title="First"),
        finding("event-id-missing", "Lead", "server", title="Second"),
        finding("page-view-only", title="Over", state="solved"),
    )
    assert titles(owner.get(PATH).text) == ["First", "Second"]
    assert titles(owner.get(f"{PATH}?state=solved").text) == ["Over"]
    told = owner.json(PATH)["found"]["data"]
    assert (told["open"], told["solved"], told["muted"]) == (2, 1, 0)
    assert [card["first_of_check"] for card in told["cards"]] == [True, False]
    assert owner.get(f"{PATH}?state=closed").status_code == 400


def test_examples_lead_to_their_explanation_whatever_their_names_hold(owner: Visitor, answers: Answers) -> None:
    odd = 'a/b"?&#\u202e/tr'
    example = Example(
        event_name=odd, event_id=odd, source="browser", received_time="2026-11-24T09:00:00Z", offset="d/1/1"
    )
    bare = Example(
        event_name="Lead", event_id="", source="server", received_time="2026-11-24T09:00:00Z", offset="d/1/2"
    )
    answers.look = answer(finding("page-view-only", examples=[example, bare]))
    text = owner.get(PATH).text
    address, by_offset = re.findall(r'href="(/d/77/explain[^"]+)"', text)
    assert (
        html.unescape(address)
        == "/d/77/explain?event=a%2Fb%22%3F%26%23%E2%80%AE%2Ftr&id=a%2Fb%22%3F%26%23%E2%80%AE%2Ftr"
    )
    assert html.unescape(by_offset) == "/d/77/explain?event=Lead&at=d%3A1%3A2"
    assert "without event id" in text and "\u202e" not in text


def test_what_could_not_be_checked_stands_in_a_card_of_its_own(owner: Visitor, answers: Answers) -> None:
    answers.look = answer(
        not_checked=[NotChecked(check="silence", reason="it took more time")], not_told={"silence": 4}
    )
    text = owner.get(PATH).text
    assert 'id="not-checked"' in text and "It took more time." in text and "found 4 more" in text
    assert "not-checked" not in owner.get(f"{PATH}?state=solved").text


def test_nothing_to_mend_is_said_in_words(owner: Visitor, answers: Answers) -> None:
    assert "Nothing to mend" in owner.get(PATH).text
    assert "Nothing was solved" in owner.get(f"{PATH}?state=solved").text
    assert "Nothing is muted" in owner.get(f"{PATH}?state=muted").text


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_names_that_mean_harm_change_nothing_of_the_page(owner: Visitor, answers: Answers, name: str) -> None:
    def page(text: str) -> str:
        example = Example(
            event_name=text, event_id=text, source="server", received_time="2026-11-24T09:00:00Z", offset=""
        )
        told = {"title": text, "seen": text, "fix": text, "closes": text, "examples": [example]}
        answers.look = answer(finding("event-id-missing", text, text, **told))
        house_looks.forget("77")
        return owner.get(PATH).text

    house_looks = owner.client.app.state.manager.looks
    tags = re.compile(r"<\w+")
    plain, changed = page("Purchase"), page(name)
    assert tags.findall(changed) == tags.findall(plain)
    assert name != "{{7*7}}" or "<bdi>{{7*7}}</bdi>" in changed
    assert not {"\u202e", "\u2066"} & set(changed)


# Mutes


def test_an_owner_mutes_with_a_reason_and_a_day_and_who_and_when_are_kept(
    house: House, owner: Visitor, answers: Answers
) -> None:
    one = finding("event-id-missing", "Purchase", 'ser"ver\u202e')
    answers.look = answer(one)
    assert mute(owner, one, reason=" the theme is <b>rebuilt</b> ", until="2099-12-31").status_code == 303
    assert titles(owner.get(PATH).text) == []
    (card,) = owner.json(f"{PATH}?state=muted")["found"]["data"]["cards"]
    assert (card["state"], card["mute"]["by"], card["mute"]["reason"]) == (
        "muted",
        OWNER,
        "the theme is <b>rebuilt</b>",
    )
    assert card["mute"]["until"] == "2100-01-01T00:00:00Z"
    text = owner.get(f"{PATH}?state=muted").text
    assert "&lt;b&gt;rebuilt" in text and OWNER in text and "Unmute" in text
    assert answers.n == 1  # a mute holds at once, without another look


def test_a_mute_without_a_day_stands_until_it_is_taken_back(house: House, owner: Visitor, answers: Answers) -> None:
    one = finding("page-view-only")
    answers.look = answer(one)
    mute(owner, one)
    house.clock.s += 3e9
    try:
        assert house.manager.users.mutes.ends_of("77") == {("page-view-only", ()): FOREVER_US}
    finally:
        house.clock.s -= 3e9
    about = {"check": one.check, "subject": "[]"}
    assert owner.send(f"{PATH}/unmute", about, page=f"{PATH}?state=muted").status_code == 303
    assert len(titles(owner.get(PATH).text)) == 1


def test_a_mute_ends_after_its_day(house: House, owner: Visitor, answers: Answers) -> None:
    one = finding("page-view-only")
    answers.look = answer(one)
    mute(owner, one, until="2027-01-16")
    assert owner.json(PATH)["found"]["data"]["muted"] == 1
    house.clock.s += 3 * 86_400
    try:
        assert house.manager.users.mutes.of_dataset("77") == {}
    finally:
        house.clock.s -= 3 * 86_400


def test_a_finding_that_is_solved_is_no_longer_muted_and_a_mute_of_nothing_can_be_taken_back(
    owner: Visitor, answers: Answers, house: House
) -> None:
    one = finding("event-id-missing", "Purchase", "server", state="solved")
    answers.look = answer(one)
    owner.get(PATH)
    mute(owner, one)
    mute(owner, finding("page-view-only"))
    told = owner.json(f"{PATH}?state=muted")["found"]["data"]
    assert (told["solved"], told["muted"]) == (1, 1)
    assert [idle["check"] for idle in told["idle_mutes"]] == ["page-view-only"]
    assert "not found at present" in owner.get(f"{PATH}?state=muted").text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"check": "nothing"}, "check: wanted one of"),
        ({"subject": "7"}, "subject: wanted a JSON list of 2 texts"),
        ({"subject": '["a"]'}, "subject: wanted a JSON list of 2 texts"),
        ({"until": "tomorrow"}, "wanted a date, as in 2026-12-31"),
        ({"until": "2020-01-01"}, "this day is over already"),
        ({"reason": "x" * 301}, "300 characters at most"),
    ],
)
def test_a_form_that_will_not_do_mutes_nothing_and_says_why(
    owner: Visitor, answers: Answers, house: House, fields: dict[str, str], words: str
) -> None:
    answers.look = answer(finding("event-id-missing", "Purchase", "server"))
    given = {"check": "event-id-missing", "subject": '["Purchase","server"]', **fields}
    refused = owner.send(f"{PATH}/mute", given, page=PATH)
    assert refused.status_code == 400 and "Nothing was muted." in refused.text and words in refused.text
    assert house.manager.users.mutes.of_dataset("77") == {}


def test_a_form_that_will_not_do_stays_open_with_its_reason(owner: Visitor, answers: Answers) -> None:
    answers.look = answer(
        finding("event-id-missing", "Purchase", "server"), finding("event-id-missing", "Lead", "server")
    )
    given = {"check": "event-id-missing", "subject": '["Lead","server"]', "reason": "Known <b>", "until": "2020-01-01"}
    page = owner.send(f"{PATH}/mute", given, page=PATH).text
    assert page.count('<details class="mute" open>') == 1 and page.count('value="Known &lt;b&gt;"') == 1
    opened = page.partition('<details class="mute" open>')[2].partition("</details>")[0]
    assert "Lead" in opened and "Known" in opened


def test_only_an_owner_mutes_and_only_with_the_proof_of_a_page(house: House, owner: Visitor, answers: Answers) -> None:
    one = finding("page-view-only")
    answers.look = answer(one)
    analyst = house.add("analyst@mail.example")
    text = analyst.get(PATH).text
    assert titles(text) and "/mute" not in text
    about = {"check": one.check, "subject": "[]"}
    assert analyst.send(f"{PATH}/mute", about).status_code == 404
    assert owner.send(f"{PATH}/mute", about, csrf="x").status_code == 403
    assert house.manager.users.mutes.of_dataset("77") == {}


def test_mutes_of_a_deleted_dataset_are_not_those_of_another_with_its_id(house: House, owner: Visitor) -> None:
    house.manager.registry.create("Gone", id="79")
    house.manager.users.mutes.mute("79", ("silence", ("event", "Lead")), by="x")
    assert owner.send("/d/79/delete", {"sure": "79"}, page="/start").status_code == 303
    assert house.manager.users.mutes.of_dataset("79") == {}


def test_a_file_of_the_first_format_gets_the_table_of_mutes_and_keeps_its_users(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / "users.sqlite")
    for statement in FIRST:
        old.execute(statement)
    old.execute("insert into users values ('u', 'a@b.example', 'a@b.example', 'owner', null, 1, 1)")
    old.execute("pragma user_version = 1")
    old.commit()
    old.close()
    file = UsersFile(tmp_path)
    mutes = Mutes(file, lambda: 5)
    mutes.mute("d", ("silence", ("event", "Lead")), by="owner", reason="holiday", until_us=9)
    mutes.mute("d", ("silence", ("event", "Lead")), by="owner", reason="holidays", until_us=7)
    mutes.mute("other", ("silence", ("event", '";\u202e')), by="owner")
    assert mutes.ends_of("d") == {("silence", ("event", "Lead")): 7}
    assert [(one.reason, one.muted_us, one.muted_by) for one in mutes.of_dataset("d").values()] == [
        ("holidays", 5, "owner")
    ]
    assert mutes.ends_of("other") == {("silence", ("event", '";\u202e')): FOREVER_US}
    assert file.rows("select email from users") == [("a@b.example",)]
    assert file.rows("pragma user_version") == [(FORMAT,)]
    file.close()


def test_a_day_ends_where_the_dataset_is() -> None:
    assert read_until("2026-12-31", "Asia/Kolkata") == 1_798_741_800_000_000
    assert read_until(" ", "UTC") is None
    with pytest.raises(ValueError, match="wanted a date"):
        read_until("9999-12-31", "UTC")
    with pytest.raises(ValueError, match="check: wanted one of"):
        read_about("", "[]")


# The kept answer


def test_the_overview_gets_the_open_findings_of_most_value_without_a_question(
    house: House, owner: Visitor, answers: Answers
) -> None:
    assert kept_findings(house.manager, house.manager.dataset("77")) == [] and answers.n == 0
    found = [finding("event-id-missing", f"Event {at}", "server", title=f"No. {at}") for at in range(5)]
    answers.look = answer(*found, finding("page-view-only", state="solved"))
    owner.get(PATH)
    mute(owner, found[0])
    told = kept_findings(house.manager, house.manager.dataset("77"))
    assert [one.title for one in told] == ["No. 1", "No. 2", "No. 3"] and answers.n == 1
    anchor = told[0].href.partition("#")[2]
    assert told[0].href.startswith("/d/77/diagnostics?state=open#") and f'id="{anchor}"' in owner.get(PATH).text


def test_the_age_of_the_answer_is_told(owner: Visitor, answers: Answers) -> None:
    answers.look = msgspec.structs.replace(answer(), asked_us=1_800_000_000_000_000)
    assert "as of <time" in owner.get(PATH).text


def test_a_first_look_that_fails_says_so_in_its_place(owner: Visitor, answers: Answers) -> None:
    answers.error = StoreDown("away")
    text = owner.get(PATH).text
    assert "The store does not answer at the moment" in text and "Look again" in text
    assert owner.json(PATH)["found"]["state"] == "down"


class Clock:
    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


def run(story: Any) -> None:
    asyncio.run(asyncio.wait_for(story, 60))


async def settled(looks: Looks) -> None:
    for task in [*looks._under_way.values()]:
        await task


def test_an_old_answer_is_given_at_once_while_a_new_look_runs_once() -> None:
    async def story() -> None:
        clock = Clock()
        looks = Looks(clock)
        first, second = answer(), answer(finding("page-view-only"))
        go = threading.Event()
        made: list[Look] = []

        def slowly() -> Look:
            go.wait(30)
            made.append(second)
            return second

        assert (await looks.get("d", lambda: first, 30, box_of)).look is first
        clock.s += REFRESH_S - 1
        assert not (await looks.get("d", slowly, 30, box_of)).is_under_way
        clock.s += 1
        for _ in range(3):
            told = await looks.get("d", slowly, 30, box_of)
            assert told.look is first and told.is_under_way
        go.set()
        await settled(looks)
        told = await looks.get("d", slowly, 30, box_of)
        assert told.look is second and not told.is_under_way and made == [second]
        looks.close()

    run(story())


def test_a_first_look_that_takes_long_lets_the_page_go_and_is_there_later() -> None:
    async def story() -> None:
        looks = Looks()
        go = threading.Event()

        def slowly() -> Look:
            go.wait(30)
            return answer()

        told = await looks.get("d", slowly, 0.01, box_of)
        assert told.look is None and told.is_under_way
        page = view.diagnostics(dataset(), "open", told, {})
        assert page.found.state == "late" and "goes on" in (page.found.problem or "")
        go.set()
        await settled(looks)
        assert (await looks.get("d", slowly, 0, box_of)).look is not None
        looks.close()

    run(story())


def test_a_look_that_fails_leaves_the_old_answer_and_is_soon_tried_again() -> None:
    async def story() -> None:
        clock = Clock()
        looks = Looks(clock)

        def failing() -> Look:
            raise StoreDown("away")

        await looks.get("d", answer, 30, box_of)
        clock.s += REFRESH_S
        await looks.get("d", failing, 30, box_of)
        await settled(looks)
        told = await looks.get("d", failing, 30, box_of)
        assert told.look is not None and told.failed is not None and told.failed.state == "down"
        assert view.diagnostics(dataset(), "open", told, {}).failed == told.failed.problem
        clock.s += RETRY_S
        await looks.get("d", answer, 30, box_of)
        await settled(looks)
        assert (await looks.get("d", answer, 30, box_of)).failed is None
        looks.close()

    run(story())


def test_a_look_at_a_dataset_that_was_deleted_meanwhile_is_not_told() -> None:
    async def story() -> None:
        looks = Looks()
        go = threading.Event()

        def slowly() -> Look:
            go.wait(30)
            return answer()

        await looks.get("d", slowly, 0, box_of)
        looks.forget("d")
        go.set()
        looks._thread.submit(lambda: None).result(30)
        await asyncio.sleep(0)
        assert looks.kept("d") is None
        looks.close()

    run(story())


def test_a_fault_in_a_look_is_told_without_its_words() -> None:
    box: Box[Any] = box_of(ZeroDivisionError("secret"))
    assert box.state == "failed" and "ZeroDivisionError" in str(box.problem) and "secret" not in str(box.problem)
    assert looks_module.REFRESH_S > looks_module.RETRY_S


def dataset() -> Any:
    from truecount.datasets import Dataset

    return Dataset(id="d", name="d", created_us=0)
