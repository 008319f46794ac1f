"""The manager's way to the store: finds the engine, also after it started again, and keeps clients to it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from truecount.store.client import Store
from truecount.store.errors import StoreDown

KEEP: Final = 4
"""Clients kept for reuse; one runs one query at a time."""


class EngineState(msgspec.Struct):
    """run/engine.json, as the engine writes it."""

    port: int
    pid: int


class EngineLink:
    """Clients to the engine of a data folder, for threads."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "run" / "engine.json"
        self._secret = folder / "run" / "engine.secret"
        self._mutex = threading.Lock()
        self._state: EngineState | None = None
        self._idle: list[Store] = []

    def state(self) -> EngineState:
        """What the engine says of itself. StoreDown while none runs."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=EngineState)
        except (OSError, msgspec.MsgspecError):
            raise StoreDown("the engine is not up yet; it is started again by itself") from None

    @contextmanager
    def store(self) -> Iterator[Store]:
        """A client for the length of one answer. StoreDown while no engine runs.

        A client whose work failed is closed: its connection may hold half an answer.
        """
        state = self.state()
        with self._mutex:
            if state != self._state:
                self._close_idle()
                self._state = state
            store = self._idle.pop() if self._idle else None
        if store is None:
            store = Store(f"http://127.0.0.1:{state.port}", self._secret.read_text())
        try:
            yield store
        except BaseException:
            store.close()
            raise
        with self._mutex:
            if state == self._state and len(self._idle) < KEEP:
                self._idle.append(store)
                return
        store.close()

    def close(self) -> None:
        with self._mutex:
            self._close_idle()

    def _close_idle(self) -> None:
        idle, self._idle = self._idle, []
        for store in idle:
            store.close()
