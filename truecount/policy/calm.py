"""A look of a nanosecond a byte that lets text through which no scrubbing could change.

scrub's own search takes ten times as long. Here all bytes are first mapped to four: a digit, an alarm, what may stand
between the digits of a number (dropped), anything else; then two searches for fixed bytes are left.
"""

from __future__ import annotations

from typing import Final

_ALARM: Final = b"@%\xef"
"""@ itself, escapes of it, and the lead byte of its full-width forms."""
_GAPS: Final = b"-. ()/+\xe2\x80\x90\x91\x92\x93\xc2\xa0"
"""What scrub takes for a gap between digits, byte by byte (dashes and the hard space in UTF-8)."""
_CLASSES: Final = bytes(
    ord("0") if 48 <= code <= 57 else ord("@") if code in _ALARM else ord("x") for code in range(256)
)


def is_calm(text: bytes) -> bool:
    """True: scrub changes nothing in this UTF-8 text, nor in any part of it. False: it has to look."""
    classes = text.translate(_CLASSES, _GAPS)
    return (
        b"0000000" not in classes
        and b"@" not in classes
        and (b"\\" not in text or b"\\u" not in text)  # one byte is found ten times as fast as two
        and (b"&" not in text or (b"&#" not in text and b"&commat;" not in text))
    )
