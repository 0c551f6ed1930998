"""`holdover promos …`: one function for each command, which adds it with its arguments."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path

from ..command import said
from . import ask, new, past
from .lint import lint
from .occupied import occupied, weeks
from .preview import preview

type _Run = Callable[[argparse.Namespace], int]


def add(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, run: _Run, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        added.add_argument("--json", action="store_true", help="machine-readable output")
        return added

    _lint(command("lint", lint, "say whether the promos of a folder can be used, and every problem if not"))
    _preview(command("preview", said(preview), "say what a visitor would be shown at a time, and why not the rest"))
    _occupancy(
        command("occupancy", occupied, "say where slots will be empty or overbooked, and what nobody will see")
    )
    command("status", said(ask.status), "say what of each file is live, as the running sidecar has it")
    text = "let removals happen that are held because they would end much of what is shown"
    held = command("confirm", said(ask.confirm), text)
    held.add_argument("files", nargs="+", metavar="FILE", help="as `holdover promos status` names it")
    _history(command("history", past.history, "say who changed what when, newest first"))
    _diff(command("diff", said(past.diff), "say what is different between two sets, or in the folder as it is now"))
    text = "say what a visitor who asked at a time in the past was shown"
    _visitor(command("shown", said(past.shown), text), past=True)
    text = "go back to a set that was accepted before, as a new revision; what is killed stays killed"
    _rollback(_why(command("rollback", said(ask.rollback), text)))
    text = "take a promo, a slot or everything off the homepage at once, whatever else is wrong"
    killed = _why(_target(command("kill", said(ask.kill), text)))
    killed.add_argument("--anyway", action="store_true", help="also what is not live and may never be")
    _why(_target(command("release", said(ask.release), "let be shown again what was killed")))
    _approve(_why(command("approve", said(ask.approve), "let go live what somebody else wrote")))
    _new(command("new", said(new.new), "write a campaign to start from"))
    text = "make the token with which somebody may edit over HTTP; it is told once"
    token = command("token", said(new.token), text)
    token.add_argument("name", metavar="NAME", help="of who is to have it; the history tells it")
    token.add_argument("--remove", action="store_true", help="the one that NAME has")


def _why(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--why", default="", metavar="TEXT", help="for the history")
    return parser


def _target(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--everything", action="store_true")
    what.add_argument("--slot", metavar="NAME")
    what.add_argument("promo", nargs="?", metavar="PROMO", help="its id")
    return parser


def _rollback(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("to", metavar="TO", help="number or revision, as `holdover promos history` tells them")
    parser.add_argument("files", nargs="*", metavar="FILE", help="default: all")


def _approve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="as `holdover promos status` names it")
    text = "the content that was looked at, as the status tells it; another one is not approved"
    parser.add_argument("--content", default="", metavar="DIGEST", help=text)


def _new(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", type=_name, metavar="NAME", help="of the file and of the promo in it")
    _folder(parser)
    kinds = ("banner", "carousel-item", "boosted-odds", "notice")
    parser.add_argument("--kind", choices=kinds, default="banner", help="default: banner")
    parser.add_argument("--slot", default="", metavar="NAME", help="default: the first that takes the kind")


def _name(text: str) -> str:
    if not re.fullmatch("[a-z0-9][a-z0-9-]{0,63}", text):
        raise argparse.ArgumentTypeError("small letters, digits and hyphens, 64 at most")
    return text


def _history(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="how many; default: 20, 0: all")
    text = "say whether all is as it was written; exit status 1 if not"
    parser.add_argument("--verify", action="store_true", help=text)


def _diff(parser: argparse.ArgumentParser) -> None:
    text = "number or beginning of a revision, as `holdover promos history` tells them; default: "
    parser.add_argument("before", nargs="?", metavar="FROM", help=f"{text}what is live")
    parser.add_argument("after", nargs="?", metavar="TO", help="default: the folder as it is now")


def _folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", nargs="?", type=Path, metavar="FOLDER", help="default: promos in the --config folder"
    )


def _lint(parser: argparse.ArgumentParser) -> None:
    _folder(parser)
    text = "github: annotations of a workflow, beside the line; default: text"
    parser.add_argument("--format", choices=("text", "json", "github"), default="text", help=text)


def _preview(parser: argparse.ArgumentParser) -> None:
    _folder(parser)
    _visitor(parser)


def _visitor(parser: argparse.ArgumentParser, *, past: bool = False) -> None:
    for name in ("jurisdiction", "language", "device", "visitor"):
        parser.add_argument(f"--{name}", default="", metavar="ID" if name == "visitor" else "NAME")
    parser.add_argument("--segment", action="append", default=[], metavar="NAME", help="repeatable")
    parser.add_argument("--visits", choices=("new", "returning"))
    text = "as 2026-11-26T12:00-05:00" + ("" if past else "; default: now")
    parser.add_argument("--at", required=past, metavar="TIME", help=text)


def _occupancy(parser: argparse.ArgumentParser) -> None:
    _folder(parser)
    parser.add_argument("--weeks", type=weeks, default=4, metavar="N", help="how far to look ahead; default: 4")
    text = "as 2026-11-26T12:00-05:00; default: now"
    parser.add_argument("--from", dest="since", metavar="TIME", help=text)
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a promo is shown to nobody")
