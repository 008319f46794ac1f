"""Boxes: the named questions of a page, each asked by itself.

    found = await ask(manager, {"events": lambda store: events(store, dataset), "refused": ...})

A question that takes too long, or that the store refuses, gives a box that says so in a sentence; the others stand.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Generic, Literal, TypeVar

import msgspec

from truecount.manager.answers import in_words
from truecount.manager.rolling import Building, TooMixed
from truecount.manager.shared import Manager
from truecount.store.client import Store
from truecount.store.errors import QueryFailed, QueryTooHeavy, StoreDown, StoreError

LIMIT_S: Final = 10.0
"""How long a box waits, unless its page says otherwise. What is asked goes on in the engine until its own limit."""
THREADS: Final = 8
"""Questions of pages under way at a time. The command line has threads of its own and does not wait behind them."""
PATIENCE_S: Final = 1.0
"""How long a box waits for an engine that is away: the page says it, and can be asked again."""

OUT_OF_MEMORY: Final = 241
MORE_MEMORY: Final = " If it stays so, let the engine use more memory: `truecount serve --engine-memory-mb`."

State = Literal["there", "down", "late", "heavy", "failed"]
Question = Callable[[Store], Any]


D = TypeVar("D")


class Box(msgspec.Struct, Generic[D]):
    """The answer to one question. `data` is there in the state `there` alone, `problem` in all others."""

    state: State
    data: D | None = None
    problem: str | None = None
    """What happened, what it means for the data, what to do."""

    @property
    def is_there(self) -> bool:
        return self.state == "there"


_pool: ThreadPoolExecutor | None = None


def _threads() -> ThreadPoolExecutor:
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(THREADS, "box")
    return _pool


async def ask(manager: Manager, questions: Mapping[str, Question], limit_s: float = LIMIT_S) -> dict[str, Box[Any]]:
    """Ask all questions at a time. Each has `limit_s`, which begins when all of them do."""
    found = await asyncio.gather(*(_box(manager, question, limit_s) for question in questions.values()))
    return dict(zip(questions, found, strict=True))


async def _box(manager: Manager, question: Question, limit_s: float) -> Box[Any]:
    until = time.monotonic() + limit_s

    def work() -> Any:
        if time.monotonic() >= until:
            raise TimeoutError  # nobody waits any more: what stood in the queue is not asked at all
        # Nobody waits longer for the answer: the engine may stop then, too.
        return manager.patiently(lambda store: question(store.having({}, until_s=until)), PATIENCE_S)

    try:
        async with asyncio.timeout(limit_s):
            return Box("there", await asyncio.get_running_loop().run_in_executor(_threads(), work))
    except TimeoutError:
        return Box("late", problem=_late(limit_s))
    except Exception as error:  # a fault in one box is no reason to lose the page
        return box_of(error)


def box_of(error: Exception) -> Box[Any]:
    """The box of a question that ended with an error."""
    if isinstance(error, StoreError):
        return failed(error)
    if isinstance(error, TooMixed):
        return Box(
            "heavy",
            problem="So many of this dataset's events come without an event id that they cannot be counted at this "
            "size. No data is lost. Send the same event_id from both doors, as Start shows; Diagnostics tells which "
            "events lack it.",
        )
    if isinstance(error, Building):
        return Box(
            "late",
            problem="This dataset has so many events that its counts are added up once, beside everything else; after "
            f"that they are kept up to date. {error.share:.0%} of it is done. No data is lost, and the doors go on. "
            "Look again in a minute.",
        )
    return Box(
        "failed", problem=f"This could not be counted ({type(error).__name__}). No data is lost. Please report it."
    )


def failed(error: StoreError) -> Box[Any]:
    """The box of a question that the store did not answer."""
    match error:
        case QueryTooHeavy():
            return Box(
                "heavy",
                problem="This report was too heavy for the engine and was stopped. No data is lost. "
                f"Try a shorter period.{MORE_MEMORY if error.code == OUT_OF_MEMORY else ''} (code {error.code})",
            )
        case StoreDown():
            return Box(
                "down",
                problem="The store does not answer at the moment; it is started again by itself. The doors go on and "
                "no event is lost. Reload in a few seconds; if it stays so, run `truecount doctor` on the server.",
            )
        case QueryFailed():
            return Box("failed", problem=f"This could not be counted: {in_words(error)}. No data is lost.")
        case _:
            return Box("failed", problem=f"This could not be counted: {in_words(error)}.")


def _late(limit_s: float) -> str:
    return (
        f"This report took longer than {limit_s:g} seconds and was stopped. No data is lost. Try a shorter period, or "
        "reload: other questions may be under way."
    )
