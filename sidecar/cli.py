"""The `holdover` command. Exit status: 0 done, 1 it could not be done, 2 wrong usage or configuration."""

import argparse
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from holdover import __version__
from holdover.config import ConfigError
from holdover.store.base import StoreError

from . import app, authority, corrections, inquiries, processes
from .command import CommandError, configured, said
from .promos import commands as promos

MAX_WORKERS = 256
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
        print(f"holdover: {processes.os_sentence(error)}", file=sys.stderr)
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
    alone = command("proxy", _proxy, "run the proxy alone, in the foreground")
    text = "processes that share the addresses; 0: one for each core; default: [proxy] workers"
    alone.add_argument("--workers", type=_some_workers, metavar="N", help=text)
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
    authorities = command("ca", said(authority.ca), "say what clients of https must trust, and for which hosts")
    authorities.add_argument("--json", action="store_true", help="machine-readable output")
    promos.add(command("promos", _version, "check the promos that operations edit"))
    command("version", _version, "print the version")
    return parser


def _up(options: argparse.Namespace) -> int:
    return processes.up(configured(options))


def _proxy(options: argparse.Namespace) -> int:
    config = configured(options)
    if options.workers is not None:
        proxy = config.settings.proxy.model_copy(update={"workers": options.workers})
        config = replace(config, settings=config.settings.model_copy(update={"proxy": proxy}))
    return processes.proxy(config)


def _sidecar(options: argparse.Namespace) -> int:
    return processes.sidecar(configured(options))


def _some_workers(text: str) -> int:
    if not text.isdecimal() or int(text) > MAX_WORKERS:
        raise argparse.ArgumentTypeError(f"a whole number from 0 to {MAX_WORKERS}, not {text!r}")
    return int(text)


def _version(_: argparse.Namespace) -> int:
    print(f"holdover {__version__}")
    return 0
