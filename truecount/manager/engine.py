"""The manager's way to the store: one client, made anew when the engine started again."""

from __future__ import annotations

import threading
from pathlib import Path

from truecount.store.client import Store
from truecount.store.errors import StoreDown


class EngineLink:
    """The client to the engine of a data folder, for all threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._state_file = folder / "run" / "engine.json"
        self._mutex = threading.Lock()
        self._said = b""
        self._store: Store | None = None

    def store(self) -> Store:
        """A client to the engine that runs now. StoreDown while none does.

        The client of an engine that is gone is left to the threads that still use it, and to the garbage collector.
        """
        try:
            said = self._state_file.read_bytes()
        except OSError:
            raise StoreDown("the engine is not up yet; it is started again by itself") from None
        with self._mutex:
            if self._store is None or said != self._said:
                self._store = Store.of_folder(self._folder)
                self._said = said
            return self._store

    def close(self) -> None:
        with self._mutex:
            store, self._store = self._store, None
        if store:
            store.close()
