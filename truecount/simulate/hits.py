"""Browser reports over real HTTP: the hit that a pixel would send, as image, form or beacon."""

from __future__ import annotations

import hashlib
import http.client
import secrets
import threading
import time
from typing import Final
from urllib.parse import quote, quote_plus

from truecount.simulate.books import money
from truecount.simulate.brewbeans import CURRENCY, HOST, How, Report

Pairs = list[tuple[str, str]]

REFUSED_HEADER: Final = "X-Truecount-Refused"
ANSWER_S: Final = 30.0
IDLE_S: Final = 1.0
"""A connection idle for longer is not used again: a server may be closing it just then, and a hit sent twice is two."""
UNRESERVED: Final = "!'()*"


class NotSent(Exception):
    """A report got no answer, or another answer than a shop expects; the text says which."""


class TryAgain(Exception):
    """503: nothing was stored, the same report may be sent again."""


def digest(text: str) -> str:
    return hashlib.sha256(text.strip().lower().encode()).hexdigest()


def pairs_of(report: Report, dataset: str, opened_ms: int) -> Pairs:
    """Say a browser report in the pixel's keys, in the order that pixels send them."""
    deed, person = report.deed, report.deed.person
    pairs: Pairs = [
        ("id", dataset),
        ("ev", deed.name),
        ("dl", deed.url),
        ("rl", deed.referrer),
        ("if", "false"),
        ("ts", str(opened_ms + deed.at_ms)),
    ]
    if deed.value is not None:
        pairs += [("cd[value]", money(deed.value)), ("cd[currency]", CURRENCY)]
        pairs += [("cd[content_ids]", f'["{deed.bag}"]'), ("cd[content_type]", "product")]
    if deed.order:
        pairs.append(("cd[order_id]", deed.order))
    pairs += [("sw", "412"), ("sh", "915")]
    if deed.order and person.consent != "denied":
        pairs += [
            ("ud[em]", digest(person.email)),
            ("ud[external_id]", hashlib.sha256(person.customer.encode()).hexdigest()),
        ]
    pairs += [("v", "2.9.170"), ("r", "stable"), ("ec", "0"), ("o", "4126")]
    if person.consent != "denied":
        if person.fbclid:
            pairs.append(("fbc", f"fb.1.{opened_ms}.{person.fbclid}"))
        pairs.append(("fbp", person.fbp))
    pairs += [("it", str(opened_ms)), ("coo", "false")]
    if deed.event_id and report.names_id:
        pairs.append(("eid", deed.event_id))
    if person.consent:
        pairs.append(("consent", person.consent))
    pairs.append(("rqm", {How.IMAGE: "GET", How.FORM: "formPOST", How.BEACON: "SB"}[report.how]))
    return pairs


def query_of(pairs: Pairs) -> str:
    """Encode as `encodeURIComponent` does, brackets of the keys left as they are."""
    return "&".join(f"{key}={quote(value, safe=UNRESERVED)}" for key, value in pairs)


def form_of(pairs: Pairs) -> bytes:
    return "&".join(f"{quote_plus(key)}={quote_plus(value)}" for key, value in pairs).encode()


def multipart_of(pairs: Pairs, boundary: str) -> bytes:
    """Encode as a browser encodes a FormData: one part a key."""
    parts = (f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in pairs)
    return ("".join(parts) + f"--{boundary}--\r\n").encode()


class HitSender:
    """Sends browser reports to one collector; a kept connection for each thread."""

    def __init__(self, host: str, port: int, dataset: str, opened_ms: int) -> None:
        self._host, self._port, self._dataset, self._opened_ms = host, port, dataset, opened_ms
        self._own = threading.local()

    def send(self, report: Report) -> None:
        """Send and wait for the answer. NotSent, TryAgain."""
        pairs = pairs_of(report, self._dataset, self._opened_ms)
        headers = {
            "User-Agent": report.deed.person.agent,
            "Accept": "*/*",
            "Accept-Language": "en-IN,en;q=0.9",
            "Referer": f"{HOST}/",
        }
        if report.how is How.IMAGE:
            status, said = self._request("GET", "/tr/?" + query_of(pairs), None, headers)
        else:
            headers["Origin"] = HOST
            if report.how is How.FORM:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
                body = form_of(pairs)
            else:
                boundary = "----brewbeans" + secrets.token_hex(8)
                headers["Content-Type"] = f"multipart/form-data; boundary={boundary}"
                body = multipart_of(pairs, boundary)
            status, said = self._request("POST", "/tr/", body, headers)
        if status == 503:
            raise TryAgain
        if status != 200 or said:
            raise NotSent(f"the browser door answered {status}{f' and refused: {said}' if said else ''}")

    def _request(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, str]:
        kept: http.client.HTTPConnection | None = getattr(self._own, "connection", None)
        if kept is not None and time.monotonic() - self._own.used > IDLE_S:
            kept.close()
            kept = None
        if kept is None:
            kept = self._own.connection = http.client.HTTPConnection(self._host, self._port, timeout=ANSWER_S)
        try:
            kept.request(method, path, body, headers)
            answer = kept.getresponse()
            answer.read()
            self._own.used = time.monotonic()
            return answer.status, answer.headers.get(REFUSED_HEADER, "")
        except (OSError, http.client.HTTPException) as error:
            kept.close()
            self._own.connection = None
            raise NotSent(f"no answer from the browser door ({type(error).__name__})") from error
