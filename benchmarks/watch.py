"""Looks at a running server as a person would: is this event visible, what is the count, how much memory is in use."""

from __future__ import annotations

import http.client
import json
import threading
import time
from typing import Any, Final
from urllib.parse import urlencode

from benchmarks.tools import DATASET, Server
from truecount.store.client import Store

LOOK_S: Final = 0.02
LOST_S: Final = 30.0
SEEN: Final = """
SELECT count() FROM copies WHERE dataset = {dataset:String} AND event_name = 'Probe' AND event_id = {id:String}"""


class Eyes:
    """The manager's answers over HTTP."""

    def __init__(self, server: Server) -> None:
        self.port = server.port
        state = json.loads((server.folder / "run" / "serve.json").read_text())
        self.manager = int(state["manager"])
        self.secret = (server.folder / "run" / "manager.secret").read_text().strip()
        self.pid = server.pid
        self.store = Store.of_folder(server.folder)

    def ask(self, path: str, **query: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.manager, timeout=120)
        try:
            text = f"?{urlencode(query)}" if query else ""
            connection.request(
                "GET", f"/api/datasets/{DATASET}/{path}{text}", headers={"X-Truecount-Secret": self.secret}
            )
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def events(self) -> list[dict[str, Any]]:
        status, said = self.ask("events")
        if status != 200:
            raise RuntimeError(f"events answered {status}: {said[:300]!r}")
        return list(json.loads(said))

    def sees(self, event_id: str) -> bool:
        """Whether a query that starts now counts this probe. Asked of the engine, so that the time of a report that
        has millions of copies to go through is not taken for the time an event needs to be visible."""
        return bool(self.store.query_rows(SEEN, {"dataset": DATASET, "id": event_id})[0][0])

    def report_s(self) -> float:
        """Seconds that a whole `events` report takes."""
        began = time.perf_counter()
        self.events()
        return time.perf_counter() - began

    def probe(self, event_id: str) -> float:
        """Send one hit; seconds from its answer until a query sees it. LOST_S where none did."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            query = urlencode({"id": DATASET, "ev": "Probe", "eid": event_id, "fbp": f"fb.1.1.{time.time_ns()}"})
            connection.request("GET", f"/tr/?{query}", headers={"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Probe"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                return LOST_S
        finally:
            connection.close()
        accepted = time.monotonic()
        while time.monotonic() - accepted < LOST_S:
            if self.sees(event_id):
                return time.monotonic() - accepted
            time.sleep(LOOK_S)
        return LOST_S

    def memory_mb(self) -> dict[str, int]:
        """Resident memory of each process of the server, by what it is; `all` is proportional (shared pages once)."""
        import psutil

        found: dict[str, int] = {}
        total = 0
        parent = psutil.Process(self.pid)
        for process in (parent, *parent.children(recursive=True)):
            try:
                words = process.cmdline()
                full = process.memory_full_info()
            except psutil.Error:
                continue
            name = next(
                (word.removeprefix("truecount.") for word in words if word.startswith("truecount.")), "supervisor"
            )
            found[name] = found.get(name, 0) + round(full.rss / 1e6)
            total += full.pss
        return {**found, "all": round(total / 1e6)}


class Sampler(threading.Thread):
    """Probes visibility once every `every_s` until stopped."""

    def __init__(self, eyes: Eyes, every_s: float = 1.0) -> None:
        super().__init__(daemon=True)
        self.eyes, self.every_s = eyes, every_s
        self.seconds: list[float] = []
        self._ending = threading.Event()

    def run(self) -> None:
        number = 0
        while not self._ending.is_set():
            number += 1
            self.seconds.append(self.eyes.probe(f"probe-{id(self)}-{number}"))
            self._ending.wait(max(0.0, self.every_s - self.seconds[-1]))

    def stop(self) -> list[float]:
        self._ending.set()
        self.join(LOST_S + 5)
        return self.seconds
