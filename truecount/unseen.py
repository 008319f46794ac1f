"""Characters of a stranger's text that nobody sees, or that turn what stands beside them: written as code points.

Two names that look alike and are not the same have to look different wherever one of them is shown.
"""

from __future__ import annotations

import re
from typing import Final

_EMOJI: Final = "\xa9\xae\u203c\u2049\u2122\u2139\u2190-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u2800\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "\xa0\u1680\u2000-\u200a\u202f\u205f]"  # and blanks that look like a space
    f"|(?<![{_EMOJI}])(?<![0-9#*](?=\ufe0f\u20e3))\ufe0f"  # which many an emoji carries: there it is seen
)
_BLANKS: Final = re.compile(r"\A[ \t\n\u3000]+|[ \t\n\u3000]+\Z|  +|\t")
"""Spaces that a page would swallow: at the edges of a text, and more than one; and each tab."""
_SPACE: Final = "\u2420"


def visible(text: object) -> str:
    """A text of a stranger on a page: nothing in it turns or hides what stands beside, and no blank is swallowed.

    Characters that nobody sees are written as code points (\\u202e), and a space that would be lost as ␠. What is
    visible already stays as it is.
    """
    return _BLANKS.sub(_blanks, written(text))


def written(text: object) -> str:
    """The same for a file, where blanks stand as they are."""
    return _UNSEEN.sub(_code_point, str(text))


def _code_point(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def _blanks(found: re.Match[str]) -> str:
    return "".join(_SPACE if one == " " else one.encode("unicode_escape").decode() for one in found[0])
