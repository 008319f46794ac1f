"""What a server event needs from the visitor's own requests, kept with the order until it is confirmed.

A shop reports a sale hours after the page was closed: when it is paid, picked or sent. By then the visitor's cookies,
address and user agent are gone, and the event neither merges with the page's nor matches a person. So they are read
while the visitor is there, and stored beside the order as one line of JSON:

    app = AsgiContext(app)                              # or WsgiContext(app)

    from truecount.context import Context, current
    order.tracking = current().dumps()                  # at checkout; the page reports {eventID: current().event_id}

    context = Context.loads(order.tracking)             # when the order is confirmed
    event = context.event("Purchase", event_time, user_data={"em": [email]}, custom_data={...})

This file needs the standard library alone. It stores nothing and sends nothing.
"""

from __future__ import annotations

import contextvars
import dataclasses
import ipaddress
import json
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar, copy_context
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final
from urllib.parse import parse_qsl, quote

__all__ = ["AsgiContext", "Context", "WsgiContext", "current"]

_browser_id: Final = re.compile(r"fb\.\d{1,2}\.\d{1,20}\.[^.\s]+(?:\.(?:[\w-]{2}|[\w-]{8}))?", re.ASCII).fullmatch
_MAX_CLICK_ID: Final = 500


@dataclasses.dataclass
class Context:
    """What is known of a visitor at one request; "" for what is not."""

    event_id: str = ""
    """Made anew for each request. Give it to the page, which reports the same event with it, or set your own."""
    fbp: str = ""
    fbc: str = ""
    client_ip_address: str = ""
    client_user_agent: str = ""
    event_source_url: str = ""
    referrer_url: str = ""
    consent: str = ""
    """granted or denied, where the shop knows; sent along as the event's consent."""

    def dumps(self) -> str:
        """One line of JSON, to be stored with an order. `loads` reads it."""
        return json.dumps({key: value for key, value in dataclasses.asdict(self).items() if value}, ensure_ascii=False)

    @classmethod
    def loads(cls, text: str | bytes) -> Context:
        """Read what `dumps` wrote, by this version or another. ValueError where it is no such text."""
        found = json.loads(text)
        if not isinstance(found, dict):
            raise ValueError("a stored context is a JSON object")
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{key: str(value) for key, value in found.items() if key in known and value is not None})

    def user_data(self) -> dict[str, str]:
        """The keys of `user_data` that are known, by their names on the wire (which are the SDKs' names too)."""
        names = ("client_ip_address", "client_user_agent", "fbp", "fbc")
        return {name: getattr(self, name) for name in names if getattr(self, name)}

    def event(
        self,
        name: str,
        event_time: float | None = None,
        *,
        user_data: Mapping[str, Any] | None = None,
        custom_data: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """A server event of the Conversions API, as JSON. `event_time` is seconds since 1970: when the visitor acted,
        not when it is sent; now where it is left out. What `user_data` names goes before what was kept.
        """
        event: dict[str, Any] = {
            "event_name": name,
            "event_time": int(time.time() if event_time is None else event_time),
            "action_source": "website",
            "user_data": {**self.user_data(), **(user_data or {})},
        }
        for key in ("event_id", "event_source_url", "referrer_url", "consent"):
            if getattr(self, key):
                event[key] = getattr(self, key)
        if custom_data:
            event["custom_data"] = dict(custom_data)
        return event


_current: ContextVar[Context | None] = ContextVar("truecount_context", default=None)


def current() -> Context:
    """The context of the request that is being answered. RuntimeError outside of one: the middleware is not there."""
    context = _current.get()
    if context is None:
        raise RuntimeError("no request is being answered, or neither WsgiContext nor AsgiContext wraps the app")
    return context


def context_of(
    headers: Mapping[str, str], peer: str, scheme: str, path: str, query: str, trusted: Iterable[str] = ()
) -> Context:
    """Read a request. `headers` have lower-case names; `trusted` are addresses or networks of proxies whose
    X-Forwarded-For and X-Forwarded-Proto are believed.
    """
    networks = [ipaddress.ip_network(one, strict=False) for one in trusted]
    address = peer
    if _is_in(peer, networks):
        scheme = headers.get("x-forwarded-proto", scheme).strip().lower()
        for hop in reversed(headers.get("x-forwarded-for", "").split(",")):
            if hop.strip():
                address = hop.strip()
            if not _is_in(address, networks):
                break
    cookies = _cookies(headers.get("cookie", ""))
    fbp, fbc = (value if _browser_id(value) else "" for value in (cookies.get("_fbp", ""), cookies.get("_fbc", "")))
    click_id = next((value for key, value in parse_qsl(query) if key == "fbclid"), "")
    usable = click_id and len(click_id) <= _MAX_CLICK_ID and not re.search(r"[\s.]", click_id)
    if usable and (not fbc or fbc.split(".")[3] != click_id):
        fbc = f"fb.1.{int(time.time() * 1000)}.{click_id}"
    return Context(
        event_id=str(uuid.uuid4()),
        fbp=fbp,
        fbc=fbc,
        client_ip_address=address if _parsed(address) else "",
        client_user_agent=headers.get("user-agent", ""),
        event_source_url=f"{scheme}://{headers.get('host', '')}{path}" + (f"?{query}" if query else ""),
        referrer_url=headers.get("referer", ""),
    )


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None


def _is_in(address: str, networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in networks)


def _cookies(header: str) -> dict[str, str]:
    """Cookies by name; one that cannot be read costs no other."""
    found: dict[str, str] = {}
    for part in header.split(";"):
        try:
            for name, morsel in SimpleCookie(part.strip()).items():
                found.setdefault(name, morsel.value)
        except CookieError:
            continue
    return found


class WsgiContext:
    """WSGI middleware: `current()` tells the visitor's context while the app answers."""

    def __init__(self, app: Callable[..., Iterable[bytes]], *, trusted_proxies: Iterable[str] = ()) -> None:
        self.app = app
        self.trusted = tuple(trusted_proxies)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        headers = {
            key[5:].replace("_", "-").lower(): _text(value) for key, value in environ.items() if key.startswith("HTTP_")
        }
        headers.setdefault("host", environ.get("SERVER_NAME", ""))
        path = quote(environ.get("SCRIPT_NAME", "").encode("latin-1") + environ.get("PATH_INFO", "").encode("latin-1"))
        context = context_of(
            headers,
            environ.get("REMOTE_ADDR", ""),
            environ.get("wsgi.url_scheme", "http"),
            path,
            environ.get("QUERY_STRING", ""),
            self.trusted,
        )
        within = copy_context()
        within.run(_current.set, context)
        return _Body(within, within.run(self.app, environ, start_response))


class _Body:
    """The body of an answer, made in the request's context: an app may be a generator, which runs only now."""

    def __init__(self, within: contextvars.Context, body: Iterable[bytes]) -> None:
        self._within = within
        self._body = body
        self._pieces = within.run(iter, body)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        piece: bytes = self._within.run(next, self._pieces)
        return piece

    def close(self) -> None:
        close = getattr(self._body, "close", None)
        if close is not None:
            self._within.run(close)


class AsgiContext:
    """ASGI middleware: `current()` tells the visitor's context while the app answers."""

    def __init__(self, app: Callable[..., Awaitable[None]], *, trusted_proxies: Iterable[str] = ()) -> None:
        self.app = app
        self.trusted = tuple(trusted_proxies)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers: dict[str, str] = {}
        for raw_name, raw_value in scope["headers"]:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("utf-8", "replace")
            if name in headers and name in ("cookie", "x-forwarded-for"):
                headers[name] += ("; " if name == "cookie" else ",") + value
            else:
                headers.setdefault(name, value)
        client = scope.get("client")
        context = context_of(
            headers,
            client[0] if client else "",
            scope.get("scheme", "http"),
            (scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1").partition("?")[0],
            scope.get("query_string", b"").decode("latin-1"),
            self.trusted,
        )
        token = _current.set(context)
        try:
            await self.app(scope, receive, send)
        finally:
            _current.reset(token)


def _text(value: str) -> str:
    """A WSGI text, which carries bytes as Latin-1, as UTF-8."""
    return value.encode("latin-1", "replace").decode("utf-8", "replace")
