"""Realistic raw server events, each of another person: the load that the server door is measured with.

Raw means as a shop's system has them: nothing is normalised or hashed. Names and places come from lists, since people
share them; e-mail, phone, ids, address and click ids are each person's own.
"""

from __future__ import annotations

import random
import unicodedata
from typing import Any, Final

FIRST: Final = [
    "Olivia",
    "Liam",
    "Emma",
    "Noah",
    "Amelia",
    "Oliver",
    "Sophia",
    "Elijah",
    "Isabella",
    "Mateo",
    "Mia",
    "Lucas",
    "Aarav",
    "Priya",
    "Rohan",
    "Ananya",
    "Vikram",
    "Meera",
    "José",
    "María",
    "Zoë",
    "François",
    "Jürgen",
    "Søren",
    "Anne-Marie",
    "Mary-Jane",
    "Chloé",
    "Hiroshi",
    "Yuki",
    "Wei",
    "Li",
    "Ahmed",
    "Fatima",
    "Omar",
    "Layla",
    "Igor",
    "Olga",
    "Anna",
    "Piotr",
    "Kasia",
    "Bjørn",
    "Ingrid",
    "Jean-Luc",
    "Thandi",
    "Sipho",
    "Kwame",
    "Ama",
    "Chidi",
    "Ngozi",
]
LAST: Final = [
    "Smith",
    "Johnson",
    "Williams",
    "Brown",
    "Jones",
    "Garcia",
    "Miller",
    "Davis",
    "Rodriguez",
    "Martinez",
    "Hernandez",
    "Lopez",
    "Gonzalez",
    "Wilson",
    "Anderson",
    "Thomas",
    "Taylor",
    "Moore",
    "Jackson",
    "Martin",
    "Lee",
    "Perez",
    "Thompson",
    "White",
    "Harris",
    "Sanchez",
    "Clark",
    "Ramirez",
    "Lewis",
    "Robinson",
    "Walker",
    "Young",
    "Allen",
    "King",
    "Wright",
    "Scott",
    "Torres",
    "Nguyen",
    "Hill",
    "Flores",
    "Green",
    "Adams",
    "Nelson",
    "Baker",
    "Hall",
    "Rivera",
    "Campbell",
    "Mitchell",
    "Carter",
    "Roberts",
    "O'Brien",
    "O'Neil",
    "Müller",
    "Schröder",
    "Patel",
    "Sharma",
    "Gupta",
    "Singh",
    "Kumar",
    "Iyer",
    "Nakamura",
    "Kowalski",
    "Dvořák",
]
PLACES: Final = (
    ("New York", "NY", "100", "US", "1"),
    ("Los Angeles", "CA", "900", "US", "1"),
    ("Chicago", "IL", "606", "US", "1"),
    ("San Francisco", "CA", "941", "US", "1"),
    ("Houston", "TX", "770", "US", "1"),
    ("St. Louis", "MO", "631", "US", "1"),
    ("Mumbai", "MH", "4000", "IN", "91"),
    ("Bengaluru", "KA", "5600", "IN", "91"),
    ("New Delhi", "DL", "1100", "IN", "91"),
    ("London", "England", "EC1A ", "GB", "44"),
    ("Manchester", "England", "M1 ", "GB", "44"),
    ("München", "Bayern", "803", "DE", "49"),
    ("Berlin", "BE", "101", "DE", "49"),
    ("Paris", "IDF", "750", "FR", "33"),
    ("Toronto", "ON", "M5V ", "CA", "1"),
    ("Sydney", "NSW", "20", "AU", "61"),
)
AGENTS: Final = tuple(
    template.format(major=major)
    for major in range(110, 140)
    for template in (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{major}.0.0.0 "
        "Safari/537.36",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/17.5 Mobile/15E{major} Safari/604.1",
        "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{major}.0.0.0 Mobile "
        "Safari/537.36",
    )
)
ITEMS: Final = ("espresso-1kg", "filter-500g", "grinder", "mug-blue", "decaf-250g", "cold-brew")
LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"


def _ascii(name: str) -> str:
    return "".join(filter(str.isalpha, unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()))


def raw_event(luck: random.Random, number: int, now_s: int) -> dict[str, Any]:
    """Make one Purchase of one person, as a shop's order system has it."""
    first, last = luck.choice(FIRST), luck.choice(LAST)
    city, state, zip_start, country, calling = luck.choice(PLACES)
    person = luck.randrange(10**7)
    quantity, price = luck.randint(1, 4), luck.randint(199, 89900)
    digits = f"{luck.randrange(2 * 10**9, 10**10 - 1)}"
    phone = (
        f"+{calling} {digits[:3]} {digits[3:6]} {digits[6:]}",
        f"{calling}{digits}",
        f"+{calling} ({digits[:3]}) {digits[3:6]}-{digits[6:]}",
    )[luck.randrange(3)]
    landing = ""
    if not luck.randrange(5):
        landing = f"&utm_source=newsletter&utm_medium=email&utm_campaign=spring-{luck.randrange(20)}"
    ms = (now_s - luck.randrange(86400)) * 1000
    return {
        "event_name": "Purchase",
        "event_time": now_s - luck.randrange(3600),
        "event_id": f"order-{number}",
        "event_source_url": f"https://shop.example/checkout/thank-you?order={number}" + landing,
        "action_source": "website",
        "user_data": {
            "em": [f"{_ascii(first)}.{_ascii(last)}{person}@{luck.choice(('gmail.com', 'example.com', 'web.de'))}"],
            "ph": [phone],
            "fn": [first],
            "ln": [last],
            "ct": [city],
            "st": [state],
            "zp": [f"{zip_start}{luck.randrange(10, 99)}"],
            "country": [country.lower()],
            "external_id": [f"user-{person}"],
            "client_ip_address": f"{luck.randrange(1, 223)}.{luck.randrange(256)}.{luck.randrange(256)}."
            f"{luck.randrange(1, 255)}",
            "client_user_agent": luck.choice(AGENTS),
            "fbp": f"fb.1.{ms}.{luck.randrange(10**9, 10**10)}",
            "fbc": f"fb.1.{ms}.IwAR{''.join(luck.choices(LETTERS, k=57))}",
        },
        "custom_data": {
            "value": quantity * price / 100,
            "currency": "usd",
            "order_id": f"order-{number}",
            "content_type": "product",
            "content_ids": [luck.choice(ITEMS)],
            "contents": [
                {"id": luck.choice(ITEMS), "quantity": quantity, "item_price": price / 100},
                {"id": luck.choice(ITEMS), "quantity": 1, "item_price": 0.0},
            ],
            "num_items": quantity + 1,
        },
    }


def raw_events(n: int, now_s: int, seed: int = 1) -> list[dict[str, Any]]:
    """n raw events of n different people; the same seed gives the same events."""
    luck = random.Random(seed)
    return [raw_event(luck, number, now_s) for number in range(n)]
