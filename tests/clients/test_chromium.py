"""A real browser: a page with the pixel's image tag, a beacon, a form and a fetch. Slow: Chromium starts."""

from __future__ import annotations

import http.server
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import Shop, System, purchase, wait_until

pytestmark = pytest.mark.slow

PAGE = """<!doctype html><title>Thank you</title>
<img height="1" width="1" style="display:none" src="{url}/tr?id={id}&ev=PageView&noscript=1">
<img height="1" width="1" style="display:none"
  src="{url}/tr?id={id}&ev=Purchase&eid=order-1&cd[value]=899.00&cd[currency]=INR">
<iframe name="hidden" style="display:none"></iframe>
<form id="form" method="post" target="hidden" action="{url}/tr/">
  <input name="id" value="{id}"><input name="ev" value="Lead"><input name="eid" value="lead-1">
  <input name="cd[note]" value="é &amp; ü">
</form>
<script>
  document.getElementById('form').submit();
  const data = new FormData();
  for (const [key, value] of [['id', '{id}'], ['ev', 'AddToCart'], ['eid', 'cart-1']]) data.append(key, value);
  navigator.sendBeacon('{url}/tr/', data);
  fetch('{url}/tr/?id={id}&ev=Search&eid=search-1', {{ mode: 'cors', credentials: 'include' }})
    .then(answer => {{ document.title = 'answer ' + answer.status; }});
</script>
"""


@pytest.fixture(scope="module")
def chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    pytest.skip("no Chromium is installed")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *given: object) -> None:
            super().__init__(*given, directory=str(tmp_path))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield tmp_path, server.server_port
        server.shutdown()
        thread.join()


def test_a_page_in_chromium_reports_by_image_form_beacon_and_fetch(
    chromium: str, system: System, shop: Shop, site: tuple[Path, int], tmp_path: Path
) -> None:
    folder, port = site
    (folder / "thanks.html").write_text(PAGE.format(url=system.state["url"], id=shop.id))
    assert system.post_events(shop, [purchase("order-1")]).status == 200
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-proxy-server", "--disable-dev-shm-usage"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=8000", "--dump-dom"]
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{port}/thanks.html"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    names = {"PageView", "Purchase", "Lead", "AddToCart", "Search"}
    rows = wait_until(lambda: (found := system.events(shop)).keys() == names and found, f"{names}")
    assert "answer 200" in done.stdout
    assert (rows["Purchase"]["actions"], rows["Purchase"]["both"]) == (1, 1)
    assert {rows[name]["browser_only"] for name in names - {"Purchase"}} == {1}
    # Chromium without a window says HeadlessChrome: a developer's tool, marked and counted.
    assert rows["Lead"]["tools"] == 1
