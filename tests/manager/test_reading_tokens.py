"""Reading tokens: a script reads the twins with one, and nothing else; made and ended on a page or by command."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.manager.house import OWNER, House, Visitor
from truecount.manager import boxes
from truecount.manager.answers import NewUser
from truecount.manager.boxes import Box
from truecount.manager.ranges import Period
from truecount.manager.routes import overview
from truecount.manager.users.reading import MOST, PREFIX
from truecount.manager.views.changes import BY_COMMAND
from truecount.manager.views.overview import Counts
from truecount.measure.events import EventTotals


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with pytest.MonkeyPatch.context() as patch, House(tmp_path_factory.mktemp("reading")).open() as house:
        patch.setattr(boxes, "PATIENCE_S", 0.0)
        house.make_owner()
        house.manager.registry.create("Shop", id="77")
        house.manager.registry.create("Other", id="78")
        yield house


@pytest.fixture(scope="module")
def owner(house: House) -> Visitor:
    visitor = house.visitor()
    visitor.sign_in()
    return visitor


def script(house: House, secret: str, scheme: str = "Bearer") -> Visitor:
    visitor = house.visitor()
    visitor.client.headers["authorization"] = f"{scheme} {secret}"
    return visitor


def make(owner: Visitor, dataset: str = "*", name: str = "Weekly report") -> str:
    assert owner.send("/tokens", {"name": name, "dataset": dataset}, page="/tokens").headers["location"] == "/tokens"
    found = re.search(rf"<pre[^>]*>({PREFIX}[\w-]+)</pre>", owner.get("/tokens").text)
    assert found
    return found[1]


def test_a_token_is_shown_once_and_kept_as_a_hash(house: House, owner: Visitor) -> None:
    secret = make(owner)
    assert secret not in owner.get("/tokens").text and "Weekly report" in owner.get("/tokens").text
    assert script(house, secret).get("/").status_code == 200
    files = [path for path in house.folder.path.rglob("*") if path.is_file()]
    assert not [path for path in files if secret.encode() in path.read_bytes()]
    told = next(one for one in owner.json("/tokens")["tokens"] if one["name"] == "Weekly report")
    assert (told["created_by"], told["dataset"]) == (OWNER, None) and told["last_used"]


def test_another_session_of_the_owner_is_not_shown_a_new_token(house: House, owner: Visitor) -> None:
    other = house.visitor()
    other.sign_in()
    owner.send("/tokens", {"name": "x", "dataset": "77"}, page="/tokens")
    assert "keep it now" not in other.get("/tokens").text
    assert "keep it now" in owner.get("/tokens").text


@pytest.mark.parametrize("path", ["/", "/start", "/d/77", "/d/77/start", "/d/77/explain", "/d/77/diagnostics", "/api"])
def test_it_gets_the_twin_without_asking_for_one(house: House, path: str) -> None:
    answer = house.reader().get(path)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("application/json")
    assert "set-cookie" not in answer.headers
    assert house.reader().get(f"{path}?format=html").headers["content-type"].startswith("application/json")


def test_it_gets_files(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def counted(manager: object, dataset: object, period: Period, event: object) -> overview.Counted:
        row = EventTotals(event_name="Purchase", actions=7)
        counts = Counts("", [row], [], has_before=False, event_name="Purchase", buckets=[])
        return overview.Counted(Box("there", counts), period)

    monkeypatch.setattr(overview, "_counts", counted)
    answer = house.reader("77").get("/d/77?format=csv")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/csv")
    assert "Purchase,0,7," in answer.text


def test_one_of_a_dataset_reads_no_other(house: House) -> None:
    reader = house.reader("77")
    assert [one["id"] for one in reader.json("/")["datasets"]] == ["77"]
    assert reader.get("/d/77/start").status_code == 200
    there, nowhere = reader.get("/d/78/start"), reader.get("/d/none/start")
    assert (there.status_code, there.json()) == (404, nowhere.json())


@pytest.mark.parametrize("path", ["/d/77/settings", "/tokens"])
def test_what_only_an_owner_may_see_it_does_not(house: House, path: str) -> None:
    assert house.reader().get(path).status_code == 404


@pytest.mark.parametrize(
    "path", ["/d/77/settings", "/d/77/tokens", "/d/77/delete", "/start", "/tokens", "/tokens/revoke", "/d/77/test/try"]
)
def test_it_changes_nothing_even_beside_an_owners_cookie_and_proof(house: House, path: str) -> None:
    visitor = house.visitor()
    visitor.sign_in()
    proof = visitor.proof("/start")
    before = house.manager.registry.get("77")
    secret = house.users.reading.add("x")[1]
    answer = visitor.send(path, {"sure": "77", "name": "x"}, csrf=proof, authorization=f"Bearer {secret}")
    assert (answer.status_code, [*answer.json()]) == (403, ["error"])
    assert house.manager.registry.get("77") == before


def test_a_stream_is_for_sessions(house: House) -> None:
    assert house.reader().get("/d/77/test/stream").status_code == 403


@pytest.mark.parametrize("secret", ["", "x", PREFIX, PREFIX + "A" * 43, "TC" + "A" * 43, "tcr_\xff", "a b"])
def test_a_token_that_is_none_is_refused_also_beside_a_session(house: House, secret: str) -> None:
    visitor = house.visitor()
    visitor.sign_in()
    answer = visitor.client.get("/", headers={"authorization": f"Bearer {secret}".encode("latin-1")})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="Truecount"')
    assert "revoked" in answer.json()["error"]


def test_a_session_is_let_in_through_a_proxy_with_a_password_of_its_own(owner: Visitor) -> None:
    assert owner.get("/d/77/start", authorization="Basic eDp5").status_code == 200


def test_the_scheme_is_read_as_http_has_it(house: House) -> None:
    secret = house.users.reading.add("x")[1]
    assert script(house, secret, "bearer").get("/").status_code == 200
    assert script(house, secret, "Token").get("/").is_redirect


def test_in_an_address_or_a_form_it_is_not_taken(house: House) -> None:
    secret = house.users.reading.add("x")[1]
    for path in (f"/?access_token={secret}", f"/?token={secret}"):
        assert house.visitor().get(path, accept="application/json").status_code == 401


def test_an_access_token_reads_nothing_and_a_reading_token_is_none_of_a_dataset(house: House) -> None:
    token = house.manager.registry.add_token("77")
    assert script(house, token).get("/d/77").status_code == 401
    assert script(house, token).get("/api/datasets").status_code == 401


def test_a_token_ends_when_it_is_revoked(house: House, owner: Visitor) -> None:
    secret = make(owner, "77", "<b>Report</b>")
    assert script(house, secret).get("/d/77/start").status_code == 200
    told = next(one for one in owner.json("/tokens")["tokens"] if one["name"] == "<b>Report</b>")
    page = owner.get("/tokens").text
    assert "Yes, revoke <bdi>&lt;b&gt;Report" in page and "<b>Report" not in page
    assert owner.send("/tokens/revoke", {"id": told["id"]}, page="/tokens").status_code == 303
    assert script(house, secret).get("/d/77/start").status_code == 401
    assert owner.send("/tokens/revoke", {"id": told["id"]}, page="/tokens").status_code == 400


def test_a_token_ends_with_its_maker_and_with_its_dataset(house: House, owner: Visitor) -> None:
    second = house.add("second@mail.example", "owner")
    theirs = make(second)
    by_command = house.users.reading.add("Command")[1]
    house.manager.registry.create("Gone", id="79")
    of_gone = make(owner, "79")
    owner.send("/d/79/delete", {"sure": "79"}, page="/start")
    house.manager.registry.create("Again", id="79")
    assert script(house, of_gone).get("/").status_code == 401
    house.manager.registry.delete("79")
    house.users.remove("SECOND@mail.example")
    assert not second.is_in()
    assert script(house, theirs).get("/").status_code == 401
    assert script(house, by_command).get("/").status_code == 200
    assert {one["created_by"] for one in owner.json("/tokens")["tokens"]} == {OWNER, BY_COMMAND}


def test_what_a_removed_user_did_stays_and_names_nobody(house: House, owner: Visitor) -> None:
    gone = house.add("gone@mail.example", "owner")
    path = "/d/77/settings"
    assert gone.send(path, {"section": "doors", "strict_money": "on"}, page=path).status_code == 303
    house.users.mutes.mute("77", ("x", ()), by="gone@mail.example")
    assert owner.json(path)["changes"][0]["who"] == "gone@mail.example"
    house.users.remove("gone@mail.example")
    assert owner.json(path)["changes"][0]["who"] == "a user who was removed"
    assert [one.muted_by for one in house.users.mutes.of_dataset("77").values()] == ["a user who was removed"]
    files = [path for path in house.folder.path.rglob("*") if path.is_file()]
    assert not [path for path in files if b"gone@mail.example" in path.read_bytes()]


def test_the_last_owner_stays(house: House) -> None:
    with pytest.raises(ValueError, match="is the last owner"):
        house.users.remove(OWNER)
    house.users.add(NewUser("analyst@mail.example"))
    house.users.remove("analyst@mail.example")
    with pytest.raises(ValueError, match="there is no user"):
        house.users.remove("analyst@mail.example")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "", "dataset": "*"}, "what is it for?"),
        ({"name": "x" * 101, "dataset": "*"}, "wants a name"),
        ({"name": "a\u202eb", "dataset": "*"}, "wants a name"),
        ({"name": "x", "dataset": "none"}, "wanted the id of one"),
        ({"name": "x"}, "wanted the id of one"),
    ],
)
def test_what_will_not_do_is_told(owner: Visitor, fields: dict[str, str], words: str) -> None:
    before = len(owner.json("/tokens")["tokens"])
    answer = owner.send("/tokens", fields, page="/tokens")
    assert answer.status_code == 400 and words in answer.text
    assert "\u202e" not in re.sub(r'value="[^"]*"', "", answer.text), "in its own field a person sees what was typed"
    assert owner.send("/tokens", fields, page="/tokens", accept="application/json").status_code == 400
    assert len(owner.json("/tokens")["tokens"]) == before


def test_the_use_of_a_token_is_written_down_once_a_minute(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    token, secret = house.users.reading.add("x")
    noted: list[str] = []
    real = house.users.reading.note
    monkeypatch.setattr(house.users.reading, "note", lambda id: (noted.append(id), real(id)))
    reader = script(house, secret)
    for seconds in (0, 10, 40, 20, 30):
        house.clock.s += seconds
        assert reader.get("/").status_code == 200
    assert noted == [token.id, token.id]


def test_there_are_not_endlessly_many(house: House) -> None:
    with house.users.file.change() as database:
        n = MOST - database.execute("select count(*) from reading").fetchone()[0]
        database.executemany(
            "insert into reading values (?, ?, 'x', null, 0, null, null)", [(f"n{at}", b"%d" % at) for at in range(n)]
        )
    try:
        with pytest.raises(ValueError, match="revoke some first"):
            house.users.reading.add("one more")
    finally:
        with house.users.file.change() as database:
            database.execute("delete from reading where id like 'n%'")
