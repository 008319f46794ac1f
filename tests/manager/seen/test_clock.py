"""The clock of whoever looks may be wrong by days: what pages say of time is the server's, and goes on as time does."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.manager.seen.conftest import Seen
from tests.manager.test_in_chromium import Screen

pytestmark = pytest.mark.slow

CHART = "[...document.querySelectorAll('[data-chart] a, [data-chart] text')].map(e => e.ariaLabel || e.textContent)"
AGES = "[...document.querySelectorAll('[data-age]')].map(e => [+e.dataset.age, e.textContent])"
ANY_AGE = r"(\d+) (?:s|min) ago"


def seen_at(screen: Screen, path: str, days: float) -> tuple[Any, list[Any], str]:
    """Chart, ages and words of a page in a browser whose clock is that wrong."""
    page = screen.page
    page.clock.install(time=datetime.now(UTC) + timedelta(days=days))
    page.goto(path)
    off = page.evaluate("Date.now()") / 1000 - time.time()
    assert abs(off - days * 86_400) < 60, "the browser's clock is as wrong as it is to be"
    return page.evaluate(CHART), page.evaluate(AGES), page.inner_text("main")


@pytest.mark.parametrize("days", [-400, -3, 3, 400])
@pytest.mark.parametrize("path", ["?since=7d", "/event?name=Purchase&since=7d", "/diagnostics", "/actions"])
def test_a_page_says_the_same_of_time_as_by_a_right_clock(screen: Screen, seen: Seen, path: str, days: float) -> None:
    at = f"/d/{seen.shop.id}{path}"
    chart, ages, words = seen_at(screen, at, 0)
    screen.context.clear_cookies()
    screen.context.add_cookies(seen.cookies)  # type: ignore[arg-type]
    chart_then, ages_then, words_then = seen_at(screen, at, days)
    assert chart_then == chart
    assert len(ages_then) == len(ages) > 0
    for (now_s, _), (then_s, text) in zip(ages, ages_then, strict=True):
        assert 0 <= then_s < 1000 and abs(then_s - now_s) < 120 and re.fullmatch(r"\d+ (s|min)", text)
    today = datetime.now(UTC)
    assert f"{today.day} {today:%b}" in words_then
    years = re.findall(r"\b20\d\d\b", words_then)
    assert set(years) <= set(re.findall(r"\b20\d\d\b", words)) <= {str(today.year)}
    assert len(re.findall(ANY_AGE, words_then)) == len(re.findall(ANY_AGE, words))


def test_ages_grow_as_time_does_while_the_clock_is_set_by_days(screen: Screen, seen: Seen) -> None:
    page = screen.page
    page.clock.install()
    page.goto(f"/d/{seen.shop.id}/diagnostics")
    ages = page.evaluate(AGES)
    assert len(ages) >= 2, "the canary's, and the look's"
    page.clock.pause_at(datetime.now(UTC) + timedelta(seconds=5))
    before = [age for age, _ in page.evaluate(AGES)]
    page.clock.run_for(10_000)
    after = [age for age, _ in page.evaluate(AGES)]
    assert [b - a for a, b in zip(before, after, strict=True)] == [10] * len(ages)
    page.evaluate("Date.now = () => 0")
    page.clock.run_for(10_000)
    assert [age - b for (age, _), b in zip(page.evaluate(AGES), after, strict=True)] == [10] * len(ages)


def test_a_session_lasts_by_seconds_and_not_until_a_moment(screen: Screen, seen: Seen) -> None:
    """A browser whose clock is ahead would throw away at once what expires at a moment."""
    answer = screen.context.request.post(
        "/sign-in",
        form={"email": "nobody@mail.example", "password": "nothing of the kind"},
        headers={"Origin": seen.system.state["url"]},
    )
    said = [one["value"] for one in answer.headers_array if one["name"].lower() == "set-cookie"]
    assert not [text for text in said if "expires" in text.lower()]
