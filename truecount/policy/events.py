"""Server events and requests as types: what was sent, not yet looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw

from truecount.policy.errors import RequestRefused
from truecount.vocabulary import DIGEST_KEYS, PLAIN_KEYS, RARE_DIGEST_KEYS

Text = str | None
Number = str | int | None
Values = str | int | list[str | int | None] | None
CommonValues = str | tuple[str] | None
"""A text, alone or in an array, as nearly all are: a tuple of one costs less than a list."""
NO_RAW: Final = Raw(b"")

CommonUser: Final = msgspec.defstruct(
    "CommonUser",
    [
        *((key, CommonValues, None) for key in DIGEST_KEYS),
        *((key, Text, None) for key in ("client_ip_address", "client_user_agent", "fbp", "fbc")),
    ],
    gc=False,
    forbid_unknown_fields=True,
)
"""user_data of nearly all events: a field for each match key, None where it was not sent."""
UserData: Final = msgspec.defstruct(
    "UserData",
    [
        *((key, Values, None) for key in DIGEST_KEYS),
        *((key, Number, None) for key in RARE_DIGEST_KEYS + PLAIN_KEYS),
        ("partner_name", Text, None),
        ("unknown", list[str] | None, None),
    ],
    bases=(CommonUser,),
    gc=False,
    forbid_unknown_fields=True,
)
"""user_data with each match key; `unknown` names keys that no rule knows."""


class CommonEvent(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """The keys that nearly all events make do with: half the memory, and the time to walk through it."""

    event_name: str | None = None
    event_time: int | str | float | None = None
    event_id: str | int | None = None
    event_source_url: str | None = None
    action_source: str | None = None
    user_data: CommonUser | None = None  # type: ignore[valid-type]
    custom_data: Raw = NO_RAW
    opt_out: bool | int | str | None = None
    referrer_url: str | None = None
    data_processing_options: list[str] | str | None = None
    data_processing_options_country: int | str | None = None
    data_processing_options_state: int | str | None = None


class ServerEvent(CommonEvent, gc=False, forbid_unknown_fields=True):
    """One event as it was sent; None or empty Raw where a key was absent or null. Nothing is checked but the types."""

    user_data: UserData | None = None  # type: ignore[valid-type]
    consent: str | bool | None = None
    original_event_data: Raw = NO_RAW
    app_data: Raw = NO_RAW
    attribution_data: Raw = NO_RAW
    customer_segmentation: str | None = None
    advanced_measurement_table: str | None = None
    messaging_channel: str | None = None
    advertiser_tracking_enabled: bool | int | str | None = None
    received_time: int | str | float | None = None
    source: str | None = None
    unknown: dict[str, Any] | None = None
    """Keys that no rule knows, as they came."""


class Body(msgspec.Struct):
    """A whole request, decoded."""

    data: Sequence[CommonEvent]
    access_token: str = ""
    test_event_code: str = ""
    partner_agent: str = ""
    upload_tag: str = ""
    dry_run: bool = False
    messages: list[str] = []
    sizes: Sequence[int] = ()
    """Bytes of each event as it was sent."""
    problems: dict[int, RequestRefused] = {}
    """Index of an event that was decoded -> why its shape is wrong (data holds an empty event there)."""
