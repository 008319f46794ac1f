"""`truecount serve`: one parent that binds the port, starts the other processes and starts again what dies.

It does nothing else, and imports next to nothing, so that it has no reason to die and others may start at once.
Children stay in its process group and die with it (PDEATHSIG). What a terminal sends to the whole group (Ctrl-C) they
ignore from their first instruction on: the parent ends them. The listening sockets are made here once and inherited, so
that a client that connects while a door or the manager starts again just waits.

stdout belongs to nobody: all words go to stderr.
"""

from __future__ import annotations

import ctypes
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final, NamedTuple

from truecount import heartbeat
from truecount.listening import PORT_WAIT_S, CannotServe, CannotUse, bind, say, url_of
from truecount.log.errors import FolderError
from truecount.log.folder import DataFolder
from truecount.settings import Settings
from truecount.store.place import unusable

STOP_S: Final = 8.0
"""How long children may take to end after TERM; then they are killed. Shorter than systemd's and Docker's patience."""
START_LIMIT_S: Final = 120.0
"""A child that is not ready after this long hangs. Generous: machines in CI are slow, and tables may be large."""
BACKOFF_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
STEADY_S: Final = 30.0
"""A child that ran so long starts its backoff anew."""
WRONG_USE: Final = 2
"""Exit code of a child that cannot work with what it was given: starting it again would change nothing."""
_PDEATHSIG: Final = 1
_OF_TERMINALS: Final = (signal.SIGINT, signal.SIGHUP)
_ENDING: Final = (signal.SIGTERM, *_OF_TERMINALS)


class Part(NamedTuple):
    """One process of the server: its name, what is run, the descriptors that it inherits."""

    name: str
    command: tuple[str, ...]
    fds: tuple[int, ...] = ()


class Child:
    """A part that runs, or waits to be started again."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.process: subprocess.Popen[bytes] | None = None
        self.pipe = -1
        self.ready = False
        self.started = 0.0
        self.heard = 0.0
        self.failures = 0
        self.due = 0.0
        """When it is to be started, where it does not run."""

    def start(self, environment: dict[str, str], prepare: Callable[[], None]) -> None:
        self.started = self.heard = time.monotonic()
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        # Until the child ignores them: an interrupt of its copy of this process would be told as an error of ours.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _OF_TERMINALS)
        try:
            self.process = subprocess.Popen(
                self.part.command,
                stdin=subprocess.DEVNULL,
                stdout=2,  # stdout is reserved: whatever a library prints goes to stderr
                pass_fds=(*self.part.fds, writing),
                env={**environment, heartbeat.VARIABLE: str(writing)},
                preexec_fn=prepare,  # noqa: PLW1509 - this process has one thread
            )
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self.pipe = reading
        self.ready = False

    def listen(self) -> bool:
        """Take what it said. True when it just became ready."""
        was = self.ready
        try:
            said = os.read(self.pipe, 65536)
        except BlockingIOError:
            return False
        if said:
            self.heard = time.monotonic()
            self.ready = self.ready or heartbeat.READY in said
        return self.ready and not was

    def hangs(self, limit_s: float) -> bool:
        silent = time.monotonic() - self.heard
        return self.process is not None and silent > (limit_s if self.ready else max(limit_s, START_LIMIT_S))

    def ended(self, code: int) -> float:
        """Note that it died; returns the seconds until it is started again."""
        if time.monotonic() - self.started > STEADY_S:
            self.failures = 0
        wait_s = BACKOFF_S[min(self.failures, len(BACKOFF_S) - 1)]
        self.failures += 1
        self.process = None
        self.ready = False
        self.due = time.monotonic() + wait_s
        return wait_s


class Supervisor:
    """Keeps parts running until TERM or INT. `prepare` runs in each child before its program (PDEATHSIG)."""

    def __init__(self, parts: list[Part], settings: Settings, on_ready: Callable[[float], None]) -> None:
        self.children = [Child(part) for part in parts]
        self.hang_limit_s = settings.hang_limit_s
        self.environment = {**os.environ, **settings.variables()}
        self.on_ready = on_ready
        self.was_ready = False
        self.ending = False
        self.selector = selectors.DefaultSelector()

    def run(self, started: float) -> int:
        """Start all parts and stay until told to end. Returns the exit code."""
        waking, wake = socket.socketpair()
        for end in (waking, wake):
            end.setblocking(False)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        for number in _ENDING:
            signal.signal(number, self._end)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.selector.register(waking, selectors.EVENT_READ)
        code = 0
        try:
            while not self.ending:
                self._start_due()
                for key, _ in self.selector.select(self._patience()):
                    if key.fileobj is waking:
                        _drain(waking)
                for child in self.children:
                    if child.process is not None and child.listen() and self.was_ready:
                        say(f"truecount: {child.part.name} is up again")
                code = self._reap()
                self._kill_what_hangs()
                if not self.was_ready and all(child.ready for child in self.children):
                    self.was_ready = True
                    self.on_ready(time.monotonic() - started)
        finally:
            self._stop()
            signal.set_wakeup_fd(-1)
        return code

    def _end(self, *_: object) -> None:
        self.ending = True

    def _patience(self) -> float:
        now = time.monotonic()
        due = [child.due - now for child in self.children if child.process is None]
        return max(0.0, min([1.0, *due]))

    def _start_due(self) -> None:
        now = time.monotonic()
        for child in self.children:
            if child.process is None and child.due <= now:
                self.start(child)

    def start(self, child: Child) -> None:
        """Start a part, or note when it is to be tried again."""
        try:
            child.start(self.environment, _die_with(os.getpid()))
        except OSError as error:
            wait_s = child.ended(-1)
            say(f"truecount: {child.part.name} cannot be started ({error.strerror}); again in {wait_s:g} s")
        else:
            self.selector.register(child.pipe, selectors.EVENT_READ)

    def _reap(self) -> int:
        """Note who died. Returns the exit code where that ends the server, else 0."""
        for child in self.children:
            code = child.process.poll() if child.process else None
            if code is None:
                continue
            self.selector.unregister(child.pipe)
            os.close(child.pipe)
            was_ready = child.ready
            wait_s = child.ended(code)
            if self.ending:
                continue
            if code == WRONG_USE and not was_ready and not self.was_ready:
                say(f"truecount: {child.part.name} cannot work with what it was given; see above")
                self.ending = True
                return WRONG_USE
            say(f"truecount: {child.part.name} {_how(code)}; starting it again in {wait_s:g} s")
        return 0

    def _kill_what_hangs(self) -> None:
        if not self.hang_limit_s:
            return
        for child in self.children:
            if child.process is not None and child.hangs(self.hang_limit_s):
                say(f"truecount: {child.part.name} was silent for {self.hang_limit_s} s and is killed")
                child.process.kill()
                child.heard = time.monotonic()

    def _stop(self) -> None:
        """TERM to all at once, a while to end, then KILL."""
        running = [child for child in self.children if child.process is not None]
        for child in running:
            assert child.process
            child.process.terminate()
        until = time.monotonic() + STOP_S
        for child in running:
            assert child.process
            try:
                child.process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                say(f"truecount: {child.part.name} did not end within {STOP_S:g} s and is killed")
                child.process.kill()
                child.process.wait()


def serve(settings: Settings) -> int:
    """Own the data folder, bind the port, run all parts. Returns the exit code.

    CannotServe, in words, when the folder or the port is not to be had; CannotUse when no store can be in the folder.
    """
    started = time.monotonic()
    with ExitStack() as stack:
        try:
            folder = DataFolder(settings.folder)
            if folder.is_owned():
                say(f"truecount: {folder.path} is in use, waiting up to {PORT_WAIT_S:g} s")
            stack.enter_context(folder.lock(PORT_WAIT_S))
        except FolderError as error:
            raise CannotServe(str(error)) from None
        except OSError as error:
            raise CannotServe(f"the data folder {settings.data} cannot be used: {error.strerror}") from None
        if wrong := unusable(folder.store):
            raise CannotUse("the store {}: {}".format(*wrong))
        check_pair(settings)
        listener = stack.enter_context(bind(settings.host, settings.port))
        manager = stack.enter_context(bind("127.0.0.1", 0))
        clean(folder)
        folder.secret("manager")
        folder.secret("engine")
        folder.secret("canary")
        settings = settings._replace(data=str(folder.path))
        supervisor = Supervisor(parts_of(settings, listener, manager), settings, lambda _: None)
        # The engine takes longest to start and needs nothing that is made below.
        supervisor.start(supervisor.children[0])
        make_registry(folder)
        first = first_link(folder)
        address = url_of(settings, listener)
        state = {
            "pid": os.getpid(),
            "url": address,
            "port": listener.getsockname()[1],
            "manager": manager.getsockname()[1],
            "doors": settings.number_of_doors(),
        }
        stack.callback(_remove, folder, "serve.json")

        def ready(seconds: float) -> None:
            _write(folder, "serve.json", state)
            notify("READY=1")
            say(f"Truecount listens on {address} (data in {folder.path}, {settings.number_of_doors()} doors)")
            say(f"Truecount is ready after {seconds:.1f} s: {address}")
            if first:
                say(f"Truecount has no user yet. This link sets the owner's password, once: {address}{first}")

        supervisor.on_ready = ready
        return supervisor.run(started)


def parts_of(settings: Settings, listener: socket.socket, manager: socket.socket) -> list[Part]:
    """The processes of a server, the engine first."""
    python = (sys.executable, "-m")
    data = ("--data", settings.data)
    port, manager_port = listener.fileno(), str(manager.getsockname()[1])
    doors = [
        Part(
            f"door-{number}",
            (
                *python,
                "truecount.collect",
                *data,
                "--fd",
                str(port),
                "--door",
                f"door-{number}",
                "--manager",
                manager_port,
            ),
            (port,),
        )
        for number in range(1, settings.number_of_doors() + 1)
    ]
    return [
        Part("engine", (*python, "truecount.store.service", *data)),
        *doors,
        Part("manager", (*python, "truecount.manager", *data, "--fd", str(manager.fileno())), (manager.fileno(),)),
    ]


def clean(folder: DataFolder) -> None:
    """Remove what an earlier run left behind: its state, half-written files."""
    folder.empty_tmp()
    for path in folder.run.glob("*.json"):
        path.unlink(missing_ok=True)


def check_pair(settings: Settings) -> None:
    """CannotUse when certificate and key are none that a door could serve https with."""
    if not settings.tls_cert:
        return
    import ssl

    asked: list[bool] = []

    def no_password() -> str:
        asked.append(True)
        return ""

    pair = f"--tls-cert {settings.tls_cert} and --tls-key {settings.tls_key}"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.tls_cert, settings.tls_key, no_password)
    except ssl.SSLError as error:
        if asked:
            raise CannotUse(f"--tls-key {settings.tls_key} wants a password: it must be a key without one") from None
        if error.reason == "KEY_VALUES_MISMATCH":
            raise CannotUse(f"{pair} do not go together: the key is that of another certificate") from None
        what = (error.reason or str(error)).replace("_", " ").lower()
        raise CannotUse(f"{pair}: wanted PEM files of a certificate and its key ({what})") from None
    except OSError as error:
        raise CannotUse(f"{pair} cannot be read: {error.strerror}") from None


def make_registry(folder: DataFolder) -> None:
    """See that control.sqlite is there and says what the log says, before a door opens it to read."""
    from truecount.log.errors import LogError
    from truecount.log.registry import Registry

    try:
        Registry.open(folder.path).close()
    except LogError as error:
        raise CannotServe(str(error)) from None


def first_link(folder: DataFolder) -> str | None:
    """Path of the link that makes the owner, while there is no user. Events are taken in also where nobody can say."""
    from truecount.manager.users.file import UsersError
    from truecount.manager.users.together import Users, first_run_path

    users = Users(folder.path)
    try:
        once = users.links.first()
    except UsersError as error:
        say(f"Truecount lets nobody sign in: {error}")
        return None
    finally:
        users.close()
    return first_run_path(once) if once else None


def notify(state: str) -> None:
    """Tell systemd, where it asked to be told (Type=notify)."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            try:
                sender.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
            except OSError:
                pass


def _write(folder: DataFolder, name: str, state: dict[str, Any]) -> None:
    partial = folder.run / f".{name}.{os.getpid()}"
    partial.write_text(json.dumps(state))
    partial.replace(folder.run / name)


def _remove(folder: DataFolder, name: str) -> None:
    (folder.run / name).unlink(missing_ok=True)


def _drain(waking: socket.socket) -> None:
    try:
        while waking.recv(4096):
            pass
    except BlockingIOError:
        pass


_libc: Final = ctypes.CDLL(None, use_errno=True)


def _die_with(parent: int) -> Callable[[], None]:
    """What a child does before its program: it asks the kernel to be killed when its parent dies, and ignores Ctrl-C.

    What is ignored stays so in the program, whose own handlers leave it alone (`signals_to_end_at`).
    """

    def prepare() -> None:
        for number in _OF_TERMINALS:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _OF_TERMINALS)
        _libc.prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)  # the parent died in between

    return prepare


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
