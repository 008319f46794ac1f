"""truecount demo: serve, plus the BrewBeans shop with simulated visitors, live."""

from __future__ import annotations

from collections.abc import Sequence


def run(arguments: Sequence[str]) -> int:
    from truecount.simulate import demo

    return int(demo.main(list(arguments)))
