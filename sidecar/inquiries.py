"""The commands that only look: `check`, `explain`, `budget`. Each returns what it has to say, and changes no file."""

import argparse
import os
import re
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from holdover.config import load

from . import budget as budgets
from . import budget_text, stored, summary
from . import explain as explaining
from .command import CommandError, configured


def check(options: argparse.Namespace) -> str:
    """Raises ConfigError, with every problem."""
    config = load(options.folder or options.config, os.environ)
    providers = config.rules.providers
    routes = sum(len(provider.route_names) for provider in providers)
    count = f"{len(providers)} {'provider' if len(providers) == 1 else 'providers'}, {routes} routes"
    warnings = [f"warning: {each}" for each in config.warnings]
    return "\n".join([f"{config.folder}: good ({count})", *map(summary.summary, providers), *warnings])


def budget(options: argparse.Namespace) -> str:
    """What is left, and what was spent. Raises CommandError, StoreError."""
    config = configured(options)
    report = budgets.report(config, stored.ledger(config), time.time())
    return budgets.as_json(report) if options.json else budget_text.as_text(report)


def explain(options: argparse.Namespace) -> str:
    """What would happen to a request. Raises CommandError."""
    config = configured(options)
    facts = explaining.explain(config, _asked(options), stored.read(config), time.time())
    return explaining.as_json(facts) if options.json else explaining.as_text(facts)


def _asked(options: argparse.Namespace) -> explaining.Asked:
    if not _is_url(options.url):
        raise CommandError(
            f"{options.url.partition('?')[0]!r} is no URL that a client calls; begin with https://host/"
        )
    method: str = ("GET" if options.body is None else "POST") if options.method is None else options.method
    if not re.fullmatch(r"[A-Za-z]+", method):
        raise CommandError(f"{method!r} is no method of a request; GET, HEAD or POST")
    body = b"" if options.body is None else _body(options.body)
    return explaining.Asked(options.url, method.upper(), tuple(map(_field, options.headers)), body)


def _field(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise CommandError("-H takes a header field as 'Name: value'")
    return name.strip(), value.strip()


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
