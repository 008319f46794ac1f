"""The settings of `truecount serve`: one table that the command line, the docs and all processes read.

A value is looked for at four places, the first one found counts: the flag, the variable, the key in `truecount.toml`
(in the folder where the command runs, or the file that --config names), the default. A wrong value is refused at start
with its name. `python -m truecount.settings --markdown` writes docs/settings.md.

This module is imported by every process at its start, so it imports next to nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

CONFIG_FILE: Final = "truecount.toml"


class WrongSetting(ValueError):
    """A value that cannot be used. The text names the setting, where the value came from, and what is wanted."""


class Setting(NamedTuple):
    """One setting. `zero` says what 0 or an empty value means, "" where that is nothing special."""

    name: str
    """Key in truecount.toml, and attribute of Settings."""
    default: str | int
    unit: str
    help: str
    zero: str = ""
    check: Callable[[str], str | int] | None = None
    """Reads the text; ValueError (with a text that says what is wanted) when it is no value of this setting."""

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return "TRUECOUNT_" + self.name.upper()

    def read(self, value: object, place: str) -> Any:
        """The value that a text (or a TOML value) stands for. WrongSetting names this setting and the place."""
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise WrongSetting(f"{place}: {self.name} wants {self.wanted}")
        try:
            if self.check:
                return self.check(str(value))
            return int(value) if isinstance(self.default, int) else str(value)
        except ValueError as error:
            wanted = self.wanted if type(self.default) is int and not self.check else str(error)
            raise WrongSetting(f"{place}: {self.name} = {value!r} cannot be used; wanted: {wanted}") from None

    @property
    def wanted(self) -> str:
        return "a whole number" if isinstance(self.default, int) else "text"


def between(least: int, most: int) -> Callable[[str], int]:
    """A check for a whole number, both ends included."""

    def check(text: str) -> int:
        wanted = f"a whole number from {least} to {most}"
        try:
            number = int(text)
        except ValueError:
            raise ValueError(wanted) from None
        if not least <= number <= most:
            raise ValueError(wanted)
        return number

    return check


def a_file(text: str) -> str:
    """A file that is there and can be read, or nothing."""
    if text and not os.access(text, os.R_OK):
        raise ValueError("a file that can be read")
    return text


def addresses(text: str) -> str:
    """Addresses and networks, separated by commas."""
    if text:
        from ipaddress import ip_network  # rarely needed, and its import is not free

        for part in text.split(","):
            try:
                ip_network(part.strip(), strict=False)
            except ValueError:
                raise ValueError("addresses or networks, separated by commas (10.0.0.5, 10.1.0.0/16)") from None
    return ",".join(part.strip() for part in text.split(",")) if text else ""


def embedded_alone(text: str) -> str:
    """Other logs and stores come with later versions."""
    if text:
        raise ValueError("nothing: this version knows the embedded one alone")
    return text


SETTINGS: Final[tuple[Setting, ...]] = (
    Setting("data", "truecount-data", "folder", "Data folder: log, store and datasets. Made when it is not there."),
    Setting("host", "127.0.0.1", "address", "Address to listen on; 0.0.0.0 or :: for all.", "", None),
    Setting(
        "port",
        8000,
        "port",
        "Port to listen on.",
        "0: a free one, told on stderr and in run/serve.json",
        between(0, 65535),
    ),
    Setting(
        "doors",
        0,
        "processes",
        "Processes that collect events. More than cores gains nothing.",
        "0: as many as the machine has cores, at most 4",
        between(0, 64),
    ),
    Setting("store", "", "DSN", "Store for queries.", "empty: the embedded one, in the data folder", embedded_alone),
    Setting("log", "", "DSN", "Durable log.", "empty: the embedded one, in the data folder", embedded_alone),
    Setting("tls_cert", "", "file", "Certificate chain (PEM): serve https. Wants tls_key too.", "empty: http", a_file),
    Setting("tls_key", "", "file", "Private key (PEM) of tls_cert.", "", a_file),
    Setting(
        "trusted_proxy",
        "",
        "addresses",
        "Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed: addresses or networks, commas between.",
        "empty: none is, the peer's own address counts",
        addresses,
    ),
    Setting(
        "max_body_bytes",
        10_000_000,
        "bytes",
        "Largest body of a request, decoded. Larger ones get 413.",
        "",
        between(1_000, 1_000_000_000),
    ),
    Setting(
        "queue_mb",
        64,
        "MB",
        "Events that a door holds in memory while the disk is slow. Beyond it answers 503.",
        "",
        between(1, 100_000),
    ),
    Setting(
        "reserve_mb",
        256,
        "MB",
        "Space kept free on the disk. With less, doors answer 503 and store nothing.",
        "0: no reserve, until the disk is full",
        between(0, 10_000_000),
    ),
    Setting(
        "address_days",
        7,
        "days",
        "How long full addresses and user agents are kept beside the log, for forwarding.",
        "0: until their file is sealed, a day at most",
        between(0, 90),
    ),
    Setting(
        "engine_memory_mb",
        0,
        "MB",
        "Memory that the engine may use for queries.",
        "0: half of the machine's memory",
        between(0, 10_000_000),
    ),
    Setting(
        "query_limit_s",
        30,
        "seconds",
        "Longest time that a query of a report may take.",
        "0: no limit",
        between(0, 86_400),
    ),
    Setting(
        "hang_limit_s",
        30,
        "seconds",
        "A process that answers no health check for so long is killed and started again.",
        "0: never",
        between(0, 86_400),
    ),
    Setting(
        "rolled_from",
        200_000,
        "copies",
        "Copies of a dataset from which on its pages read rolled-up counts. Fewer are counted in full each time.",
        "1: always",
        between(1, 1 << 62),
    ),
    Setting(
        "canary_s",
        60,
        "seconds",
        "Time between two canaries: marked events through each door to the count, which count nowhere.",
        "0: none is sent",
        between(0, 60),
    ),
)
BY_NAME: Final = {setting.name: setting for setting in SETTINGS}


class Settings(NamedTuple):
    """The values in force. Fields are those of the table, in its order (a test compares)."""

    data: str
    host: str
    port: int
    doors: int
    store: str
    log: str
    tls_cert: str
    tls_key: str
    trusted_proxy: str
    max_body_bytes: int
    queue_mb: int
    reserve_mb: int
    address_days: int
    engine_memory_mb: int
    query_limit_s: int
    hang_limit_s: int
    rolled_from: int
    canary_s: int

    @property
    def folder(self) -> Path:
        return Path(self.data)

    def number_of_doors(self) -> int:
        return self.doors or min(len(os.sched_getaffinity(0)), 4)

    def variables(self) -> dict[str, str]:
        """These values as variables, so that a child process reads the same ones."""
        return {setting.variable: str(getattr(self, setting.name)) for setting in SETTINGS}


def read_settings(
    flags: Mapping[str, object] | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    config: Path | None = None,
) -> Settings:
    """The values in force: flag, variable, file, default. A flag that is None was not given.

    WrongSetting for a value that cannot be used, an unknown key in the file, or a file that cannot be read.
    """
    flags = flags or {}
    written = _written(config, environ)
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        if flags.get(setting.name) is not None:
            values[setting.name] = setting.read(flags[setting.name], setting.flag)
        elif setting.variable in environ:
            values[setting.name] = setting.read(environ[setting.variable], setting.variable)
        elif setting.name in written:
            values[setting.name] = setting.read(written[setting.name], CONFIG_FILE)
        else:
            values[setting.name] = setting.default
    settings = Settings(**values)
    if bool(settings.tls_cert) != bool(settings.tls_key):
        raise WrongSetting("tls_cert and tls_key go together: one of them is missing")
    return settings


def _written(config: Path | None, environ: Mapping[str, str]) -> dict[str, object]:
    """What the file says, {} where none is there and none was asked for."""
    named = config or (Path(environ["TRUECOUNT_CONFIG"]) if environ.get("TRUECOUNT_CONFIG") else None)
    path = named or Path(CONFIG_FILE)
    if not named and not path.is_file():
        return {}
    import tomllib  # only where there is a file

    try:
        with path.open("rb") as file:
            written = tomllib.load(file)
    except OSError as error:
        raise WrongSetting(f"{path} cannot be read: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise WrongSetting(f"{path} is no TOML: {error}") from None
    for key in written:
        if key not in BY_NAME:
            raise WrongSetting(f"{path}: {key} is no setting; known: {', '.join(BY_NAME)}")
    return written


def help_of(setting: Setting) -> str:
    """The line that `serve --help` shows: meaning, unit, default, what 0 means, variable."""
    default = str(setting.default) if setting.default != "" else "empty"
    zero = f" {setting.zero}." if setting.zero else ""
    return f"{setting.help}{zero} [{setting.unit}; default {default}; {setting.variable}]"


def markdown() -> str:
    """docs/settings.md."""
    lines = [
        "# Settings",
        "",
        "Generated from truecount/settings.py by `python -m truecount.settings --markdown`; do not edit by hand.",
        "",
        "A value is looked for at four places, the first one found counts: the flag of `truecount serve`, the",
        "variable, the key in `truecount.toml` (in the folder where the command runs, or the file that `--config` or",
        "`TRUECOUNT_CONFIG` names), the default. A wrong value is refused at start with its name.",
        "",
        "| flag | variable | key in truecount.toml | default | unit | meaning | 0 or empty |",
        "|---|---|---|---|---|---|---|",
    ]
    for setting in SETTINGS:
        default = f"`{setting.default}`" if setting.default != "" else "empty"
        lines.append(
            f"| `{setting.flag}` | `{setting.variable}` | `{setting.name}` | {default} | {setting.unit} "
            f"| {setting.help} | {setting.zero} |"
        )
    return "\n".join([*lines, "", *_dataset_lines(), ""])


def _dataset_lines() -> list[str]:
    """The settings of a dataset, from the docstrings beside the fields of datasets.DatasetSettings."""
    import ast
    import inspect

    from truecount import datasets

    lines = [
        "## Settings of a dataset",
        "",
        "Shown by `truecount dataset list --format json`, changed by `truecount dataset set ID key=value ...`.",
        "A change is a record in the log, and holds for every event received after it; `count_bots`, `count_tools`,",
        "`count_tests` and `time_zone` for all that is stored too.",
        "",
        "| key | default | meaning |",
        "|---|---|---|",
    ]
    body = ast.parse(inspect.getsource(datasets.DatasetSettings)).body[0]
    assert isinstance(body, ast.ClassDef)
    defaults = datasets.DatasetSettings()
    for field, text in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            assert isinstance(text.value, ast.Constant)
            name = field.target.id
            value = getattr(defaults, name)
            shown = (
                f"`{str(value).lower() if isinstance(value, bool) else value}`" if value not in {"", ()} else "empty"
            )
            lines.append(f"| `{name}` | {shown} | {' '.join(str(text.value.value).split())} |")
    return lines


if __name__ == "__main__":
    import sys

    sys.stdout.write(markdown())
