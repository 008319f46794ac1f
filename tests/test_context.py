"""The backend half: what a visitor's request tells is kept with the order, and the late event still has it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from truecount.context import AsgiContext, Context, WsgiContext, current

FBP = "fb.1.1791212460000.1234567890"
FBC = "fb.1.1791212460000.IwAR2abc"
AGENT = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)"


def asked(
    path: str = "/checkout",
    query: str = "",
    peer: str = "203.0.113.7",
    trusted: tuple[str, ...] = (),
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
    ],
)
def test_only_trusted_proxies_say_who_asks(
    peer: str, trusted: tuple[str, ...], forwarded: str, address: str, scheme: str
) -> None:
    for context in asked(peer=peer, trusted=trusted, x_forwarded_for=forwarded, x_forwarded_proto="http"):
        assert context.client_ip_address == address
        assert context.event_source_url.startswith(scheme + ":")


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


def test_a_stored_context_of_another_version_is_read_and_what_is_none_is_told() -> None:
    assert Context.loads('{"fbp": "x", "later": 1, "fbc": null}') == Context(fbp="x")
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
