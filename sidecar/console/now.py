"""What the page Now says: each slot with what it shows, why, for how long, and what else there is. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..promos.document import Promo, Slot, Text
from ..promos.explain import Explained
from ..promos.language import said, spoken
from ..promos.resolve import Shown, Withheld
from ..promos.standing import Live
from .audience import Answer, Asked, answer, refusal
from .picture import Picture, picture
from .words import Moment, moment


@dataclass(frozen=True, slots=True)
class Chance:
    """A variant; `share` of visitors in per cent."""

    name: str
    title: str
    share: float


@dataclass(frozen=True, slots=True)
class Card:
    """`promo` as the file says. `elapsed`: how much of its time is over, 0 to 1."""

    promo: Promo
    text: Text
    chances: tuple[Chance, ...]
    picture: Picture | None
    why: str
    start: Moment
    end: Moment
    left_s: float
    elapsed: float


@dataclass(frozen=True, slots=True)
class Other:
    """A promo that is not shown in its slot, and why."""

    promo: Promo
    title: str
    why: str


@dataclass(frozen=True, slots=True)
class Coming:
    promo: Promo
    title: str
    start: Moment
    in_s: float


@dataclass(frozen=True, slots=True)
class Place:
    """A slot. `behind`: those that would be shown if it had room. `withheld`: those that may not be shown now.
    `elsewhere`: how many are live in it for other audiences."""

    name: str
    slot: Slot
    cards: tuple[Card, ...]
    behind: tuple[Other, ...]
    withheld: tuple[Other, ...]
    coming: Coming | None
    elsewhere: int


@dataclass(frozen=True, slots=True)
class NowPage:
    places: tuple[Place, ...]
    next_change: Moment | None
    next_in_s: float

    @property
    def shown(self) -> int:
        return sum(len(place.cards) for place in self.places)

    @property
    def empty(self) -> int:
        return sum(not place.cards for place in self.places)

    @property
    def withheld(self) -> int:
        return sum(len(place.withheld) for place in self.places)


def now_page(live: Live, withheld: Withheld, who: Asked, now: float) -> NowPage:
    told = answer(live, withheld, who, now)
    places = tuple(_place(name, slot, live, withheld, who, told, now) for name, slot in live.vocabulary.slots.items())
    after = told.resolution.next_change_at
    change = None if after is None else moment(after, "UTC", now)
    return NowPage(places, change, 0.0 if after is None else after - now)


def title_of(promo: Promo, language: str) -> str:
    """In that language, or in the first that it has."""
    first = next(iter(promo.content.values()), Text(promo.id))
    return said(promo.content, spoken(language, promo.content), first).title


def _chances(promo: Promo, language: str) -> Iterator[Chance]:
    total = sum(variant.weight for variant in promo.variants)
    for each in promo.variants:
        text = said(each.content, spoken(language, each.content), Text(title_of(promo, language)))
        yield Chance(each.id, text.title, each.weight / total * 100)


def _place(name: str, slot: Slot, live: Live, withheld: Withheld, who: Asked, told: Answer, now: float) -> Place:
    language = who.visitor.language
    files = {promo.id: promo for promo in live.promos}
    here = [each for each in told.explained if each.promo.slot == name]
    behind = [each for each in here if _lost(each)]
    cards = tuple(
        _card(files[shown.promo.id], shown, _why(place, shown, told.resolution.slots[name], behind, slot), who, now)
        for place, shown in enumerate(told.resolution.slots[name], 1)
    )
    held = [promo for promo in live.promos if promo.slot == name and promo.id in withheld and _runs(promo, now)]
    return Place(
        name,
        slot,
        cards,
        tuple(Other(files[each.promo.id], title_of(each.promo, language), _capacity(each)) for each in behind),
        tuple(Other(promo, title_of(promo, language), withheld[promo.id]) for promo in held),
        _coming(here, language, now),
        sum(bool(refusal(each)) and each.promo.id not in withheld and _runs(each.promo, now) for each in here),
    )


def _card(promo: Promo, shown: Shown, why: str, who: Asked, now: float) -> Card:
    start, end = moment(promo.start, promo.timezone, now), moment(promo.end, promo.timezone, now)
    elapsed = (now - promo.start) / (promo.end - promo.start)
    image = picture(shown)
    chances = tuple(_chances(promo, who.visitor.language))
    return Card(promo, shown.text, chances, image, why, start, end, promo.end - now, elapsed)


def _why(place: int, shown: Shown, all_shown: Sequence[Shown], behind: Sequence[Explained], slot: Slot) -> str:
    if behind:
        return f"Wins over {len(behind)}: {_over(shown.promo, behind[0].promo)}"
    if slot.capacity == 1:
        return "Nothing else competes for this place"
    return f"There is room: {place} of {slot.capacity}" if len(all_shown) > 1 else "Nothing else is in this slot"


def _over(winner: Promo, loser: Promo) -> str:
    if winner.priority != loser.priority:
        return f"priority {winner.priority} > {loser.priority}"
    return "same priority, newer start" if winner.start != loser.start else "same priority and start, first by id"


def _lost(told: Explained) -> bool:
    return [each.gate for each in told.outcomes if not each.passed] == ["capacity"]


def _capacity(told: Explained) -> str:
    return next(each.sentence for each in told.outcomes if each.gate == "capacity")


def _runs(promo: Promo, now: float) -> bool:
    return promo.start <= now < promo.end


def _coming(here: Iterable[Explained], language: str, now: float) -> Coming | None:
    later = [each.promo for each in here if each.promo.start > now and not refusal(each)]
    promo = min(later, key=lambda each: each.start, default=None)
    if promo is None:
        return None
    return Coming(promo, title_of(promo, language), moment(promo.start, promo.timezone, now), promo.start - now)
