"""truecount serve: everything, in one go."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from truecount.cli import CommandFailed, WrongUse
from truecount.settings import SETTINGS, Settings, WrongSetting, help_of, read_settings

if TYPE_CHECKING:
    from truecount.commands.flags import Parser

ABOUT: Final = """\
Run the whole server: doors that collect, the durable log, the store and the manager, on one port.

Ends at TERM or INT, and answers nothing with yes that is not on disk. All words go to stderr."""


def run(arguments: Sequence[str]) -> int:
    settings = settings_of(arguments)
    from truecount.listening import CannotServe, CannotUse
    from truecount.supervisor import serve

    try:
        return serve(settings)
    except CannotUse as error:
        raise WrongUse(str(error)) from None
    except CannotServe as error:
        raise CommandFailed(str(error)) from None


def settings_of(arguments: Sequence[str]) -> Settings:
    """Read the flags of `serve` from the settings table. WrongUse names a setting that cannot be used."""
    parser = parser_of()
    given = vars(parser.parse_args(list(arguments)))
    config = given.pop("config")
    try:
        return read_settings(given, config=Path(config) if config else None)
    except WrongSetting as error:
        raise WrongUse(str(error)) from None


def parser_of() -> Parser:
    """The flags of `serve`: one for each setting."""
    from truecount.commands.flags import Parser

    parser = Parser("serve", ABOUT)
    parser.add_argument("--config", metavar="FILE", help="settings file (default truecount.toml) [TRUECOUNT_CONFIG]")
    for setting in SETTINGS:
        parser.add_argument(
            setting.flag, metavar=setting.unit.upper(), dest=setting.name, help=help_of(setting).replace("%", "%%")
        )
    return parser


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
