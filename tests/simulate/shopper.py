"""A person who shops at BrewBeans in headless Chromium, by what the pages show: links, fields and buttons."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright

from tests.pixel.browser import FLAGS, chromium
from truecount.simulate.site.view import Site


@contextmanager
def browsing() -> Iterator[Browser]:
    """Chromium as it is: it finds the two hosts by itself."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


class Shopper:
    """One browser with no history. `sent` are the addresses and bodies of all requests to the collector."""

    def __init__(self, browser: Browser, site: Site, **options: Any) -> None:
        self.site = site
        self.context: BrowserContext = browser.new_context(**options)
        self.page: Page = self.context.new_page()
        self.sent: list[str] = []
        self.errors: list[str] = []
        self.context.on("request", self._note)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _note(self, request: Request) -> None:
        url = urlsplit(request.url)
        if url.netloc == urlsplit(self.site.collector).netloc and url.path.rstrip("/") == "/tr":
            self.sent.append(f"{request.url}\n{request.post_data or ''}")

    def go(self, path: str = "/") -> None:
        self.page.goto(self.site.shop + path)

    def press(self, words: str) -> None:
        """Press the button or follow the link of these words."""
        self.page.get_by_role("button", name=words).or_(self.page.get_by_role("link", name=words)).first.click()

    def lab(self, *choices: str) -> None:
        self.go("/lab")
        for choice in choices:
            self.page.get_by_label(choice).check()
        self.press("Set")

    def fill_cart(self, bag: str = "Araku Valley", size: str = "500 g") -> None:
        self.go("/beans")
        self.press(bag)
        self.page.get_by_label(size).check()
        self.press("Into the cart")

    def check_out(self) -> None:
        self.press("Check out with BeanPay")

    def pay(self, email: str = "Asha.Rao@example.com") -> str:
        """Fill in the checkout and pay. Gives the order's id."""
        page = self.page
        page.get_by_label("E-mail").fill(email)
        page.get_by_label("Phone").fill("+91 98450 12345")
        page.get_by_label("First name").fill("Asha")
        page.get_by_label("Last name").fill("Rao")
        page.get_by_label("City").fill("Bengaluru")
        page.get_by_label("Postcode").fill("560001")
        page.get_by_label("UPI").check()
        page.get_by_role("button", name="Pay ₹").click()
        page.wait_for_url("**/thank-you/*")
        return urlsplit(page.url).path.rpartition("/")[2]

    def cookies(self, host: str) -> dict[str, str]:
        """Cookies that the browser keeps for a host."""
        return {one["name"]: one["value"] for one in self.context.cookies(host)}

    def close(self) -> None:
        self.context.close()
        assert self.errors == []
