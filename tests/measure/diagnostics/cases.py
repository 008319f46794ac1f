"""For each check a stream that trips it, and near ones that do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .streams import DAY, FBP, HOUR, MINUTE, Stream

BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


class Case(NamedTuple):
    check: str
    what: str
    stream: Callable[[Stream], None]
    subjects: set[tuple[str, ...]]
    """What findings there are, of whatever state; none for a near miss."""
    count_tests: bool = True
    sensitive_words: tuple[str, ...] = ()


def both(stream: Stream, at_us: int, event_id: str, value: str = "100.00", currency: str = "INR") -> None:
    """A sale that both sides tell of, as they should."""
    stream.sale(at_us, event_id, value, currency, fbp=FBP.format(event_id.removeprefix("order-")))
    stream.sale_told(at_us + 2_000_000, event_id, value, currency)


def sales(stream: Stream, n: int = 6, every_us: int = HOUR) -> None:
    for number in range(n):
        both(stream, number * every_us, f"order-{2000 + number}")


def a_sale_without_money(stream: Stream) -> None:
    sales(stream)
    stream.hit(HOUR, "Purchase", "order-2001", cd__value="100.00")
    stream.hit(2 * HOUR, "Purchase", "order-2003", cd__currency="INR")
    stream.hit(3 * HOUR, "Purchase", "order-2003", cd__value="a lot", cd__currency="INR")
    stream.event(4 * HOUR, "Purchase", "alone")


def money_missing_elsewhere(stream: Stream) -> None:
    sales(stream)
    stream.hit(HOUR, "AddToCart", cd__value="1")
    stream.hit(HOUR, "Lead", "l")
    stream.sale(2 * HOUR, "free", "0", "INR")


def server_without_ids(stream: Stream) -> None:
    for number in range(5):
        stream.sale(number * HOUR, f"order-{number}")
        stream.sale_told(number * HOUR + MINUTE, "" if number % 2 else f"order-{number}")
    stream.sale_told(2 * HOUR, "null")


def neither_side_alone_without_ids(stream: Stream) -> None:
    sales(stream)
    for number in range(5):
        stream.hit(number * HOUR, "Lead", cd__value="5.00", cd__currency="INR")
        stream.event(number * HOUR, "Contact")


def one_id_for_orders(stream: Stream) -> None:
    sales(stream)
    for number in range(4):
        stream.sale(number * HOUR, "thank-you", "10.00", cd__order_id=f"o{number}")
    for number in range(3):
        stream.event(number * HOUR, "Subscribe", "monthly", custom_data={"value": 5 + number, "currency": "EUR"})
    for number in range(22):
        stream.hit(number * MINUTE, "Lead", "lead")


def retries_of_one_sale(stream: Stream) -> None:
    sales(stream)
    for number in range(20):
        stream.sale(number * MINUTE, "order-1", "10.00", cd__order_id="o1")
    stream.sale(HOUR, "order-2", "10.00")
    stream.sale_told(HOUR, "order-2", "12.00", custom_data={"order_id": "o2"})
    stream.sale_told(HOUR, "order-2", "13.00", custom_data={"order_id": "o2"})


def ids_that_differ_in_form(stream: Stream) -> None:
    sales(stream)
    pairs = [("order-1001", "1001"), ("Order-1002", "order-1002"), ("1003 ", "1003"), ("0001004", "1004")]
    pairs += [("A5B6-x", "a5b6-X"), ("#771", "771"), ("shop2_15005", "SHOP2-15005")]
    for number, (one, other) in enumerate(pairs):
        stream.sale(number * HOUR, one, "50.00")
        stream.sale_told(number * HOUR + MINUTE, other, "50.00")
    stream.event(5 * HOUR, "Lead", "lead-500")
    stream.hit(5 * HOUR + 1, "Lead", "500")


def ids_that_are_others(stream: Stream) -> None:
    sales(stream)
    apart = [("order-1001", "order-10010"), ("order-1002", "1003"), ("a-12", "b-12"), ("x", "y")]
    for number, (one, other) in enumerate(apart):
        stream.sale(number * HOUR, one, "50.00")
        stream.sale_told(number * HOUR + MINUTE, other, "50.00")
    stream.sale(0, "order-3001", "50.00")
    stream.sale_told(48 * HOUR + 1, "3001", "50.00")  # too late
    stream.sale(0, "order-3002", "50.00")
    stream.sale_told(MINUTE, "3002", "60.00")  # another sale
    stream.sale(0, "order-3003", "50.00")
    stream.sale(MINUTE, "3003", "50.00")  # both from the browser
    stream.sale(0, "order-3004", "50.00")
    stream.sale(0, "pre-3004", "50.00")
    stream.sale_told(MINUTE, "3004", "50.00")  # which one?


def one_door_alone(stream: Stream) -> None:
    sales(stream)
    for number in range(12):
        stream.hit(number * HOUR, "Lead", f"lead-{number}", cd__value="7.00", cd__currency="EUR")
        stream.event(number * HOUR, "Subscribe", f"sub-{number}", custom_data={"value": 9, "currency": "USD"})
        stream.hit(number * HOUR, "AddToCart", cd__value="7.00", cd__currency="EUR")
        stream.hit(number * HOUR, "PageView")
        stream.event(number * HOUR, "OrderShipped", f"s{number}")
    for number in range(30):  # both send it, the server a day later
        stream.hit(number * HOUR, "Contact", f"c{number}")
    stream.event(26 * HOUR, "Contact", "c26")


def both_doors(stream: Stream) -> None:
    sales(stream)
    for number in range(30):
        stream.hit(number * HOUR, "Contact", f"c{number}")
    stream.event(24 * HOUR - 1, "Contact", "c26")
    for number in range(9):  # too few to say
        stream.hit(number * HOUR, "Lead", f"lead-{number}")


def one_door_in_all(stream: Stream) -> None:
    for number in range(30):
        stream.sale(number * HOUR, f"order-{number}")


def steady(stream: Stream, hours: float, every_us: int = 20 * MINUTE, server: bool = True, page: bool = True) -> None:
    for number in range(int(hours * HOUR / every_us)):
        if page:
            stream.hit(number * every_us, "PageView")
        if server:
            stream.sale_told(number * every_us, f"s{number}", "30.00")


def sales_fall_silent(stream: Stream) -> None:
    steady(stream, 48, server=False)
    for number in range(30):
        stream.sale(number * HOUR, f"order-{number}", "10.00", "EUR")


def server_falls_silent(stream: Stream) -> None:
    steady(stream, 48, server=False)
    steady(stream, 30, page=False)


def silent_for_a_while(stream: Stream) -> None:
    for number in range(144):
        if not 80 <= number < 110:
            stream.hit(number * 20 * MINUTE, "PageView")


def usual_nights(stream: Stream) -> None:
    for day in range(2):
        for number in range(24):
            stream.hit(day * DAY + number * HOUR // 2, "PageView")
    # 12 hours of night are usual, and 36 are not yet three times that


def heard_of_for_an_hour(stream: Stream) -> None:
    for number in range(200):
        stream.hit(number * MINUTE // 4, "PageView")


def pages_alone(stream: Stream) -> None:
    for number in range(25):
        stream.hit(number * MINUTE, "PageView")


def pages_for_a_day(stream: Stream) -> None:
    steady(stream, 30, server=False)
    both(stream, 30 * HOUR, "order-1")


def pages_first(stream: Stream) -> None:
    for number in range(25):
        stream.hit(number * MINUTE, "PageView")
    both(stream, 24 * HOUR - 1, "order-1")


def few_pages(stream: Stream) -> None:
    for number in range(19):
        stream.hit(number * MINUTE, "PageView")


def contact_data(stream: Stream) -> None:
    sales(stream)
    stream.hit(0, "Search", dl="https://shop.example/?email=jane@mail.example", cd__note="call +49 151 23456789")
    stream.hit(1, "Search", dl="https://shop.example/?email=jane@mail.example")
    stream.event(2, "Lead", "l", user_data={"em": ["jane@mail.example"], "ph": ["49151234567890"]})


def no_contact_data(stream: Stream) -> None:
    sales(stream)
    stream.hit(0, "Search", dl="https://shop.example/?q=arabica", cd__sku="650-555-12")
    stream.event(2, "Lead", "l", user_data={"em": ["b" * 64], "external_id": ["customer-7"]})


def clocks_off(stream: Stream) -> None:
    for number in range(10):
        at_us = number * HOUR
        now_ms = (1_790_000_000_000_000 + at_us) // 1000
        stream.sale_told(at_us, f"s{number}", age_s=-300 if number < 3 else -900 if number < 6 else 60)
        stream.sale(at_us, f"b{number}", ts=str(now_ms - (2 * 3_600_000 if number < 4 else 0)))
    stream.sale(HOUR, "odd", ts="1790000000")


def clocks_nearly_right(stream: Stream) -> None:
    for number in range(10):
        at_us = number * HOUR
        now_ms = (1_790_000_000_000_000 + at_us) // 1000
        stream.sale_told(at_us, f"s{number}", age_s=-60 if number < 5 else 5 * 86_400)
        stream.sale(at_us, f"b{number}", ts=str(now_ms - 3_600_000))
    for number in range(4):  # too few to say
        stream.sale_told(number, f"t{number}", age_s=-700)


def tests_among_sales(stream: Stream) -> None:
    sales(stream)
    stream.sale_told(HOUR, "try-1", "1.00", test="TEST1")
    stream.sale(HOUR, "try-1", "1.00", test_event_code="TEST1")
    stream.event(HOUR, "Lead", "try-2", test="TEST1")


def tests_alone(stream: Stream) -> None:
    stream.sale_told(HOUR, "try-1", "1.00", test="TEST1")
    stream.hit(HOUR, "PageView")


def names_almost_right(stream: Stream) -> None:
    sales(stream)
    names = ["purchase", "Add To Cart", "add_to_cart", "Purchas", "Purhcase", "LEAD", "contacts"]
    for number, name in enumerate(names):
        stream.hit(number * HOUR, name, f"{name}-{number}", cd__value="3.00", cd__currency="INR")
        stream.event(number * HOUR + 1, name, f"{name}-{number}", custom_data={"value": 3, "currency": "INR"})


def names_of_their_own(stream: Stream) -> None:
    sales(stream)
    for number, name in enumerate(["Leads", "OrderShipped", "Purchased Gift", "PageViews7", "Reserch"]):
        stream.hit(number * HOUR, name)


def odd_currencies(stream: Stream) -> None:
    sales(stream)
    for number, currency in enumerate(["₹", "Rs", "RUPEE", "XXZ", "inr", " INR "]):
        stream.sale(number, f"b{number}", currency=currency)
        stream.sale_told(number, f"s{number}", currency=currency)


def no_currency(stream: Stream) -> None:
    sales(stream)
    stream.hit(0, "Purchase", "x", cd__value="1", cd__currency="")
    stream.hit(0, "Lead", "y", cd__currency="usd")


def currencies_on_the_way(stream: Stream) -> None:
    for number in range(6):
        currency = "USD" if number < 2 else "INR"
        stream.hit(number * HOUR, "AddToCart", cd__value="9", cd__currency=currency, fbp=FBP.format(number))
        stream.sale(number * HOUR + MINUTE, f"order-{number}", fbp=FBP.format(number))


def an_international_shop(stream: Stream) -> None:
    for number in range(6):
        currency = "USD" if number < 2 else "INR"
        stream.hit(number * HOUR, "AddToCart", cd__value="9", cd__currency=currency, fbp=FBP.format(number))
        stream.sale(number * HOUR + MINUTE, f"order-{number}", currency=currency, fbp=FBP.format(number))
        stream.sale_told(number * HOUR + MINUTE, f"order-{number}", currency=currency)


def two_currencies_of_a_sale(stream: Stream) -> None:
    sales(stream)
    stream.sale(HOUR, "order-9", "100.00", "USD")
    stream.sale_told(HOUR + 1, "order-9", "8300.00", "INR")


CASES = [
    Case("purchase-without-value", "amount or currency missing", a_sale_without_money, {("browser",), ("server",)}),
    Case("purchase-without-value", "other events, and a free sale", money_missing_elsewhere, set()),
    Case("event-id-missing", "the server's", server_without_ids, {("Purchase", "server")}),
    Case("event-id-missing", "events of one side alone", neither_side_alone_without_ids, set()),
    Case(
        "one-id-on-many-sales",
        "orders, amounts, very many copies",
        one_id_for_orders,
        {("Purchase",), ("Subscribe",), ("Lead",)},
    ),
    Case("one-id-on-many-sales", "retries of one sale", retries_of_one_sale, set()),
    Case("ids-almost-alike", "prefix, case, blank, zeros", ids_that_differ_in_form, {("Purchase",), ("Lead",)}),
    Case("ids-almost-alike", "other ids, too late, other amounts, three alike", ids_that_are_others, set()),
    Case(
        "one-door-only",
        "each door has its own",
        one_door_alone,
        {
            ("Lead", "browser", "server"),
            ("Subscribe", "server", "browser"),
            ("AddToCart", "browser", "server"),
            ("Contact", "browser", "server"),
        },
    ),
    Case("one-door-only", "the other comes within a day, or there are few", both_doors, set()),
    Case("one-door-only", "the other door is not used at all", one_door_in_all, set()),
    Case("silence", "an event, while its door is alive", sales_fall_silent, {("event", "Purchase")}),
    Case("silence", "a door, and not its events beside", server_falls_silent, {("door", "server")}),
    Case("silence", "over by now", silent_for_a_while, {("door", "browser"), ("event", "PageView")}),
    Case("silence", "a usual night", usual_nights, set()),
    Case("silence", "heard of for an hour", heard_of_for_an_hour, set()),
    Case("page-view-only", "from the start", pages_alone, {()}),
    Case("page-view-only", "for a day, then not", pages_for_a_day, {()}),
    Case("page-view-only", "for less than a day", pages_first, set()),
    Case("page-view-only", "too few to say", few_pages, set()),
    Case(
        "contact-data-sent",
        "in a page's address, custom data, user data",
        contact_data,
        {
            ("browser", "url", "email"),
            ("browser", "custom_data.note", "phone"),
            ("server", "user_data", "unhashed"),
        },
    ),
    Case("contact-data-sent", "numbers that are none, hashes", no_contact_data, set()),
    Case("contact-data-sent", "the dataset's own words", no_contact_data, set(), sensitive_words=("arabica",)),
    Case("clock-skew", "ahead, behind, refused, no time", clocks_off, {("server",), ("browser",)}),
    Case("clock-skew", "a minute, an hour, batches of days ago", clocks_nearly_right, set()),
    Case("test-traffic", "tests among sales", tests_among_sales, {("Purchase",)}),
    Case("test-traffic", "the dataset leaves tests out", tests_among_sales, set(), count_tests=False),
    Case("test-traffic", "nothing but tests", tests_alone, set()),
    Case(
        "name-almost-standard",
        "case, blanks, one letter",
        names_almost_right,
        {
            ("purchase", "Purchase"),
            ("Add To Cart", "AddToCart"),
            ("add_to_cart", "AddToCart"),
            ("Purchas", "Purchase"),
            ("Purhcase", "Purchase"),
            ("LEAD", "Lead"),
            ("contacts", "Contact"),
        },
    ),
    Case("name-almost-standard", "names of their own", names_of_their_own, set()),
    Case("currency-not-iso", "signs, words, other letters", odd_currencies, {("Purchase",)}),
    Case("currency-not-iso", "none at all, small letters", no_currency, set()),
    Case("currencies-in-one-funnel", "the cart's is another than the sale's", currencies_on_the_way, {()}),
    Case("currencies-in-one-funnel", "each visitor keeps to one", an_international_shop, set()),
    Case("currencies-on-one-id", "browser and server differ", two_currencies_of_a_sale, {("Purchase",)}),
    Case("currencies-on-one-id", "each sale keeps to one", an_international_shop, set()),
]
