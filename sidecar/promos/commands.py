"""`holdover promos …`: one function for each command, which adds it with its arguments."""

import argparse
from collections.abc import Callable
from pathlib import Path

from ..command import said
from . import ask
from .lint import lint
from .preview import preview

type _Run = Callable[[argparse.Namespace], int]


def add(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, run: _Run, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        added.add_argument("--json", action="store_true", help="machine-readable output")
        return added

    _folder(command("lint", lint, "say whether the promos of a folder can be used, and every problem if not"))
    _preview(command("preview", said(preview), "say what a visitor would be shown at a time, and why not the rest"))
    command("status", said(ask.status), "say what of each file is live, as the running sidecar has it")
    text = "let removals happen that are held because they would end much of what is shown"
    held = command("confirm", said(ask.confirm), text)
    held.add_argument("files", nargs="+", metavar="FILE", help="as `holdover promos status` names it")


def _folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", nargs="?", type=Path, metavar="FOLDER", help="default: promos in the --config folder"
    )


def _preview(parser: argparse.ArgumentParser) -> None:
    _folder(parser)
    for name in ("jurisdiction", "language", "device", "visitor"):
        parser.add_argument(f"--{name}", default="", metavar="ID" if name == "visitor" else "NAME")
    parser.add_argument("--segment", action="append", default=[], metavar="NAME", help="repeatable")
    parser.add_argument("--visits", choices=("new", "returning"))
    parser.add_argument("--at", metavar="TIME", help="as 2026-11-26T12:00-05:00; default: now")
