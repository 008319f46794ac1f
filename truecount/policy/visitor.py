"""Who is at the other end: browser family and kind of visitor, from the visitor's own user agent.

Families are ua-parser's. Bots are those of the crawler-user-agents list (search engines, previewers, monitors, AI
agents); developers' tools are told apart from them by a list of our own, for the list calls curl a crawler too. The
list runs in ua-parser's compiled matcher, which tries 1,500 patterns in 2 µs.
"""

from __future__ import annotations

import functools
import re
from typing import Final

from truecount.policy.customdata import UNSTORABLE
from truecount.policy.memo import Memo
from truecount.policy.scrub import scrub_text
from truecount.vocabulary import Visitor

MAX_AGENT: Final = 512
"""Characters of a user agent by which it is judged."""
MAX_KEPT: Final = 1024
"""Characters of a user agent that are looked at for contact data, and may be kept."""
_LONGEST_EMAIL: Final = 320

_is_tool: Final = re.compile(
    r"^(?:curl|Wget|HTTPie|PHP(?:-Curl-Class)?|Java|Dart|Ruby|undici|node|axios|got|ky|Deno|Bun)(?:[/ ]|$)"
    r"|^(?:k6|wrk|hey|oha|vegeta|ab)(?:[/ ]|$)"
    r"|HeadlessChrome|Headless|PhantomJS|SlimerJS|Selenium|webdriver|Playwright|Puppeteer|Cypress|TestCafe|Nightwatch|jsdom"
    r"|HtmlUnit|python-requests|python-urllib|Python-httpx|python/\d|aiohttp|urllib3?/|libcurl|httpx|http\.rb"
    r"|okhttp|Apache-HttpClient|Apache-HttpAsyncClient|Jakarta Commons-HttpClient|HttpUrlConnection|AHC/|Jetty|Java/\d"
    r"|Go-http-client|libwww-perl|lwp-|node-fetch|node-superagent|sindresorhus/got|undici|axios/|GuzzleHttp"
    r"|Symfony HttpClient"
    r"|Faraday|rest-client|RestSharp|PostmanRuntime|insomnia|bruno-runtime|Paw/|reqwest|hyper/|ureq|JMeter|Locust"
    r"|ApacheBench|fbbizsdk|TestLocally",
    re.IGNORECASE,
).search

_OWN_CRAWLERS: Final = re.compile(r"\bbot\b|bot/|crawler|spider|facebookexternalhit|prerender", re.IGNORECASE).search
"""What declares itself and is not yet on the list."""


@functools.cache
def _list_matcher():  # type: ignore[no-untyped-def]
    import crawleruseragents
    from ua_parser_rs import UserAgentExtractor

    patterns = [
        pattern
        for pattern in (one["pattern"] for one in crawleruseragents.CRAWLER_USER_AGENTS_DATA)
        if not _is_tool(pattern.lstrip("^").replace("\\", "").replace("[wW]", "W"))
    ]
    return UserAgentExtractor([(pattern, "bot", None, None, None, None) for pattern in patterns])


@functools.cache
def _family_parser():  # type: ignore[no-untyped-def]
    from ua_parser import parse_user_agent

    return parse_user_agent


@functools.cache
def _known_words() -> frozenset[str]:
    """The words that families are made of: those in the rules of both lists."""
    import crawleruseragents
    from ua_parser.loaders import load_builtins

    texts = [one["pattern"] for one in crawleruseragents.CRAWLER_USER_AGENTS_DATA]
    for rule in load_builtins()[0]:
        texts += (getattr(rule, "regex", ""), getattr(rule, "family", ""))
    # [Bb]ot is bot; \\b and \\d are no letters.
    plain = re.sub(r"\\[a-z]", " ", re.sub(r"\[(\w)(\w)\]", r"\2", " ".join(texts)))
    return frozenset(word.lower() for word in _words(plain))


_words: Final = re.compile(r"[A-Za-z]+").findall
_kind_of_bot: Final = re.compile(r"(?:bot|spider|crawler)$").sub
_long_number: Final = re.compile(r"\d{4}").search
OTHER: Final = "Other"


def _known(family: str) -> str:
    """The family, or Other: rules take whatever stands before bot or CFNetwork, which may name a person."""
    if not family:
        return ""
    words = _words(family.lower())
    if not words or not family.isascii() or _long_number(family):
        return OTHER
    known = _known_words()
    return family if all(word in known or _kind_of_bot("", word) in known for word in words) else OTHER


def _judge(agent: str) -> tuple[str, Visitor]:
    agent = agent[:MAX_AGENT].strip()
    if not agent:
        return "", Visitor.UNKNOWN
    agent = agent.encode("utf-8", "replace").decode()
    parsed = _family_parser()(agent)
    family = _known(parsed.family) if parsed is not None else ""
    if _list_matcher().extract(agent) is not None:
        return family, Visitor.BOT
    if _is_tool(agent):
        return family, Visitor.TOOL
    if _OWN_CRAWLERS(agent):
        return family, Visitor.BOT
    return family, Visitor.PERSON


_judged: Final[Memo[tuple[str, Visitor]]] = Memo(_judge, most=8192, longest=MAX_AGENT)


def _keep(agent: str) -> str:
    if len(agent) > MAX_KEPT:
        # The word that the cut goes through may be an address, which nobody would know by its first half.
        start, end = agent[: MAX_KEPT - _LONGEST_EMAIL], agent[MAX_KEPT - _LONGEST_EMAIL : MAX_KEPT]
        agent = start + end.rpartition(" ")[0]
    return scrub_text(UNSTORABLE.sub("", agent))[0][:MAX_KEPT]


_agents: Final[Memo[str]] = Memo(_keep, most=8192, longest=MAX_AGENT)


def agent_of(agent: str) -> str:
    """A user agent as anything of it may be kept: without contact data, and without what no store keeps.

    Of a longer one than MAX_KEPT characters the rest is neither looked at nor kept, nor the word that is cut there.
    """
    return _agents[agent]


def visitor_of(agent: str) -> tuple[str, Visitor]:
    """Browser family and kind of visitor, from the first MAX_AGENT characters; UNKNOWN where there is no user agent.

    The family is "" where no rule finds one, and Other where what it found is no name that the lists know.
    """
    return _judged[agent]


def _judge_clean(agent: str) -> tuple[str, str, str]:
    clean = agent_of(agent)
    family, kind = visitor_of(clean)
    return clean, family, kind.value


JUDGED: Final[Memo[tuple[str, str, str]]] = Memo(_judge_clean, most=8192, longest=MAX_AGENT)
"""User agent as it came -> as it may be kept, browser family, kind of visitor."""


def is_prefetch(purpose: str) -> bool:
    """Whether a Sec-Purpose, Purpose or X-Moz header says that no person looks at the page yet."""
    purpose = purpose.lower()
    return "prefetch" in purpose or "prerender" in purpose or "preview" in purpose


def warm() -> None:
    """Load the tables (0.2 s) before the first hit needs them."""
    visitor_of("Mozilla/5.0")
