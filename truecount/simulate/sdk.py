"""Server reports through the official SDK, `facebook-business`, unchanged but for the host.

Part of the [demo] extra. The SDK hashes contact data itself; external ids leave it as they are.
"""

from __future__ import annotations

import importlib.util
import json
import re
from typing import Any, Final

from truecount.simulate.brewbeans import CURRENCY, Kind, Report
from truecount.simulate.hits import NotSent, TryAgain

MISSING: Final = (
    "The demo sends its server events with the official SDK, facebook-business, which is not installed here.\n"
    "It comes with the [demo] extra: pip install 'truecount[demo]' (or run `make demo`, which sees to it)."
)
TOO_OLD_SUBCODE: Final = 2804003


def is_installed() -> bool:
    return importlib.util.find_spec("facebook_business") is not None


def point_at(url: str, token: str) -> None:
    """Point the SDK of this process at a host: the one line a shop changes, and its usual start."""
    from facebook_business.api import FacebookAdsApi
    from facebook_business.session import FacebookSession

    FacebookSession.GRAPH = url
    api = FacebookAdsApi.init(access_token=token, crash_log=False, timeout=30)
    # A proxy of the machine has no business between a shop and its own host.
    api._session.requests.trust_env = False


def event_of(report: Report, opened_ms: int) -> Any:
    """Build the SDK's Event of a server report."""
    from facebook_business.adobjects.serverside.action_source import ActionSource
    from facebook_business.adobjects.serverside.content import Content
    from facebook_business.adobjects.serverside.custom_data import CustomData
    from facebook_business.adobjects.serverside.event import Event
    from facebook_business.adobjects.serverside.user_data import UserData

    deed, person = report.deed, report.deed.person
    known = deed.name in ("Purchase", "InitiateCheckout", "Lead")
    user = UserData(
        external_id=person.customer,
        client_ip_address=person.address,
        client_user_agent=person.agent,
        fbp=person.fbp,
        fbc=f"fb.1.{opened_ms}.{person.fbclid}" if person.fbclid else None,
        email=person.email if known else None,
        phone=person.phone if known else None,
        first_name=person.first if known else None,
        last_name=person.last if known else None,
        city=person.city if known else None,
        state=person.state if known else None,
        zip_code=person.postcode if known else None,
        country_code="in" if known else None,
    )
    custom = None
    if deed.value is not None:
        custom = CustomData(
            value=deed.value / 100,
            currency=CURRENCY.lower(),
            order_id=deed.order or None,
            content_type="product",
            contents=[Content(product_id=deed.bag, quantity=1, item_price=deed.value / 100)],
        )
    return Event(
        event_name=deed.name,
        event_time=(opened_ms + deed.at_ms) // 1000,
        event_source_url=deed.url,
        event_id=(deed.event_id or None) if report.names_id else None,
        action_source=ActionSource.WEBSITE,
        user_data=user,
        custom_data=custom,
    )


def post(dataset: str, event: Any, consent: str = "") -> None:
    """Send one event of the SDK and wait for the answer. NotSent, TryAgain; FacebookRequestError for a refusal.

    The SDK's Event has no place for consent, its node call takes any event. Where consent is denied nothing that names
    the person leaves the shop.
    """
    from facebook_business.adobjects.adspixel import AdsPixel
    from facebook_business.adobjects.serverside.event_request import EventRequest
    from facebook_business.exceptions import FacebookRequestError

    try:
        if consent:
            said = {**event.normalize(), "consent": consent}
            if consent == "denied":
                said |= {"user_data": {}, "event_source_url": re.split("[?#]", said.get("event_source_url", ""))[0]}
                said.pop("referrer_url", None)
            AdsPixel(dataset).create_event(fields=[], params={"data": [json.dumps(said)]})
        else:
            EventRequest(pixel_id=dataset, events=[event], partner_agent="brewbeans_1_0").execute()
    except FacebookRequestError as error:
        if error.http_status() == 503:
            raise TryAgain from error
        raise
    except OSError as error:
        raise NotSent(f"no answer from the server door ({type(error).__name__})") from error


class EventSender:
    """Sends server reports, one event a request as the SDK's samples do. `point_at` comes first."""

    def __init__(self, dataset: str, opened_ms: int) -> None:
        self._dataset, self._opened_ms = dataset, opened_ms

    def send(self, report: Report) -> None:
        """Send and wait for the answer. NotSent, TryAgain."""
        from facebook_business.exceptions import FacebookRequestError

        too_old = report.deed.kind is Kind.TOO_OLD
        try:
            post(self._dataset, event_of(report, self._opened_ms), report.deed.person.consent)
        except FacebookRequestError as error:
            if too_old and error.api_error_subcode() == TOO_OLD_SUBCODE:
                return
            raise NotSent(f"the server door answered {error.http_status()}: {error.api_error_message()}") from error
        if too_old:
            raise NotSent("the server door took an event that is older than seven days")
