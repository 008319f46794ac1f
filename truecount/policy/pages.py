"""Pages' addresses of many events at once, for both doors: without contact data, and what landings among them say."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from truecount.policy.calm import restless
from truecount.policy.memo import Memo
from truecount.policy.scrub import scrub_url, without_click_ids
from truecount.policy.slices import SEPARATOR
from truecount.policy.spelling import has_at
from truecount.policy.urls import NOWHERE, Landing, landing_of, strip_appendix

_scrubbed: Final = Memo(scrub_url, most=4096, longest=256)
_landings: Final = Memo(landing_of, most=4096, longest=256)
_plain_id: Final = re.compile(r"[A-Za-z0-9_-]+").fullmatch
_SIGNS: Final = ("utm_", "clid=", "clkid=", "campaign_id=", "braid=")
"""One of these is in each name that `landing_of` looks for; all but the first end alike."""


def clean_urls(urls: list[str], take: Callable[[int, tuple[str, ...]], None]) -> list[str]:
    """URLs, "" for none, trimmed and without appendix and contact data; `take` is told the row and the kinds taken."""
    urls = list(map(str.strip, urls))
    joined = SEPARATOR.join(urls)
    if ".A" in joined:
        urls = [strip_appendix(url, "url") if ".A" in url else url for url in urls]
    for row in _to_scrub(urls):
        url = urls[row]
        urls[row], kinds = scrub_url(url) if "clid=" in url else _scrubbed[url]  # a click id never comes again
        if kinds:
            take(row, kinds)
    return urls


def _to_scrub(urls: list[str]) -> list[int]:
    """Rows that scrub_url may change. Click ids, each another, are told from what else it looks for in one go."""
    rows = restless(urls)
    if rows:
        joined = SEPARATOR.join([urls[row] for row in rows])
        if "clid=" in joined and not has_at(joined):
            without = without_click_ids(joined).split(SEPARATOR)
            if len(without) == len(rows):
                rows = [rows[at] for at in restless(without)]
    return rows


class Landings(NamedTuple):
    """What the pages of many events say of where the visits came from, "" for nothing."""

    campaigns: list[str]
    sources: list[str]
    click_ids: dict[int, str]
    """Row -> fbclid."""


def landings_of(urls: Sequence[str]) -> Landings | None:
    """Read the landings among URLs, by `urls.landing_of`; None where there is none."""
    joined = SEPARATOR.join(urls)
    signs = [sign for sign in (_SIGNS if "id=" in joined else _SIGNS[:1]) if sign in joined]
    if not signs:
        return None
    found: list[Landing]
    if signs == ["utm_"] and not joined.startswith("utm_") and SEPARATOR + "utm_" not in joined:
        # The part from the first utm_ on repeats from visit to visit. (Without one, the last two letters say nothing.)
        found = [_landings[url[url.find("utm_") - 1 :]] for url in urls]
    else:
        found = [NOWHERE] * len(urls)
        for row in {row for sign in signs for row, url in enumerate(urls) if sign in url}:
            found[row] = _landing(urls[row])
    campaigns, sources, clicks = map(list, zip(*found, strict=True))
    return Landings(
        campaigns, sources, {row: click for row, click in enumerate(clicks) if click} if any(clicks) else {}
    )


def _landing(url: str) -> Landing:
    """`landing_of` by what repeats: the part from the first utm_ on, without a click id behind it, which never does."""
    before, sign, click_id = url.rpartition("fbclid=")
    if not sign:
        before, click_id = url, ""
    start = before.find("utm_")
    if start < 1 or "id=" in before or (sign and not (before[-1] in "#&" and _plain_id(click_id))):
        return landing_of(url)
    if not sign:
        return _landings[before[start - 1 :]]
    known = _landings[before[start - 1 :] + "fbclid=x"]
    return Landing(known.campaign, known.campaign_source, click_id)
