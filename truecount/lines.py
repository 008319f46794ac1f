"""The lines that a page and a server need to send their events here, for one dataset and one address of this server.

Of an existing snippet only the host changes; an SDK is pointed here by one line of its own.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

IS_BASE: Final = re.compile(r"https?://[A-Za-z0-9._\-\[\]:]+").fullmatch
"""An address that may stand in the lines: scheme, host, port."""

PIXEL: Final = """\
<script>
(function (w, d, src) {
  if (w.fbq) return;
  var f = w.fbq = function () { f.callMethod ? f.callMethod.apply(f, arguments) : f.queue.push(arguments); };
  if (!w._fbq) w._fbq = f;
  f.push = f; f.loaded = true; f.version = '2.0'; f.queue = [];
  var s = d.createElement('script'), first = d.getElementsByTagName('script')[0];
  s.async = true; s.src = src;
  first.parentNode.insertBefore(s, first);
})(window, document, '@BASE@/truecount.js');
fbq('init', '@ID@');
fbq('track', 'PageView');
</script>"""

NOSCRIPT: Final = """\
<noscript>
<img height="1" width="1" style="display:none" src="@BASE@/tr?id=@ID@&amp;ev=PageView&amp;noscript=1">
</noscript>"""

PYTHON: Final = """\
import os, time
from facebook_business.api import FacebookAdsApi
from facebook_business.session import FacebookSession
from facebook_business.adobjects.serverside.action_source import ActionSource
from facebook_business.adobjects.serverside.custom_data import CustomData
from facebook_business.adobjects.serverside.event import Event
from facebook_business.adobjects.serverside.event_request import EventRequest
from facebook_business.adobjects.serverside.user_data import UserData

FacebookSession.GRAPH = "@BASE@"  # the only new line
FacebookAdsApi.init(access_token=os.environ["TRUECOUNT_TOKEN"])

sale = Event(event_name="Purchase", event_id="order-1001", event_time=int(time.time()),
             action_source=ActionSource.WEBSITE, event_source_url="https://shop.example/thanks",
             user_data=UserData(email="jane@shop.example", client_user_agent="Mozilla/5.0"),
             custom_data=CustomData(value=899.00, currency="INR"))
EventRequest(pixel_id="@ID@", events=[sale]).execute()"""

NODE: Final = """\
const { CustomData, EventRequest, FacebookAdsApi, ServerEvent, UserData } =
  require("facebook-nodejs-business-sdk");

Object.defineProperty(FacebookAdsApi, "GRAPH", { get: () => "@BASE@" }); // the only new line
const token = process.env.TRUECOUNT_TOKEN;
FacebookAdsApi.init(token);

const sale = new ServerEvent()
  .setEventName("Purchase").setEventId("order-1001").setEventTime(Math.floor(Date.now() / 1000))
  .setActionSource("website").setEventSourceUrl("https://shop.example/thanks")
  .setUserData(new UserData().setEmail("jane@shop.example").setClientUserAgent("Mozilla/5.0"))
  .setCustomData(new CustomData().setValue(899).setCurrency("INR"));
new EventRequest(token, "@ID@").setEvents([sale]).execute();"""

PHP: Final = """\
<?php
$sale = ["event_name" => "Purchase", "event_id" => "order-1001", "event_time" => time(),
  "action_source" => "website", "event_source_url" => "https://shop.example/thanks",
  "user_data" => ["em" => "jane@shop.example", "client_user_agent" => "Mozilla/5.0"],  // hashed at the door
  "custom_data" => ["value" => 899, "currency" => "INR"]];

$call = curl_init("@BASE@/v26.0/@ID@/events");
curl_setopt_array($call, [CURLOPT_POST => true, CURLOPT_RETURNTRANSFER => true,
  CURLOPT_HTTPHEADER => ["Content-Type: application/json", "Authorization: Bearer " . getenv("TRUECOUNT_TOKEN")],
  CURLOPT_POSTFIELDS => json_encode(["data" => [$sale]])]);
echo curl_exec($call);"""

CURL: Final = """\
curl @BASE@/v26.0/@ID@/events \\
  -H "Authorization: Bearer $TRUECOUNT_TOKEN" -H 'Content-Type: application/json' \\
  -d '{"data":[{"event_name":"Purchase","event_time":'$(date +%s)',"event_id":"order-1001",
    "action_source":"website","event_source_url":"https://shop.example/thanks",
    "user_data":{"em":"jane@shop.example","client_user_agent":"Mozilla/5.0"},
    "custom_data":{"value":"899.00","currency":"INR"}}]}'"""


class Lines(msgspec.Struct):
    """Lines as they are pasted. Those of a server read the access token from the variable TRUECOUNT_TOKEN."""

    pixel: str
    noscript: str
    python: str
    node: str
    php: str
    curl: str


def lines_for(base: str, id: str) -> Lines:
    """The lines for a dataset. ValueError when `base` is no address."""
    if not IS_BASE(base):
        raise ValueError(f"{base}: wanted http(s)://host[:port]")
    texts = (PIXEL, NOSCRIPT, PYTHON, NODE, PHP, CURL)
    return Lines(*(text.replace("@BASE@", base).replace("@ID@", id) for text in texts))
