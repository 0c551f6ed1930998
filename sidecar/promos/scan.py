"""Strict JSON with positions: where everything stands, and which names stand twice.

The parser of the standard library keeps the last of two equal names, takes NaN and lone surrogates, and tells no
positions. Strings are read by its scanner, so that escapes mean here what they mean everywhere."""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

MOST_BYTES = 1_048_576
DEEPEST = 64
MOST_VALUES = 30_000
"""Some 800 promos. Every value may be wrong, and each has its pointer: more would take minutes, and all memory."""
LONGEST_NAME = 100
_BOM = "\ufeff"
_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_LITERALS: dict[str, object] = {"true": True, "false": False, "null": None}
_WORD = re.compile(r"[A-Za-z]+")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """1-based line and column, in characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Repeated:
    """A name that stands twice in one object, with the pointer to its value."""

    pointer: str
    first: Place
    again: Place


@dataclass(frozen=True, slots=True)
class Scanned:
    """A whole document. `values` and `names` are the places of values, and of the names of members, by pointer (RFC
    6901); of repeated names the first stands."""

    value: Any
    text: str
    values: dict[str, Place]
    names: dict[str, Place]
    repeated: tuple[Repeated, ...]


class NotJson(Exception):
    """What is no JSON that is taken here; `place` is where, and the message what to do."""

    def __init__(self, message: str, place: Place, text: str) -> None:
        super().__init__(message)
        self.place = place
        self.text = text


def escaped(part: str | int) -> str:
    """As it stands in a pointer."""
    return str(part).replace("~", "~0").replace("/", "~1")


def scan(data: bytes) -> Scanned:
    """Raises NotJson."""
    text = _text(data)
    scanner = _Scanner(text)
    value = scanner.document()
    return Scanned(value, text, scanner.values, scanner.names, tuple(scanner.repeated))


def _text(data: bytes) -> str:
    start = Place(1, 1)
    if len(data) > MOST_BYTES:
        raise NotJson(f"is larger than {MOST_BYTES:,} bytes; one campaign a file is enough", start, "")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:4]:
        raise NotJson("is UTF-16 or UTF-32; save it as UTF-8", start, "")
    try:
        return data.decode().removeprefix(_BOM)
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(errors="replace").removeprefix(_BOM)
        raise NotJson(
            "holds a byte that is no UTF-8; save it as UTF-8", _place(before, len(before)), before
        ) from error


@dataclass(slots=True)
class _Scanner:
    text: str
    at: int = 0
    values: dict[str, Place] = field(default_factory=dict)
    names: dict[str, Place] = field(default_factory=dict)
    repeated: list[Repeated] = field(default_factory=list)
    _count: int = 0
    _lines: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self._lines = [0, *(found.end() for found in re.finditer("\n", self.text))]

    def document(self) -> object:
        self._skip()
        if self.at == len(self.text):
            raise self._wrong("is empty")
        value = self._value("", 0)
        self._skip()
        if self.at < len(self.text):
            raise self._wrong("something stands after the end of the document; remove it")
        return value

    def _value(self, pointer: str, depth: int) -> object:
        self.values[pointer] = self._place(self.at)
        self._count += 1
        if self._count > MOST_VALUES:
            raise self._wrong(f"here are more than {MOST_VALUES:,} values; one campaign a file is enough")
        if depth > DEEPEST:
            raise self._wrong(f"is nested more than {DEEPEST} deep")
        match self.text[self.at : self.at + 1]:
            case "{":
                return self._object(pointer, depth)
            case "[":
                return self._array(pointer, depth)
            case '"':
                return self._string()
            case "":
                raise self._wrong("ends in the middle; the file may not be saved whole")
        return self._number() if (self.text[self.at] in "-0123456789") else self._literal()

    def _object(self, pointer: str, depth: int) -> dict[str, object]:
        found: dict[str, object] = {}
        for _ in self._members("}", "a member in quotes"):
            begun = self.at
            if self.text[self.at : self.at + 1] != '"':
                raise self._wrong("a name in double quotes is expected here")
            name = self._string()
            if len(name) > LONGEST_NAME:
                self.at = begun
                raise self._wrong(f"a name of more than {LONGEST_NAME} characters")
            inner = f"{pointer}/{escaped(name)}"
            self._skip()
            if self.text[self.at : self.at + 1] != ":":
                raise self._wrong(f"a colon is expected after {json.dumps(name)}")
            self.at += 1
            self._skip()
            if name in found:
                self.repeated.append(Repeated(inner, self.names[inner], self._place(begun)))
                kept, self.values, self.names = (self.values, self.names), {}, {}
                self._value(inner, depth + 1)
                self.values, self.names = kept
            else:
                self.names[inner] = self._place(begun)
                found[name] = self._value(inner, depth + 1)
        return found

    def _array(self, pointer: str, depth: int) -> list[object]:
        return [self._value(f"{pointer}/{number}", depth + 1) for number in self._members("]", "a value")]

    def _members(self, close: str, what: str) -> Iterator[int]:
        """Numbers of what stands between the brackets; each is read by who asks."""
        opened, number = self.at, 0
        self.at += 1
        self._skip()
        if self.text[self.at : self.at + 1] == close:
            self.at += 1
            return
        while True:
            yield number
            number += 1
            self._skip()
            match self.text[self.at : self.at + 1]:
                case ",":
                    comma = self.at
                    self.at += 1
                    self._skip()
                    if self.text[self.at : self.at + 1] == close:
                        self.at = comma
                        raise self._wrong(f"a comma before {close}; remove it")
                case found if found == close:
                    self.at += 1
                    return
                case "":
                    line = self._place(opened).line
                    raise self._wrong(
                        f"ends before {close}, which closes line {line}; the file may not be saved whole"
                    )
                case _:
                    raise self._wrong(f"a comma is expected before {what}, or {close}")

    def _string(self) -> str:
        begun = self.at
        try:
            value, self.at = scanstring(self.text, begun + 1, True)
        except json.JSONDecodeError as error:
            self.at = min(error.pos, len(self.text))
            if "Unterminated" in error.msg:
                self.at = begun
                raise self._wrong("a string without its closing quote") from error
            raise self._wrong(f"in a string: {error.msg.lower().removesuffix(' at')}") from error
        if _SURROGATE.search(value):
            self.at = begun
            raise self._wrong("half of a character (a lone surrogate) stands in this string")
        return str(value)

    def _number(self) -> int | float:
        found = _NUMBER.match(self.text, self.at)
        if found is None:
            raise self._wrong("is no number")
        after = self.text[found.end() : found.end() + 1]
        if after.isalnum() or after == ".":
            raise self._wrong(
                "is no number as JSON writes them (no leading zeros, a digit on both sides of the point)"
            )
        number = int(found[0]) if found[1] is None and found[2] is None and len(found[0]) < 20 else float(found[0])
        if number in (float("inf"), float("-inf")):
            raise self._wrong("is too large a number")
        self.at = found.end()
        return number

    def _literal(self) -> object:
        word = _WORD.match(self.text, self.at)
        name = word[0] if word else ""
        if name not in _LITERALS:
            shown = json.dumps(name or self.text[self.at], ensure_ascii=False)
            also = "; text stands in double quotes" if name or self.text[self.at] == "'" else ""
            raise self._wrong(f"{shown} is no value{also}")
        self.at += len(name)
        return _LITERALS[name]

    def _skip(self) -> None:
        if (found := _SPACE.match(self.text, self.at)) is not None:
            self.at = found.end()

    def _place(self, at: int) -> Place:
        line = bisect_right(self._lines, at)
        return Place(line, at - self._lines[line - 1] + 1)

    def _wrong(self, message: str) -> NotJson:
        return NotJson(message, self._place(self.at), self.text)


def _place(text: str, at: int) -> Place:
    before = text[:at]
    return Place(before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1)
