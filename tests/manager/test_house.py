"""The house: who may go where, what every page carries, twins, static files, names that mean harm, boxes that fail."""

from __future__ import annotations

import gzip
import hashlib
import re
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar import get

from tests.manager.house import House, Visitor
from truecount.collect.script import Scripts
from truecount.collect.server import EVENTS_PATH
from truecount.manager import boxes, openapi, static_files
from truecount.manager.app import check_everyone_said_who, end_streams
from truecount.manager.boxes import Box, ask
from truecount.manager.canary import FULL, Canary
from truecount.manager.faults import Fault
from truecount.manager.pages import Frame, environment, frame_of
from truecount.manager.shared import Asked
from truecount.manager.views.explain import unknown
from truecount.manager.who import Who
from truecount.store.client import Store
from truecount.store.errors import QueryFailed, QueryTooHeavy, StoreDown
from truecount.unseen import visible

PACKAGE = Path(static_files.__file__).parent
HOUSE: dict[tuple[str, str], Who] = {
    ("GET", "/"): Who.USER,
    ("GET", "/sign-in"): Who.ANYONE,
    ("POST", "/sign-in"): Who.ANYONE,
    ("POST", "/sign-out"): Who.ANYONE,
    ("GET", "/first-run/{once:str}"): Who.ANYONE,
    ("POST", "/first-run/{once:str}"): Who.ANYONE,
    ("GET", "/enter/{once:str}"): Who.ANYONE,
    ("GET", "/new-password/{once:str}"): Who.ANYONE,
    ("POST", "/new-password/{once:str}"): Who.ANYONE,
    ("GET", "/start"): Who.USER,
    ("POST", "/start"): Who.OWNER,
    ("GET", "/d/{dataset:str}"): Who.USER,
    ("GET", "/d/{dataset:str}/stream"): Who.USER,
    ("GET", "/d/{dataset:str}/diagnostics"): Who.USER,
    ("POST", "/d/{dataset:str}/diagnostics/mute"): Who.OWNER,
    ("POST", "/d/{dataset:str}/diagnostics/unmute"): Who.OWNER,
    ("GET", "/d/{dataset:str}/event"): Who.USER,
    ("GET", "/d/{dataset:str}/events/{event_name:path}"): Who.USER,
    ("GET", "/d/{dataset:str}/start"): Who.USER,
    ("GET", "/d/{dataset:str}/actions"): Who.USER,
    ("GET", "/d/{dataset:str}/actions/{names:path}"): Who.USER,
    ("GET", "/d/{dataset:str}/explain"): Who.USER,
    ("GET", "/d/{dataset:str}/find"): Who.USER,
    ("GET", "/d/{dataset:str}/test"): Who.USER,
    ("POST", "/d/{dataset:str}/test/try"): Who.USER,
    ("GET", "/d/{dataset:str}/test/stream"): Who.USER,
    ("GET", "/d/{dataset:str}/settings"): Who.OWNER,
    ("POST", "/d/{dataset:str}/settings"): Who.OWNER,
    ("POST", "/d/{dataset:str}/delete"): Who.OWNER,
    ("POST", "/d/{dataset:str}/tokens"): Who.OWNER,
    ("POST", "/d/{dataset:str}/tokens/revoke"): Who.OWNER,
    ("GET", "/tokens"): Who.OWNER,
    ("POST", "/tokens"): Who.OWNER,
    ("POST", "/tokens/revoke"): Who.OWNER,
    ("GET", "/healthz"): Who.ANYONE,
    ("GET", "/readyz"): Who.ANYONE,
    ("GET", "/metrics"): Who.ANYONE,
    ("GET", "/canary"): Who.ANYONE,
    ("GET", "/static/{name:str}"): Who.ANYONE,
    ("GET", "/api"): Who.USER,
    ("GET", "/api/openapi.json"): Who.USER,
    **{
        (method, f"/api/{path}"): Who.COMMANDS
        for method, path in (
            ("GET", "datasets"),
            ("POST", "datasets"),
            ("PATCH", "datasets/{id:str}"),
            ("DELETE", "datasets/{id:str}"),
            ("GET", "datasets/{id:str}/events"),
            ("GET", "datasets/{id:str}/findings"),
            ("GET", "datasets/{id:str}/refused"),
            ("GET", "datasets/{id:str}/outcomes"),
            ("GET", "datasets/{id:str}/explain"),
            ("GET", "datasets/{id:str}/findings"),
            ("GET", "outcomes"),
            ("GET", "datasets/{id:str}/imports"),
            ("GET", "datasets/{id:str}/imports/{digest:str}"),
            ("POST", "datasets/{id:str}/imports"),
            ("GET", "users"),
            ("POST", "users"),
            ("POST", "users/link"),
            ("POST", "users/remove"),
            ("GET", "tokens"),
            ("POST", "tokens"),
            ("POST", "tokens/revoke"),
        )
    },
}
"""Every route and who may use it. A new one has to be written here too: so somebody thinks of it twice."""

PAGES = (
    "/start", "/d/77", "/d/77/start", "/d/77/actions", "/d/77/explain", "/d/77/find?q=1", "/d/77/diagnostics",
    "/d/77/test", "/d/77/event?name=Purchase", "/d/77/settings", "/tokens", "/api",
)  # fmt: skip
"""Pages of a signed-in owner."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with pytest.MonkeyPatch.context() as patch, House(tmp_path_factory.mktemp("house")).open() as house:
        patch.setattr(boxes, "PATIENCE_S", 0.0)  # there is no engine to wait for
        end_streams(house.app)  # a stream ends at once: what else it does is told by tests of its own
        house.make_owner()
        house.manager.registry.create("Shop", id="77")
        house.manager.registry.create("Other", id="78")
        yield house


@pytest.fixture(scope="module")
def owner(house: House) -> Visitor:
    visitor = house.visitor()
    visitor.sign_in()
    return visitor


@pytest.fixture(scope="module")
def visitors(house: House, owner: Visitor) -> dict[str, Visitor]:
    return {
        "nobody": house.visitor(),
        "token": house.reader(),
        "token of another": house.reader("78"),
        "token that was revoked": house.reader(revoked=True),
        "analyst": house.add("analyst@mail.example"),
        "analyst of another": house.add("other@mail.example", datasets=["78"]),
        "owner": owner,
    }


# Who may go where


def test_every_route_says_who_may_use_it(house: House) -> None:
    found = {
        (str(method), route.path): handler.opt["who"]
        for route in house.app.routes
        for handler in route.route_handlers
        for method in handler.http_methods  # type: ignore[union-attr]
        if method != "OPTIONS"
    }
    assert found == HOUSE


def test_a_route_that_says_nothing_is_not_served() -> None:
    from litestar import Litestar

    @get("/new")
    async def forgotten(request: Asked) -> str:
        return ""

    made = Litestar([forgotten], openapi_config=None)
    with pytest.raises(RuntimeError, match="/new does not say"):
        check_everyone_said_who(made)


TOKENS = ("token", "token of another", "token that was revoked")


@pytest.mark.parametrize("who", ["nobody", "analyst", "analyst of another", "owner", *TOKENS])
@pytest.mark.parametrize(("method", "path"), [*HOUSE], ids=[" ".join(key) for key in HOUSE])
def test_role_by_route(house: House, visitors: dict[str, Visitor], who: str, method: str, path: str) -> None:
    allowed = HOUSE[method, path]
    visitor = visitors[who]
    static = static_files.address("icon.svg").rpartition("/")[2]
    address = re.sub(
        r"\{(\w+):(?:str|path)\}", lambda found: {"dataset": "77", "name": static}.get(found[1], "77"), path
    )
    if method == "GET":
        answer = visitor.get(address)
    elif method == "POST":
        if path in ("/sign-out", "/sign-in"):
            return  # told by their own tests; here they would end a session
        answer = visitor.send(address)
    else:
        answer = visitor.client.request(method, address)
    status = answer.status_code
    refused = (
        {401} if allowed is Who.COMMANDS
        else set() if allowed is Who.ANYONE
        else {401} if who == "token that was revoked"
        else {403} if who in TOKENS and (method != "GET" or path.endswith("/stream"))
        else {303, 401} if who == "nobody"
        else {404} if allowed is Who.OWNER and who != "owner"
        else {404} if "{dataset" in path and who in ("analyst of another", "token of another")
        else set()
    )  # fmt: skip
    if not refused:
        assert status not in (401, 403, 404), answer.text
    else:
        assert status in refused, answer.text
        if who in TOKENS and allowed is not Who.COMMANDS:
            assert [*answer.json()] == ["error"] and "set-cookie" not in answer.headers
        if status == 303:
            assert answer.headers["location"].startswith("/sign-in")
        assert "Shop" not in answer.text


@pytest.mark.parametrize(
    "path", ["/d/78/start", "/d/nothing/start", "/nothing", "/d/77/nothing", "/static/truecount.js"]
)
def test_what_is_not_there_and_what_is_not_yours_look_alike(
    visitors: dict[str, Visitor], house: House, path: str
) -> None:
    visitor = house.add(f"{hashlib.sha256(path.encode()).hexdigest()[:8]}@mail.example", datasets=["77"])
    answer = visitor.get(path)
    assert answer.status_code == 404
    assert answer.text.replace(path, "X") == visitor.get("/d/none/start").text.replace("/d/none/start", "X")
    assert visitor.get(path, accept="application/json").status_code == 404


def test_an_analyst_sees_no_way_to_what_only_an_owner_may(visitors: dict[str, Visitor]) -> None:
    text = visitors["analyst"].get("/d/77/start").text
    assert "/settings" not in text and "New dataset" not in text
    assert "/settings" in visitors["owner"].get("/d/77/start").text
    assert "<form" not in visitors["analyst"].get("/start").text.partition("<main")[2].partition("</main>")[0]


def test_a_user_reads_the_datasets_that_were_given_and_no_other(visitors: dict[str, Visitor]) -> None:
    names = {who: [one["id"] for one in visitors[who].json("/")["datasets"]] for who in ("owner", "analyst of another")}
    assert names == {"owner": ["78", "77"], "analyst of another": ["78"]}
    assert visitors["analyst of another"].get("/").headers["location"] == "/d/78"
    assert "Shop" not in visitors["analyst of another"].get("/d/78/start").text


def test_a_dataset_that_is_made_again_is_not_that_of_who_saw_the_first(house: House, owner: Visitor) -> None:
    house.manager.registry.create("Gone", id="79")
    visitor = house.add("gone@mail.example", datasets=["79"])
    assert visitor.get("/d/79/start").status_code == 200
    assert owner.send("/d/79/delete", {"sure": "79"}, page="/start").headers["location"] == "/start"
    house.manager.registry.create("Again", id="79")
    assert visitor.get("/d/79/start").status_code == 404
    house.manager.registry.delete("79")


# What every page carries


@pytest.mark.parametrize(
    "path", [*PAGES, "/", "/sign-in", "/nothing", "/healthz", "/d/none/start", "/v26.0/77", "/api/x"]
)
def test_every_answer_has_a_strict_policy_and_is_not_kept(owner: Visitor, path: str) -> None:
    headers = owner.get(path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert (
        policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'" and policy["base-uri"] == "'none'"
    )
    assert {policy[name] for name in ("script-src", "style-src", "connect-src", "form-action")} == {"'self'"}
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"


class Tags(HTMLParser):
    """What a page is made of: elements, names of attributes, and the attributes' values that could do something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, ...]] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, *(name for name, _ in attributes)))
        self.links += [value or "" for name, value in attributes if name in ("href", "src", "action", "hx-get")]


@pytest.mark.parametrize("path", [*PAGES, "/sign-in", "/nothing"])
def test_no_page_has_inline_script_or_style_or_anything_from_elsewhere(house: House, owner: Visitor, path: str) -> None:
    page = Tags((house.visitor() if path == "/sign-in" else owner).get(path).text)
    for tag, *names in page.tags:
        assert tag != "style" and (tag != "script" or "src" in names)
        assert not [name for name in names if name.startswith("on") or name == "style"]
    assert all(link.startswith(("/", "#")) and not link.startswith("//") for link in page.links)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_small_when_packed(owner: Visitor, path: str) -> None:
    with owner.client.stream("GET", path, headers={"accept-encoding": "gzip"}) as answer:
        packed = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    files = sum(len(file.packed) for name, file in static_files.files().by_address.items() if "LICENSE" not in name)
    assert len(packed) + files < 60_000
    assert b"</html>" in gzip.decompress(packed)


def test_the_theme_is_drawn_by_the_server(house: House) -> None:
    visitor = house.visitor()
    assert "data-theme" not in visitor.get("/sign-in").text.partition("<head>")[0]
    for theme, drawn in (("dark", True), ('"><script>', False), ("auto", False)):
        visitor.client.cookies.set("truecount-theme", theme)
        assert ('data-theme="dark"' in visitor.get("/sign-in").text) is drawn


def test_the_canary_stands_on_every_page_while_one_flies(house: House, owner: Visitor) -> None:
    frames: list[Frame] = []

    @get("/frame", who=Who.ANYONE)
    async def frame(request: Asked) -> str:
        frames.append(frame_of(request, "start", "77"))
        return ""

    def drawn(canary: Canary | None) -> str:
        changed = msgspec.structs.replace(frames[0], canary=canary)
        return environment().get_template("base.j2").render(frame=changed, csrf=lambda: "x")

    house.app.register(frame)
    owner.get("/frame")
    assert "Canary" not in drawn(None)
    text = drawn(Canary(24.4, {"browser": 0.31, "server": 0.2}))
    assert "Browser door 0.3 s, server door 0.2 s" in text and 'data-age="24"' in text and '"state late"' not in text
    assert "Nothing can be stored" not in text
    assert '"state late"' in drawn(Canary(200, {"browser": 0.3}))
    assert "Nothing can be stored" in drawn(Canary(24.4, {"browser": 0.31}, {"server": FULL}))


# Static files


def test_a_static_file_has_its_hash_in_its_address_and_never_changes(house: House) -> None:
    visitor = house.visitor()
    for name, address in static_files.files().addresses.items():
        body = (PACKAGE / "static" / name).read_bytes()
        for coding in ("gzip", "identity"):
            answer = visitor.get(address, accept_encoding=coding)
            assert (answer.status_code, answer.content == body) == (200, True)
        assert hashlib.sha256(body).hexdigest()[:16] in address
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert visitor.get(address.replace(hashlib.sha256(body).hexdigest()[:16], "0" * 16)).status_code == 404
    assert visitor.get("/static/..%2fapp.py").status_code == 404


def test_no_address_of_the_house_is_one_that_the_doors_keep_for_themselves() -> None:
    for address in static_files.files().addresses.values():
        assert not Scripts.serves(address.encode()), address
    for _, path in HOUSE:
        plain = re.sub(r"\{(\w+):(?:str|path)\}", "77", path).encode()
        assert not EVENTS_PATH(plain) and not plain.endswith((b"/tr", b"/tr/")), path


def test_the_wheel_holds_templates_static_files_and_their_licences(tmp_path: Path) -> None:
    root = PACKAGE.parents[1]
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("templates", "static"):
        wanted = {f"truecount/manager/{folder}/{path.name}" for path in (PACKAGE / folder).iterdir()}
        assert wanted <= names
    assert "truecount/manager/static/htmx.LICENSE.txt" in names


# Twins


@pytest.mark.parametrize("path", ["/", "/start", "/d/77/start", "/d/77/settings", "/sign-in"])
def test_a_page_and_its_twin_say_the_same(owner: Visitor, path: str) -> None:
    asked = [owner.get(f"{path}?format=json"), owner.get(path, accept="application/json")]
    assert [answer.status_code for answer in asked] == [200, 200]
    assert asked[0].json() == asked[1].json()
    assert owner.get(path, accept="text/html, application/json;q=0.9").headers["content-type"].startswith("text/html")
    assert owner.get(f"{path}?format=html", accept="application/json").headers["content-type"].startswith("text/html")


def test_an_unknown_format_is_refused_in_words(owner: Visitor) -> None:
    answer = owner.get("/d/77/start?format=xml")
    assert answer.status_code == 400 and "format = &#39;xml&#39;: wanted one of html, json" in answer.text


@pytest.mark.parametrize(("path", "status"), [("/d/77/start", 401), ("/nothing", 404), ("/sign-in?format=xml", 400)])
def test_an_error_has_a_twin_too(house: House, path: str, status: int) -> None:
    answer = house.visitor().get(path, accept="application/json")
    assert (answer.status_code, [*answer.json()]) == (status, ["error"])


def test_the_document_of_the_api_tells_all_twins(owner: Visitor) -> None:
    told = owner.json("/api/openapi.json")
    found = {(method.upper(), path) for path, item in told["paths"].items() for method in item}
    plain = {(method, re.sub(r":(str|path)", "", path)) for method, path in HOUSE}
    others = {
        *("/healthz", "/readyz", "/metrics", "/canary", "/static/{name}", "/api", "/api/openapi.json"),
        "/d/{dataset}/events/{event_name}",
        "/d/{dataset}/stream",
        "/d/{dataset}/test/stream",
        *(path for _, path in plain if path.startswith("/api/")),
    }
    assert found == {(method, path) for method, path in plain if path not in others}
    for path in ("/", "/start", "/d/{dataset}/start", "/d/{dataset}/settings", "/sign-in"):
        answer = told["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        for shape in answer.get("anyOf", [answer]):
            assert shape["$ref"].rpartition("/")[2] in told["components"]["schemas"]
    assert "'examples': [" not in str(told["components"]["schemas"])
    listed = owner.get("/api").text
    assert all(one.path in listed for one in openapi.operations())


# Names that mean harm

HOSTILE = [
    "<script>alert(1)</script>",
    "{{7919*7919}}{% raw %}${7919*7919}<%= 7919*7919 %>",
    "\"><svg onload=alert(1)>'",
    "javascript:alert(1)//",
    "</title></textarea></pre><img src=x>",
    "&lt;b&gt;&amp;",
]


@pytest.mark.parametrize("name", [*HOSTILE, "=cmd|' /C calc'!A0", "W" * 200])
def test_a_dataset_of_any_name_changes_no_page(house: House, owner: Visitor, name: str) -> None:
    house.manager.registry.change("77", name="Plain")

    def tags(text: str) -> list[tuple[str, ...]]:
        log = re.compile(r'<section class="sec" id="changes".*?</section>', re.DOTALL)  # a row more each time
        return sorted(Tags(log.sub("", text)).tags)

    plain = {path: tags(owner.get(path).text) for path in PAGES}
    house.manager.registry.change("77", name=name)
    try:
        for path in PAGES:
            text = owner.get(path).text
            assert tags(text) == plain[path]  # the chooser is in the order of names
            assert name not in text or "<" not in name
            assert str(7919 * 7919) not in text
        assert owner.json("/d/77/settings")["name"] == name
    finally:
        house.manager.registry.change("77", name="Shop")


@pytest.mark.parametrize("word", [*HOSTILE, "\u202egnp.exe", "a\x00b\u2066c", "x" * 10_000])
def test_what_is_given_comes_back_as_text(house: House, owner: Visitor, word: str) -> None:
    plain = Tags(house.visitor().sign_in("plain", "x").text).tags
    answer = house.visitor(f"198.51.100.{len(word) % 250}").sign_in(word, "x")
    assert Tags(answer.text).tags == plain and len(answer.content) < 20_000
    new = owner.send("/start", {"name": f"{word}\n", "id": word}, page="/start")
    plain = [owner.send("/start", {"name": name, "id": "."}, page="/start").text for name in ("", "Shop")]
    assert new.status_code == 400 and Tags(new.text).tags in [Tags(text).tags for text in plain]
    wrong = owner.send("/d/77/settings", {"section": "general", "name": "Shop", "country": word}, page="/start")
    outside = re.sub(r'value="[^"]*"', "", wrong.text)  # in its own field a person sees what was typed
    assert wrong.status_code == 400 and "\u202e" not in outside and "<script>alert" not in wrong.text
    missing = owner.get("/d/" + "".join(f"%{byte:02x}" for byte in word.encode()[:3000]) + "/start")
    assert missing.status_code == 404 and "\u202e" not in missing.text and "<script>alert" not in missing.text


UNSEEN = (
    0xA0, 0x34F, 0x115F, 0x1160, 0x17B4, 0x180B, 0x180E, 0x2003, 0x202F, 0x2800, 0x3164, 0xFE00, 0xFE0E, 0xFFA0,
    0xE0001, 0xE0041, 0xE007F, 0xE0100,
)  # fmt: skip


@pytest.mark.parametrize("text", ["\u202egnp", "a\u2066b\u2069", "\x1b[31m", "a\u200bb", "\ufeffx"])
def test_what_turns_or_hides_other_text_is_written_out(text: str) -> None:
    assert visible(text).isascii() and visible("Büro 日本 😀 عربي") == "Büro 日本 😀 عربي"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Purchase ", "Purchase␠"),
        ("  ORD-77", "␠␠ORD-77"),
        ("two  words and more", "two␠␠words and more"),
        ("\tORD-77\n", "\\tORD-77\\n"),
        ("a\tb", "a\\tb"),
        ("a\u3000", "a\\u3000"),
        (" ", "␠"),
        *((f"a{chr(code)}b", f"a{chr(code).encode('unicode_escape').decode()}b") for code in UNSEEN),
        ("a\ufe0fb", "a\\ufe0fb"),
        ("❤️ ☀️ 1️⃣", "❤️ ☀️ 1️⃣"),
        ("one word\nand the next", "one word\nand the next"),
    ],
)
def test_what_differs_looks_different(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert visible(shown) == shown, "what is visible stays"


def test_explain_says_which_blanks_an_unknown_id_has() -> None:
    assert unknown("Purchase ", "event_id", "ORD-77 ").startswith("No Purchase␠ here has the event id “ORD-77␠”. Ids")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/d/77/event", "name: wanted, and the address has none"),
        ("/d/77/start?format=csv", "format = 'csv': wanted one of html, json"),
        ("/d/77/event?name=x&table=y", "table = 'y': wanted one of bars, duplicates"),
        ("/d/77/diagnostics?state=x", "state = 'x': wanted one of open, solved, muted"),
    ],
)
def test_a_parameter_that_cannot_be_read_is_named_with_what_would_do(owner: Visitor, path: str, words: str) -> None:
    answer = owner.get(path, accept="*/*")
    assert (answer.status_code, words in answer.text) == (400, True), answer.text


def test_a_command_in_an_error_is_drawn_as_code() -> None:
    names = {"fault": Fault("It is full: `truecount doctor` tells."), "title": "x", "more": "", "code": 507}
    text = environment().get_template("fault.j2").render(names)
    assert "It is full: <code>truecount doctor</code> tells." in text


@pytest.mark.parametrize("host", ["evil.example", 'x"><script>', "[::1]:8000", ""])
def test_a_host_that_is_none_is_not_drawn(owner: Visitor, host: str) -> None:
    answer = owner.get("/d/77/start", host=host)
    assert answer.status_code in (200, 400) and "<script>" not in answer.text.partition("<head>")[0]
    assert '"><script>' not in answer.text


def test_a_host_that_cannot_stand_in_the_lines_is_told(house: House, owner: Visitor) -> None:
    assert "http://count.example/truecount.js" in owner.json("/d/77/start")["lines"]["pixel"]
    assert owner.get("/d/77/start", host="a'b").status_code == 400


# Boxes


def failing(error: Exception) -> Callable[[Any], Any]:
    def question(_: Any) -> Any:
        raise error

    return question


class Nowhere(Store):
    """A store that nobody asks; it tells how it was to be asked."""

    def __init__(self, until_s: float | None = None) -> None:
        super().__init__("http://127.0.0.1:1", "")
        self.until_s = until_s

    def having(self, settings: Mapping[str, str], *, until_s: float | None = None) -> Store:
        return Nowhere(until_s)


def boxes_of(
    house: House, monkeypatch: pytest.MonkeyPatch, limit_s: float = 30.0, **questions: Any
) -> dict[str, Box[Any]]:
    import asyncio

    monkeypatch.setattr(house.manager.link, "store", Nowhere)
    monkeypatch.setattr(boxes, "PATIENCE_S", 0.0)
    return asyncio.run(ask(house.manager, questions, limit_s))


@pytest.mark.parametrize(
    ("error", "state", "words"),
    [
        (StoreDown("gone"), "down", "The store does not answer at the moment"),
        (QueryTooHeavy("Code: 241 'jane@mail.example'", 241), "heavy", "Try a shorter period"),
        (QueryFailed("Code: 62 'jane@mail.example'", 62), "failed", "No data is lost"),
        (RuntimeError("jane@mail.example"), "failed", "RuntimeError"),
    ],
    ids=["down", "heavy", "refused", "fault"],
)
def test_a_box_that_fails_says_so_and_the_others_stand(
    house: House, monkeypatch: pytest.MonkeyPatch, error: Exception, state: str, words: str
) -> None:
    found = boxes_of(house, monkeypatch, good=lambda store: store.until_s - time.monotonic(), bad=failing(error))
    assert found["good"].state == "there" and 0 < found["good"].data <= 30.0  # nobody waits longer
    assert found["bad"].state == state and words in (found["bad"].problem or "")
    assert "jane" not in (found["bad"].problem or "") and found["bad"].data is None


def test_a_box_that_takes_too_long_is_given_up_and_the_others_stand(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = threading.Event()
    try:
        found = boxes_of(house, monkeypatch, 0.5, good=lambda _: 1, slow=lambda _: end.wait(20))
    finally:
        end.set()
    assert (found["good"].data, found["slow"].state) == (1, "late")
    assert "took longer than 0.5 seconds and was stopped" in (found["slow"].problem or "")


def test_a_page_stands_while_the_store_is_away(owner: Visitor) -> None:
    answer = owner.get("/d/77/start")
    assert answer.status_code == 200
    assert "The store does not answer at the moment" in answer.text and "Put the pixel on your pages" in answer.text
    part = owner.get("/d/77/start?part=checklist", hx_request="true").text
    assert part.lstrip().startswith("<section") and 'hx-trigger="every 2s"' in part
