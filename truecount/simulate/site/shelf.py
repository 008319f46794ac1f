"""What BrewBeans sells. Prices in paise; a variant's sku is its content id."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from truecount.simulate.books import money
from truecount.simulate.brewbeans import CURRENCY

SIZES: Final = (("250", "250\u00a0g", 100), ("500", "500\u00a0g", 190), ("1000", "1\u00a0kg", 360))
"""Code, words, percent of the small bag's price."""
GRINDS: Final = ("whole beans", "filter", "espresso")


class Variant(msgspec.Struct, frozen=True):
    sku: str
    words: str
    price: int


class Product(msgspec.Struct, frozen=True):
    slug: str
    name: str
    roast: str
    notes: str
    price: int
    hue: str
    """Colour of the bag on its picture."""

    @property
    def variants(self) -> tuple[Variant, ...]:
        return tuple(
            Variant(f"{self.slug}-{code}", words, self.price * percent // 10_000 * 100)
            for code, words, percent in SIZES
        )


PRODUCTS: Final = (
    Product("monsoon-malabar", "Monsoon Malabar", "dark", "Spice, old wood, hardly any acid", 89900, "#5b3a29"),
    Product("mysore-nuggets", "Mysore Nuggets", "medium", "Caramel, almond, a long finish", 94900, "#8a4b2a"),
    Product("araku-valley", "Araku Valley", "light", "Citrus, honey, jasmine", 109900, "#b5762f"),
    Product("coorg-robusta", "Coorg Robusta", "dark", "Cocoa, pepper, a thick crema", 64900, "#3c2b23"),
    Product("blue-tokai", "Blue Tokai", "medium", "Plum, dark sugar, soft", 99900, "#4a5568"),
    Product("nilgiri-mist", "Nilgiri Mist", "light", "Tea-like, lime, cane sugar", 104900, "#6b7f5a"),
)
ROASTS: Final = ("light", "medium", "dark")
BY_SLUG: Final = {product.slug: product for product in PRODUCTS}
BY_SKU: Final = {variant.sku: (product, variant) for product in PRODUCTS for variant in product.variants}
MAX_OF_ONE: Final = 20
"""Bags of one variant in a cart."""


def rupees(paise: int) -> str:
    """Money for people: 115900 -> "₹1,159.00"."""
    return f"₹{paise // 100:,}.{paise % 100:02d}"


def about(lines: dict[str, int]) -> dict[str, Any]:
    """Custom data of a cart, sku -> quantity, as both sides report it."""
    contents = [
        {"id": sku, "quantity": count, "item_price": float(money(BY_SKU[sku][1].price))} for sku, count in lines.items()
    ]
    return {
        "value": float(money(total(lines))),
        "currency": CURRENCY,
        "content_type": "product",
        "content_ids": list(lines),
        "contents": contents,
        "num_items": sum(lines.values()),
    }


def total(lines: dict[str, int]) -> int:
    """Paise."""
    return sum(BY_SKU[sku][1].price * count for sku, count in lines.items())


def search(words: str) -> list[Product]:
    """Products whose name, notes or roast have all of the words."""
    wanted = words.lower().split()
    return [
        product
        for product in PRODUCTS
        if wanted and all(word in f"{product.name} {product.notes} {product.roast}".lower() for word in wanted)
    ]
