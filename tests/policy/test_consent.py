"""What an event with denied consent keeps."""

from __future__ import annotations

import pytest

from truecount.copies import FIELDS
from truecount.datasets import DatasetSettings
from truecount.policy.consent import LIMITED_BLANK, LIMITED_KEEPS, consent_of, fate_of, is_ldu, page_of
from truecount.vocabulary import DIGEST_KEYS


@pytest.mark.parametrize(
    ("consent", "default", "denied", "fate"),
    [
        ("", "granted", "limit", "keep"),
        ("granted", "denied", "limit", "keep"),
        ("denied", "granted", "limit", "limit"),
        ("denied", "granted", "withhold", "withhold"),
        ("", "denied", "limit", "limit"),
        ("", "denied", "withhold", "withhold"),
        ("granted", "denied", "withhold", "keep"),
    ],
)
def test_what_was_said_decides_and_else_the_dataset(consent: str, default: str, denied: str, fate: str) -> None:
    settings = DatasetSettings(consent_default=default, denied_events=denied)  # type: ignore[arg-type]
    assert fate_of(consent, settings) == fate


@pytest.mark.parametrize(
    ("said", "consent"),
    [
        ("granted", "granted"),
        (" Denied ", "denied"),
        ("revoke", "denied"),
        ("grant", "granted"),
        ("yes", "granted"),
        ("no", "denied"),
        (False, "denied"),
        ("perhaps", ""),
        (1, ""),
        (None, ""),
    ],
)
def test_consent_is_read_from_few_words(said: object, consent: str) -> None:
    assert consent_of(said) == consent


def test_a_limited_copy_keeps_no_identifier_and_no_address() -> None:
    assert set(LIMITED_KEEPS) | set(LIMITED_BLANK) == set(FIELDS)
    assert {*DIGEST_KEYS, "fbp", "fbc", "other_keys", "address", "weak", "order_id", "custom_data", "extra",
            "referrer", "campaign", "browser"} <= set(LIMITED_BLANK)  # fmt: skip


def test_a_limited_page_has_no_query_and_no_fragment() -> None:
    assert page_of("https://s.example/a?b=1#c") == page_of("https://s.example/a#c?b") == "https://s.example/a"


def test_limited_data_use_is_asked_for_by_its_name() -> None:
    assert is_ldu("LDU")
    assert is_ldu("X,ldu")
    assert not is_ldu("")
