"""Wrapper libraries as npm has them, unmodified: only the host of the script leads elsewhere. And the stub of GTM."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import Route

from tests.pixel.browser import ID, SHOP, Visit, Web, wait_until
from truecount.collect.script import BUILT

META = "https://connect.facebook.net"
PACKAGES = ("react-facebook-pixel@1.0.4", "meta-pixel@2.0.0")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("wrappers")
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    try:
        done = subprocess.run([*command, "--prefix", str(folder), *PACKAGES], timeout=300, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm did not fetch the wrappers within five minutes")
    if done.returncode:
        pytest.skip("npm did not fetch the wrappers")
    return folder / "node_modules"


@pytest.fixture
def sent(visit: Visit) -> list[dict[str, str]]:
    """What arrives where the wrapper's own script address leads: our script, and its hits."""
    hits: list[dict[str, str]] = []

    def answer(route: Route) -> None:
        url = urlsplit(route.request.url)
        if url.path.endswith("/tr/"):
            body = route.request.post_data or ""
            hits.append(dict(parse_qsl(url.query or body, keep_blank_values=True)))
            route.fulfill(status=200, content_type="image/gif", body=b"")
        else:
            route.fulfill(status=200, content_type="text/javascript", body=(BUILT / "truecount.js").read_bytes())

    visit.context.route(f"{META}/**", answer)
    return hits


@pytest.mark.slow
def test_react_facebook_pixel_works_with_our_script(
    visit: Visit, web: Web, node: Path, sent: list[dict[str, str]]
) -> None:
    web.pages[f"{SHOP}/rfp.js"] = (node / "react-facebook-pixel" / "dist" / "fb-pixel.js").read_text()
    web.pages[f"{SHOP}/"] = f"""<!doctype html><script src="/rfp.js"></script><script>
        const pixel = ReactPixel.default;
        pixel.init('{ID}', {{em: 'jane@shop.example'}}, {{autoConfig: false, debug: false}});
        pixel.pageView();
        pixel.track('AddToCart', {{value: 5, currency: 'INR'}});
        pixel.trackCustom('Brewed', {{cups: 2}});
        pixel.trackSingle('{ID}', 'Lead', {{}});
        pixel.trackSingleCustom('{ID}', 'Roasted', {{}});
        pixel.fbq('track', 'Purchase', {{value: 9, currency: 'INR'}}, {{eventID: 'order-1'}});
        pixel.revokeConsent(); pixel.track('Contact'); pixel.grantConsent();
    </script>"""
    visit.page.goto(f"{SHOP}/")
    wait_until(lambda: len(sent) >= 7, "seven hits")
    assert [hit["ev"] for hit in sent] == [
        "PageView", "AddToCart", "Brewed", "Lead", "Roasted", "Purchase", "Contact",
    ]  # fmt: skip
    assert [hit["ec"] for hit in sent] == list("0123456")
    assert sent[5]["eid"] == "order-1"
    assert all(len(hit["ud[em]"]) == 64 for hit in sent)


@pytest.mark.slow
def test_meta_pixel_works_with_our_script(visit: Visit, web: Web, node: Path, sent: list[dict[str, str]]) -> None:
    lib = node / "meta-pixel" / "lib"
    web.pages[f"{SHOP}/meta-pixel.js"] = (lib / "meta-pixel.js").read_text().replace("'./typings'", "'./typings.js'")
    web.pages[f"{SHOP}/typings.js"] = (lib / "typings.js").read_text()
    web.pages[f"{SHOP}/"] = f"""<!doctype html><script type="module">
        import {{setup}} from '/meta-pixel.js';
        const pixel = setup();
        pixel.consent('revoke').init('{ID}').pageView();
        pixel.$fbq('track', 'Purchase', {{value: 9, currency: 'INR'}}, {{eventID: 'order-2'}});
        pixel.consent('grant').pageView('{ID}');
    </script>"""
    visit.page.goto(f"{SHOP}/")
    wait_until(lambda: len(sent) >= 2, "two hits")
    visit.page.wait_for_load_state()
    assert [(hit["ev"], hit.get("eid")) for hit in sent] == [("PageView", None), ("Purchase", "order-2")]


GTM = """
    // What Tag Manager's sandbox leaves on the page: no push, loaded or version; calls go to a copy of apply.
    window.fbq = function () {
        const apply = window.fbq.callMethod && window.fbq.callMethod.apply;
        if (apply) Function.prototype.call.call(apply, window.fbq.callMethod, null, arguments);
        else window.fbq.queue.push(arguments);
    };
    window._fbq = window.fbq;
    window.fbq.queue = [];
"""


def test_the_stub_and_the_calls_of_the_gtm_template_work(visit: Visit) -> None:
    calls = f"""
        fbq('consent', 'grant');
        fbq('dataProcessingOptions', ['LDU'], 0, 0);
        fbq('set', 'autoConfig', false, '{ID}');
        window.fbq.disablePushState = true;
        fbq('init', '{ID}', {{em: 'jane@shop.example'}});
        fbq('set', 'agent', 'tmSimo-GTM-WebTemplate-2.0.5', '{ID}');
        window.gates = [];
        fbq('gateCheck', 'enable_gtm_ga4_structure', (...it) => gates.push(['pass', ...it]),
            (...it) => gates.push(['fail', ...it]), '{ID}');
        fbq('trackSingle', '{ID}', 'Purchase', {{value: 9, currency: 'INR'}}, {{eventID: 'order-3'}});
    """
    visit.open(calls, stub=GTM)
    (hit,) = visit.hits(1)
    assert {key: hit.get(key) for key in ("ev", "eid", "a", "dpo", "dpoco", "dpost")} == {
        "ev": "Purchase",
        "eid": "order-3",
        "a": "tmSimo-GTM-WebTemplate-2.0.5",
        "dpo": "LDU",
        "dpoco": "0",
        "dpost": "0",
    }
    assert visit.run("return gates") == [["fail", "enable_gtm_ga4_structure", ID]]
