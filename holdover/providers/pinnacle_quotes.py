"""The prices of events in Pinnacle's odds: moneyline, spreads and totals of each period."""

from collections.abc import Collection, Iterator

import msgspec

from holdover.canonical import CanonicalRequest
from holdover.content import moment
from holdover.providers.american import decimal
from holdover.providers.profile import Offer, Quote

BOOKMAKER = "pinnacle"
_ONLINE = 1
_SIDES = ("home", "away", "draw", "over", "under")


class _Line(msgspec.Struct):
    home: float | None = None
    away: float | None = None
    draw: float | None = None
    over: float | None = None
    under: float | None = None
    hdp: float | None = None
    points: float | None = None


class _Period(msgspec.Struct):
    number: int
    status: int = 0
    cutoff: str | None = None
    moneyline: _Line | None = None
    spreads: list[_Line] | None = None
    totals: list[_Line] | None = None


class _Event(msgspec.Struct):
    id: int
    periods: msgspec.Raw = msgspec.Raw(b"[]")


class _League(msgspec.Struct):
    events: list[_Event] = []


class _Board(msgspec.Struct):
    leagues: list[_League] = []


_board = msgspec.json.Decoder(_Board).decode
_periods = msgspec.json.Decoder(list[_Period]).decode


def offers(canonical: CanonicalRequest, body: bytes, events: Collection[str]) -> Iterator[Offer]:
    """Of an answer with odds. Markets are named `0/moneyline`, `0/spreads/-0.5`, `1/totals/2.5`: period, kind and
    line; of one that was withdrawn nothing stands there."""
    american = dict(canonical.query).get("oddsFormat", "American").lower() == "american"
    for event in (event for league in _board(body).leagues for event in league.events):
        if str(event.id) in events:
            yield _offer(str(event.id), _periods(event.periods), american=american)


def _offer(name: str, periods: list[_Period], *, american: bool) -> Offer:
    cutoffs = [at for period in periods if (at := moment(period.cutoff)) is not None]
    markets = {
        f"{period.number}/{market}": tuple(_quotes(line, period, american=american))
        for period in periods
        for market, line in _lines(period)
    }
    return Offer(name, min(cutoffs, default=None), frozenset((BOOKMAKER,)), markets, whole=True)


def _lines(period: _Period) -> Iterator[tuple[str, _Line]]:
    if period.moneyline is not None:
        yield "moneyline", period.moneyline
    for line in period.spreads or ():
        yield f"spreads/{line.hdp:g}" if line.hdp is not None else "spreads", line
    for line in period.totals or ():
        yield f"totals/{line.points:g}" if line.points is not None else "totals", line


def _quotes(line: _Line, period: _Period, *, american: bool) -> Iterator[Quote]:
    for side in _SIDES:
        if (told := getattr(line, side)) is not None:
            price = decimal(told) if american else told
            yield Quote(side, BOOKMAKER, price, suspended=period.status != _ONLINE or price <= 1)
