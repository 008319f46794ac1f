"""Explain: why one action was counted so, in sentences, lanes and a table; and the ways to find one."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Container, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest

from tests.manager.served import Guest, links_of, sell, wait_copies, words_of
from tests.system import AGENT, Shop, System, purchase
from truecount.manager import words
from truecount.manager.links import explain_path
from truecount.manager.views.explain import MOST_LANES, explain_view
from truecount.measure.explain import CopyDetails, Explained, ExplainedCopy
from truecount.vocabulary import Rule

HARD_IDS = [
    "a/b",
    "a//b",
    "../..",
    "..",
    ".",
    "tr",
    "x/tr",
    "x/tr/",
    "100%",
    "%2F%20",
    "a?b=c&d#e",
    'say "hi"',
    "it's",
    "<b>bold</b>",
    "{{7*7}}",
    "=1+1",
    "naïve ☕ 注文",
    "\u202eesrever",
    "a+b c",
    "back\\slash",
]
SHORT = ("a/b", "..", "x/tr", "100%", "a?b=c&d#e", "<b>bold</b>", "\u202eesrever")
"""Those that the quick tests ask the store about."""


def each(ids: Iterable[str], quick: Container[str]) -> list[Any]:
    return [id if id in quick else pytest.param(id, marks=pytest.mark.slow) for id in ids]


@pytest.fixture(scope="module")
def shop(served: System) -> Shop:
    shop = served.create("Shop")
    sell(served, shop, "order-1", dl="https://brewbeans.example/thanks?contact=jane@mail.example")
    wait_copies(served, shop, 2)
    served.post_events(shop, [purchase("order-1")])
    served.post_events(shop, [purchase("order-2"), purchase("twice"), {**purchase("near"), "event_id": "Near"}])
    served.post_events(shop, [purchase("twice")])
    served.post_hit(shop, ev="Purchase", eid="near", cd={"value": "1", "currency": "INR"})
    served.post_hit(shop, ev="PageView", fbp="fb.1.1700000000000.123456")
    served.post_hit(shop, ev="Purchase", eid="by-bot", agent="Googlebot/2.1", cd={"value": "1", "currency": "INR"})
    people = {"em": ["ada@mail.example"], "external_id": ["Customer 42"], "client_user_agent": AGENT}
    served.post_events(shop, [purchase("ada", user_data=people)])
    wait_copies(served, shop, 10)
    return shop


def at(shop: Shop, event: str, **more: str) -> str:
    return f"/d/{shop.id}/explain?" + urlencode({"event": event, **more})


def test_three_copies_are_one_sale_and_the_page_says_why(guest: Guest, shop: Shop) -> None:
    text = words_of(guest.page(at(shop, "Purchase", id="order-1")))
    assert "Three copies, one sale. The server and the browser both sent it with the same event id," in text
    assert "; the server sent it again. It is counted once." in text
    assert "Why one event_id " + words.RULES[Rule.EVENT_ID] in text
    assert (
        "Which copy is kept browser_within_5_min That of the browser. " + words.RULES[Rule.BROWSER_WITHIN_5_MIN] in text
    )
    assert "Also removed event_id One more from the server" in text
    assert "Value ₹899.00" in text
    assert "Taken out: an e-mail address out of url" in text
    assert "jane@mail.example" not in text


def test_lanes_stand_in_the_order_of_receipt_and_copies_side_by_side(guest: Guest, shop: Shop) -> None:
    page = guest.page(at(shop, "Purchase", id="order-1"))
    lanes = [line.split('"')[1].split()[0] for line in page.splitlines() if '<li class="lane-' in line]
    assert lanes == ["lane-head", "lane-s", "lane-b", "lane-s", "lane-m"]
    found = guest.json(at(shop, "Purchase", id="order-1"))
    assert [column["title"] for column in found["columns"]] == [
        "Server, merged in",
        "Browser, kept",
        "Server, merged in",
    ]
    rows = {row["name"]: row for row in found["fields"]}
    assert rows["event_id"]["differs"] is False and rows["event_id"]["values"] == ["order-1"] * 3
    assert rows["order_id"]["differs"] is True and rows["order_id"]["values"] == ["order-1", None, "order-1"]
    assert rows["value"]["differs"] is False
    assert "not sent" in page and page.count('class="differs"') == sum(row["differs"] for row in found["fields"])


def test_the_twin_has_the_shape_of_explain_and_more(guest: Guest, served: System, shop: Shop) -> None:
    found = guest.json(at(shop, "Purchase", id="order-1"))
    told = served.explain(shop, "Purchase", "order-1")
    assert told
    assert list(found)[: len(told)] == list(told)
    for name, value in told.items():
        if name != "copies":
            assert found[name] == value
    for copy, more in zip(told["copies"], found["copies"], strict=True):
        assert more.items() >= copy.items() and "hashes" not in more
    assert found == guest.json(at(shop, "Purchase", id="order-1") + "&format=json")
    assert hashlib.sha256(b"order-1@mail.example").hexdigest() not in str(found)


def test_one_copy_is_one_lane_and_what_came_nearest_is_named(guest: Guest, shop: Shop) -> None:
    text = words_of(guest.page(at(shop, "Purchase", id="order-2")))
    assert "One copy, one sale. Only the server sent it: nothing that came from the browser belongs to it." in text
    assert "Why it counts first_received" in text and "What came nearest" not in text
    page = guest.page(at(shop, "Purchase", id="Near"))
    text = words_of(page)
    assert "What came nearest" in text and "both have an event id, and they differ" in text
    assert "The two ids look alike" in text
    assert explain_path(shop.id, "Purchase", "near") in links_of(page)


def test_the_copies_are_a_file(guest: Guest, shop: Shop) -> None:
    answer = guest.get(at(shop, "Purchase", id="order-1", format="csv"))
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    found = guest.json(at(shop, "Purchase", id="order-1"))["copies"]
    assert [(row["offset"], row["verdict"], row["rule"]) for row in rows] == [
        (copy["details"]["offset"], copy["verdict"], copy["rule"]) for copy in found
    ]
    assert rows[0]["match_keys"].split() == found[0]["match_keys"]
    assert "jane@mail.example" not in answer.text
    for path, status in ((at(shop, "Purchase", id="no such", format="csv"), 404), (at(shop, "", format="csv"), 400)):
        assert guest.get(path).status_code == status


def test_an_id_alone_leads_to_its_action(guest: Guest, shop: Shop) -> None:
    assert "Three copies, one sale." in words_of(guest.page(f"/d/{shop.id}/find?q=+order-1+"))
    found = guest.json(f"/d/{shop.id}/find?q=order-1")["found"]["data"]
    assert [(one["event_name"], one["by"]) for one in found] == [("Purchase", "id")]
    assert "one action" in words_of(guest.page(f"/d/{shop.id}/find?q=fb.1.1700000000000.123456"))


def test_copies_of_one_side_are_one_sale(guest: Guest, shop: Shop) -> None:
    text = words_of(guest.page(at(shop, "Purchase", id="twice")))
    assert "Two copies, one sale. The server sent it twice with the same event id," in text


def test_a_copy_that_is_left_out_says_why(guest: Guest, shop: Shop) -> None:
    text = words_of(guest.page(at(shop, "Purchase", id="by-bot")))
    assert "One copy, no sale. It was received, and this dataset does not count such a copy: sent by a bot" in text
    assert "Left out." in text and "Counted as one action" not in text


@pytest.mark.parametrize(
    "by",
    [
        {"order": "ada"},
        {"em": hashlib.sha256(b"ada@mail.example").hexdigest()},
        {"external_id": hashlib.sha256(b"Customer 42").hexdigest()},
    ],
    ids=["order", "em", "external_id"],
)
def test_an_action_is_found_by_what_its_copies_carry(guest: Guest, shop: Shop, by: dict[str, str]) -> None:
    assert guest.json(at(shop, "Purchase", **by))["event_id"] == "ada"


def test_an_action_without_an_id_is_found_by_its_offset_and_its_fbp(guest: Guest, shop: Shop) -> None:
    (link,) = links_of(guest.page(f"/d/{shop.id}/actions?event=PageView"), f"/d/{shop.id}/explain?")
    found = guest.json(link)
    assert (found["event_id"], len(found["copies"])) == ("", 1)
    assert guest.json(at(shop, "PageView", fbp="fb.1.1700000000000.123456"))["copies"] == found["copies"]
    assert "No event id" in words_of(guest.page(link))


@pytest.mark.parametrize("id", ["nothing", "Order-1", "order-1 "])
def test_an_unknown_id_is_said_with_the_form(guest: Guest, shop: Shop, id: str) -> None:
    page = guest.page(at(shop, "Purchase", id=id), 404)
    assert "This action was not found" in page and "letter by letter" in page and 'id="q"' in page
    assert "letter by letter" in guest.json(at(shop, "Purchase", id=id), 404)["error"]


@pytest.mark.parametrize(
    "query",
    ["event=Purchase&id=a&order=b", "event=Purchase&em=jane@mail.example", "event=Purchase&at=x", "id=a"],
)
def test_a_question_that_cannot_be_asked_is_told(guest: Guest, shop: Shop, query: str) -> None:
    assert 'role="alert"' in guest.page(f"/d/{shop.id}/explain?{query}", 400)
    assert guest.json(f"/d/{shop.id}/explain?{query}", 400)["error"]


def test_the_form_sends_no_contact_data_by_itself(guest: Guest, shop: Shop) -> None:
    page = guest.page(f"/d/{shop.id}/explain")
    for name in ("em", "external_id"):
        field = page.partition(f'id="x-{name}"')[2].partition(">")[0]
        assert "disabled" in field and " name=" not in field
        assert f'<input type="hidden" name="{name}" value="">' in page
    assert "This field needs a script" in page


@pytest.fixture(scope="module")
def hard(served: System) -> Shop:
    shop = served.create("Hard ids")
    person = {"em": ["jane@mail.example"]}
    for id in HARD_IDS:
        assert served.post_events(shop, [purchase(id, user_data=person)]).status == 200
    served.post_events(shop, [{**purchase("of-odd", user_data=person), "event_name": "a/b?c%2F"}])
    wait_copies(served, shop, len(HARD_IDS))
    return shop


@pytest.mark.parametrize("id", HARD_IDS)
def test_a_link_says_any_id_in_its_query_and_its_path_is_none_of_a_door(id: str) -> None:
    link = urlsplit(explain_path("77", "Purchase", id))
    assert parse_qs(link.query, strict_parsing=True) == {"event": ["Purchase"], "id": [id]}
    assert not link.path.endswith(("/tr", "/tr/")) and not link.fragment


@pytest.mark.parametrize("id", each(HARD_IDS, SHORT))
def test_any_id_is_reached_by_its_link(guest: Guest, hard: Shop, id: str) -> None:
    link = explain_path(hard.id, "Purchase", id)
    assert guest.json(link)["event_id"] == id
    page = guest.page(link)
    assert "<b>bold" not in page and "\u202e" not in words_of(page)


@pytest.mark.parametrize(
    "id",
    each(
        (id for id in HARD_IDS if id not in ("tr", "x/tr", "x/tr/", "..", ".", "../..")), ("a/b", "%2F%20", "a?b=c&d#e")
    ),
)
def test_the_form_of_the_path_works_too(guest: Guest, hard: Shop, id: str) -> None:
    assert guest.json(f"/d/{hard.id}/actions/Purchase/{quote(id, safe='')}")["event_id"] == id


def test_an_event_name_may_hold_anything_too(guest: Guest, served: System, hard: Shop) -> None:
    wait_copies(served, hard, 1, "a/b?c%2F")
    name = "a/b?c%2F"
    assert guest.json(explain_path(hard.id, name, "of-odd"))["event_name"] == name
    assert guest.json(f"/d/{hard.id}/actions/{quote(name, safe='')}/of-odd")["event_name"] == name
    page = guest.page(explain_path(hard.id, name, "of-odd"))
    (crumb,) = links_of(page, f"/d/{hard.id}/actions?")
    assert parse_qs(urlsplit(crumb).query) == {"event": [name]}


def test_an_analyst_of_another_dataset_is_told_nothing(served: System, shop: Shop, tmp_path: Path) -> None:
    answer = served.get(f"/d/{shop.id}/explain?event=Purchase&id=order-1", {"Accept": "application/json"})
    assert answer.status == 401 and b"order-1" not in answer.body


# Sentences of what is seldom seen


def copy(source: str, at: float, verdict: str, rule: str | None, marks: list[str] | None = None) -> ExplainedCopy:
    time = f"2026-11-24T10:{int(at) // 60:02}:{at % 60:06.3f}Z"
    details = CopyDetails(
        offset="d1:1:0", value="1.00", currency="INR", item_number="", action_source="", url="", referrer="",
        custom_data="", consent="", test_event_code="", browser="", campaign="", key_marks={}, removed=[], notes=[],
    )  # fmt: skip
    return ExplainedCopy(
        source=source, received_time=time, event_time=time, verdict=verdict, rule=rule, match_keys=[],
        event_id="a", order_id="", marks=marks or [], details=details,
    )  # fmt: skip


def action(*copies: ExplainedCopy, **more: Any) -> Explained:
    given = {
        "event_name": "Lead", "event_id": "a", "person": None, "value": None, "currency": None, "credit": [],
        "deliveries": [], "others": 0, "nearest": None, "amended": False, **more,
    }  # fmt: skip
    return Explained(copies=list(copies), **given)


@pytest.mark.parametrize(
    ("found", "head", "sentence"),
    [
        (
            action(
                copy("browser", 0, "kept", "first_received"), copy("server", 2, "duplicate", "fbp"),
                copy("browser", 3, "duplicate", "event_id"), copy("server", 4, "duplicate", "event_id"),
                copy("server", 5, "duplicate", "event_id"),
            ),
            "Five copies, one action.",
            "The browser and the server both sent it without an event id in common, from the same browser (fbp), 2.0 s "
            "apart; the browser sent it again and the server sent it 2 more times. It is counted once.",
        ),
        (
            action(copy("browser", 0, "kept", "first_received"), copy("server", 0, "duplicate", "external_id")),
            "Two copies, one action.",
            "The browser and the server both sent it without an event id in common, for the same external_id, at the "
            "same moment. It is counted once.",
        ),
        (
            action(*(copy("offline", at, "duplicate" if at else "kept", "offline") for at in (0, 60, 120))),
            "Three copies, one action.",
            "The shop's offline records sent it 3 times for the same offline sale, 2 min between the first and the "
            "last. It is counted once.",
        ),
        (
            action(
                copy("app", 0, "kept", "outside_window"), copy("server", 1, "left_out", None, ["test"]), others=2
            ),
            "One copy, one action.",
            "Only the app sent it: nothing that came from the server belongs to it. One more copy of it is left out: "
            "sent as a test. Two other actions have the same id.",
        ),
        (
            action(copy("server", 0, "left_out", None), event_name="AppendValue"),
            "One copy, no action.",
            "It changes the value of another event, and is no action of its own.",
        ),
        (action(copy("crm", 0, "kept", "no_key")), "One copy, one action.", "It came from the CRM, once."),
    ],
    ids=["fbp", "external_id", "offline", "left out and others", "amendment", "crm"],
)  # fmt: skip
def test_the_verdict_is_a_sentence(found: Explained, head: str, sentence: str) -> None:
    view = explain_view(found)
    assert (view.head, view.sentence) == (head, sentence)


@pytest.mark.parametrize("rule", list(Rule))
def test_each_rule_has_its_words_on_the_page(rule: str) -> None:
    is_of_kept = rule in ("first_received", "browser_within_5_min", "outside_window", "no_key")
    copies = [copy("server", 0, "kept", rule if is_of_kept else "first_received")]
    if not is_of_kept:
        copies.append(copy("server", 1, "duplicate", rule))
    assert [line for line in explain_view(action(*copies)).why if line.rule == rule and words.RULES[rule] in line.text]


def test_an_action_of_a_thousand_copies_is_drawn_in_part() -> None:
    copies = [copy("server", at, "duplicate" if at else "kept", "event_id") for at in range(500)]
    copies.append(copy("browser", 501, "duplicate", "event_id"))
    view = explain_view(action(*copies))
    assert (len(view.lanes), len(view.columns), len(view.copies)) == (MOST_LANES, 4, 501)
    assert "Browser, merged in" in [column.title for column in view.columns] and view.removed_copies == 499


def test_an_amended_value_is_told() -> None:
    view = explain_view(action(copy("server", 0, "kept", "first_received"), value="5.00", currency="INR", amended=True))
    assert ("Amended", "An AppendValue event changed the value after the copies came.") in [
        (line.label, line.text) for line in view.why
    ]
