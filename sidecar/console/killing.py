"""What the page Kill says: what is killed and by whom, how far that is, and what may be killed. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..promos.desk import Target
from ..promos.document import Promo
from ..promos.folder import KILL
from ..promos.kill import NOT_UNDERSTOOD
from ..promos.language import spoken
from ..promos.problem import Problem
from ..promos.record import Record
from ..promos.resolve import Shown
from ..promos.standing import Live, Status
from .audience import Query, first
from .now import title_of
from .past import moment_of
from .picture import Picture, picture
from .words import Moment, counted, moment

MOST_CHOICES = 40


@dataclass(frozen=True, slots=True)
class Killed:
    """`record` None: it was written with an editor, or nobody knows when."""

    target: Target
    title: str
    reason: str
    record: Record | None
    at: Moment | None


@dataclass(frozen=True, slots=True)
class Choice:
    """A promo. `state`: "running", "planned" or "over". `killed`: it itself, not its slot or everything."""

    promo: Promo
    title: str
    text: str
    picture: Picture | None
    start: Moment
    end: Moment
    state: str
    withheld: str
    killed: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A slot. `running`: the promos that run in it."""

    name: str
    title: str
    running: tuple[str, ...]
    killed: bool


@dataclass(frozen=True, slots=True)
class Row:
    instance: str
    streams: int
    told: int
    fetched: int


@dataclass(frozen=True, slots=True)
class Spread:
    """How far the last change is. `state`: "none", "going", "told" or "reached"."""

    state: str
    sentence: str
    more: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class KillPage:
    """`problems`: of kill.json, told where it is not `understood`. `more`: how many choices are left out."""

    killed: tuple[Killed, ...]
    understood: bool
    problems: tuple[Problem, ...]
    choices: tuple[Choice, ...]
    more: int
    places: tuple[Place, ...]
    running: int


def kill_page(
    live: Live, statuses: Iterable[Status], records: Sequence[Record], search: str, language: str, now: float
) -> KillPage:
    told = next((each.problems for each in statuses if each.file == KILL), ())
    own = tuple(each for each in told if not each.message.startswith("everything is killed"))
    all_of = [choice(promo, live, language, now) for promo in live.promos]
    fits = sorted((each for each in all_of if _fits(each, search)), key=_order)
    return KillPage(
        tuple(each for each in _killed(live, records, language, now) if each.reason != NOT_UNDERSTOOD),
        live.kills.everything != NOT_UNDERSTOOD,
        own,
        tuple(fits[:MOST_CHOICES]),
        max(0, len(fits) - MOST_CHOICES),
        tuple(_places(live, all_of)),
        sum(each.state == "running" and not each.withheld for each in all_of),
    )


def choice(promo: Promo, live: Live, language: str, now: float) -> Choice:
    shown = Shown(promo, None, (*spoken(language, promo.content), *promo.content))
    state = "over" if promo.end <= now else "planned" if promo.start > now else "running"
    start, end = moment(promo.start, promo.timezone, now), moment(promo.end, promo.timezone, now)
    withheld = live.withheld.get(promo.id, "")
    killed = promo.id in live.kills.promos
    title = title_of(promo, language)
    return Choice(promo, title, shown.text.text, picture(shown), start, end, state, withheld, killed)


def target_of(query: Query) -> Target | None:
    """As the address names it."""
    if first(query, "everything"):
        return "everything", ""
    if slot := first(query, "slot"):
        return "slot", slot
    promo = first(query, "promo")
    return ("promo", promo) if promo else None


def known(target: Target, live: Live) -> bool:
    """Whether there is such a thing to kill."""
    what, name = target
    slots = live.vocabulary.slots.keys() | {promo.slot for promo in live.promos}
    return what == "everything" or name in (slots if what == "slot" else {promo.id for promo in live.promos})


def is_killed(target: Target, live: Live) -> bool:
    what, name = target
    if what == "everything":
        return bool(live.kills.everything)
    return name in (live.kills.slots if what == "slot" else live.kills.promos)


def taken(target: Target, live: Live) -> tuple[Promo, ...]:
    """All that it takes off the homepage."""
    what, name = target
    return tuple(p for p in live.promos if what == "everything" or name == (p.slot if what == "slot" else p.id))


CONSOLE = "console"
"""What pages of the console call their instance."""


def spread(told: Mapping[str, Any]) -> Spread:
    """Of `Changes.facts()`."""
    # Pages of the console listen too; whom a kill is for are homepages.
    others = {name: each for name, each in told["instances"].items() if name != CONSOLE}
    rows = tuple(
        Row(name or "no name", each["streams"], each["told"], each["fetched"]) for name, each in others.items()
    )
    many, noticed = sum(each["streams"] for each in others.values()), told["noticed_at"]
    clients = counted(many, "connected client")
    if not told["event"] or noticed is None:
        return Spread("none", "Nothing has changed since holdover was started", f"{clients} would be told.", rows)
    polling = "Homepages that poll have it within five seconds."
    if not many:
        return Spread("reached", "No client is connected now", polling, rows)
    if told["all_told_at"] is None:
        return Spread(
            "going",
            f"Told {sum(each['told'] for each in others.values())} of {clients}",
            "This goes on by itself.",
            rows,
        )
    sentence = f"Reached all {clients} in {_seconds(told['all_told_at'] - noticed)}"
    if told["all_fetched_at"] is None:
        asked = f"{sum(each['fetched'] for each in others.values())} of {many} have asked anew and say so."
        return Spread("told", sentence, f"{asked} {polling}", rows)
    late = f"All have asked anew after {_seconds(told['all_fetched_at'] - noticed)}."
    return Spread("reached", sentence, f"{late} {polling}", rows)


def _seconds(seconds: float) -> str:
    return f"{max(0.0, seconds):.2f} s"


def _fits(each: Choice, search: str) -> bool:
    told = f"{each.promo.id} {each.title} {each.promo.slot}".casefold()
    return each.state != "over" and all(word in told for word in search.casefold().split())


def _order(each: Choice) -> tuple[bool, bool, str, int, str]:
    return bool(each.withheld), each.state != "running", each.promo.slot, -each.promo.priority, each.promo.id


def _killed(live: Live, records: Sequence[Record], language: str, now: float) -> Iterator[Killed]:
    titles = {promo.id: title_of(promo, language) for promo in live.promos}
    kills = live.kills
    found: list[tuple[Target, str, str]] = []
    if kills.everything:
        found.append((("everything", ""), "Everything", kills.everything))
    for name, reason in kills.slots.items():
        slot = live.vocabulary.slots.get(name)
        found.append((("slot", name), f"All of {slot.title if slot else name}", reason))
    found += [(("promo", name), titles.get(name, name), reason) for name, reason in kills.promos.items()]
    for target, title, reason in found:
        record = killed_by(records, target)
        yield Killed(target, title, reason, record, moment_of(record, now) if record else None)


def killed_by(records: Sequence[Record], target: Target) -> Record | None:
    """The last record that says so: what is written here is told in these words."""
    said = f"killed {target[0]} {target[1]}".strip()
    wrote = (record for record in reversed(records) if record.what == "published" and KILL in record.detail)
    return next((record for record in wrote if record.why == said or record.why.startswith(f"{said}: ")), None)


def _places(live: Live, choices: Iterable[Choice]) -> Iterator[Place]:
    running: dict[str, list[str]] = {name: [] for name in live.vocabulary.slots}
    for each in choices:
        titles = running.setdefault(each.promo.slot, [])
        if each.state == "running" and not each.withheld:
            titles.append(each.title)
    for name, titles in running.items():
        slot = live.vocabulary.slots.get(name)
        yield Place(name, slot.title if slot else name, tuple(titles), name in live.kills.slots)
