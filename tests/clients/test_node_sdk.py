"""The official Node SDK. Slow: npm fetches it into a temporary folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.system import AGENT, Shop, System, wait_until
from truecount.lines import lines_for

pytestmark = pytest.mark.slow

PACKAGE = "facebook-nodejs-business-sdk@24.0.1"
SCRIPT = """
const sdk = require('facebook-nodejs-business-sdk');
const { FacebookAdsApi, ServerEvent, EventRequest, UserData, CustomData } = sdk;
const [url, dataset, token, agent] = process.argv.slice(2);
Object.defineProperty(FacebookAdsApi, 'GRAPH', { get() { return url; } });
FacebookAdsApi.init(token);
function sale(number) {
  const user = new UserData().setEmails(['Asha' + number + '@Example.com']).setPhones(['+91 98450 12345'])
    .setClientUserAgent(agent).setFbp('fb.1.1700000000000.' + number);
  const custom = new CustomData().setCurrency('INR').setValue(899);
  return new ServerEvent().setEventName('Purchase').setEventTime(Math.floor(Date.now() / 1000))
    .setEventId('order-' + number).setActionSource('website')
    .setEventSourceUrl('https://brewbeans.example/thanks').setUserData(user).setCustomData(custom);
}
(async () => {
  const answer = await new EventRequest(token, dataset).setEvents([sale(1), sale(2)]).execute();
  console.log(JSON.stringify({ received: answer.events_received }));
  try {
    await new EventRequest(token, dataset).setEvents([sale(3).setEventTime(1500000000)]).execute();
  } catch (error) {
    console.log(JSON.stringify({ status: error.status, subcode: error.response.error_subcode }));
  }
})().catch(error => { console.error(error); process.exit(1); });
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("npm") or not shutil.which("node"):
        pytest.skip("npm and node are not installed")
    folder = tmp_path_factory.mktemp("node")
    command = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(folder), PACKAGE]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm did not fetch the SDK within five minutes")
    if done.returncode:
        pytest.skip(f"npm cannot fetch the SDK here: {done.stderr.strip()[-300:]}")
    (folder / "send.js").write_text(SCRIPT)
    return folder


def test_the_lines_that_are_told_work_as_they_are_pasted(node: Path, system: System, shop: Shop) -> None:
    (node / "lines.js").write_text(lines_for(system.state["url"], shop.id).node)
    command = ["node", str(node / "lines.js")]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "TRUECOUNT_TOKEN": shop.token}, check=False
    )
    assert done.returncode == 0, done.stderr
    wait_until(lambda: system.copies(shop) == 1, "the sale")


def test_node_sdk_events_and_hits_of_the_same_sales_merge(node: Path, system: System, shop: Shop) -> None:
    assert system.post_hit(shop, ev="Purchase", eid="order-1", cd={"value": "899.00", "currency": "INR"}).status == 200
    environ = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    command = ["node", "send.js", system.state["url"], shop.id, shop.token, AGENT]
    done = subprocess.run(command, cwd=node, capture_output=True, text=True, timeout=120, check=False, env=environ)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ['{"received":2}', '{"status":400,"subcode":2804003}']
    wait_until(lambda: system.copies(shop) == 3, "three copies")
    row = system.events(shop)["Purchase"]
    assert (row["actions"], row["both"], row["server_only"]) == (2, 1, 1)
    assert row["value"] == {"INR": "1798.00"}
