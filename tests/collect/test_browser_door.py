"""The browser door as a table: what is sent, what is answered, what is kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.collect.running import AGENT, OTHER, SHOP, RunningDoor, answers_of, running, wait_until
from truecount.datasets import DatasetSettings
from truecount.log import registry
from truecount.log.entries import Tally
from truecount.log.writer import LogWriter
from truecount.vocabulary import Mark, Outcome, Reason

HIT = f"id={SHOP}&ev=PageView"
FORM = "application/x-www-form-urlencoded"
PARTS = "multipart/form-data; boundary=xyz"


def parts(*pairs: tuple[str, str]) -> str:
    return (
        "".join(f'--xyz\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in pairs)
        + "--xyz--\r\n"
    )


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDoor]:
    with running(tmp_path_factory.mktemp("door")) as door:
        yield door


Row = dict[str, Any]
TABLE: list[tuple[str, str, str, str | None, dict[str, str], str | None, Row | None]] = [
    # name, method, target, body, headers, refused, kept
    ("image", "GET", f"/tr/?{HIT}", None, {}, None, {"event_name": "PageView", "source": "browser"}),
    ("image_without_slash", "GET", f"/tr?{HIT}&noscript=1", None, {}, None, {"event_name": "PageView"}),
    ("proxied_path", "GET", f"/shop/stats/tr/?{HIT}&eid=p1", None, {}, None, {"event_id": "p1"}),
    ("absolute_target", "GET", f"http://count.example/tr/?{HIT}&eid=p2", None, {}, None, {"event_id": "p2"}),
    ("form", "POST", "/tr/", f"{HIT}&eid=f1&cd%5Bvalue%5D=5&cd%5Bcurrency%5D=inr", {"Content-Type": FORM}, None,
     {"event_id": "f1", "value_e4": 50000, "currency": "INR"}),
    ("form_with_plus", "POST", "/tr/", f"{HIT}&eid=a+b", {"Content-Type": FORM}, None, {"event_id": "a b"}),
    ("beacon", "POST", "/tr/", f"{HIT}&eid=t1", {"Content-Type": "text/plain;charset=UTF-8"}, None, {"event_id": "t1"}),
    ("no_type", "POST", "/tr/", f"{HIT}&eid=t2", {}, None, {"event_id": "t2"}),
    ("multipart", "POST", "/tr/", parts(("se", "{}"), ("id", SHOP), ("ev", "Lead"), ("eid", "m1")),
     {"Content-Type": PARTS}, None, {"event_name": "Lead", "event_id": "m1"}),
    ("query_beats_body", "POST", "/tr/?eid=q1", f"{HIT}&eid=b1", {"Content-Type": FORM}, None, {"event_id": "q1"}),
    ("first_of_repeated", "GET", f"/tr/?{HIT}&eid=1st&eid=2nd", None, {}, None, {"event_id": "1st"}),
    ("keys_trimmed", "GET", f"/tr/?{HIT}&%0A%20eid=k1", None, {}, None, {"event_id": "k1"}),
    ("unicode", "GET", f"/tr/?id={SHOP}&ev={quote('Kauf ✓')}", None, {}, None, {"event_name": "Kauf ✓"}),
    ("post_without_body", "POST", f"/tr/?{HIT}&eid=e1", "", {}, None, {"event_id": "e1"}),
    ("no_id", "GET", "/tr/?ev=PageView", None, {}, "unknown_dataset", None),
    ("unknown_id", "GET", "/tr/?id=1&ev=PageView", None, {}, "unknown_dataset", None),
    ("nothing", "GET", "/tr/", None, {}, "unknown_dataset", None),
    ("no_name", "GET", f"/tr/?id={SHOP}", None, {}, "no_event_name", None),
    ("long_name", "GET", f"/tr/?id={SHOP}&ev={'x' * 500}", None, {}, "bad_event_name", None),
    ("broken_multipart", "POST", f"/tr/?{HIT}", "--xyz\r\n", {"Content-Type": PARTS}, "malformed_request", None),
    ("broken_gzip", "POST", f"/tr/?{HIT}", "nonsense", {"Content-Encoding": "gzip"}, "bad_encoding", None),
    ("unknown_packing", "POST", f"/tr/?{HIT}", "x", {"Content-Encoding": "br"}, "unsupported_type", None),
    ("too_many_keys", "GET", f"/tr/?{HIT}&" + "&".join(f"k{i}=1" for i in range(2001)), None, {},
     "malformed_request", None),
    ("large_hit", "POST", f"/tr/?{HIT}", "x=" + "y" * 300_000, {"Content-Type": FORM}, "body_too_large", None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "target", "body", "headers", "refused", "kept"),
    [row[1:] for row in TABLE],
    ids=[row[0] for row in TABLE],
)
def test_a_request_to_the_browser_door(
    door: RunningDoor,
    method: str,
    target: str,
    body: str | None,
    headers: dict[str, str],
    refused: str | None,
    kept: Row | None,
) -> None:
    before = len(door.copies())
    answer = door.ask(method, target, body, headers)
    assert answer.status == 200
    assert answer.refused == refused
    if method == "GET":
        assert answer.headers["content-type"] == "image/gif"
        assert len(answer.body) == 43
    else:
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.body == b""
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert "x-frame-options" not in answer.headers
    new = door.copies()[before:]
    if kept is None:
        assert new == []
    else:
        (copy,) = new
        assert copy.dataset == SHOP
        assert {name: getattr(copy, name) for name in kept} == kept


def test_a_hit_keeps_the_short_address_and_lays_the_full_one_beside(door: RunningDoor) -> None:
    door.hit(eid="address")
    place = next(at for at, copy in enumerate(door.copies()) if copy.event_id == "address")
    assert door.copies()[place].address == "127.0.0.0"
    assert door.private()[place] == ["127.0.0.1", AGENT]


def test_an_answer_names_the_origin_of_the_page(door: RunningDoor) -> None:
    answer = door.hit({"Origin": "https://shop.example"})
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert door.hit().headers["access-control-allow-origin"] == "*"


def test_options_and_head_are_answered_and_keep_nothing(door: RunningDoor) -> None:
    before = len(door.copies())
    preflight = door.ask("OPTIONS", "/tr/", headers={"Origin": "https://shop.example"})
    assert preflight.status == 204
    assert "POST" in preflight.headers["access-control-allow-methods"]
    head = door.ask("HEAD", f"/tr/?{HIT}")
    assert (head.status, head.headers["content-length"], head.body) == (200, "43", b"")
    assert len(door.copies()) == before


def test_other_methods_are_told_which_ones_are_taken(door: RunningDoor) -> None:
    answer = door.ask("DELETE", "/tr/")
    assert answer.status == 405
    assert "POST" in answer.headers["allow"]


def test_a_body_above_the_limit_is_413_although_it_is_still_being_sent(door: RunningDoor) -> None:
    answer = door.ask("POST", "/tr/", "x" * 10_000_001, {"Content-Type": FORM})
    assert answer.status == 413
    assert answer.headers["connection"] == "close"


def test_a_prefetch_is_marked(door: RunningDoor) -> None:
    door.hit({"Sec-Purpose": "prefetch"}, eid="prefetch")
    copy = next(copy for copy in door.copies() if copy.event_id == "prefetch")
    assert copy.marks & Mark.BOT


def test_refused_hits_of_a_known_dataset_are_summed_into_tallies_and_others_only_counted(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("tallies")
    with running(path) as door:
        for _ in range(3):
            door.ask("GET", f"/tr/?id={SHOP}")
        door.ask("GET", "/tr/?id=1&ev=PageView")
        door.hit(ev="Purchase")
    tallies = door.tallies()
    assert sum(tally.n for tally in tallies) == 3
    assert {(t.dataset, t.source, t.outcome, t.reason) for t in tallies} == {
        (SHOP, "browser", "refused", "no_event_name")
    }
    counts = door.counts()
    assert counts["browser", "received"] == 5
    assert counts["browser", "refused", "no_event_name"] == 3
    assert counts["browser", "refused", "unknown_dataset"] == 1
    assert counts["browser", "accepted", ""] == 1


def test_tallies_are_written_each_second_while_the_door_runs(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running(tmp_path_factory.mktemp("second")) as door:
        door.ask("GET", f"/tr/?id={SHOP}")
        (tally,) = wait_until(door.tallies, "the tally")
        assert isinstance(tally, Tally)
        assert tally.n == 1


def test_consent_denied_is_limited_or_withheld_as_the_dataset_says(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running(tmp_path_factory.mktemp("limit")) as door:
        assert door.hit(consent="denied", eid="c").refused is None
    assert door.private() == [None]
    assert door.copies()[0].marks & Mark.LIMITED
    withhold = DatasetSettings(denied_events="withhold")
    with running(tmp_path_factory.mktemp("withhold"), dataset=withhold) as door:
        assert door.hit(consent="denied").refused == "consent_denied"
    assert door.copies() == []
    assert [(t.outcome, t.reason, t.n) for t in door.tallies()] == [(Outcome.WITHHELD, Reason.CONSENT_DENIED, 1)]
    assert door.counts()["browser", "withheld", "consent_denied"] == 1


def test_settings_that_change_hold_for_the_next_hit(tmp_path_factory: pytest.TempPathFactory) -> None:
    from truecount.log.registry import Registry

    with running(tmp_path_factory.mktemp("change")) as door:
        assert door.ask("GET", "/tr/?id=77&ev=PageView").refused == "unknown_dataset"
        with Registry.open(door.folder.path) as registry:
            registry.create("New", id="77")
            assert door.ask("GET", "/tr/?id=77&ev=PageView").refused is None
            registry.delete("77")
            assert door.ask("GET", "/tr/?id=77&ev=PageView").refused == "unknown_dataset"


def test_hits_of_two_datasets_are_kept_apart(door: RunningDoor) -> None:
    door.ask("GET", "/tr/?" + urlencode({"id": OTHER, "ev": "PageView", "eid": "other"}))
    assert [copy.dataset for copy in door.copies() if copy.event_id == "other"] == [OTHER]


@pytest.mark.parametrize(
    ("query", "body", "headers", "reason"),
    [
        ("id={}&ev=Lead", b"no gzip", {"Content-Encoding": "gzip"}, "bad_encoding"),
        ("id={}&ev=Lead", b"x", {"Content-Type": "multipart/form-data; boundary=b"}, "malformed_request"),
        ("id={}&ev=Lead", b"&".join(b"a%d=" % at for at in range(2001)), {}, "malformed_request"),
        ("id=%20{}&ev=Lead", b"x" * (1 << 20), {}, "body_too_large"),
    ],
    ids=["gzip", "multipart", "fields", "padded"],
)
def test_a_refused_hit_of_a_known_dataset_leaves_a_tally_whatever_was_wrong(
    tmp_path: Path, query: str, body: bytes, headers: dict[str, str], reason: str
) -> None:
    with running(tmp_path) as door:
        assert door.ask("POST", "/tr/?" + query.format(SHOP), body, headers).refused == reason
    assert [(tally.dataset, tally.reason, tally.n) for tally in door.tallies()] == [(SHOP, reason, 1)]


def test_of_a_withheld_hit_not_even_its_name_is_kept(tmp_path: Path) -> None:
    with running(tmp_path, dataset=DatasetSettings(denied_events="withhold")) as door:
        door.hit(ev="Purchase", consent="denied")
    assert [(tally.outcome, tally.event_name) for tally in door.tallies()] == [("withheld", "")]


def test_a_hit_of_a_dataset_made_while_the_clock_was_ahead_is_received_no_earlier_than_it_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would count as one from before a deletion, and be blanked."""
    with running(tmp_path) as door:
        assert door.hit(ev="PageView", eid="before").status == 200
        ahead = partial(LogWriter, clock=lambda: time.time_ns() + 3600 * 10**9)
        monkeypatch.setattr(registry, "LogWriter", ahead)
        with registry.Registry.open(door.folder.path) as datasets:
            datasets.delete(SHOP)
            datasets.create("Again", id=SHOP, token="t")
            made_us = datasets.datasets()[SHOP].created_us
        assert door.hit(ev="PageView", eid="after").status == 200
    before, after = door.copies()
    assert (before.event_id, after.event_id) == ("before", "after")
    assert before.received_us < made_us <= after.received_us


@pytest.mark.parametrize("header", ["Sec-Purpose", "Purpose", "X-Moz"])
def test_each_header_by_which_browsers_say_prefetch_is_heard(tmp_path: Any, header: str) -> None:
    with running(tmp_path) as door:
        door.hit({header: "prefetch"}, ev="PageView")
        door.hit(ev="PageView")
        assert [copy.visitor for copy in door.copies()] == ["prefetch", "person"]


def test_where_neither_page_nor_origin_has_a_host_the_referer_decides_of_the_domain(tmp_path: Any) -> None:
    with running(tmp_path, dataset=DatasetSettings(allowed_domains=("shop.example",))) as door:
        assert door.hit({"Referer": "https://other.example/"}, ev="PageView").refused == "domain_not_allowed"
        assert door.hit({"Referer": "https://shop.example/"}, ev="PageView").refused is None
        # What one request of a connection said, the next one has not said.
        whole = b"".join(
            f"GET /tr?id={SHOP}&ev=x HTTP/1.1\r\nHost: x\r\n{more}\r\n".encode()
            for more in ("Referer: https://shop.example/\r\n", "Connection: close\r\n")
        )
        first, second = answers_of(door.raw(whole))
        assert (first.refused, second.refused) == (None, "domain_not_allowed")


def test_a_hit_with_too_many_fields_is_told_under_its_dataset(tmp_path: Any) -> None:
    many = "&".join(f"k{at}=1" for at in range(2001))
    with running(tmp_path) as door:
        assert door.ask("GET", f"/tr?id={SHOP}&ev=PageView&{many}").refused == "malformed_request"
        door.call(door.door.batcher.write_tallies)
        wait_until(lambda: [tally.dataset for tally in door.tallies()] == [SHOP], "the tally")
