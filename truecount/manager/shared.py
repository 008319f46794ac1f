"""What the manager's routes share: the data folder, its datasets, the way to the store, the users."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException
from litestar.params import FromQuery

from truecount.datasets import Dataset, DatasetSettings
from truecount.log.errors import LogError
from truecount.log.folder import DataFolder
from truecount.log.registry import Registry
from truecount.manager.answers import changed_settings
from truecount.manager.canary import Canaries, Way
from truecount.manager.engine import EngineLink
from truecount.manager.kept import Kept
from truecount.manager.looks import Looks
from truecount.manager.once import Once
from truecount.manager.rolling import Rolling
from truecount.manager.users.together import Users
from truecount.settings import Settings
from truecount.store.client import Store
from truecount.store.errors import StoreDown, StoreError

if TYPE_CHECKING:
    from truecount.commands.intake import Intake

PATIENCE_S: Final = 3.0
"""How long a question waits for an engine that is away: about twice as long as one takes to start."""
ROLL_EVERY_S: Final = 60.0
HASHES_AT_ONCE: Final = 2
"""Passwords that are hashed at a time: each takes 64 MB, and a core for some hundredths of a second."""
MOST_HASHES: Final = 64
"""With those that wait for it."""
T = TypeVar("T")
Asked = Request[Any, Any, Any]
Connection = ASGIConnection[Any, Any, Any, Any]
Format = FromQuery[Literal["html", "json"] | None]
TableFormat = FromQuery[Literal["html", "json", "csv"] | None]
"""The parameter `format` of a page: `json` asks for its twin."""


class Manager:
    """What the routes share. Blocking work goes through `away`."""

    def __init__(self, folder: DataFolder, settings: Settings, users: Users | None = None) -> None:
        self.folder = folder
        self.settings = settings
        self.secret = folder.secret("manager")
        self.registry = Registry.open(folder.path)
        self.link = EngineLink(folder.path)
        self.users = users or Users(folder.path)
        self.once = Once()
        self.looks = Looks()
        self.kept = Kept()
        self.canary = Canaries(Way(folder.path, self.link, folder.secret("canary")), settings.canary_s)
        self.rolling = Rolling(self.link, lambda: list(self.registry.datasets().values()), settings.rolled_from)
        self.writing = asyncio.Lock()
        self.importing = asyncio.Lock()
        self._intake: Intake | None = None
        self._hashers = ThreadPoolExecutor(HASHES_AT_ONCE, "password")
        self._hashing = 0

    async def away(self, work: Callable[[], T]) -> T:
        """Run blocking work in a thread. It is given up (504) when it takes longer than a query may."""
        limit_s = (self.settings.query_limit_s or 86_400) + 5
        try:
            async with asyncio.timeout(limit_s):
                return await asyncio.to_thread(work)
        except TimeoutError:
            raise HTTPException(status_code=504, detail=f"no answer within {limit_s} s") from None

    async def hashed(self, work: Callable[[], T]) -> T:
        """Work on a password, in one of few threads of its own: guesses by the thousand cost nobody else anything.

        503 when too many are waiting already.
        """
        if self._hashing >= MOST_HASHES:
            raise HTTPException(status_code=503, detail="too many people sign in at this moment: try again in a minute")
        self._hashing += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._hashers, work)
        finally:
            self._hashing -= 1

    async def asked(self, ask: Callable[[Store], T]) -> T:
        """Ask the store in a thread. An engine that is being started again is waited for, PATIENCE_S at most."""
        return await self.away(lambda: self.patiently(ask))

    def patiently(self, ask: Callable[[Store], T], patience_s: float = PATIENCE_S) -> T:
        """Ask the store, from a thread. StoreError when it cannot answer."""
        until: float | None = None
        while True:
            try:
                # The whole question: an engine started again has another port, and none of the scratch tables.
                return ask(self.link.store())
            except StoreDown:
                now = time.monotonic()
                until = until or now + patience_s
                if now >= until:
                    raise
            time.sleep(0.1)

    async def create_dataset(self, name: str, id: str | None, token: str | None, by: str) -> tuple[Dataset, str]:
        """Make a dataset: it and its token. RegistryError when that cannot be. `by`: a user's id, or COMMAND_LINE."""
        async with self.writing:
            if id and id not in self.registry.datasets():  # what an earlier one of this id may have left
                await self.away(lambda: self.users.forget_dataset(id))
            return await self.away(lambda: self.registry.create(name, id=id or None, token=token or None, by=by))

    async def change_dataset(self, id: str, texts: dict[str, str], name: str | None = None, *, by: str) -> Dataset:
        """Change settings, given as a person types them, and the name. ValueError names what will not do."""
        async with self.writing:
            settings: DatasetSettings = changed_settings(self.dataset(id).settings, texts)
            return await self.away(lambda: self.registry.change(id, name=name, settings=settings, by=by))

    async def delete_dataset(self, id: str, by: str) -> Dataset:
        """Delete a dataset, and return when reports do not know it any more."""
        async with self.writing:
            self.dataset(id)
            # First: rights that outlived their dataset would open the next one of its id.
            await self.away(lambda: self.users.forget_dataset(id))
            gone = await self.away(lambda: self.registry.delete(id, by))
        self.looks.forget(id)
        await self.away(self.wait_loaded)
        return gone

    def intake(self) -> Intake:
        """The way in for imported events. Made at its first use: few servers import."""
        from truecount.commands.intake import Intake

        if self._intake is None:
            self._intake = Intake(self.folder, reserve_bytes=self.settings.reserve_mb * 1_000_000)
        return self._intake

    async def roll_now_and_then(self) -> None:
        """Let the log's file of imported events be closed when its day is over, or upkeep asks. Ends when cancelled."""
        while True:
            await asyncio.sleep(ROLL_EVERY_S)
            async with self.importing:
                if self._intake:
                    with suppress(LogError, OSError):  # tried again in a minute
                        await asyncio.to_thread(self._intake.roll_if_due)

    def wait_loaded(self) -> None:
        """Wait until reports know what is in the log now: a deleted dataset is gone when the command returns."""
        try:
            self.link.store().wait_loaded(timeout_s=10)
        except StoreError:
            pass  # it will know once it is back

    def dataset(self, id: str) -> Dataset:
        return self.registry.get(id)

    def close(self) -> None:
        self.rolling.stop()
        if self._intake:
            self._intake.close()
        self.link.close()
        self.registry.close()
        self.looks.close()
        self._hashers.shutdown(wait=False, cancel_futures=True)
        self.users.close()


def manager_of(connection: Connection) -> Manager:
    manager: Manager = connection.app.state.manager
    return manager
