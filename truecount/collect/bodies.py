"""Bodies, bounded before they are read: size, packing ratio, number and size of parts.

Limits are those of the door's contract: 64 kB of head, 10 MB of body, counted after unpacking.
"""

from __future__ import annotations

import zlib
from typing import Final

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from truecount.collect.fields import MAX_FIELDS, fields_of
from truecount.vocabulary import Reason

MAX_HEAD: Final = 64 * 1024
MAX_BODY: Final = 10_000_000
MAX_HIT: Final = 64 * 1024
"""A hit larger than this is refused: no page sends one, and it would be looked through letter by letter."""
MAX_RATIO: Final = 200
FREE_OF_RATIO: Final = 1024 * 1024
"""So many bytes may come out of any packed body; above, MAX_RATIO is asked for."""
MAX_MEMBERS: Final = 8
"""Of a gzip body. What follows a member is copied for the next one, so that many small ones would cost their square."""

FORM: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"


class BodyRefused(Exception):
    """A body that is not read. `http` is 400, 413 or 415; the text names what is wrong, and nothing of the body."""

    def __init__(self, reason: Reason, http: int, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.http = http
        self.text = text


def unpacked(raw: bytes, encoding: str, most: int = MAX_BODY) -> bytes:
    """The body without its Content-Encoding (gzip, deflate, identity). BodyRefused: 400, 413, 415."""
    encoding = encoding.strip().lower()
    if not encoding or encoding == "identity":
        return raw
    if encoding in ("gzip", "x-gzip"):
        bits = 31
    elif encoding == "deflate":
        # zlib's frame is what the name means; some send the bare stream, which can't start with a zlib header.
        bits = 15 if len(raw) > 1 and raw[0] & 15 == 8 and (raw[0] << 8 | raw[1]) % 31 == 0 else -15
    else:
        raise BodyRefused(Reason.UNSUPPORTED_TYPE, 415, "Content-Encoding must be gzip, deflate or identity")
    limit = min(most, max(FREE_OF_RATIO, len(raw) * MAX_RATIO))
    parts: list[bytes] = []
    size = 0
    rest = raw
    try:
        while rest:
            if len(parts) == MAX_MEMBERS:
                raise BodyRefused(Reason.BAD_ENCODING, 400, f"A gzip body may have {MAX_MEMBERS} members")
            stream = zlib.decompressobj(bits)
            part = stream.decompress(rest, limit - size + 1)
            size += len(part)
            if size > limit or stream.unconsumed_tail:
                raise BodyRefused(
                    Reason.BODY_TOO_LARGE, 413, "The body is too large after unpacking, or packed too tightly"
                )
            if not stream.eof:
                raise BodyRefused(Reason.BAD_ENCODING, 400, "The packed body ends too early")
            parts.append(part)
            rest = stream.unused_data if bits == 31 else b""  # gzip may have several members
    except zlib.error:
        raise BodyRefused(Reason.BAD_ENCODING, 400, f"The body is not {encoding}") from None
    return b"".join(parts)


def media_type(content_type: str) -> tuple[str, dict[str, str]]:
    """The type in lower case and its parameters."""
    if ";" not in content_type:
        return content_type.strip().lower(), {}
    kind, options = parse_options_header(content_type)
    return kind.strip().lower(), options


def form_fields(raw: bytes) -> dict[str, str]:
    """Fields of an urlencoded body. BodyRefused when there are too many."""
    try:
        return fields_of(raw.decode("utf-8", "replace").strip("\r\n\0"))
    except ValueError as error:
        raise BodyRefused(Reason.MALFORMED_REQUEST, 400, str(error)) from None


def multipart_fields(raw: bytes, boundary: str) -> dict[str, str]:
    """Fields of a multipart body, the first of a name; files are read as text too. BodyRefused when it is not whole."""
    if not boundary or len(boundary) > 200:
        raise BodyRefused(Reason.MALFORMED_REQUEST, 400, "The multipart body has no boundary")
    fields: dict[str, str] = {}
    name: str | None = None
    data: list[bytes | bytearray] = []
    try:
        with PushMultipartParser(
            boundary, max_segment_count=MAX_FIELDS, max_header_size=4096, max_header_count=16
        ) as parser:
            for event in (*parser.parse(raw), *parser.parse(b"")):
                if isinstance(event, MultipartSegment):
                    name, data = event.name, []
                elif event:
                    data.append(event)
                elif name is not None:
                    fields.setdefault(name.strip(), b"".join(data).decode("utf-8", "replace"))
                    name = None
    except (MultipartError, ValueError, UnicodeError, LookupError):
        raise BodyRefused(Reason.MALFORMED_REQUEST, 400, "The multipart body cannot be read") from None
    return fields
