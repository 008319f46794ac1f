"""What `explain` says of an action, and of what came near it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.resolve.histories import digest
from tests.resolve.loading import load, rows_of
from tests.resolve.reference import HOUR_US
from truecount.commands.explain import lines_of
from truecount.copies import Copy
from truecount.datasets import Dataset
from truecount.manager.answers import encode
from truecount.manager.views.explain import explain_view
from truecount.measure.explain import explain
from truecount.measure.found import found_by_id
from truecount.measure.nearest import Nearest
from truecount.store.client import Store
from truecount.vocabulary import Mark

from .test_events import sale

DATASET = Dataset(id="d", name="d", created_us=0)


@pytest.fixture
def clean(store: Store) -> Iterator[Store]:
    yield store
    store.command("TRUNCATE TABLE copies")


def told(store: Store, name: str = "Purchase", **given: Any) -> Any:
    return msgspec.json.decode(encode(explain(store, DATASET, name, **given)))


def verdicts(answer: Any) -> list[tuple[str, str, str | None]]:
    return [(copy["source"], copy["verdict"], copy["rule"]) for copy in answer["copies"]]


def two_sides(**fields: Any) -> list[Copy]:
    common = {"value_e4": 8_990_000, "currency": "INR"}
    return [
        sale("d", "server", "a", em=digest("em"), ph=digest("ph"), external_id=digest("42"), fbp="fb.1.1.1", **common),
        sale("d", "browser", "a", 1_900_000, em=digest("em"), fbp="fb.1.1.1", fbc="fb.1.1.x", **common),
    ]


def test_the_json_has_the_fixed_shape(clean: Store) -> None:
    load(clean, rows_of(two_sides()))
    answer = told(clean, event_id="a")
    assert list(answer)[:8] == [
        "event_name",
        "event_id",
        "person",
        "value",
        "currency",
        "copies",
        "credit",
        "deliveries",
    ]
    assert (answer["event_name"], answer["event_id"], answer["value"], answer["currency"]) == (
        "Purchase",
        "a",
        "899.00",
        "INR",
    )
    assert answer["copies"][0] == {
        "source": "server",
        "received_time": "2026-09-21T14:13:20Z",
        "event_time": "2026-09-21T14:13:20Z",
        "verdict": "duplicate",
        "rule": "event_id",
        "match_keys": ["em", "ph", "external_id", "fbp"],
        "event_id": "a",
        "order_id": "",
        "marks": [],
    }
    assert answer["copies"][1]["received_time"] == "2026-09-21T14:13:21.900Z"
    assert answer["copies"][1]["match_keys"] == ["em", "fbp", "fbc"]
    assert verdicts(answer)[1] == ("browser", "kept", "browser_within_5_min")
    assert (answer["others"], answer["nearest"]) == (0, None)


@pytest.mark.parametrize("key", ["event_id", "order"])
def test_an_id_with_an_e_mail_is_found_as_it_was_sent_and_as_it_is_kept(clean: Store, key: str) -> None:
    sent = "order-7 Ada@Example.com"
    kept = "order-7 " + digest("id\nada@example.com").hex()
    load(clean, rows_of([sale("d", "server", kept, order_id=kept, em=digest("em"))]))
    for text in (sent, kept):
        assert told(clean, **{key: text})["event_id"] == kept
    assert told(clean, **{key: "order-7 bea@example.com"}) is None


def test_an_fbp_is_found_with_what_the_parameter_builder_adds(clean: Store) -> None:
    load(clean, rows_of([sale("d", "browser", "a", fbp="fb.1.1.7")]))
    assert told(clean, fbp="fb.1.1.7.AQ")["event_id"] == "a"


def test_hashes_are_shown_when_they_are_asked_for_and_never_else(clean: Store) -> None:
    load(clean, rows_of([sale("d", "server", "a", em=digest("em"), fbp="f", other_keys={"lead_id": "7"})]))
    assert digest("em").hex() not in encode(explain(clean, DATASET, "Purchase", event_id="a")).decode()
    (copy,) = told(clean, event_id="a", hashes=True)["copies"]
    assert copy["hashes"] == {"em": [digest("em").hex()], "fbp": ["f"], "lead_id": ["7"]}
    assert copy["match_keys"] == ["em", "fbp", "lead_id"]


@pytest.mark.parametrize(
    "given",
    [
        {"order": "7"},
        {"fbp": "f"},
        {"external_id": "user-42"},
        {"external_id": digest("user-42").hex()},
        pytest.param({"external_id": digest("user-42").hex().upper()}, marks=pytest.mark.slow),
        {"em": digest("jane").hex()},
        {"em": digest("jane").hex().upper()},
        pytest.param({"offset": "d1:1:0"}, marks=pytest.mark.slow),
        {"offset": "d1:2:0"},
        {"offset": "d1:2:0", "event_id": "s"},
    ],
    ids=[
        "order", "fbp", "external_id", "external_id_hashed", "external_id_hashed_in_capitals", "em", "em_in_capitals",
        "offset_of_the_first_copy", "offset_of_the_second", "offset_beside_an_id",
    ],
)  # fmt: skip
def test_a_copy_without_id_is_found_by_its_other_keys(clean: Store, given: dict[str, str]) -> None:
    external_id = digest("user-42")
    copies = [
        sale("d", "browser", "", order_id="7", fbp="f", external_id=external_id, em=digest("jane")),
        sale("d", "server", "s", 1, order_id="7", fbp="f", external_id=external_id),
        sale("d", "server", "other", 2, order_id="8", fbp="g", em=digest("joan")),
    ]
    load(clean, rows_of(copies))
    answer = told(clean, **given)
    assert verdicts(answer) == [("browser", "kept", "first_received"), ("server", "duplicate", "external_id")]
    assert answer["event_id"] == "s"


@pytest.mark.parametrize(
    "given",
    [
        {"event_id": "zz"},
        {"order": "zz"},
        {"fbp": "zz"},
        {"external_id": "zz"},
        {"em": digest("zz").hex()},
        {"offset": "d1:9:0"},
        {"offset": "d1:9:0", "event_id": "a"},
    ],
)
def test_what_is_not_there_is_none(clean: Store, given: dict[str, str]) -> None:
    load(clean, rows_of([sale("d", "browser", "a")]))
    assert explain(clean, DATASET, "Purchase", **given) is None


def test_an_id_of_another_event_is_none(clean: Store) -> None:
    load(clean, rows_of([sale("d", "browser", "a")]))
    assert explain(clean, DATASET, "Lead", event_id="a") is None


def test_an_action_is_named_in_one_way(store: Store) -> None:
    with pytest.raises(ValueError, match="one of"):
        explain(store, DATASET, "Purchase")
    for given in ({"event_id": "a", "fbp": "f"}, {"offset": "d1:1:0", "fbp": "f"}):
        with pytest.raises(ValueError, match="one of"):
            explain(store, DATASET, "Purchase", **given)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="SHA-256"):
        explain(store, DATASET, "Purchase", em="jane@mail.example")
    for offset in ("x", "d1:1", "d1:1:-1", "d1:99999999999999999999:0", ":1:1", "d1:1:0 "):
        with pytest.raises(ValueError, match="door:entry:position"):
            explain(store, DATASET, "Purchase", offset=offset)


def test_an_offset_chooses_among_the_actions_of_an_id(clean: Store) -> None:
    load(clean, rows_of([sale("d", "server", "a", at * 50 * HOUR_US) for at in range(3)]))
    for seq, day in ((1, "2026-09-21"), (2, "2026-09-23"), (3, "2026-09-25")):
        answer = told(clean, event_id="a", offset=f"d1:{seq}:0")
        assert [copy["received_time"][:10] for copy in answer["copies"]] == [day]
        assert answer["others"] == 2
        assert told(clean, offset=f"d1:{seq}:0")["copies"] == answer["copies"]


def test_the_details_of_a_copy_are_shown_when_they_are_asked_for_and_never_else(clean: Store) -> None:
    fields = {"url": "https://shop.example/?to=removed-email", "custom_data": '{"size": "L"}', "consent": "granted"}
    copy = sale(
        "d", "server", "a", em=digest("em"), removed=("url:email",), notes=("bad:value",), value_e4=10_000, **fields
    )
    load(clean, rows_of([copy]))
    assert "details" not in told(clean, event_id="a")["copies"][0]
    details = told(clean, event_id="a", details=True)["copies"][0]["details"]
    assert details.items() >= {**fields, "removed": ["url:email"], "notes": ["bad:value"]}.items()
    assert (details["offset"], details["value"], details["currency"]) == ("d1:1:0", "1.00", None)
    hex = digest("em").hex()
    assert details["key_marks"] == {"em": [f"{hex[:4]}…{hex[-4:]}"]} and hex not in str(details)


def test_of_an_id_that_came_again_the_newest_is_shown_and_the_others_are_counted(clean: Store) -> None:
    load(clean, rows_of([sale("d", "server", "a", at * 50 * HOUR_US) for at in range(3)]))
    answer = told(clean, event_id="a")
    assert verdicts(answer) == [("server", "kept", "outside_window")]
    assert (answer["copies"][0]["received_time"][:13], answer["others"]) == ("2026-09-25T18", 2)


def test_a_left_out_copy_of_the_id_is_shown_as_left_out(clean: Store) -> None:
    load(clean, rows_of([sale("d", "browser", "a"), sale("d", "browser", "a", 1, marks=int(Mark.BOT))]))
    answer = told(clean, event_id="a")
    assert verdicts(answer) == [("browser", "kept", "first_received"), ("browser", "left_out", None)]
    assert answer["copies"][1]["marks"] == ["bot"]


def test_copies_that_are_all_left_out_are_shown(clean: Store) -> None:
    load(clean, rows_of([sale("d", "browser", "a", marks=int(Mark.BOT), value_e4=10_000, currency="INR")]))
    answer = told(clean, event_id="a")
    assert verdicts(answer) == [("browser", "left_out", None)]
    assert answer["event_id"] == "a"


def test_offline_copies_tell_their_rule(clean: Store) -> None:
    copies = [sale("d", "offline", "", at, event_time_ms=0, order_id="7") for at in (0, 1)]
    load(clean, rows_of(copies))
    assert verdicts(told(clean, order="7")) == [
        ("offline", "kept", "first_received"),
        ("offline", "duplicate", "offline"),
    ]


NEAREST: dict[str, tuple[list[Copy], dict[str, str], list[str], list[str]]] = {
    "the ids differ": (
        [sale("d", "browser", "x", order_id="7"), sale("d", "server", "a", 1, order_id="7")],
        {"event_id": "a"},
        ["order_id"],
        ["event_id"],
    ),
    "the ids differ by a space alone": (
        [sale("d", "browser", "a "), sale("d", "server", "a", 1)],
        {"event_id": "a"},
        ["event_id"],
        ["event_id"],
    ),
    "the names differ": (
        [sale("d", "browser", "a", event_name="purchase"), sale("d", "server", "a", 1)],
        {"event_id": "a"},
        ["event_id"],
        ["event_name"],
    ),
    "the window is over": (
        [sale("d", "browser", "a"), sale("d", "server", "a", 49 * HOUR_US)],
        {"event_id": "a"},
        ["event_id"],
        ["time"],
    ),
    "the server was first": (
        [sale("d", "server", "", fbp="f"), sale("d", "browser", "", 1, fbp="f")],
        {"fbp": "f"},
        ["fbp"],
        ["order"],
    ),
    "external_id differs": (
        [
            sale("d", "browser", "", fbp="f", external_id=digest("x")),
            sale("d", "server", "a", 1, fbp="f", external_id=digest("y")),
        ],
        {"event_id": "a"},
        ["fbp"],
        ["external_id"],
    ),
    "only an order id is in common": (
        [sale("d", "browser", "", order_id="7"), sale("d", "server", "a", 1, order_id="7")],
        {"event_id": "a"},
        ["order_id"],
        ["fbp"],
    ),
    "both are of one side": (
        [sale("d", "browser", "", fbp="f"), sale("d", "browser", "", 1, fbp="f")],
        {"fbp": "f"},
        ["fbp"],
        ["source"],
    ),
    "it is left out": (
        [sale("d", "browser", "a", marks=int(Mark.BOT), event_name="purchase"), sale("d", "server", "a", 1)],
        {"event_id": "a"},
        ["event_id"],
        ["event_name", "marks"],
    ),
    "ids differ by blanks": (
        [sale("d", "browser", "\tORD-77"), sale("d", "server", "ORD-77 ", 1)],
        {"event_id": "ORD-77 "},
        ["event_id"],
        ["event_id"],
    ),
    "another took it": (
        [sale("d", "browser", "", fbp="f"), sale("d", "server", "b", 1, fbp="f"), sale("d", "server", "a", 2, fbp="f")],
        {"event_id": "a"},
        ["fbp"],
        ["taken"],
    ),
    "offline is apart": (
        [sale("d", "offline", "a", order_id="7"), sale("d", "server", "a", 1, order_id="7")],
        {"event_id": "a"},
        ["event_id", "order_id"],
        ["source"],
    ),
}


@pytest.mark.parametrize("case", NEAREST)
def test_the_nearest_candidate_and_what_differs(clean: Store, case: str) -> None:
    copies, given, shares, differs = NEAREST[case]
    load(clean, [*rows_of(copies[:1], "other"), *rows_of(copies[1:])])
    nearest = explain(clean, DATASET, "Purchase", **given)
    assert nearest is not None and isinstance(nearest.nearest, Nearest)
    assert (nearest.nearest.shares, nearest.nearest.differs) == (shares, differs)
    assert nearest.nearest.why


def test_an_id_that_came_again_after_the_window_is_kept_apart_by_the_first_copy_of_the_older_action(
    clean: Store,
) -> None:
    copies = [("server", 0), ("browser", 47 * HOUR_US), ("server", 48 * HOUR_US + 1_500_000)]
    load(clean, rows_of([sale("d", source, "a", at) for source, at in copies]))
    nearest = explain(clean, DATASET, "Purchase", event_id="a")
    assert nearest is not None and isinstance(nearest.nearest, Nearest)
    assert (nearest.nearest.source, nearest.nearest.differs) == ("browser", ["time"])
    assert nearest.nearest.why == (
        "the first copy of its action and the first of this one were received 48 hours and 1.5 seconds apart, "
        "more than 48"
    )


def test_nothing_in_common_is_no_candidate(clean: Store) -> None:
    load(clean, rows_of([sale("d", "browser", "b", fbp="f"), sale("d", "server", "a", 1, fbp="g")]))
    assert told(clean, event_id="a")["nearest"] is None


def test_an_id_is_found_in_every_event_that_holds_it_and_in_no_other_dataset(clean: Store) -> None:
    copies = [
        sale("d", "server", "a", order_id="a"),
        sale("d", "browser", "b", 1_000_000, order_id="a", fbp="fb.1.1.1"),
        sale("other", "server", "a", 2_000_000, event_name="Lead"),
    ]
    load(clean, rows_of(copies))
    assert [(one.event_name, one.by) for one in found_by_id(clean, DATASET, "a")] == [
        ("Purchase", "id"),
        ("Purchase", "order"),
    ]
    assert [one.by for one in found_by_id(clean, DATASET, "fb.1.1.1")] == ["fbp"]
    assert found_by_id(clean, DATASET, "A") == found_by_id(clean, DATASET, "") == []


def test_what_came_nearest_without_an_id_is_named_by_its_place(clean: Store) -> None:
    copies = [
        sale("d", "server", "a", fbp="fb.1.1.1"),
        sale("d", "browser", "", 49 * 3_600_000_000, fbp="fb.1.1.1"),
    ]
    load(clean, rows_of(copies))
    nearest = explain(clean, DATASET, "Purchase", event_id="a")
    assert nearest is not None and isinstance(nearest.nearest, Nearest)
    there = explain(clean, DATASET, "Purchase", offset=nearest.nearest.offset)
    assert there is not None and [copy.source for copy in there.copies] == ["browser"]


@pytest.mark.parametrize("is_whole", [True, False])
def test_an_action_of_very_many_copies_is_told_by_all_of_them(
    clean: Store, is_whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kept one may come late: the limit is for what is listed alone."""
    monkeypatch.setattr("truecount.measure.explain.MOST", 20)
    monkeypatch.setattr("truecount.resolve.actions.WHOLE", 100_000 if is_whole else 0)
    many = [sale("d", "server", "a", at * 1000, value_e4=10_000, currency="INR") for at in range(60)]
    bots = [sale("d", "server", "a", 200_000 + at, marks=int(Mark.BOT)) for at in range(30)]
    load(clean, rows_of([*many, *bots, sale("d", "browser", "a", 300_000, value_e4=8_990_000, currency="EUR")]))
    found = explain(clean, DATASET, "Purchase", event_id="a", details=True)
    assert found is not None
    assert (found.value, found.currency, found.nearest) == ("899.00", "EUR", None)
    assert len(found.copies) == 20
    assert [(copy.source, copy.verdict) for copy in found.copies if copy.verdict == "kept"] == [("browser", "kept")]
    listed = Counter((copy.source, copy.verdict) for copy in found.copies)
    for one in found.unshown:
        listed[one.source, one.verdict] += one.copies
    assert listed == {("server", "duplicate"): 60, ("server", "left_out"): 30, ("browser", "kept"): 1}
    page = explain_view(found)
    assert (page.door, page.head, page.removed_copies, page.unlisted) == ("both", "61 copies, one sale.", 59, 71)
    assert "59 more times" in page.sentence and "30 more copies of it are left out" in page.sentence
    assert {lane.side for lane in page.lanes} == {"browser", "server"}
    action = msgspec.json.decode(encode(found))
    assert "listed: 20 of 91 copies, the first and the last of each source" in [*lines_of(action)]
