"""The `holdover` command. Exit status: 0 done, 1 it could not be done, 2 wrong usage or configuration."""

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from holdover import __version__
from holdover.config import Config, ConfigError, load
from holdover.store.base import StoreError

from . import app, corrections, inquiries
from .command import CommandError, configured, said
from .promos import commands as promos
from .supervise import Program, Supervisor

type Main = Callable[[Config, Callable[[], None]], None]
"""Runs one process in the foreground; calls its second argument once it serves."""

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns its exit status."""
    os.umask(0o077)
    options = _parser().parse_args(arguments)
    level = logging.DEBUG if options.verbose else logging.INFO
    logging.basicConfig(level=level, format=LOG_FORMAT, stream=sys.stderr)
    # Libraries may quote request targets, with credentials, in their debug output.
    for library in ("asyncio", "aiohttp", "mitmproxy", "hpack"):
        logging.getLogger(library).setLevel(logging.WARNING)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except ConfigError as error:
        print(f"holdover: the configuration cannot be used:\n{error}", file=sys.stderr)
        return 2
    except (CommandError, StoreError, app.CannotStart) as error:
        print(f"holdover: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever reads has read enough (`| head`). What is still buffered would fail again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        print(f"holdover: {_os_sentence(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="holdover", description="Stands in for third-party odds APIs: one upstream request per window."
    )
    parser.add_argument("--config", type=Path, default=Path("config"), metavar="FOLDER", help="default: config")
    parser.add_argument("--verbose", action="store_true", help="log at debug level")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        return added

    command("up", _up, "run the sidecar and the proxy, supervised, until SIGTERM or Ctrl-C")
    command("proxy", _proxy, "run the proxy alone, in the foreground")
    command("sidecar", _sidecar, "run the sidecar alone, in the foreground")
    check = command(
        "check", said(inquiries.check), "say whether a configuration can be used, and every problem if not"
    )
    check.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="default: the --config folder")
    told = command("explain", said(inquiries.explain), "say what would happen to a request, and why")
    told.add_argument("url", metavar="URL", help="as the client calls it: https://api.example.com/v4/sports")
    told.add_argument("-H", dest="headers", action="append", default=[], metavar="'Name: value'", help="repeatable")
    told.add_argument("--method", metavar="METHOD", help="default: GET, or POST with a body")
    told.add_argument("--body", metavar="TEXT|@FILE", help="of a POST; @- reads the standard input")
    told.add_argument("--json", action="store_true", help="machine-readable output")
    spent = command(
        "budget", said(inquiries.budget), "say what is left of each quota, who spent it, and what the cache saved"
    )
    spent.add_argument("--json", action="store_true", help="machine-readable output")
    trust = command(
        "trust", said(corrections.trust), "switch a kind of projection on again that a comparison switched off"
    )
    trust.add_argument("what", metavar="PROVIDER/KIND", help="as the log and `holdover check` name it")
    purge = command("purge", said(corrections.purge), "forget stored answers; the next request for them is fetched")
    purge.add_argument("what", metavar="KEY|PROVIDER/ROUTE", help="a key as `explain` prints it, or all of a route")
    promos.add(command("promos", _version, "check the promos that operations edit"))
    command("version", _version, "print the version")
    return parser


def _proxy_main() -> Main:
    """`main` of the proxy. By name: the two process folders do not import one another, and `addons` is
    `holdover.addons` once installed."""
    package = (__package__ or "").removesuffix("sidecar")
    run: Main = importlib.import_module(f"{package}addons.runner").main
    return run


def _up(options: argparse.Namespace) -> int:
    config = configured(options)
    proxy_main = _proxy_main()
    proxy = config.settings.proxy
    programs = {"sidecar": _program(app.main, config), "proxy": _program(proxy_main, config)}
    supervisor = Supervisor(programs, config.socket.parent)
    kinds = [f"reverse {a}" for a in proxy.reverse] + [f"regular {a}" for a in proxy.regular]
    return supervisor.run(f"holdover is ready: {', '.join(kinds)}")


def _os_sentence(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)


def _program(run: Main, config: Config) -> Program:
    """For the supervisor: a failure to start is a sentence and status 1 here too."""

    def program(ready: Callable[[], None]) -> None:
        # A process that comes back later takes the configuration as it is then, if it is good.
        current = config
        with suppress(ConfigError):
            current = load(config.folder, os.environ)
        try:
            run(current, ready)
        except (StoreError, app.CannotStart) as error:
            print(f"holdover: {error}", file=sys.stderr)
            sys.exit(1)
        except OSError as error:
            print(f"holdover: {_os_sentence(error)}", file=sys.stderr)
            sys.exit(1)

    return program


def _proxy(options: argparse.Namespace) -> int:
    _proxy_main()(configured(options), lambda: print("the proxy is ready", flush=True))
    return 0


def _sidecar(options: argparse.Namespace) -> int:
    app.main(configured(options), lambda: print("the sidecar is ready", flush=True))
    return 0


def _version(_: argparse.Namespace) -> int:
    print(f"holdover {__version__}")
    return 0
