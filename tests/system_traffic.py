"""Senders for tests that break things: each event has an id of its own and is sent once; what was answered is noted."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlencode

from tests.system import AGENT, PATIENCE_S, Shop, System, purchase, wait_until
from truecount.store.client import Store
from truecount.store.errors import StoreError

BATCH = 5


class Traffic:
    """Hits and server requests, one thread each. An id is in `sent` before it leaves, in `kept` once answered.

    An id that is sent and not kept may be counted or not: its answer was lost. None may be counted twice.
    """

    def __init__(self, system: System, shop: Shop) -> None:
        self.system = system
        self.shop = shop
        self.sent: set[str] = set()
        self.kept: set[str] = set()
        self.refused: list[tuple[int, bytes]] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(name, work), daemon=True)
            for name, work in (("hit", self._hit), ("event", self._events))
        ]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(PATIENCE_S * 2)

    def wait_kept(self, more: int) -> None:
        """Wait until so many more ids of each door are answered."""
        before = self._kept_by_door()
        wait_until(
            lambda: all(now - before[name] >= more for name, now in self._kept_by_door().items()), f"{more} answers"
        )

    def _kept_by_door(self) -> dict[str, int]:
        with self._lock:
            found = Counter(id.partition("-")[0] for id in self.kept)
        return {"hit": found["hit"], "event": found["event"]}

    def _run(self, name: str, work: Any) -> None:
        connection: HTTPConnection | None = None
        n = 0
        while not self._stopping.is_set():
            n += 1
            try:
                if connection is None:
                    connection = HTTPConnection("127.0.0.1", self.system.state["port"], timeout=PATIENCE_S)
                ids, answer = work(connection, n)
                if answer.status == 200 and not answer.getheader("X-Truecount-Refused"):
                    with self._lock:
                        self.kept.update(ids)
                elif answer.status != 503:  # the deliberate one: nothing was stored
                    self.refused.append((answer.status, answer.text))
            except (OSError, HTTPException):
                if connection:
                    connection.close()
                connection = None
                time.sleep(0.01)  # the server is down: no need to spin

    def _note(self, ids: list[str]) -> list[str]:
        with self._lock:
            self.sent.update(ids)
        return ids

    def _hit(self, connection: HTTPConnection, n: int) -> tuple[list[str], Any]:
        ids = self._note([f"hit-{n}"])
        query = {"id": self.shop.id, "ev": "Purchase", "eid": ids[0], "cd[value]": "1.00", "cd[currency]": "INR"}
        connection.request("GET", f"/tr?{urlencode(query)}", headers={"User-Agent": AGENT})
        return ids, _read(connection)

    def _events(self, connection: HTTPConnection, n: int) -> tuple[list[str], Any]:
        ids = self._note([f"event-{n}-{at}" for at in range(BATCH)])
        body = json.dumps({"data": [purchase(id, "1.00") for id in ids], "access_token": self.shop.token})
        connection.request(
            "POST", f"/v26.0/{self.shop.id}/events", body, {"Content-Type": "application/json", "User-Agent": "sdk"}
        )
        return ids, _read(connection)


def _read(connection: HTTPConnection) -> Any:
    answer: Any = connection.getresponse()
    answer.text = answer.read()
    return answer


def counted(system: System, shop: Shop) -> Counter[str]:
    """Copies in the store by event id. OSError while no engine answers."""
    try:
        with Store.of_folder(system.folder) as store:
            rows = store.query_rows(
                "select event_id, count() from copies where dataset = {dataset:String} group by event_id",
                {"dataset": shop.id},
            )
    except StoreError as error:
        raise OSError(str(error)) from None
    return Counter({str(id): int(n) for id, n in rows})


def check_nothing_lost_nothing_doubled(system: System, traffic: Traffic) -> None:
    """Wait until what was answered is counted, then compare id by id."""
    wait_until(lambda: traffic.kept <= counted(system, traffic.shop).keys(), "all that was answered")
    found = counted(system, traffic.shop)
    assert not {id: n for id, n in found.items() if n > 1}, "counted twice"
    assert found.keys() <= traffic.sent, "counted, and never sent"
    assert not traffic.refused
    row = system.events(traffic.shop)["Purchase"]
    assert (row["copies"], row["actions"]) == (len(found), len(found))
    assert row["value"] == {"INR": f"{len(found)}.00"}
