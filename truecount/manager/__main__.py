"""The manager's process: serves the application on a socket that the supervisor made."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import signal
import socket
import sys
from collections.abc import Generator

import uvicorn
from litestar import Litestar

from truecount import heartbeat
from truecount.log.folder import DataFolder
from truecount.manager.app import application, end_streams
from truecount.settings import read_settings


def main() -> int:
    parser = argparse.ArgumentParser(prog="truecount.manager", allow_abbrev=False)
    parser.add_argument("--data", required=True)
    parser.add_argument("--fd", type=int, required=True, help="listening socket, inherited")
    given = parser.parse_args()
    settings = read_settings({"data": given.data})
    folder = DataFolder(settings.folder, create=False)

    def serving() -> None:
        heartbeat.ready()
        heartbeat.keep_beating(asyncio.get_running_loop())
        gc.freeze()  # what was imported stays: no need to look at it again

    app = application(folder, settings, serving)
    config = uvicorn.Config(
        app,
        fd=given.fd,
        log_level="warning",
        access_log=False,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=3,
    )
    _Server(config, app).run()
    return 0


class _Server(uvicorn.Server):
    """A server that leaves INT ignored where it was: Ctrl-C is for the supervisor. Streams end when it does."""

    def __init__(self, config: uvicorn.Config, app: Litestar) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        end_streams(self._app)  # else their connections would be waited for
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        ignored = signal.SIGINT not in heartbeat.signals_to_end_at()
        with super().capture_signals():
            if ignored:
                signal.signal(signal.SIGINT, signal.SIG_IGN)
            yield


if __name__ == "__main__":
    sys.exit(main())
