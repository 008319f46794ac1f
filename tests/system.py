"""A whole server for tests: started on a temporary folder and a free port, spoken to over real HTTP.

system = System(tmp_path)          # or the fixture of a module: @fixture(scope="module")
with system.running():
    shop = system.create("Shop")
    system.post_hit(shop, ev="PageView")
    system.post_events(shop, [purchase("order-1")])
    wait_until(lambda: system.events(shop))
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode

import psutil

from truecount.store.client import Store
from truecount.store.errors import StoreError

PATIENCE_S = 60.0
"""Deadline of everything that is waited for: CI machines are slow. Nothing is asserted about how long it takes."""
AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)
T = TypeVar("T")


def wait_until(look: Callable[[], T], what: str = "", patience_s: float = PATIENCE_S) -> T:
    """Look again and again until the answer is true, and return it. AssertionError with the last answer if it never is.

    A look that raises OSError or AssertionError counts as not yet.
    """
    until = time.monotonic() + patience_s
    pause = 0.02
    while True:
        try:
            found: Any = look()
        except (OSError, AssertionError) as error:
            found = error
        else:
            if found:
                return found
        assert time.monotonic() < until, f"{what or 'it'} did not come within {patience_s:g} s; last: {found!r}"
        time.sleep(pause)
        pause = min(pause * 1.5, 0.25)


class Shop(NamedTuple):
    """A dataset with its token."""

    id: str
    token: str


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def purchase(event_id: str, value: str = "899.00", **more: Any) -> dict[str, Any]:
    """A server event as an SDK sends it."""
    return {
        "event_name": "Purchase",
        "event_time": int(time.time()),
        "event_id": event_id,
        "action_source": "website",
        "event_source_url": "https://brewbeans.example/thanks",
        "user_data": {"em": [f"{event_id}@mail.example"], "client_user_agent": AGENT},
        "custom_data": {"value": value, "currency": "INR", "order_id": event_id},
        **more,
    }


class System:
    """One data folder and the server on it. Flags as of `truecount serve`; port 0 is given by itself."""

    def __init__(self, folder: Path, *flags: str, doors: int = 1, environ: dict[str, str] | None = None) -> None:
        self.folder = folder / "data"
        self.stderr = folder / "serve.stderr"
        self.flags = flags
        self.doors = doors
        self.environ = {"TRUECOUNT_RESERVE_MB": "0", **os.environ, **(environ or {})}
        self.server: subprocess.Popen[bytes] | None = None
        self.state: dict[str, Any] = {}

    # Its life

    @contextmanager
    def running(self) -> Iterator[System]:
        self.start()
        try:
            yield self
        finally:
            self.stop()

    def start(self, *flags: str) -> None:
        """Start the server and wait until it is ready."""
        libc = ctypes.CDLL(None)
        with self.stderr.open("ab") as words:
            self.server = subprocess.Popen(
                [
                    *(sys.executable, "-m", "truecount", "serve", "--data", str(self.folder)),
                    *("--port", "0", "--doors", str(self.doors), *self.flags, *flags),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=words,
                env=self.environ,
                cwd=self.stderr.parent,
                preexec_fn=lambda: libc.prctl(1, signal.SIGTERM, 0, 0, 0),  # noqa: PLW1509
            )
        self.state = wait_until(self._state, "the server")

    def stop(self) -> int:
        """TERM, and wait. Returns the exit code."""
        if self.server is None:
            return 0
        server, self.server = self.server, None
        server.terminate()
        try:
            return server.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
            raise

    def kill(self) -> None:
        """kill -9 of the supervisor, as the power might: its children die with it."""
        assert self.server
        server, self.server = self.server, None
        children = psutil.Process(server.pid).children()
        server.kill()
        server.wait()
        psutil.wait_procs(children, PATIENCE_S)

    def pids(self) -> dict[str, int]:
        """Process ids of the children by name: door-1, engine, manager."""
        assert self.server
        found = {}
        for child in psutil.Process(self.server.pid).children():
            try:
                command = child.cmdline()
            except psutil.Error:
                continue
            for module, name in (("truecount.store.service", "engine"), ("truecount.manager", "manager")):
                if module in command:
                    found[name] = child.pid
            if "truecount.collect" in command:
                found[command[command.index("--door") + 1]] = child.pid
        return found

    def signal(self, name: str, number: int = signal.SIGKILL) -> int:
        """Send a signal to one child, named as in `pids`. Returns its process id."""
        pid = wait_until(lambda: self.pids().get(name), name)
        os.kill(pid, number)
        return pid

    def wait_back(self, name: str, old: int) -> int:
        """Wait until a child that was killed runs again, and all is ready. Returns its new process id."""
        new = wait_until(lambda: self.pids().get(name, old) != old and self.pids()[name], name)
        wait_until(lambda: self.get("/readyz").status == 200, "readiness")
        return new

    def words(self) -> str:
        """What the server said on stderr."""
        return self.stderr.read_text(errors="replace")

    def _state(self) -> dict[str, Any] | None:
        assert self.server
        if self.server.poll() is not None:
            raise RuntimeError(f"the server did not start: {self.words()}")
        try:
            state: dict[str, Any] = json.loads((self.folder / "run" / "serve.json").read_text())
        except (OSError, ValueError):
            return None
        return state if state["pid"] == self.server.pid else None

    # Speaking to it

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None, *, port: int = 0
    ) -> Answer:
        """One request on a connection of its own. OSError when the server is not there."""
        connection = HTTPConnection("127.0.0.1", port or self.state["port"], timeout=PATIENCE_S)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        return self.ask("GET", path, None, headers)

    def post_hit(self, shop: Shop, *, agent: str = AGENT, **pairs: Any) -> Answer:
        """A pixel hit (GET /tr). Keys with dots or brackets come in as `cd={...}` by their inner names."""
        custom = pairs.pop("cd", {})
        query = {"id": shop.id, **pairs, **{f"cd[{name}]": value for name, value in custom.items()}}
        return self.get(f"/tr?{urlencode(query)}", {"User-Agent": agent})

    def post_events(self, shop: Shop, events: Sequence[dict[str, Any]], **options: Any) -> Answer:
        """A server request (JSON)."""
        body = json.dumps({"data": list(events), **options}).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {shop.token}"}
        return self.ask("POST", f"/v26.0/{shop.id}/events", body, headers)

    def api(self, method: str, path: str, body: Any = None) -> Answer:
        """The manager's API, as the command line uses it."""
        secret = (self.folder / "run" / "manager.secret").read_text()
        headers = {"X-Truecount-Secret": secret, "Content-Type": "application/json"}
        raw = None if body is None else json.dumps(body).encode()
        return self.ask(method, f"/api/{path}", raw, headers, port=self.state["manager"])

    def create(self, name: str, **more: str) -> Shop:
        """Make a dataset."""
        answer = self.api("POST", "datasets", {"name": name, **more})
        assert answer.status == 201, answer
        return Shop(answer.json["id"], answer.json["token"])

    def events(self, shop: Shop) -> dict[str, dict[str, Any]]:
        """The count by event name."""
        answer = self.api("GET", f"datasets/{shop.id}/events")
        assert answer.status == 200, answer
        return {row["event_name"]: row for row in answer.json}

    def explain(self, shop: Shop, event_name: str, event_id: str = "", **by: str) -> dict[str, Any] | None:
        """Why an action was counted so; found by its event id, or by `order`, `fbp`, `external_id`."""
        query = {"event_name": event_name, **({"event_id": event_id} if event_id else {}), **by}
        answer = self.api("GET", f"datasets/{shop.id}/explain?{urlencode(query)}")
        assert answer.status == 200, answer
        found: dict[str, Any] = answer.json
        return found

    def refused(self, shop: Shop) -> list[dict[str, Any]]:
        answer = self.api("GET", f"datasets/{shop.id}/refused")
        assert answer.status == 200, answer
        found: list[dict[str, Any]] = answer.json
        return found

    def copies(self, shop: Shop, event_name: str | None = "Purchase") -> int:
        """Accepted copies of one event name, or of all, that are in the store by now. OSError while no engine answers.

        For waiting: it costs an engine little, where `events` counts each time.
        """
        sql = "SELECT count() FROM copies WHERE dataset = {id:String} AND (event_name = {name:String} OR {any:UInt8})"
        try:
            with Store.of_folder(self.folder) as store:
                rows = store.query_rows(sql, {"id": shop.id, "any": int(event_name is None), "name": event_name or ""})
        except StoreError as error:
            raise OSError(str(error)) from None
        return int(rows[0][0])

    def cli(self, *arguments: str, code: int = 0) -> str:
        """Run a command on this folder; its stdout. Asserts the exit code."""
        done = run_cli(*arguments, "--data", str(self.folder), environ=self.environ)
        assert done.returncode == code, (arguments, done)
        return done.stdout


def run_cli(*arguments: str, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `truecount` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "truecount", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 3,
        env=environ,
        check=False,
        stdin=subprocess.DEVNULL,
    )
