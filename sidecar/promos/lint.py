"""`holdover promos lint`: whether the files of a folder can be used, and every problem if not."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from ..command import CommandError
from .problem import Problem, excerpt
from .scan import Place
from .sweep import Unread, sweep
from .validate import Checked, check


def lint(options: argparse.Namespace) -> int:
    """0 when all is good, 1 when not. Raises CommandError."""
    found = read(options)
    told = _as_json(found) if options.json or options.format == "json" else _as_text(found, _folder(options))
    print(_as_annotations(found, _folder(options)) if options.format == "github" else told)
    return 1 if found.problems else 0


def read(options: argparse.Namespace) -> Checked:
    """The folder that a command is about, checked. Raises CommandError."""
    folder = _folder(options)
    if not folder.is_dir():
        raise CommandError(f"{folder} is no folder; promos are in config/promos, or name another")
    seen = sweep(folder)
    if seen.fault:
        raise CommandError(f"{folder}: {seen.fault}")
    found = check({n: data for n, data in seen.files.items() if isinstance(data, bytes)}, dict(seen.pictures))
    unread = [
        Problem(n, Place(1, 1), "", told.sentence) for n, told in seen.files.items() if isinstance(told, Unread)
    ]
    return replace(found, problems=tuple(sorted((*found.problems, *unread))))


def _folder(options: argparse.Namespace) -> Path:
    folder: Path = options.folder or options.config / "promos"
    return folder


def _as_text(found: Checked, folder: Path) -> str:
    lines = []
    for problem in found.problems:
        lines.append(f"{folder}/{problem}")
        lines += filter(None, [excerpt(problem, found.texts.get(problem.file, ""))])
    promos = len(found.promos)
    files = len({problem.file for problem in found.problems})
    many = f"{len(found.problems)} {'problem' if len(found.problems) == 1 else 'problems'}"
    wrong = f"{many} in {files} {'file' if files == 1 else 'files'}; " if found.problems else ""
    lines.append(f"{folder}: {wrong}{promos} {'promo' if promos == 1 else 'promos'} good")
    return "\n".join(lines)


def _as_annotations(found: Checked, folder: Path) -> str:
    """Workflow commands, which GitHub shows beside the line of the file."""
    lines = []
    for problem in found.problems:
        said = f"{problem.pointer}: {problem.message}".removeprefix(": ") + (
            f"; {problem.remedy}" if problem.remedy else ""
        )
        where = {"file": f"{folder}/{problem.file}", "line": problem.place.line, "col": problem.place.column}
        told = ",".join(f"{name}={_escaped(str(value), ',:')}" for name, value in where.items())
        lines.append(f"::error {told}::{_escaped(said)}")
    return "\n".join(lines)


def _escaped(text: str, more: str = "") -> str:
    """As workflow commands take it; `more` is what ends the value of a property."""
    return "".join(f"%{ord(c):02X}" if c in f"%\r\n{more}" else c for c in text)


def _as_json(found: Checked) -> str:
    facts = {
        "good": not found.problems,
        "promos": len(found.promos),
        "problems": [problem.facts() for problem in found.problems],
    }
    return json.dumps(facts, indent=2, ensure_ascii=False)
