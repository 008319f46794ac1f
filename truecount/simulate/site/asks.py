"""Pages where a visitor leaves something: which standard event each tells, and what it asks."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from truecount.simulate.brewbeans import CURRENCY


class Field(msgspec.Struct, frozen=True):
    name: str
    label: str
    type: str = "text"
    autocomplete: str = "off"
    options: tuple[str, ...] = ()


NAME: Final = (
    Field("first", "First name", autocomplete="given-name"),
    Field("last", "Last name", autocomplete="family-name"),
)
EMAIL: Final = Field("email", "E-mail", "email", "email")
PHONE: Final = Field("phone", "Phone", "tel", "tel")


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One form; `about` is the event's custom data."""

    slug: str
    event: str
    title: str
    words: str
    button: str
    thanks: str
    fields: tuple[Field, ...]
    about: dict[str, Any] = {}


ASKS: Final = (
    Ask(
        slug="newsletter",
        event="Lead",
        title="The roaster's letter",
        words="Once a month: what is fresh, where it grew, how we brew it.",
        button="Send me the letter",
        thanks="You are on the list. The next letter leaves on the first of the month.",
        fields=(EMAIL,),
        about={"content_name": "newsletter", "value": 40.0, "currency": CURRENCY},
    ),
    Ask(
        slug="account",
        event="CompleteRegistration",
        title="Open an account",
        words="Your addresses and your last orders in one place.",
        button="Open the account",
        thanks="Your account is open.",
        fields=(*NAME, EMAIL, PHONE),
        about={"content_name": "account", "status": True},
    ),
    Ask(
        slug="trial",
        event="StartTrial",
        title="Try the subscription",
        words="One bag, free of charge. Cancel before the second one leaves.",
        button="Start the free month",
        thanks="Your first bag leaves tomorrow.",
        fields=(*NAME, EMAIL),
        about={"value": 0.0, "currency": CURRENCY, "predicted_ltv": 9590.0},
    ),
    Ask(
        slug="subscription",
        event="Subscribe",
        title="Subscribe",
        words="A fresh bag every month.",
        button="Subscribe",
        thanks="Welcome. Your first bag leaves tomorrow.",
        fields=(*NAME, EMAIL, PHONE),
        about={"value": 799.0, "currency": CURRENCY, "predicted_ltv": 9590.0},
    ),
    Ask(
        slug="tastings",
        event="Schedule",
        title="Come and taste",
        words="Every Saturday at our roastery: six coffees, one hour.",
        button="Keep a place for me",
        thanks="Your place is kept. See you on Saturday.",
        fields=(*NAME, EMAIL, Field("hour", "Hour", options=("11:00", "15:00"))),
        about={"content_name": "tasting"},
    ),
    Ask(
        slug="wholesale",
        event="SubmitApplication",
        title="Coffee for your café",
        words="Tell us what you pour. We answer within two days.",
        button="Send the application",
        thanks="We have it, and will write to you.",
        fields=(*NAME, EMAIL, PHONE),
        about={"content_name": "wholesale account"},
    ),
    Ask(
        slug="growers",
        event="Donate",
        title="The growers' school",
        words="₹250 pays a month of school for a child in Araku.",
        button="Give ₹250",
        thanks="Thank you. The school writes to you in spring.",
        fields=(*NAME, EMAIL),
        about={"value": 250.0, "currency": CURRENCY},
    ),
)
BY_SLUG: Final = {ask.slug: ask for ask in ASKS}

CAFES: Final = {
    "Bengaluru": ("12 Church Street", "88 Indiranagar 100 Ft Road"),
    "Mumbai": ("4 Colaba Causeway",),
    "Chennai": ("31 Khader Nawaz Khan Road",),
    "Kochi": ("7 Princess Street",),
}
