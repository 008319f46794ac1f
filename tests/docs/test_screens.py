"""The pictures in docs/screens: each is shown somewhere, and all together stay small."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PICTURES = sorted((ROOT / "docs" / "screens").glob("*.png"))
PAGES = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]


def test_each_picture_is_shown_and_each_that_is_shown_is_there() -> None:
    shown = set()
    for page in PAGES:
        for name in re.findall(r"[\w./-]*screens/[\w-]+\.png", page.read_text()):
            assert (page.parent / name).is_file(), (page.name, name)
            shown.add((page.parent / name).resolve())
    assert shown == {picture.resolve() for picture in PICTURES} and shown


def test_pictures_have_few_colours_and_stay_small() -> None:
    for picture in PICTURES:
        head = picture.read_bytes()[:26]
        assert head[12:16] == b"IHDR" and head[25] == 3, f"{picture.name} has no palette: take it with `make screens`"
    assert sum(picture.stat().st_size for picture in PICTURES) < 1_500_000
