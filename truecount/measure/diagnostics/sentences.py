"""Sentences of findings: the words of a check with its numbers filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from truecount.unseen import visible

from .registry import Check

FEW: Final = 20
"""A share of fewer things than this is told as "3 of 7"."""


def facts_of(
    dataset: str, check: Check, subject: Sequence[str], affected: int, looked_at: int, extras: Sequence[int]
) -> dict[str, str]:
    """What the placeholders stand for.

    `dataset` is its id, `some` is "3 of 7" or "43 % of"; `affected`, `looked_at` and `good` are numbers, `quiet` a span
    of time. Of `extra`, what ends with _minutes is a span, all else a number. Names are written so that what differs
    looks different.
    """
    words = check.words
    numbers = dict(zip(words.extra, extras, strict=False))
    return {
        **dict(zip(words.subject, map(visible, subject), strict=True)),
        **{name: span(n) if name.endswith("_minutes") else f"{n:,}" for name, n in numbers.items()},
        "dataset": dataset,
        "some": some(affected, looked_at),
        "affected": f"{affected:,}",
        "looked_at": f"{looked_at:,}",
        "quiet": span(words.quiet_hours * 60),
        "good": f"{words.good:,}",
    }


def sentence(text: str, facts: Mapping[str, str]) -> str:
    """A text with its placeholders filled in; what a sender wrote is put in as it is, braces and all."""
    return text.format_map(facts)


def some(affected: int, looked_at: int) -> str:
    """A share as the words before a noun. It never rounds to none or to all."""
    if looked_at < FEW or affected > looked_at:
        return f"{affected:,} of {looked_at:,}"
    if affected == looked_at:
        return f"All {looked_at:,}"
    percent = min(round(100 * affected / looked_at), 99)
    return f"{percent} % of" if percent else "Under 1 % of"


def span(minutes: int) -> str:
    """A span in its largest fitting unit: "40 minutes", "9 hours", "3 days"."""
    for unit, size in (("day", 1440), ("hour", 60)):
        if minutes >= 2 * size or minutes == size:
            n = minutes // size
            return f"{n} {unit}" + ("s" if n != 1 else "")
    return f"{minutes} minute" + ("s" if minutes != 1 else "")
