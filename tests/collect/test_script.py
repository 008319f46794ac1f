"""The pixel script as the door serves it: which paths, how compressed, how long it may be kept."""

from __future__ import annotations

import base64
import gzip
import hashlib
from typing import Any

import pytest

from tests.collect.running import answers_of, running
from truecount.collect.script import BUILT, Scripts, built_files

SOURCE = (BUILT / "truecount.js").read_bytes()
FILE = built_files()["truecount"]


@pytest.mark.parametrize(
    "path",
    ["/truecount.js", "/en_US/fbevents.js", "/de_DE/fbevents.js", "/shop/m/truecount.js", "/a/b/hi_IN/fbevents.js"],
)
def test_any_locale_and_any_path_before_it_give_the_same_script(tmp_path: Any, path: str) -> None:
    with running(tmp_path) as door:
        answer = door.ask("GET", path)
    assert answer.status == 200
    assert answer.body == SOURCE
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    "path", ["/truecount.json", "/fbevents.js", "/en_us/fbevents.js", "/xtruecount.js", "/truecount-.js"]
)
def test_other_paths_are_not_the_scripts(path: str) -> None:
    assert not Scripts.serves(path.encode())


def test_a_versioned_address_is_kept_for_good_and_its_bytes_are_those_of_the_integrity_hash(tmp_path: Any) -> None:
    with running(tmp_path) as door:
        answer = door.ask("GET", f"/{FILE.versioned}")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    digest = base64.b64encode(hashlib.sha384(answer.body).digest()).decode()
    assert f"sha384-{digest}" == FILE.integrity


def test_the_hash_of_another_version_gets_todays_script_for_an_hour(tmp_path: Any) -> None:
    with running(tmp_path) as door:
        answer = door.ask("GET", "/truecount-0123abcd.js")
    assert (answer.body, answer.headers["cache-control"]) == (SOURCE, "public, max-age=3600")


def test_an_unchanged_script_is_not_sent_again(tmp_path: Any) -> None:
    with running(tmp_path) as door:
        tag = door.ask("GET", "/truecount.js", headers={"Accept-Encoding": "gzip"}).headers["etag"]
        same = door.ask("GET", "/truecount.js", headers={"Accept-Encoding": "gzip", "If-None-Match": f'"x", W/{tag}'})
        plain = door.ask("GET", "/truecount.js", headers={"If-None-Match": tag, "Accept-Encoding": "identity"})
    assert (same.status, same.body) == (304, b"")
    assert plain.status == 200  # another coding is another entity


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip;q=1.0, br;q=0", "gzip"),
        ("identity", None),
        ("*", "br"),
        ("gzip;q=0.000", None),
        ("", None),
        ("GZIP", "gzip"),
    ],
)
def test_the_smallest_coding_that_the_client_takes_is_sent(tmp_path: Any, accepted: str, coding: str | None) -> None:
    with running(tmp_path) as door:
        answer = door.ask("GET", "/truecount.js", headers={"Accept-Encoding": accepted})
    assert answer.headers.get("content-encoding") == coding
    if coding == "gzip":
        assert gzip.decompress(answer.body) == SOURCE
    elif coding == "br":
        assert len(answer.body) == FILE.brotli
    else:
        assert answer.body == SOURCE


def test_scripts_and_hits_on_one_connection_are_answered_in_their_order(tmp_path: Any) -> None:
    hit = b"GET /tr?id=1&ev=x HTTP/1.1\r\nHost: x\r\n\r\n"
    script = b"GET /truecount.js HTTP/1.1\r\nHost: x\r\n\r\n"
    head = b"HEAD /truecount.js HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with running(tmp_path) as door:
        raw = door.raw(hit + script + hit + head)
    first, second, third = answers_of(raw[: raw.rindex(b"HTTP/1.1 200 OK")])
    assert [one.headers["content-type"] for one in (first, third)] == ["image/gif"] * 2
    assert second.body == SOURCE
    assert raw.endswith(b"\r\n\r\n")  # HEAD: no body
    assert b"Content-Length: %d" % len(SOURCE) in raw[raw.rindex(b"HTTP/1.1 200 OK") :]


def test_the_script_is_at_most_5_kb_and_says_so_truly() -> None:
    assert FILE.gzip == len((BUILT / "truecount.js.gz").read_bytes()) <= 5_000
    assert gzip.decompress((BUILT / "truecount.js.gz").read_bytes()) == SOURCE
    assert FILE.bytes == len(SOURCE)
