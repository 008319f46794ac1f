"""The answers of the manager's API and of commands that open a folder themselves: the same functions for both.

Shapes are the fixed interface: keys may be added, those that are there stay.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, get_args, get_origin, get_type_hints

import msgspec

from truecount.datasets import Dataset, DatasetSettings
from truecount.manager.users.accounts import User
from truecount.policy.permissions import domain_entry, origin_entry
from truecount.policy.sensitive import MOST, check_word
from truecount.store.errors import QueryFailed, QueryTooHeavy, StoreError
from truecount.store.trouble import DAMAGED, REPLAY

encode: Final = msgspec.json.Encoder(decimal_format="string").encode
"""JSON of an answer: keys in the order of the struct, so that the same facts give the same bytes."""


class DatasetView(msgspec.Struct):
    """A dataset as `dataset list` shows it. Tokens are kept as hashes alone: only their number is told."""

    id: str
    name: str
    created: str
    tokens: int
    settings: DatasetSettings


class DatasetMade(msgspec.Struct):
    """The answer to `dataset create`: the token is shown this once."""

    id: str
    name: str
    token: str


class CreateDataset(msgspec.Struct, forbid_unknown_fields=True):
    """Body of POST /api/datasets."""

    name: str
    id: str | None = None
    token: str | None = None


class ChangeDataset(msgspec.Struct, forbid_unknown_fields=True):
    """Body of PATCH /api/datasets/{id}: settings as texts, as a person types them."""

    settings: dict[str, str] = {}
    name: str | None = None


class UserView(msgspec.Struct):
    """A user as `user list` shows it."""

    email: str
    role: str
    created: str
    has_password: bool
    """Whether the one-time link was used."""
    datasets: list[str] | None
    """Those that the user may see; None: every one."""


class NewUser(msgspec.Struct, forbid_unknown_fields=True):
    """Body of POST /api/users."""

    email: str
    role: str | None = None
    datasets: list[str] | None = None


class ResetUser(msgspec.Struct, forbid_unknown_fields=True):
    """Body of POST /api/users/link."""

    email: str
    enters: bool = False
    """The link signs in, instead of setting a password."""


class NewReadingToken(msgspec.Struct, forbid_unknown_fields=True):
    """Body of POST /api/tokens."""

    name: str
    dataset: str | None = None
    """The one that it reads; None: every one."""


class WhichToken(msgspec.Struct, forbid_unknown_fields=True):
    """Body of POST /api/tokens/revoke."""

    id: str


class WhichUser(msgspec.Struct, forbid_unknown_fields=True):
    """Body of POST /api/users/remove."""

    email: str


class ReadingTokenMade(msgspec.Struct):
    """A new reading token: its secret is shown this once."""

    id: str
    name: str
    dataset: str | None
    token: str


class LinkMade(msgspec.Struct):
    """The answer to `user add` and `user reset`: the link is shown this once."""

    email: str
    role: str
    path: str
    """What follows the server's address."""


def in_words(error: StoreError) -> str:
    """What went wrong with a question. The engine's own text may hold parts of it, and is not told."""
    if isinstance(error, QueryTooHeavy):
        return f"the question is too heavy for the engine (code {error.code}): ask for less, or raise --query-limit-s"
    if isinstance(error, QueryFailed) and error.code in DAMAGED:
        return f"the store is damaged (code {error.code}): {REPLAY}"
    if isinstance(error, QueryFailed):
        return f"the engine refused the question (code {error.code}); please report it"
    return str(error)


def view_of_user(user: User) -> UserView:
    datasets = None if user.every_dataset or user.is_owner else list(user.datasets)
    return UserView(user.email, str(user.role), time_of(user.created_us), user.password is not None, datasets)


def time_of(us: int) -> str:
    """Microseconds since 1970 as the interface writes times, to the second."""
    return datetime.fromtimestamp(us / 1e6, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def view_of(dataset: Dataset) -> DatasetView:
    return DatasetView(
        id=dataset.id,
        name=dataset.name,
        created=time_of(dataset.created_us),
        tokens=len(dataset.token_hashes),
        settings=dataset.settings,
    )


def changed_settings(old: DatasetSettings, texts: dict[str, str]) -> DatasetSettings:
    """Settings with some replaced by what a person typed (lists with commas). ValueError names a wrong one."""
    hints = get_type_hints(DatasetSettings)
    values: dict[str, Any] = {}
    for name, text in texts.items():
        hint = hints.get(name)
        if hint is None:
            raise ValueError(
                f"{name} is no setting of a dataset; known: {', '.join(DatasetSettings.__struct_fields__)}"
            )
        values[name] = _read(name, hint, text.strip())
    return msgspec.structs.replace(old, **values)


def _read(name: str, hint: Any, text: str) -> Any:
    if hint is bool:
        if text.lower() not in {"true", "false", "1", "0", "yes", "no", "on", "off"}:
            raise ValueError(f"{name} = {text!r}: wanted true or false")
        return text.lower() in {"true", "1", "yes", "on"}
    if get_origin(hint) is tuple:
        found = tuple(dict.fromkeys(_entry(name, part.strip()) for part in text.split(",") if part.strip()))
        if name == "sensitive_words" and len(found) > MOST:
            raise ValueError(f"{name}: wanted {MOST} at most")
        return found
    if hint is not str:
        choices = get_args(hint)
        if text not in choices:
            raise ValueError(f"{name} = {text!r}: wanted one of {', '.join(choices)}")
    if name == "time_zone":
        return _zone(text or "UTC")
    return _country(text) if name == "country" and text else text


def _entry(name: str, text: str) -> str:
    """One entry of a list of origins, domains or words, as it is compared."""
    if name == "sensitive_words":
        try:
            return check_word(text)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    is_origin = name == "allowed_origins"
    entry = origin_entry(text) if is_origin else domain_entry(text)
    if not entry:
        wanted = "an origin, as in https://shop.example" if is_origin else "a domain, as in shop.example"
        raise ValueError(f"{name}: {text!r} would never match; wanted {wanted}")
    return entry


def _zone(text: str) -> str:
    from zoneinfo import available_timezones

    if text not in available_timezones():
        raise ValueError(f"time_zone = {text!r}: wanted an IANA name, as in Asia/Kolkata or Europe/Berlin")
    return text


def _country(text: str) -> str:
    import pycountry
    from phonenumbers import SUPPORTED_REGIONS

    code = text.upper()
    if code not in SUPPORTED_REGIONS and not (len(code) == 2 and pycountry.countries.get(alpha_2=code)):
        raise ValueError(f"country = {text!r}: wanted the two letters of a country in ISO 3166, as in IN, or nothing")
    return code
