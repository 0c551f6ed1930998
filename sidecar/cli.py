"""The `holdover` command. Exit status: 0 done, 1 it could not be done, 2 wrong usage or configuration."""

import argparse
import importlib
import logging
import os
import re
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from holdover import __version__, learning
from holdover.config import Config, ConfigError, load
from holdover.entry import Entry
from holdover.store.base import StoreError
from holdover.store.disk import DiskStore
from holdover.store.ledger import FILE as LEDGER_FILE
from holdover.store.ledger import Ledger

from . import app, budget, budget_text, explain
from .supervise import Program, Supervisor

type Main = Callable[[Config, Callable[[], None]], None]
"""Runs one process in the foreground; calls its second argument once it serves."""

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class CommandError(Exception):
    """What the user asked for cannot be done; the message is the sentence to print."""


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
    except ConfigError as error:
        print(f"holdover: the configuration cannot be used:\n{error}", file=sys.stderr)
        return 2
    except (CommandError, StoreError, app.CannotStart) as error:
        print(f"holdover: {error}", file=sys.stderr)
        return 1
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
    check = command("check", _check, "say whether a configuration can be used, and every problem if not")
    check.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="default: the --config folder")
    told = command("explain", _explain, "say what would happen to a request, and why")
    told.add_argument("url", metavar="URL", help="as the client calls it: https://api.example.com/v4/sports")
    told.add_argument("-H", dest="headers", action="append", default=[], metavar="'Name: value'", help="repeatable")
    told.add_argument("--method", metavar="METHOD", help="default: GET, or POST with a body")
    told.add_argument("--body", metavar="TEXT|@FILE", help="of a POST; @- reads the standard input")
    told.add_argument("--json", action="store_true", help="machine-readable output")
    spent = command("budget", _budget, "say what is left of each quota, who spent it, and what the cache saved")
    spent.add_argument("--json", action="store_true", help="machine-readable output")
    trust = command("trust", _trust, "switch a kind of projection on again that a comparison switched off")
    trust.add_argument("what", metavar="PROVIDER/KIND", help="as the log and `holdover check` name it")
    purge = command("purge", _purge, "forget stored answers; the next request for them is fetched")
    purge.add_argument("what", metavar="KEY|PROVIDER/ROUTE", help="a key as `explain` prints it, or all of a route")
    command("version", _version, "print the version")
    return parser


def _load(options: argparse.Namespace) -> Config:
    return load(options.config, os.environ)


def _proxy_main() -> Main:
    """`main` of the proxy. By name: the two process folders do not import one another, and `addons` is
    `holdover.addons` once installed."""
    package = (__package__ or "").removesuffix("sidecar")
    run: Main = importlib.import_module(f"{package}addons.runner").main
    return run


def _up(options: argparse.Namespace) -> int:
    config = _load(options)
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
    _proxy_main()(_load(options), lambda: print("the proxy is ready", flush=True))
    return 0


def _sidecar(options: argparse.Namespace) -> int:
    app.main(_load(options), lambda: print("the sidecar is ready", flush=True))
    return 0


def _check(options: argparse.Namespace) -> int:
    config = load(options.folder or options.config, os.environ)
    providers = config.rules.providers
    routes = sum(len(provider.routes) for provider in providers)
    count = f"{len(providers)} {'provider' if len(providers) == 1 else 'providers'}, {routes} routes"
    print("\n".join([f"{config.folder}: good ({count})", *map(explain.summary, providers)]))
    return 0


def _budget(options: argparse.Namespace) -> int:
    config = _load(options)
    report = budget.report(config, _ledger(config), time.time())
    print(budget.as_json(report) if options.json else budget_text.as_text(report))
    return 0


def _trust(options: argparse.Namespace) -> int:
    config = _load(options)
    name, _, kind = options.what.partition("/")
    ledger = _ledger(config)
    off = {k for k, record in ledger.learnt(name, "projection").items() if record.get("state") == "off"}
    if kind not in off:
        raise CommandError(f"{options.what!r} is not switched off; there are: {', '.join(sorted(off)) or 'none'}")
    ledger.learn(name, "projection", kind, {"state": "", "equal": 0, "different": 0, "at": time.time()})
    print(f"{options.what} is trusted again from the next start of the sidecar on")
    return 0


def _ledger(config: Config) -> Ledger:
    if not (config.store_folder / LEDGER_FILE).exists():
        raise CommandError(f"there is no ledger in {config.store_folder} yet; the first call to a provider begins it")
    return Ledger(config.store_folder)


def _explain(options: argparse.Namespace) -> int:
    config = _load(options)
    if not _is_url(options.url):
        raise CommandError(
            f"{options.url.partition('?')[0]!r} is no URL that a client calls; begin with https://host/"
        )
    headers = []
    for item in options.headers:
        name, colon, value = item.partition(":")
        if not colon or not name.strip():
            raise CommandError("-H takes a header field as 'Name: value'")
        headers.append((name.strip(), value.strip()))
    method: str = ("GET" if options.body is None else "POST") if options.method is None else options.method
    if not re.fullmatch(r"[A-Za-z]+", method):
        raise CommandError(f"{method!r} is no method of a request; GET, HEAD or POST")
    body = b"" if options.body is None else _body(options.body)
    asked = explain.Asked(options.url, method.upper(), tuple(headers), body)
    facts = explain.explain(config, asked, _reader(config), time.time())
    print(explain.as_json(facts) if options.json else explain.as_text(facts))
    return 0


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 0) >= 0
    except ValueError:
        return False


def _body(given: str) -> bytes:
    """Text as it stands, or what a file or the standard input holds."""
    if not given.startswith("@"):
        return given.encode("utf-8", "surrogateescape")
    return sys.stdin.buffer.read() if given == "@-" else Path(given[1:]).read_bytes()


def _reader(config: Config) -> explain.Stored:
    """What is stored and what was learnt, if anything is; `explain` makes no store and no ledger."""
    entries: dict[str, Entry] = {}
    if (config.store_folder / "cache.db").exists():
        store = DiskStore(config.store_folder, config.settings.store.max_bytes)
        entries = {entry.key: entry for entry in store.entries()}
        store.close()
    if not (config.store_folder / LEDGER_FILE).exists():
        return explain.Stored(entries, no_ledger="there is no ledger yet")
    try:
        ledger = Ledger(config.store_folder)
        learnt = {provider.name: learning.read(ledger, provider.name) for provider in config.rules.providers}
        return explain.Stored(entries, ledger.salt(), learnt)
    except StoreError as error:
        return explain.Stored(entries, no_ledger=f"the ledger cannot be read: {error}")


def _purge(options: argparse.Namespace) -> int:
    config = _load(options)
    what: str = options.what
    provider, slash, route = what.partition("/")
    if slash and config.rules.route(provider, route) is None:
        known = ", ".join(f"{p.name}/{r.name}" for p in config.rules.providers for r in p.routes)
        raise CommandError(f"there is no route {what!r}; there are: {known}")
    if not slash and not re.fullmatch(r"[0-9a-f]{32}", what):
        raise CommandError(f"{what!r} is neither a key (32 hex digits, see `holdover explain`) nor PROVIDER/ROUTE")
    if not (config.store_folder / "cache.db").exists():
        raise CommandError(f"nothing is stored in {config.store_folder}")
    store = DiskStore(config.store_folder, config.settings.store.max_bytes)
    keys = (
        [e.key for e in store.entries() if (e.request.provider, e.request.route) == (provider, route)]
        if slash
        else [what]
    )
    purged = sum(store.delete(key) for key in keys)
    store.close()
    if not purged:
        raise CommandError(f"nothing is stored for {what}")
    print(f"purged {purged} {'answer' if purged == 1 else 'answers'}")
    return 0


def _version(_: argparse.Namespace) -> int:
    print(f"holdover {__version__}")
    return 0
