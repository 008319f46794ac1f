"""A door as a process of its own: ready, stopped, killed, started again; addresses behind proxies; TLS; counters."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.collect.running import (
    AGENT,
    DATA,
    PATIENCE_S,
    SHOP,
    answers_of,
    counts_of,
    listening,
    manager,
    new_folder,
    read_all,
    running,
    wait_until,
)
from truecount.collect.metrics import BROWSER, SERVER, Counters, counters_path, door_metrics
from truecount.collect.proxies import Proxies, networks_of, plain_address
from truecount.heartbeat import VARIABLE
from truecount.log.entries import tallies_entry
from truecount.log.folder import DataFolder
from truecount.log.writer import LogWriter
from truecount.vocabulary import Reason


class Process:
    """A child, as the supervisor starts it."""

    def __init__(self, folder: DataFolder) -> None:
        listener = listening()
        self.port: int = listener.getsockname()[1]
        reading, writing = os.pipe()
        self.child = subprocess.Popen(
            [sys.executable, "-m", "truecount.collect", "--data", str(folder.path), "--fd", str(listener.fileno()),
             "--door", "door-1"],
            pass_fds=(listener.fileno(), writing),
            env={**os.environ, VARIABLE: str(writing), "TRUECOUNT_RESERVE_MB": "0"},
            stderr=subprocess.PIPE,
        )  # fmt: skip
        os.close(writing)
        listener.close()
        with open(reading, "rb", buffering=0) as pipe:
            assert pipe.read(1) == b"r", self.child.communicate()[1].decode()

    def hit(self, eid: str) -> int:
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as connection:
            connection.sendall(
                f"GET /tr/?id={SHOP}&ev=PageView&eid={eid} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
            )
            return answers_of(read_all(connection))[0].status

    def end(self, number: int) -> str:
        """Send a signal and wait; what it said on stderr."""
        self.child.send_signal(number)
        return self.child.communicate(timeout=PATIENCE_S)[1].decode()


def kept(folder: DataFolder) -> list[str]:
    from tests.collect.running import LogReader, copies_of, split_parts
    from truecount.log.entries import Kind

    with LogReader(folder.path) as reader:
        entries = list(reader.all("door-1", 0, (Kind.COPIES,)))
    return [copy.event_id for entry in entries for part in split_parts(entry.body) for copy in copies_of(part)]


def test_sigterm_answers_what_is_under_way_and_ends_with_0(tmp_path: Path) -> None:
    folder = new_folder(tmp_path / "data")
    process = Process(folder)
    statuses: list[int] = []
    stop = threading.Event()

    def send() -> None:
        at = 0
        while not stop.is_set():
            try:
                statuses.append(process.hit(f"h{at}"))
            except (OSError, IndexError):
                return
            at += 1

    sender = threading.Thread(target=send)
    sender.start()
    wait_until(lambda: len(statuses) > 20, "some hits")
    said = process.end(signal.SIGTERM)
    stop.set()
    sender.join(PATIENCE_S)
    assert process.child.returncode == 0
    assert said == ""
    found = kept(folder)
    assert len(found) == len(set(found))
    assert len([status for status in statuses if status == 200]) <= len(found) <= len(statuses) + 1
    assert counts_of(folder.path)["browser", "accepted", ""] == len(found)


def test_sigterm_does_not_wait_for_peers_that_keep_their_connection(tmp_path: Path) -> None:
    process = Process(new_folder(tmp_path / "data"))
    with (
        socket.create_connection(("127.0.0.1", process.port), timeout=PATIENCE_S) as idle,
        socket.create_connection(("127.0.0.1", process.port), timeout=PATIENCE_S) as half,
    ):
        half.sendall(b"POST /tr/ HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        idle.sendall(f"GET /tr/?id={SHOP}&ev=PageView HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert idle.recv(65536).startswith(b"HTTP/1.1 200")
        process.end(signal.SIGTERM)
        assert process.child.returncode == 0
        assert read_all(idle) == b""


def test_what_was_answered_yes_is_there_after_kill_9_and_counters_go_on(tmp_path: Path) -> None:
    folder = new_folder(tmp_path / "data")
    for round in range(2):
        process = Process(folder)
        for at in range(5):
            assert process.hit(f"{round}-{at}") == 200
        process.end(signal.SIGKILL)
    assert kept(folder) == [f"{round}-{at}" for round in range(2) for at in range(5)]
    assert counts_of(folder.path)["browser", "accepted", ""] == 10


def test_a_folder_that_is_none_is_refused_in_words(tmp_path: Path) -> None:
    listener = listening()
    done = subprocess.run(
        [sys.executable, "-m", "truecount.collect", "--data", str(tmp_path / "none"), "--fd", str(listener.fileno()),
         "--door", "door-1"],
        pass_fds=(listener.fileno(),),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "is not a data folder" in done.stderr
    assert "Traceback" not in done.stderr


# --- addresses ---


@pytest.mark.parametrize(
    ("trusted", "forwarded", "address"),
    [
        ("", "203.0.113.9", "127.0.0.1"),
        ("10.0.0.0/8", "203.0.113.9", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("127.0.0.0/8,10.0.0.0/8", "6.6.6.6, 203.0.113.9, 10.1.1.1", "203.0.113.9"),
        ("127.0.0.0/8", "203.0.113.9:1234", "203.0.113.9"),
        ("127.0.0.0/8", "[2001:db8::1]:443", "2001:db8::1"),
        ("127.0.0.0/8", "::ffff:203.0.113.9", "203.0.113.9"),
        ("127.0.0.0/8", "unknown", "127.0.0.1"),
        ("127.0.0.0/8", "203.0.113.9, nonsense", "127.0.0.1"),
        ("127.0.0.0/8", "", "127.0.0.1"),
    ],
)
def test_a_client_s_address_is_what_trusted_proxies_say(
    tmp_path: Path, trusted: str, forwarded: str, address: str
) -> None:
    with running(tmp_path, trusted_proxy=trusted) as door:
        door.hit({"X-Forwarded-For": forwarded})
    assert door.private() == [[address, AGENT]]


def test_the_manager_is_told_address_and_scheme_of_the_client(tmp_path: Path) -> None:
    with manager() as port, running(tmp_path, manager=port, trusted_proxy="127.0.0.1") as door:
        said = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
        headers = dict(door.ask("GET", "/", headers=said).json()["headers"])
        assert headers["x-forwarded-for"] == "203.0.113.9"
        assert headers["x-forwarded-proto"] == "https"


def test_a_chain_is_believed_from_the_right_up_to_the_first_stranger() -> None:
    proxies = Proxies(networks_of(["10.0.0.0/8, 2001:db8::/32"]))
    assert proxies.client("10.0.0.1", "1.1.1.1, 2.2.2.2, 10.0.0.2") == "2.2.2.2"
    assert proxies.client("10.0.0.1", "2001:db8::5, 10.0.0.2") == "2001:db8::5"
    assert plain_address("no address") == ""


# --- TLS ---


def test_over_tls_hits_are_kept_and_the_manager_hears_https(tmp_path: Path) -> None:
    files = {"tls_cert": str(DATA / "cert.pem"), "tls_key": str(DATA / "key.pem")}
    with manager() as port, running(tmp_path, manager=port, **files) as door:
        for at in range(3):
            assert door.hit(eid=f"tls{at}").status == 200
        assert dict(door.ask("GET", "/").json()["headers"])["x-forwarded-proto"] == "https"
        with socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE_S) as plain:
            plain.sendall(b"GET /tr/ HTTP/1.1\r\nHost: x\r\n\r\n")
            assert not read_all(plain).startswith(b"HTTP/")
        big = door.ask("POST", "/tr/", "x" * 200_000)
        assert big.status == 200
    assert [copy.event_id for copy in door.copies()] == ["tls0", "tls1", "tls2"]


# --- counters ---


def test_counters_are_read_while_they_are_counted_and_go_on_after_a_restart(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for _ in range(2):
        counters = Counters(counters_path(tmp_path, "door-1"))
        counters.take(BROWSER, accepted=3, withheld=1, unavailable=2)
        counters.refuse(SERVER, Reason.TIME_TOO_OLD, 5)
        counters.add("truecount_commits_total")
        counters.gauge("truecount_connections", 7)
        counts = counts_of(tmp_path)
        counters.close()
    assert counts == {
        ("browser", "received"): 12,
        ("browser", "accepted", ""): 6,
        ("browser", "withheld", "consent_denied"): 2,
        ("browser", "unavailable"): 4,
        ("server", "received"): 10,
        ("server", "refused", "time_too_old"): 10,
        ("truecount_commits_total",): 2,
        ("truecount_connections",): 7,
    }


def test_counters_of_several_doors_are_told_apart_and_half_a_file_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for name in ("door-1", "door-2"):
        Counters(counters_path(tmp_path, name)).add("truecount_relayed_total", 2)
    (tmp_path / "run" / "door-3.counters").write_bytes(b"half")
    found = [(s.process, s.value) for s in door_metrics(tmp_path) if s.name == "truecount_relayed_total"]
    assert found == [("door-1", 2), ("door-2", 2)]


def test_counters_of_another_version_start_anew(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    path = counters_path(tmp_path, "door-1")
    path.write_bytes(b"TCCOUNT1" + b"\x01" * 100_000)
    counters = Counters(path)
    counters.add("truecount_relayed_total")
    assert counts_of(tmp_path) == {("truecount_relayed_total",): 1}


# --- nothing grows ---


def test_many_connections_leave_no_descriptor_behind(tmp_path: Path) -> None:
    with running(tmp_path) as door:

        def descriptors() -> int:
            return len(os.listdir("/proc/self/fd"))

        def many(n: int) -> None:
            for at in range(n):
                door.raw(
                    f"GET /tr/?id={SHOP}&ev=PageView&eid={at} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
                )

        many(20)
        wait_until(lambda: not door.call(lambda: len(door.door.server_state.connections)), "all ends")
        before = descriptors()
        many(200)
        wait_until(lambda: not door.call(lambda: len(door.door.server_state.connections)), "all ends")
        assert descriptors() <= before + 1


def test_the_time_of_receipt_never_goes_back(tmp_path: Path) -> None:
    with running(tmp_path) as door:
        door.hit(eid="now")
        real = time.time_ns
        door.door.writer._clock = lambda: real() - 3600 * 10**9
        door.hit(eid="an hour back")
    first, second = door.copies()
    assert second.received_us >= first.received_us


def test_a_clock_that_jumped_ahead_for_a_moment_costs_no_event(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    ahead_ns = time.time_ns() + 30 * 86_400 * 10**9
    with LogWriter(folder.path, "earlier", clock=lambda: ahead_ns) as writer:
        writer.append([tallies_entry([])], first_us=ahead_ns // 1000, last_us=ahead_ns // 1000)
    now_s = int(time.time())
    user = {"em": "ada@example.com", "client_user_agent": "Mozilla/5.0"}
    event = {"event_name": "Lead", "event_time": now_s, "action_source": "website", "user_data": user}
    with running(tmp_path) as door:
        assert door.events({"data": [event]}).status == 200
        assert door.hit(ts=str(now_s * 1000)).status == 200
        door.hit(ts="")
        served, hit, without_time = door.copies()
    assert (served.event_time_ms, hit.event_time_ms) == (now_s * 1000, now_s * 1000)
    assert now_s * 1000 <= without_time.event_time_ms < now_s * 1000 + 600_000
    assert served.received_us >= ahead_ns // 1000, "the order of the log never runs backwards"
