"""Laws of reading fields and bodies, each against a plain reference."""

from __future__ import annotations

import gzip
import zlib
from urllib.parse import parse_qsl, quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truecount.collect import fields
from truecount.collect.bodies import (
    FREE_OF_RATIO,
    MAX_BODY,
    MAX_MEMBERS,
    BodyRefused,
    form_fields,
    media_type,
    multipart_fields,
    unpacked,
)
from truecount.collect.fields import LEARN_AFTER, MAX_FIELDS, MOST_SHAPES, fields_of

quick = settings(max_examples=100, deadline=None, derandomize=True)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
name = text.map(str.strip).filter(bool)


def reference(query: str) -> dict[str, str]:
    """The fields of a query by the standard library: first of a name wins, names are trimmed."""
    fields: dict[str, str] = {}
    for key, value in parse_qsl(query, keep_blank_values=True, max_num_fields=None):
        if key.strip():
            fields.setdefault(key.strip(), value)
    return fields


def reference_in_order(query: str) -> dict[str, str]:
    """The same, with what is no UTF-8 as yarl's unquoter leaves it: as it was sent."""
    pairs = [pair.partition("=") for pair in query.replace("+", " ").split("&")]
    fields_there: dict[str, str] = {}
    for key, _, value in pairs:
        fields_there.setdefault(fields.unquote(key).strip(), fields.unquote(value))
    fields_there.pop("", None)
    return fields_there


@quick
@given(st.lists(st.tuples(name, text), max_size=12), st.sampled_from([quote, quote_plus]))
def test_fields_are_what_the_standard_library_reads(pairs: list[tuple[str, str]], escape: object) -> None:
    assert callable(escape)
    query = "&".join(f"{escape(key)}={escape(value)}" for key, value in pairs)
    assert fields_of(query) == reference(query)


@quick
@given(st.lists(st.tuples(st.sampled_from(["a", "b", "cd[value]"]), text), max_size=12))
def test_the_first_of_a_repeated_name_wins_and_order_stays(pairs: list[tuple[str, str]]) -> None:
    query = "&".join(f"{quote(key)}={quote(value)}" for key, value in pairs)
    assert list(fields_of(query).items()) == list(reference(query).items())


SHAPED = ["id=1&ev=Lead&cd[value]={}&eid={}", "id=1&ev=Lead&cd%5Bvalue%5D={}&eid={}", "id=1&ev=Lead& eid={}&x={}"]
ODD = st.lists(st.sampled_from([*"&=+ a%", "%26", "%3D", "%2B", "%00", "%FF", "cd[value]"]), max_size=8).map("".join)


@quick
@given(st.sampled_from(SHAPED), st.lists(st.tuples(ODD, ODD), min_size=1, max_size=8))
def test_a_query_whose_keys_came_often_is_read_as_any_other(shape: str, values: list[tuple[str, str]]) -> None:
    fields._shapes.clear()
    queries = [shape.format(*pair) for pair in values]
    expected = [list(reference_in_order(query).items()) for query in queries]
    for at in range(LEARN_AFTER + 2):
        fields.read_query(shape.format(at, "%41"))
    learned = [known for known in fields._shapes.values() if known.match is not None]
    assert len(learned) == 1
    assert fields.read_query(shape.format(1, 2))[0] is learned[0].keys
    assert [list(fields_of(query).items()) for query in queries] == expected


def test_shapes_are_bounded_and_only_usual_queries_are_learned() -> None:
    fields._shapes.clear()
    for query in ("a=1&b=2&a=3", "a=1&b", "x" * 100 + "=1&b=2&c=3", "=1&b=2&c=3"):
        for _ in range(LEARN_AFTER + 2):
            fields.read_query(query)
    assert all(known.match is None for known in fields._shapes.values())
    for at in range(2 * MOST_SHAPES):
        fields.read_query(f"id={at}&ev=Lead&b=2")
    assert len(fields._shapes) <= MOST_SHAPES


@quick
@given(st.text(st.characters(max_codepoint=0x7F), max_size=60))
def test_any_text_is_read_without_an_error(query: str) -> None:
    fields = fields_of(query)
    assert "" not in fields
    assert all(isinstance(value, str) for value in fields.values())


def test_brackets_are_read_written_out_or_escaped() -> None:
    assert fields_of("cd%5Bvalue%5D=1&cd[currency]=INR") == {"cd[value]": "1", "cd[currency]": "INR"}


def test_what_is_no_utf_8_stays_as_it_was_sent() -> None:
    assert fields_of("a=%ff%41&b=%ED%A0%80") == {"a": "%ffA", "b": "%ED%A0%80"}


def test_there_may_be_so_many_fields_and_no_more() -> None:
    assert len(fields_of("&".join(f"k{at}=" for at in range(MAX_FIELDS)))) == MAX_FIELDS
    with pytest.raises(ValueError, match="fields"):
        fields_of("&".join(f"k{at}=" for at in range(MAX_FIELDS + 1)))


@quick
@given(st.binary(max_size=2000), st.sampled_from(["gzip", "x-gzip", "deflate", "raw deflate", "identity", ""]))
def test_unpacking_gives_back_what_was_packed(body: bytes, encoding: str) -> None:
    if "gzip" in encoding:
        raw = gzip.compress(body[:1000], mtime=0) + gzip.compress(body[1000:], mtime=0)
    elif encoding == "deflate":
        raw = zlib.compress(body)
    elif encoding == "raw deflate":
        packer = zlib.compressobj(wbits=-15)
        raw = packer.compress(body) + packer.flush()
    else:
        raw = body
    assert unpacked(raw, encoding.removeprefix("raw ")) == body


@quick
@given(st.binary(max_size=200), st.sampled_from(["gzip", "deflate"]))
def test_bytes_that_were_never_packed_are_refused_or_read_but_never_fail(raw: bytes, encoding: str) -> None:
    status = 200
    try:
        unpacked(raw, encoding)
    except BodyRefused as refused:
        status = refused.http
    assert status in (200, 400, 413)


@pytest.mark.parametrize(("size", "fits"), [(FREE_OF_RATIO, True), (FREE_OF_RATIO + 1, False)], ids=["in", "out"])
def test_a_body_that_unpacks_too_well_is_refused_above_a_free_amount(size: int, fits: bool) -> None:
    raw = gzip.compress(b"x" * size)
    if fits:
        assert len(unpacked(raw, "gzip")) == size
    else:
        with pytest.raises(BodyRefused, match="packed too tightly"):
            unpacked(raw, "gzip")


@pytest.mark.parametrize(("size", "fits"), [(MAX_BODY, True), (MAX_BODY + 1, False)], ids=["in", "out"])
def test_an_unpacked_body_has_the_same_bound_as_any_other(size: int, fits: bool) -> None:
    raw = gzip.compress(bytes(range(256)) * (size // 256) + b"x" * (size % 256), 1)
    if fits:
        assert len(unpacked(raw, "gzip")) == size
    else:
        with pytest.raises(BodyRefused) as refused:
            unpacked(raw, "gzip")
        assert refused.value.http == 413


def test_a_gzip_body_may_have_so_many_members() -> None:
    assert unpacked(gzip.compress(b"x") * MAX_MEMBERS, "gzip") == b"x" * MAX_MEMBERS
    with pytest.raises(BodyRefused, match="members") as refused:
        unpacked(gzip.compress(b"x") * (MAX_MEMBERS + 1), "gzip")
    assert refused.value.http == 400


def test_a_body_full_of_empty_gzip_members_is_refused_without_reading_them() -> None:
    """Copying what is left for each of them would move terabytes."""
    empty = gzip.compress(b"")
    with pytest.raises(BodyRefused, match="members"):
        unpacked(empty * (MAX_BODY // len(empty)), "gzip")


def test_a_packed_body_that_ends_too_early_is_refused() -> None:
    with pytest.raises(BodyRefused, match="early"):
        unpacked(gzip.compress(b"x" * 100)[:-9], "gzip")


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "compress"])
def test_other_packings_are_415(encoding: str) -> None:
    with pytest.raises(BodyRefused) as refused:
        unpacked(b"x", encoding)
    assert refused.value.http == 415


@quick
@given(st.lists(st.tuples(st.from_regex(r"[a-z]{1,8}(\[[a-z]{1,8}\])?", fullmatch=True), text), min_size=1, max_size=8))
def test_multipart_gives_back_its_fields(pairs: list[tuple[str, str]]) -> None:
    raw = b"".join(
        b'--b0\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (key.encode(), value.encode())
        for key, value in pairs
    )
    expected: dict[str, str] = {}
    for key, value in pairs:
        expected.setdefault(key, value)
    assert multipart_fields(raw + b"--b0--\r\n", "b0") == expected


@quick
@given(st.binary(max_size=300))
def test_any_bytes_as_multipart_are_read_or_refused(raw: bytes) -> None:
    for body in (raw, b"--b0\r\n" + raw, b"--b0\r\n" + raw + b"\r\n--b0--"):
        status = 200
        try:
            multipart_fields(body, "b0")
        except BodyRefused as refused:
            status = refused.http
        assert status in (200, 400)


def test_a_multipart_body_may_have_so_many_parts() -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    assert multipart_fields(part * MAX_FIELDS + b"--b--", "b") == {"a": "1"}
    with pytest.raises(BodyRefused):
        multipart_fields(part * (MAX_FIELDS + 1) + b"--b--", "b")


@pytest.mark.parametrize("boundary", ["", "x" * 201, "a\nb"])
def test_a_multipart_body_needs_a_usable_boundary(boundary: str) -> None:
    with pytest.raises(BodyRefused):
        multipart_fields(b"--x", boundary)


def test_a_form_in_another_charset_is_read_as_far_as_it_goes() -> None:
    assert form_fields(b"a=\xff&b=2\r\n") == {"a": "\ufffd", "b": "2"}


@pytest.mark.parametrize(
    ("header", "kind", "boundary"),
    [
        ("application/json", "application/json", None),
        ("Application/JSON; charset=utf-8", "application/json", None),
        ('multipart/form-data; boundary="a b"', "multipart/form-data", "a b"),
        ("", "", None),
        (";;;", "", None),
    ],
)
def test_a_content_type_is_read(header: str, kind: str, boundary: str | None) -> None:
    found, options = media_type(header)
    assert found == kind
    assert options.get("boundary") == boundary
