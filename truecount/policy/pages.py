"""Pages' addresses of many events at once, for both doors: without contact data, and what landings among them say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from truecount.policy.calm import restless
from truecount.policy.memo import Memo
from truecount.policy.scrub import scrub_url
from truecount.policy.slices import SEPARATOR
from truecount.policy.urls import Landing, landing_of, strip_appendix

_scrubbed: Final = Memo(scrub_url, most=4096, longest=256)
_landings: Final = Memo(landing_of, most=4096, longest=256)
_SIGNS: Final = ("utm_", "clid=", "clkid=", "campaign_id=", "braid=")
"""One of these is in each name that `landing_of` looks for."""


def clean_urls(urls: list[str], take: Callable[[int, tuple[str, ...]], None]) -> list[str]:
    """URLs, "" for none, trimmed and without appendix and contact data; `take` is told the row and the kinds taken."""
    urls = list(map(str.strip, urls))
    joined = SEPARATOR.join(urls)
    if ".A" in joined:
        urls = [strip_appendix(url, "url") if ".A" in url else url for url in urls]
    for row in restless(urls):
        url = urls[row]
        urls[row], kinds = scrub_url(url) if "clid=" in url else _scrubbed[url]  # a click id never comes again
        if kinds:
            take(row, kinds)
    return urls


def landings_of(urls: Sequence[str]) -> list[tuple[int, Landing]]:
    """Rows of URLs that say where a visit came from, and what they say."""
    joined = SEPARATOR.join(urls)
    rows = {row for sign in _SIGNS if sign in joined for row, url in enumerate(urls) if sign in url}
    landings = _landings
    found = []
    for row in sorted(rows):
        url = urls[row]
        # The part from the first utm_ on repeats from visit to visit; a click id never does.
        start = url.find("utm_")
        found.append((row, landings[url[start - 1 :]] if start > 0 and "id=" not in url else landing_of(url)))
    return found
