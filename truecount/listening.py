"""Where a server listens: the socket that is bound once, the address that people open; and how it speaks on stderr."""

from __future__ import annotations

import errno
import socket
import sys
import time
from typing import Final

from truecount.settings import Settings

PORT_WAIT_S: Final = 10.0
BACKLOG: Final = 4096


class CannotServe(Exception):
    """Why the server cannot start, in words."""


class CannotUse(CannotServe):
    """What it was told to use is nothing to work with, and will not be by itself: exit code 2."""


def say(text: str) -> None:
    """A line on stderr. A full disk or a closed terminal behind it is no reason to stop."""
    try:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass


def bind(host: str, port: int, wait_s: float = PORT_WAIT_S) -> socket.socket:
    """A listening socket. Waits for a dying owner of the port; CannotServe in words when it stays taken."""
    until = time.monotonic() + wait_s
    told = False
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise CannotServe(f"--host {host} is no address of this machine: {error.strerror}") from None
    family, *_, address = found[0]
    while True:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets inherit it. Event loops set it on TCP sockets, but do not know an inherited one for such, and
        # an answer of two writes would wait 40 ms for the peer's acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if address[0] == "::" else 1)
            listener.bind(address)
            listener.listen(BACKLOG)
            return listener
        except OSError as error:
            listener.close()
            if error.errno != errno.EADDRINUSE:
                raise CannotServe(f"cannot listen on {host} port {port}: {error.strerror}") from None
            if time.monotonic() >= until:
                raise CannotServe(
                    f"port {port} on {host} is taken by another program: stop that one, or choose another with --port"
                ) from None
            if not told:
                told = True
                say(f"truecount: port {port} is taken, waiting up to {wait_s:g} s")
            time.sleep(0.1)


def url_of(settings: Settings, listener: socket.socket) -> str:
    """The address that people on this machine open."""
    return url_at(settings, *listener.getsockname()[:2])


def url_at(settings: Settings, host: str, port: int) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"{'https' if settings.tls_cert else 'http'}://{host}:{port}"
