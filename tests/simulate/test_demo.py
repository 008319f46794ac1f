"""The demo as a person runs it, for a few seconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system import run_cli
from truecount.simulate import demo


def test_the_demo_ends_by_itself_and_count_and_books_agree(tmp_path: Path) -> None:
    done = run_cli("demo", "--port", "0", "--seed", "3", "--pace", "20", "--for", "3", "--data", str(tmp_path / "data"))
    assert done.returncode == 0, done.stderr + done.stdout
    assert "Purchase" in done.stdout
    assert "They agree." in done.stdout
    assert "Every number of every event is what the books say." in done.stdout
    assert (tmp_path / "data" / "log").is_dir()


@pytest.mark.parametrize("given", ["nothing", "flag"])
def test_the_folder_of_a_real_server_is_never_the_demos_unless_its_flag_says_so(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real, served = tmp_path / "real", []

    @contextmanager
    def serving(folder: Path, words: Path, port: int | None) -> Iterator[str]:
        served.append(folder)
        yield "http://127.0.0.1:1"

    monkeypatch.chdir(tmp_path)
    Path("truecount.toml").write_text(f'data = "{real}"\n')
    monkeypatch.setenv("TRUECOUNT_DATA", str(real))
    monkeypatch.setattr(demo, "serving", serving)
    monkeypatch.setattr(demo, "play", lambda folder, url, args: 0 if folder in served else 1)
    assert demo.main([] if given == "nothing" else ["--data", str(real)]) == 0
    assert (served == [real]) == (given == "flag")
    first = capsys.readouterr().err.splitlines()[0]
    assert str(served[0]) in first
    assert ("kept" in first) == (given == "flag")
