"""The supervisor: starts parts, starts again what dies or hangs, ends all. The parts are a few lines of Python each."""

from __future__ import annotations

import errno
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest

from tests.system import PATIENCE_S, wait_until
from truecount.cli import main
from truecount.listening import CannotServe, bind, url_of
from truecount.log.folder import DataFolder
from truecount.settings import read_settings
from truecount.supervisor import BACKOFF_S, Child, Part, Supervisor

PEM = Path(__file__).parents[1] / "collect" / "data"
PART = """
import os, signal, sys, time
from pathlib import Path
from truecount import heartbeat
name, folder = sys.argv[1], Path(sys.argv[2])
(folder / f"{name}.{os.getpid()}").touch()
heartbeat.ready()
while True:
    if not (folder / f"hang.{os.getpid()}").exists():
        heartbeat.beat()
    time.sleep(0.02)
"""
RUN = """
import sys, time
from pathlib import Path
from truecount.settings import read_settings
from truecount.supervisor import Part, Supervisor
folder = Path(sys.argv[1])
parts = [Part(name, (sys.executable, str(folder / "part.py"), name, str(folder))) for name in ("engine", "door-1")]
settings = read_settings({"hang_limit_s": 1, "data": str(folder)}, environ={})
ready = lambda seconds: (folder / "ready").touch()
sys.exit(Supervisor(parts, settings, ready).run(time.monotonic()))
"""


class Running:
    """A supervisor in a process of its own, with two parts that note their process ids."""

    def __init__(self, folder: Path, part: str = PART) -> None:
        self.folder = folder
        (folder / "part.py").write_text(textwrap.dedent(part))
        (folder / "run.py").write_text(RUN)
        with (folder / "words").open("wb") as words:
            self.process = subprocess.Popen(
                [sys.executable, str(folder / "run.py"), str(folder)], stdin=subprocess.DEVNULL, stderr=words
            )

    def pids(self, name: str) -> list[int]:
        return sorted(
            pid
            for pid in (int(path.suffix[1:]) for path in self.folder.glob(f"{name}.*"))
            if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        )

    def pid(self, name: str) -> int:
        return wait_until(lambda: self.pids(name), name)[-1]

    def words(self) -> str:
        return (self.folder / "words").read_text()


@contextmanager
def supervisor(folder: Path, part: str = PART) -> Iterator[Running]:
    running = Running(folder, part)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()


def test_it_starts_all_parts_and_says_when_all_are_ready(tmp_path: Path) -> None:
    with supervisor(tmp_path) as running:
        wait_until((tmp_path / "ready").exists)
        assert running.pids("engine") and running.pids("door-1")


def test_a_part_that_dies_is_started_again_and_the_reason_is_said(tmp_path: Path) -> None:
    with supervisor(tmp_path) as running:
        wait_until((tmp_path / "ready").exists)
        door, engine = running.pid("door-1"), running.pid("engine")
        os.kill(engine, signal.SIGKILL)
        wait_until(lambda: running.pids("engine") not in ([], [engine]))
        wait_until(lambda: "engine was ended by SIGKILL; starting it again" in running.words())
        wait_until(lambda: "engine is up again" in running.words())
        assert running.pid("door-1") == door


def test_a_part_that_hangs_is_killed_and_started_again(tmp_path: Path) -> None:
    with supervisor(tmp_path) as running:
        wait_until((tmp_path / "ready").exists)
        door = running.pid("door-1")
        (tmp_path / f"hang.{door}").touch()
        wait_until(lambda: running.pids("door-1") not in ([], [door]))
        assert "door-1 was silent for 1 s and is killed" in running.words()


def test_a_part_that_is_stopped_by_a_signal_counts_as_hanging(tmp_path: Path) -> None:
    with supervisor(tmp_path) as running:
        wait_until((tmp_path / "ready").exists)
        door = running.pid("door-1")
        os.kill(door, signal.SIGSTOP)
        wait_until(lambda: running.pids("door-1") not in ([], [door]))
        assert "door-1 was silent for 1 s and is killed" in running.words()
        assert not psutil.pid_exists(door)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=["TERM", "INT", "HUP"])
def test_told_to_end_it_ends_all_parts_and_waits_for_them(tmp_path: Path, number: signal.Signals) -> None:
    with supervisor(tmp_path) as running:
        wait_until((tmp_path / "ready").exists)
        parts = [running.pid("engine"), running.pid("door-1")]
        running.process.send_signal(number)
        assert running.process.wait(PATIENCE_S) == 0
        assert not any(psutil.pid_exists(pid) for pid in parts)


def test_parts_ignore_what_a_terminal_sends_to_the_whole_group(tmp_path: Path) -> None:
    with supervisor(tmp_path) as running:
        wait_until((tmp_path / "ready").exists)
        parts = [running.pid("engine"), running.pid("door-1")]
        for number in (signal.SIGINT, signal.SIGHUP):
            for pid in parts:
                os.kill(pid, number)
        os.kill(parts[1], signal.SIGTERM)  # as sure as this is heard, the others were
        wait_until(lambda: running.pid("door-1") != parts[1], "the next door-1")
        assert running.pid("engine") == parts[0]
        assert re.findall(r"was ended by \w+", running.words()) == ["was ended by SIGTERM"]


def test_killed_it_takes_all_parts_with_it(tmp_path: Path) -> None:
    with supervisor(tmp_path) as running:
        wait_until((tmp_path / "ready").exists)
        parts = [psutil.Process(running.pid(name)) for name in ("engine", "door-1")]
        running.process.kill()
        running.process.wait()
        gone, alive = psutil.wait_procs(parts, PATIENCE_S)
        assert len(gone) == 2 and not alive


def test_parts_stay_in_its_process_group(tmp_path: Path) -> None:
    with supervisor(tmp_path) as running:
        assert os.getpgid(running.pid("engine")) == os.getpgid(running.process.pid)


def _a_file(store: Path) -> None:
    store.touch()


def _a_link_to_nothing(store: Path) -> None:
    store.symlink_to("nowhere")


def _not_ours(store: Path) -> None:
    store.mkdir()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_a_file, "is not a folder: move it away"),
        (_a_link_to_nothing, "is not a folder: move it away"),
        (_not_ours, "cannot be written by this user: give it to the user that runs serve"),
    ],
)
def test_a_store_that_cannot_be_used_is_refused_as_wrong_use_before_anything_starts(
    make: Callable[[Path], None],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = DataFolder(tmp_path / "data")
    make(folder.store)
    if make is _not_ours:  # root may write everywhere
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != folder.store)
    monkeypatch.setattr(Child, "start", lambda *_: pytest.fail("something was started"))
    assert main(["serve", "--data", str(folder.path), "--port", "0"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"truecount serve: the store {folder.store} ") and words in said
    assert not folder.is_owned()


def _of_another(folder: Path) -> tuple[Path, Path, str]:
    key = folder / "other.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key],
                   check=True, capture_output=True)  # fmt: skip
    return PEM / "cert.pem", key, "do not go together"


def _with_a_password(folder: Path) -> tuple[Path, Path, str]:
    key = folder / "locked.pem"
    locked = ["openssl", "pkcs8", "-topk8", "-in", PEM / "key.pem", "-out", key, "-passout", "pass:secret"]
    subprocess.run(locked, check=True, capture_output=True)
    return PEM / "cert.pem", key, "wants a password"


def _no_certificate(folder: Path) -> tuple[Path, Path, str]:
    (folder / "text.pem").write_text("no certificate")
    return folder / "text.pem", PEM / "key.pem", "wanted PEM files"


@pytest.mark.parametrize("make", [_of_another, _with_a_password, _no_certificate])
def test_a_certificate_that_doors_could_not_serve_with_is_refused_before_anything_starts(
    make: Callable[[Path], tuple[Path, Path, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cert, key, words = make(tmp_path)
    monkeypatch.setattr(Child, "start", lambda *_: pytest.fail("something was started"))
    flags = ["--tls-cert", str(cert), "--tls-key", str(key), "--port", "0"]
    assert main(["serve", "--data", str(tmp_path / "data"), *flags]) == 2
    said = capsys.readouterr().err
    assert words in said and str(key) in said


def test_an_engine_says_in_words_that_it_cannot_use_its_store(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    folder.store.touch()
    done = subprocess.run(
        [sys.executable, "-m", "truecount.store.service", "--data", str(folder.path)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"engine: the store {folder.store} is not a folder: ")


def test_a_part_that_says_wrong_use_at_the_start_ends_the_server_with_code_2(tmp_path: Path) -> None:
    with supervisor(tmp_path, "import sys; sys.exit(2)") as running:
        assert running.process.wait(PATIENCE_S) == 2
        assert "cannot work with what it was given" in running.words()


def test_what_a_part_prints_never_reaches_stdout(tmp_path: Path) -> None:
    (tmp_path / "part.py").write_text("print('chatter', flush=True); import sys; sys.exit(2)")
    (tmp_path / "run.py").write_text(RUN)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "run.py"), str(tmp_path)], capture_output=True, timeout=PATIENCE_S, check=False
    )
    assert done.stdout == b"" and b"chatter" in done.stderr


def test_a_port_that_stays_taken_is_refused_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    with closing(bind("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotServe, match=f"port {port} .* is taken .* --port"):
            bind("127.0.0.1", port, wait_s=0.3)
    assert f"port {port} is taken, waiting" in capsys.readouterr().err


def test_a_port_whose_owner_dies_is_waited_for() -> None:
    taken = bind("127.0.0.1", 0)
    port = taken.getsockname()[1]
    if os.fork() == 0:  # the child holds the port a moment longer than we do
        import time

        time.sleep(0.3)
        os._exit(0)
    taken.close()
    with closing(bind("127.0.0.1", port, wait_s=PATIENCE_S)) as listener:
        assert listener.getsockname()[1] == port
    os.wait()


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host"])
def test_a_host_that_is_not_ours_is_refused_in_words(host: str) -> None:
    with pytest.raises(CannotServe, match=re.escape(host)):
        bind(host, 0)


def test_the_url_names_an_address_that_a_person_can_open() -> None:
    with closing(bind("0.0.0.0", 0)) as listener:
        port = listener.getsockname()[1]
        assert url_of(read_settings(environ={}), listener) == f"http://127.0.0.1:{port}"
    if socket.has_ipv6:
        try:
            listener = bind("::1", 0)
        except CannotServe:
            return  # a machine without IPv6
        with closing(listener):
            assert url_of(read_settings(environ={}), listener) == f"http://[::1]:{listener.getsockname()[1]}"


def test_a_part_that_cannot_be_started_is_tried_ever_less_often(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr("truecount.supervisor.subprocess.Popen", refuse)
    one = Supervisor([Part("door-1", ("x",))], read_settings(environ={}), lambda _: None)
    (child,) = one.children
    waits = []
    for _ in range(len(BACKOFF_S) + 2):
        one.start(child)
        waits.append(child.due - time.monotonic())
    assert [round(wait, 1) for wait in waits] == [*BACKOFF_S, *[BACKOFF_S[-1]] * 2]
    assert capsys.readouterr().err.count("cannot be started") == len(waits)
