"""People who look at a running server, without browsers: signed in over HTTP, at Test events and at the overview.

`python -m benchmarks.looking` reads its plan from stdin and looks until stdin ends, in a process of its own. It does
what the pages' scripts do: one stream each, and where a page asks every so often, that too.
"""

from __future__ import annotations

import asyncio
import html
import re
import sys
import time
import zlib
from collections.abc import Callable
from typing import Final

import httpx
import msgspec

from benchmarks.tools import DATASET, CannotMeasure, Server

EMAIL: Final = "owner@brewbeans.example"
PASSWORD: Final = "correct horse battery"
OVERVIEW: Final = f"/d/{DATASET}"
TEST_EVENTS: Final = f"/d/{DATASET}/test"
_PROOF: Final = re.compile(r'name="csrf" value="([^"]+)"')
_STREAM: Final = re.compile(r'data-(?:renews|live)="([^"]+)"')


def signed_in(server: Server) -> httpx.Client:
    """A visitor who made the first password. The server has no other user."""
    link = re.search(r"/first-run/\S+", (server.folder.parent / "serve.log").read_text())
    if not link:
        raise CannotMeasure("the server printed no link for its first user")
    client = httpx.Client(base_url=server.url, headers={"accept": "text/html"}, follow_redirects=True, timeout=60)
    proof = _PROOF.search(client.get(link[0]).text)
    assert proof
    fields = {"email": EMAIL, "password": PASSWORD, "csrf": html.unescape(proof[1])}
    done = client.post(link[0], data=fields, headers={"origin": server.url})
    if done.status_code != 200:
        raise CannotMeasure(f"signing in answered {done.status_code}")
    return client


def cookie_of(client: httpx.Client) -> str:
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in client.cookies.jar)


def stream_of(page: str) -> str:
    """Path of the stream that a page listens to. CannotMeasure where it names none."""
    found = _STREAM.search(page)
    if not found:
        raise CannotMeasure("the page names no stream")
    return html.unescape(found[1])


class Plan(msgspec.Struct, kw_only=True):
    port: int
    cookie: str
    paths: list[str]
    """Streams to listen to; one path as often as it stands here."""


class Heard(msgspec.Struct, kw_only=True):
    """What all streams together brought."""

    streams: int = 0
    events: int = 0
    bytes: int = 0
    ended: int = 0
    """Streams that ended before they were told to."""


async def listen(
    port: int, cookie: str, path: str, heard: Heard, took: Callable[[bytes, float], None] | None = None
) -> None:
    """One stream as a browser has it: packed, over a connection of its own. `took` is given what it brings."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = (
        f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Accept: text/event-stream", f"Cookie: {cookie}",
        "Accept-Encoding: gzip, deflate, br, zstd", "Accept-Language: en-IN,en;q=0.9", "Sec-Fetch-Mode: cors",
        "Sec-Fetch-Site: same-origin", "User-Agent: Mozilla/5.0 (X11; Linux x86_64) Viewer",
    )  # fmt: skip
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b" 200 " not in head.partition(b"\r\n")[0]:
        raise CannotMeasure(f"{path} answered {head[:200]!r}")
    heard.streams += 1
    unpack = zlib.decompressobj(31).decompress if b"content-encoding: gzip" in head else bytes
    chunked = b"transfer-encoding: chunked" in head
    try:
        while True:
            if chunked:
                size = int(await reader.readline(), 16)
                data = (await reader.readexactly(size + 2))[:-2]
            else:
                data = await reader.read(65536)
            if not data:
                break
            heard.bytes += len(data)
            text = unpack(data)
            heard.events += text.count(b"event: ")
            if took is not None:
                took(text, time.monotonic())
    except (OSError, asyncio.IncompleteReadError, ValueError):
        pass
    finally:
        heard.ended += 1
        writer.close()


async def look(plan: Plan) -> Heard:
    """Listen to all streams until stdin ends."""
    heard = Heard()
    tasks = []
    for path in plan.paths:
        tasks.append(asyncio.create_task(listen(plan.port, plan.cookie, path, heard)))
        await asyncio.sleep(0.01)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.buffer.read)
    ended = heard.ended
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    heard.ended = ended
    return heard


def main() -> None:
    import uvloop

    plan = msgspec.json.decode(sys.stdin.buffer.readline(), type=Plan)
    heard = uvloop.run(look(plan))
    sys.stdout.buffer.write(msgspec.json.encode(heard) + b"\n")


if __name__ == "__main__":
    main()
