"""Consent that others ask for: Consent Mode, a TCF tool, Global Privacy Control. Each, and the page, has to grant."""

from __future__ import annotations

import pytest

from tests.pixel.browser import Visit, Web, wait_until
from tests.pixel.test_extra import EXTRA, READY, by_count, loaded

pytestmark = pytest.mark.slow


def consenting(visit: Visit, before: str, extra: str) -> None:
    visit.open(f"{before}; {READY} fbq('track', 'PageView'); fbq('track', 'Lead');", attributes=f'data-extra="{extra}"')


def test_google_consent_mode_decides_and_later_words_count(visit: Visit) -> None:
    start = "window.dataLayer = []; function gtag() { dataLayer.push(arguments); }"
    consenting(visit, start + "gtag('consent', 'default', {ad_storage: 'denied', ad_user_data: 'denied'})", "gcm")
    loaded(visit)
    assert visit.settle() == []
    visit.run("gtag('consent', 'update', {ad_storage: 'granted'})")
    assert visit.settle() == []  # ad_user_data is still denied
    visit.run("gtag('consent', 'update', {ad_user_data: 'granted'})")
    assert [hit["ev"] for hit in by_count(visit, 2)] == ["PageView", "Lead"]
    visit.run("gtag('consent', 'update', {ad_storage: 'denied'}); fbq('track', 'Contact')")
    visit.hits(2)


TCF = """window.tell = {}; window.__tcfapi = (command, version, answer) => { window.tell = (event, consents, applies) =>
    answer({eventStatus: event, gdprApplies: applies, purpose: {consents}}, true); }"""


@pytest.mark.parametrize(
    ("event", "consents", "applies", "sent"),
    [
        ("tcloaded", "{1: true, 7: true}", "true", 2),
        ("useractioncomplete", "{1: true, 7: true}", "true", 2),
        ("cmpuishown", "{1: true, 7: true}", "true", 0),
        ("tcloaded", "{1: true}", "true", 0),
        ("tcloaded", "{}", "false", 2),
    ],
)
def test_a_tcf_tool_decides_by_purposes(visit: Visit, event: str, consents: str, applies: str, sent: int) -> None:
    consenting(visit, TCF, "tcf")
    loaded(visit)
    assert visit.settle() == []
    visit.run(f"tell('{event}', {consents}, {applies})")
    visit.hits(sent)


@pytest.mark.parametrize(("signal", "sent"), [("true", 0), ("false", 2), ("undefined", 2)])
def test_global_privacy_control_is_heard(visit: Visit, signal: str, sent: int) -> None:
    consenting(visit, f"Object.defineProperty(navigator, 'globalPrivacyControl', {{value: {signal}}})", "gpc")
    loaded(visit)
    assert len(visit.hits(sent)) == sent


def test_a_source_that_is_asked_for_later_has_to_grant_too(visit: Visit) -> None:
    consenting(visit, TCF, "gpc")
    loaded(visit)
    visit.hits(2)
    visit.run("fbq('set', 'extra', 'tcf'); fbq('track', 'Contact')")
    visit.hits(2)
    visit.run("tell('tcloaded', {1: true, 7: true}, true)")
    assert visit.hits(3)[-1]["ev"] == "Contact"


def test_where_the_second_file_fails_nothing_that_needs_consent_is_ever_sent(visit: Visit, web: Web) -> None:
    web.pages[EXTRA] = "throw new Error('blocked')"
    consenting(visit, "", "gcm")
    wait_until(lambda: any(url == EXTRA for _, url, _ in web.requests), "the second file")
    assert visit.settle() == []
    assert visit.cookies() == {}
    visit.errors.clear()


GPC = "Object.defineProperty(navigator, 'globalPrivacyControl', {value: true});"
ALL_GRANT = "gtag('consent', 'default', {ad_storage: 'granted'});"
ALL_DENY = "gtag('consent', 'default', {ad_storage: 'denied'});"
SPAIN_DENIES = "gtag('consent', 'default', {ad_storage: 'denied', region: ['ES']});"
AMERICA_GRANTS = "gtag('consent', 'default', {ad_storage: 'granted', region: ['US']});"
GTAG = "window.dataLayer = []; function gtag() { dataLayer.push(arguments); };"


def test_a_browser_without_the_signal_does_not_grant_what_the_page_revokes(visit: Visit) -> None:
    visit.open(f"{READY} fbq('track', 'PageView')", attributes='data-consent="required" data-extra="gpc"')
    loaded(visit)
    assert visit.settle() == []
    assert visit.cookies() == {}
    visit.run("fbq('consent', 'grant')")
    visit.hits(1)
    visit.run("fbq('consent', 'revoke'); fbq('track', 'Lead')")
    visit.hits(1)


def test_a_pages_own_grant_does_not_outvote_the_signal(visit: Visit) -> None:
    consenting(visit, GPC + "fbq('consent', 'grant')", "gpc")
    loaded(visit)
    visit.run("fbq('consent', 'grant')")
    assert visit.settle() == []
    assert visit.cookies() == {}


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        (SPAIN_DENIES + ALL_GRANT, 0),
        (ALL_GRANT + SPAIN_DENIES, 0),
        (ALL_DENY + AMERICA_GRANTS, 0),
        (SPAIN_DENIES + "gtag('consent', 'update', {ad_storage: 'granted'})", 2),
        ("gtag('consent', 'default', {ad_storage: 'granted', region: []})", 2),
    ],
)
def test_what_is_said_of_a_region_holds_for_all_where_it_denies_and_for_none_where_it_grants(
    visit: Visit, said: str, sent: int
) -> None:
    consenting(visit, GTAG + said, "gcm")
    loaded(visit)
    assert len(visit.hits(sent)) == sent


@pytest.mark.parametrize("extra", ["gcm", "tcf", "gpc"])
def test_while_it_is_denied_nothing_is_read_handed_over_or_told_of_the_page(visit: Visit, web: Web, extra: str) -> None:
    page = """<input name=email><a id=go href="http://pay.example/checkout">Pay</a>
        <script type="application/ld+json">{"@type": "Product"}</script>"""
    visit.context.add_cookies([{"name": "_fbp", "value": "fb.1.1791212460000.123", "url": "http://shop.example"}])
    visit.open(
        GPC + READY,
        body=page,
        attributes=f'data-extra="{extra} forms metadata handover" data-handover="pay.example"',
    )
    loaded(visit)
    visit.page.fill("[name=email]", "jane@shop.example")
    visit.page.keyboard.press("Tab")
    visit.page.wait_for_timeout(700)  # Microdata comes half a second after the page
    visit.page.click("#go")
    visit.page.wait_for_url("http://pay.example/**")
    assert "_tc" not in visit.page.url
    assert web.hits == []


def test_a_page_that_wraps_fbq_is_asked_for_its_consent_all_the_same(visit: Visit) -> None:
    wrap = "const own = window.fbq; window.fbq = function () { return own.apply(this, arguments); };"
    visit.open(READY + "fbq('track', 'PageView')", attributes='data-extra="gpc"', then=wrap)
    visit.hits(1)
