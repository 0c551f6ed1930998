"""Whom a request for an old URL of promos is from, in the words that `GET /v1/promos` knows. Pure.

What is unknown is left out and opens no gate there: the visitor is shown less, or nothing."""

from collections.abc import Iterator, Mapping

from holdover.canonical import Query
from holdover.exchange import Headers, elements, header
from holdover.promo_settings import AudienceSettings, SourceSettings

LONGEST = 200
UNKNOWN = "?"
"""A segment that was told and is not understood, which might be an excluded one."""


def audience(settings: AudienceSettings, query: Query, headers: Headers, words: Mapping[str, str]) -> Query:
    """`query` and `words` (of the path's `{word}` segments) are decoded. Pairs by name, as parameters."""
    told: list[tuple[str, str]] = []
    for name, source in settings.sources():
        values = list(_values(source, query, headers, words))
        if name == "segment":
            parts = [part.strip() for value in values for part in value.split(",")]
            meant = {_meaning(source, part, UNKNOWN) for part in parts if part} or {source.absent}
        else:
            meant = {_meaning(source, value, "") for value in values} or {source.absent}
            # Servers differ in which of several values they take.
            meant = meant if len(meant) == 1 else set()
        if name == "visits":
            meant &= {"new", "returning"}
        told += [(name, each) for each in sorted(meant) if each]
    return tuple(told)


def _values(source: SourceSettings, query: Query, headers: Headers, words: Mapping[str, str]) -> Iterator[str]:
    """What the request tells, as it stands there; nothing that is empty."""
    found: list[str | None] = [source.constant]
    if source.query:
        found = [value for name, value in query if name in source.query]
    elif source.header is not None:
        value = header(headers, source.header)
        found = [*elements(value)[:1]] if source.by_language else [value]
    elif source.path is not None:
        found = [words.get(source.path)]
    yield from (stripped for value in found if value is not None and (stripped := value.strip()))


def _meaning(source: SourceSettings, value: str, unknown: str) -> str:
    if not _readable(value):
        return unknown
    if not source.values:
        return value
    meanings = {name.lower(): meaning for name, meaning in source.values.items()}
    folded = value.lower()
    if source.by_language and folded not in meanings:
        folded = folded.partition("-")[0]
    return meanings.get(folded, unknown)


def _readable(value: str) -> bool:
    """Not so for bytes that are no UTF-8, which stand in header fields as surrogates."""
    return len(value) <= LONGEST and value.isprintable()
