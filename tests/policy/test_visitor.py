"""Browser family and kind of visitor."""

from __future__ import annotations

import crawleruseragents
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truecount.policy import visitor
from truecount.policy.scrub import scrub_text
from truecount.policy.visitor import agent_of, is_prefetch, visitor_of
from truecount.vocabulary import Visitor

MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) "
AGENTS = [
    (MAC + "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36", "Chrome", "person"),
    (MAC + "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15", "Safari", "person"),
    ("Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0", "Firefox", "person"),
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/21F90 "
        "[FBAN/FBIOS;FBAV/470.0.0.40.109;FBBV/612344570;FBDV/iPhone14,5]",
        "Facebook",
        "person",
    ),
    ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot", "bot"),
    ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", None, "bot"),
    (
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
        None,
        "bot",
    ),
    ("Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)", None, "bot"),
    ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", None, "bot"),
    ("WhatsApp/2.23.20.0", None, "bot"),
    ("SomethingNew-crawler/0.1", None, "bot"),
    ("curl/8.5.0", "curl", "tool"),
    ("python-requests/2.32.3", None, "tool"),
    ("python-httpx/0.27.0", None, "tool"),
    ("Python/3.11 aiohttp/3.9.1", None, "tool"),
    ("Wget/1.21.4", None, "tool"),
    ("PostmanRuntime/7.36.0", None, "tool"),
    ("Go-http-client/2.0", None, "tool"),
    ("node-fetch/1.0 (+https://github.com/bitinn/node-fetch)", None, "tool"),
    ("node", None, "tool"),
    ("okhttp/4.12.0", None, "tool"),
    ("GuzzleHttp/7", None, "tool"),
    ("Apache-HttpClient/4.5.14 (Java/17.0.9)", None, "tool"),
    ("fbbizsdk-python-v26.0.3", None, "tool"),
    (MAC + "AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/141.0.0.0 Safari/537.36", "HeadlessChrome", "tool"),
    (MAC + "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36 Cypress/13.6.0", None, "tool"),
    (
        "Mozilla/5.0 (Unknown; Linux x86_64) AppleWebKit/538.1 (KHTML, like Gecko) PhantomJS/2.1.1 Safari/538.1",
        None,
        "tool",
    ),
    ("", "", "unknown"),
    ("   ", "", "unknown"),
]


@pytest.mark.parametrize(("agent", "family", "kind"), AGENTS, ids=range(len(AGENTS)))
def test_a_user_agent_tells_family_and_kind(agent: str, family: str | None, kind: str) -> None:
    got = visitor_of(agent)
    assert got[1] == kind
    if family is not None:
        assert got[0] == family


@pytest.mark.parametrize(
    "agent",
    [
        "JohnDoe 6505558888 FamilyBot/1.0",
        "John Doe FamilyBot/1.0",
        "Jane Smithson/3.2 CFNetwork/1410.0.3 Darwin/22.6.0",
        "jane%40example.com/3 CFNetwork/1410.0.3 Darwin/22.6.0",
        "Jürgen-bot/2.0",
        "90210555 Spider/2.0",
    ],
)
def test_a_family_that_no_list_names_is_other(agent: str) -> None:
    assert visitor_of(agent)[0] == "Other"


def test_a_user_agent_is_kept_without_contact_data() -> None:
    assert agent_of("ua.john@example.com +1 650-555-7777") == "removed-email removed-phone"
    assert agent_of("a\0b\ud800") == "ab"
    for agent, _, _ in AGENTS:
        assert agent_of(agent) == agent
    for one in crawleruseragents.CRAWLER_USER_AGENTS_DATA:
        for agent in one.get("instances", [])[:2]:
            assert "@" in agent or "%" in agent or "+" in agent or agent_of(agent) == agent


@pytest.mark.parametrize("text", ["1" * 200_000, "1 " * 100_000, "x" * 200_000, "4111 " * 40_000, "a@b.de " * 30_000])
def test_no_more_of_a_user_agent_is_looked_at_or_kept_than_a_thousand_characters(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[int] = []

    def counted(agent: str) -> tuple[str, tuple[str, ...]]:
        looked_at.append(len(agent))
        return scrub_text(agent)

    monkeypatch.setattr(visitor, "scrub_text", counted)
    kept = agent_of(text)
    assert 0 < len(kept) <= visitor.MAX_KEPT and max(looked_at) <= visitor.MAX_KEPT
    assert agent_of(kept) == kept


def test_a_user_agent_is_cut_before_the_word_that_is_too_long_for_it() -> None:
    words = "Mozilla/5.0 " + "x" * (visitor.MAX_KEPT - 20)
    assert agent_of(f"{words} abcdefg") == f"{words} abcdefg"
    assert agent_of(f"{words} jane.doe@example.com") == words
    assert "jane" not in agent_of("x" * (visitor.MAX_KEPT - 20) + "/jane.doe@example.com")


def test_every_example_of_the_crawler_list_is_a_bot_or_a_tool() -> None:
    for one in crawleruseragents.CRAWLER_USER_AGENTS_DATA:
        for agent in one.get("instances", [])[:2]:
            if len(agent) <= visitor.MAX_AGENT:
                assert visitor_of(agent)[1] in (Visitor.BOT, Visitor.TOOL), agent


@pytest.mark.parametrize(
    "purpose", ["prefetch", "prefetch;prerender", "Prefetch", "preview", "prefetch;anonymous-client-ip"]
)
def test_a_purpose_header_marks_a_prefetch(purpose: str) -> None:
    assert is_prefetch(purpose)
    assert not is_prefetch("")
    assert not is_prefetch("navigate")


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text())
def test_any_text_is_judged(agent: str) -> None:
    family, kind = visitor_of(agent)
    family.encode()
    assert kind in Visitor


def test_the_memo_stays_bounded() -> None:
    memo = visitor._judged
    for n in range(memo.most + 10):
        memo[f"Mozilla/5.0 {n}"]
    assert len(memo) <= memo.most
    visitor_of("x" * (memo.longest + 1))
    assert "x" * (memo.longest + 1) not in memo
