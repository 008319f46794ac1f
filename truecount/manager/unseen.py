"""Characters of a stranger's text that nobody sees, or that turn what stands beside them: written as code points."""

from __future__ import annotations

import re
from typing import Final

_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)


def visible(text: object) -> str:
    """A text of a stranger with nothing in it that turns or hides what stands beside: such characters are written."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), str(text))
