"""Cache directives: Cache-Control (RFC 9111 section 5.2) and targeted fields (RFC 9213)."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from holdover.caching.structured import Token, dictionary
from holdover.exchange import Headers, header

LONGEST_S = 2**31
"""What a number of seconds that is too large counts as (RFC 9111 section 1.2.2)."""

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_DIRECTIVE = re.compile(rf"({_TOKEN})(?:=({_TOKEN}|{_QUOTED}))?", re.DOTALL)
# Between commas, which do not count inside a quoted string.
_PART = re.compile(rf'(?:[^,"]|{_QUOTED})*', re.DOTALL)
_LISTS_OF_FIELDS = frozenset(("no-cache", "private"))
_SECONDS = frozenset(("max-age", "s-maxage", "stale-while-revalidate", "stale-if-error"))


@dataclass(frozen=True, slots=True)
class Directives:
    """`told` in their order: lower-case names with their arguments, unquoted, None where there is none. `broken` when
    a part is not a directive, so that nobody can tell what was meant. `targeted` when a field for caches like this
    one told them, which sets aside Cache-Control and Expires (RFC 9213 section 2.2)."""

    told: tuple[tuple[str, str | None], ...] = ()
    broken: bool = False
    targeted: bool = False

    def __contains__(self, name: str) -> bool:
        return any(told == name for told, _ in self.told)

    def without(self, names: Collection[str]) -> "Directives":
        """What is left when these are set aside."""
        if not names:
            return self
        return replace(self, told=tuple(item for item in self.told if item[0] not in names))

    def seconds(self, name: str) -> int | None:
        """The first argument of a directive (RFC 9111 section 4.2.1: use the first); None when it is absent, -1 when
        it is no number of seconds."""
        argument = next((value or "" for told, value in self.told if told == name), None)
        if argument is None:
            return None
        if not (argument.isascii() and argument.isdigit()):
            return -1
        return seconds_of(argument)

    def unqualified(self, name: str) -> bool:
        """Whether the directive is about the whole response, not about named fields of it."""
        return any(told == name and not value for told, value in self.told)

    def fields(self, name: str) -> frozenset[str]:
        """Lower-case names of the fields that the directive is about (RFC 9111 sections 5.2.2.4 and 5.2.2.7)."""
        lists = [value for told, value in self.told if told == name and value]
        return frozenset(field.strip().lower() for value in lists for field in value.split(",") if field.strip())


def seconds_of(digits: str) -> int:
    """RFC 9111 section 1.2.2: as many as can be meant, without reading a million digits."""
    significant = digits.lstrip("0")
    return min(int(significant or "0"), LONGEST_S) if len(significant) <= 10 else LONGEST_S


def cache_control(headers: Headers) -> Directives:
    """What Cache-Control says, all of its lines together."""
    if (text := header(headers, "cache-control")) is None:
        return Directives()
    told: list[tuple[str, str | None]] = []
    broken = False
    for part in _parts(text):
        if (found := _DIRECTIVE.fullmatch(part)) is None:
            # `max-age = 1` and `max-age=1.5` are about max-age, whatever they mean by it.
            name = re.match(_TOKEN, part)
            told += [(name[0].lower(), "?")] if name is not None and name[0].lower() in _SECONDS else []
            broken = broken or name is None or '"' in part
            # The safe reading of what cannot be read.
            told += [(word, None) for word in ("no-store", "no-cache", "private") if word in part.lower()]
        else:
            told.append((found[1].lower(), _unquoted(found[2])))
    return Directives(tuple(told), broken)


def targeted(headers: Headers, names: Sequence[str]) -> Directives | None:
    """What the first usable field of `names` says; None when there is none (RFC 9213 section 2.2)."""
    for name in names:
        text = header(headers, name)
        if text is None or not (members := dictionary(text)):
            continue
        told: list[tuple[str, str | None]] = []
        for key, value in members.items():
            match value:
                case True:
                    told.append((key, None))
                case False:
                    continue
                case int() if key in _SECONDS and value >= 0:
                    told.append((key, str(value)))
                case str() if key in _LISTS_OF_FIELDS and not isinstance(value, Token):
                    told.append((key, value))
                # A value of a type that the directive does not have: what allows allows nothing (RFC 9111 section
                # 4.2.1), what forbids is as told.
                case _:
                    told.append((key, "?" if key in _SECONDS else None))
        return Directives(tuple(told), targeted=True)
    return None


def control(headers: Headers, names: Sequence[str] = ()) -> Directives:
    """What a response says to this cache."""
    return targeted(headers, names) or cache_control(headers)


def _parts(text: str) -> Iterable[str]:
    """What stands between commas, empty parts left out. A quotation mark that is never closed is one like any other
    character, and so is every one behind it: to look for its end in each part anew would take the square of the
    time."""
    at = 0
    while at <= len(text):
        found = _PART.match(text, at)
        end = found.end() if found is not None else at
        parts, at_end = [text[at:end]], end
        if end < len(text) and text[end] != ",":
            first, *rest = text[end:].split(",")
            parts, at_end = [text[at:end] + first, *rest], len(text)
        yield from filter(None, (part.strip(" \t") for part in parts))
        at = at_end + 1


def _unquoted(value: str | None) -> str | None:
    if value is None or not value.startswith('"'):
        return value
    return re.sub(r"\\(.)", r"\1", value[1:-1], flags=re.DOTALL)
