"""Makes docs/reliability.md from the table that tests/faults hold to: `python -m scripts.reliability` says whether it
is up to date, with `--write` it brings it so."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from scripts.marked import main, with_parts
from tests.faults.table import SECTIONS, Row

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "reliability.md"


def tables() -> str:
    return "\n\n".join(f"### {title}\n\n" + "\n".join(_table(rows)) for title, rows in SECTIONS.items())


def updated(text: str) -> str:
    """The page with the tables made anew."""
    return with_parts(text, {"faults": tables()}, DOCUMENT.name)


def _table(rows: Sequence[Row]) -> Iterator[str]:
    yield "| fault | what is stored | what clients get | new odds within |"
    yield "|---|---|---|---|"
    for row in rows:
        back = f"{row.back_s:g} s" if row.back_s else "-"
        what = row.what if row.load else f"{row.what} (not under load: nothing runs yet)"
        yield f"| {what} | {row.stored or '-'} | {row.client} | {back} |"


if __name__ == "__main__":
    sys.exit(main(DOCUMENT, updated, "scripts.reliability", __doc__))
