"""What runs: the answers of /healthz, /readyz and /metrics."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from truecount.collect.metrics import GAUGES, HELP, door_metrics
from truecount.manager.canary import Canaries, copies_in
from truecount.manager.engine import EngineLink
from truecount.manager.serving import serve_state
from truecount.store.errors import StoreError


class Readiness(msgspec.Struct):
    """The answer of /readyz. `ready` is True when every part is up."""

    ready: bool
    parts: dict[str, str]
    """Part -> "up", or in words why not."""


def readiness(folder: Path, link: EngineLink) -> Readiness:
    """Ask every part. Blocks for as long as the engine takes to answer."""
    parts: dict[str, str] = {}
    try:
        loader = link.store().state()["loader"]
        parts["engine"] = "up" if loader["recovered"] else "loading what an earlier run left behind"
        parts["loader"] = f"stuck: {loader['error']}" if loader["error"] else "up"
    except StoreError as error:
        parts["engine"] = f"down: {error}"
    parts["doors"] = "up" if serve_state(folder) else "starting"
    return Readiness(all(said == "up" for said in parts.values()), parts)


def metrics_text(folder: Path, link: EngineLink, canary: Canaries) -> bytes:
    """All numbers in Prometheus' text format: the doors' summed over their processes, the canary's, the engine's."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(_Numbers(folder, link, canary))
    return generate_latest(registry)


class _Numbers:
    """Collects at the moment of the request."""

    def __init__(self, folder: Path, link: EngineLink, canary: Canaries) -> None:
        self._folder = folder
        self._link = link
        self._canary = canary

    def describe(self) -> list[Any]:
        return []

    def collect(self) -> list[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        sums: dict[str, dict[tuple[tuple[str, str], ...], int]] = {}
        for sample in door_metrics(self._folder):
            by_labels = sums.setdefault(sample.name, {})
            by_labels[sample.labels] = by_labels.get(sample.labels, 0) + sample.value
        families: list[Any] = []
        for name, by_labels in sums.items():
            names = [label for label, _ in next(iter(by_labels))]
            kind = GaugeMetricFamily if name in GAUGES else CounterMetricFamily
            family = kind(name.removesuffix("_total"), HELP.get(name, name), labels=names)
            for labels, value in by_labels.items():
                family.add_metric([text for _, text in labels], value)
            families.append(family)
        free = os.statvfs(self._folder)
        families.append(
            GaugeMetricFamily(
                "truecount_disk_free_bytes", "Free space on the data folder's disk.", free.f_bavail * free.f_frsize
            )
        )
        return [*families, *self._canaries(), *self._engine()]

    def _canaries(self) -> list[Any]:
        from prometheus_client.core import GaugeMetricFamily

        age = GaugeMetricFamily(
            "truecount_canary_age_seconds",
            "Seconds since the newest canary that was counted was sent.",
            labels=["door"],
        )
        seconds = GaugeMetricFamily(
            "truecount_canary_seconds", "Time of the newest canary from its door to the count.", labels=["door"]
        )
        for door, flown in self._canary.flown().items():
            age.add_metric([door], flown.age_s)
            if flown.seconds is not None:
                seconds.add_metric([door], flown.seconds)
        return [age, seconds]

    def _engine(self) -> list[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        loader: dict[str, Any] | None
        try:
            store = self._link.store()
            loader = store.state()["loader"]
        except StoreError:
            loader = None
        else:
            try:
                copies = copies_in(store)
            except StoreError:  # it answers, and cannot read its tables: what is known last
                copies = loader["copies"]
        up = GaugeMetricFamily("truecount_engine_up", "1 while the engine answers.", 0 if loader is None else 1)
        if loader is None:
            return [up]
        behind = "How far the store is behind the log: all that was in the log so long ago is counted."
        aside = "Items that the loader set aside, with a reason; they block nothing."
        return [
            up,
            GaugeMetricFamily("truecount_loader_lag_seconds", behind, loader["lag_us"] / 1e6),
            GaugeMetricFamily(
                "truecount_loader_stuck", "1 while the loader cannot go on.", 1 if loader["error"] else 0
            ),
            GaugeMetricFamily("truecount_set_aside", aside, loader["set_aside"]),
            GaugeMetricFamily("truecount_store_copies", "Accepted copies in the store.", copies),
            CounterMetricFamily("truecount_loader_batches", "Batches that were loaded.", loader["batches"]),
        ]
