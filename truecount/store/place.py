"""The store's folder: whether an engine can work in it."""

from __future__ import annotations

import os
from pathlib import Path


def unusable(store: Path) -> tuple[str, str] | None:
    """What is wrong with the folder of a store, and what to do; None where an engine can use it, or make it."""
    again = "the store is made anew from the log"
    if not os.path.lexists(store):
        if os.access(store.parent, os.W_OK | os.X_OK):
            return None
        return f"{store} cannot be made", f"let this user write to {store.parent}"
    if not store.is_dir():
        return f"{store} is not a folder", f"move it away: {again}"
    if not os.access(store, os.R_OK | os.W_OK | os.X_OK):
        return (
            f"{store} cannot be written by this user",
            f"give it to the user that runs serve, or move it away: {again}",
        )
    return None
