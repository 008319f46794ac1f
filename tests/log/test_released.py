"""Logs of every released format stay readable, byte by byte and item by item."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import pytest

from truecount.datasets import DatasetSettings
from truecount.log import upkeep
from truecount.log.folder import VERSION, DataFolder
from truecount.log.reader import LogReader
from truecount.log.registry import Registry

from .helpers import put, writer_of
from .make_released import RELEASED, SHOP, described_log, make

FORMATS = sorted((path.name for path in RELEASED.iterdir()), key=int)


@pytest.fixture(params=FORMATS)
def released(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy, because SQLite leaves files beside those that it reads."""
    return Path(shutil.copytree(RELEASED / request.param, tmp_path / "data"))


def expected_of(folder: Path) -> list[dict]:
    """What the folder says of itself. What came later, a setting or else, reads as its default."""
    entries = json.loads((folder / "expected.json").read_text())
    for item in (item for entry in entries for item in entry["items"] if "settings" in item):
        item["settings"] = json.loads(msgspec.json.encode(DatasetSettings(**item["settings"])))
        item.setdefault("by", "")
    return entries


def test_the_format_of_this_version_has_its_folder() -> None:
    assert str(VERSION) in FORMATS


def test_a_released_log_reads_as_it_was_written(released: Path) -> None:
    expected = expected_of(released)
    assert {entry["kind"] for entry in expected} == {1, 2, 3, 4}
    assert described_log(released) == expected
    assert upkeep.verify(released) == []


def test_a_released_folder_opens_seals_and_goes_on(released: Path) -> None:
    folder = DataFolder(released)
    with folder.lock():
        with Registry.open(released) as registry:
            assert registry.get(SHOP).settings.country == "IN"
        with writer_of(released) as writer:
            last = put(writer, b"next")
            writer.roll()
            report = upkeep.run(released, {"door-1": last}, writer.now_us())
        assert report.problems == [] and report.sealed
        assert folder.weak_key() == bytes(range(32))
        with LogReader(released) as reader:
            assert reader.last_seq("door-1") == last
    expected = [entry for entry in expected_of(released) if entry["door"] == "door-1"]
    with LogReader(released) as reader:
        assert [stored.seq for stored in reader.all("door-1")] == [*(entry["seq"] for entry in expected), last]


def test_what_this_version_writes_says_the_same(tmp_path: Path) -> None:
    make(tmp_path / "data")
    names = ("door", "seq", "kind", "n", "first_us", "last_us", "items")
    written, released = (
        [{name: entry[name] for name in names} for entry in expected_of(folder)]
        for folder in (tmp_path / "data", RELEASED / str(VERSION))
    )
    assert written == released
