"""The prices of events in answers of The Odds API. A market that is suspended is left out by the vendor."""

from collections import defaultdict
from collections.abc import Collection, Iterator

import msgspec

from holdover.canonical import CanonicalRequest
from holdover.content import moment
from holdover.providers.american import decimal
from holdover.providers.odds_selection import H2H, RIDERS
from holdover.providers.profile import Offer, Quote


class _Keyed(msgspec.Struct):
    key: str


class _Head(msgspec.Struct):
    id: str
    bookmakers: list[_Keyed] = []


class _Outcome(msgspec.Struct):
    name: str
    price: float | None = None
    point: float | None = None
    description: str | None = None


class _Market(_Keyed):
    outcomes: list[_Outcome] = []


class _Bookmaker(_Keyed):
    markets: list[_Market] = []


class _Event(msgspec.Struct):
    commence_time: str | float | None = None
    bookmakers: list[_Bookmaker] = []


_texts = msgspec.json.Decoder(list[msgspec.Raw]).decode
_heads = msgspec.json.Decoder(list[_Head]).decode
_event = msgspec.json.Decoder(_Event).decode


def offers(canonical: CanonicalRequest, body: bytes, events: Collection[str]) -> Iterator[Offer]:
    """Of the routes `odds` and `event-odds`. A bookmaker that stands at any event of the answer is one that it tells
    of: those of a region are not known otherwise."""
    if canonical.route == "event-odds":
        body = b"[%b]" % body
    elif canonical.route != "odds":
        return
    heads, query = _heads(body), dict(canonical.query)
    asked = frozenset(filter(None, query.get("bookmakers", "").split(",")))
    bookmakers = asked.union(bookmaker.key for head in heads for bookmaker in head.bookmakers)
    markets = frozenset(filter(None, query.get("markets", "").split(","))) or H2H
    told = markets.union(RIDERS[market] for market in markets & RIDERS.keys())
    for head, text in zip(heads, _texts(body), strict=True):
        if head.id in events:
            yield _offer(head.id, _event(text), bookmakers, told, american=query.get("oddsFormat") == "american")


def _offer(name: str, event: _Event, bookmakers: frozenset[str], told: frozenset[str], *, american: bool) -> Offer:
    quotes: dict[str, list[Quote]] = defaultdict(list, {market: [] for market in told})
    for bookmaker in event.bookmakers:
        for market in bookmaker.markets:
            for outcome in market.outcomes:
                price = decimal(outcome.price or 0.0) if american else outcome.price or 0.0
                quote = Quote(_selection(outcome), bookmaker.key, price, suspended=price <= 1)
                quotes[market.key].append(quote)
    found = {market: tuple(each) for market, each in quotes.items()}
    return Offer(name, moment(event.commence_time), bookmakers, found)


def _selection(outcome: _Outcome) -> str:
    """ "Arsenal", "Over 2.5", "Arsenal -1.5", "A. Striker Over 0.5"."""
    point = None if outcome.point is None else f"{outcome.point:g}"
    return " ".join(filter(None, (outcome.description, outcome.name, point)))
