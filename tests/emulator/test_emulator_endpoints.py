"""Endpoints beyond odds, events and scores, and the fields that are included on request."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain, combinations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scripts.emulator.additional import ADDITIONAL
from scripts.emulator.answers import Answer, compose, historical
from scripts.emulator.board import Board, open_event
from scripts.emulator.books import EVERY_BOOK, MOST_EXTRA
from scripts.emulator.catalog import BOOKS, FEATURED, REGIONS, SPORTS
from scripts.emulator.errors import RefusedError
from scripts.emulator.query import Query, endpoint, parse, target
from scripts.emulator.render import iso
from scripts.emulator.schedule import World, listed
from scripts.emulator.timeline import SNAPSHOT_S, Timeline

from .conftest import START, Server, start, stop

Ask = Callable[[str], Answer]
EPL = "/v4/sports/soccer_epl"
WIDE = f"regions={','.join(REGIONS)}&markets=h2h,spreads,totals"
INCLUDES = ("includeLinks", "includeSids", "includeBetLimits", "includeRotationNumbers")


def read(answer: Answer) -> Any:
    return json.loads(answer.body)


def query(url: str) -> Query:
    path, _, text = url.partition("?")
    where = endpoint(path)
    assert where is not None
    return parse(where, target(path, text).pairs)


@pytest.mark.parametrize(
    ("path", "cost"),
    [
        (f"{EPL}/participants", 1),
        ("/v4/sports/rugbyleague_nrl/participants", 0),
        ("/v4/historical/sports/soccer_epl/odds?regions=us,uk&markets=h2h,totals&date=2026-01-01T00:00:00Z", 40),
        (f"{EPL}/events/e/markets?regions=us,uk,eu", 1),
    ],
)
def test_highest_costs(ask: Ask, path: str, cost: int) -> None:
    assert query(path).highest_cost == cost or ask(path).cost == cost


def test_participants_are_the_teams(ask: Ask) -> None:
    found = read(ask(f"{EPL}/participants"))
    assert [each["full_name"] for each in found] == list(SPORTS["soccer_epl"].teams)
    assert len({each["id"] for each in found}) == len(found)


def test_the_markets_of_an_event_are_those_of_its_odds(ask: Ask, board: Board) -> None:
    event = board.sports["soccer_epl"][1].event.id
    every = ",".join((*FEATURED, *ADDITIONAL))
    answer = ask(f"{EPL}/events/{event}/markets?regions=uk,eu")
    odds = read(ask(f"{EPL}/events/{event}/odds?regions=uk,eu&markets={every}"))
    for book in odds["bookmakers"]:
        for market in book["markets"]:
            del market["outcomes"]
    assert read(answer) == odds
    assert answer.cost == 1
    assert {"h2h_lay", "btts", "team_totals"} <= {m["key"] for book in odds["bookmakers"] for m in book["markets"]}
    with pytest.raises(RefusedError):
        ask(f"{EPL}/events/nothing/markets?regions=uk")


@pytest.mark.parametrize(
    ("url", "status", "code"),
    [
        ("/v4/historical/sports/soccer_epl/odds?regions=us", 422, "MISSING_HISTORICAL_TIMESTAMP"),
        ("/v4/historical/sports/soccer_epl/odds?regions=us&date=today", 422, "INVALID_HISTORICAL_TIMESTAMP"),
        ("/v4/historical/sports/nothing/odds?regions=us", 404, "UNKNOWN_SPORT"),
        ("/v4/sports/nothing/participants", 404, "UNKNOWN_SPORT"),
        (f"{EPL}/odds?regions=us&includeLinks=maybe", 422, "INVALID_INCLUDE_LINKS"),
        (f"{EPL}/odds?bookmakers=house{MOST_EXTRA}", 422, "INVALID_BOOKMAKERS"),
    ],
)
def test_refusals(url: str, status: int, code: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        query(url)
    assert (refusal.value.status, refusal.value.code) == (status, code)


def stripped(value: Any, names: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        return {name: stripped(held, names) for name, held in value.items() if name not in names}
    return [stripped(each, names) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("include", "names"),
    [
        ("includeLinks", ("link",)),
        ("includeSids", ("sid",)),
        ("includeBetLimits", ("bet_limit",)),
        ("includeRotationNumbers", ("home_rotation_number", "away_rotation_number")),
    ],
)
def test_included_fields_are_all_that_an_include_adds(ask: Ask, include: str, names: tuple[str, ...]) -> None:
    plain, more = (read(ask(f"{EPL}/odds?{WIDE}{extra}")) for extra in ("", f"&{include}=true"))
    assert more != plain
    assert stripped(more, names) == plain
    assert ask(f"{EPL}/odds?{WIDE}&{include}=true").cost == 15


def test_links_and_sids_are_at_every_level(ask: Ask) -> None:
    event = read(ask(f"{EPL}/odds?{WIDE}&includeLinks=true&includeSids=True"))[0]
    book = event["bookmakers"][0]
    for level in (book, book["markets"][0], book["markets"][0]["outcomes"][0]):
        assert {"link", "sid"} <= set(level)
    one = read(ask(f"{EPL}/events/{event['id']}/odds?{WIDE}&includeLinks=true"))
    assert "link" in one["bookmakers"][0]
    assert "last_update" not in one["bookmakers"][0]


def written(document: Any) -> bytes:
    """As the provider writes: numbers keep their point."""
    return json.dumps(document, separators=(",", ":")).encode()


def filtered(wide: Any, books: frozenset[str], markets: set[str], ids: set[str] | None) -> Any:
    events = []
    for event in wide:
        if ids is not None and event["id"] not in ids:
            continue
        held = [
            book | {"markets": kept}
            for book in event["bookmakers"]
            if book["key"] in books and (kept := [m for m in book["markets"] if m["key"] in markets])
        ]
        events.append(event | {"bookmakers": held})
    return events


def subsets(names: tuple[str, ...]) -> list[tuple[str, ...]]:
    return list(chain.from_iterable(combinations(names, size) for size in range(1, len(names) + 1)))


ROUGH = World(seed=8, start=START, events=4, ages="realistic", incidents=True, extra_books=10)


@cache
def rough_board() -> Board:
    """Takes seconds."""
    return Timeline(ROUGH).at(START + 200)


def rough_ids() -> tuple[str, ...]:
    return tuple(found.event.id for found in rough_board().sports["soccer_epl"])


def rough(url: str) -> bytes:
    return compose(ROUGH, rough_board(), query(url)).body


@cache
def wide_body(style: str) -> Any:
    return json.loads(rough(f"{EPL}/odds?{WIDE}{style}"))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    markets=st.sampled_from(subsets(FEATURED)),
    regions=st.sampled_from(subsets(REGIONS)),
    books=st.one_of(st.none(), st.sets(st.sampled_from(list(EVERY_BOOK)[:60]), min_size=1, max_size=12)),
    ids=st.one_of(st.none(), st.deferred(lambda: st.sets(st.sampled_from(rough_ids()), min_size=1))),
    style=st.sampled_from(["", "&oddsFormat=american", "&dateFormat=unix", "&includeLinks=true"]),
)
def test_a_narrower_answer_is_byte_for_byte_the_filter_of_a_wider_one(
    markets: tuple[str, ...], regions: tuple[str, ...], books: set[str] | None, ids: set[str] | None, style: str
) -> None:
    asked = f"regions={','.join(regions)}&markets={','.join(markets)}{style}"
    chosen = frozenset(key for key, book in EVERY_BOOK.items() if set(regions) & set(book.regions))
    if books:
        asked, chosen = f"{asked}&bookmakers={','.join(books)}", frozenset(books)
    if ids:
        asked += f"&eventIds={','.join(ids)}"
    kept = {*markets, "h2h_lay"} if "h2h" in markets else set(markets)
    assert rough(f"{EPL}/odds?{asked}") == written(filtered(wide_body(style), chosen, kept, ids))


def test_unix_and_iso_answers_differ_in_the_times_only() -> None:
    as_unix = json.loads(rough(f"{EPL}/odds?{WIDE}&dateFormat=unix"))
    text = json.dumps(as_unix)
    for event in as_unix:
        for moment in {event["commence_time"], *(book["last_update"] for book in event["bookmakers"])}:
            text = text.replace(f" {moment},", f' "{iso(moment)}",')
        for market in chain.from_iterable(book["markets"] for book in event["bookmakers"]):
            text = text.replace(f" {market['last_update']},", f' "{iso(market["last_update"])}",')
    assert json.loads(text) == json.loads(rough(f"{EPL}/odds?{WIDE}"))


def test_omitting_emptied_events_changes_the_cost_only_when_none_is_left() -> None:
    (book, *_) = found = rough_board().sports["soccer_epl"][0].books
    absent = next(key for key in EVERY_BOOK if key not in found)
    asked = query(f"{EPL}/odds?bookmakers={absent}&eventIds={rough_ids()[0]}")
    assert json.loads(compose(ROUGH, rough_board(), asked).body)[0]["bookmakers"] == []
    omitted = compose(ROUGH, rough_board(), asked, omit=True)
    assert (omitted.body, omitted.cost) == (b"[]", 0)
    present = query(f"{EPL}/odds?bookmakers={book}&eventIds={rough_ids()[0]}")
    assert compose(ROUGH, rough_board(), present, omit=True).cost == 1


def test_historical_odds_are_the_snapshot_before_the_date() -> None:
    world = World(4, START, tick_s=10, events=2)
    timeline = Timeline(world)
    boards = [timeline.at(START + 10 * step) for step in range(100)]
    first = next(board for board in boards[1:] if board.at % SNAPSHOT_S < 10)
    text = "/v4/historical/sports/soccer_epl/odds?regions=us&dateFormat=unix&date="
    answer = historical(timeline, query(text + iso(int(first.at) + 17)))
    document = read(answer)
    assert list(document) == ["timestamp", "previous_timestamp", "next_timestamp", "data"]
    assert document["timestamp"] == iso(int(first.at))
    assert document["previous_timestamp"] == iso(START)
    assert document["next_timestamp"] == iso(int(first.at) + SNAPSHOT_S)
    direct = compose(world, first, query(f"{EPL}/odds?regions=us&dateFormat=unix"))
    assert (document["data"], answer.cost) == (read(direct), 10)
    early = historical(timeline, query(text + iso(START - 5)))
    assert read(early) == {
        "timestamp": None,
        "previous_timestamp": None,
        "next_timestamp": iso(START),
        "data": [],
    }
    assert early.cost == 0
    last = read(historical(timeline, query(text + iso(START + 10**6))))
    assert last["next_timestamp"] is None


@pytest.fixture(scope="module")
def large() -> Iterator[Server]:
    server = start("--latency-p50-ms", "0", "--events", "20", "--books", "5", "--tick-s", "3600")
    yield server
    stop(server)


def test_a_board_reaches_the_sizes_of_the_real_one(large: Server) -> None:
    whole, packed = (large.get(f"{EPL}/odds?{WIDE}&apiKey=k", Accept_Encoding=how) for how in ("identity", "gzip"))
    assert 400_000 < len(whole.body) < 600_000
    assert 15 < len(whole.body) / len(packed.body) < 30
    (golf,) = large.get(f"/v4/sports/golf_masters_tournament_winner/odds?regions={','.join(REGIONS)}&apiKey=k").json
    assert len(golf["bookmakers"]) > 40


def test_a_board_grows_to_5_mb() -> None:
    world = World(1, START, events=20, extra_books=550)
    events = tuple(open_event(world, event) for event in listed(world, SPORTS["soccer_epl"], START))
    board = Board(0, START, {"soccer_epl": events})
    assert len(compose(world, board, query(f"{EPL}/odds?{WIDE}")).body) > 5_000_000


def test_generated_books_leave_the_usual_ones_alone() -> None:
    usual = Timeline(World(1, START)).at(START).sports["soccer_epl"][0].books
    assert set(usual) <= set(BOOKS)
    grown = Timeline(World(1, START, extra_books=20)).at(START).sports["soccer_epl"][0].books
    assert 10 < len(set(grown) - set(BOOKS)) <= 20
