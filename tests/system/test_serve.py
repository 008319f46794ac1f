"""One server, whole: what comes in is counted, explained, refused with a reason; the books add up; privacy holds."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import PATIENCE_S, Shop, System, purchase, run_cli, wait_until
from truecount.log.entries import Kind, split_parts
from truecount.log.reader import LogReader
from truecount.store.client import Store

SECRETS = {
    "em": "jane.doe.secret@mail.example",
    "ph": "+91 98765 43210",
    "fn": "Janabelle",
    "ln": "Doexample",
    "db": "19870416",
    "ct": "Kozhikodeville",
    "zp": "673001",
    "external_id": "customer-secret-4711",
}
FREE_TEXT = "call +91 98765 43210 or jane.doe.secret@mail.example, card 4111 1111 1111 1111"
ADDRESS = "203.0.113.77"
FRAGMENTS = (
    *("jane.doe.secret", "98765 43210", "9876543210", "Janabelle", "janabelle", "Doexample", "doexample", "19870416"),
    *("Kozhikodeville", "kozhikodeville", "customer-secret-4711", "4111 1111 1111 1111", "4111111111111111"),
)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with System(tmp_path_factory.mktemp("serve"), doors=2).running() as system:
        yield system


@pytest.fixture(scope="module")
def shop(system: System) -> Shop:
    """A shop with a sale that both sides reported, one of each side alone, a page view, a bot, and what was refused."""
    shop = system.create("BrewBeans")
    money = {"value": "899.00", "currency": "INR"}
    assert system.post_hit(shop, ev="PageView", dl="https://brewbeans.example/").status == 200
    for event_id in ("order-1", "order-2"):
        assert system.post_hit(shop, ev="Purchase", eid=event_id, cd=money).status == 200
    bot = "Googlebot/2.1 (+http://www.google.com/bot.html)"
    assert system.post_hit(shop, ev="Purchase", eid="bot-1", agent=bot).status == 200
    for events in ([purchase("order-1")], [purchase("order-3", user_data=SECRETS | {"client_ip_address": ADDRESS})]):
        answer = system.post_events(shop, events)
        assert (answer.status, answer.json["events_received"]) == (200, 1), answer
    assert system.post_events(shop, [purchase("order-4"), purchase("order-4", user_data={})]).status == 400
    assert system.post_hit(shop).headers["x-truecount-refused"].startswith("no_event_name: ")
    assert system.post_events(Shop(shop.id, "wrong"), [purchase("order-5")]).status == 401
    wait_until(lambda: system.copies(shop) == 5 and system.copies(shop, "PageView") == 1, "the shop's events")
    wait_until(lambda: sum(row["n"] for row in system.refused(shop)) == 3, "the refusals")
    return shop


def test_a_sale_reported_twice_is_one_sale(system: System, shop: Shop) -> None:
    row = system.events(shop)["Purchase"]
    expected = {"copies": 5, "actions": 3, "browser_only": 1, "server_only": 1, "both": 1, "left_out": 1, "bots": 1}
    assert {name: row[name] for name in expected} == expected
    assert row["value"] == {"INR": "2697.00"}


def test_what_was_refused_is_seen_with_its_reason(system: System, shop: Shop) -> None:
    found = {(row["source"], row["event_name"], row["reason"]): row["n"] for row in system.refused(shop)}
    assert found == {("server", "Purchase", "no_match_keys"): 2, ("browser", "", "no_event_name"): 1}
    assert {name: row["refused"] for name, row in system.events(shop).items() if row["refused"]} == {
        "": 1,
        "Purchase": 2,
    }
    for flags in ([], ["--refused"]):
        assert "(no name)" in system.cli("events", shop.id, *flags)


def test_explain_tells_which_rule_merged(system: System, shop: Shop) -> None:
    found = json.loads(system.cli("explain", shop.id, "Purchase", "order-1", "--format", "json"))
    assert [(copy["source"], copy["verdict"], copy["rule"]) for copy in found["copies"]] == [
        ("browser", "kept", "first_received"),
        ("server", "duplicate", "event_id"),
    ]
    by_order = json.loads(system.cli("explain", shop.id, "Purchase", "--order", "order-3", "--format", "json"))
    assert by_order["event_id"] == "order-3"
    by_key = system.cli("explain", shop.id, "Purchase", "--external-id", SECRETS["external_id"], "--format", "json")
    assert json.loads(by_key)["event_id"] == "order-3"


@pytest.mark.parametrize(
    "wait_s",
    [0.0, 0.1, 0.3, 0.6, *(pytest.param(s, marks=pytest.mark.slow) for s in (0.03, 0.06, 0.15, 0.2, 0.45, 0.9))],
)
def test_an_early_ctrl_c_ends_the_server_in_silence(tmp_path: Path, wait_s: float) -> None:
    server = subprocess.Popen(
        [sys.executable, "-m", "truecount", "serve", "--data", str(tmp_path / "data"), "--port", "0", "--doors", "1"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        wait_until((tmp_path / "data" / "run").is_dir, "the first line of serve")  # before, Python itself starts
        time.sleep(wait_s)
        os.killpg(server.pid, signal.SIGINT)
        words, _ = server.communicate(timeout=PATIENCE_S)
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
    assert server.returncode in (0, 130)
    assert [line for line in words.decode().splitlines() if not line.startswith("Truecount ")] == []


def test_an_unknown_action_exits_1_in_words(system: System, shop: Shop) -> None:
    assert system.cli("explain", shop.id, "Purchase", "order-9", code=1) == ""


def test_the_command_line_gives_what_the_api_gives(system: System, shop: Shop) -> None:
    assert json.loads(system.cli("events", shop.id, "--format", "json")) == list(system.events(shop).values())
    assert json.loads(system.cli("events", shop.id, "--refused", "--format", "json")) == system.refused(shop)
    lines = system.cli("events", shop.id, "--format", "csv").splitlines()
    assert lines[0].startswith("event_name,copies,actions,browser_only,server_only,both")
    assert any(line.startswith("Purchase,5,3,1,1,1,") and "2697.00 INR" in line for line in lines)
    assert "Purchase" in system.cli("events", shop.id)


def test_a_range_of_time_leaves_out_what_lies_outside(system: System, shop: Shop) -> None:
    assert json.loads(system.cli("events", shop.id, "--format", "json", "--until", "2026-01-01")) == []
    assert json.loads(system.cli("events", shop.id, "--format", "json", "--since", "1h"))


def test_everything_received_ended_in_exactly_one_outcome(system: System, shop: Shop) -> None:
    def books() -> tuple[dict[str, float], dict[str, float]]:
        text = system.get("/metrics").body.decode()
        received: Counter[str] = Counter()
        ended: Counter[str] = Counter()
        for name, door, value in re.findall(r'^truecount_(\w+?)_total\{door="(\w+)".*\} (\S+)$', text, re.M):
            if name == "received":
                received[door] += float(value)
            elif name in ("outcomes", "unavailable"):
                ended[door] += float(value)
        return dict(received), dict(ended)

    received, ended = wait_until(lambda: (found := books()) and found[0] and found)
    assert received == ended
    # 5 hits that say something and one that does not; 2 events accepted, 2 refused, 1 with a wrong token
    assert received == {"browser": 5.0, "server": 5.0}


def test_outcomes_in_the_store_are_those_of_known_datasets(system: System, shop: Shop) -> None:
    answer = system.api("GET", f"datasets/{shop.id}/outcomes")
    assert answer.status == 200
    assert answer.json == {"received": 9, "accepted": 6, "refused": 3, "withheld": 0, "set_aside": 0}


def test_the_pages_of_health_answer(system: System) -> None:
    assert system.get("/healthz").body == b"ok\n"
    assert system.get("/readyz").json["ready"] is True
    assert (system.get("/").status, system.get("/sign-in").status) == (303, 200)
    assert system.get("/").headers["location"] == "/sign-in"
    assert system.get("/api/users").status == 401


def test_graph_paths_that_are_not_served_yet_say_so(system: System, shop: Shop) -> None:
    answer = system.get(f"/v26.0/{shop.id}/insights")
    assert answer.status == 400 and "not served yet" in answer.json["error"]["message"]


def test_a_new_dataset_is_known_to_every_door_when_the_command_returns(system: System) -> None:
    for number in range(3):
        made = json.loads(system.cli("dataset", "create", f"Quick {number}", "--format", "json"))
        shop = Shop(made["id"], made["token"])
        for _ in range(8):  # connections go to either door
            assert system.post_events(shop, [purchase("x")]).status == 200


def test_a_deleted_dataset_is_refused_at_once(system: System) -> None:
    shop = system.create("Short")
    assert system.post_events(shop, [purchase("x")]).status == 200
    system.cli("dataset", "delete", shop.id, "--yes")
    for _ in range(8):
        assert system.post_events(shop, [purchase("y")]).status in (400, 401)
    assert system.events(system.create("Short again", id=shop.id)) == {}


def test_replay_is_refused_while_the_server_runs(system: System) -> None:
    assert system.cli("replay", code=1) == ""


def test_doctor_finds_a_running_server_well(system: System, shop: Shop) -> None:
    found = {row["check"]: row for row in json.loads(system.cli("doctor", "--format", "json"))}
    assert found["server"]["says"] == system.state["url"]
    assert found["loader"]["state"] == found["log"]["state"] == "good"
    assert found["not accepted"]["state"] == "look"


@pytest.mark.slow
def test_a_second_server_on_the_folder_is_refused_in_words(system: System) -> None:
    done = run_cli("serve", "--data", str(system.folder), "--port", "0")
    assert (done.returncode, done.stdout) == (1, "")
    assert "is in use by process" in done.stderr


@pytest.mark.slow
def test_a_port_that_is_taken_is_refused_in_words(system: System) -> None:
    done = run_cli("serve", "--data", str(system.folder.parent / "other"), "--port", str(system.state["port"]))
    assert (done.returncode, done.stdout) == (1, "")
    assert "is taken by another program" in done.stderr


def test_the_manager_listens_on_loopback_alone(system: System) -> None:
    import psutil

    for name, pid in system.pids().items():
        listening = [c.laddr for c in psutil.Process(pid).net_connections("inet") if c.status == psutil.CONN_LISTEN]
        assert all(address.ip == "127.0.0.1" for address in listening), name


def answers(system: System, shop: Shop) -> list[bytes]:
    """All that a report says, as bytes, from a folder that no server owns."""
    from truecount.log.folder import DataFolder
    from truecount.log.registry import Registry
    from truecount.manager.answers import encode
    from truecount.measure.events import events
    from truecount.measure.explain import explain
    from truecount.measure.refused import refused
    from truecount.store.local import open_store

    with DataFolder(system.folder).lock(), open_store(system.folder) as store:
        with Registry.open(system.folder, read_only=True) as registry:
            dataset = registry.get(shop.id)
        found = [events(store, dataset, None, None), refused(store, dataset, None, None)]
        return [encode(one) for one in (*found, explain(store, dataset, "Purchase", event_id="order-1", hashes=True))]


def test_stopped_replayed_and_started_again_it_answers_the_same_bytes(system: System, shop: Shop) -> None:
    paths = ("events", "refused", "explain?event_name=Purchase&event_id=order-1&hashes=true")
    before = [system.api("GET", f"datasets/{shop.id}/{path}").body for path in paths]
    assert system.stop() == 0
    assert "Traceback" not in system.words()
    assert answers(system, shop) == before
    system.cli("replay")
    system.start()
    assert [system.api("GET", f"datasets/{shop.id}/{path}").body for path in paths] == before


def test_nothing_of_contact_data_is_at_rest(system: System, shop: Shop) -> None:
    """Everything that was sent, looked for in every file of the data folder, in the log of the server and in tmp."""
    system.post_hit(
        shop,
        ev="Contact",
        dl="https://brewbeans.example/?email=jane.doe.secret@mail.example&tel=9876543210",
        cd={"note": FREE_TEXT, "mail": SECRETS["em"]},
        **{f"ud[{name}]": value for name, value in SECRETS.items()},
    )
    body = [purchase("order-7", user_data=SECRETS, custom_data={"value": 1, "currency": "INR", "note": FREE_TEXT})]
    assert system.post_events(shop, body).status == 200
    # Requests that fail, at every stage, and one that is no HTTP: errors must not tell what was sent either.
    system.post_events(shop, [purchase("order-8", user_data=SECRETS, event_time=SECRETS["em"])])
    system.post_events(shop, [purchase("order-8", user_data={"em": {"x": SECRETS["em"]}})])
    system.ask(
        "POST", f"/v26.0/{shop.id}/events", json.dumps(SECRETS).encode() + b"{", {"Content-Type": "application/json"}
    )
    system.get(f"/unknown?em={SECRETS['em']}")
    with socket.create_connection(("127.0.0.1", system.state["port"])) as raw:
        raw.sendall(f"GET /tr?{SECRETS['em']} BROKEN {SECRETS['ph']}\r\n\r\n".encode())
        raw.recv(1000)
    wait_until(lambda: system.copies(shop, "Contact") == 1 and system.copies(shop) == 6)
    for form in ("json", "table"):
        shown = system.cli("explain", shop.id, "Purchase", "order-7", "--hashes", "--format", form)
        assert not [text for text in FRAGMENTS if text in shown]
    with Store.of_folder(system.folder) as store:
        for table in ("copies", "tallies", "set_aside", "settings"):
            dumped = store.query_raw(f"select * from {table}", form="RowBinary")
            assert not [text for text in FRAGMENTS if text.encode() in dumped], table
    system.signal("engine", signal.SIGABRT)  # a crash file must not hold it either
    wait_until(lambda: "engine was ended by SIGABRT" in system.words())
    system.stop()
    files = [path for path in [*system.folder.rglob("*"), system.stderr] if path.is_file()]
    held = {path: path.read_bytes() for path in files}
    found = [(path.name, text) for path, raw in held.items() for text in FRAGMENTS if text.encode() in raw]
    assert not found
    # Bodies are compressed in the log: what they say is looked at too.
    with LogReader(system.folder) as reader:
        bodies = [bytes(stored.body) for door in reader.doors() for stored in reader.all(door)]
        kinds = {stored.kind for door in reader.doors() for stored in reader.all(door)}
        assert kinds == {Kind.COPIES, Kind.TALLIES, Kind.SETTINGS}
        assert all(
            split_parts(stored.body) for door in reader.doors() for stored in reader.all(door, 0, (Kind.COPIES,))
        )
    assert not [text for text in FRAGMENTS for body in bodies if text.encode() in body]
