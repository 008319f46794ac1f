"""Who comes to BrewBeans: made-up names, places and devices. Nobody here exists."""

from __future__ import annotations

from random import Random
from typing import Final

import msgspec

FIRST: Final = ("Asha", "Ravi", "Meera", "Arjun", "Zoë", "Kabir", "Divya", "Rohan", "Anaïs", "Imran", "Leela", "Vikram")
LAST: Final = ("Rao", "Iyer", "D'Souza", "Khan", "Menon", "Patel", "Bose", "Nair", "Singh", "Fernandes", "Das", "Joshi")
PLACES: Final = (
    ("Bengaluru", "Karnataka", "560001"),
    ("Mumbai", "Maharashtra", "400001"),
    ("New Delhi", "Delhi", "110001"),
    ("Chennai", "Tamil Nadu", "600001"),
    ("Kochi", "Kerala", "682001"),
    ("Kolkata", "West Bengal", "700001"),
)
"""City, state, postal code."""

DEVICES: Final = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0"
    " Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 13; SM-A546E) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0"
    " Mobile Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1"
    " Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:132.0) Gecko/20100101 Firefox/132.0",
)
BOTS: Final = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
)
TOOLS: Final = ("curl/8.5.0", "python-requests/2.32.3")

LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """One visitor with one device, as the shop knows him or her. Contact data is raw: senders hash it."""

    customer: str
    """The shop's own number of the customer: external_id on both sides."""
    first: str
    last: str
    email: str
    phone: str
    city: str
    state: str
    postcode: str
    agent: str
    address: str
    """IPv4 address as the shop's web server saw it (documentation range of RFC 5737)."""
    fbp: str
    fbclid: str
    """Click id of the ad that brought the person, "" for none."""
    blocks: bool = False
    """A content blocker eats all hits of this browser."""
    consent: str = ""
    """granted, denied, or "" where the page asks nothing."""


BLOCKED: Final = 0.18
DENIED: Final = 0.08


def new_person(rng: Random, number: int, opened_ms: int, blocked: float = BLOCKED, denied: float = DENIED) -> Person:
    """Draw a person; `number` makes customer, e-mail and address its own, `opened_ms` dates the cookie before it.

    `blocked` and `denied` are the shares of browsers that block the pixel and of visitors who deny consent.
    """
    first, last = rng.choice(FIRST), rng.choice(LAST)
    city, state, postcode = rng.choice(PLACES)
    draw = rng.random()
    return Person(
        customer=f"BB-{number:06d}",
        first=first,
        last=last,
        email=f"{first}.{last}{number}@Example.com".replace("'", "").replace("ë", "e").replace("ï", "i"),
        phone=f"+91 {rng.randrange(70000, 99999)} {rng.randrange(10**5):05d}",
        city=city,
        state=state,
        postcode=postcode,
        agent=rng.choice(DEVICES),
        address=f"203.0.113.{number % 254 + 1}",
        fbp=f"fb.1.{opened_ms - rng.randrange(10**9)}.{rng.randrange(10**9, 10**10)}",
        fbclid="IwAR" + "".join(rng.choices(LETTERS, k=40)) if rng.random() < 0.4 else "",
        blocks=rng.random() < blocked,
        consent="denied" if draw < denied else "granted" if draw < denied + 0.22 else "",
    )


def machine(rng: Random, agent: str, number: int, opened_ms: int) -> Person:
    """A visitor that is no person: a crawler or a developer's tool, with nothing but a user agent and an address."""
    return Person(
        customer="",
        first="",
        last="",
        email="",
        phone="",
        city="",
        state="",
        postcode="",
        agent=agent,
        address=f"198.51.100.{number % 254 + 1}",
        fbp=f"fb.1.{opened_ms}.{rng.randrange(10**9, 10**10)}",
        fbclid="",
    )
