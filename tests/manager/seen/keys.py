"""Somebody who has a keyboard and no pointer, and who looks where the focus is at every step."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

FOCUS = """() => {
  const e = document.activeElement, style = getComputedStyle(e), box = e.getBoundingClientRect();
  const bar = e.querySelector('.hitbox'), ring = bar ? getComputedStyle(bar) : null;
  const mine = top => top && (e.contains(top) || top.contains(e) || top.closest('label')?.control === e);
  const inside = (from, to, end) => {
    const a = Math.max(from, 0) + 2, b = Math.min(to, end) - 2;
    return [a, (a + b) / 2, b];
  };
  const xs = inside(box.left, box.right, innerWidth), ys = inside(box.top, box.bottom, innerHeight);
  const again = e.hasAttribute('data-walked');
  if (e !== document.body) e.setAttribute('data-walked', '');
  const text = e.textContent.trim().replace(/\\s+/g, ' ');
  return {
    again,
    tag: e.tagName.toLowerCase(),
    name: e.getAttribute('aria-label') || e.labels?.[0]?.textContent.trim() || text || e.id,
    ring: ring
      ? ring.stroke !== 'none' && parseFloat(ring.strokeWidth) >= 2
      : style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    seen: ys.some(y => xs.some(x => mine(document.elementFromPoint(x, y)))),
  };
}"""
"""What has the focus; whether it has a ring (a bar: about its column), and a point left uncovered."""


class Keys:
    """The keyboard on a page. Each step that moves the focus asserts that one sees where it went: a ring of two
    pixels or more, and nothing lies over all of the element.
    """

    def __init__(self, page: Page) -> None:
        self.page = page

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)

    def focus(self) -> dict[str, Any]:
        """What has the focus: its tag and name. The page itself has it as "body"."""
        found: dict[str, Any] = self.page.evaluate(FOCUS)
        if found["tag"] != "body":
            assert found["ring"], f"one does not see that the focus is on {found}"
            assert found["seen"], f"something covers {found}, which has the focus"
        return found

    def tab(self) -> dict[str, Any]:
        self.press("Tab")
        return self.focus()

    def to(self, name: str, most: int = 60) -> None:
        """Press Tab until what has the focus is called so, or begins so."""
        met = []
        for _ in range(most):
            found = self.tab()["name"]
            if found.startswith(name):
                return
            met.append(found)
        raise AssertionError(f"{name!r} has no place in the order of focus; there are {met}")

    def enter(self, address: str) -> None:
        """Press Enter, and wait for the page that it leads to."""
        with self.page.expect_navigation(url=address):
            self.press("Enter")

    def walk(self) -> list[str]:
        """Press Tab from where the page begins through all of it, once. The names on the way."""
        self.page.evaluate("document.querySelector('.skip, a').focus()")
        names: list[str] = [self.focus()["name"]]
        for _ in range(400):
            found = self.tab()
            if found["again"] or found["tag"] == "body":
                break
            names.append(found["name"])
        return names
