"""The demo as a person runs it, for a few seconds."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE

import pytest

from tests.simulate.shopper import Shopper, browsing
from tests.system import run_cli
from truecount.cli import CommandFailed
from truecount.simulate import demo
from truecount.simulate.site.serving import listening
from truecount.simulate.site.till import Till
from truecount.simulate.site.view import Site


def test_the_demo_ends_by_itself_and_count_and_books_agree(tmp_path: Path) -> None:
    done = run_cli("demo", "--port", "0", "--seed", "3", "--pace", "20", "--for", "3", "--data", str(tmp_path / "data"))
    assert done.returncode == 0, done.stderr + done.stdout
    assert "Purchase" in done.stdout
    assert "They agree." in done.stdout
    assert "Every number of every event is what the books say." in done.stdout
    assert (tmp_path / "data" / "log").is_dir()


@pytest.mark.slow
def test_a_person_can_shop_in_the_demo_and_the_books_still_agree(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "truecount", "demo", "--port", "0", "--shop-port", "0", "--pace", "20"]
    with subprocess.Popen([*command, "--data", str(tmp_path / "data")], stdout=PIPE, stderr=PIPE, text=True) as demo:
        assert demo.stderr is not None
        assert demo.stdout is not None
        line = next(line for line in demo.stderr if "Shop there yourself" in line)
        found = re.search(r"dataset (\d+)\. .*: (http://(\S+):\d+)/\.", line)
        assert found
        dataset, shop = found[1], found[2]
        look = re.search(r"Look at it: (\S+)", next(demo.stderr))
        assert look
        collector = re.search(r"to (http://\S+),", line)
        assert collector
        site = Site(dataset, collector[1], shop, shop.replace("brewbeans", "beanpay"), "", Till(), outbox=None)  # type: ignore[arg-type]
        with browsing() as browser:
            shopper = Shopper(browser, site)
            shopper.go("/")
            shopper.press("Accept")
            shopper.fill_cart()
            shopper.check_out()
            order = shopper.pay()
            assert f"explain {dataset} Purchase {order} --data" in shopper.page.inner_text("pre")
            overview = browser.new_page()
            overview.goto(look[1])
            count = overview.locator("p.count")
            first = count.inner_text()
            overview.wait_for_function("first => document.querySelector('p.count').innerText !== first", arg=first)
            assert re.search(r"Server only\s*\d+", overview.inner_text(".overlap"))
            assert int(count.inner_text()) > int(first), "the page renews itself while visitors shop"
            shopper.close()
        demo.send_signal(signal.SIGINT)
        out, err = demo.communicate(timeout=120)
    assert demo.returncode == 0, err + out
    assert "pages shown to people, 1 orders of theirs" in out
    assert "Orders, and all that is known of visits, are what the books say." in out
    done = run_cli("explain", dataset, "Purchase", order, "--format", "json", "--data", str(tmp_path / "data"))
    assert {copy["source"] for copy in json.loads(done.stdout)["copies"]} == {"browser", "server"}


@pytest.mark.parametrize(("flag", "text"), [("--blocked", "2"), ("--denied", "-0.1"), ("--denied", "many")])
def test_shares_are_from_0_to_1(flag: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        demo.main([flag, text])
    assert ended.value.code == 2
    assert flag in capsys.readouterr().err


def test_a_port_that_is_taken_is_told_and_one_that_nobody_asked_for_is_no_trouble() -> None:
    with listening(0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommandFailed, match=f"port {port}"):
            demo.shop_socket(port)
    with pytest.raises(CommandFailed, match="port 99999"):
        demo.shop_socket(99999)
    demo.shop_socket(None).close()


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
