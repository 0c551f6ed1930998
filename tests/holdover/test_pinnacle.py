import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdover.canonical import CanonicalRequest
from holdover.providers.pinnacle import Pinnacle
from holdover.providers.profile import Knowledge

COMPOSED = Path(__file__).parents[3] / "shared" / "fixtures" / "composed"
SNAPSHOT = (COMPOSED / "pinnacle_odds_snapshot.json").read_bytes()
DELTA = (COMPOSED / "pinnacle_odds_delta.json").read_bytes()

PINNACLE = Pinnacle()
ALL = Knowledge(kinds=frozenset({"since", "filter"}))


def request(path="/v2/odds", **query) -> CanonicalRequest:
    pairs = {"sportId": "29", "oddsFormat": "Decimal", **query}
    given = {name: str(value) for name, value in pairs.items() if value is not None}
    return CanonicalRequest("pinnacle", "odds", path, tuple(sorted(given.items())))


ODDS = request()
FIXTURES = request("/v1/fixtures", oddsFormat=None)
BOARD = PINNACLE.widened(ODDS, ALL)


def projected(stored: bytes, narrow: CanonicalRequest) -> bytes:
    wide = PINNACLE.widened(narrow, ALL)
    kinds = PINNACLE.kinds(wide, narrow, ALL)
    assert kinds is not None
    assert kinds <= ALL.kinds
    answer = PINNACLE.project(PINNACLE.parse(stored), wide, narrow, ALL)
    assert answer is not None
    return answer


def asked_since(stored: bytes | None, board=BOARD, pinnacle=PINNACLE) -> str | None:
    return dict(pinnacle.ask(board, stored).query).get("since")


def board(*periods, last, **members) -> bytes:
    events = [{"id": 1, "periods": list(periods)}]
    return json.dumps({"sportId": 29, "last": last, "leagues": [{"id": 5, "events": events}], **members}).encode()


def period(number, **members) -> dict:
    return {"lineId": 1, "number": number, **members}


def periods(answer: bytes) -> dict:
    """What a client reads: every period by league, event and number, whole."""
    document = json.loads(answer)
    return {
        (league["id"], event["id"], each["number"]): each
        for league in document["leagues"]
        for event in league["events"]
        for each in event["periods"]
    }


# --- which requests a board answers


def test_every_request_for_a_sport_widens_to_one_board():
    narrow = (request(since=5), request(leagueIds="1,2", eventIds="7"), request(since=5, eventIds="7"), ODDS)
    assert {PINNACLE.widened(one, ALL).key for one in narrow} == {BOARD.key}
    assert BOARD.key != ODDS.key
    assert PINNACLE.kinds(BOARD, request(since=5), ALL) == frozenset({"since"})
    assert PINNACLE.kinds(BOARD, request(leagueIds="1", since=5), ALL) == ALL.kinds
    assert PINNACLE.kinds(BOARD, ODDS, ALL) == frozenset()
    assert PINNACLE.union(ODDS, request(since=5), ALL) is None


@pytest.mark.parametrize(
    "other",
    [
        request(sportId=4), request(oddsFormat="American"), request(toCurrencyCode="EUR"), request("/v1/odds"),
        request("/v1/fixtures"), replace(ODDS, partition="p"), replace(ODDS, route="r"), replace(ODDS, provider="o"),
    ],
)  # fmt: skip
def test_what_may_differ_has_a_board_of_its_own(other):
    wide = PINNACLE.widened(other, ALL)
    assert wide != other
    assert wide.key != BOARD.key
    assert PINNACLE.kinds(BOARD, other, ALL) is None


@pytest.mark.parametrize(
    "narrow",
    [
        # Events in odds are not marked as live.
        request(isLive=1), request(since="x"), request(since=""), request(since=-1), request(leagueIds="1,x"),
        request(eventIds=""), request(sportId=None), request(sportId="a"), request("/v1/line"),
        request("/v1/odds/special"), request("/v1/fixtures", isLive="true"), request("/v1/fixtures/settled"),
        replace(ODDS, query=(*ODDS.query, ("sportId", "4"))),
    ],
)  # fmt: skip
def test_what_no_board_answers_goes_to_the_provider(narrow):
    assert PINNACLE.widened(narrow, ALL) == narrow
    assert PINNACLE.kinds(BOARD, narrow, ALL) is None
    assert PINNACLE.ask(narrow, SNAPSHOT) == narrow
    assert PINNACLE.absorb(narrow, SNAPSHOT, b"any") == b"any"


def test_a_kind_that_is_off_is_asked_of_the_provider():
    since = Knowledge(kinds=frozenset({"since"}))
    assert PINNACLE.widened(request(since=5), since) == BOARD
    assert PINNACLE.widened(ODDS, since) == BOARD
    for narrow in (request(leagueIds="1"), request(since=5, eventIds="1")):
        assert PINNACLE.widened(narrow, since) == narrow
    assert PINNACLE.widened(ODDS, Knowledge()) == ODDS


@pytest.mark.parametrize(("value", "kept"), [("0", False), ("false", False), ("1", True), ("true", True)])
def test_is_live_restricts_only_when_it_is_one(route_of, value, kept):
    query = (("isLive", value), ("sportId", "29"))
    assert PINNACLE.query(route_of(), "/v1/fixtures", query) == (query if kept else query[1:])
    assert PINNACLE.query(route_of(), "/v1/line", query) == query


@pytest.mark.parametrize(
    ("path", "leagues"),
    [("/v1/odds/special", "leagues"), ("/v1/fixtures/special/settled", "leagues"), ("/v1/fixtures", "league")],
)
def test_an_empty_delta_of_which_no_board_is_made_says_in_json_that_nothing_changed(path, leagues):
    """As such it is kept: a client that waited for it would be refused otherwise, and it asked for without end."""
    delta = request(path, sportId=29, since=5, oddsFormat=None, isLive=1)
    assert PINNACLE.ask(delta, None) == delta
    assert PINNACLE.ask(delta, None) is not delta, "what it is answered with is not judged as JSON"
    for empty in (b"", b" \n", b"{}"):
        body = PINNACLE.absorb(delta, None, empty)
        assert json.loads(body) == {"sportId": 29, "last": 5, leagues: []}
    told = b'{"sportId": 29, "last": 7, "leagues": [{"id": 1, "specials": [{"id": 2, "maxBet": 1.50}]}]}'
    assert PINNACLE.absorb(delta, None, told) is told
    for wrong in (b"<html>", b"[]", b'{"message": "m"}'):
        with pytest.raises(ValueError):
            PINNACLE.absorb(delta, None, wrong)


# --- what is asked and what is stored


def test_first_a_snapshot_then_what_changed_since():
    assert PINNACLE.ask(BOARD, None) == ODDS
    stored = PINNACLE.absorb(BOARD, None, SNAPSHOT)
    asked = PINNACLE.ask(BOARD, stored)
    assert asked == request(since=900000101)
    assert asked.target == "/v2/odds?oddsFormat=Decimal&since=900000101&sportId=29"
    assert asked_since(PINNACLE.absorb(BOARD, stored, DELTA)) == "900000177"


def test_a_snapshot_is_due_after_so_many_deltas():
    pinnacle, stored = Pinnacle(deltas=2), PINNACLE.absorb(BOARD, None, SNAPSHOT)
    asked = []
    for answer in (DELTA, b"", SNAPSHOT.replace(b"0101", b"0178"), b""):
        asked.append(asked_since(stored, pinnacle=pinnacle) is not None)
        stored = pinnacle.absorb(BOARD, stored, answer)
    assert asked == [True, True, False, True]


def test_the_snapshot_itself_is_answered_byte_for_byte():
    stored = PINNACLE.absorb(BOARD, None, SNAPSHOT)
    assert stored != SNAPSHOT
    assert projected(stored, ODDS) == SNAPSHOT


def test_a_delta_replaces_its_periods_whole():
    stored = PINNACLE.absorb(BOARD, PINNACLE.absorb(BOARD, None, SNAPSHOT), DELTA)
    before, changed, after = periods(SNAPSHOT), periods(DELTA), periods(projected(stored, ODDS))
    assert after == before | changed
    assert "moneyline" not in after[555, 70001, 1]  # withdrawn
    assert json.loads(projected(stored, ODDS))["last"] == 900000177
    assert projected(stored, request(since=900000101)) == DELTA
    assert projected(stored, request(since=900000176)) == DELTA
    assert projected(stored, request(since=900000177)) == b'{"sportId":29,"last":900000177,"leagues":[]}'
    assert periods(projected(stored, request(since=900000100))) == after


@pytest.mark.parametrize("answer", [b"", b" \n", b"{}", b'{"sportId":29}', b'{"sportId":29,"last":8,"leagues":[]}'])
def test_an_empty_delta_changes_nothing(answer):
    stored = PINNACLE.absorb(BOARD, None, board(period(0), last=7))
    after = PINNACLE.absorb(BOARD, stored, answer)
    last = json.loads(answer or b"{}").get("last", 7) if answer.strip() else 7
    assert periods(projected(after, ODDS)) == periods(projected(stored, ODDS))
    assert json.loads(projected(after, request(since=7))) == {"sportId": 29, "last": last, "leagues": []}
    assert asked_since(after) == str(last)


def test_a_period_told_again_unchanged_is_not_a_change():
    stored = PINNACLE.absorb(BOARD, None, board(period(0), period(1), last=7))
    stored = PINNACLE.absorb(BOARD, stored, board(period(0), period(1, status=2), last=9))
    assert list(periods(projected(stored, request(since=7)))) == [(5, 1, 1)]


def test_another_snapshot_drops_what_it_lacks_and_keeps_the_time_of_what_is_equal():
    stored = PINNACLE.absorb(BOARD, None, board(period(0), period(1), period(2), last=7))
    stored = Pinnacle(deltas=0).absorb(BOARD, stored, board(period(0), period(1, status=2), period(3), last=9))
    assert list(periods(projected(stored, ODDS))) == [(5, 1, 0), (5, 1, 1), (5, 1, 3)]
    assert list(periods(projected(stored, request(since=7)))) == [(5, 1, 1), (5, 1, 3)]
    assert list(periods(projected(stored, request(since=6)))) == [(5, 1, 0), (5, 1, 1), (5, 1, 3)]


def test_a_snapshot_older_than_the_board_takes_nothing_back():
    always = Pinnacle(deltas=0)
    stored = PINNACLE.absorb(BOARD, None, board(period(0), period(1), period(2), last=7))
    stored = PINNACLE.absorb(BOARD, stored, board(period(1, status=2), period(4), last=9))
    after = always.absorb(BOARD, stored, board(period(0), period(1), last=8))
    assert projected(after, ODDS) == projected(stored, ODDS)
    assert always.ask(BOARD, after) == ODDS
    after = always.absorb(BOARD, after, board(period(0), period(1, status=3), last=10))
    assert {key[2]: each.get("status") for key, each in periods(projected(after, ODDS)).items()} == {0: None, 1: 3}


def test_a_provider_that_counts_anew_is_believed_the_second_time():
    always = Pinnacle(deltas=0)
    stored = PINNACLE.absorb(BOARD, None, board(period(0), last=900))
    once = always.absorb(BOARD, stored, board(period(0, status=2), last=3))
    twice = always.absorb(BOARD, once, board(period(0, status=3), last=4))
    assert periods(projected(twice, request(since=900)))[5, 1, 0]["status"] == 3
    assert json.loads(projected(twice, ODDS))["last"] == 901
    assert asked_since(twice) == "4"
    after = PINNACLE.absorb(BOARD, twice, board(period(0, status=4), last=5))
    assert periods(projected(after, request(since=901)))[5, 1, 0]["status"] == 4
    assert periods(projected(after, request(since=902))) == {}


def test_what_a_snapshot_corrects_is_told_to_all():
    stored = PINNACLE.absorb(BOARD, None, board(period(0), last=7))
    after = Pinnacle(deltas=0).absorb(BOARD, stored, board(period(0, status=2), last=7))
    assert list(periods(projected(after, request(since=7)))) == [(5, 1, 0)]
    assert json.loads(projected(after, ODDS))["last"] == 8
    assert asked_since(after) == "7"


def test_what_an_event_says_of_itself_is_told_with_its_periods():
    def scored(score, *told, last):
        event = {"id": 1, "homeScore": score, "periods": list(told)}
        return json.dumps({"sportId": 29, "last": last, "leagues": [{"id": 5, "events": [event]}]}).encode()

    stored = PINNACLE.absorb(BOARD, None, scored(0, period(0), period(1), last=7))
    stored = PINNACLE.absorb(BOARD, stored, scored(1, period(0), last=8))
    answer = projected(stored, request(since=7))
    assert json.loads(answer)["leagues"][0]["events"][0]["homeScore"] == 1
    assert len(periods(answer)) == 2


def test_members_keep_their_order_and_numbers_their_text():
    text = (
        b'{"last":7,"x":1.50,"leagues":[{"name":"\\u00e9","id":5,"events":[{"periods":[{"b":2.0,"number":0,"a":1e2}],'
    )
    text += b'"id":1,"z":[1, 2]}],"n":null}],"sportId":29}'
    assert projected(PINNACLE.absorb(BOARD, None, text), ODDS) == text


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"{}", b"[]", b"null", b"x", b'{"sportId":29}', b'{"leagues":[]}', b'{"last":"7","leagues":[]}',
        b'{"last":7,"leagues":{}}', b'{"last":7,"leagues":[{"events":[]}]}',
        b'{"last":7,"leagues":[{"id":1},{"id":1}]}', b'{"last":7,"leagues":[{"id":"a"}]}',
        b'{"last":7,"leagues":[{"id":1,"events":[{"id":2,"periods":[{}]}]}]}',
        b'{"last":7,"code":"TOO_MANY_REQUESTS"}', b'{"code":"X","message":"m"}', b'{"last":7,"leagues":[]}x',
        b'{"last":7,"leagues":[],"x":"\xff"}',
        b'{"last":7,"x":' + b"[" * 100_000 + b"]" * 100_000 + b',"leagues":[]}',
    ],
)  # fmt: skip
def test_what_is_no_snapshot_is_refused(answer):
    with pytest.raises(ValueError):
        PINNACLE.absorb(BOARD, None, answer)


@pytest.mark.parametrize(
    "answer",
    [
        b"x", b"[]", b'{"code":"TOO_MANY_REQUESTS","message":"m"}', b'{"leagues":[]}', b'{"last":"9","leagues":[]}',
        b'{"sportId":4,"last":9,"leagues":[]}', b'{"sportId":29,"last":9,"leagues":[{"id":1,"events":[{}]}]}',
    ],
)  # fmt: skip
def test_what_is_no_delta_is_refused(answer):
    stored = PINNACLE.absorb(BOARD, None, board(period(0), last=7))
    with pytest.raises(ValueError):
        PINNACLE.absorb(BOARD, stored, answer)


@pytest.mark.parametrize("stored", [b"", b"x", b"[]", SNAPSHOT, b'{"_cursor":"a","_deltas":0}'])
def test_what_is_stored_but_no_board_is_replaced_by_a_snapshot(stored):
    assert PINNACLE.ask(BOARD, stored) == ODDS
    assert projected(PINNACLE.absorb(BOARD, stored, SNAPSHOT), ODDS) == SNAPSHOT


# --- filters


TWO = {
    "sportId": 29,
    "last": 7,
    "leagues": [
        {"id": 5, "events": [{"id": 1, "periods": [period(0)]}, {"id": 2, "periods": [period(0)]}]},
        {"id": 6, "events": [{"id": 3, "periods": [period(0)]}, {"id": 4, "periods": []}]},
    ],
}


@pytest.mark.parametrize(
    ("query", "events"),
    [
        ({}, {5: [1, 2], 6: [3, 4]}),
        ({"leagueIds": "6"}, {6: [3, 4]}),
        ({"leagueIds": "5,6,99"}, {5: [1, 2], 6: [3, 4]}),
        ({"leagueIds": "99"}, {}),
        ({"eventIds": "1,3"}, {5: [1], 6: [3]}),
        ({"eventIds": "1,3", "leagueIds": "5"}, {5: [1]}),
        ({"eventIds": "2", "since": "6"}, {5: [2]}),
        ({"eventIds": "2", "since": "7"}, {}),
        # Without a period there is nothing that changed.
        ({"since": "6"}, {5: [1, 2], 6: [3]}),
    ],
)
def test_filters(query, events):
    answer = json.loads(projected(PINNACLE.absorb(BOARD, None, json.dumps(TWO).encode()), request(**query)))
    assert {each["id"]: [event["id"] for event in each["events"]] for each in answer["leagues"]} == events
    assert answer["last"] == 7


def fixtures(*events, last) -> bytes:
    league = [{"id": 5, "name": "League", "events": [{"id": n, "liveStatus": live} for n, live in events]}]
    return json.dumps({"sportId": 29, "last": last, "league": league}, separators=(",", ":")).encode()


def test_fixtures_change_by_events():
    wide = PINNACLE.widened(FIXTURES, ALL)
    stored = PINNACLE.absorb(wide, None, fixtures((1, 0), (2, 2), last=7))
    assert projected(stored, FIXTURES) == fixtures((1, 0), (2, 2), last=7)
    assert asked_since(stored, wide) == "7"
    stored = PINNACLE.absorb(wide, stored, fixtures((2, 1), (3, 0), last=8))
    assert projected(stored, FIXTURES) == fixtures((1, 0), (2, 1), (3, 0), last=8)
    assert projected(stored, request("/v1/fixtures", oddsFormat=None, since=7)) == fixtures((2, 1), (3, 0), last=8)
    assert projected(stored, request("/v1/fixtures", oddsFormat=None, isLive=1)) == fixtures((2, 1), last=8)
    assert json.loads(projected(stored, request("/v1/fixtures", oddsFormat=None, isLive=1, since=8)))["league"] == []


def test_live_events_are_not_guessed_at():
    wide = PINNACLE.widened(FIXTURES, ALL)
    live = request("/v1/fixtures", oddsFormat=None, isLive=1)
    stored = PINNACLE.absorb(wide, None, fixtures((1, 1), last=7).replace(b'"liveStatus"', b'"status"'))
    assert PINNACLE.kinds(wide, live, ALL) == frozenset({"filter"})
    assert PINNACLE.project(PINNACLE.parse(stored), wide, live, ALL) is None


# --- a client that follows `since` has the board, whatever it skipped


class Upstream:
    """A provider whose every period has a version: the value of `last` under which it changed. A snapshot may be
    older than its request, but not older than the request before: it is kept for less than the time between two."""

    def __init__(self) -> None:
        self.last = 100
        self.states: list[tuple[int, dict[tuple[int, int, int], int]]] = [(100, {(1, 1, 0): 100, (1, 2, 0): 100})]
        self.asked_at = 0

    def change(self, keys, gone) -> None:
        self.last += 3
        kept = {key: version for key, version in self.states[-1][1].items() if key[:2] != gone}
        self.states.append((self.last, kept | dict.fromkeys(keys, self.last)))

    @property
    def truth(self) -> dict[tuple[int, int, int], int]:
        return self.states[-1][1]

    def answer(self, asked: CanonicalRequest, behind: int) -> bytes:
        since = dict(asked.query).get("since")
        now = len(self.states) - 1
        told, self.asked_at = max(self.asked_at, now - behind), now
        if since is None:
            return self._board(*self.states[told])
        changed = {key: version for key, version in self.truth.items() if version > int(since)}
        return self._board(self.last, changed) if changed or behind else b""

    def _board(self, last: int, state: dict[tuple[int, int, int], int]) -> bytes:
        leagues: dict[int, dict[int, list]] = {}
        for (league, event, number), version in state.items():
            leagues.setdefault(league, {}).setdefault(event, []).append({"number": number, "price": version})
        told = [
            {"id": league, "events": [{"id": event, "periods": each} for event, each in events.items()]}
            for league, events in leagues.items()
        ]
        return json.dumps({"sportId": 29, "last": last, "leagues": told}).encode()


class Client:
    """What a program does that follows the provider's guide: one snapshot, then what changed since."""

    def __init__(self) -> None:
        self.last: int | None = None
        self.prices: dict[tuple[int, int, int], int] = {}

    def follow(self, stored: bytes) -> None:
        answer = projected(stored, ODDS if self.last is None else request(since=self.last))
        for key, each in periods(answer).items():
            assert each["price"] >= self.prices.get(key, 0), "a client was given an older price after a newer one"
            self.prices[key] = each["price"]
        self.last = json.loads(answer)["last"]


EVENTS = st.tuples(st.integers(1, 2), st.integers(1, 3))
KEYS = st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(0, 1))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.sets(KEYS, min_size=1, max_size=3), EVENTS),
        st.tuples(st.just("refresh"), st.integers(0, 2)),
        st.tuples(st.just("lose"), st.integers(0, 2)),
        st.tuples(st.just("follow"), st.integers(0, 2)),
    ),
    max_size=40,
)  # fmt: skip


@given(steps=STEPS, deltas=st.integers(0, 4))
def test_clients_that_follow_have_the_truth(steps, deltas):
    pinnacle, upstream, clients = Pinnacle(deltas), Upstream(), [Client() for _ in range(3)]

    def refreshed(stored: bytes | None, behind: int) -> bytes:
        return pinnacle.absorb(BOARD, stored, upstream.answer(pinnacle.ask(BOARD, stored), behind))

    stored = refreshed(None, 0)
    for step in steps:
        match step:
            case ("change", keys, gone):
                upstream.change(keys, gone)
            case ("refresh", behind):
                stored = refreshed(stored, behind)
            case ("lose", behind):
                stored = refreshed(None, behind)
            case ("follow", number):
                clients[number].follow(stored)
    stored = refreshed(refreshed(stored, 0), 0)
    seen = {key for _, state in upstream.states for key in state}
    for client in clients:
        client.follow(stored)
        assert {key: client.prices.get(key) for key in upstream.truth} == upstream.truth
        # No delta tells that an event is gone: the provider's own would leave it with the client as well.
        assert client.prices.keys() - upstream.truth.keys() <= seen
    afresh = Pinnacle(deltas=0).absorb(BOARD, stored, upstream.answer(ODDS, 0))
    assert {key: each["price"] for key, each in periods(projected(afresh, ODDS)).items()} == upstream.truth


@given(steps=STEPS, since=st.integers(90, 230), deltas=st.integers(1, 4))
def test_a_filtered_client_sees_its_part_of_the_whole(steps, since, deltas):
    pinnacle, upstream, stored = Pinnacle(deltas), Upstream(), None
    for step in [*steps, ("refresh", 0)]:
        if step[0] == "change":
            upstream.change(*step[1:])
        elif step[0] == "refresh":
            stored = pinnacle.absorb(BOARD, stored, upstream.answer(pinnacle.ask(BOARD, stored), 0))
    assert stored is not None
    for query in ({}, {"since": since}):
        whole = periods(projected(stored, request(**query)))
        part = periods(projected(stored, request(**query, leagueIds="1", eventIds="2,3")))
        assert part == {key: each for key, each in whole.items() if key[0] == 1 and key[1] in (2, 3)}
