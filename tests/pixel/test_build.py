"""The built files are what the sources give."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from truecount.collect.script import BUILT

PIXEL = BUILT.parent


def test_the_committed_files_name_the_sources_that_are_here() -> None:
    hashed = hashlib.sha256()
    names = [str(path.relative_to(PIXEL)) for path in (PIXEL / "src").rglob("*.ts")]
    for name in sorted([*names, "build.mjs", "package.json", "../__init__.py"]):
        hashed.update(f"{name}\n".encode() + (PIXEL / name).read_bytes())
    told = (BUILT / "sources.sha256").read_text().strip()
    assert told == hashed.hexdigest(), "the built files are older than their sources: run `make pixel`"


@pytest.mark.slow
def test_the_committed_files_are_built_of_the_committed_sources(tmp_path: Path) -> None:
    if not shutil.which("npm") or not shutil.which("node"):
        pytest.skip("npm and node are not installed")
    copy = tmp_path / "truecount" / "pixel"
    shutil.copytree(PIXEL, copy, ignore=shutil.ignore_patterns("node_modules", "built"))
    shutil.copy(PIXEL.parent / "__init__.py", copy.parent)
    try:
        command = ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"]
        brought = subprocess.run(command, cwd=copy, timeout=300, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        brought = False
    if not brought:
        pytest.skip("npm did not fetch esbuild and typescript")
    subprocess.run(["npm", "run", "-s", "check"], cwd=copy, timeout=120, check=True)
    subprocess.run(["npm", "run", "-s", "build"], cwd=copy, timeout=120, check=True)
    made = {file.name: file.read_bytes() for file in (copy / "built").iterdir()}
    committed = {file.name: file.read_bytes() for file in BUILT.iterdir()}
    # How well brotli and gzip pack depends on the libraries of the Node that built them.
    for name in ("truecount.js", "truecount-extra.js"):
        assert made[name] == committed[name], f"{name} is older than its sources: run `make pixel`"
    assert made.keys() == committed.keys()
