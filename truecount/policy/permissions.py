"""Traffic permissions of a dataset: which origins and domains its events may come from."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import Final

from truecount.datasets import DatasetSettings
from truecount.policy.urls import host_of, origin_of, within
from truecount.vocabulary import Reason

_name: Final = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*").fullmatch
_address: Final = re.compile(r"\[[0-9a-f:.]+\]").fullmatch


def restricts(settings: DatasetSettings) -> bool:
    """Whether a dataset has any traffic permission."""
    return bool(settings.blocked_domains or settings.allowed_domains or settings.allowed_origins)


def refusal_of(pages: Iterable[str], settings: DatasetSettings) -> Reason | None:
    """Why an event may not come from where it comes from; None where it may.

    `pages` are URLs or origins that say where the event happened, the most telling first: the first with a host counts.
    The blocked domains are looked at first. Where none has a host, an allow list refuses and a block list does not.
    """
    if not restricts(settings):
        return None
    page = next((url for url in pages if host_of(url)), "")
    host = host_as_sent(page)
    if settings.blocked_domains and within(host, settings.blocked_domains):
        return Reason.DOMAIN_BLOCKED
    if settings.allowed_domains and not within(host, settings.allowed_domains):
        return Reason.DOMAIN_NOT_ALLOWED
    if settings.allowed_origins and _origin_as_sent(page) not in _origins(settings.allowed_origins):
        return Reason.ORIGIN_NOT_ALLOWED
    return None


@functools.lru_cache(maxsize=1024)
def _origins(allowed: tuple[str, ...]) -> frozenset[str]:
    return frozenset(origin_of(one) for one in allowed) - {""}


def host_as_sent(url: str) -> str:
    """`urls.host_of`, a name outside ASCII as browsers write it (IDNA)."""
    host = host_of(url)
    return host if host.isascii() else _idna(host) or host


def _origin_as_sent(url: str) -> str:
    return origin_of(url) if url.isascii() else origin_entry(url)


def domain_entry(text: str) -> str:
    """A domain of a list as it is compared: of a domain (also with `*.` in front) or a URL the host, as browsers write
    it; "" where there is none.
    """
    text = text.strip()
    if not text.isprintable() or " " in text or "\\" in text:
        return ""
    host = host_of(text) if "://" in text else host_of("https://" + text.removeprefix("*").removeprefix("."))
    return _idna(host)


def origin_entry(text: str) -> str:
    """An origin of a list as it is compared, of an origin or a URL; "" where there is none."""
    from yarl import URL

    try:
        url = URL(text.strip())
        host, port = _idna(host_of(text.strip())), url.explicit_port
    except ValueError:
        return ""
    return origin_of(f"{url.scheme}://{host}" + (f":{port}" if port is not None else "")) if host else ""


@functools.lru_cache(maxsize=1024)
def _idna(host: str) -> str:
    """A host as browsers write it; "" for what is none."""
    if not host.isascii():
        from yarl import URL

        try:
            host = URL(f"https://{host}").raw_host or ""
        except ValueError:
            return ""
    return host if _name(host) or _address(host) else ""
