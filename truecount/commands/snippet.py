"""truecount snippet: the lines for a page, and how to point an SDK at this server."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Final

from truecount.cli import CommandFailed, WrongUse
from truecount.collect.script import built_files
from truecount.commands.flags import Parser
from truecount.commands.reach import books
from truecount.lines import IS_BASE, lines_for
from truecount.settings import WrongSetting, read_settings

ABOUT: Final = "The lines that a page and a server need to send their events here. Only the host is ours."

TEXT: Final = """\
<!-- In the page's head, once -->
{pixel}
<!-- For browsers without scripts. Leave it out where a person has to consent first. -->
{noscript}

<!-- The same script pinned to this version, for pages that check what they load -->
<!-- src="{base}/{versioned}" integrity="{integrity}" crossorigin="anonymous" -->

# On the server: the official SDK for Python, pointed at this host (before FacebookAdsApi.init)
from facebook_business.session import FacebookSession
FacebookSession.GRAPH = "{base}"

# Or with curl (TOKEN was shown when the dataset was made)
curl {base}/v26.0/{id}/events -H 'Authorization: Bearer TOKEN' -H 'Content-Type: application/json' \\
  -d '{{"data":[{{"event_name":"Purchase","event_time":'$(date +%s)',"event_id":"order-1001","action_source":"website",\
"event_source_url":"{base}/thanks","user_data":{{"em":"jane@example.com","client_user_agent":"Mozilla/5.0"}},\
"custom_data":{{"value":"899.00","currency":"INR"}}}}]}}'
"""


def run(arguments: Sequence[str]) -> int:
    parser = Parser("snippet", ABOUT)
    parser.add_argument("dataset", metavar="DATASET", help="the dataset's id")
    parser.flag("--url", metavar="URL", help="address that pages reach this server at (default: the server's own)")
    parser.data_flag()
    given = parser.read(arguments)
    if given.url and not IS_BASE(given.url.rstrip("/")):
        raise WrongUse(f"--url {given.url}: wanted http(s)://host[:port]")
    with books(given.data) as found:
        url = given.url or found.url
        ids = [dataset["id"] for dataset in json.loads(found.datasets())]
    if given.dataset not in ids:
        raise CommandFailed(f"there is no dataset {given.dataset}")
    base = (url or url_of_settings()).rstrip("/")
    script = built_files()["truecount"]
    lines = lines_for(base, given.dataset)
    names = {"base": base, "id": given.dataset, "pixel": lines.pixel, "noscript": lines.noscript}
    sys.stdout.write(TEXT.format(**names, versioned=script.versioned, integrity=script.integrity))
    return 0


def url_of_settings() -> str:
    """Where `truecount serve` would listen by today's settings. WrongUse when they do not tell."""
    from truecount.listening import url_at

    try:
        settings = read_settings()
    except WrongSetting as error:
        raise WrongUse(str(error)) from None
    if not settings.port:
        raise WrongUse("port 0 is a free one each time, and no server runs: name the address with --url")
    return url_at(settings, settings.host, settings.port)
