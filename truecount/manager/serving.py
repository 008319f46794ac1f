"""What the supervisor tells of the running server."""

from __future__ import annotations

from pathlib import Path

import msgspec


class ServeState(msgspec.Struct):
    """run/serve.json, as the supervisor writes it once everything is up."""

    pid: int
    url: str
    port: int
    manager: int
    doors: int


def serve_state(folder: Path) -> ServeState | None:
    """What the supervisor says; None while the server starts."""
    try:
        return msgspec.json.decode((folder / "run" / "serve.json").read_bytes(), type=ServeState)
    except (OSError, msgspec.MsgspecError):
        return None
