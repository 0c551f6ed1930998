"""Which of the languages there are a reader is served in. Pure."""

from collections.abc import Iterable, Mapping


def spoken(asked: str, known: Iterable[str]) -> tuple[str, ...]:
    """Those of `known` that serve a reader of `asked`, closest first: en-GB, then en (RFC 4647, section 3.4)."""
    spelled = {each.lower(): each for each in sorted(known)}
    found, tag = [], asked.lower()
    while tag:
        if tag in spelled:
            found.append(spelled[tag])
        tag = tag.rpartition("-")[0]
        # What follows a single letter belongs to it: neither stands without the other.
        tag = tag[:-2] if tag[-2:-1] == "-" else tag
    return tuple(found)


def said[T](by_language: Mapping[str, T], languages: Iterable[str], otherwise: T) -> T:
    """In the first of `languages` that there is."""
    for each in languages:
        if each in by_language:
            return by_language[each]
    return otherwise
