"""Whether boosted odds may be shown, for what cached answers tell of the market. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, get_args

from holdover.canonical import CanonicalRequest
from holdover.content import Board
from holdover.phase import max_stale
from holdover.providers.profile import Offer, Quote
from holdover.route_settings import RouteSettings

from .document import Boost

type Reason = Literal["suspended", "gone", "started", "stale", "better", "unreadable"]
REASONS: tuple[Reason, ...] = get_args(Reason.__value__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a boost is hidden. `since` and `detail` may change all the time, and make no other refusal."""

    reason: Reason
    text: str
    since: float | None = field(default=None, compare=False)
    detail: str = field(default="", compare=False)

    @property
    def sentence(self) -> str:
        if self.since is None:
            return self.text
        return f"{self.text}, since {datetime.fromtimestamp(self.since, UTC):%Y-%m-%d %H:%M} UTC{self.detail}"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a cached answer to `request` tells of an event. It is as old as it was confirmed at `at` (Unix seconds).
    `listed`: it holds the event; if not, it did before, and all that it told of then was not offered any more at
    `at`."""

    request: CanonicalRequest
    at: float
    offer: Offer
    route: RouteSettings
    board: Board
    listed: bool = True

    def limit_s(self, boost: Boost, now: float) -> float:
        """How old it may be. Clients are given no older prices of the route either."""
        return max_stale(self.route, self.board, now) if boost.max_age_s is None else boost.max_age_s

    def tells_of(self, boost: Boost) -> bool:
        return self.offer.whole or boost.market in self.offer.markets

    def carries(self, boost: Boost) -> bool:
        """Whether a newer answer to the request will tell of the price that counts."""
        named = not boost.bookmaker or boost.bookmaker in self.offer.bookmakers
        return named and self.tells_of(boost)


def judged(boost: Boost, readings: Sequence[Reading], now: float) -> Refusal | float:
    """The price without the boost where that may be shown. `readings`: all of the event, newest first."""
    unlisted = Refusal("gone", f'event "{boost.event}" is in no cached answer of {boost.provider}', now)
    if not readings:
        return unlisted
    if (begun := _begun(readings, now)) is not None:
        return Refusal("started", "the event is past its start", begun)
    telling = [reading for reading in readings if reading.tells_of(boost)]
    if not telling:
        none_tells = f'no cached answer about the event tells of market "{boost.market}"'
        return Refusal("gone", none_tells, now) if any(each.listed for each in readings) else unlisted
    fresh = [reading for reading in telling if now - reading.at <= reading.limit_s(boost, now)]
    if not fresh:
        limit_s = telling[0].limit_s(boost, now)
        return Refusal("stale", f"the price is older than {limit_s:g} s", telling[0].at + limit_s)
    if not any(reading.listed for reading in fresh):
        return unlisted
    return _priced(boost, _newest(boost.market, fresh), fresh[0].at)


def _begun(readings: Iterable[Reading], now: float) -> float | None:
    """When the event began; by the newest answer that tells."""
    told = [reading.offer.starts_at for reading in readings if reading.offer.starts_at is not None]
    if told:
        return told[0] if told[0] <= now else None
    return min((reading.at for reading in readings if reading.offer.in_play), default=None)


def _newest(market: str, fresh: Iterable[Reading]) -> dict[str, list[Quote]]:
    """By bookmaker, what the newest answer that tells of it offers: nothing, if that is what it tells."""
    found: dict[str, list[Quote]] = {}
    for offer in (reading.offer for reading in fresh):
        new: dict[str, list[Quote]] = {name: [] for name in offer.bookmakers - found.keys()}
        for quote in offer.markets.get(market, ()):
            if quote.bookmaker in new:
                new[quote.bookmaker].append(quote)
        found |= new
    return found


def _priced(boost: Boost, offered: Mapping[str, Sequence[Quote]], at: float) -> Refusal | float:
    if boost.bookmaker and boost.bookmaker not in offered:
        return Refusal("gone", f'no cached answer about the event tells of bookmaker "{boost.bookmaker}"', at)
    counted = [boost.bookmaker] if boost.bookmaker else offered
    quotes = [quote for name in counted for quote in offered[name]]
    own = [quote for quote in quotes if quote.selection == boost.selection]
    had = [quote for quote in own if not quote.suspended]
    if not had and (own or not quotes):
        return Refusal("suspended", "the market is suspended", at)
    if not had:
        return Refusal("gone", f'selection "{boost.selection}" is not offered in the market', at)
    best = max(had, key=lambda quote: quote.price)
    if best.price >= boost.price:
        detail = f": {best.price:g} at {best.bookmaker}"
        return Refusal("better", f"the price is already as good as the boost ({boost.price:g})", at, detail)
    return best.price
