"""Flags of a command: no abbreviations, and a TRUECOUNT_ variable for each."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from truecount.settings import BY_NAME, WrongSetting, read_settings

TRUE: Final = frozenset({"1", "true", "yes", "on"})
FALSE: Final = frozenset({"0", "false", "no", "off", ""})
FORMATS: Final = ("table", "json", "csv")


class Parser(argparse.ArgumentParser):
    """A parser whose flags are read from variables where they are not given. Wrong use exits 2."""

    def __init__(self, command: str, description: str, environ: Mapping[str, str] = os.environ, **options: Any) -> None:
        super().__init__(
            prog=f"truecount {command}",
            description=description,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **options,
        )
        self.environ = environ
        self._choices: list[tuple[str, str, tuple[str, ...]]] = []

    def flag(self, name: str, *, help: str, **options: Any) -> None:
        """Add `--name`. Its variable is TRUECOUNT_NAME; flags without a value take 1 or 0 there."""
        variable = "TRUECOUNT_" + name.lstrip("-").replace("-", "_").upper()
        text = self.environ.get(variable)
        if text is not None:
            options["required"] = False
            if options.get("action") == "store_true":
                if text.lower() not in TRUE | FALSE:
                    self.error(f"{variable} = {text!r}: wanted 1 or 0")
                options["default"] = text.lower() in TRUE
            else:
                options["default"] = text
                choices = options.get("choices")
                if choices and text not in choices:
                    self.error(f"{variable} = {text!r}: wanted one of {', '.join(choices)}")
        self.add_argument(name, help=f"{help} [{variable}]".replace("%", "%%"), **options)

    def data_flag(self) -> None:
        """--data, which every command takes."""
        self.flag("--data", metavar="DIR", help=f"data folder (default {BY_NAME['data'].default})")

    def format_flag(self, formats: Sequence[str] = FORMATS) -> None:
        self.flag("--format", choices=tuple(formats), default="table", help="how to write the answer (default table)")

    def read(self, arguments: Sequence[str]) -> argparse.Namespace:
        return self.parse_args(list(arguments))

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n`{self.prog} --help` tells more.\n")


def folder_of(given: str | None) -> Path:
    """The data folder a command means: flag, variable, truecount.toml, default. WrongUse when one cannot be used."""
    from truecount.cli import WrongUse

    try:
        return read_settings({"data": given} if given else {}).folder
    except WrongSetting as error:
        raise WrongUse(str(error)) from None
