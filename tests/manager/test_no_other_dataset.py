"""No user and no token ever reads another dataset, whatever is asked for: not a byte of what is its own comes back.

All that belongs to a dataset holds its secret word, which no request names. Ids, offsets and cursors of all datasets
are known to who asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.manager.house import House, Visitor
from tests.manager.secrets_of import copies_of, secret_of
from tests.manager.test_house import HOUSE
from tests.resolve.loading import empty_store, load, rows_of
from truecount.datasets import DatasetSettings
from truecount.manager import boxes, static_files
from truecount.manager.users.accounts import Role
from truecount.manager.who import cookie_name

DATASETS = ("77", "78", "79")
ROUTES = sorted(path for method, path in HOUSE if method == "GET")
STATIC = static_files.address("icon.svg").rpartition("/")[2]
KEYS = (
    "event", "name", "id", "order", "fbp", "em", "external_id", "at", "since", "until", "door", "rule", "outcome",
    "after", "before", "format", "table", "part", "action", "code", "page", "state", "saved", "q", "dataset",
    "since_us", "until_us", "event_name", "event_id", "now_us",
)  # fmt: skip
WORDS = (
    "Purchase", "PageView", "7d", "24h", "2026-01-01", "html", "json", "csv", "both", "browser_only", "server_only",
    "refused", "withheld", "newest", "bars", "parameters", "match-keys", "duplicates", "checklist", "action", "open",
    "muted", "event_id", "first_received", "%", "_", "' or 1=1 --", "../78", "78", "79", "77", "", "0", "9" * 16,
)  # fmt: skip


OF_A_LOADER = ("/readyz", "/metrics")
"""Ask the loader too, which the engines of tests have not."""


def fill(house: House) -> None:
    for id in DATASETS:
        word = secret_of(id)
        chosen = DatasetSettings(blocked_domains=(f"{word}.example",), sensitive_words=(word,))
        house.manager.registry.create(f"Shop {word}", id=id, settings=chosen)
        house.manager.registry.change(id, name=f"Store {word}")
        house.users.reading.add(f"Reads {word}", id)
        house.users.mutes.mute(id, ("purchase-without-value", (word,)), by=f"owner@{word}.example", reason=word)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with pytest.MonkeyPatch.context() as patch, House(tmp_path_factory.mktemp("bare")).open() as house:
        patch.setattr(boxes, "PATIENCE_S", 0.0)
        house.app.state.live.close()  # a stream ends at once
        house.make_owner()
        fill(house)
        yield house


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """With a store that holds copies of all datasets."""
    with (
        pytest.MonkeyPatch.context() as patch,
        empty_store(tmp_path_factory.mktemp("store")) as store,
        House(tmp_path_factory.mktemp("full")).open() as house,
    ):
        patch.setattr(house.manager.link, "store", lambda: store)
        house.app.state.live.close()
        house.make_owner()
        fill(house)
        load(store, rows_of([copy for id in DATASETS for copy in copies_of(id)]))
        yield house


def known(house: House, *, is_full: bool) -> list[str]:
    """What everybody may ask for: ids of all datasets, and the offsets and cursors that an owner's pages hold."""
    found = {copy.event_id for id in DATASETS for copy in copies_of(id)}
    found |= {copy.order_id for id in DATASETS for copy in copies_of(id)}
    found |= {copy.fbp for id in DATASETS for copy in copies_of(id)}
    found |= {(id.encode() * 16).hex() for id in DATASETS}
    found |= {f"d1:{seq}:0" for seq in range(1, 30)}
    if is_full:
        owner = house.visitor()
        owner.sign_in()
        for id in DATASETS:
            for path in (f"/d/{id}", f"/d/{id}/actions", f"/d/{id}/test", f"/d/{id}/event?name=Purchase"):
                for link in re.findall(r'(?:href|hx-get)="([^"]+)"', owner.get(path).text):
                    found |= {value for _, value in parse_qsl(urlsplit(link.replace("&amp;", "&")).query)}
    return sorted(text for text in found if text and not any(secret_of(id) in text for id in DATASETS))


def visitor_of(house: House, kind: str, access: tuple[str, ...]) -> Visitor:
    """Who may see these datasets alone: an analyst with a session, or a script with a token of one."""
    visitor = house.visitor()
    if kind == "token" and len(access) == 1:
        _, secret = house.users.reading.add("A script", access[0])
        visitor.client.headers["authorization"] = f"Bearer {secret}"
    elif kind != "nobody":
        n = len(house.users.accounts.all())
        user = house.users.accounts.add(f"user{n}@mail.example", Role.ANALYST, access)
        mark = house.users.sessions.begin(user)
        visitor.client.cookies.set(cookie_of(house), mark)
    return visitor


def cookie_of(house: House) -> str:
    """The name that this server's cookie has over plain http."""
    return cookie_name(cast("Any", SimpleNamespace(app=house.app, headers={})))


def requests_of(known: list[str]) -> st.SearchStrategy[tuple[str, list[tuple[str, str]], str]]:
    values = st.sampled_from([*known, *WORDS])
    parts = st.fixed_dictionaries(
        {
            "dataset": st.sampled_from([*DATASETS, *DATASETS, "none", "77%2f..%2f78"]),
            "id": st.sampled_from(DATASETS),
            "name": st.just(STATIC),
            "once": values,
            "digest": st.just("00"),
            "event_name": values,
            "names": st.tuples(values, values).map("/".join),
        }
    )
    path = st.tuples(st.sampled_from(ROUTES), parts).map(
        lambda drawn: re.sub(r"\{(\w+):(?:str|path)\}", lambda found: drawn[1][found[1]], drawn[0])
    )
    query = st.lists(st.tuples(st.sampled_from(KEYS), values), max_size=5)
    return st.tuples(path, query, st.sampled_from(["text/html", "application/json", "*/*"]))


def look(house: House, ids: list[str], examples: int, requests: int) -> int:
    """Draw who asks, and what. Returns how many answers were more than a refusal."""
    answered = 0

    @settings(
        max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=[*HealthCheck]
    )
    @given(
        st.sampled_from(["analyst", "token", "analyst", "nobody"]),
        st.lists(st.sampled_from(DATASETS), max_size=2, unique=True).map(tuple),
        st.lists(requests_of(ids), min_size=requests, max_size=requests),
    )
    def ask(kind: str, access: tuple[str, ...], asked: list[tuple[str, Any, str]]) -> None:
        nonlocal answered
        visitor = visitor_of(house, kind, access)
        may_see = () if kind == "nobody" else access
        for path, query, accept in asked:
            try:
                answer = visitor.client.get(path, params=query, headers={"accept": accept}, follow_redirects=False)
            except (httpx.InvalidURL, UnicodeError):
                continue  # no client can send that
            told = f"{answer.status_code} {answer.headers} {answer.text}"
            for id in DATASETS:
                assert id in may_see or secret_of(id) not in told, (path, query, accept, kind, access)
            answered += answer.status_code == 200
            if path not in OF_A_LOADER:
                assert answer.status_code < 500 or answer.status_code == 503, (path, query, answer.text)

    ask()
    return answered


def test_no_answer_holds_a_word_of_another_dataset(house: House) -> None:
    assert look(house, known(house, is_full=False), 15, 8) > 10


@pytest.mark.slow
def test_no_answer_holds_a_word_of_what_another_dataset_received(full: House) -> None:
    assert look(full, known(full, is_full=True), 60, 10) > 60


@pytest.mark.slow
def test_who_may_see_a_dataset_is_told_its_words_so_the_others_would_be_noticed(full: House) -> None:
    visitor = visitor_of(full, "analyst", ("78",))
    word = secret_of("78")
    for path in ("/", "/d/78", "/d/78/actions", "/d/78/explain?event=Purchase&id=sale-78-1", "/d/78/test",
                 "/d/78/event?name=Purchase", "/d/78/diagnostics?state=muted", "/d/78/start"):  # fmt: skip
        answer = visitor.get(path)
        assert word in (answer.text if answer.status_code == 200 else visitor.get(path, accept="application/json").text)
