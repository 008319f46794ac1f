"""`python -m truecount.collect --data DIR --fd N --door door-1 [--manager PORT]`: one door process.

The listening socket is inherited; all other settings come as TRUECOUNT_ variables from the supervisor.
"""

from __future__ import annotations

import argparse
import sys

from truecount.collect.door import data_folder, listener_of, run
from truecount.log.errors import FolderError, LogError
from truecount.settings import WrongSetting, read_settings


def main() -> int:
    parser = argparse.ArgumentParser(prog="truecount.collect", description="A door process.", allow_abbrev=False)
    parser.add_argument("--data", required=True, help="data folder, made by its owner")
    parser.add_argument("--fd", required=True, type=int, help="the inherited listening socket")
    parser.add_argument("--door", required=True, help="name of this door, also of its log")
    parser.add_argument("--manager", type=int, default=None, help="port of the manager on 127.0.0.1")
    given = parser.parse_args()
    try:
        settings = read_settings({"data": given.data})
        run(given.door, data_folder(given.data), settings, listener_of(given.fd), given.manager)
    except WrongSetting as error:
        print(f"{given.door}: {error}", file=sys.stderr)
        return 2
    except (FolderError, LogError, OSError) as error:
        print(f"{given.door}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
