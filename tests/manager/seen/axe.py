"""axe-core, run in a page: what it finds against WCAG 2.2 A and AA, and against practice that it calls best."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.sync_api import Page

SCRIPT = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
ALL = {"rules": {"target-size": {"enabled": True}}}
"""All rules, and the one of WCAG 2.2 that axe leaves out unless it is asked for."""
COLOURS = {"runOnly": ["color-contrast", "link-in-text-block"]}
"""The rules that a theme can break: all else is the same in both."""
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


def violations(page: Page, options: dict[str, Any] | None = None, within: str = "") -> list[str]:
    """What axe finds on the page as it stands: rule, impact, and the elements it names; of every impact, minor too.

    The page's policy lets no script in but its own, so axe comes in by the debugger.
    """
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(SCRIPT)
    told = json.dumps({"resultTypes": ["violations"], **(options or ALL)})
    found: dict[str, Any] = page.evaluate(f"axe.run({json.dumps(within) if within else 'document'}, {told})")
    return [
        f"{one['id']} ({one['impact']}), {one['help']}: " + "; ".join(node["html"][:200] for node in one["nodes"][:4])
        for one in found["violations"]
    ]


def everywhere(page: Page, within: str = "") -> list[str]:
    """The same on a wide screen and on a phone, in both themes, with where it was found. The page ends as wide as it
    was."""
    before = page.viewport_size
    found = []
    for size in (WIDE, PHONE):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        page.evaluate("scrollTo(0, 0)")  # what a head that stays covers of what passes below is no target
        for scheme, options in (("dark", COLOURS), ("light", ALL)):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
            found += [f"{size['width']} px, {scheme}: {text}" for text in violations(page, options, within)]
    if before:
        page.set_viewport_size(before)
    return found
