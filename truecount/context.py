"""What a server event needs from the visitor's own requests, kept with the order until it is confirmed.

A shop reports a sale hours after the page was closed: when it is paid, picked or sent. By then the visitor's cookies,
address and user agent are gone, and the event neither merges with the page's nor matches a person. So they are read
while the visitor is there, and stored beside the order as one line of JSON:

    app = AsgiContext(app)                              # or WsgiContext(app)

    from truecount.context import Context, current
    order.tracking = current().dumps()                  # at checkout

    context = Context.loads(order.tracking)             # later: the page reports {eventID: context.event_id}, and
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
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from contextvars import ContextVar, copy_context
from string import punctuation
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote

__all__ = ["AsgiContext", "Context", "WsgiContext", "current", "read_cookies"]

_browser_id: Final = re.compile(
    r"fb\.[0-9]{1,2}\.[0-9]{1,20}\.[^.\s\0-\x1f\x7f-\x9f]+(?:\.(?:[\w-]{2}|[\w-]{8}))?", re.ASCII
).fullmatch
_not_of_click_ids: Final = re.compile(r"[.\s\0-\x1f\x7f-\x9f]").search
_MAX_CLICK_ID: Final = 500
_DENIED: Final = frozenset((
    "denied", "deny", "revoked", "revoke", "refused", "refuse", "rejected", "reject", "declined", "withdrawn",
    "withdraw", "no", "false", "0", "none",
))  # fmt: skip
"""How a shop may spell a no; the collector reads the same words."""
_OF_NOBODY: Final = (
    "value",
    "currency",
    "order_id",
    "contents",
    "content_ids",
    "content_type",
    "content_name",
    "content_category",
    "num_items",
)
"""Custom data that tells of the order alone."""

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


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
    """granted or denied, where the shop knows; sent along as the event's consent. A denied event names nobody."""

    def dumps(self) -> str:
        """One line of JSON, to be stored with an order. `loads` reads it."""
        return json.dumps({key: value for key, value in dataclasses.asdict(self).items() if value}, ensure_ascii=False)

    @classmethod
    def loads(cls, text: str | bytes) -> Context:
        """Read what `dumps` wrote, by this version or another. ValueError where it is no such text; of what it holds,
        texts alone are taken.
        """
        found = json.loads(text)
        if not isinstance(found, dict):
            raise ValueError("a stored context is a JSON object")
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{key: value for key, value in found.items() if key in known and isinstance(value, str)})

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

        Where consent is denied nothing that names the person is in it, whatever is given: neither `user_data` nor the
        page's query, and of `custom_data` the order alone.
        """
        is_denied = self.consent.strip().lower() in _DENIED
        event: dict[str, Any] = {
            "event_name": name,
            "event_time": int(time.time() if event_time is None else event_time),
            "action_source": "website",
            "user_data": {} if is_denied else {**self.user_data(), **(user_data or {})},
        }
        more = {"event_id": self.event_id, "event_source_url": self.event_source_url}
        if is_denied:
            more["event_source_url"] = re.split("[?#;]", self.event_source_url, maxsplit=1)[0]
            more["consent"] = "denied"
            custom_data = {key: value for key, value in (custom_data or {}).items() if key in _OF_NOBODY}
        else:
            more |= {"referrer_url": self.referrer_url, "consent": self.consent}
        event |= {key: value for key, value in more.items() if value}
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
    headers: Mapping[str, str], peer: str, scheme: str, path: str, query: str, trusted: Collection[_Network] = ()
) -> Context:
    """Read a request. `headers` have lower-case names; `trusted` are networks of proxies whose X-Forwarded-For and
    X-Forwarded-Proto are believed.
    """
    address = _plain_address(peer)
    if _is_in(address, trusted):
        said = headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
        scheme = said if said in ("http", "https") else scheme
        for hop in reversed(headers.get("x-forwarded-for", "").split(",")):
            if hop.strip():
                address = _plain_address(hop)
            if not _is_in(address, trusted):
                break
    cookies = read_cookies(headers.get("cookie", ""), ("_fbp", "_fbc"))
    fbp, fbc = (value if _browser_id(value) else "" for value in (cookies.get("_fbp", ""), cookies.get("_fbc", "")))
    click_id = next((value for key, value in parse_qsl(query) if key == "fbclid"), "")
    usable = click_id and len(click_id) <= _MAX_CLICK_ID and not _not_of_click_ids(click_id)
    if usable and (not fbc or fbc.split(".")[3] != click_id):
        fbc = f"fb.1.{int(time.time() * 1000)}.{click_id}"
    return Context(
        event_id=str(uuid.uuid4()),
        fbp=fbp,
        fbc=fbc,
        client_ip_address=address,
        client_user_agent=headers.get("user-agent", ""),
        event_source_url=f"{scheme}://{headers.get('host', '')}{path}" + (f"?{query}" if query else ""),
        referrer_url=headers.get("referer", ""),
    )


def read_cookies(header: str, names: Collection[str]) -> dict[str, str]:
    """These cookies of a Cookie header, percent-decoded, as far as they are there and can be read. Of two of one name
    the first counts, as in the page. The time is linear in the header, whatever it holds.
    """
    found: dict[str, str] = {}
    for part in header.split(";"):
        name, equals, value = part.partition("=")
        name = name.strip()
        if equals and name in names and name not in found:
            value = value.strip()
            quoted = len(value) > 1 and value[0] == value[-1] == '"'
            try:
                found[name] = unquote(value[1:-1] if quoted else value, errors="strict")
            except UnicodeDecodeError:
                found[name] = ""
    return {name: value for name, value in found.items() if value}


def _networks(trusted: str | Iterable[str]) -> tuple[_Network, ...]:
    """Parse addresses or networks. ValueError names the wrong one. A text alone is one of them."""
    entries = [trusted] if isinstance(trusted, str) else list(trusted)
    return tuple(ipaddress.ip_network(str(one).strip(), strict=False) for one in entries)


def _plain_address(text: str) -> str:
    """An address without port, brackets, zone or IPv4-in-IPv6 dress; "" when it is none."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _is_in(address: str, networks: Collection[_Network]) -> bool:
    if not address or not networks:
        return False
    parsed = ipaddress.ip_address(address)
    return any(parsed in network for network in networks)


class WsgiContext:
    """WSGI middleware: `current()` tells the visitor's context while the app answers.

    `trusted_proxies` are addresses or networks whose X-Forwarded-For and X-Forwarded-Proto are believed.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], *, trusted_proxies: str | Iterable[str] = ()) -> None:
        self.app = app
        self.trusted = _networks(trusted_proxies)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        headers = {
            key[5:].replace("_", "-").lower(): _text(value) for key, value in environ.items() if key.startswith("HTTP_")
        }
        headers.setdefault("host", environ.get("SERVER_NAME", ""))
        path = quote(_bytes(environ.get("SCRIPT_NAME", "")) + _bytes(environ.get("PATH_INFO", "")))
        context = context_of(
            headers,
            environ.get("REMOTE_ADDR", ""),
            environ.get("wsgi.url_scheme", "http"),
            path,
            _ascii(_bytes(environ.get("QUERY_STRING", ""))),
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
    """ASGI middleware: `current()` tells the visitor's context while the app answers.

    `trusted_proxies` are addresses or networks whose X-Forwarded-For and X-Forwarded-Proto are believed.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], *, trusted_proxies: str | Iterable[str] = ()) -> None:
        self.app = app
        self.trusted = _networks(trusted_proxies)

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
            _ascii((scope.get("raw_path") or quote(scope["path"], errors="replace").encode()).partition(b"?")[0]),
            _ascii(scope.get("query_string", b"")),
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


def _bytes(value: str) -> bytes:
    """The bytes of a WSGI text; of one that a server has decoded against the rules, its UTF-8."""
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode("utf-8", "replace")


def _ascii(raw: bytes) -> str:
    """A part of an address as it came; what is no ASCII, which a client should have escaped, is escaped."""
    return quote(raw, safe=punctuation)
