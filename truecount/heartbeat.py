"""How a process tells its supervisor that it is up and alive: bytes through a pipe that it inherited.

A process calls `ready()` once, when it serves, and from then on `beat()` at least every few seconds, from the place
that must not hang (the event loop, or the thread that just ran a query). One that falls silent for
settings.hang_limit_s is killed and started again. Without a supervisor (tests, a command line) both do nothing.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio

VARIABLE: Final = "TRUECOUNT_BEAT_FD"
READY: Final = b"r"
ALIVE: Final = b"."
EVERY_S: Final = 1.0


def ready() -> None:
    """Tell the supervisor that this process serves."""
    _send(READY)


def beat() -> None:
    """Tell the supervisor that this process is alive."""
    _send(ALIVE)


def keep_beating(loop: asyncio.AbstractEventLoop) -> None:
    """Beat from an event loop, every second for as long as it turns."""
    beat()
    loop.call_later(EVERY_S, keep_beating, loop)


def signals_to_end_at() -> list[signal.Signals]:
    """TERM, and INT where it is not ignored: a supervisor's children leave Ctrl-C to it."""
    return [number for number in (signal.SIGTERM, signal.SIGINT) if signal.getsignal(number) is not signal.SIG_IGN]


def _send(byte: bytes) -> None:
    number = os.environ.get(VARIABLE)
    if number:
        try:
            os.write(int(number), byte)
        except OSError:
            pass  # full (the supervisor sleeps) or gone: it will judge by itself, and its death ends this process
