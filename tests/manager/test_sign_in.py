"""Signing in: the first link, passwords, sessions, cookies, forms that are not ours, and who guesses."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import argon2
import pytest

from tests.manager.house import CHEAP, OWNER, PASSWORD, House
from truecount.log.backup import backup
from truecount.log.registry import Registry
from truecount.manager.answers import NewUser
from truecount.manager.users.accounts import AccountError, Role, check_email
from truecount.manager.users.file import FORMAT
from truecount.manager.users.links import LASTS_S, LinkGone
from truecount.manager.users.passwords import MOST, Passwords, WeakPassword, check_password
from truecount.manager.users.sessions import IDLE_S, LONGEST_S
from truecount.manager.users.throttle import ACCOUNT, ADDRESS, FORGET_S, Throttle
from truecount.manager.users.together import Users
from truecount.manager.web import safe_next


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with House(tmp_path).open() as house:
        yield house


# The first run


def test_the_first_link_makes_the_owner_and_lets_in(house: House) -> None:
    visitor = house.visitor()
    assert "Make it yours" in visitor.get(house.first).text
    answer = visitor.send(house.first, {"email": f" {OWNER} ", "password": PASSWORD}, page=house.first)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert visitor.get("/").headers["location"] == "/start"
    (user,) = house.users.accounts.all()
    assert (user.email, user.role) == (OWNER, Role.OWNER)


def test_the_first_link_works_once(house: House) -> None:
    house.make_owner()
    late = house.visitor()
    for answer in (
        late.get(house.first),
        late.send(house.first, {"email": "thief@mail.example", "password": PASSWORD}),
    ):
        assert answer.status_code == 410
        assert "truecount user reset EMAIL" in answer.text
    assert [user.email for user in house.users.accounts.all()] == [OWNER]


def test_the_first_link_is_worth_nothing_once_there_is_a_user(house: House) -> None:
    house.users.add(NewUser(OWNER))
    assert house.visitor().get(house.first).status_code == 410


def test_of_two_who_use_the_first_link_at_once_one_becomes_the_owner(house: House) -> None:
    once = house.first.rpartition("/")[2]
    hash = house.users.passwords.hash(PASSWORD)
    house.users.links.look(once)
    house.users.links.use(once, OWNER, hash)
    with pytest.raises(LinkGone):
        house.users.links.use(once, "thief@mail.example", hash)


@pytest.mark.parametrize(("later_s", "works"), [(LASTS_S, True), (LASTS_S + 1, False)])
def test_the_first_link_lasts_a_day(house: House, later_s: int, works: bool) -> None:
    house.clock.s += later_s
    answer = house.visitor().get(house.first)
    assert answer.status_code == (200 if works else 410)
    assert works or "prints a new one each time it starts" in answer.text


def test_a_server_that_starts_again_makes_another_link_and_ends_the_old_one(house: House) -> None:
    again = house.users.links.first()
    assert house.visitor().get(house.first).status_code == 410
    assert house.visitor().get(f"/first-run/{again}").status_code == 200
    house.users.links.use(again or "", OWNER, house.users.passwords.hash(PASSWORD))
    assert house.users.links.first() is None


def test_while_nobody_has_a_password_the_sign_in_page_says_where_the_link_is(house: House) -> None:
    text = house.visitor().get("/sign-in").text
    assert "one-time link" in text and "<form" not in text


@pytest.mark.parametrize(
    ("email", "password", "words"),
    [
        ("no address", PASSWORD, "no e-mail address"),
        (OWNER, "short", "10 characters or more, please; this one has 5"),
        (OWNER, "1234567890", "one of the first passwords"),
    ],
)
def test_what_will_not_do_is_said_beside_its_field_and_the_link_still_works(
    house: House, email: str, password: str, words: str
) -> None:
    visitor = house.visitor()
    answer = visitor.send(house.first, {"email": email, "password": password}, page=house.first)
    assert (answer.status_code, words in answer.text) == (400, True)
    assert 'aria-invalid="true"' in answer.text and password not in answer.text
    house.make_owner()


@pytest.mark.parametrize(
    "password",
    [
        *("123456789", "1234567890", "9876543210", "0000000000", "abcdefghijkl", "Password123", "passw0rd2026!"),
        *("qwertyuiop1", "aaaaabbbbb", "you@shop.example", "youyou@shop.example", "ITRUECOUNT"[1:] + "1"),
    ],
)
def test_a_password_that_is_guessed_first_is_refused(password: str) -> None:
    with pytest.raises(WeakPassword):
        check_password(password, "you@shop.example")


@pytest.mark.parametrize(
    "password", [PASSWORD, "tea 4 two!", "пароль-пароль-ы", "x" * 5 + "yzab" * 2, "1234567891", "w" * 3 + "ünïcödé😀"]
)
def test_any_other_of_ten_characters_will_do(password: str) -> None:
    check_password(password, "you@shop.example")


def test_a_password_is_the_same_however_its_letters_are_composed() -> None:
    passwords = Passwords(**CHEAP)
    assert passwords.fits("cafe\u0301 au lait", passwords.hash("caf\u00e9 au lait"))
    with pytest.raises(WeakPassword):
        check_password("ab" * (MOST // 2) + "c")


@pytest.mark.parametrize(
    "text", ["", "a", "@b", "a@", "a b@c.example", "a@b\n.example", "a@b\u202e", "x" * 260 + "@y.z"]
)
def test_what_is_no_address_is_none(text: str) -> None:
    with pytest.raises(AccountError):
        check_email(text)


# Sessions


def test_a_password_lets_in_and_signing_out_ends_it(house: House) -> None:
    house.make_owner()
    visitor = house.visitor()
    assert visitor.get("/").headers["location"] == "/sign-in"
    assert visitor.sign_in(email=OWNER.upper()).headers["location"] == "/"
    assert visitor.is_in()
    assert visitor.get("/sign-in").headers["location"] == "/"
    kept = dict(visitor.client.cookies)
    assert visitor.send("/sign-out", page="/start").headers["location"] == "/sign-in"
    assert not visitor.is_in()
    visitor.client.cookies.update(kept)
    assert not visitor.is_in(), "the session is gone from the server, not only from the browser"


def test_signing_in_makes_a_session_of_its_own(house: House) -> None:
    house.make_owner()
    visitor = house.visitor()
    visitor.proof()
    before = dict(visitor.client.cookies)
    visitor.sign_in()
    first = dict(visitor.client.cookies)
    assert first.keys() == before.keys() and first != before
    house.visitor().sign_in()
    other = house.visitor()
    other.client.cookies.update(first)
    assert other.is_in()
    csrf = other.proof("/start")
    assert other.send("/sign-in", {"email": OWNER, "password": PASSWORD}, csrf=csrf).status_code == 303
    stale = house.visitor()
    stale.client.cookies.update(first)
    assert not stale.is_in(), "whoever signs in again has left the session before"


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_the_cookie_is_for_this_host_alone_and_no_script_reads_it(house: House, tls: bool) -> None:
    house.make_owner()
    visitor = house.visitor(tls=tls)
    cookie = visitor.sign_in().headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Path=/" in cookie and "Domain" not in cookie
    assert ("Secure" in cookie) is tls
    assert cookie.startswith("__Host-truecount-" if tls else "truecount-")
    assert visitor.is_in()


def test_only_a_hash_of_the_session_is_kept(house: House) -> None:
    visitor = house.make_owner()
    (token,) = visitor.client.cookies.values()
    everything = b"".join(path.read_bytes() for path in house.folder.path.rglob("*") if path.is_file())
    assert token.encode() not in everything
    assert house.first.rpartition("/")[2].encode() not in everything
    assert PASSWORD.encode() not in everything
    assert (house.folder.path / "users.sqlite").stat().st_mode & 0o777 == 0o600
    assert (house.folder.path / "users.sqlite-wal").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("later_s", "lasts"), [(IDLE_S, True), (IDLE_S + 1, False)])
def test_a_session_that_nobody_uses_ends(house: House, later_s: int, lasts: bool) -> None:
    visitor = house.make_owner()
    house.clock.s += later_s
    assert visitor.is_in() is lasts


def test_a_session_that_is_used_goes_on_for_thirty_days_and_no_longer(house: House) -> None:
    visitor = house.make_owner()
    for _ in range(LONGEST_S // IDLE_S):
        house.clock.s += IDLE_S
        assert visitor.is_in()
    house.clock.s += 1
    assert not visitor.is_in()


def test_a_page_that_asks_by_itself_keeps_no_session_alive(house: House) -> None:
    visitor = house.make_owner()
    house.clock.s += IDLE_S - 10
    assert visitor.get("/", hx_request="true").status_code == 303
    house.clock.s += 11
    assert not visitor.is_in()


def test_a_part_of_a_page_whose_session_is_over_sends_the_page_to_sign_in(house: House) -> None:
    answer = house.visitor().get(
        "/d/77/start?part=checklist", hx_request="true", hx_current_url="http://count.example/d/77/start?x=1"
    )
    assert answer.status_code == 401
    assert answer.headers["hx-redirect"] == "/sign-in?next=%2Fd%2F77%2Fstart%3Fx%3D1"


def test_a_new_password_ends_all_sessions_and_the_old_password(house: House) -> None:
    visitor = house.make_owner()
    elsewhere = house.visitor()
    elsewhere.sign_in()
    path = house.users.reset(OWNER).path
    assert elsewhere.is_in(), "a link that is only made changes nothing"
    assert OWNER in visitor.get(path).text
    assert visitor.send(path, {"password": "another long one"}, page=path).headers["location"] == "/"
    assert visitor.is_in() and not elsewhere.is_in()
    assert elsewhere.sign_in().status_code == 401
    assert elsewhere.sign_in(password="another long one").status_code == 303
    assert house.visitor().get(path).status_code == 410


def test_of_an_old_password_nothing_is_left_in_any_file(house: House) -> None:
    visitor = house.make_owner()
    old = house.users.accounts.get(OWNER).password or ""

    def is_there(hash: str) -> bool:
        return any(hash.encode() in path.read_bytes() for path in house.folder.path.glob("users.sqlite*"))

    assert is_there(old)
    path = house.users.reset(OWNER).path
    visitor.send(path, {"password": "another long one"}, page=path)
    assert not is_there(old) and is_there(house.users.accounts.get(OWNER).password or "")


def test_a_disk_that_is_full_for_a_moment_is_no_reason_to_stop(house: House) -> None:
    def failing() -> None:
        with house.users.file.change() as database:
            database.execute("delete from links")
            database.execute("rollback")  # as SQLite itself does then
            raise RuntimeError

    with pytest.raises(RuntimeError):
        failing()
    house.make_owner()


def test_of_two_links_of_a_user_the_newer_one_works(house: House) -> None:
    house.make_owner()
    old, new = house.users.reset(OWNER).path, house.users.reset(OWNER).path
    assert [house.visitor().get(path).status_code for path in (old, new)] == [410, 200]


def test_a_password_hashed_at_other_costs_is_hashed_anew_at_sign_in(house: House) -> None:
    house.make_owner()
    visitor = house.visitor()
    visitor.sign_in()
    old = house.users.accounts.get(OWNER).password or ""
    house.users.passwords._made = argon2.PasswordHasher(**{**CHEAP, "time_cost": 2})
    assert house.visitor().sign_in().status_code == 303
    new = house.users.accounts.get(OWNER).password or ""
    assert ("t=1" in old, "t=2" in new) == (True, True)
    assert visitor.is_in(), "that is no reset"


# Where to go


@pytest.mark.parametrize(
    ("given", "goes"),
    [
        ("/d/77/start?x=1#y", "/d/77/start?x=1#y"),
        ("https://evil.example/", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("\\\\evil.example", "/"),
        ("/a\n/b", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
        (None, "/"),
        ("/" + "a" * 5000, "/"),
        (" /x", "/"),
    ],
)
def test_signing_in_leads_to_a_page_of_this_server(given: str | None, goes: str) -> None:
    assert safe_next(given) == goes


def test_after_signing_in_one_is_where_one_wanted_to_be(house: House) -> None:
    house.make_owner()
    visitor = house.visitor()
    answer = visitor.get("/start?x=%2F1")
    assert answer.headers["location"] == "/sign-in?next=%2Fstart%3Fx%3D%252F1"
    assert 'value="/start?x=%2F1"' in visitor.get(answer.headers["location"]).text
    assert visitor.sign_in(next="/start?x=%2F1").headers["location"] == "/start?x=%2F1"
    assert house.visitor().sign_in(next="//evil.example").headers["location"] == "/"


@pytest.mark.parametrize(
    ("headers", "back"),
    [
        ({"referer": "http://count.example/d/77/settings?saved=general"}, "/d/77/settings?saved=general"),
        ({"referer": "http://count.example/d/77/delete"}, "/d/77/settings"),
        ({"referer": "http://count.example/d/77/test/try"}, "/d/77/test"),
        ({"referer": "http://evil.example/d/77/settings"}, ""),
        ({"referer": "http://count.example//evil.example"}, ""),
        ({"referer": "http://[x"}, ""),
        ({}, ""),
    ],
)
def test_a_form_that_was_sent_when_the_session_was_over_is_told_to_be_lost(
    house: House, headers: dict[str, str], back: str
) -> None:
    visitor = house.make_owner()
    proof = visitor.proof("/start")
    house.clock.s += IDLE_S + 1
    answer = visitor.send("/d/77/settings", {"section": "general"}, csrf=proof, **headers)
    assert answer.status_code == 303
    page = visitor.get(answer.headers["location"]).text
    assert "Your session is over, and nothing was saved. Sign in to go on" in page
    assert f'name="next" value="{back or "/"}"' in page
    assert visitor.sign_in(next=back).headers["location"] == (back or "/")


def test_a_form_of_a_part_whose_session_is_over_is_told_to_be_lost_too(house: House) -> None:
    here = {"hx_request": "true", "hx_current_url": "http://count.example/d/77/test?code=A"}
    answer = house.visitor().send("/d/77/test/try", {"payload": "{}"}, csrf="x", **here)
    assert answer.headers["hx-redirect"] == "/sign-in?lost=form&next=%2Fd%2F77%2Ftest%3Fcode%3DA"


# Forms that are not ours


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://count.example:8080"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "none", "origin": "http://count.example"},
    ],
    ids=str,
)
def test_a_form_from_another_site_is_refused_even_with_the_proof(house: House, headers: dict[str, str]) -> None:
    owner = house.make_owner()
    answer = owner.send("/start", {"name": "Shop"}, page="/start", **headers)
    assert (answer.status_code, "Nothing was changed" in answer.text) == (403, True)
    assert house.manager.registry.datasets() == {}


@pytest.mark.parametrize("csrf", ["", "x", "A" * 88, "ünïcode"])
def test_a_form_without_the_proof_is_refused(house: House, csrf: str) -> None:
    owner = house.make_owner()
    for path in ("/start", "/sign-in", "/sign-out", house.first):
        assert owner.send(path, {"name": "Shop"}, csrf=csrf).status_code == 403
    assert house.manager.registry.datasets() == {} and owner.is_in()


def test_the_proof_of_another_session_is_none(house: House) -> None:
    owner = house.make_owner()
    other = house.visitor()
    other.sign_in()
    assert owner.send("/start", {"name": "Shop"}, csrf=other.proof("/start")).status_code == 403
    assert owner.send("/start", {"name": "Shop"}, csrf=house.visitor().proof()).status_code == 403


def test_a_proof_is_written_anew_each_time_and_each_is_good(house: House) -> None:
    owner = house.make_owner()
    first, second = owner.proof("/start"), owner.proof("/start")
    assert first != second
    assert owner.send("/start", {"name": "Shop"}, csrf=first).status_code == 303


def test_a_client_that_is_no_browser_gives_the_proof_in_a_header(house: House) -> None:
    owner = house.make_owner()
    headers = {"x-truecount-csrf": owner.proof("/start"), "accept": "application/json"}
    made = owner.client.post("/start", data={"name": "Shop"}, headers=headers)
    assert made.json()["token"].startswith("TC")


@pytest.mark.parametrize(("kind", "status"), [("application/json", 415), ("multipart/form-data; boundary=x", 415)])
def test_a_form_is_of_one_kind(house: House, kind: str, status: int) -> None:
    owner = house.make_owner()
    assert owner.client.post("/start", content=b"{}", headers={"content-type": kind}).status_code == status


def test_a_form_that_is_too_large_is_not_read(house: House) -> None:
    owner = house.make_owner()
    assert owner.send("/start", {"name": "x" * 70_000}, page="/start").status_code == 413
    many = {f"f{at}": "" for at in range(200)}
    assert owner.send("/start", many, page="/start").status_code == 400


# Who guesses


def test_the_answer_to_an_unknown_address_is_that_to_a_wrong_password(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.make_owner()
    asked: list[Any] = []
    fits = Passwords.fits

    def watched(self: Passwords, password: str, hash: str | None) -> bool:
        asked.append(hash)
        return fits(self, password, hash)

    monkeypatch.setattr(Passwords, "fits", watched)
    answers = [house.visitor().sign_in(email, "wrong wrong") for email in (OWNER, "nobody@brewbeans.example")]
    pages = [answer.text.replace(OWNER, "X").replace("nobody@brewbeans.example", "X") for answer in answers]
    cut = [page.partition('name="csrf"')[0] + page.partition("next")[2] for page in pages]
    assert [answer.status_code for answer in answers] == [401, 401] and cut[0] == cut[1]
    assert len(asked) == 2 and asked[1] is None, "a hash is checked for both"


def test_a_decoy_costs_what_a_password_costs() -> None:
    passwords = Passwords(**CHEAP)
    passwords.fits("x", None)
    assert passwords.hash("x").rpartition("$")[0].rpartition("$")[0] in passwords._decoy


def test_who_guesses_waits_longer_and_longer_and_a_minute_at_most(house: House) -> None:
    house.make_owner()
    guess = lambda: house.visitor().sign_in(password="wrong wrong")  # noqa: E731
    assert [guess().status_code for _ in range(ACCOUNT.free)] == [401] * ACCOUNT.free
    waits = []
    for _ in range(8):
        answer = guess()
        assert answer.status_code == 429
        waits.append(int(answer.headers["retry-after"]))
        house.clock.s += waits[-1]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert house.visitor().sign_in().status_code == 303, "then the right password lets in"
    assert guess().status_code == 401, "and all is forgiven"


def test_during_a_pause_even_the_right_password_is_not_looked_at_and_the_page_says_how_long(house: House) -> None:
    house.make_owner()
    for _ in range(ACCOUNT.free + 3):
        answer = house.visitor().sign_in(password="wrong wrong")
        house.clock.s += int(answer.headers.get("retry-after", 0))
    house.clock.s -= 3
    answer = house.visitor().sign_in()
    assert answer.status_code == 429 and "sign-in pauses for 3 seconds" in answer.text
    twin = house.visitor().send("/sign-in", {"email": OWNER, "password": PASSWORD}, accept="application/json")
    assert twin.json()["wait_s"] == 3


def test_a_one_time_link_lets_the_owner_in_whatever_others_guess(house: House) -> None:
    house.make_owner()
    for _ in range(ACCOUNT.free + 2):
        house.visitor().sign_in(password="wrong wrong")
    path = house.users.reset(OWNER).path
    visitor = house.visitor()
    assert visitor.send(path, {"password": "another long one"}, page=path).status_code == 303
    assert house.visitor().sign_in(password="another long one").status_code == 303


def test_an_address_that_tries_many_accounts_pauses_and_others_do_not(house: House) -> None:
    house.make_owner()
    for at in range(ADDRESS.free):
        assert house.visitor("198.51.100.9").sign_in(f"user-{at}@mail.example").status_code == 401
    assert house.visitor("198.51.100.9").sign_in("one-more@mail.example").status_code == 429
    assert house.visitor("198.51.100.9").sign_in().status_code == 429
    assert house.visitor("198.51.100.10").sign_in().status_code == 303


def test_addresses_of_one_network_of_version_6_are_one() -> None:
    clock = iter(range(10_000))
    throttle = Throttle(lambda: float(next(clock)))
    for at in range(ADDRESS.free + 5):
        throttle.begin(f"{at}@mail.example", f"2001:db8:1:2::{at + 1:x}")
    assert throttle.wait_s("new@mail.example", "2001:db8:1:2:ffff::1") > 0
    assert throttle.wait_s("new@mail.example", "2001:db8:1:3::1") == 0


def test_a_pause_of_an_address_is_a_quarter_of_an_hour_at_most_and_ends_in_an_hour() -> None:
    now = [0.0]
    throttle = Throttle(lambda: now[0])
    for at in range(60):
        throttle.begin(f"{at}@mail.example", "192.0.2.1")
    assert throttle.wait_s("x@mail.example", "192.0.2.1") == ADDRESS.most_s
    now[0] += FORGET_S + 1
    throttle.begin("x@mail.example", "192.0.2.1")
    assert throttle.wait_s("x@mail.example", "192.0.2.1") == 0


def test_a_user_of_ones_own_buys_no_guesses_at_others() -> None:
    throttle = Throttle(lambda: 0.0)
    for at in range(ADDRESS.free + 1):
        throttle.begin(f"{at}@mail.example", "192.0.2.1")
        throttle.begin("own@mail.example", "192.0.2.1")
        throttle.succeeded("own@mail.example", "192.0.2.1")
    assert throttle.wait_s("x@mail.example", "192.0.2.1") > 0


def test_what_is_remembered_of_guesses_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("truecount.manager.users.throttle.MOST", 100)
    throttle = Throttle(lambda: 0.0)
    for at in range(1000):
        throttle.begin(f"{at}@mail.example", f"192.0.2.{at % 250}")
    assert len(throttle._tallies) == 100


# The file


def test_users_and_sessions_outlive_what_is_rebuilt_from_the_log(house: House) -> None:
    visitor = house.make_owner()
    house.manager.registry.close()
    for path in house.folder.path.glob("control.sqlite*"):
        path.unlink()
    house.manager.registry = Registry.open(house.folder.path)
    assert visitor.is_in() and house.visitor().sign_in().status_code == 303


def test_a_damaged_file_of_users_is_told_in_words(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.users.close()
    for path in house.folder.path.glob("users.sqlite-*"):
        path.unlink()
    (house.folder.path / "users.sqlite").write_bytes(b"no database" * 1000)
    with house.open():
        answer = house.visitor().get("/sign-in")
        assert (answer.status_code, "is damaged" in answer.text) == (503, True)
        assert house.visitor().get("/healthz").status_code == 200


def test_a_newer_format_of_users_is_left_alone(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.users.close()
    with sqlite3.connect(house.folder.path / "users.sqlite") as database:
        database.execute(f"pragma user_version = {FORMAT + 1}")
    with house.open():
        assert "use a newer one" in house.visitor().get("/sign-in").text


def test_a_backup_has_the_users_and_no_session_and_no_link(house: House, tmp_path: Path) -> None:
    house.make_owner()
    house.users.reset(OWNER)
    backup(house.folder.path, tmp_path / "copy")
    assert (tmp_path / "copy" / "users.sqlite").stat().st_mode & 0o777 == 0o600
    copy = Users(tmp_path / "copy")
    assert copy.accounts.get(OWNER).password == house.users.accounts.get(OWNER).password
    assert copy.file.rows("select count(*) from sessions union all select count(*) from links") == [(0,), (0,)]
    copy.close()


def test_a_link_that_enters_signs_in_once_and_leads_on_who_is_in(tmp_path: Path) -> None:
    with House(tmp_path).open() as house:
        house.make_owner()
        path = house.users.entrance(OWNER).path
        first, second = house.visitor(), house.visitor("203.0.113.8")
        answer = first.get(path)
        assert (answer.status_code, answer.headers["location"], first.is_in()) == (303, "/", True)
        assert first.get(path).headers["location"] == "/"
        assert (second.get(path).status_code, second.is_in()) == (410, False)


def test_a_link_for_a_password_does_not_enter_nor_the_other_way_round(tmp_path: Path) -> None:
    with House(tmp_path).open() as house:
        house.make_owner()
        visitor = house.visitor()
        password = house.users.reset(OWNER).path
        assert visitor.get(password.replace("/new-password/", "/enter/")).status_code == 410
        assert visitor.get(password).status_code == 200
        entrance = house.users.entrance(OWNER).path
        assert visitor.get(entrance.replace("/enter/", "/new-password/")).status_code == 410
        house.clock.s += 25 * 3600
        assert (visitor.get(entrance).status_code, visitor.is_in()) == (410, False)
