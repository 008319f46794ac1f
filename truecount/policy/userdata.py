"""Match keys of a hit that came as lists."""

from __future__ import annotations

import msgspec


def listed(values: list[str]) -> list[str]:
    """Values of a match key of which some are JSON arrays."""
    flat: list[str] = []
    for value in values:
        if value.startswith("["):
            try:
                flat += [str(one) for one in msgspec.json.decode(value) if one is not None]
                continue
            except (msgspec.MsgspecError, RecursionError, ValueError, TypeError):
                pass
        flat.append(value)
    return flat
