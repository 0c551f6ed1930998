"""Where a key stands in a TOML text. `tomllib` parses but tells no positions, so this finds them by scanning."""

import re

type KeyPath = tuple[str | int, ...]
"""Keys and list indexes from the top: ("routes", 0, "window_s")."""
type Finding = tuple[KeyPath, str]
"""The key that something is about, and a sentence: what holds instead, and what to do."""

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_LONG_STRING = re.compile(r"""\"{3}(?:\\.|[^\\])*?\"{3}|\'{3}.*?\'{3}""", re.DOTALL)
_STRINGS = re.compile(r"""\"\"\".*?\"\"\"|'''.*?'''|"(?:\\.|[^"\\])*"|'[^']*'|#.*""")


def line_of(text: str, path: KeyPath) -> int:
    """The 1-based line of the key at `path`, or of the nearest enclosing one that is written; 1 if none is."""
    positions = _positions(text)
    for length in range(len(path), 0, -1):
        if (line := positions.get(path[:length])) is not None:
            return line
    return 1


def _positions(text: str) -> dict[KeyPath, int]:
    found: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    depth = 0
    for number, line in enumerate(_without_long_strings(text).split("\n"), 1):
        if depth == 0 and (header := _HEADER.match(line)):
            table = _enclosing(tuple(_split(header[2])), counts)
            if header[1] == "[[":
                index = counts[table] = counts.get(table, -1) + 1
                found.setdefault(table, number)
                table = (*table, index)
            found.setdefault(table, number)
            continue
        if depth == 0 and (key := _KEY.match(line)):
            keys = _split(key[1])
            for length in range(1, len(keys) + 1):
                found.setdefault((*table, *keys[:length]), number)
        bare = _STRINGS.sub("", line)
        depth = max(0, depth + sum(bare.count(c) for c in "[{") - sum(bare.count(c) for c in "]}"))
    return found


def _without_long_strings(text: str) -> str:
    """The text with what stands in strings over several lines blanked, lines kept."""
    return _LONG_STRING.sub(lambda found: "''" + "\n" * found[0].count("\n"), text)


def _enclosing(table: KeyPath, counts: dict[KeyPath, int]) -> KeyPath:
    """`[routes.extra]` after `[[routes]]` belongs to the latest element of that list."""
    for length in range(1, len(table)):
        prefix = table[:length]
        if prefix in counts and not isinstance(table[length], int):
            return (*prefix, counts[prefix], *table[length:])
    return table


def _split(dotted: str) -> list[str]:
    return [part.strip().strip("\"'") for part in re.findall(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""", dotted)]
