"""What the page Preview says: the homepage at a time that is chosen among those at which something changes. Pure."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, tzinfo

from ..promos.document import Promo
from ..promos.explain import Explained
from ..promos.moment import Unclear, absolute, instant, zone_of
from ..promos.resolve import Withheld
from ..promos.standing import Live
from .audience import Asked, answer, refusal
from .mockup import Block, compared, mockup
from .now import title_of
from .words import clock, date

MOST_TURNS, MOST_GATES = 200, 100


@dataclass(frozen=True, slots=True)
class Turn:
    """A time at which promos of this audience start or end, in one of the homepages that are compared. `iso` is how
    the address names it."""

    at: float
    iso: str
    when: str
    what: str


@dataclass(frozen=True, slots=True)
class Gates:
    """Why a promo is or is not shown; `why` is short, `explained` tells gate by gate."""

    promo: Promo
    title: str
    why: str
    explained: Explained


@dataclass(frozen=True, slots=True)
class View:
    """`iso` is how the address names the time, `there` how people write it."""

    at: float
    iso: str
    there: str
    when: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class PreviewPage:
    """`versus`: the homepage that it is compared with. `position`: how many turns are not
    after it; `last` is the last of them, `before` the last that is really before."""

    view: View
    versus: View | None
    turns: tuple[Turn, ...]
    position: int
    before: Turn | None
    last: Turn | None
    after: Turn | None
    gates: tuple[Gates, ...]


def preview_page(
    live: Live, withheld: Withheld, who: Asked, at: float, versus: tuple[float, Live] | None, zone: tzinfo
) -> PreviewPage:
    """`versus`: another time, and what is live in it: the same, or what is live without the draft."""
    turns = _turns(live, live if versus is None else versus[1], withheld, who, zone, at)
    blocks = mockup(live, withheld, who, at)
    other = None
    if versus is not None:
        was = mockup(versus[1], withheld, who, versus[0])
        blocks, was = compared(blocks, was), compared(was, blocks)
        other = _view(versus[0], zone, was)
    before = max((turn for turn in turns if turn.at < at), key=lambda turn: turn.at, default=None)
    after = min((turn for turn in turns if turn.at > at), key=lambda turn: turn.at, default=None)
    position = sum(turn.at <= at for turn in turns)
    view = _view(at, zone, blocks)
    last = turns[position - 1] if position else None
    return PreviewPage(view, other, turns, position, before, last, after, _gates(live, withheld, who, at))


def _view(at: float, zone: tzinfo, blocks: tuple[Block, ...]) -> View:
    there = date(at, zone).isoformat(timespec="seconds" if at % 60 else "minutes")
    return View(at, iso(at), there, clock(at, zone, at), blocks)


def _turns(shown: Live, versus: Live, withheld: Withheld, who: Asked, zone: tzinfo, near: float) -> tuple[Turn, ...]:
    """In order; the MOST_TURNS nearest, if there are more. Of what is live without the draft what is not so with
    it."""
    what: dict[float, list[str]] = defaultdict(list)
    for at, sentence in _changes(shown, withheld, who, near):
        what[at].append(sentence)
    for at, sentence in () if versus is shown else _changes(versus, withheld, who, near):
        if sentence not in what[at]:
            what[at].append(f"{sentence} (live)")
    nearest = sorted(sorted(what, key=lambda at: abs(at - near))[:MOST_TURNS])
    return tuple(Turn(at, iso(at), clock(at, zone, near), "; ".join(what[at])) for at in nearest)


def _changes(live: Live, withheld: Withheld, who: Asked, near: float) -> Iterator[tuple[float, str]]:
    for told in answer(live, withheld, who, near).explained:
        if not refusal(told):
            title = title_of(told.promo, who.visitor.language)
            yield told.promo.start, f"{title} starts"
            yield told.promo.end, f"{title} ends"


def moment_of(text: str, zone_name: str) -> float | Unclear:
    """Unix seconds of a time with its offset, or of a local time of that zone."""
    if not re.match(r"(19[7-9]|2[0-8])\d", text):
        return Unclear("is no time of these centuries", "write it as 2026-11-26T12:00")
    at = absolute(text)
    zone = zone_of(zone_name)
    if isinstance(at, Unclear) and zone is not None:
        at = instant(text, zone)
    return at


def iso(at: float) -> str:
    return date(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _gates(live: Live, withheld: Withheld, who: Asked, at: float) -> tuple[Gates, ...]:
    """Of what is not shown, first what comes closest; MOST_GATES at most."""
    files = {promo.id: promo for promo in live.promos}
    told = [each for each in answer(live, withheld, who, at).explained if not each.shown]
    told.sort(key=lambda each: sum(not outcome.passed for outcome in each.outcomes))
    language = who.visitor.language
    return tuple(
        Gates(files[each.promo.id], title_of(each.promo, language), _why(each), each) for each in told[:MOST_GATES]
    )


def _why(told: Explained) -> str:
    return next(outcome.sentence for outcome in told.outcomes if not outcome.passed)
