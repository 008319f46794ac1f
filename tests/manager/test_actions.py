"""Actions: what is behind a number, on a page, as JSON and as a file."""

from __future__ import annotations

import csv
import io
import re
import time
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.manager.house import House
from tests.manager.served import Guest, links_of, sell, wait_copies, words_of
from tests.system import Shop, System, purchase, wait_until
from truecount.manager import boxes, words
from truecount.manager.formats import Formats
from truecount.manager.pages import environment
from truecount.manager.routes import actions as actions_route
from truecount.manager.views.actions import Filters, refused_list
from truecount.measure.listing import DOORS, Listing
from truecount.measure.refused import Refused
from truecount.policy.errors import PROBLEMS
from truecount.vocabulary import Mark, Outcome, Reason, Rule, Source

HARM = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{7*7}}{% raw %}",
    "=1+1",
    "\u202eesrever\u2066",
    "a&b=c#d?e/f%2F..",
]


@pytest.fixture(scope="module")
def shop(served: System) -> Shop:
    """Two sales of both sides, one of them told thrice; one of each side alone; page views; refused items."""
    shop = served.create("Shop")
    sell(served, shop, "both-1")
    sell(served, shop, "both-2", "1500.50")
    served.post_events(shop, [purchase("both-2", "1500.50"), purchase("server-1")])
    served.post_hit(shop, ev="Purchase", eid="browser-1", cd={"value": "10", "currency": "INR"})
    served.post_hit(shop, ev="PageView")
    served.post_events(shop, [{**purchase("old"), "event_time": 1_500_000_000}])
    wait_copies(served, shop, 7)
    wait_until(lambda: served.refused(shop), "the refused item")
    return shop


def test_the_numbers_of_the_page_are_those_of_events(guest: Guest, served: System, shop: Shop) -> None:
    counted = served.events(shop)["Purchase"]
    view = guest.json(f"/d/{shop.id}/actions?event=Purchase")
    found = view["listing"]["data"]
    assert (found["actions"], found["value"]) == (counted["actions"], counted["value"])
    assert found["doors"] == {door: counted[door] for door in ("both", "browser_only", "server_only")}
    assert sum(row["copies"] for row in found["rows"]) == counted["copies"]
    text = words_of(guest.page(f"/d/{shop.id}/actions?event=Purchase"))
    assert text.startswith("Actions 4 purchases in the last 7 days, UTC , worth ₹3,308 .")
    assert "All 4 Both 2 Server only 1 Browser only 1" in text


@pytest.mark.parametrize("door", ["both", "browser_only", "server_only"])
def test_a_door_leaves_its_own(guest: Guest, served: System, shop: Shop, door: str) -> None:
    found = guest.json(f"/d/{shop.id}/actions?event=Purchase&door={door}")["listing"]["data"]
    assert found["actions"] == served.events(shop)["Purchase"][door] == len(found["rows"])
    assert {row["door"] for row in found["rows"]} == {door}
    page = guest.page(f"/d/{shop.id}/actions?event=Purchase&door={door}")
    assert len(re.findall(r"<tr role=\"row\"><th scope=\"row\"", page)) == len(found["rows"])


@pytest.mark.slow
def test_a_rule_leaves_the_actions_that_it_decided(guest: Guest, shop: Shop) -> None:
    rows = guest.json(f"/d/{shop.id}/actions")["listing"]["data"]["rows"]
    for rule in Rule:
        left = guest.json(f"/d/{shop.id}/actions?rule={rule}")["listing"]["data"]["rows"]
        assert left == [row for row in rows if rule in row["rules"]]
        guest.page(f"/d/{shop.id}/actions?rule={rule}")


def test_every_event_is_listed_with_its_name_and_an_action_without_an_id_has_a_link(guest: Guest, shop: Shop) -> None:
    page = guest.page(f"/d/{shop.id}/actions")
    assert "no event id" in words_of(page) and "PageView" in words_of(page)
    links = links_of(page, f"/d/{shop.id}/explain?")
    assert len(links) == 5
    for link in links:
        assert parse_qs(urlsplit(link).query)["at"]
        assert guest.get(link).status_code == 200


def test_filters_are_a_plain_form_that_keeps_the_others(guest: Guest, shop: Shop) -> None:
    page = guest.page(f"/d/{shop.id}/actions?event=Purchase&door=both&since=24h&rule=event_id")
    form = page.partition('aria-label="Filter"')[2].partition("</form>")[0]
    assert 'name="door" value="both"' in form and 'name="since" value="24h"' in form
    assert '<option value="Purchase" selected>' in form and '<option value="event_id" selected>' in form
    links = links_of(page, f"/d/{shop.id}/actions?")
    assert {parse_qs(urlsplit(link).query).get("door", [""])[0] for link in links} >= {"", "server_only"}
    assert guest.get(next(link for link in links if "door=browser_only" in link)).status_code == 200


@pytest.mark.slow
def test_every_link_of_the_filters_answers(guest: Guest, shop: Shop) -> None:
    page = guest.page(f"/d/{shop.id}/actions?event=Purchase&door=both&since=24h&rule=event_id")
    for link in links_of(page, f"/d/{shop.id}/actions?"):
        assert guest.get(link).status_code == 200, link


def test_dates_include_both_ends(guest: Guest, shop: Shop) -> None:
    today = time.strftime("%Y-%m-%d", time.gmtime())
    found = guest.json(f"/d/{shop.id}/actions?event=Purchase&since={today}&until={today}")
    assert found["listing"]["data"]["actions"] == 4 or time.gmtime().tm_hour == 0
    assert "Both days are included" in guest.page(f"/d/{shop.id}/actions?since={today}&until={today}")
    text = words_of(guest.page(f"/d/{shop.id}/actions?since=2024-01-01T10:00:00Z&until=2024-01-01T11:00:00Z"))
    assert "from 1 Jan 2024 10:00:00 to 1 Jan 2024 11:00:00 , UTC" in text
    assert "Asked for: actions from 1 Jan 2024 10:00:00" in text
    assert "from 1 Jan 2024 to 31 Jan 2024" in words_of(
        guest.page(f"/d/{shop.id}/actions?since=2024-01-01&until=2024-01-31")
    )


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("door=front", "door = 'front': wanted one of both, browser_only, server_only"),
        ("rule=magic", "rule = 'magic': wanted one of first_received"),
        ("outcome=lost", "outcome = 'lost': wanted one of refused, withheld, set_aside"),
        ("since=yesterday", "wanted a length as in 24h or 7d, or a date"),
        ("since=0001-01-01T00:00:00Z&until=0001-01-02T00:00:00Z", "wanted a moment as in"),
        ("since=7d&until=2026-11-01", "leave it out beside a length"),
        ("after=x", "names a row at the edge of a page"),
        ("before=1.zz", "names a row at the edge of a page"),
        ("after=1.1&before=1.1", "not both"),
        ("format=xml", "format"),
    ],
)
def test_a_wrong_value_is_told_in_a_sentence(guest: Guest, shop: Shop, query: str, words: str) -> None:
    assert words in words_of(guest.page(f"/d/{shop.id}/actions?{query}", 400))
    assert words in guest.json(f"/d/{shop.id}/actions?{query}", 400)["error"]
    if "format" not in query:
        answer = guest.get(f"/d/{shop.id}/actions?{query}&format=csv")
        assert answer.status_code == 400


@pytest.mark.parametrize("sizes", [[50, 20], pytest.param([50, 50, 20], marks=pytest.mark.slow)], ids=str)
def test_more_than_a_page_is_walked_through_without_a_gap_or_a_row_twice_and_back(
    guest: Guest, served: System, sizes: list[int]
) -> None:
    shop = served.create("Many")
    now = int(time.time())
    for at in range(0, sum(sizes), 50):
        sales = [purchase(f"order-{n}", event_time=now - n // 3) for n in range(at, min(at + 50, sum(sizes)))]
        assert served.post_events(shop, sales).status == 200
    wait_copies(served, shop, sum(sizes))
    path: str | None = f"/d/{shop.id}/actions?event=Purchase"
    ids: list[str] = []
    pages: list[list[str]] = []
    while path:
        page = guest.page(path)
        shown = [parse_qs(urlsplit(link).query)["id"][0] for link in links_of(page, f"/d/{shop.id}/explain?")]
        pages.append(shown)
        ids += shown
        older = re.search(r'rel="next" href="([^"]+)"', page)
        path = older[1].replace("&amp;", "&") if older else None
    assert [len(one) for one in pages] == sizes
    assert sorted(ids) == sorted(f"order-{n}" for n in range(sum(sizes)))
    newer = re.search(r'rel="prev" href="([^"]+)"', page)
    assert newer
    back = guest.page(newer[1].replace("&amp;", "&"))
    assert [parse_qs(urlsplit(link).query)["id"][0] for link in links_of(back, f"/d/{shop.id}/explain?")] == pages[-2]
    rows = list(csv.DictReader(io.StringIO(guest.get(f"/d/{shop.id}/actions?event=Purchase&format=csv").text)))
    assert [row["event_id"] for row in rows] == ids


def test_a_file_holds_a_thousand_actions(guest: Guest, served: System) -> None:
    shop = served.create("Thousand")
    for at in range(0, 1100, 100):
        assert served.post_events(shop, [purchase(f"order-{n}") for n in range(at, at + 100)]).status == 200
    wait_copies(served, shop, 1100)
    rows = list(csv.DictReader(io.StringIO(guest.get(f"/d/{shop.id}/actions?format=csv").text)))
    assert len({row["event_id"] for row in rows}) == len(rows) == 1000
    assert {row["copies"] for row in rows} == {"1"} and all(row["offset"] for row in rows)


def test_the_file_has_exact_decimals_utc_and_no_formula(guest: Guest, served: System) -> None:
    shop = served.create("Formulas")
    for id in HARM:
        assert served.post_events(shop, [purchase(id, "0.10")]).status == 200
        served.post_hit(shop, ev=id, eid=id)
    wait_copies(served, shop, len(HARM))
    answer = guest.get(f"/d/{shop.id}/actions?format=csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == f'attachment; filename="actions-{shop.id}.csv"'
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows[0][:4] == ["event_name", "event_id", "order_id", "offset"] and len(rows) > len(HARM)
    assert not [cell for row in rows[1:] for cell in row if cell[:1] in ("=", "+", "@", "\t")]
    assert not {"\u202e", "\u2066"} & set(answer.text)
    assert {row[1] for row in rows} >= {"\\u202eesrever\\u2066"}, "it still names the action"
    assert {row[rows[0].index("value")] for row in rows[1:] if row[0] == "Purchase"} == {"0.10"}


@pytest.mark.parametrize(
    "harm",
    [" ".join(HARM), "word" * 2500, *(pytest.param(harm, marks=pytest.mark.slow) for harm in HARM)],
    ids=["all together", "10 kB", *map(str, range(len(HARM)))],
)
def test_a_name_that_means_harm_is_text(guest: Guest, shop: Shop, harm: str) -> None:
    page = guest.get(f"/d/{shop.id}/actions?" + urlencode({"event": harm})).text
    assert "<script>alert" not in page and "<img src=x" not in page and "49{%" not in page
    assert "\u202e" not in words_of(page)


def test_names_that_mean_harm_are_text_in_the_rows(guest: Guest, served: System) -> None:
    shop = served.create("Harm")
    for id in [*HARM, "w" * 900]:
        person = {"em": ["jane@mail.example"]}
        assert served.post_events(shop, [purchase(id, user_data=person)]).status == 200
    wait_copies(served, shop, len(HARM) + 1)
    page = guest.page(f"/d/{shop.id}/actions?event=Purchase")
    text = words_of(page)
    assert "<script>alert" not in page and "<img src=x" not in page
    assert "<script>alert(1)</script>" in text and "{{7*7}}" in text and "\\u202eesrever" in text
    assert "w" * 81 not in text
    links = {parse_qs(urlsplit(link).query)["id"][0]: link for link in links_of(page, f"/d/{shop.id}/explain?")}
    assert links.keys() == {*HARM, "w" * 900}  # that such ids are reached by a link: test_explain_page
    assert guest.json(links[HARM[-1]])["event_id"] == HARM[-1]


def test_what_was_refused_is_shown_with_reason_field_and_code(guest: Guest, served: System, shop: Shop) -> None:
    (item,) = guest.json(f"/d/{shop.id}/actions?outcome=refused")["refused"]["data"]["rows"]
    assert (item["event_name"], item["reason"], item["path"], item["code"], item["n"]) == (
        "Purchase", "time_too_old", "event_time", "100/2804003", 1,
    )  # fmt: skip
    text = words_of(guest.page(f"/d/{shop.id}/actions?outcome=refused"))
    assert text.startswith("Actions 1 item was refused in the last 7 days")
    assert "The parameter event_time is older than is accepted: 7 days, 62 days for physical_store" in text
    assert served.events(shop)["Purchase"]["refused"] == 1
    rows = list(csv.DictReader(io.StringIO(guest.get(f"/d/{shop.id}/actions?outcome=refused&format=csv").text)))
    assert [(row["reason"], row["n"]) for row in rows] == [("time_too_old", "1")]
    assert "Nothing was withheld" in guest.page(f"/d/{shop.id}/actions?outcome=withheld")
    assert guest.json(f"/d/{shop.id}/actions?outcome=refused&event=Lead")["refused"]["data"]["items"] == 0


def test_a_dataset_without_events_says_what_to_do_and_filters_that_hide_all_say_which(
    guest: Guest, served: System, shop: Shop
) -> None:
    empty = served.create("Empty")
    page = guest.page(f"/d/{empty.id}/actions")
    assert "No event arrived yet" in page and f"/d/{empty.id}/start" in links_of(page)
    page = guest.page(f"/d/{shop.id}/actions?event=Lead&door=both")
    assert "No action is left by these filters" in page and "event Lead" in words_of(page)
    assert f"/d/{shop.id}/actions" in links_of(page) and "Lift the filters" in page


def test_a_box_that_failed_stands_in_its_page_and_fails_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boxes, "PATIENCE_S", 0.0)
    with House(tmp_path).open() as house:
        owner = house.make_owner()
        house.manager.registry.create("Shop", id="77")
        for path in ("/d/77/actions", "/d/77/actions?outcome=refused"):
            page = owner.get(path)
            assert page.status_code == 200 and "The store does not answer at the moment" in page.text
            assert 'aria-label="Filter"' in page.text
            assert owner.get(path + ("&" if "?" in path else "?") + "format=csv").status_code == 503
        page = owner.get("/d/77/explain?event=Purchase&id=order-1")
        assert page.status_code == 200 and "The store does not answer" in page.text and "not found" not in page.text
        assert owner.get("/d/77/explain?event=Purchase&id=order-1&format=json").status_code == 503


def test_a_file_that_does_not_hold_all_says_so_and_leads_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Listing(actions=1200, value={}, doors=dict.fromkeys(DOORS, 0), rows=[], after="17.2", before=None)

    async def ask(*_: object) -> dict[str, boxes.Box[object]]:
        return {"names": boxes.Box("there", ["Purchase"]), "listing": boxes.Box("there", found)}

    monkeypatch.setattr(actions_route, "ask", ask)
    with House(tmp_path).open() as house:
        owner = house.make_owner()
        house.manager.registry.create("Shop", id="77")
        path = "/d/77/actions?event=Add%20to%20cart&since=7d"
        link = '</d/77/actions?event=Add%20to%20cart&since=7d&after=17.2&format=csv>; rel="next"'
        assert owner.get(f"{path}&format=csv").headers["link"] == link
        assert ">Newest 1,000 as CSV</a>" in owner.get(path).text
        assert ">1,000 at most as CSV</a>" in owner.get(f"{path}&after=17.2").text
        found.actions, found.after = 1000, None
        assert "link" not in owner.get(f"{path}&format=csv").headers
        assert " as CSV</a>" not in owner.get(path).text


def test_sums_stand_by_their_amounts_and_the_sentence_ends_before_what_is_folded() -> None:
    value = {"AED": "-5.00", "ARS": "0.00", "EUR": "12.00", "INR": "100000000898.00", "USD": "-700.00", "XXX": "0.40"}
    sums = environment().globals["p"].sums  # type: ignore[attr-defined]
    shown, _, rest = str(sums(Formats(), value, end=".")).partition("<details")
    assert re.findall("[A-Z]{3}", shown) == ["INR", "USD", "EUR"] and re.findall("[A-Z]{3}", rest) == [
        "AED",
        "XXX",
        "ARS",
    ]
    assert "<summary>3 more currencies.</summary>" in rest and "0.40" in rest
    assert str(sums(Formats(), {"INR": "5.00"}, end=".")).endswith("</b>.")


# Words


def test_each_word_of_the_vocabulary_is_said_to_a_person() -> None:
    assert set(words.RULES) == set(words.RULE_NAMES) == set(Rule)
    assert set(words.MARKS) == {str(mark.name).lower() for mark in Mark}
    assert set(words.SOURCES) == set(Source)
    assert set(words.OUTCOMES) == set(Outcome) - {Outcome.ACCEPTED}
    for text in words.RULES.values():
        assert text[0].isupper() and text.endswith(".") and len(text) < 250
    for reason in Reason:
        assert "{place}" not in words.refusal(reason) and words.refusal(reason)[0].isupper()
        assert bool(words.code_of(reason)) == (reason in PROBLEMS)
    assert set(words.PLACES) <= set(Reason)


def test_what_was_taken_out_and_noted_is_said_in_words() -> None:
    assert words.taken("url:email") == "an e-mail address out of url"
    assert words.taken("custom_data.note:card") == "a card number out of custom_data.note"
    assert words.noted("md5:em") == "em is hashed with MD5, which nothing can be compared with"
    assert words.noted("no_user_agent") == "no user agent"
    assert words.noted("something_new") == "something_new"


def test_refused_items_stand_by_how_many_they_are() -> None:
    def item(name: str, n: int, source: str = "server", reason: str = Reason.TIME_TOO_OLD) -> Refused:
        return Refused(
            event_name=name, source=source, outcome="refused", reason=reason, n=n, first_time="", last_time=""
        )

    found = refused_list(
        [item("a", 1), item("b", 3), item("", 2, "browser", Reason.NO_EVENT_NAME)], Filters(outcome="refused")
    )
    assert [(row.event_name, row.code) for row in found.rows] == [("b", "100/2804003"), ("", ""), ("a", "100/2804003")]
    assert found.items == 6
