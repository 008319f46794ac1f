"""The lines that `truecount snippet` and the page Start tell work as they are pasted."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system import Shop, System, wait_until
from truecount.lines import lines_for


def run(command: list[str], shop: Shop) -> str:
    environ = {**os.environ, "TRUECOUNT_TOKEN": shop.token, "NO_PROXY": "*"}
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_python(system: System, shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "send.py").write_text(lines_for(system.state["url"], shop.id).python)
    run([sys.executable, str(tmp_path / "send.py")], shop)
    wait_until(lambda: system.copies(shop) == 1, "the sale")


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl is installed")
def test_curl(system: System, shop: Shop) -> None:
    assert '"events_received":1' in run(["sh", "-c", lines_for(system.state["url"], shop.id).curl], shop)
    wait_until(lambda: system.copies(shop) == 1, "the sale")


@pytest.mark.skipif(not shutil.which("php"), reason="no PHP is installed")
def test_php(system: System, shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "send.php").write_text(lines_for(system.state["url"], shop.id).php)
    assert '"events_received":1' in run(["php", str(tmp_path / "send.php")], shop)


def test_a_sale_of_the_pixel_and_of_the_lines_is_one(system: System, shop: Shop) -> None:
    system.post_hit(shop, ev="Purchase", eid="order-1001", cd={"value": "899.00", "currency": "INR"})
    run(["sh", "-c", lines_for(system.state["url"], shop.id).curl], shop)
    wait_until(lambda: system.events(shop).get("Purchase", {}).get("both") == 1, "the sale of both")


@pytest.mark.parametrize("base", ["ftp://x", "http://", "http://a b", "http://x/'", "javascript:x", ""])
def test_what_is_no_address_stands_in_no_line(base: str) -> None:
    with pytest.raises(ValueError, match="wanted http"):
        lines_for(base, "77")
