"""The 49 vectors of conversions-api.md §18, word for word (see docs/wire.md), and other readings."""

from __future__ import annotations

import hashlib

import pytest

from truecount.policy.keys import digests

VECTORS = [
    (1, "em", "John_Smith@gmail.com", "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"),
    (2, "em", "  Jane.Doe@Example.COM \t", "86e0b9e56c17cc4d12387e1949b85053fbe73bc3ce5a1188713a9d300cc6133d"),
    (3, "em", "a+tag@ex-ample.co.uk", "f08540770aac636191e5e5f1b1c5cf63c88685c4f4a99a2927ec3eda2ef54a11"),
    (4, "em", "Jürgen@Münch.DE", "29c3c0316e3ae23f99818b68199a53fa6e230dfad7ee31de6bb915b4bdc221ca"),
    (5, "em", "not-an-email", "-"),
    (6, "ph", "1 (650)555-1212", "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176"),
    (7, "ph", "+1 650 555 1212", "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176"),
    (8, "ph", "0041 79 123 45 67", "641b2674c7b3d41f0c5167c163c845f3d899639ebc622d0d3b4632abeb14e6b0"),
    (9, "ph", "+44 (0)20 7946 0958", "40f19965b0d0ebba641dbd9309c3ac18542d9ad976c47f8d35347daea67ee2c2"),
    (10, "ph", "+49-151-23456789", "c0f8f0bebbbac96451ee8d8def84a02ae9e34c877775437cb9d458328315afa7"),
    (11, "ph", "1.650.555.1212", "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176"),
    (12, "ph", "0650 555 1212", "5eed6d50c9a69704a9a72b4af7d14d04d33e4460039e101b525f5d4f8a106a38"),
    (13, "ph", "+1 650 555 1212 ext 9", "5efeb65a41527f0fd4fbcffa6fdfeb4e3be39133e9d55aedf8d241662127dccb"),
    (14, "fn", "Mary", "6915771be1c5aa0c886870b6951b03d7eafc121fea0e80a5ea83beb7c449f4ec"),
    (15, "fn", "정", "8fa8cd9c440be61d0151429310034083132b35975c4bea67fdd74158eb51db14"),
    (16, "fn", "Valéry", "08e1996b5dd49e62a4b4c010d44e4345592a863bb9f8e3976219bac29417149c"),
    (17, "fn", " Mary-Jane ", "f08f448a5e7a9dc3619bb7c129f6a7d5fc6af002cea17ad71dfdc1c68f4d4e0e"),
    (18, "fn", "Mary Ann", "343b97011010c3549fe7fcd6c226ed9431ea37b0b77ed78f6300a0098925faf1"),
    (19, "ln", "O'Brien", "b4cb6cb33fe4b865868de825023a1e2790dc12ac01ecc8d7c5afe8254071c8ba"),
    (20, "ln", "DE LA CRUZ", "341a715580af4bbc3c3bff363245177e84fbc38c4a77d3047edeb6bee38495aa"),
    (21, "db", "2/16/1997", "01acdbf6ec7b4f478a225f1a246e5d6767eeab1a7ffa17f025265b5b94f40f0c"),
    (22, "db", "1997-02-16", "01acdbf6ec7b4f478a225f1a246e5d6767eeab1a7ffa17f025265b5b94f40f0c"),
    (23, "db", "19970216", "01acdbf6ec7b4f478a225f1a246e5d6767eeab1a7ffa17f025265b5b94f40f0c"),
    (24, "ge", "Female", "252f10c83610ebca1a059c0bae8255eba2f95be4d1d7bcfa89d7248a82d9f111"),
    (25, "ge", "M", "62c66a7a5dd70c3146618063c344e531e6d4b59e379808443ce962b3abd63c5a"),
    (26, "ct", "New York", "350c754ba4d38897693aa077ef43072a859d23f613443133fecbbd90a3512ca5"),
    (27, "ct", "St. John's", "2019e98e51ffecdc3bfa8879524f5c7b8553b94a8bbb0d5fad3649f627dc0dba"),
    (28, "ct", "Zürich", "201f10d5d64518d86d2d3a47d28675d1c788762c5345df643dadec71d4e0a91e"),
    (29, "ct", "Washington D.C.", "911fa18df8b2a4ff2652c32a0efa25516115d6fb0170849a41f38113e5371fe0"),
    (30, "st", "CA", "6959097001d10501ac7d54c0bdb8db61420f658f2922cc26e46d536119a31126"),
    (31, "st", "California", "6959097001d10501ac7d54c0bdb8db61420f658f2922cc26e46d536119a31126"),
    (32, "st", "New South Wales", "96236847af45f93f09c6ba2627cdb8da07e395f009d0e42f782cffb119cc24da"),
    (33, "zp", "94035-1234", "1794327a4d443904421f5ca1f3d72d0a62ba2f0770d80755ec2220fc0efb052e"),
    (34, "zp", "M1 1AE", "1dc694c2070e697769fb959b50671d76cafd430d8ca191fbdd0affcaea344ac5"),
    (35, "zp", "K1A 0B1", "3e8d74314dc02166b1ea8c7bd8c2357fb3f9898074395b8c57f8799848b4daa1"),
    (36, "country", "US", "79adb2a2fce5c6ba215fe5f27f532d4e7edbac4b6a5e09e1ef3a08084a904621"),
    (37, "country", "United States", "79adb2a2fce5c6ba215fe5f27f532d4e7edbac4b6a5e09e1ef3a08084a904621"),
    (38, "country", " de ", "959a45d44e6fcf58361ed004681556fe50129f2109e817dec098c00c9e5d2578"),
    (39, "country", "GBR", "0b407281768f0e833afef47ed464b6571d01ca4d53c12ce5c51d1462f4ad6677"),
    (40, "external_id", "user-42", "6d894aa3ee802549d7f340e7c1cf0d1c1cb14cd84f768d92ffaa6785337c4997"),
    (41, "dobd", "6", "aacd834b5cdc64a329e27649143406dd068306542988dfc250d6184745894849"),
    (42, "dobm", "2", "a953f09a1b6b6725b81956e9ad0b1eb49e3ad40004c04307ef8af6246a054116"),
    (43, "doby", "1997", "0985b889a1fe4f4e1fb925061ac6fb2247f10875f5fcbe63eec2ab55ed68970e"),
    (44, "fi", "Mary", "62c66a7a5dd70c3146618063c344e531e6d4b59e379808443ce962b3abd63c5a"),
    (45, "f5first", "Alexander", "7764735c5d4d88ae3ef1c0d6c0a5769e4187c341895db19a82ba7d4e17b8c914"),
    (46, "f5last", "Ng", "d59ce33d91a87db762aa0cf1f47321b5e9e8847633e0c2c02c845f42479bcee9"),
    (
        47,
        "em",
        "62A14E44F765419D10FEA99367361A727C12365E2520F32218D505ED9AA0F62F",
        "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f",
    ),
    (48, "em", "5f4dcc3b5aa765d61d8327deb882cf99", "5f4dcc3b5aa765d61d8327deb882cf99"),
    (
        49,
        "country",
        "79adb2a2fce5c6ba215fe5f27f532d4e7edbac4b6a5e09e1ef3a08084a904621",
        "79adb2a2fce5c6ba215fe5f27f532d4e7edbac4b6a5e09e1ef3a08084a904621",
    ),
]


def sha(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


@pytest.mark.parametrize(("number", "key", "raw", "expected"), VECTORS, ids=[f"vector_{row[0]}" for row in VECTORS])
def test_a_vector_of_the_wire_format_has_its_hash_first(number: int, key: str, raw: str, expected: str) -> None:
    found, notes = digests(key, raw)
    if expected == "-":
        assert (found, notes) == (b"", ("bad:em",))
    elif len(expected) == 32:
        assert (found, notes) == (b"", (f"md5:{key}",))
    else:
        assert found[:32].hex() == expected


def test_all_vectors_are_here() -> None:
    assert [row[0] for row in VECTORS] == list(range(1, 50))
