"""Contact data that strayed into URLs, custom data, ids and unknown keys: found, taken out, and the removal told.

Three kinds are looked for: e-mail addresses, phone numbers and card numbers. What is found is replaced by
`removed-email`, `removed-phone` or `removed-card`; in ids an e-mail is replaced by its hash, so that ids still meet.

Few false alarms matter as much as few misses, because a removed product number is a lost one. So a bare row of digits
is a phone only under a name that says so (`phone=`, `"mobile":`, "call"), after a plus sign, or written the way phone
numbers are (650-555-1212, 020 7946 0958). A card number passes Luhn's check, starts as an issuer's numbers do and
stands in one piece or in an issuer's usual groups.

Everything is searched as it stands and, where it is escaped (percent signs, repeatedly; JSON's \\u0040), decoded too.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final
from urllib.parse import quote

import msgspec

from truecount.policy.cards import is_card, without_cards
from truecount.policy.memo import Memo
from truecount.policy.spelling import decoded, folded, has_at, suspicious

EMAIL: Final = "email"
PHONE: Final = "phone"
CARD: Final = "card"
LONG: Final = "long"
MAX_LOOKS: Final = 32
"""Parts of a URL that are taken apart."""

CLICK_IDS: Final = (
    "fbclid", "gclid", "gbraid", "wbraid", "dclid", "ttclid", "msclkid", "twclid", "li_fat_id", "epik", "rdt_cid",
    "sccid", "yclid", "irclickid", "ctwa_clid", "fbc", "fbp", "_fbc", "_fbp",
)  # fmt: skip
ID_KEYS: Final = frozenset((
    "event_id", "eventid", "eid", "order_id", "orderid", "transaction_id", "content_ids", "content_id", "fb_content_id",
    "fb_order_id", "id", "item_id", "item_number", "product_id", "product_ids", "variant_id", "sku", "gtin", "ean",
    "isbn", "mpn", "retailer_id", "cart_id", "checkout_id", "campaign_id", "adset_id", "ad_id", "creative_id",
    "placement_id",
    "utm_id", "lead_id", "subscription_id", "gad_campaignid", "_ga", "_gl", "cid", "pid", "ts", *CLICK_IDS,
))  # fmt: skip
"""Names whose values are ids: spared the number patterns."""

# E-mail. Each run of local characters is tried once (look-behind, possessive), so a hostile text costs linear time.
_LOCAL: Final = r"\w.!#$*+^`{|}~'-"
_EMAIL: Final = re.compile(
    rf"(?:(?<![{_LOCAL}])[{_LOCAL}]++|\"[^\"@\r\n]{{1,64}}\")[@\uff20\ufe6b]"
    r"(?:[\w-]++\.)+(?!(?:png|jpe?g|gif|svg|webp|avif|css|js)\b)(?:xn--[\w-]{2,59}|[^\W\d_]{2,63})",
    re.IGNORECASE,
)

_S: Final = r"[-. ()/+\u2010-\u2013\u00a0]"
# Not inside a word, a longer number, a decimal, a time or a UUID.
_START: Final = r"(?<!\w)(?<!\d[.,:/+])(?<!\w-)"
_END: Final = r"(?![-.,:/+]?\d|\w)"
_PHONES: Final = re.compile(
    "|".join((
        # +49 151 23456789, +1 (650) 555-1212
        rf"(?<![\w+])\+{_S}?[1-9](?:{_S}{{0,3}}\d){{7,14}}(?!\d)",
        # 0041 79 123 45 67, 0049 151 23456789: only with separators, else it may be an article number with zeros first
        rf"{_START}00[1-9]\d{{0,2}}(?:[ /-]{{1,2}}\(?\d{{1,8}}\)?){{2,6}}{_END}",
        # 1 (650) 555-1212, 650-555-1212, 650.555.1212
        rf"{_START}(?:1[-. ]{{0,2}})?(?:\([2-9]\d\d\) ?|[2-9]\d\d[-. ])[2-9]\d\d[-. ]\d{{4}}{_END}",
        # 020 7946 0958, 0151-23456789, 01 23 45 67 89: a trunk zero, an area, a separator, 9 to 12 digits in all
        # (dates and invoice numbers such as 01-2026-00017 are none)
        rf"{_START}\(?0[1-9]\d{{0,3}}\)?(?: |[/-](?!(?:19|20)\d\d[ /-]))(?!\d\d?[ /-]\d{{4}}(?!\d))"
        rf"\d{{2,8}}(?:[ -]\d{{2,8}}){{0,3}}{_END}",
        # 06.12.34.56.78 (France)
        rf"{_START}0[1-9](?:\.\d\d){{4}}{_END}",
        # (11) 91234-5678 (Brazil)
        rf"{_START}\([1-9]\d\) ?9?\d{{4}}[- ]\d{{4}}{_END}",
        # 98765 43210 (India)
        rf"{_START}[6-9]\d{{4}}[ -]\d{{5}}{_END}",
    ))
)  # fmt: skip
_PHONE_NAMES: Final = (
    r"telephone|telefon(?:nummer|o|e)?|telefoonnummer|telefoon|mobile|mobil|movil|handy(?:nummer)?|celular|cell(?:ular)?"
    r"|phone|msisdn|whats_?app|fax|tel|mob"
)
# "phone: 5551212345", "tel=...", "Mobile no. 98...", "call me at 98..."
_NAMED_PHONE: Final = re.compile(
    rf"((?<![a-z])(?:(?:{_PHONE_NAMES})(?:[ _-]?(?:number|num|nr|no))?|call(?: me| us)?(?: at| on)?)"
    rf"\.?[\s\"'\\:=\[\]]{{1,5}}|(?<![a-z])wa\.me/)(\+?\(?\d(?:{_S}{{0,3}}\d){{6,14}})(?![\d\w])",
    re.IGNORECASE,
)
_PHONE_KEYS: Final = frozenset((
    "phone", "phones", "telephone", "tel", "telefon", "telefono", "telefone", "telefoon", "telefonnummer",
    "telefoonnummer", "telno", "mobile", "mobil", "movil", "mob", "mobileno", "mobilenumber", "mobilephone", "celular",
    "cell", "cellphone", "cellular", "phonenumber", "phoneno", "msisdn", "whatsapp", "handy", "handynummer", "fax",
    "ph",
    "contactnumber", "contactno",
))  # fmt: skip
_NO_PHONE_KEYS: Final = frozenset((
    "id", "ids", "sku", "model", "price", "brand", "count", "ts", "time", "version", "width", "height", "size", "type",
))  # fmt: skip
_EMAIL_KEYS: Final = frozenset(("email", "emails", "mail", "emailaddress", "mailto", "em", "eml"))
_words: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])").findall
_phone_shaped: Final = re.compile(rf"\s*\+?(?:{_S}{{0,3}}\d){{7,15}}{_S}{{0,2}}\s*").fullmatch

_html_at: Final = re.compile(r"&(?:amp;?)*+(?:#0*+(?:64|65312)|#[xX]0*+(?:40|[fF][fF]20)|commat);?")
_json_gaps: Final = re.compile(r"\\[bfnrt/]").sub


def scrub_url(url: str) -> tuple[str, tuple[str, ...]]:
    """Take contact data out of a URL, part by part, however often a part is percent-encoded.

    Returns the URL and the kinds taken ("email", "phone", "card"), in this order, () where the URL is unchanged. Of one
    with more than MAX_LOOKS parts that look like contact data the host is left, and "long" is told.
    Values of ids (ID_KEYS) are spared the number patterns. A user name before the host is taken as an e-mail.
    """
    if not has_at(url) and not (suspicious(without_click_ids(url)) and suspicious(_values_of_ids("&", url))):
        return url, ()  # the usual case: at most a click id or a campaign's number looks like one
    found: set[str] = set()
    # As an HTML entity an @ would be cut in parts by its own & and ;.
    whole = _html_at.sub("@", url) if "&" in url else url
    scheme, slashes, rest = whole.partition("://")
    if not slashes or not scheme.isalnum():
        scheme, slashes, rest = "", "", whole
    parts = url_parts(rest)
    if slashes:
        parts[0] = _scrub_host(parts[0], found)
    looks = 0
    for at in range(2 if slashes else 0, len(parts), 2):
        part = parts[at]
        if not suspicious(part):
            continue
        looks += 1
        if (
            looks > MAX_LOOKS
        ):  # no page's address: taking it apart costs seconds, and what is not looked at may not stay
            return scheme + slashes + (parts[0] if slashes else ""), (*_in_order(found), LONG)
        key = parts[at - 2] if at >= 2 and parts[at - 1] == "=" else ""
        parts[at] = _scrub_part(decoded(key), part, found)
    return (scheme + slashes + "".join(parts), _in_order(found)) if found else (url, ())


def without_click_ids(urls: str) -> str:
    """URLs, one or more with U+001E between, without the values that hold no number whatever they look like."""
    return _values_of_click_ids("", urls)


def scrub_text(text: str) -> tuple[str, tuple[str, ...]]:
    """Take contact data out of free text. Returns the text and the kinds taken, () where it is unchanged."""
    if not suspicious(text):
        return text, ()
    found: set[str] = set()
    clean = _taken(text, found)
    plain = decoded(clean)
    if plain != clean:
        deeper: set[str] = set()
        taken = _take(plain, deeper)
        if deeper:
            clean = taken
            found |= deeper
    return clean, _in_order(found)


def scrub_id(text: str) -> tuple[str, tuple[str, ...]]:
    """Replace an e-mail inside an id by a hash of the trimmed lower-case address, which is not the one of `em`.

    The same id gives the same answer at both doors. Number patterns are spared. Kinds: ("email",) or ().
    """
    if not has_at(text):
        return text, ()
    clean, n = _EMAIL.subn(_hash_of, folded(text))
    if not n:
        clean = text
    plain = decoded(clean)
    if plain != clean:
        deeper, m = _EMAIL.subn(_hash_of, plain)
        if m:
            return deeper, (EMAIL,)
    return (clean, (EMAIL,)) if n else (text, ())


def scrub_value(key: str, text: str, spared: frozenset[str] = ID_KEYS) -> tuple[str, tuple[str, ...]]:
    """Scrub a text that stands under a name: an id, a phone by its name, or free text. Kinds as in `scrub_text`."""
    if not suspicious(text):
        return text, ()
    if key.lower() in spared:
        return scrub_id(text)
    kind = _KIND_OF_KEY[key]
    if kind == PHONE and _phone_shaped(decoded(text)):
        return "removed-phone", (PHONE,)
    if kind == EMAIL and "@" in decoded(text):
        return "removed-email", (EMAIL,)
    if text.startswith(("http://", "https://")):
        return scrub_url(text)
    return scrub_text(text)


def scrub_json(raw: str, spared: frozenset[str] = ID_KEYS) -> tuple[str, tuple[str, ...]]:
    """Take contact data out of JSON text, by the names of its keys.

    Returns the text, byte for byte as it came where nothing was found (but each key once), and what was taken as
    "path:kind", such as "note:phone" or "contents.title:email" (":email" at the root). Text that is no JSON is
    scrubbed as text.
    """
    if not suspicious(_json_gaps("", raw) if "\\" in raw else raw):
        return raw, ()
    try:
        value = msgspec.json.decode(raw)
        found: dict[str, None] = {}
        clean = _scrub_node("", value, spared, found, "")
        if not found and len(_ends_of_keys(raw)) <= _keys_in(value):
            return raw, ()
        # Of a key that came twice the last value counts: the text still has the others, that nobody looked at.
        return msgspec.json.encode(clean).decode(), tuple(found)
    except (msgspec.MsgspecError, RecursionError, UnicodeError, ValueError):
        text, kinds = scrub_text(raw)
        return text, tuple(":" + kind for kind in kinds)


def scrub_node(value: Any, key: str = "", spared: frozenset[str] = ID_KEYS) -> tuple[Any, tuple[str, ...]]:
    """As `scrub_json`, for a decoded value that stands under a key."""
    found: dict[str, None] = {}
    clean = _scrub_node(key, value, spared, found, "")
    return (clean, tuple(found)) if found else (value, ())


def placed(field: str, found: tuple[str, ...]) -> tuple[str, ...]:
    """Put a field's name before what `scrub_json` told: ("note:phone",) of custom_data is custom_data.note:phone."""
    return tuple(field + one if one.startswith(":") else f"{field}.{one}" for one in found)


# ---------------------------------------------------------------------------------------------------------------------


def _kind_of_key(key: str) -> str:
    words = [word.lower() for word in _words(key)]
    if not words or not _NO_PHONE_KEYS.isdisjoint(words):
        return ""
    joined = "".join(words)
    if joined in _PHONE_KEYS or not _PHONE_KEYS.isdisjoint(words) or joined.endswith(("phone", "phonenumber")):
        return PHONE
    if joined in _EMAIL_KEYS or not _EMAIL_KEYS.isdisjoint(words) or joined.endswith("email"):
        return EMAIL
    return ""


_KIND_OF_KEY: Final[Memo[str]] = Memo(_kind_of_key, most=1024, longest=64)


_ends_of_keys: Final = re.compile(r'"[ \t\r\n]*+:').findall


def _keys_in(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(_keys_in, value.values()))
    return sum(map(_keys_in, value)) if isinstance(value, list) else 0


def _in_order(found: set[str]) -> tuple[str, ...]:
    return tuple(kind for kind in (EMAIL, PHONE, CARD) if kind in found)


_values_of_ids: Final = re.compile(
    rf"[/?&#;=](?:{'|'.join(sorted(map(re.escape, ID_KEYS)))})=[^/?&#;=]*+", re.IGNORECASE | re.ASCII
).sub
_values_of_click_ids: Final = re.compile(
    "clid=(?:" + "|".join(f"(?<=[/?&#;=]{name}=)" for name in CLICK_IDS if name.endswith("clid")) + ")[^/?&#;=\x1e]*+"
).sub
"""A part of these, found by its fixed start in a tenth of the time."""
_parts_of_url: Final = re.compile(r"([/?&#;=])").split


def url_parts(rest: str) -> list[str]:
    """Text and delimiters in turn."""
    return _parts_of_url(rest)


def _scrub_host(host: str, found: set[str]) -> str:
    """The host without a user name before it, however that is written."""
    if "@" not in host and not suspicious(host):
        return host
    plain = decoded(host)
    if "@" in plain:
        found.add(EMAIL)
        return plain.rpartition("@")[2]
    return _scrub_part("", host, found)


def _scrub_part(key: str, part: str, found: set[str]) -> str:
    name = key.lower()
    if name in ID_KEYS:
        clean, kinds = scrub_id(part)
        found.update(kinds)
        return clean
    if not suspicious(part):
        return part
    kind = _KIND_OF_KEY[key]
    plain = decoded(part.replace("+", " ")) if "%" in part or "+" in part else part
    if kind == PHONE and _phone_shaped(plain):
        found.add(PHONE)
        return "removed-phone"
    if kind == EMAIL and "@" in plain:
        found.add(EMAIL)
        return "removed-email"
    taken: set[str] = set()
    clean = _taken(part, taken)
    for plain in (decoded(clean), decoded(clean.replace("+", " "))):
        if plain != clean:
            deeper: set[str] = set()
            again = _take(plain, deeper)
            if deeper:
                clean = quote(again, safe="-._~!$'()*,:@/?")
                taken |= deeper
    found |= taken
    return clean


def _taken(text: str, found: set[str]) -> str:
    """As `_take`, for a text with odd characters too; the very text where nothing is found."""
    before = len(found)
    plain = folded(text)
    clean = _take(plain, found)
    return clean if len(found) > before or plain is text else text


def _take(text: str, found: set[str]) -> str:
    """Replace what stands in a text as it is; adds the kinds to `found`."""
    clean, n = _EMAIL.subn("removed-email", text)
    if n:
        found.add(EMAIL)
    taken = without_cards(clean)
    if taken != clean:
        found.add(CARD)
    clean, n = _PHONES.subn(_phone, taken)
    named, m = _NAMED_PHONE.subn(r"\1removed-phone", clean)
    if m or clean != taken:
        found.add(PHONE)
    return named


def _phone(match: re.Match[str]) -> str:
    text = match[0]
    n = sum(map(str.isdigit, text))
    low = 8 if text.startswith("+") else 9
    return "removed-phone" if low <= n <= 15 else text


def _hash_of(match: re.Match[str]) -> str:
    # Not the hash that `em` keeps: an id stays where consent is denied, and must lead to no other copy's person.
    address = match[0].strip().lower()
    return hashlib.sha256(b"id\n" + address.encode("utf-8", "surrogatepass")).hexdigest()


def _scrub_node(key: str, value: Any, spared: frozenset[str], found: dict[str, None], path: str) -> Any:
    if isinstance(value, str):
        clean, kinds = scrub_value(key, value, spared)
        for kind in kinds:
            found[f"{path}:{kind}"] = None
        return clean
    if isinstance(value, dict):
        out: dict[Any, Any] = {}
        for name, inner in value.items():
            label, kinds = scrub_text(name)
            for kind in kinds:
                found[f"{path}:{kind}"] = None
            below = f"{path}.{label[:64]}" if path else label[:64]
            out[label] = _scrub_node(key if key and _is_neutral[name] else name, inner, spared, found, below)
        return out
    if isinstance(value, list):
        return [_scrub_node(key, inner, spared, found, path) for inner in value]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or key.lower() in spared:
        return value
    if abs(value) > 999_999 and (isinstance(value, int) or (value.is_integer() and abs(value) < 1e20)):
        digits = str(abs(int(value)))
        if _KIND_OF_KEY[key] == PHONE and _phone_shaped(digits):
            found[f"{path}:{PHONE}"] = None
            return "removed-phone"
        if is_card(digits):
            found[f"{path}:{CARD}"] = None
            return "removed-card"
    return value


_NEUTRAL: Final = frozenset((
    "number", "num", "nr", "no", "value", "values", "raw", "text", "e", "national", "international", "formatted",
    "full", "main", "primary", "secondary", "default", "home", "work", "office", "business", "private", "personal",
    "address", "data", "billing", "shipping", "input", "content",
))  # fmt: skip
"""Words of names inside an object that leave what it is to the object's own name: {"phone": {"number": ...}}."""

_is_neutral: Final[Memo[bool]] = Memo(
    lambda name: all(word.lower() in _NEUTRAL for word in _words(name)), most=1024, longest=64
)
