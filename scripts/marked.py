"""Documents with parts that are made from the code: between `<!-- NAME: begin -->` and `<!-- NAME: end -->`.

A module that makes such parts is a command: it says whether its document is up to date, with `--write` it brings it
so."""

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path


def with_parts(text: str, parts: Mapping[str, str], name: str) -> str:
    """`text` with these parts, by mark, made anew; `name` is the document's. Raises ValueError when a mark is not
    there."""
    for mark, content in parts.items():
        begin, end = f"<!-- {mark}: begin -->\n", f"\n<!-- {mark}: end -->"
        before, begun, rest = text.partition(begin)
        _, ended, after = rest.partition(end)
        if not (begun and ended):
            raise ValueError(f"{name} lacks the marks of {mark!r}")
        text = f"{before}{begin}{content}{end}{after}"
    return text


def main(document: Path, updated: Callable[[str], str], module: str, about: str | None) -> int:
    """The command of `module`, which makes of a text of the document that of now. Returns the exit status."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=about)
    parser.add_argument("--write", action="store_true", help="update the document")
    options = parser.parse_args()
    text = document.read_text(encoding="utf-8")
    try:
        current = updated(text)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    if options.write:
        document.write_text(current, encoding="utf-8")
    elif current != text:
        print(f"{document.name} is out of date; run `python -m {module} --write`", file=sys.stderr)
        return 1
    return 0
