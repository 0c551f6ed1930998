"""Which wide request stands for which narrow one, and the entries made of a wide answer."""

import gzip
import json
from dataclasses import replace

import pytest

from holdover import projection as module
from holdover.canonical import CanonicalRequest
from holdover.content import Board, revision_of
from holdover.entry import Entry
from holdover.projection import REFUSED_FOR_S, Projections
from holdover.providers.profile import Knowledge
from holdover.providers.the_odds_api import TheOddsApi
from holdover.rules import Rules

NOW = 1_795_435_200.0
FORMS = {"dateFormat": "iso", "oddsFormat": "decimal"}
ROUTE = {
    "parameters": ["commenceTimeFrom", "commenceTimeTo"],
    "lists": ["regions", "markets", "bookmakers", "eventIds"],
    "defaults": FORMS,
    "items": "",
    "updated": ["last_update"],
    "starts": "commence_time",
}
KINDS = ["markets", "bookmakers", "events", "times", "dates"]


@pytest.fixture
def rules_of(provider_of, route_of):
    """The Odds API with a route `odds`; keywords change `[projection]`."""

    def build(**projection):
        settings = {"kinds": KINDS, **projection}
        return Rules([provider_of(route_of(**ROUTE), profile="the-odds-api", projection=settings)])

    return build


@pytest.fixture
def projections(rules_of):
    return Projections(rules_of())


def odds(sport="epl", route="odds", **query) -> CanonicalRequest:
    pairs = {**FORMS, "markets": "h2h", "regions": "us", **query}
    given = tuple(sorted((name, value) for name, value in pairs.items() if value))
    return CanonicalRequest("vendor", route, f"/v4/sports/{sport}/odds", given)


def bookmaker(key: str, *markets: str, updated="2026-11-23T11:59:00Z"):
    return {
        "key": key,
        "last_update": updated,
        "markets": [{"key": m, "outcomes": [{"price": 2.5}]} for m in markets],
    }


def event(name: str, *bookmakers, starts="2026-11-24T12:00:00Z"):
    return {"id": name, "commence_time": starts, "bookmakers": list(bookmakers)}


BOARD = [
    event("a", bookmaker("x", "h2h", "spreads"), bookmaker("y", "h2h", "spreads")),
    event("b", bookmaker("x", "h2h", "spreads"), starts="2026-11-25T12:00:00Z"),
]
WIDE = odds(markets="h2h,spreads")
ALL_EVENTS = odds()


def entry(request: CanonicalRequest, document: object = BOARD, at: float = NOW - 5) -> Entry:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    headers = (("Content-Type", "application/json"), ("x-requests-last", "2"))
    revision = revision_of(200, body, ("last_update",))
    return Entry(request, 200, headers, body, gzip.compress(body), revision, at, at + 0.5, 1.0, 0.5, Board(2), 2.0)


def ids(derived: Entry | None) -> list[str]:
    assert derived is not None
    return [one["id"] for one in json.loads(derived.identity)]


# Which request is asked instead


def test_a_request_that_nothing_holds_is_asked_for_itself(projections):
    assert projections.carrier(ALL_EVENTS, NOW) == ALL_EVENTS
    assert projections.covering(ALL_EVENTS, NOW) == []


def test_without_a_plan_the_profile_widens_what_costs_no_more(projections, rules_of):
    narrow = odds(eventIds="a,b", commenceTimeFrom="2026-11-24T00:00:00Z", dateFormat="unix")
    assert projections.carrier(narrow, NOW) == ALL_EVENTS
    projections.use(rules_of(kinds=["events"]))
    assert projections.carrier(narrow, NOW) == odds(**{**dict(narrow.query), "eventIds": ""})
    projections.use(rules_of(kinds=[]))
    assert projections.carrier(narrow, NOW) == narrow


def test_a_plan_goes_before_that(projections):
    narrow = odds(markets="spreads", eventIds="a")
    projections.plan("vendor", {narrow.key: WIDE})
    assert projections.carrier(narrow, NOW) == WIDE
    assert projections.carrier(ALL_EVENTS, NOW) == ALL_EVENTS
    projections.plan("vendor", {})
    assert projections.carrier(narrow, NOW) == odds(markets="spreads")


@pytest.mark.parametrize(
    "wrong",
    [odds(markets="totals,h2h"), odds("nba", markets="h2h,spreads"), odds(markets="h2h,spreads", regions="uk")],
)
def test_a_plan_that_does_not_hold_the_request_is_not_followed(projections, wrong):
    narrow = odds(markets="spreads")
    projections.plan("vendor", {narrow.key: wrong})
    assert projections.carrier(narrow, NOW) == narrow


def test_a_plan_does_not_outlive_a_change_of_the_configuration(projections, rules_of):
    narrow = odds(markets="spreads")
    projections.plan("vendor", {narrow.key: WIDE})
    projections.note(entry(WIDE))
    projections.use(rules_of())
    assert projections.carrier(narrow, NOW) == narrow
    assert projections.covering(narrow, NOW) == []


def test_a_kind_that_is_off_carries_nothing(projections):
    narrow = odds(markets="spreads")
    projections.plan("vendor", {narrow.key: WIDE})
    projections.learnt["vendor"] = Knowledge(switched_off=frozenset({"markets"}))
    assert projections.carrier(narrow, NOW) == narrow
    assert "markets" not in projections.knowledge(projections.rules.provider("vendor")).kinds


def test_tenants_never_carry_one_another(projections):
    mine, theirs = (replace(odds(markets="spreads"), partition=who) for who in ("mine", "theirs"))
    projections.plan("vendor", {mine.key: replace(WIDE, partition="theirs"), theirs.key: WIDE})
    projections.note(entry(replace(WIDE, partition="theirs")))
    assert projections.carrier(mine, NOW) == mine
    assert projections.covering(mine, NOW) == []
    assert projections.carrier(theirs, NOW) == theirs
    assert projections.covering(theirs, NOW) == [replace(WIDE, partition="theirs")]
    assert projections.carrier(replace(mine, query=odds(eventIds="a").query), NOW).partition == "mine"


def test_a_provider_that_is_gone_carries_nothing(projections):
    gone = replace(odds(eventIds="a"), provider="gone")
    assert projections.carrier(gone, NOW) == gone
    assert projections.covering(gone, NOW) == []
    assert projections.derive(entry(replace(WIDE, provider="gone")), gone, None, NOW) is None


# Which stored answers may serve


def test_what_is_stored_covers_what_it_holds(projections):
    for stored in (WIDE, odds("nba", markets="h2h,spreads"), odds(markets="h2h,totals")):
        projections.note(entry(stored))
    assert projections.covering(odds(markets="spreads"), NOW) == [WIDE]
    assert projections.covering(WIDE, NOW) == [], "it is itself"
    assert len(projections.covering(odds(), NOW)) == 2


def test_projections_and_absences_cover_nothing(projections):
    projections.note(replace(entry(WIDE), projected="markets"))
    projections.note(replace(entry(WIDE), status=404))
    assert projections.covering(odds(markets="spreads"), NOW) == []


def test_what_is_noted_is_bounded(projections, monkeypatch):
    monkeypatch.setattr(module, "_MOST", 4)
    projections._stored.most_each = 3
    for number in range(9):
        projections.note(entry(odds(markets=f"h2h,m{number}")))
    assert [dict(wide.query)["markets"] for wide in projections.covering(odds(), NOW)] == [
        "h2h,m6",
        "h2h,m7",
        "h2h,m8",
    ]
    for number in range(9):
        projections.note(entry(odds(f"sport-{number}")))
        projections.note(entry(odds("kept", markets="h2h,spreads")))
    assert projections._stored.count == 4
    assert len(projections.covering(odds("kept"), NOW)) == 1, "it is stored again and again"
    assert projections.covering(odds(), NOW) == []


def test_what_is_stored_again_pushes_nothing_out(projections):
    projections._stored.most_each = 3
    for number in (0, 1, 2, 2, 2, 2):
        projections.note(entry(odds(markets=f"h2h,m{number}")))
    assert len(projections.covering(odds(), NOW)) == 3


def test_what_was_made_is_bounded_in_all(projections, monkeypatch):
    """It costs no call to ask for ever new parts of what is stored."""
    monkeypatch.setattr(module, "_MOST", 6)
    for sport in range(4):
        wide = entry(odds(f"sport-{sport}", markets="h2h,spreads"))
        for number in range(3):
            narrow = odds(f"sport-{sport}", commenceTimeTo=f"2026-12-0{number + 1}T00:00:00Z")
            assert projections.derive(wide, narrow, None, NOW) is not None
    assert projections._made.count == 6
    assert len(projections.made_of(wide, NOW)) == 3


def test_what_content_did_not_allow_is_bounded(projections, monkeypatch):
    """Nothing else forgets it where nobody plans: in a proxy without a sidecar, or while nothing is kept fresh."""
    monkeypatch.setattr(module, "_MOST", 3)
    broken = replace(entry(WIDE), identity=b"[1]")
    narrow = [odds(markets="spreads", commenceTimeTo=f"2026-12-0{number}T00:00:00Z") for number in range(1, 7)]
    for each in narrow:
        assert projections.derive(broken, each, None, NOW) is None
    assert projections.refused(NOW) == {(WIDE.key, each.key) for each in narrow[-3:]}


def test_no_more_is_learnt_than_so_many_words(rules_of, monkeypatch):
    monkeypatch.setattr(module, "_MOST_LEARNT", 4)
    projections = Projections(rules_of(learn_regions=True))
    [provider] = projections.rules.providers
    for region, keys in (("us", "ab"), ("uk", "cdefgh"), ("eu", "i")):
        board = [{"id": "1", "commence_time": "2026-12-01T00:00:00Z", "bookmakers": [bookmaker(key) for key in keys]}]
        request = odds(regions=region, markets="")
        projections.learn(provider, replace(entry(request), identity=json.dumps(board).encode()))
    assert projections.learnt["vendor"].regions == {"us": {"a", "b"}}


# The entries made


def test_a_derived_entry_is_as_old_as_the_wide_one_and_tells_what_made_it(projections):
    wide = entry(WIDE)
    derived = projections.derive(wide, odds(markets="spreads", eventIds="b"), None, NOW)
    assert ids(derived) == ["b"]
    assert derived is not None
    [market] = json.loads(derived.identity)[0]["bookmakers"][0]["markets"]
    assert market["key"] == "spreads"
    assert gzip.decompress(derived.gzip) == derived.identity
    assert (derived.requested_at, derived.received_at, derived.initial_age) == (NOW - 5, NOW - 4.5, 1.0)
    assert (derived.request, derived.status, derived.headers) == (
        odds(markets="spreads", eventIds="b"),
        200,
        wide.headers,
    )
    assert derived.projected == "events+markets"
    assert derived.cost == 1.0, "what the client's own call would have cost"
    assert derived.board == Board(1, (1_795_608_000.0,), 1_795_435_140.0, 1_795_435_140.0)


def test_a_derived_entry_has_the_revision_of_its_own_content(projections):
    narrow = odds(eventIds="a")
    first = projections.derive(entry(ALL_EVENTS), narrow, None, NOW)
    moved = json.loads(json.dumps(BOARD).replace("11:59:00", "11:59:40"))
    later = projections.derive(entry(ALL_EVENTS, moved, NOW), narrow, first, NOW)
    assert first is not None
    assert later is not None
    assert later.revision == first.revision
    assert later.identity != first.identity, "the newest timestamps are what clients get"
    other = json.loads(json.dumps(BOARD))
    other[1]["bookmakers"][0]["markets"][0]["outcomes"][0]["price"] = 9.9
    same = projections.derive(entry(ALL_EVENTS, other, NOW), narrow, first, NOW)
    assert same is not None
    assert same.revision == first.revision, "what changed is in another event"
    assert same.gzip is first.gzip
    other[0]["bookmakers"][0]["markets"][0]["outcomes"][0]["price"] = 9.9
    changed = projections.derive(entry(ALL_EVENTS, other, NOW), narrow, first, NOW)
    assert changed is not None
    assert changed.revision != first.revision


@pytest.mark.parametrize("body", [b"{}", b"null", b"[1]", b'[{"id": 5, "bookmakers": 7}]', b'[{"bookmakers": []}]'])
def test_content_of_another_form_refuses(projections, body):
    narrow = odds(markets="spreads", eventIds="b")
    assert projections.derive(entry(WIDE, body), narrow, None, NOW) is None
    assert (WIDE.key, narrow.key) in projections.refused(NOW)


def test_what_the_content_refuses_is_not_tried_again_for_a_while(projections):
    """Event b has no bookmaker y, and what the provider does with an event without bookmakers is not known."""
    wide, narrow = odds(regions="", bookmakers="x,y"), odds(regions="", bookmakers="y")
    projections.plan("vendor", {narrow.key: wide})
    projections.note(entry(wide))
    assert projections.carrier(narrow, NOW) == wide
    assert projections.derive(entry(wide), narrow, None, NOW) is None
    assert projections.carrier(narrow, NOW + REFUSED_FOR_S - 1) == narrow
    assert projections.covering(narrow, NOW + REFUSED_FOR_S - 1) == []
    assert projections.refused(NOW + REFUSED_FOR_S - 1) == {(wide.key, narrow.key)}
    assert projections.carrier(odds(regions="", bookmakers="x,y", eventIds="a"), NOW) == wide, "others go on"
    assert projections.carrier(narrow, NOW + REFUSED_FOR_S + 1) == wide
    assert projections.refused(NOW + REFUSED_FOR_S + 1) == frozenset()


@pytest.mark.parametrize(("emptied", "expected"), [("keep", ["a", "b"]), ("omit", ["a"])])
def test_what_is_known_of_the_provider_decides_instead(rules_of, emptied, expected):
    projections = Projections(rules_of(emptied=emptied))
    wide, narrow = odds(regions="", bookmakers="x,y"), odds(regions="", bookmakers="y")
    assert ids(projections.derive(entry(wide), narrow, None, NOW)) == expected


def test_requests_that_do_not_hold_one_another_make_nothing(projections):
    assert projections.derive(entry(ALL_EVENTS), odds(markets="spreads"), None, NOW) is None
    assert projections.derive(entry(odds(eventIds="a")), ALL_EVENTS, None, NOW) is None


def test_regions_need_their_bookmakers(rules_of):
    wide, narrow = odds(regions="us,uk"), odds(regions="us")
    regions = {"us": ["x"], "uk": ["y"]}
    kinds = [*KINDS, "regions"]
    assert Projections(rules_of(kinds=kinds)).derive(entry(wide, BOARD[:1]), narrow, None, NOW) is None
    derived = Projections(rules_of(kinds=kinds, regions=regions)).derive(entry(wide, BOARD[:1]), narrow, None, NOW)
    assert derived is not None
    assert [b["key"] for b in json.loads(derived.identity)[0]["bookmakers"]] == ["x"]
    assert derived.projected == "regions"


@pytest.mark.parametrize("allowed", [False, True])
@pytest.mark.parametrize("found_right", [False, True])
def test_what_was_learnt_counts_where_that_is_allowed_and_comparisons_found_it_right(rules_of, allowed, found_right):
    """An answer without a bookmaker does not show that its region lacks that one."""
    apart = {"uk": frozenset({"x"}), **({"us": frozenset({"y"})} if found_right else {})}
    kinds = frozenset({"bookmakers", "regions"})
    learnt = Knowledge({"us": frozenset({"x"}), "uk": frozenset({"learnt"})}, verified=kinds, apart=apart)
    rules = rules_of(kinds=[*KINDS, "regions"], regions={"uk": ["told"]}, learn_regions=allowed)
    projections = Projections(rules, {"vendor": learnt})
    [provider] = projections.rules.providers
    known = projections.knowledge(provider)
    told = {"uk": frozenset({"told"})}
    everything = {"us": frozenset({"x"}), **told}
    assert known.regions == (everything if allowed and found_right else told)
    assert known.apart == ({"us": frozenset({"y"})} if allowed and found_right else {}), "told is told in full"
    on_trial = projections.knowledge(provider, on_trial=True)
    assert on_trial.regions == (everything if allowed else told)
    assert on_trial.apart == {}
    assert known.kinds == {*KINDS, "regions"}
    assert known.emptied == "refuse"


def test_each_region_that_was_learnt_waits_for_comparisons_of_its_own(rules_of):
    rules = rules_of(kinds=[*KINDS, "regions"], learn_regions=True)
    learnt = Knowledge({"us": frozenset({"x"}), "uk": frozenset({"y"})}, apart={"us": frozenset({"y"})})
    projections = Projections(rules, {"vendor": learnt})
    wide, board = odds(regions="us,uk"), BOARD[:1]
    assert made_for(projections.derive(entry(wide, board), odds(regions="us"), None, NOW)) == ["x"]
    assert projections.derive(entry(wide, board), odds(regions="uk"), None, NOW) is None
    assert made_for(rehearsed(projections, entry(wide, board), odds(regions="uk"))) == ["y"]


def test_a_bookmaker_that_is_new_in_two_regions_is_lacking_in_neither(rules_of):
    """Seen in an answer for one of them first, it is no other region's, as far as is learnt."""
    rules = rules_of(kinds=[*KINDS, "regions"], learn_regions=True)
    regions = {"us": frozenset({"x"}), "uk": frozenset({"y"})}
    apart = {"us": frozenset({"y"}), "uk": frozenset({"x"})}
    projections = Projections(rules, {"vendor": Knowledge(regions, apart=apart)})
    wide, us, uk = odds(regions="us,uk"), odds(regions="us"), odds(regions="uk")
    board = [event("a", *(bookmaker(key, "h2h") for key in ("x", "y", "new")))]
    for narrow in (us, uk):
        assert projections.derive(entry(wide, board), narrow, None, NOW) is None, "the provider is asked"
    [provider] = rules.providers
    projections.learn(provider, entry(us, [event("a", bookmaker("x", "h2h"), bookmaker("new", "h2h"))]))
    assert made_for(projections.derive(entry(wide, board), us, None, NOW)) == ["x", "new"]
    assert projections.derive(entry(wide, board), uk, None, NOW) is None, "and still is"
    projections.learn(provider, entry(uk, [event("a", bookmaker("y", "h2h"), bookmaker("new", "h2h"))]))
    assert made_for(projections.derive(entry(wide, board), uk, None, NOW)) == ["y", "new"]


def made_for(derived: Entry | None) -> list[str]:
    """The bookmakers of its first event."""
    assert derived is not None
    return [book["key"] for book in json.loads(derived.identity)[0]["bookmakers"]]


def rehearsed(projections: Projections, wide: Entry, narrow: CanonicalRequest) -> Entry | None:
    found = projections.rehearse(wide, narrow, on_trial=True)
    return found[0] if found is not None else None


# What is on trial


def test_on_trial_a_region_is_cut_from_what_two_requests_would_be_joined_to(rules_of):
    learnt = Knowledge({"us": frozenset({"x"}), "uk": frozenset({"y"})})
    kinds = [*KINDS, "regions"]
    projections = Projections(rules_of(kinds=kinds, learn_regions=True), {"vendor": learnt})
    us = odds(regions="us")
    assert projections.trial(us, NOW) == us, "nothing else was asked for"
    for other in (odds(regions="uk", markets="h2h,spreads"), odds(regions="uk"), odds(regions="unknown")):
        projections.note(entry(other))
    assert projections.trial(us, NOW) == odds(regions="uk,us"), "by regions alone, for the fewest credits"
    assert projections.carrier(us, NOW) == us
    projections.learnt["vendor"] = replace(learnt, apart={"us": frozenset({"y"})})
    assert projections.trial(us, NOW) == us, "it is in use"


def test_a_content_that_is_refused_is_on_trial_where_regions_are_learnt(rules_of):
    learnt = Knowledge({"us": frozenset({"x"}), "uk": frozenset({"y"})}, apart={"us": frozenset()})
    rules = rules_of(kinds=[*KINDS, "regions"], learn_regions=True)
    projections = Projections(rules, {"vendor": learnt})
    wide, narrow = odds(regions="uk,us"), odds(regions="us")
    projections.note(entry(wide, BOARD[:1]))
    assert projections.trial(narrow, NOW) == narrow
    assert projections.derive(entry(wide, BOARD[:1]), narrow, None, NOW) is None
    assert projections.trial(narrow, NOW) == wide
    assert made_for(rehearsed(projections, entry(wide, BOARD[:1]), narrow)) == ["x"]


def test_what_is_wider_on_trial_is_told_beside_what_is_in_use(rules_of):
    projections = Projections(rules_of(kinds=[*KINDS, "odds"]))
    narrow = odds(eventIds="a")
    assert projections.carrier(narrow, NOW) == ALL_EVENTS
    assert projections.trial(narrow, NOW) == odds(oddsFormat="american")
    projections.learnt["vendor"] = Knowledge(verified=frozenset({"odds"}))
    assert projections.trial(narrow, NOW) == narrow


def test_without_trials_nothing_is_on_trial(projections):
    wide, narrow = odds(regions="", bookmakers="x,y"), odds(regions="", bookmakers="y")
    projections.note(entry(wide))
    assert projections.derive(entry(wide), narrow, None, NOW) is None
    assert projections.trial(narrow, NOW) == narrow
    assert projections.trial(replace(narrow, provider="gone"), NOW).provider == "gone"


def test_kinds_of_another_profile_are_not_in_use(rules_of):
    assert Projections(rules_of(kinds=[*KINDS, "since"])).kinds("vendor") == {*KINDS}


@pytest.mark.parametrize(
    ("projection", "expected"),
    [
        ({}, False),
        ({"kinds": [*KINDS, "odds"]}, True),
        ({"learn_regions": True}, True),
        ({"kinds": ["since"]}, False),
    ],
)
def test_whether_there_are_trials(rules_of, projection, expected):
    assert rules_of(**projection).provider("vendor").has_trials == expected


@pytest.mark.parametrize(("kind", "told"), [("markets", {}), ("outrights", {"epl": True})])
def test_sports_are_learnt_for_kinds_that_depend_on_them(rules_of, kind, told):
    projections = Projections(rules_of(kinds=[kind]))
    provider = projections.rules.provider("vendor")
    assert provider is not None
    projections.learn(provider, entry(odds(route="sports"), [{"key": "epl", "has_outrights": True}]))
    assert projections.learnt.get("vendor", Knowledge()).outrights == told


def test_nothing_is_learnt_where_nobody_wants_to(projections):
    provider = projections.rules.provider("vendor")
    projections.learn(provider, entry(ALL_EVENTS))
    assert projections.learnt == {}


def test_odds_are_converted_only_after_comparisons_or_on_trial(rules_of):
    projections = Projections(rules_of(kinds=[*KINDS, "odds"]))
    board = json.loads(json.dumps(BOARD).replace("2.5", "150"))
    wide, narrow = odds(oddsFormat="american"), odds()
    assert projections.carrier(narrow, NOW) == narrow
    assert projections.derive(entry(wide, board), narrow, None, NOW) is None
    assert projections.rehearse(entry(wide, board), narrow, on_trial=False) is None
    found = projections.rehearse(entry(wide, board), narrow, on_trial=True)
    assert found is not None
    on_trial, evidence = found
    assert evidence.kinds == {"odds"}
    assert json.loads(on_trial.identity)[0]["bookmakers"][0]["markets"][0]["outcomes"][0]["price"] == 2.5
    verified = Projections(rules_of(kinds=[*KINDS, "odds"]), {"vendor": Knowledge(verified=frozenset({"odds"}))})
    assert verified.carrier(narrow, NOW) == wide
    derived = verified.derive(entry(wide, board), narrow, None, NOW)
    assert derived is not None
    assert (derived.identity, derived.projected) == (on_trial.identity, "odds")


def test_a_trial_that_fails_says_nothing_about_what_is_in_use(rules_of):
    """`odds` on trial: the wide answer's price is none that can be converted; its events may still be selected."""
    projections = Projections(rules_of(kinds=[*KINDS, "odds"]))
    wide, narrow = odds(oddsFormat="american"), odds()
    assert projections.rehearse(entry(wide), narrow, on_trial=True) is None
    assert projections.refused(NOW) == frozenset()
    assert projections.rehearse(entry(wide), replace(narrow, provider="gone"), on_trial=True) is None


def test_one_parse_serves_all_projections_of_an_answer_and_only_of_it(projections, monkeypatch):
    parsed, parse = [], TheOddsApi.parse

    def count(profile, body):
        parsed.append(body)
        return parse(profile, body)

    monkeypatch.setattr(TheOddsApi, "parse", count)
    first, second = entry(ALL_EVENTS), entry(ALL_EVENTS, BOARD[:1])
    for wide in (first, first, second, first):
        for name in ("a", "b"):
            derived = projections.derive(wide, odds(eventIds=name), None, NOW)
            assert ids(derived) == [one["id"] for one in json.loads(wide.identity) if one["id"] == name]
    assert parsed == [first.identity, second.identity, first.identity]
    for number in range(20):
        projections.derive(entry(odds(f"sport-{number}")), odds(f"sport-{number}", eventIds="a"), None, NOW)
    assert len(projections._parsed) <= 8


def test_what_is_made_again_and_again_is_kept_in_mind_beside_what_is_made_once(projections):
    wide, steady = entry(ALL_EVENTS), odds(eventIds="a")
    for number in range(600):
        if number % 100 == 0:
            assert projections.derive(wide, steady, None, NOW) is not None
        projections.derive(wide, odds(eventIds=f"once-{number}"), None, NOW)
    assert steady in projections.made_of(wide, NOW)
