from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from truecount.datasets import DatasetSettings, token_hash
from truecount.log.entries import Kind, dataset_of
from truecount.log.errors import LogFull
from truecount.log.reader import LogReader
from truecount.log.registry import DatasetExists, Registry, RegistryError, TokenTaken, UnknownDataset

from .helpers import entries_of, put, writer_of

TOKEN = "TC-a-token-of-the-tests"


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry.open(tmp_path)


def test_a_dataset_is_made_with_a_token_that_is_kept_as_a_hash_alone(tmp_path: Path, registry: Registry) -> None:
    dataset, token = registry.create("BrewBeans", id="123", token=TOKEN)
    registry.close()
    assert token == TOKEN
    assert dataset.token_hashes == (token_hash(TOKEN),)
    assert all(TOKEN.encode() not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_id_and_token_are_made_where_none_is_given(registry: Registry) -> None:
    one, token = registry.create("One")
    two, other = registry.create("Two")
    assert one.id != two.id and token != other
    assert registry.datasets() == {one.id: one, two.id: two}
    assert one.token_hashes == (token_hash(token),)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda registry: registry.create("Again", id="123"), DatasetExists),
        (lambda registry: registry.create("Bad id", id="../x"), RegistryError),
        (lambda registry: registry.create("", id="9"), RegistryError),
        (lambda registry: registry.create("line\nbreak", id="9"), RegistryError),
        (lambda registry: registry.create("Empty token", id="9", token=""), RegistryError),
        (lambda registry: registry.create("Token", id="9", token="with space"), RegistryError),
        (lambda registry: registry.change("9", name="x"), UnknownDataset),
        (lambda registry: registry.change("123", name=" "), RegistryError),
        (lambda registry: registry.delete("9"), UnknownDataset),
        (lambda registry: registry.rotate_token("9"), UnknownDataset),
        (lambda registry: registry.remove_token("123", b"?"), RegistryError),
    ],
    ids=["taken", "id", "no_name", "name", "no_token", "token", "change", "rename", "delete", "rotate", "remove"],
)
def test_a_change_that_cannot_be_made_is_refused_and_leaves_no_record(
    tmp_path: Path, registry: Registry, change: object, error: type[Exception]
) -> None:
    registry.create("Shop", id="123")
    with pytest.raises(error):
        change(registry)  # type: ignore[operator]
    assert len(entries_of(tmp_path, "settings")) == 1
    assert list(registry.datasets()) == ["123"]


def test_every_change_is_a_record_in_the_log_of_the_dataset_as_it_is_from_then_on(
    tmp_path: Path, registry: Registry
) -> None:
    steps = [registry.create("Shop", id="123", token=TOKEN)[0]]
    steps.append(registry.change("123", settings=DatasetSettings(country="IN")))
    steps.append(registry.change("123", name="The shop"))
    registry.add_token("123", "second")
    steps.append(registry.get("123"))
    steps.append(registry.remove_token("123", token_hash(TOKEN)))
    registry.rotate_token("123", "third")
    steps.append(registry.get("123"))
    steps.append(registry.delete("123"))
    stored = entries_of(tmp_path, "settings")
    assert {entry.kind for entry in stored} == {Kind.SETTINGS}
    assert [dataset_of(entry.body) for entry in stored] == steps
    assert [len(step.token_hashes) for step in steps] == [1, 1, 1, 2, 1, 1, 0]
    assert steps[-2].token_hashes == (token_hash("third"),)
    assert steps[-2].settings.country == "IN" and steps[-2].name == "The shop"
    assert steps[0].created_us == stored[0].first_us == stored[0].last_us


def test_a_token_belongs_to_one_dataset_until_that_is_deleted(registry: Registry) -> None:
    registry.create("One", id="1", token=TOKEN)
    registry.create("Two", id="2")
    for give in (
        lambda: registry.create("Three", id="3", token=TOKEN),
        lambda: registry.add_token("2", TOKEN),
        lambda: registry.rotate_token("2", TOKEN),
    ):
        with pytest.raises(TokenTaken, match="that of dataset 1 already"):
            give()
    assert registry.add_token("1", TOKEN) == registry.rotate_token("1", TOKEN) == TOKEN
    registry.delete("1")
    assert registry.add_token("2", TOKEN) == TOKEN


def test_a_deleted_dataset_is_gone_and_its_id_may_come_again(registry: Registry) -> None:
    registry.create("Shop", id="123")
    registry.delete("123")
    assert registry.datasets() == {}
    assert list(registry.deleted()) == ["123"]
    registry.create("New shop", id="123")
    assert registry.get("123").name == "New shop"
    assert registry.deleted() == {}


def test_a_reader_hears_of_every_change_and_of_nothing_else(tmp_path: Path, registry: Registry) -> None:
    registry.create("One", id="1")
    reader = Registry.open(tmp_path, read_only=True)
    assert reader.fresh()
    before = reader.datasets()
    assert not reader.fresh()
    assert reader.datasets() is before
    registry.create("Two", id="2")
    assert reader.fresh() and registry.fresh()
    assert list(reader.datasets()) == ["1", "2"]
    assert list(before) == ["1"]
    assert not reader.fresh()
    reader.close()


OTHER_PROCESS = """
import sys
from pathlib import Path
from truecount.log.registry import Registry

registry = Registry.open(Path(sys.argv[1]), read_only=True)
registry.datasets()
for line in sys.stdin:
    print(registry.fresh(), *registry.datasets(), flush=True)
"""


def test_another_process_sees_a_change_as_soon_as_it_is_made(tmp_path: Path, registry: Registry) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OTHER_PROCESS, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin and other.stdout

        def ask() -> str:
            print(file=other.stdin, flush=True)
            return other.stdout.readline().strip()

        assert ask() == "False"
        for number in range(1, 4):
            registry.create("Shop", id=str(number))
            assert ask() == " ".join(["True", *map(str, range(1, number + 1))])
            assert ask() == " ".join(["False", *map(str, range(1, number + 1))])
        registry.delete("2")
        assert ask() == "True 1 3"
        other.stdin.close()


def test_a_registry_for_reading_makes_no_change_and_needs_an_owner_first(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="owner"):
        Registry.open(tmp_path, read_only=True)
    Registry.open(tmp_path).close()
    with Registry.open(tmp_path, read_only=True) as reader, pytest.raises(RegistryError, match="reading"):
        reader.create("Shop")


def forget(folder: Path) -> None:
    for path in folder.glob("control.sqlite*"):
        path.unlink()


@pytest.mark.parametrize("sealed", [False, True], ids=["open", "sealed"])
def test_a_lost_registry_is_rebuilt_from_the_log(tmp_path: Path, sealed: bool) -> None:
    from truecount.log import upkeep

    writer = writer_of(tmp_path, "manager")
    put(writer, b"something else")
    with Registry.open(tmp_path, writer=writer) as registry:
        registry.create("One", id="1")
        put(writer, b"something else")
        registry.create("Two", id="2")
        registry.change("1", settings=DatasetSettings(count_bots=True))
        registry.delete("2")
        expected = registry.datasets(), registry.deleted()
    if sealed:
        writer.roll()
        upkeep.run(tmp_path, {"manager": 99}, writer.now_us())
    writer.close()
    forget(tmp_path)
    with Registry.open(tmp_path) as registry:
        assert (registry.datasets(), registry.deleted()) == expected


def test_a_crash_between_log_and_registry_is_mended_at_the_next_start(tmp_path: Path, registry: Registry) -> None:
    registry.create("One", id="1")
    registry.close()
    behind = (tmp_path / "control.sqlite").read_bytes()
    with Registry.open(tmp_path) as again:
        again.create("Two", id="2")
        again.change("1", name="First")
        expected = again.datasets()
    forget(tmp_path)
    (tmp_path / "control.sqlite").write_bytes(behind)
    with Registry.open(tmp_path) as again:
        assert again.datasets() == expected
        with LogReader(tmp_path) as reader:
            assert again.rebuild_from(reader) == 0  # nothing is applied twice


def test_a_registry_newer_than_its_log_gives_way_to_the_log(tmp_path: Path, registry: Registry) -> None:
    registry.create("One", id="1")
    registry.create("Two", id="2")
    registry.close()
    for path in (tmp_path / "log").rglob("*.sqlite*"):
        path.unlink()
    with Registry.open(tmp_path) as again:
        assert again.datasets() == {}


def test_a_change_that_the_log_does_not_take_is_not_made(tmp_path: Path, registry: Registry) -> None:
    registry.close()
    with (
        writer_of(tmp_path, reserve_bytes=2**62) as writer,
        Registry.open(tmp_path, writer=writer) as again,
        pytest.raises(LogFull),
    ):
        again.create("Shop", id="1")
    with Registry.open(tmp_path) as again:
        assert again.datasets() == {}


def test_a_change_that_only_the_log_took_is_made_up_for_with_the_next_one(tmp_path: Path, registry: Registry) -> None:
    import sqlite3

    registry.create("One", id="1")
    blocker = sqlite3.connect(tmp_path / "control.sqlite", isolation_level=None)
    registry._database.execute("pragma busy_timeout = 0")
    blocker.execute("begin immediate")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        registry.create("Two", id="2")
    blocker.execute("rollback")
    blocker.close()
    registry.create("Three", id="3")
    assert list(registry.datasets()) == ["1", "2", "3"]
