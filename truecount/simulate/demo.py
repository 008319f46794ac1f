"""`truecount demo`: a server on a temporary folder, and the BrewBeans shop sending to it, live."""

from __future__ import annotations

import ctypes
import json
import math
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from argparse import ArgumentTypeError, Namespace
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from truecount.cli import CommandFailed, WrongUse
from truecount.commands.flags import Parser
from truecount.commands.output import say
from truecount.simulate import sdk
from truecount.simulate.brewbeans import Shop
from truecount.simulate.hits import HitSender
from truecount.simulate.traffic import Traffic

if TYPE_CHECKING:
    from truecount.commands.reach import Books

ABOUT: Final = """\
Run a server on a temporary folder and let the BrewBeans coffee shop send to it: browser hits, and server events through
the official SDK, some twice, some from one side alone. Shows the count live, with the shop's own orders beside it.
BrewBeans is a site too: its address is told, and what you buy there is counted with the rest.

Ends after --for seconds or at Ctrl-C. Exit code 1 when count and books do not agree in the end."""
DEFAULT_PORT: Final = 8000
SHOP_PORT: Final = 8080
ZONE: Final = "Asia/Kolkata"
OWNER: Final = "demo@brewbeans.example"
START_S: Final = 90.0
AGREE_S: Final = 60.0
"""How long the count may take to catch up once the last report is answered. A second is usual; CI machines are slow."""
LOOK_S: Final = 0.5
PR_SET_PDEATHSIG: Final = 1


def main(arguments: Sequence[str]) -> int:
    parser = Parser("demo", ABOUT)
    parser.flag("--port", metavar="P", help=f"port to listen on (default {DEFAULT_PORT}, or a free one)", type=_whole)
    parser.flag("--seed", metavar="S", help="which visitors come (default 1)", type=_whole, default=1)
    parser.flag(
        "--for", metavar="SECONDS", dest="seconds", help="end after this long (default: at Ctrl-C)", type=_number
    )
    parser.flag("--pace", metavar="N", help="visits a second (default 8)", type=_number, default=8.0)
    parser.flag(
        "--shop-port", metavar="P", help=f"port of the shop's site (default {SHOP_PORT}, or a free one)", type=_whole
    )
    parser.flag("--blocked", metavar="SHARE", help="of browsers that block the pixel (default 0.18)", type=_share)
    parser.flag("--denied", metavar="SHARE", help="of visitors who deny consent (default 0.08)", type=_share)
    # No variable, and no settings file: what is set for a real server must not send simulated visitors into its folder.
    parser.add_argument("--data", metavar="DIR", help="data folder, kept afterwards (default: a temporary one)")
    return run(parser.read(arguments))


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ArgumentTypeError(f"{text!r}: wanted a number, as in 30 or 0.5")
    return number


def _share(text: str) -> float:
    share = _number(text)
    if not 0 <= share <= 1:
        raise ArgumentTypeError(f"{text!r}: wanted a share from 0 to 1")
    return share


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r}: wanted a whole number") from None


def run(args: Namespace) -> int:
    """Run the demo. Returns the exit code: 0 when count and books agree."""
    if not 0 < args.pace <= 200:
        raise WrongUse("--pace wants a number above 0, at most 200")
    if args.seconds is not None and args.seconds <= 0:
        raise WrongUse("--for wants a number of seconds above 0")
    if not sdk.is_installed():
        raise CommandFailed(sdk.MISSING)
    with tempfile.TemporaryDirectory(prefix="truecount-demo-", ignore_cleanup_errors=True) as temporary:
        folder = Path(args.data or Path(temporary) / "data").absolute()
        say(f"The demo's data folder is {folder} ({'kept afterwards' if args.data else 'removed at the end'}).")
        with serving(folder, Path(temporary) / "serve.log", args.port) as url:
            return play(folder, url, args)


@contextmanager
def serving(folder: Path, words: Path, port: int | None) -> Iterator[str]:
    """A server in a process of its own, until the block ends. Yields its URL. CommandFailed when it does not start."""
    command = [sys.executable, "-m", "truecount", "serve", "--data", str(folder)]
    command += ["--port", str(port if port is not None else DEFAULT_PORT if is_free(DEFAULT_PORT) else 0)]
    libc = ctypes.CDLL(None)
    with words.open("wb") as log:
        # A session of its own: Ctrl-C is for the demo, which asks for the last count before it ends the server.
        server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0),  # noqa: PLW1509 - one thread
        )
        try:
            yield wait_for(server, folder / "run" / "serve.json", words)
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def wait_for(server: subprocess.Popen[bytes], state: Path, words: Path) -> str:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if server.poll() is not None:
            raise CommandFailed(f"the server did not start:\n{words.read_text(errors='replace').strip()}")
        try:
            return str(json.loads(state.read_text())["url"])
        except (OSError, ValueError, KeyError):
            time.sleep(0.05)
    raise CommandFailed(f"the server was not ready within {START_S:g} s:\n{words.read_text(errors='replace').strip()}")


def is_free(port: int) -> bool:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def shop_socket(port: int | None) -> socket.socket:
    """Where the shop's site listens. CommandFailed when a port that was asked for is taken."""
    from truecount.simulate.site.serving import listening

    try:
        return listening(SHOP_PORT if port is None else port)
    except (OSError, OverflowError) as error:
        if port is None:
            return listening(0)
        raise CommandFailed(f"the shop cannot listen on port {port}: {error}") from None


def entrance(asked: Books) -> str:
    """The address below the server's that opens the demo's pages, once. The folder's own users stay as they are."""
    users = {str(user["email"]) for user in json.loads(asked.users())}
    if OWNER not in users:
        asked.add_user(OWNER, "owner", None)
    return str(json.loads(asked.entrance(OWNER))["path"])


def explaining(folder: Path, dataset: str) -> str:
    """The command that explains an order, as it works from here; {order} in the order's place."""
    own = Path(sys.executable).with_name("truecount")
    name = "truecount" if shutil.which("truecount") or not own.exists() else os.path.relpath(own)
    return shlex.join([name, "explain", dataset, "Purchase", "ORDER", "--data", str(folder)]).replace(
        "ORDER", "{order}"
    )


def play(folder: Path, url: str, args: Namespace) -> int:
    """Create a dataset, open the shop, show the count, close, compare."""
    from rich.console import Console
    from rich.live import Live

    from truecount.commands.reach import books as open_books
    from truecount.simulate.site.serving import serving_site
    from truecount.simulate.table import differences, screen

    def end(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    bound = shop_socket(args.shop_port)
    with open_books(str(folder)) as asked, ExitStack() as site_open:
        made = json.loads(asked.create("BrewBeans", None, None))
        dataset = str(made["id"])
        asked.change(dataset, {"time_zone": ZONE}, None)
        door = url + entrance(asked)
        opened_ms = time.time_ns() // 1_000_000
        shares = {name: share for name in ("blocked", "denied") if (share := getattr(args, name)) is not None}
        shop = Shop(args.seed, opened_ms, args.pace, **shares)
        sdk.point_at(url, str(made["token"]))
        host, port = url.removeprefix("http://").rsplit(":", 1)
        traffic = Traffic(
            shop.visits(), HitSender(host, int(port), dataset, opened_ms), sdk.EventSender(dataset, opened_ms)
        )
        site = site_open.enter_context(serving_site(bound, dataset, url, explaining(folder, dataset)))
        closing = threading.Event()
        sending = threading.Thread(target=traffic.run, args=(closing.is_set,), name="traffic", daemon=True)
        console = Console(width=None if sys.stdout.isatty() else 110)
        until = time.monotonic() + args.seconds if args.seconds else float("inf")

        def look() -> list[dict[str, Any]]:
            return list(json.loads(asked.events(dataset, None, None)))

        def picture(rows: list[dict[str, Any]], foot: str) -> Any:
            return screen(
                rows,
                traffic.books,
                under_way=traffic.under_way(),
                visitors=traffic.visitors,
                head=f"BrewBeans sends to {url}, dataset {dataset}, seed {args.seed}\n"
                f"Look at it:    {door}\nShop yourself: {site.shop}/",
                foot=foot,
                beside=site.beside(),
            )

        def close() -> None:
            closing.set()
            site_open.close()

        ends = f"Ends in {args.seconds:g} s, or at Ctrl-C." if args.seconds else "Ctrl-C ends it."
        sending.start()
        if sys.stdout.isatty():
            with Live(picture([], ends), console=console, refresh_per_second=4, transient=True) as live:
                _until(lambda: time.monotonic() >= until, lambda: live.update(picture(look(), ends)))
                last = "Closing: sending what is still under way ..."
                close()
                _until(lambda: not sending.is_alive(), lambda: live.update(picture(look(), last)))
        else:
            say(f"BrewBeans sends to {url}, dataset {dataset}. Shop there yourself: {site.shop}/. {ends}")
            say(f"Look at it: {door}")
            _until(lambda: time.monotonic() >= until, lambda: None)
            close()
            _until(lambda: not sending.is_alive(), lambda: None)
        rows = look()
        patience = time.monotonic() + AGREE_S
        while (wrong := differences(rows, traffic.books, site.beside())) and time.monotonic() < patience:
            time.sleep(0.2)
            rows = look()
        troubles = [*traffic.troubles, *site.outbox.troubles]
        if more := site.outbox.n_troubles - len(site.outbox.troubles):
            troubles.append(f"{more:,} more of the site's were not taken")
        if wrong or troubles:
            console.print(picture(rows, ""))
            return _disagree(wrong, troubles)
        all_of = "Every number of every event is" if not site.pages else "Orders, and all that is known of visits, are"
        console.print(picture(rows, f"The shop is closed. {all_of} what the books say."))
        return 0


def _until(done: Any, each: Any) -> None:
    """Do `each` twice a second until `done`. Ctrl-C ends the wait, not the demo."""
    try:
        while not done():
            each()
            time.sleep(LOOK_S)
    except KeyboardInterrupt:
        say("Closing the shop; the last reports are sent first.")


def _disagree(wrong: Sequence[str], troubles: Sequence[str]) -> int:
    say("Count and books do not agree:" if wrong else "Some reports were not taken:")
    for line in [*wrong, *sorted({f"{text} ({troubles.count(text)} x)" for text in troubles})]:
        say(f"  {line}")
    return 1
