"""How a command gets at a data folder: through the server that owns it, or by opening the folder itself.

Both ways give the same JSON, byte for byte: `Books` is the one interface, `Remote` and `Local` its two forms.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote, urlencode

from truecount.cli import CommandFailed, WrongUse
from truecount.commands.flags import folder_of

if TYPE_CHECKING:
    from truecount.commands.intake import Intake
    from truecount.datasets import Dataset
    from truecount.log.errors import LogError
    from truecount.log.folder import DataFolder
    from truecount.log.registry import Registry
    from truecount.manager.users.together import Users

SERVER_START_S: Final = 60.0
"""How long a command waits for a server that owns the folder and still starts."""
ANSWER_S: Final = 120.0


class Books(Protocol):
    """What a command may ask and tell. Each answer is JSON of the fixed interface.

    CommandFailed in words when something is not there or does not answer, WrongUse for a dataset that cannot be made
    with what was given. `url` is the address of the server that owns the folder, "" where none does. `incomplete` is,
    after an answer of the store, the loader's error when not all of the log is in it.
    """

    url: str
    incomplete: str

    def datasets(self) -> bytes: ...

    def create(self, name: str, id: str | None, token: str | None) -> bytes: ...

    def change(self, id: str, settings: dict[str, str], name: str | None) -> bytes: ...

    def delete(self, id: str) -> bytes: ...

    def events(self, id: str, since_us: int | None, until_us: int | None) -> bytes: ...

    def refused(self, id: str, since_us: int | None, until_us: int | None) -> bytes: ...

    def findings(self, id: str, since_us: int, until_us: int, now_us: int) -> bytes: ...

    def explain(self, id: str, event_name: str, by: dict[str, str], hashes: bool) -> bytes: ...

    def marks(self, id: str) -> bytes: ...

    def take(self, id: str, chunk: bytes) -> bytes: ...

    def refused_rows(self, id: str, digest: bytes) -> bytes: ...

    def users(self) -> bytes: ...

    def add_user(self, email: str, role: str | None, datasets: list[str] | None) -> bytes: ...

    def reset_user(self, email: str) -> bytes: ...

    def entrance(self, email: str) -> bytes: ...

    def remove_user(self, email: str) -> bytes: ...

    def tokens(self) -> bytes: ...

    def add_token(self, name: str, dataset: str | None) -> bytes: ...

    def revoke_token(self, id: str) -> bytes: ...


@contextmanager
def books(data: str | None, *, create: bool = False) -> Iterator[Books]:
    """Open a data folder's books. `create` makes a folder that is not there; else CommandFailed says so."""
    from truecount.log.errors import FolderError, LogError

    path = folder_of(data)
    try:
        folder = open_folder(path, create=create)
        if folder.is_owned():
            remote = Remote.of(folder)
            if remote:
                yield remote
                return
        with folder.lock():
            local = Local(folder)
            try:
                yield local
            finally:
                local.close()
    except (FolderError, LogError) as error:
        raise CommandFailed(str(error)) from None


INCOMPLETE: Final = 3
"""Exit code of a command whose answer lacks something that is in the log."""


def finished(found: Books) -> int:
    """The exit code of a command that asks the store. Where the answer is incomplete, stderr says so, and the cure."""
    if not found.incomplete:
        return 0
    from truecount.commands.output import say, shown
    from truecount.store.trouble import what_is_wrong, what_to_do

    error = found.incomplete
    say(f"what follows is INCOMPLETE: not all of the log could be loaded. {shown(what_is_wrong(error))}")
    say(f"what to do: {what_to_do(error)}")
    return INCOMPLETE


def open_folder(path: Path, *, create: bool = False) -> DataFolder:
    """The data folder. CommandFailed in words when it is not there or cannot be used."""
    from truecount.log.errors import FolderError
    from truecount.log.folder import DataFolder

    if not create and not (path / "truecount.version").is_file():
        raise CommandFailed(
            f"there is no data folder at {path}: name one with --data, or make one with `truecount serve` "
            "or `truecount dataset create`"
        )
    try:
        return DataFolder(path, create=create)
    except FolderError as error:
        raise CommandFailed(str(error)) from None
    except OSError as error:
        raise CommandFailed(f"the data folder {path} cannot be used: {error.strerror}") from None


class Remote:
    """Books of a folder that a server owns, through its manager on loopback."""

    def __init__(self, port: int, secret: str, url: str = "", folder: Path | None = None) -> None:
        self._port = port
        self._secret = secret
        self._folder = folder
        self.url = url
        self.incomplete = ""

    @classmethod
    def of(cls, folder: DataFolder) -> Remote | None:
        """The way to the server that owns a folder, as soon as it is up; None when the owner went away meanwhile."""
        until = time.monotonic() + SERVER_START_S
        while folder.is_owned():
            try:
                state = json.loads((folder.run / "serve.json").read_text())
                secret = (folder.run / "manager.secret").read_text()
                return cls(int(state["manager"]), secret, str(state["url"]), folder.path)
            except (OSError, ValueError, KeyError):
                pass
            if time.monotonic() > until:
                raise CommandFailed(
                    f"another process owns {folder.path} and is no running server: wait for it, or stop it"
                )
            time.sleep(0.1)
        return None

    def datasets(self) -> bytes:
        return self._ask("GET", "datasets")

    def create(self, name: str, id: str | None, token: str | None) -> bytes:
        return self._ask("POST", "datasets", body=_json({"name": name, "id": id, "token": token}), wrong=400)

    def change(self, id: str, settings: dict[str, str], name: str | None) -> bytes:
        return self._ask("PATCH", f"datasets/{_part(id)}", body=_json({"settings": settings, "name": name}))

    def delete(self, id: str) -> bytes:
        return self._ask("DELETE", f"datasets/{_part(id)}")

    def events(self, id: str, since_us: int | None, until_us: int | None) -> bytes:
        return self._count(f"datasets/{_part(id)}/events", {"since_us": since_us, "until_us": until_us})

    def refused(self, id: str, since_us: int | None, until_us: int | None) -> bytes:
        return self._count(f"datasets/{_part(id)}/refused", {"since_us": since_us, "until_us": until_us})

    def findings(self, id: str, since_us: int, until_us: int, now_us: int) -> bytes:
        query = {"since_us": since_us, "until_us": until_us, "now_us": now_us}
        return self._count(f"datasets/{_part(id)}/findings", query)

    def explain(self, id: str, event_name: str, by: dict[str, str], hashes: bool) -> bytes:
        query = {"event_name": event_name, **by, "hashes": "true" if hashes else None}
        return self._count(f"datasets/{_part(id)}/explain", query)

    def marks(self, id: str) -> bytes:
        return self._ask("GET", f"datasets/{_part(id)}/imports")

    def take(self, id: str, chunk: bytes) -> bytes:
        return self._ask("POST", f"datasets/{_part(id)}/imports", body=chunk, type="application/x-msgpack")

    def refused_rows(self, id: str, digest: bytes) -> bytes:
        return self._ask("GET", f"datasets/{_part(id)}/imports/{digest.hex()}")

    def users(self) -> bytes:
        return self._ask("GET", "users")

    def add_user(self, email: str, role: str | None, datasets: list[str] | None) -> bytes:
        return self._ask("POST", "users", body=_json({"email": email, "role": role, "datasets": datasets}))

    def reset_user(self, email: str) -> bytes:
        return self._ask("POST", "users/link", body=_json({"email": email}))

    def entrance(self, email: str) -> bytes:
        return self._ask("POST", "users/link", body=_json({"email": email, "enters": True}))

    def remove_user(self, email: str) -> bytes:
        return self._ask("POST", "users/remove", body=_json({"email": email}))

    def tokens(self) -> bytes:
        return self._ask("GET", "tokens")

    def add_token(self, name: str, dataset: str | None) -> bytes:
        return self._ask("POST", "tokens", body=_json({"name": name, "dataset": dataset}))

    def revoke_token(self, id: str) -> bytes:
        return self._ask("POST", "tokens/revoke", body=_json({"id": id}))

    def _count(self, path: str, query: dict[str, Any]) -> bytes:
        """An answer out of the store. How the loader is was asked before: what it then had is in the answer."""
        self.incomplete = self._loader_error()
        return self._ask("GET", path, query)

    def _loader_error(self) -> str:
        from truecount.store.client import Store
        from truecount.store.errors import StoreError

        if self._folder is None:
            return ""
        try:
            with Store.of_folder(self._folder) as store:
                loader = store.state()["loader"]
        except StoreError:
            return ""  # the answer tells
        return str(loader["error"]) if loader else ""

    def _ask(
        self,
        method: str,
        path: str,
        query: dict[str, Any] | None = None,
        body: bytes | None = None,
        type: str = "application/json",
        wrong: int = 0,
    ) -> bytes:
        """The server's answer. A refusal is CommandFailed in its words; one of status `wrong` is WrongUse."""
        from http.client import HTTPConnection, HTTPException

        given = {name: value for name, value in (query or {}).items() if value is not None}
        connection = HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_S)
        headers = {"X-Truecount-Secret": self._secret, "Content-Type": type}
        try:
            connection.request(method, f"/api/{path}" + (f"?{urlencode(given)}" if given else ""), body, headers)
            answer = connection.getresponse()
            said = answer.read()
        except (OSError, HTTPException) as error:
            raise CommandFailed(
                f"the running server does not answer ({error}); `truecount doctor` may tell why"
            ) from None
        finally:
            connection.close()
        if answer.status < 400:
            return said
        try:
            text = str(json.loads(said)["error"])
        except (ValueError, KeyError, TypeError):
            text = f"the running server answered {answer.status}"
        raise WrongUse(text) if answer.status == wrong else CommandFailed(text)


class Local:
    """Books of a folder that this process owns, for the length of one command."""

    def __init__(self, folder: DataFolder) -> None:
        from truecount.log.errors import ControlDamaged, LogError
        from truecount.log.registry import Registry

        self.url = ""
        self.incomplete = ""
        self._folder = folder
        self._unread: LogError | None = None
        self._registry: Registry
        try:
            self._registry = Registry.open(folder.path)
        except ControlDamaged:
            raise
        except LogError as error:
            # Questions are answered by what is known already; nothing can be changed.
            try:
                self._registry = Registry.open(folder.path, read_only=True)
            except FileNotFoundError:
                raise error from None
            self._unread = error
        self._intake: Intake | None = None

    def close(self) -> None:
        if self._intake:
            self._intake.close()
        self._registry.close()

    def datasets(self) -> bytes:
        from truecount.manager.answers import encode, view_of

        return encode([view_of(dataset) for dataset in self._registry.datasets().values()])

    def create(self, name: str, id: str | None, token: str | None) -> bytes:
        from truecount.datasets import COMMAND_LINE
        from truecount.log.registry import TokenTaken
        from truecount.manager.answers import DatasetMade, encode

        with _in_words():
            try:
                registry = self._writable()
                if id and id not in registry.datasets():  # what an earlier one of this id may have left
                    self._forget_rights(id)
                made, shown = registry.create(name, id=id, token=token, by=COMMAND_LINE)
            except TokenTaken as error:
                raise WrongUse(str(error)) from None
        return encode(DatasetMade(made.id, made.name, shown))

    def change(self, id: str, settings: dict[str, str], name: str | None) -> bytes:
        from truecount.datasets import COMMAND_LINE
        from truecount.manager.answers import changed_settings, encode, view_of

        with _in_words():
            new = changed_settings(self._dataset(id).settings, settings)
            return encode(view_of(self._writable().change(id, name=name, settings=new, by=COMMAND_LINE)))

    def delete(self, id: str) -> bytes:
        from truecount.datasets import COMMAND_LINE
        from truecount.manager.answers import encode, view_of

        with _in_words():
            self._dataset(id)
            registry = self._writable()
            self._forget_rights(id)  # first: rights that outlived their dataset would open the next one of its id
            return encode(view_of(registry.delete(id, COMMAND_LINE)))

    def _forget_rights(self, id: str) -> None:
        with self._open_users() as users:
            if users.file.path.exists():
                users.forget_dataset(id)

    def events(self, id: str, since_us: int | None, until_us: int | None) -> bytes:
        from truecount.manager.answers import encode
        from truecount.measure.events import events

        dataset = self._dataset(id)
        with self._store() as store:
            return encode(events(store, dataset, since_us, until_us))

    def refused(self, id: str, since_us: int | None, until_us: int | None) -> bytes:
        from truecount.manager.answers import encode
        from truecount.measure.refused import refused

        dataset = self._dataset(id)
        with self._store() as store:
            return encode(refused(store, dataset, since_us, until_us))

    def findings(self, id: str, since_us: int, until_us: int, now_us: int) -> bytes:
        from truecount.manager.answers import encode
        from truecount.manager.users.file import NAME
        from truecount.measure.diagnostics.findings import findings

        dataset = self._dataset(id)
        muted = {}
        if (self._folder.path / NAME).exists():  # a question makes no file
            with self._open_users() as users:
                muted = users.mutes.ends_of(id)
        with self._store() as store:
            return encode(findings(store, dataset, since_us, until_us, now_us, muted=muted))

    def explain(self, id: str, event_name: str, by: dict[str, str], hashes: bool) -> bytes:
        from truecount.manager.answers import encode
        from truecount.measure.explain import explain

        dataset = self._dataset(id)
        with self._store() as store:
            return encode(explain(store, dataset, event_name, **by, hashes=hashes, details=False))

    def take(self, id: str, chunk: bytes) -> bytes:
        from truecount.manager.answers import encode

        with _in_words():
            return encode(self._open_intake().take(self._dataset(id), chunk))

    def marks(self, id: str) -> bytes:
        from truecount.manager.answers import encode

        return encode(self._open_intake().marks(self._dataset(id)))

    def refused_rows(self, id: str, digest: bytes) -> bytes:
        from truecount.manager.answers import encode

        return encode(self._open_intake().refused(self._dataset(id), digest))

    def users(self) -> bytes:
        from truecount.manager.answers import encode, view_of_user

        with _in_words(), self._open_users() as users:
            return encode([view_of_user(user) for user in users.accounts.all()])

    def add_user(self, email: str, role: str | None, datasets: list[str] | None) -> bytes:
        from truecount.manager.answers import NewUser, encode

        for dataset in datasets or ():
            self._dataset(dataset)
        with _in_words(), self._open_users() as users:
            return encode(users.add(NewUser(email, role, datasets)))

    def reset_user(self, email: str) -> bytes:
        from truecount.manager.answers import encode

        with _in_words(), self._open_users() as users:
            return encode(users.reset(email))

    def entrance(self, email: str) -> bytes:
        from truecount.manager.answers import encode

        with _in_words(), self._open_users() as users:
            return encode(users.entrance(email))

    def remove_user(self, email: str) -> bytes:
        from truecount.manager.answers import encode, view_of_user

        with _in_words(), self._open_users() as users:
            return encode(view_of_user(users.remove(email)))

    def tokens(self) -> bytes:
        from truecount.manager.answers import encode
        from truecount.manager.views.reading import listed

        with _in_words(), self._open_users() as users:
            return encode(listed(users.reading.all(), users.accounts.all()))

    def add_token(self, name: str, dataset: str | None) -> bytes:
        from truecount.manager.answers import ReadingTokenMade, encode

        if dataset is not None:
            self._dataset(dataset)
        with _in_words(), self._open_users() as users:
            token, secret = users.reading.add(name, dataset)
            return encode(ReadingTokenMade(token.id, token.name, token.dataset, secret))

    def revoke_token(self, id: str) -> bytes:
        from truecount.manager.answers import encode
        from truecount.manager.views.reading import listed

        with _in_words(), self._open_users() as users:
            users.reading.revoke(id)
            return encode(listed(users.reading.all(), users.accounts.all()))

    @contextmanager
    def _open_users(self) -> Iterator[Users]:
        from truecount.manager.users.file import UsersError
        from truecount.manager.users.together import Users

        users = Users(self._folder.path)
        try:
            yield users
        except UsersError as error:
            raise CommandFailed(str(error)) from None
        finally:
            users.close()

    def _open_intake(self) -> Intake:
        from truecount.commands.intake import Intake

        if self._intake is None:
            self._intake = Intake(self._folder)
        return self._intake

    def _writable(self) -> Registry:
        if self._unread:
            raise self._unread
        return self._registry

    def _dataset(self, id: str) -> Dataset:
        with _in_words():
            return self._registry.get(id)

    @contextmanager
    def _store(self) -> Iterator[Any]:
        from truecount.manager.answers import in_words
        from truecount.store.errors import StoreError
        from truecount.store.local import open_store

        def stuck(error: str) -> None:
            self.incomplete = error

        try:
            with open_store(self._folder.path, stuck=stuck) as store:
                yield store
        except StoreError as error:
            raise CommandFailed(in_words(error)) from None


@contextmanager
def _in_words() -> Iterator[None]:
    """What cannot be done, as a sentence."""
    try:
        yield
    except ValueError as error:
        raise CommandFailed(str(error)) from None


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps({name: given for name, given in value.items() if given is not None}).encode()


def _part(id: str) -> str:
    return quote(id, safe="")
