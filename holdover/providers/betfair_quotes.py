"""The prices of Betfair's markets, as books of markets and runners tell them."""

from collections.abc import Collection, Iterator

import msgspec

from holdover.canonical import CanonicalRequest
from holdover.providers.profile import Offer, Quote

BOOKMAKER, BACK = "betfair", "back"
_OFFERS = frozenset(("EX_BEST_OFFERS", "EX_ALL_OFFERS"))


class _Level(msgspec.Struct):
    price: float


class _Offered(msgspec.Struct):
    back: list[_Level] = msgspec.field(default_factory=list, name="availableToBack")


class _Runner(msgspec.Struct):
    id: int = msgspec.field(name="selectionId")
    handicap: float = 0.0
    status: str = ""
    ex: _Offered = msgspec.field(default_factory=_Offered)


class _Book(msgspec.Struct):
    id: str = msgspec.field(name="marketId")
    status: str = ""
    inplay: bool = False
    delayed: bool = msgspec.field(default=False, name="isMarketDataDelayed")
    runners: list[_Runner] = []


class _Answer(msgspec.Struct):
    result: list[_Book]


class _Projection(msgspec.Struct):
    data: list[str] = msgspec.field(default_factory=list, name="priceData")


class _Parameters(msgspec.Struct):
    projection: _Projection = msgspec.field(default_factory=_Projection, name="priceProjection")


class _Call(msgspec.Struct):
    method: str = ""
    params: _Parameters = msgspec.field(default_factory=_Parameters)


_answer = msgspec.json.Decoder(_Answer).decode
_call = msgspec.json.Decoder(_Call).decode


def offers(canonical: CanonicalRequest, body: bytes, events: Collection[str]) -> Iterator[Offer]:
    """A book does not tell of which event its market is: here the market's id stands for the event, `back` is the
    market and the runner's id the selection, with its handicap if that is not 0. Of delayed books, and of those that
    were asked for without prices, nothing can be told."""
    call = _call(canonical.body or "{}")
    if not call.method.endswith(("/listMarketBook", "/listRunnerBook")) or not _OFFERS & {
        *call.params.projection.data
    }:
        return
    for book in _answer(body).result:
        if book.id in events and not book.delayed:
            quotes = tuple(_quote(runner, book) for runner in book.runners)
            yield Offer(book.id, None, frozenset((BOOKMAKER,)), {BACK: quotes}, in_play=book.inplay)


def _quote(runner: _Runner, book: _Book) -> Quote:
    price = max((level.price for level in runner.ex.back), default=0.0)
    name = f"{runner.id} {runner.handicap:g}" if runner.handicap else str(runner.id)
    had = book.status == "OPEN" and runner.status == "ACTIVE" and price > 1
    return Quote(name, BOOKMAKER, price, suspended=not had)
