"""The demo as a person runs it, for a few seconds."""

from __future__ import annotations

from pathlib import Path

from tests.system import run_cli


def test_the_demo_ends_by_itself_and_count_and_books_agree(tmp_path: Path) -> None:
    done = run_cli("demo", "--port", "0", "--seed", "3", "--pace", "20", "--for", "3", "--data", str(tmp_path / "data"))
    assert done.returncode == 0, done.stderr + done.stdout
    assert "Purchase" in done.stdout
    assert "They agree." in done.stdout
    assert "Every number of every event is what the books say." in done.stdout
    assert (tmp_path / "data" / "log").is_dir()
