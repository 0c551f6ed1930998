"""Dictionaries of Structured Fields (RFC 9651 section 4.2.2), strictly: one error, and the field counts as absent.

Parameters are read and left out: nothing that caches are told stands in one."""

import re
from dataclasses import dataclass


class Token(str):
    """A Token, as opposed to a String."""

    __slots__ = ()


class Other:
    """A Byte Sequence, a Date, a Display String, a Decimal or an Inner List: no cache directive has such a value."""


type Value = bool | int | str | Token | Other


class _Malformed(Exception):
    pass


_KEY = re.compile(r"[a-z*][a-z0-9_.*-]*")
_NUMBER = re.compile(r"-?(?:(\d{1,12})\.(\d{1,3})(?![\d.])|(\d{1,15})(?![\d.]))")
_STRING = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_TOKEN = re.compile(r"[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*")
_REST = re.compile(r':[A-Za-z0-9+/=]*:|@-?\d{1,15}(?![\d.])|%"(?:[ !#$&-~]|%[0-9a-f]{2})*"')
_SPACES = re.compile(" *")
_BLANKS = re.compile(r"[ \t]*")


@dataclass(slots=True)
class _Reader:
    text: str
    at: int = 0

    @property
    def next(self) -> str:
        return self.text[self.at : self.at + 1]

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        if (found := pattern.match(self.text, self.at)) is not None:
            self.at = found.end()
        return found

    def taken(self, character: str) -> bool:
        here = self.next == character
        self.at += here
        return here

    def key(self) -> str:
        if (found := self.take(_KEY)) is None:
            raise _Malformed
        return found[0]

    def bare(self) -> Value:
        if (number := self.take(_NUMBER)) is not None:
            return int(number[0]) if number[3] is not None else Other()
        if (text := self.take(_STRING)) is not None:
            return re.sub(r"\\(.)", r"\1", text[1])
        if (token := self.take(_TOKEN)) is not None:
            return Token(token[0])
        if self.next == "?" and self.text[self.at + 1 : self.at + 2] in ("0", "1"):
            self.at += 2
            return self.text[self.at - 1] == "1"
        if self.take(_REST) is not None:
            return Other()
        raise _Malformed

    def parameters(self) -> None:
        while self.taken(";"):
            self.take(_SPACES)
            self.key()
            if self.taken("="):
                self.bare()

    def member(self) -> Value:
        value = self._inner_list() if self.taken("(") else self.bare()
        self.parameters()
        return value

    def _inner_list(self) -> Other:
        while True:
            self.take(_SPACES)
            if self.taken(")"):
                return Other()
            self.bare()
            self.parameters()
            if self.next not in (" ", ")"):
                raise _Malformed


def dictionary(text: str) -> dict[str, Value] | None:
    """Members by their keys; of one that stands twice the last counts. None for what is not a Dictionary."""
    reader, members = _Reader(text.strip(" ")), dict[str, Value]()
    try:
        while reader.next:
            key = reader.key()
            members.pop(key, None)
            if reader.taken("="):
                members[key] = reader.member()
            else:
                members[key] = True
                reader.parameters()
            reader.take(_BLANKS)
            if not reader.next:
                break
            # A comma has something behind it.
            if not (reader.taken(",") and reader.take(_BLANKS) and reader.next):
                raise _Malformed
    except _Malformed:
        return None
    return members
