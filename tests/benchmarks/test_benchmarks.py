"""The measuring itself: what must be counted follows from the load, ratios from slices, the found rate from tries."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from benchmarks import load, raw, sustain
from benchmarks.tools import CannotMeasure, Spread, alternate, need, percentile


@pytest.fixture(scope="module")
def sender() -> load.Sender:
    plan = load.Plan(port=1, dataset="1", token="t", rate=100.0, seconds=1.0)
    return load.Sender(plan)


@pytest.mark.parametrize("actions", [0, 1, 2, 9, 10, 11, 12, 57, 1000])
def test_what_must_be_counted_is_what_the_load_sends(sender: load.Sender, actions: int) -> None:
    sides: dict[bytes, Counter[str]] = {}
    views = 0

    def put(request: bytes, hits: int, events: int) -> None:
        nonlocal views
        if hits:
            found = re.search(rb"[?&]eid=(a\d+)[& ]", request)
            views += found is None
            if found:
                sides.setdefault(found[1], Counter())["browser"] += 1
            return
        body = json.loads(request.partition(b"\r\n\r\n")[2])
        assert len(body["data"]) == events <= sender.plan.batch
        for event in body["data"]:
            sides.setdefault(event["event_id"].encode(), Counter())["server"] += 1
            assert event["event_time"] > 1_700_000_000

    sender.put = put  # type: ignore[method-assign]
    sender._act(0, actions)
    both = sum(side == Counter(browser=1, server=1) for side in sides.values())
    right = {
        "copies": views + sum(side.total() for side in sides.values()),
        "actions": views + len(sides),
        "browser_only": views + sum(side == Counter(browser=1) for side in sides.values()),
        "server_only": sum(side == Counter(server=1) for side in sides.values()),
        "both": both,
    }
    assert load.expected(actions) == right
    assert right["actions"] == actions


def test_hit_and_server_event_of_an_action_have_one_name(sender: load.Sender) -> None:
    for (head, _), event in zip(sender.material.hits, sender.material.events, strict=True):
        found = re.search(rb"[?&]ev=(\w+)&", head)
        assert found
        assert json.loads(event)["event_name"] == found[1].decode()


def test_raw_events_hold_nothing_hashed_and_the_sdk_takes_them() -> None:
    for event in raw.batches(1, 50)[0]:
        assert not re.search(r"[0-9a-f]{64}", json.dumps(event))
        said = raw.sdk_event(event).normalize()
        assert len(said["user_data"]["em"][0]) == 64
        assert set(said["user_data"]) == set(event["user_data"])


def test_slices_alternate_and_ratios_are_of_pairs() -> None:
    order: list[str] = []

    def slice_of(name: str, rates: list[float]) -> Any:
        def run() -> float:
            order.append(name)
            return rates.pop(0)

        return run

    ours, theirs, ratio = alternate(slice_of("a", [2.0, 4.0, 9.0]), slice_of("b", [1.0, 4.0, 3.0]), 3)
    assert order == ["b", "a", "a", "b", "b", "a"]
    assert (ours, theirs, ratio) == (Spread(4.0, 2.0, 9.0), Spread(3.0, 1.0, 4.0), Spread(2.0, 1.0, 3.0))
    assert ratio.text() == "2.00 (1.00-3.00)"


def test_percentiles_are_of_what_was_seen() -> None:
    assert [percentile([3.0, 1.0, 2.0], share) for share in (0.0, 0.5, 0.95, 1.0)] == [1.0, 2.0, 3.0, 3.0]


@pytest.mark.parametrize("limit", [500.0, 1000.0, 3700.0, 16000.0])
def test_find_ends_just_below_what_holds(
    limit: float, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tried: list[float] = []

    class Held:
        visible = (0.1,)

        def __init__(self, rate: float) -> None:
            tried.append(rate)
            self.rate = rate

        def holds(self) -> bool:
            return self.rate <= limit

        def why_not(self) -> str:
            return "too much"

    monkeypatch.setattr(sustain, "hold", lambda rate, *_, **__: Held(rate))
    found = sustain.find()
    assert found <= limit
    assert found == 0.0 if limit < 1000 else found >= 0.9 * limit
    assert len(tried) < 15
    assert "too much" in capsys.readouterr().out


def test_a_missing_program_is_told_with_the_package_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(CannotMeasure, match="apt-get install nginx-light"):
        need("nginx", "nginx-light")


def test_the_benchmarks_tell_their_names() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    for name in ("doors", "start", "visible", "disk", "sustain", "find"):
        assert name in done.stdout
