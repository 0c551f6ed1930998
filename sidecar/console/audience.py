"""Whom a page is about: read from its address and written back into it, so that a link shows the same. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from ..promos.document import Promo
from ..promos.explain import Explained, explain
from ..promos.resolve import Resolution, Visitor, Withheld, resolve
from ..promos.standing import Live

type Query = Mapping[str, Sequence[str]]
_VISITS = {"new": False, "returning": True}
_NOT_OF_AUDIENCE = ("time", "capacity")


@dataclass(frozen=True, slots=True)
class Asked:
    """`inside`: a visitor without an id stands for those within every roll-out, instead of those outside of all."""

    visitor: Visitor
    inside: bool = True

    def url(self, path: str, **more: str | None) -> str:
        """The page for the same audience; what is None or empty is left out."""
        who = self.visitor
        visits = {None: "", False: "new", True: "returning"}[who.returning]
        pairs = [("jurisdiction", who.jurisdiction), ("language", who.language), ("device", who.device)]
        pairs += [("segment", segment) for segment in sorted(who.segments)]
        pairs += [("visits", visits), ("visitor", who.id), ("rollouts", "" if self.inside else "outside")]
        pairs += [(name, value or "") for name, value in more.items()]
        return f"{path}?{urlencode([(name, value) for name, value in pairs if value])}"


def asked(query: Query, live: Live) -> Asked:
    """What the address does not say is what most promos are for."""
    common = {
        "jurisdiction": _commonest((p.audience.jurisdictions for p in live.promos), live.vocabulary.jurisdictions),
        "language": _commonest((p.content for p in live.promos), live.vocabulary.languages),
        "device": _commonest((p.audience.devices for p in live.promos), live.vocabulary.devices),
    }
    one = {name: first(query, name) or usual for name, usual in common.items()}
    segments = frozenset(filter(None, query.get("segment", ())))
    returning = _VISITS.get(first(query, "visits"))
    visitor = Visitor(**one, segments=segments, id=first(query, "visitor"), returning=returning)
    return Asked(visitor, first(query, "rollouts") != "outside")


def first(query: Query, name: str) -> str:
    """The first value of that name; "" without one."""
    return next(iter(query.get(name, ())), "").strip()


def _commonest(named: Iterable[Iterable[str]], known: Iterable[str]) -> str:
    many = Counter(word for words in named for word in words)
    return min(known, key=lambda word: (-many[word], word), default="")


@dataclass(frozen=True, slots=True)
class Answer:
    """`explained`: of all, by rank. Their promos may have another roll-out than the file says."""

    resolution: Resolution
    explained: tuple[Explained, ...]


def answer(live: Live, withheld: Withheld, who: Asked, at: float) -> Answer:
    """What the audience is shown at a time, and why not the rest."""
    case = live.vocabulary, who.visitor, at, withheld
    promos = _considered(live, who)
    return Answer(resolve(promos, *case), explain(promos, *case))


def refusal(told: Explained) -> str:
    """Why a promo is at no time for this audience; "" if it is for them."""
    shut = [each.sentence for each in told.outcomes if not each.passed and each.gate not in _NOT_OF_AUDIENCE]
    return "; ".join(shut)


def _considered(live: Live, who: Asked) -> Sequence[Promo]:
    if who.visitor.id or not who.inside:
        return live.promos
    return [replace(promo, rollout=100.0) if 0 < promo.rollout < 100 else promo for promo in live.promos]
