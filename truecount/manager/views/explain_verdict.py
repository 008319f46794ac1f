"""What became of the copies of one action, in sentences, and the words that they are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from truecount.manager import words
from truecount.manager.formats import Formats
from truecount.measure.explain import Explained, ExplainedCopy, Unshown
from truecount.resolve.actions import AMENDMENT
from truecount.vocabulary import BROWSER_SIDE, Rule, Verdict

_DURATION: Final = Formats().duration


def verdict_of(found: Explained) -> tuple[str, str]:
    """What became of the copies: a few words, and the sentences behind them."""
    counted = [copy for copy in found.copies if copy.verdict != Verdict.LEFT_OUT]
    left_out = [copy for copy in found.copies if copy.verdict == Verdict.LEFT_OUT]
    sizes = sizes_of(found)
    n_left_out = len(left_out) + sum(one.copies for one in found.unshown if one.verdict == Verdict.LEFT_OUT)
    if not counted:
        return f"{_copies(n_left_out)}, no {words.things(found.event_name, 1)}.", _of_left_out(found, left_out)
    browser = [copy for copy in counted if side_of(copy) == "browser"]
    server = [copy for copy in counted if side_of(copy) == "server"]
    if browser and server:
        text = _of_both(browser, server, sizes)
    elif sizes.total() == 1:
        text = _of_one(counted[0])
    else:
        text = _of_one_side(counted, sizes.total())
    if left_out:
        verb = "copy of it is" if n_left_out == 1 else "copies of it are"
        text += f" {words.counted(n_left_out)} more {verb} left out: {marks_of(left_out)}."
    if found.others:
        text += (
            " One other action has the same id."
            if found.others == 1
            else f" {words.counted(found.others)} other actions have the same id."
        )
    return f"{_copies(sizes.total())}, one {words.things(found.event_name, 1)}.", text


def sizes_of(found: Explained) -> Counter[str]:
    """How many counted copies each side sent, also those that are not listed."""
    sizes = Counter(side_of(copy) for copy in found.copies if copy.verdict != Verdict.LEFT_OUT)
    for one in found.unshown:
        if one.verdict != Verdict.LEFT_OUT:
            sizes[side_of(one)] += one.copies
    return sizes


def _of_left_out(found: Explained, copies: Sequence[ExplainedCopy]) -> str:
    if found.event_name == AMENDMENT:
        return "It changes the value of another event, and is no action of its own."
    it = "It was" if len(copies) == 1 else "They were"
    such = "such a copy" if len(copies) == 1 else "such copies"
    return f"{it} received, and this dataset does not count {such}: {marks_of(copies)}."


def _of_both(browser: Sequence[ExplainedCopy], server: Sequence[ExplainedCopy], sizes: Mapping[str, int]) -> str:
    first, second = sorted((browser, server), key=lambda copies: received(copies[0]))
    gap = gap_of(first[0], second[0])
    text = f"{capital(sender(first[0]))} and {sender(second[0])} both sent it {_how([*browser, *server])}, {gap}"
    again = [_again(copies[0], n) for copies in (first, second) if (n := sizes[side_of(copies[0])]) > 1]
    return text + (f"; {' and '.join(again)}" if again else "") + ". It is counted once."


def _of_one(copy: ExplainedCopy) -> str:
    name = sender(copy)
    if copy.source in (*BROWSER_SIDE, "server"):
        other = "the server" if side_of(copy) == "browser" else "the browser"
        return f"Only {name} sent it: nothing that came from {other} belongs to it."
    return f"It came from {name}, once."


def _of_one_side(copies: Sequence[ExplainedCopy], n: int) -> str:
    last = copies[-1]
    times = "twice" if n == 2 else f"{n:,} times"
    between = gap_of(copies[0], last, apart="")
    when = f"{between} between the first and the last" if n > 2 else gap_of(copies[0], last)
    return f"{capital(sender(copies[0]))} sent it {times} {_how(copies)}, {when}. It is counted once."


def _how(copies: Sequence[ExplainedCopy]) -> str:
    rules = {copy.rule for copy in copies if copy.verdict == Verdict.DUPLICATE}
    if Rule.EXTERNAL_ID in rules:
        return "without an event id in common, for the same external_id"
    if Rule.FBP in rules:
        return "without an event id in common, from the same browser (fbp)"
    if Rule.OFFLINE in rules:
        return "for the same offline sale"
    return "with the same event id"


def _again(copy: ExplainedCopy, n: int) -> str:
    return f"{sender(copy)} sent it again" if n == 2 else f"{sender(copy)} sent it {n - 1:,} more times"


def gap_of(one: ExplainedCopy, other: ExplainedCopy, apart: str = " apart") -> str:
    seconds = abs((received(one) - received(other)).total_seconds())
    return f"{_DURATION(seconds)}{apart}" if seconds >= 0.05 else "at the same moment"


def side_of(copy: ExplainedCopy | Unshown) -> str:
    return "browser" if copy.source in BROWSER_SIDE else "server"


def sender(copy: ExplainedCopy) -> str:
    return words.SOURCES[copy.source]


def _copies(n: int) -> str:
    return f"{words.counted(n)} {'copy' if n == 1 else 'copies'}"


def marks_of(copies: Sequence[ExplainedCopy]) -> str:
    return "; ".join(words.MARKS[mark] for mark in dict.fromkeys(mark for copy in copies for mark in copy.marks))


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def received(copy: ExplainedCopy) -> datetime:
    return datetime.fromisoformat(copy.received_time.replace("Z", "+00:00"))
