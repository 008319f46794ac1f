"""Traffic permissions of a dataset: which origins and domains its events may come from."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from truecount.datasets import DatasetSettings
from truecount.policy.urls import host_of, origin_of, within
from truecount.vocabulary import Reason


def refusal_of(pages: Iterable[str], settings: DatasetSettings) -> Reason | None:
    """Why an event may not come from where it comes from; None where it may.

    `pages` are URLs or origins that say where the event happened, the most telling first: the first with a host counts.
    The blocked domains are looked at first. Where none has a host, an allow list refuses and a block list does not.
    """
    if not (settings.blocked_domains or settings.allowed_domains or settings.allowed_origins):
        return None
    page = next((url for url in pages if host_of(url)), "")
    host = host_of(page)
    if settings.blocked_domains and within(host, settings.blocked_domains):
        return Reason.DOMAIN_BLOCKED
    if settings.allowed_domains and not within(host, settings.allowed_domains):
        return Reason.DOMAIN_NOT_ALLOWED
    if settings.allowed_origins and origin_of(page) not in _origins(settings.allowed_origins):
        return Reason.ORIGIN_NOT_ALLOWED
    return None


@functools.lru_cache(maxsize=1024)
def _origins(allowed: tuple[str, ...]) -> frozenset[str]:
    return frozenset(origin_of(one) for one in allowed) - {""}
