"""`holdover promos lint`: whether the files of a folder can be used, and every problem if not."""

import argparse
import json
from pathlib import Path

from ..command import CommandError
from .problem import excerpt
from .validate import Checked, check


def lint(options: argparse.Namespace) -> int:
    """0 when all is good, 1 when not. Raises CommandError, OSError."""
    found = read(options)
    print(_as_json(found) if options.json else _as_text(found, _folder(options)))
    return 1 if found.problems else 0


def read(options: argparse.Namespace) -> Checked:
    """The folder that a command is about, checked. Raises CommandError, OSError."""
    folder = _folder(options)
    return check(_files(folder), lambda name: _beside(folder, name))


def _folder(options: argparse.Namespace) -> Path:
    folder: Path = options.folder or options.config / "promos"
    return folder


def _files(folder: Path) -> dict[str, bytes]:
    """Campaigns and vocabularies; names that begin with a dot are editors' own."""
    if not folder.is_dir():
        raise CommandError(f"{folder} is no folder; promos are in config/promos, or name another")
    return {path.name: path.read_bytes() for path in folder.glob("*.json") if not path.name.startswith(".")}


def _beside(folder: Path, name: str) -> bool:
    path = (folder / name).resolve()
    return path.is_relative_to(folder.resolve()) and path.is_file()


def _as_text(found: Checked, folder: Path) -> str:
    lines = []
    for problem in found.problems:
        lines.append(f"{folder}/{problem}")
        lines += filter(None, [excerpt(problem, found.texts.get(problem.file, ""))])
    promos = sum(map(len, found.campaigns.values()))
    files = len({problem.file for problem in found.problems})
    many = f"{len(found.problems)} {'problem' if len(found.problems) == 1 else 'problems'}"
    wrong = f"{many} in {files} {'file' if files == 1 else 'files'}; " if found.problems else ""
    lines.append(f"{folder}: {wrong}{promos} {'promo' if promos == 1 else 'promos'} good")
    return "\n".join(lines)


def _as_json(found: Checked) -> str:
    facts = {
        "good": not found.problems,
        "promos": sum(map(len, found.campaigns.values())),
        "problems": [problem.facts() for problem in found.problems],
    }
    return json.dumps(facts, indent=2, ensure_ascii=False)
