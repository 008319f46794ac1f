"""kill -9 of each process under traffic: nothing that was answered is lost, nothing is counted twice."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import System, wait_until
from tests.system_traffic import Traffic, check_nothing_lost_nothing_doubled

VICTIMS = ("door-1", "engine", "manager", "supervisor")


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with System(tmp_path_factory.mktemp("kills")).running() as system:
        yield system


def kill(system: System, victim: str) -> None:
    """kill -9, and wait until all runs again."""
    if victim == "supervisor":
        system.kill()
        system.start()
    else:
        system.wait_back(victim, system.signal(victim))


@pytest.mark.parametrize(
    "victim", [pytest.param(victim, marks=[pytest.mark.slow] if victim == "manager" else []) for victim in VICTIMS]
)
def test_a_killed_process_loses_nothing_and_doubles_nothing(system: System, victim: str) -> None:
    shop = system.create(f"Kill {victim}")
    with Traffic(system, shop) as traffic:
        traffic.wait_kept(20)
        kill(system, victim)
        traffic.wait_kept(20)
    check_nothing_lost_nothing_doubled(system, traffic)


def test_what_is_killed_is_named_on_stderr(system: System) -> None:
    wait_until(lambda: "door-1 was ended by SIGKILL; starting it again" in system.words())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_ten_kills_at_random_lose_nothing_and_double_nothing(tmp_path: Path, seed: int) -> None:
    choice = random.Random(seed)
    system = System(tmp_path, doors=2)
    with system.running():
        shop = system.create("Kills")
        with Traffic(system, shop) as traffic:
            for _ in range(10):
                traffic.wait_kept(choice.randrange(1, 60))
                kill(system, choice.choice((*VICTIMS, "door-2", "engine", "door-1")))
            traffic.wait_kept(20)
        check_nothing_lost_nothing_doubled(system, traffic)
        system.stop()
        before = system.cli("events", shop.id, "--format", "json")
        system.cli("replay")
        assert system.cli("events", shop.id, "--format", "json") == before
        system.start()
