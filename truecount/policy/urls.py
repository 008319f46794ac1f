"""What a page's address tells: the campaign that brought the visit, its source, the click id; and Meta's appendix."""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple
from urllib.parse import unquote_plus

from truecount.policy.slices import SEPARATOR

CLICK_ID_OWNERS: Final = {
    "fbclid": "facebook",
    "gclid": "google",
    "gbraid": "google",
    "wbraid": "google",
    "ttclid": "tiktok",
    "msclkid": "microsoft",
}
"""Click id -> the source it stands for where a URL has no utm_source; the first that is there counts."""

MAX_FBCLID: Final = 500
"""Characters; a longer fbclid is ignored (pixel.md §5)."""

_landing_pairs: Final = re.compile(
    r"[?#&](utm_campaign|utm_id|campaign_id|utm_source|fbclid|gclid|gbraid|wbraid|ttclid|msclkid)=([^&#]*)"
).findall
_host: Final = re.compile(r"https?://(?:[^/?#@\\]*@)?(\[[0-9a-fA-F:.]+\]|[^/?#:@\\\s]+)", re.IGNORECASE).match
_port: Final = re.compile(r":0*([0-9]{1,5})(?=[/?#]|$)").match
_browser_id: Final = re.compile(r"(fb\.\d{1,2}\.\d{1,20}\.[^.]+)\.(?:AQ|Ag|Aw|BA|BQ|Bg|[A-Za-z0-9_-]{8})").fullmatch
_hash_with_appendix: Final = re.compile(r"\s*([0-9a-fA-F]{64})\.(?:[A-Za-z0-9_-]{2}|[A-Za-z0-9_-]{8})\s*").fullmatch
_address_with_appendix: Final = re.compile(
    r"(\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F:]*:[0-9a-fA-F:]*(?:\d{1,3}(?:\.\d{1,3}){3})?)"
    r"\.(?:AQ|Ag|Aw|BA|BQ|Bg|[A-Za-z0-9_-]{8})"
).fullmatch
MAX_ADDRESS: Final = 80
"""Characters, appendix included; a longer text is no address, and no pattern is tried on it."""
_url_appendix: Final = re.compile(r"\.(A[Q][A-Za-z0-9_-]{6})$").search


class Landing(NamedTuple):
    """What `landing_of` reads; "" for none."""

    campaign: str
    campaign_source: str
    fbclid: str
    """Decoded, in its own case."""


NOWHERE: Final = Landing("", "", "")


def landing_of(url: str) -> Landing:
    """Read a landing URL. Campaign: utm_campaign, else utm_id, else campaign_id. Source: utm_source, else the owner of
    the click id. Names are looked for behind ?, # and &, as the pixel does; the first of a name counts."""
    pairs = _landing_pairs(url)
    if not pairs:
        return NOWHERE
    found: dict[str, str] = {}
    for name, value in pairs:
        if value and name not in found:
            plain = "%" not in value and "+" not in value
            found[name] = value.strip() if plain else unquote_plus(value, errors="replace").strip()
    get = found.get
    campaign = get("utm_campaign") or get("utm_id") or get("campaign_id") or ""
    source = get("utm_source") or ""
    if not source:
        for name, owner in CLICK_ID_OWNERS.items():
            if get(name):
                source = owner
                break
    return Landing(campaign, source, get("fbclid", ""))


def host_of(url: str) -> str:
    """The host of an http or https URL or origin, in lower case without port and last dot; "" for none."""
    match = _host(url)
    return match[1].lower().rstrip(".") if match else ""


def origin_of(url: str) -> str:
    """scheme://host[:port] of an http or https URL in lower case, without a default port; "" for none."""
    match = _host(url.strip())
    if match is None:
        return ""
    scheme = "https" if match[0][4] in "sS" else "http"
    port = _port(match.string, match.end())
    usual = {"http": "80", "https": "443"}[scheme]
    host = match[1].lower().rstrip(".")
    return f"{scheme}://{host}" if port is None or port[1] == usual else f"{scheme}://{host}:{port[1]}"


def within(host: str, domains: tuple[str, ...]) -> bool:
    """Whether a host is one of the domains or below one. Domains may be written with `*.` or a dot in front."""
    for domain in domains:
        name = domain.strip().lower().removeprefix("*").lstrip(".").rstrip(".")
        if name and (host == name or host.endswith("." + name)):
            return True
    return False


Kind = Literal["fbp", "fbc", "hash", "address", "url"]


def strip_appendix(value: str, kind: Kind) -> str:
    """Take off the suffix of Meta's parameter builder (`.` and 8 URL-safe base64 characters, or 2 in older builds).

    fbp and fbc have 4 parts, a hash 64 characters, an IPv4 4 numbers: what follows is the appendix. A URL's last 8
    characters are decoded, and go only where they look right (conversions-api.md §7). Anything else is left as it is.
    """
    if kind == "url":
        match = _url_appendix(value)
        if match and _looks_right(match[1]):
            return value[: match.start()]
        return value
    if kind == "hash":
        match = _hash_with_appendix(value)
    elif kind == "address":
        if len(value) > MAX_ADDRESS:
            return value
        match = _address_with_appendix(value)
    else:
        match = _browser_id(value)
    return match[1] if match else value


def _looks_right(appendix: str) -> bool:
    data = binascii.a2b_base64(appendix.replace("-", "+").replace("_", "/"))
    return data[0] == 1 and data[2] <= 3


is_browser_id: Final = re.compile(r"fb\.[0-9]{1,2}\.[0-9]{1,20}\.[^\s.\x00-\x1f\x7f]+").fullmatch
"""Whether a text is a value of _fbp or _fbc without appendix: pixel.md §5 tells to take any other as absent."""
_browser_ids: Final = re.compile(rf"(?:fb\.[0-9]{{1,2}}\.[0-9]{{1,20}}\.[A-Za-z0-9_-]++{SEPARATOR})++").fullmatch


def are_browser_ids(texts: Sequence[str]) -> bool:
    """Whether each text is a browser id of usual letters, in one look at all of them; True for none."""
    joined = SEPARATOR.join(texts) + SEPARATOR
    return not texts or (joined.count(SEPARATOR) == len(texts) and _browser_ids(joined) is not None)


_usable_fbclid: Final = re.compile(rf"[^\s.\x00-\x1f\x7f]{{1,{MAX_FBCLID}}}").fullmatch


def fbc_of(fbclid: str, ms: int) -> str:
    """The click id cookie that the page did not have: fb.1.<ms>.<fbclid>; "" where fbclid can't be read back (a dot,
    a blank, more than 500 characters).

    The subdomain index is 1 for any host: so do servers that store no cookie (conversions-api.md §7).
    """
    return f"fb.1.{ms}.{fbclid}" if _usable_fbclid(fbclid) else ""
