"""The backend half: what a visitor's request tells is kept with the order, and the late event still has it."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from truecount import context as context_module
from truecount.context import AsgiContext, Context, WsgiContext, current, read_cookies
from truecount.policy import consent as policy_consent

FBP = "fb.1.1791212460000.1234567890"
FBC = "fb.1.1791212460000.IwAR2abc"
AGENT = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)"


def asked(
    path: str = "/checkout",
    query: str = "",
    peer: str = "203.0.113.7",
    trusted: str | tuple[str, ...] = (),
    **headers: str,
) -> list[Context]:
    """The same request through both middlewares."""
    names = {
        "host": "shop.example",
        "user-agent": AGENT,
        **{key.replace("_", "-"): value for key, value in headers.items()},
    }
    seen: list[Context] = []

    def wsgi(environ: Any, start_response: Any) -> list[bytes]:
        seen.append(current())
        return []

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        seen.append(current())

    environ = {
        "REMOTE_ADDR": peer,
        "wsgi.url_scheme": "https",
        "PATH_INFO": path.encode().decode("latin-1"),
        "QUERY_STRING": query,
        **{"HTTP_" + name.upper().replace("-", "_"): value.encode().decode("latin-1") for name, value in names.items()},
    }
    list(WsgiContext(wsgi, trusted_proxies=trusted)(environ, None))
    scope = {
        "type": "http",
        "scheme": "https",
        "path": path,
        "query_string": query.encode(),
        "client": (peer, 1),
        "headers": [(name.title().encode(), value.encode()) for name, value in names.items()],
    }
    asyncio.run(AsgiContext(asgi, trusted_proxies=trusted)(scope, None, None))
    assert len(seen) == 2
    assert seen[0].event_id != seen[1].event_id
    seen[0].event_id = seen[1].event_id = "id"
    return seen


def test_both_middlewares_read_the_same_of_a_request() -> None:
    one, other = asked(path="/käse", query="q=1", cookie=f"a=b; _fbp={FBP}; _fbc={FBC}", referer="https://m.example/")
    assert one == other
    assert one == Context(
        event_id="id",
        fbp=FBP,
        fbc=FBC,
        client_ip_address="203.0.113.7",
        client_user_agent=AGENT,
        event_source_url="https://shop.example/k%C3%A4se?q=1",
        referrer_url="https://m.example/",
    )


@pytest.mark.parametrize("kept", ["", FBC])
def test_a_landing_with_a_new_click_id_gives_a_new_fbc(kept: str) -> None:
    for context in asked(query="fbclid=IwAR9NEW", cookie=f"_fbc={kept}"):
        assert context.fbc.startswith("fb.1.")
        assert context.fbc.endswith(".IwAR9NEW")


@pytest.mark.parametrize("query", ["fbclid=IwAR2abc", "fbclid=has.dot", "fbclid=" + "x" * 501, "fbclid="])
def test_the_same_click_id_or_one_that_no_cookie_can_carry_changes_nothing(query: str) -> None:
    assert [context.fbc for context in asked(query=query, cookie=f"_fbc={FBC}")] == [FBC, FBC]


def test_what_is_no_browser_id_is_left_out() -> None:
    assert [context.fbp for context in asked(cookie="_fbp=fb.1.2; bad@name=1; _fbp=jane@shop.example")] == ["", ""]


@pytest.mark.parametrize(
    ("peer", "trusted", "forwarded", "address", "scheme"),
    [
        ("10.0.0.1", ("10.0.0.0/8",), "198.51.100.2, 203.0.113.9, 10.0.0.2", "203.0.113.9", "http"),
        ("203.0.113.7", ("10.0.0.0/8",), "198.51.100.2", "203.0.113.7", "https"),
        ("10.0.0.1", (), "198.51.100.2", "10.0.0.1", "https"),
        ("10.0.0.1", ("10.0.0.1",), "", "10.0.0.1", "http"),
        ("10.0.0.1", ("10.0.0.1",), "unknown", "", "http"),
        ("10.0.0.1", "10.0.0.1", "198.51.100.2", "198.51.100.2", "http"),
        ("::ffff:10.0.0.1", ("10.0.0.0/8",), "198.51.100.2:5555", "198.51.100.2", "http"),
        ("10.0.0.1", ("10.0.0.0/8",), "[2001:db8::7]:443, 10.0.0.2:80", "2001:db8::7", "http"),
        ("10.0.0.1", ("10.0.0.0/8",), "2001:db8::7", "2001:db8::7", "http"),
        ("10.0.0.1", ("10.0.0.0/8",), "::ffff:198.51.100.2", "198.51.100.2", "http"),
        ("fe80::1%eth0", ("fe80::/64",), "198.51.100.2", "198.51.100.2", "http"),
        ("", ("10.0.0.0/8",), "198.51.100.2", "", "https"),
    ],
)
def test_only_trusted_proxies_say_who_asks(
    peer: str, trusted: tuple[str, ...], forwarded: str, address: str, scheme: str
) -> None:
    for context in asked(peer=peer, trusted=trusted, x_forwarded_for=forwarded, x_forwarded_proto="http"):
        assert context.client_ip_address == address
        assert context.event_source_url.startswith(scheme + ":")


@pytest.mark.parametrize(
    ("said", "scheme"),
    [("https, http", "https"), ("HTTP ,https", "http"), ("javascript", "https"), ("", "https"), (",http", "https")],
)
def test_a_chain_of_proxies_says_the_scheme_that_the_visitor_used_and_no_other_word(said: str, scheme: str) -> None:
    for context in asked(peer="10.0.0.1", trusted=("10.0.0.1",), x_forwarded_proto=said):
        assert context.event_source_url == f"{scheme}://shop.example/checkout"


@pytest.mark.parametrize("middleware", [WsgiContext, AsgiContext])
def test_a_proxy_that_is_no_address_is_told_when_the_app_is_made(middleware: Any) -> None:
    with pytest.raises(ValueError, match="localhost"):
        middleware(None, trusted_proxies=["10.0.0.1", "localhost"])
    with pytest.raises(ValueError, match="proxy"):
        middleware(None, trusted_proxies="proxy")


@pytest.mark.parametrize(
    "header",
    [
        'a="' + "\\" * 60_000 + '"',
        '_fbp="' + "\\" * 60_000 + '"',
        ";" * 60_000,
        "_fbc=" + "%25" * 20_000,
        "_fbc=" * 12_000,
    ],
    ids=["other", "own", "parts", "escapes", "names"],
)
def test_no_cookie_header_costs_more_than_its_length(header: str) -> None:
    before = time.process_time()
    for context in asked(cookie=header + f"; _fbp={FBP}; _fbc={FBC}"):
        assert context.fbp in ("", FBP)
    assert time.process_time() - before < 0.5


@pytest.mark.parametrize(
    ("header", "fbp"),
    [
        (f'_fbp="{FBP}"', FBP),
        (f"  _fbp = {FBP} ", FBP),
        (f"_fbp={FBP}; _fbp=fb.1.1.2", FBP),
        (f"x_fbp=fb.1.1.2;_fbp={FBP}", FBP),
        (f"__Secure; =; ;_fbp={FBP}", FBP),
        ("_fbp", ""),
        ("_fbp=fb.1.1.a%00b", ""),
        ("_fbp=fb.1.1.a%0Ab", ""),
        ("_fbp=fb.1.1.a%7Fb", ""),
        ("_fbp=fb.1.1.a%20b", ""),
        ("_fbp=fb.1.1.a%FFb", ""),
        ("_fbp=fb.1.1.a%2Eb.c.d", ""),
    ],
)
def test_cookies_are_read_as_the_page_reads_them_and_only_where_they_are_ids(header: str, fbp: str) -> None:
    assert [context.fbp for context in asked(cookie=header)] == [fbp, fbp]
    assert "_fbc" not in read_cookies(header, ("_fbp", "_fbc"))


def test_a_click_id_that_the_pixel_has_kept_in_its_own_writing_stays_the_same() -> None:
    """The pixel writes its cookies by encodeURIComponent."""
    found = asked(query="fbclid=a%2Bb%C3%A9", cookie="_fbc=fb.1.1791212460000.a%2Bb%C3%A9")
    assert [context.fbc for context in found] == ["fb.1.1791212460000.a+b\u00e9"] * 2


@pytest.mark.parametrize("query", ["fbclid=a%00b", "fbclid=a%1Fb", "fbclid=a%7Fb", "fbclid=a%C2%85b", "fbclid=a+b"])
def test_a_click_id_with_control_characters_is_none(query: str) -> None:
    assert [context.fbc for context in asked(query=query)] == ["", ""]


def test_an_address_that_was_not_escaped_is_escaped() -> None:
    for context in asked(query="q=a b"):
        assert context.event_source_url.endswith("?q=a%20b")


@pytest.mark.parametrize("path", ["/\u20ac", "/\ud800", "/k\u00e4se"])
def test_a_server_that_decodes_paths_against_the_rules_costs_the_shop_no_request(path: str) -> None:
    seen: list[Context] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        seen.append(current())
        return []

    list(WsgiContext(app)({"PATH_INFO": path, "SCRIPT_NAME": path, "QUERY_STRING": path, "REMOTE_ADDR": "::1"}, None))
    json.loads(seen[0].dumps().encode())
    assert seen[0].event_source_url.isascii()


def test_a_context_survives_beside_the_order_and_makes_the_late_event() -> None:
    context = asked(cookie=f"_fbp={FBP}")[0]
    context.event_id = "order-77"
    text = context.dumps()
    assert "\n" not in text
    again = Context.loads(text)
    assert again == context
    event = again.event("Purchase", 1791212460.9, user_data={"em": ["jane@shop.example"]}, custom_data={"value": 899})
    assert event == {
        "event_name": "Purchase",
        "event_time": 1791212460,
        "event_id": "order-77",
        "action_source": "website",
        "event_source_url": "https://shop.example/checkout",
        "user_data": {
            "client_ip_address": "203.0.113.7",
            "client_user_agent": AGENT,
            "fbp": FBP,
            "em": ["jane@shop.example"],
        },
        "custom_data": {"value": 899},
    }
    json.dumps(event)


WHOLE = Context(
    event_id="order-77",
    fbp=FBP,
    fbc=FBC,
    client_ip_address="203.0.113.7",
    client_user_agent=AGENT,
    event_source_url="https://shop.example/checkout;jane?email=jane@shop.example#jane",
    referrer_url="https://m.example/?u=jane",
)


@pytest.mark.parametrize("said", ["denied", " Denied ", "revoked", "no", "false"])
def test_an_event_of_denied_consent_names_nobody_whatever_is_given(said: str) -> None:
    context = Context.loads(WHOLE.dumps())
    context.consent = said
    event = context.event(
        "Purchase",
        1791212460,
        user_data={"em": ["jane@shop.example"], "external_id": "jane"},
        custom_data={
            "value": 899,
            "currency": "INR",
            "order_id": "77",
            "contents": [{"id": "bag", "quantity": 1}],
            "search_string": "jane",
            "customer": "jane",
        },
    )
    assert event == {
        "event_name": "Purchase",
        "event_time": 1791212460,
        "event_id": "order-77",
        "action_source": "website",
        "event_source_url": "https://shop.example/checkout",
        "user_data": {},
        "consent": "denied",
        "custom_data": {
            "value": 899,
            "currency": "INR",
            "order_id": "77",
            "contents": [{"id": "bag", "quantity": 1}],
        },
    }


@pytest.mark.parametrize("said", ["", "granted"])
def test_an_event_of_any_other_consent_says_what_is_known(said: str) -> None:
    context = Context.loads(WHOLE.dumps())
    context.consent = said
    event = context.event("Purchase", 1, user_data={"em": ["x"]})
    assert event.get("consent", "") == said
    assert set(event["user_data"]) == {"client_ip_address", "client_user_agent", "fbp", "fbc", "em"}
    assert event["referrer_url"] == WHOLE.referrer_url


def test_a_no_is_spelled_as_the_collector_reads_it() -> None:
    assert set(policy_consent._DENIED) == context_module._DENIED


def test_the_file_alone_is_enough() -> None:
    """It can be copied into a shop that has nothing of Truecount, and leaves cookies of others alone."""
    code = "import sys; sys.path[:0] = [sys.argv[1]]; import context; print(*sorted(sys.modules), sep='\\n')"
    folder = str(Path(context_module.__file__).parent)
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code, folder], capture_output=True, text=True, check=True)
    assert "http.cookies" not in done.stdout.split()
    assert "truecount" not in done.stdout.split()


PIXEL_PAGE = Path(__file__).parent.parent / "docs" / "pixel.md"


def documented(block: int) -> str:
    """An indented block of the page's section on the shop's server."""
    text = PIXEL_PAGE.read_text().partition("## On the shop's server")[2].partition("\n## ")[0]
    found = re.findall(r"(?:^(?:    .*)?\n)+", text, re.MULTILINE)
    return [re.sub("^    ", "", one, flags=re.MULTILINE).strip() for one in found if one.strip()][block]


@pytest.mark.parametrize("consent", ["", "granted", "denied"])
def test_the_documented_lines_run_as_they_stand(consent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from facebook_business.adobjects.adspixel import AdsPixel
    from facebook_business.api import FacebookAdsApi, FacebookRequest

    kept, shown, late, sdk = (documented(number) for number in range(4))
    sent: list[dict[str, Any]] = []

    def execute(request: Any) -> None:
        sent.extend(json.loads(one) for one in request._params["data"])

    monkeypatch.setattr(FacebookRequest, "execute", execute)
    monkeypatch.setattr(AdsPixel, "_api", None, raising=False)
    FacebookAdsApi.init(access_token="token", crash_log=False)
    order = SimpleNamespace(id="77", total=899, time=1791212460, email="jane@shop.example", consent=consent)

    async def shop(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/pay":
            exec(kept.partition("\n\n")[2], names)
        else:
            exec(shown, names)

    names: dict[str, Any] = {"app": shop, "order": order, "ID": "123456789"}
    exec(kept.partition("\n\n")[0], names)
    for path in ("/pay", "/thank-you"):
        scope = {"type": "http", "path": path, "client": ("203.0.113.7", 1), "headers": [(b"host", b"shop.example")]}
        asyncio.run(names["app"](scope, None, None))
    exec(late, names)
    exec(sdk, names)
    (event,) = sent
    assert event["event_id"] == names["event_id"] == Context.loads(order.tracking).event_id, "one id on both sides"
    assert event["custom_data"] == {"value": 899, "currency": "INR", "order_id": "77"}
    assert event.get("consent", "") == consent
    named = set() if consent == "denied" else {"em", "client_ip_address"}
    assert set(event["user_data"]) == named


def test_a_stored_context_of_another_version_is_read_and_what_is_none_is_told() -> None:
    assert Context.loads('{"fbp": "x", "later": 1, "fbc": null}') == Context(fbp="x")
    assert Context.loads('{"fbp": {}, "fbc": ["x"], "event_id": 7, "consent": true}') == Context()
    for text in ("[]", "nothing", ""):
        with pytest.raises(ValueError):
            Context.loads(text)


def test_an_app_that_is_a_generator_has_its_context_and_is_closed() -> None:
    done: list[str] = []

    def app(environ: Any, start_response: Any) -> Any:
        try:
            yield current().client_user_agent.encode()
            yield b"more"
        finally:
            done.append(current().client_user_agent)

    body = WsgiContext(app)({"HTTP_USER_AGENT": AGENT, "REMOTE_ADDR": "::1"}, None)
    assert next(iter(body)) == AGENT.encode()
    body.close()  # type: ignore[attr-defined]
    assert done == [AGENT]


def test_outside_of_a_request_there_is_no_context() -> None:
    asked()
    with pytest.raises(RuntimeError, match="neither WsgiContext nor AsgiContext"):
        current()
