"""Who, when and what, in words. Pure."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, tzinfo

from .crowd import Crowd
from .document import Vocabulary
from .filling import Seen
from .moment import zone_of

_MOST = 3


def span(since: float, until: float, timezone: str) -> str:
    """As "from Sun 2026-11-29 02:00 to 06:00 (America/New_York)"."""
    zone: tzinfo = zone_of(timezone) or UTC
    first, last = (datetime.fromtimestamp(moment, zone) for moment in (since, until))
    # On the day of a clock change an hour comes twice.
    clock = "%H:%M" if first.utcoffset() == last.utcoffset() else "%H:%M%z"
    day = f"%a %Y-%m-%d {clock}"
    end = last.strftime(clock if first.date() == last.date() else day)
    return f"from {first.strftime(day)} to {end} ({timezone if zone is not UTC else 'UTC'})"


def whom(crowds: Sequence[Crowd], vocabulary: Vocabulary) -> str:
    """As "US-PA es; US-NJ phone new"."""
    told = [_crowd(crowd, vocabulary) for crowd in crowds[:_MOST]]
    more = len(crowds) - _MOST
    return "; ".join(told) + (f"; and {more} more kinds of visitors" if more > 0 else "")


def quoted(ids: Iterable[str]) -> str:
    return ", ".join(f'"{each}"' for each in ids) or "nothing"


def seen(shown: Sequence[Seen]) -> str:
    return ", ".join(map(_seen, shown)) or "nothing"


def _seen(each: Seen) -> str:
    if each.sure:
        return f'"{each.id}"'
    return f'"{each.id}" (to {each.rollout:g} %)' if each.rollout < 100 else f'"{each.id}" (if there is room)'


def _crowd(crowd: Crowd, vocabulary: Vocabulary) -> str:
    words = [
        _some(crowd.jurisdictions, vocabulary.jurisdictions),
        _some(crowd.languages, vocabulary.languages),
        _some(crowd.devices, vocabulary.devices),
        _segments(crowd),
        crowd.visits,
    ]
    return " ".join(filter(None, words)) or "everybody"


def _some(chosen: frozenset[str], known: frozenset[str]) -> str:
    if len(rest := known - chosen) < len(chosen) and rest and len(chosen) > _MOST:
        return f"all but {', '.join(sorted(rest))}"
    return ", ".join(sorted(chosen))


def _segments(crowd: Crowd) -> str:
    """Which of the segments asked for they have: "in a not in b", and what makes no difference left out."""
    if not crowd.segments:
        return ""
    names = sorted(crowd.asked)
    terms: list[tuple[bool | None, ...]] = sorted(tuple(name in some for name in names) for some in crowd.segments)
    for axis in range(len(names)):
        with_it = {(*term[:axis], True, *term[axis + 1 :]) for term in terms if term[axis] is False}
        both = with_it.intersection(terms)
        terms = [
            (*term[:axis], None, *term[axis + 1 :]) if term in both else term
            for term in terms
            if term[axis] is True or (*term[:axis], True, *term[axis + 1 :]) not in both
        ]
    return " or ".join(_term(dict(zip(names, term, strict=True))) for term in terms)


def _term(term: dict[str, bool | None]) -> str:
    has, lacks = ([name for name, told in term.items() if told is wanted] for wanted in (True, False))
    return " ".join(
        [*(["in " + " and ".join(has)] if has else []), *(["not in " + ", ".join(lacks)] if lacks else [])]
    )
