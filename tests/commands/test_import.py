"""Import: rows through the steps of the doors, with their own times; each row once, whatever interrupts."""

from __future__ import annotations

import gzip
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from truecount import cli
from truecount.commands import importing
from truecount.commands.intake import Chunk, Intake, OutOfOrder
from truecount.copies import Copy, copies_of
from truecount.datasets import Dataset
from truecount.log.entries import Kind, Tally, split_parts, tallies_of
from truecount.log.folder import DataFolder
from truecount.log.reader import LogReader
from truecount.log.registry import Registry
from truecount.vocabulary import Mark

DAY = 86_400


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataFolder:
    folder = DataFolder(tmp_path / "data")
    with Registry.open(folder.path) as registry:
        registry.create("Shop", id="77")
    monkeypatch.setenv("TRUECOUNT_DATA", str(folder.path))
    return folder


@pytest.fixture
def take(folder: DataFolder, capsys: pytest.CaptureFixture[str]) -> Callable[[Path], dict[str, Any]]:
    """Run `truecount import` on a file; its report."""

    def run(path: Path, *more: str, code: int = 0) -> dict[str, Any]:
        capsys.readouterr()
        assert cli.main(["import", str(path), "--dataset", "77", "--format", "json", *more]) == code
        report: dict[str, Any] = json.loads(capsys.readouterr().out)
        return report

    return run


def event(n: int, **more: Any) -> dict[str, Any]:
    return {
        "event_name": "Purchase",
        "event_time": 1_600_000_000 + n,
        "event_id": f"order-{n}",
        "action_source": "website",
        "user_data": {"em": f"buyer{n}@mail.example"},
        "custom_data": {"value": "5.00", "currency": "INR"},
        **more,
    }


def lines(path: Path, events: list[Any]) -> Path:
    path.write_text(
        "".join((json.dumps(one, separators=(",", ":")) if isinstance(one, dict) else one) + "\n" for one in events)
    )
    return path


def kept(folder: DataFolder) -> list[Copy]:
    with LogReader(folder.path) as reader:
        entries = reader.all("import", 0, (Kind.COPIES,))
        return [copy for stored in entries for part in split_parts(stored.body) for copy in copies_of(part)]


def tallies(folder: DataFolder) -> list[Tally]:
    with LogReader(folder.path) as reader:
        return [tally for stored in reader.all("import", 0, (Kind.TALLIES,)) for tally in tallies_of(stored.body)]


def test_rows_are_kept_with_their_own_times_and_the_mark(folder: DataFolder, take: Any, tmp_path: Path) -> None:
    events = [
        event(1),
        event(2, received_time=1_600_000_900),
        event(3, source="browser", event_time="2020-09-13T12:26:43Z"),
    ]
    report = take(lines(tmp_path / "old.jsonl", events))
    assert {name: report[name] for name in ("lines", "accepted", "refused", "withheld", "skipped_lines")} == {
        "lines": 3,
        "accepted": 3,
        "refused": 0,
        "withheld": 0,
        "skipped_lines": 0,
    }
    found = kept(folder)
    assert [copy.event_id for copy in found] == ["order-1", "order-2", "order-3"]
    assert [copy.source for copy in found] == ["server", "server", "browser"]
    assert [copy.event_time_ms // 1000 for copy in found] == [1_600_000_001, 1_600_000_002, 1_600_000_003]
    assert [copy.received_us // 1_000_000 for copy in found] == [1_600_000_001, 1_600_000_900, 1_600_000_003]
    assert all(copy.marks & Mark.IMPORTED for copy in found)
    assert all(len(copy.em) == 32 for copy in found)


def test_a_hit_of_a_backfill_needs_to_name_nobody_as_at_the_browser_door(
    folder: DataFolder, take: Any, tmp_path: Path
) -> None:
    bare = {"event_name": "Lead", "event_time": 1_600_000_003, "event_id": "n-1"}
    report = take(lines(tmp_path / "old.jsonl", [{**bare, "source": "browser"}, {**bare, "source": "server"}]))
    assert (report["accepted"], report["refused"]) == (1, 1)
    path = tmp_path / "old.csv"
    path.write_text("event_name,event_time,event_id,source\nLead,1600000003,n-2,browser\nLead,1600000003,n-3,server\n")
    report = take(path)
    assert (report["accepted"], report["refused"]) == (1, 1)
    assert [(copy.event_id, copy.source) for copy in kept(folder)] == [("n-1", "browser"), ("n-2", "browser")]


def test_a_csv_file_gives_the_copies_that_json_lines_give(folder: DataFolder, take: Any, tmp_path: Path) -> None:
    path = tmp_path / "old.csv"
    path.write_text(
        "event_name,event_time,event_id,source,action_source,em,value,currency\n"
        "Purchase,1600000001,order-1,,website,buyer1@mail.example,5.00,INR\n"
        "Purchase,1600000002,order-2,browser,website,buyer2@mail.example,5.00,INR\n"
    )
    take(path)
    take(lines(tmp_path / "old.jsonl", [event(1), event(2, source="browser")]), "--again")
    by_csv, by_json = kept(folder)[:2], kept(folder)[2:]
    assert by_csv == by_json


def test_refused_rows_are_told_with_their_lines_and_tallied_and_the_others_taken(
    folder: DataFolder, take: Any, tmp_path: Path
) -> None:
    rows = [
        event(1),
        "{not json",
        event(3, user_data={}),
        "",
        event(5),
        event(6, source="radio"),
        event(7, event_name=""),
    ]
    report = take(lines(tmp_path / "old.jsonl", rows))
    assert (report["lines"], report["accepted"], report["refused"]) == (7, 2, 4)
    assert [(row["line"], row["reason"]) for row in report["refused_rows"]] == [
        (2, "malformed_request"),
        (3, "no_match_keys"),
        (6, "bad_shape"),
        (7, "no_event_name"),
    ]
    assert all(row["text"] and "['data']" not in row["text"] for row in report["refused_rows"])
    assert [copy.event_id for copy in kept(folder)] == ["order-1", "order-5"]
    assert sum(tally.n for tally in tallies(folder)) == 4
    assert {tally.reason for tally in tallies(folder)} == {
        "malformed_request",
        "bad_shape",
        "no_match_keys",
        "no_event_name",
    }


def test_withheld_rows_are_tallied_and_counted(folder: DataFolder, take: Any, tmp_path: Path) -> None:
    assert cli.main(["dataset", "set", "77", "denied_events=withhold"]) == 0
    report = take(lines(tmp_path / "old.jsonl", [event(1), event(2, consent="denied")]))
    assert (report["accepted"], report["refused"], report["withheld"]) == (1, 0, 1)
    assert [(tally.outcome, tally.n) for tally in tallies(folder)] == [("withheld", 1)]


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "CHUNK_ROWS", 10)


@pytest.mark.usefixtures("small_chunks")
def test_run_twice_under_any_name_it_takes_nothing_twice(folder: DataFolder, take: Any, tmp_path: Path) -> None:
    path = lines(tmp_path / "old.jsonl", [event(n) for n in range(25)])
    assert take(path)["accepted"] == 25
    report = take(path)
    assert (report["accepted"], report["skipped_lines"]) == (0, 25)
    copy = tmp_path / "other name.jsonl"
    copy.write_bytes(path.read_bytes())
    assert take(copy)["accepted"] == 0
    assert len(kept(folder)) == 25


@pytest.mark.usefixtures("small_chunks")
def test_lines_added_later_are_taken_and_a_changed_file_is_another(
    folder: DataFolder, take: Any, tmp_path: Path
) -> None:
    path = lines(tmp_path / "old.jsonl", [event(n) for n in range(25)])
    take(path)
    lines(path, [event(n) for n in range(30)])
    report = take(path)
    assert (report["accepted"], report["skipped_lines"], report["lines"]) == (5, 25, 30)
    lines(path, [event(n) for n in range(15)])  # cut short: its first 10 lines are known, 5 more row by row
    report = take(path)
    assert (report["skipped_lines"], report["repeated"], report["accepted"]) == (10, 5, 0)
    lines(path, [event(n) for n in range(100, 103)])
    assert take(path)["accepted"] == 3


def test_a_last_line_that_is_still_written_is_left_for_the_run_after(
    folder: DataFolder, take: Any, tmp_path: Path
) -> None:
    path = lines(tmp_path / "old.jsonl", [event(1), event(2), "{not json"])
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    report = take(path)
    assert (report["accepted"], report["refused"], report["lines"], report["unfinished_line"]) == (1, 0, 1, 2)
    path.write_bytes(whole)
    report = take(path)
    assert (report["accepted"], report["refused"], report["lines"], report["unfinished_line"]) == (1, 1, 3, None)
    assert [row["line"] for row in report["refused_rows"]] == [3]
    assert [copy.event_id for copy in kept(folder)] == ["order-1", "order-2"]


@pytest.mark.parametrize("name", ["old.jsonl", "corrected.jsonl"])
@pytest.mark.parametrize("wrong", [0, 4, 17])
@pytest.mark.usefixtures("small_chunks")
def test_a_file_with_a_row_corrected_gives_that_row_alone(
    folder: DataFolder, take: Any, tmp_path: Path, wrong: int, name: str
) -> None:
    events = [event(n) for n in range(25)]
    take(lines(tmp_path / "old.jsonl", [*events[:wrong], event(wrong, user_data={}), *events[wrong + 1 :]]))
    report = take(lines(tmp_path / name, events))
    assert (report["accepted"], report["refused"]) == (1, 0)
    assert report["repeated"] + report["skipped_lines"] == 24
    assert sorted(copy.event_id for copy in kept(folder)) == sorted(f"order-{n}" for n in range(25))
    assert take(tmp_path / name)["skipped_lines"] == 25


@pytest.mark.usefixtures("small_chunks")
def test_rows_that_are_the_same_count_as_often_as_they_stand_in_one_file(
    folder: DataFolder, take: Any, tmp_path: Path
) -> None:
    path = lines(tmp_path / "old.jsonl", [event(1), event(1), *(event(n) for n in range(2, 15)), event(1)])
    assert take(path)["accepted"] == 16
    assert take(lines(path, [event(1), event(0), event(1), event(1), event(1)]))["accepted"] == 2
    assert take(lines(path, [event(1), event(0), event(1), event(1), event(1), event(1)]))["accepted"] == 1
    found = [copy.event_id for copy in kept(folder)]
    assert (found.count("order-1"), found.count("order-0"), len(found)) == (5, 1, 19)


def test_asked_for_again_rows_of_another_file_are_taken_once_more(
    folder: DataFolder, take: Any, tmp_path: Path
) -> None:
    take(lines(tmp_path / "old.jsonl", [event(1), event(2)]))
    path = lines(tmp_path / "more.jsonl", [event(2), event(1)])
    report = take(path, "--again")
    assert (report["accepted"], report["repeated"]) == (2, 0)
    assert take(path, "--again")["skipped_lines"] == 2


@pytest.mark.usefixtures("small_chunks")
def test_refused_rows_of_all_runs_are_told_by_each(folder: DataFolder, take: Any, tmp_path: Path) -> None:
    rows: list[Any] = [event(n) for n in range(25)]
    rows[3] = rows[22] = "{not json"
    path = lines(tmp_path / "old.jsonl", rows[:15])
    assert [row["line"] for row in take(path)["refused_rows"]] == [4]
    report = take(lines(path, rows))
    assert (report["refused"], [row["line"] for row in report["refused_rows"]]) == (1, [4, 23])
    report = take(path)
    assert (report["refused"], [row["line"] for row in report["refused_rows"]]) == (0, [4, 23])
    # Corrected, a row is refused no more.
    rows[3] = event(3)
    assert [row["line"] for row in take(lines(path, rows))["refused_rows"]] == [23]


@pytest.mark.usefixtures("small_chunks")
def test_ctrl_c_lets_the_chunk_under_way_be_finished_and_told_of(
    folder: DataFolder, take: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = lines(tmp_path / "old.jsonl", [event(n, **({"event_name": ""} if n == 15 else {})) for n in range(35)])
    whole = Intake.take
    calls = 0

    def pressed(self: Intake, dataset: Dataset, packed: bytes) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            signal.raise_signal(signal.SIGINT)
        return whole(self, dataset, packed)

    monkeypatch.setattr(Intake, "take", pressed)
    before = signal.getsignal(signal.SIGINT)
    report = take(path, code=130)
    assert (report["interrupted"], report["accepted"], report["lines"]) == (True, 19, 20)
    assert [row["line"] for row in report["refused_rows"]] == [16]
    assert signal.getsignal(signal.SIGINT) is before
    assert take(path)["accepted"] == 15


@pytest.mark.usefixtures("small_chunks")
def test_what_senders_should_know_is_told_once_with_its_first_line(
    folder: DataFolder, take: Any, tmp_path: Path
) -> None:
    page = {"event_source_url": "https://shop.example/", "user_data": {"em": "a@b.example", "client_user_agent": "x"}}
    sent = [event(n, **page, **({"action_source": None} if n in (4, 5, 22) else {})) for n in range(25)]
    report = take(lines(tmp_path / "old.jsonl", sent))
    assert report["messages"] == [{"text": "$['action_source'] is missing: read as other", "line": 5, "n": 3}]


@pytest.mark.parametrize("form", ["jsonl", "csv"])
@pytest.mark.usefixtures("small_chunks")
def test_interrupted_it_goes_on_where_it_was(
    folder: DataFolder, take: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    if form == "csv":
        path = tmp_path / "old.csv"
        rows = (f"Purchase,{1_600_000_000 + n},order-{n},a{n}@mail.example\n" for n in range(35))
        path.write_text("event_name,event_time,event_id,em\n" + "".join(rows))
    else:
        path = lines(tmp_path / "old.jsonl", [event(n) for n in range(35)])
    whole = Intake.take
    calls = 0

    def stopped(self: Intake, dataset: Dataset, packed: bytes) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return whole(self, dataset, packed)

    monkeypatch.setattr(Intake, "take", stopped)
    report = take(path, code=130)
    assert (report["interrupted"], report["accepted"]) == (True, 20)
    report = take(path)
    assert (report["interrupted"], report["accepted"]) == (False, 15)
    assert [copy.event_id for copy in kept(folder)] == [f"order-{n}" for n in range(35)]


@pytest.mark.parametrize("cut", ["before", "after"])
@pytest.mark.usefixtures("small_chunks")
def test_a_crash_between_the_log_and_the_note_of_it_neither_loses_nor_doubles(
    folder: DataFolder, take: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    path = lines(tmp_path / "old.jsonl", [event(n) for n in range(25)])
    from truecount.log.writer import LogWriter

    whole = LogWriter.append
    calls = 0

    def crashing(self: LogWriter, *arguments: Any, **more: Any) -> int:
        nonlocal calls
        calls += 1
        if calls == 2 and cut == "before":
            raise MemoryError
        seq = whole(self, *arguments, **more)
        if calls == 2:
            raise MemoryError
        return seq

    monkeypatch.setattr(LogWriter, "append", crashing)
    with pytest.raises(MemoryError):
        take(path)
    take(path)
    assert [copy.event_id for copy in kept(folder)] == [f"order-{n}" for n in range(25)]


def test_a_chunk_whose_beginning_is_not_in_is_refused(folder: DataFolder) -> None:
    import msgspec

    with Registry.open(folder.path, read_only=True) as registry:
        dataset = registry.get("77")
    chunk = Chunk(b"unknown", b"digest", 10, 1, [(1, json.dumps(event(1)).encode())])
    with Intake(folder) as intake, pytest.raises(OutOfOrder):
        intake.take(dataset, msgspec.msgpack.encode(chunk))
    assert kept(folder) == []


def test_a_dataset_made_again_under_its_id_starts_anew(folder: DataFolder, take: Any, tmp_path: Path) -> None:
    path = lines(tmp_path / "old.jsonl", [event(1)])
    take(path)
    assert cli.main(["dataset", "delete", "77", "--yes"]) == 0
    assert cli.main(["dataset", "create", "Shop", "--id", "77"]) == 0
    assert take(path)["accepted"] == 1


@pytest.mark.parametrize("name", ["old.csv", "nowhere.jsonl"])
def test_a_file_that_will_not_do_exits_1_in_words(
    folder: DataFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / "old.csv").write_text("event_name,event_time,emial\nx,1,2\n")
    assert cli.main(["import", str(tmp_path / name), "--dataset", "77"]) == 1
    said = capsys.readouterr()
    assert said.out == "" and name in said.err


KINDS = {
    "gzip.jsonl": (gzip.compress(b"{}\n"), "is compressed (gzip): unpack it first"),
    "old.csv.gz": (gzip.compress(b"event_name,event_time\n"), "is compressed (gzip)"),
    "zip.csv": (b"PK\x03\x04\x14\x00", "is compressed (zip)"),
    "zstd.jsonl": (b"\x28\xb5\x2f\xfd\x04\x00", "is compressed (zstd)"),
    "array.json": (b'\xef\xbb\xbf\n[{"event_name": "Purchase"}]\n', "one event a line"),
    "body.json": (b'{"data":[{"event_name":"Purchase","event_time":1}]}\n', "one event a line"),
    "pretty.json": (b'{\n  "partner_agent": "x",\n  "data": [\n    {"event_name": "x"}\n  ]\n}\n', "one event a line"),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_file_of_another_kind_is_refused_with_what_is_wanted(
    folder: DataFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    content, words = KINDS[name]
    (tmp_path / name).write_bytes(content)
    assert cli.main(["import", str(tmp_path / name), "--dataset", "77"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and name in said.err and words in said.err
    assert kept(folder) == [] and tallies(folder) == []


def test_an_event_with_data_of_its_own_is_no_file_of_another_kind(take: Any, tmp_path: Path) -> None:
    odd = {"custom_data": {"data": [1], "value": 1, "currency": "INR"}, **event(1)}
    assert take(lines(tmp_path / "old.jsonl", [odd, event(2)]))["accepted"] == 2


def test_where_rows_were_refused_and_none_was_taken_it_exits_1(take: Any, tmp_path: Path) -> None:
    path = lines(tmp_path / "old.jsonl", ["{", "{"])
    assert take(path, code=1)["refused"] == 2
    assert take(path)["refused"] == 0
    assert take(lines(path, [event(1), "{"]))["accepted"] == 1
    assert take(lines(path, [event(1), "{]"]))["repeated"] == 1


def test_the_report_for_people_names_lines_and_sums(
    folder: DataFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = lines(tmp_path / "old.jsonl", [event(1), *("{" for _ in range(25))])
    assert cli.main(["import", str(path), "--dataset", "77"]) == 0
    said = capsys.readouterr()
    assert "1 events taken, 25 refused, 0 withheld" in said.err and "5 more" in said.err
    assert "malformed_request" in said.out and "the line is no JSON object" in said.out


@pytest.mark.usefixtures("small_chunks")
def test_on_a_backup_made_in_between_it_goes_on_where_the_backup_is(
    folder: DataFolder, take: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = lines(tmp_path / "old.jsonl", [event(n) for n in range(25)])
    take(path)
    assert cli.main(["backup", str(tmp_path / "copy")]) == 0
    lines(path, [event(n) for n in range(40)])
    take(path)
    monkeypatch.setenv("TRUECOUNT_DATA", str(tmp_path / "copy"))
    assert take(path)["accepted"] == 15
    # A log older than the notes of it, as when a backup of the log alone is put back.
    (tmp_path / "copy" / "imports.sqlite").write_bytes((folder.path / "imports.sqlite").read_bytes())
    import shutil

    shutil.rmtree(tmp_path / "copy" / "log" / "import")
    assert take(path)["accepted"] == 40
