import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdover.canonical import CanonicalRequest
from holdover.content import Board
from holdover.providers.profile import Offer, Quote
from holdover.route_settings import RouteSettings
from scripts.rig import ROOT
from sidecar.promos.boost import REASONS, Reading, Refusal, judged
from sidecar.promos.document import Boost
from sidecar.promos.validate import check

NOW = 1_795_471_200.0
WORDS = {name: (ROOT / "config" / "promos" / name).read_bytes() for name in ("slots.json", "audiences.json")}
PACK = b'{"minimum_age": 18, "helpline": {"text": "Help", "link": "https://help.example"}, "offers": []}'
START = NOW + 3600
ROUTE = RouteSettings.model_validate(
    {"name": "odds", "path": "/odds", "window_s": 10, "max_stale_s": 60, "pace": {"max_stale_in_play_s": 20}}
)
BOOST = Boost("vendor", "match", "h2h", "Home", 2.3)
AT_A = replace(BOOST, bookmaker="a")
OPEN = (Quote("Home", "a", 2.1), Quote("Away", "a", 1.7), Quote("Home", "b", 2.0))


def reading(
    *quotes: Quote, at: float = NOW - 5, bookmakers: str = "ab", starts_at: float | None = START, **more: Any
) -> Reading:
    """Of a board that was asked for h2h; `key` tells requests apart, `listed` and `board` are the reading's own."""
    listed, board = more.pop("listed", True), more.pop("board", Board())
    asked = CanonicalRequest("vendor", "odds", f"/odds/{more.pop('key', '')}")
    markets: Mapping[str, tuple[Quote, ...]] = more.pop("markets", {"h2h": quotes})
    offer = Offer("match", starts_at, frozenset(bookmakers), markets, **more)
    return Reading(asked, at, offer, ROUTE, board, listed)


SHOWN = reading(*OPEN)


def refused(boost: Boost, *readings: Reading, now: float = NOW) -> tuple[str, str]:
    found = judged(boost, readings, now)
    assert isinstance(found, Refusal)
    return found.reason, found.sentence


def test_a_boost_above_the_price_is_shown_with_it():
    assert judged(BOOST, [SHOWN], NOW) == 2.1
    assert judged(replace(BOOST, bookmaker="b"), [SHOWN], NOW) == 2.0


SUSPENDED = (Quote("Home", "a", 2.1, suspended=True), Quote("Away", "a", 1.7, suspended=True))
REFUSED: dict[str, tuple[Boost, list[Reading], str, str]] = {
    "no answer": (BOOST, [], "gone", 'event "match" is in no cached answer of vendor, since 2026-11-23 22:00 UTC'),
    "not any more": (
        BOOST,
        [reading(listed=False)],
        "gone",
        'event "match" is in no cached answer of vendor, since 2026-11-23 22:00 UTC',
    ),
    "another market": (
        replace(BOOST, market="totals"),
        [SHOWN],
        "gone",
        'no cached answer about the event tells of market "totals", since 2026-11-23 22:00 UTC',
    ),
    "another bookmaker": (
        replace(BOOST, bookmaker="c"),
        [SHOWN],
        "gone",
        'no cached answer about the event tells of bookmaker "c", since 2026-11-23 21:59 UTC',
    ),
    "another selection": (
        replace(BOOST, selection="Draw"),
        [SHOWN],
        "gone",
        'selection "Draw" is not offered in the market, since 2026-11-23 21:59 UTC',
    ),
    "suspended": (
        BOOST,
        [reading(*SUSPENDED, bookmakers="a")],
        "suspended",
        "the market is suspended, since 2026-11-23 21:59 UTC",
    ),
    "taken off": (BOOST, [reading()], "suspended", "the market is suspended, since 2026-11-23 21:59 UTC"),
    "taken off there": (
        AT_A,
        [reading(*OPEN[2:])],
        "suspended",
        "the market is suspended, since 2026-11-23 21:59 UTC",
    ),
    "withdrawn": (
        BOOST,
        [reading(markets={"spreads": OPEN}, whole=True)],
        "suspended",
        "the market is suspended, since 2026-11-23 21:59 UTC",
    ),
    "started": (
        BOOST,
        [reading(*OPEN, starts_at=NOW)],
        "started",
        "the event is past its start, since 2026-11-23 22:00 UTC",
    ),
    "in play": (
        BOOST,
        [reading(*OPEN, starts_at=None, in_play=True)],
        "started",
        "the event is past its start, since 2026-11-23 21:59 UTC",
    ),
    "stale": (
        BOOST,
        [reading(*OPEN, at=NOW - 61)],
        "stale",
        "the price is older than 60 s, since 2026-11-23 21:59 UTC",
    ),
    "as good": (
        replace(BOOST, price=2.1),
        [SHOWN],
        "better",
        "the price is already as good as the boost (2.1), since 2026-11-23 21:59 UTC: 2.1 at a",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_why_a_boost_is_hidden(case):
    boost, readings, reason, sentence = REFUSED[case]
    assert refused(boost, *readings) == (reason, sentence)


def test_what_operations_write_is_what_is_judged():
    odds = {"provider": "vendor", "event": "match", "market": "h2h", "selection": "Home", "price": 2.3}
    promo = {
        "id": "boost",
        "kind": "boosted-odds",
        "slot": "boosts",
        "content": {"en": {"title": "Boost"}},
        "terms": {"short": {"en": "One bet each."}, "link": "/terms"},
        "start": "2026-03-01T00:00",
        "end": "2026-04-01T00:00",
        "timezone": "Europe/London",
        "audience": {"jurisdictions": ["GB"]},
    }

    def found(**more: object) -> tuple[Boost | None, list[str]]:
        text = json.dumps({"promos": [{**promo, "odds": {**odds, **more}}]}).encode()
        told = check({**WORDS, "compliance/GB.json": PACK, "boost.json": text}, None)
        promos = told.campaigns.get("boost.json", ())
        return (promos[0].odds if promos else None), [problem.pointer for problem in told.problems]

    assert found() == (BOOST, [])
    assert found(bookmaker="a", max_age_s=30) == (replace(AT_A, max_age_s=30.0), [])
    assert found(max_age_s=0) == (None, ["/promos/0/odds/max_age_s"])
    assert found(bookmaker="") == (None, ["/promos/0/odds/bookmaker"])


def test_every_reason_of_the_cache_has_a_case():
    assert {reason for _, _, reason, _ in REFUSED.values()} == {*REASONS} - {"unreadable"}


def test_prices_may_be_as_old_as_clients_are_given_them_unless_the_promo_says_otherwise():
    aged = reading(*OPEN, at=NOW - 59)
    assert judged(BOOST, [aged], NOW) == 2.1
    assert refused(replace(BOOST, max_age_s=30.0), aged)[0] == "stale"
    assert judged(replace(BOOST, max_age_s=600.0), [reading(*OPEN, at=NOW - 599)], NOW) == 2.1
    in_play = reading(*OPEN, at=NOW - 21, board=Board(2, (NOW - 900, START)))
    assert refused(BOOST, in_play)[0] == "stale"


def test_of_each_bookmaker_the_newest_answer_counts():
    older = reading(Quote("Home", "a", 2.9), Quote("Home", "b", 2.2), at=NOW - 20)
    assert judged(BOOST, [reading(Quote("Home", "a", 2.1), bookmakers="a"), older], NOW) == 2.2
    assert judged(BOOST, [reading(bookmakers="a"), older], NOW) == 2.2, "the newer one tells that a has closed"
    assert refused(AT_A, reading(bookmakers="a"), older)[0] == "suspended"
    assert refused(AT_A, reading(bookmakers="b"), older)[0] == "better"


def test_an_answer_that_was_not_asked_for_the_market_tells_nothing_of_it():
    totals = reading(markets={"totals": ()})
    assert judged(BOOST, [totals, reading(*OPEN, at=NOW - 20)], NOW) == 2.1


def test_an_answer_that_lost_the_event_counts_against_older_ones_alone():
    lost = reading(listed=False, at=NOW - 5)
    assert refused(BOOST, lost, reading(*OPEN, at=NOW - 20))[0] == "suspended"
    assert judged(BOOST, [reading(*OPEN, at=NOW - 1), lost], NOW) == 2.1


def test_the_newest_answer_tells_the_start():
    moved = reading(*OPEN, starts_at=NOW + 60)
    assert judged(BOOST, [moved, reading(*OPEN, at=NOW - 9, starts_at=NOW - 60)], NOW) == 2.1
    assert refused(BOOST, replace(moved, at=NOW - 9), now=NOW + 60)[0] == "started"


def test_refusals_are_equal_whatever_moves_while_they_last():
    first = judged(replace(BOOST, price=2.0), [SHOWN], NOW)
    later = judged(replace(BOOST, price=2.0), [reading(Quote("Home", "b", 2.7), at=NOW + 9)], NOW + 10)
    assert first == later
    assert isinstance(first, Refusal)
    assert isinstance(later, Refusal)
    assert first.sentence != later.sentence


QUOTES = st.builds(
    Quote,
    st.sampled_from(["Home", "Away"]),
    st.sampled_from("abc"),
    st.floats(1.01, 5),
    st.booleans(),
)
READINGS = st.builds(
    lambda quotes, age, books, start: reading(
        *(quote for quote in quotes if quote.bookmaker in books), at=NOW - age, bookmakers=books, starts_at=start
    ),
    st.lists(QUOTES, max_size=4),
    st.floats(0, 120),
    st.sampled_from(["a", "ab", "abc", "c"]),
    st.sampled_from([None, NOW - 10, NOW + 10]),
)


@given(
    st.lists(READINGS, max_size=4).map(lambda found: sorted(found, key=lambda each: -each.at)),
    st.sampled_from(["", "a"]),
    st.floats(1.01, 5),
)
def test_what_is_shown_is_to_be_had_now_for_less_than_the_boost(readings, bookmaker, price):
    boost = replace(BOOST, bookmaker=bookmaker, price=price)
    found = judged(boost, readings, NOW)
    if isinstance(found, Refusal):
        return
    assert found < price
    assert any(
        (quote.selection, quote.price, quote.suspended) == ("Home", found, False)
        and quote.bookmaker in (bookmaker or quote.bookmaker)
        for each in readings
        if NOW - each.at <= 60
        for quote in each.offer.markets["h2h"]
    )
    starts = [each.offer.starts_at for each in readings if each.offer.starts_at is not None]
    assert not starts or starts[0] > NOW
