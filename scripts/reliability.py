"""Makes docs/reliability.md from the table that tests/faults hold to: `python -m scripts.reliability` says whether it
is up to date, with `--write` it brings it so."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.faults.table import SECTIONS, Row

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "reliability.md"
MARK = "<!-- faults: {} -->"


def tables() -> str:
    return "\n\n".join(f"### {title}\n\n" + "\n".join(_table(rows)) for title, rows in SECTIONS.items())


def updated(text: str) -> str:
    """`text` with what stands between the marks made anew."""
    begin, end = (MARK.format(word) for word in ("begin", "end"))
    before, found, rest = text.partition(f"{begin}\n")
    _, ended, after = rest.partition(f"\n{end}")
    if not (found and ended):
        raise SystemExit(f"reliability: {DOCUMENT.name} lacks the marks {begin} and {end}")
    return f"{before}{begin}\n{tables()}\n{end}{after}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="update the document")
    text = DOCUMENT.read_text(encoding="utf-8")
    current = updated(text)
    if parser.parse_args().write:
        DOCUMENT.write_text(current, encoding="utf-8")
    elif current != text:
        print("docs/reliability.md is out of date; run `python -m scripts.reliability --write`", file=sys.stderr)
        return 1
    return 0


def _table(rows: Sequence[Row]) -> Iterator[str]:
    yield "| fault | what is stored | what clients get | new odds within |"
    yield "|---|---|---|---|"
    for row in rows:
        back = f"{row.back_s:g} s" if row.back_s else "-"
        yield f"| {row.what} | {row.stored or '-'} | {row.client} | {back} |"


if __name__ == "__main__":
    sys.exit(main())
