from itertools import permutations
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdover.canonical import CanonicalRequest
from holdover.credential import NOBODY, Credential
from holdover.exchange import Request
from holdover.head import MAX_BODY_BYTES
from holdover.key import Bypass, Cacheable, plan
from holdover.personal import CREDENTIAL_LIKE
from holdover.rules import Rules

HOST = "api.vendor.test"
PATH = "/v4/sports/epl/odds"
LISTS = ["regions", "markets", "bookmakers", "eventIds"]
DEFAULTS = {"dateFormat": "iso", "oddsFormat": "decimal"}
CREDENTIAL = {"env": "X", "query": "apiKey", "also": ["api_key", "X-Client-Key"]}


@pytest.fixture(scope="module")
def planned(route_of, provider_of):
    """The plan for a GET of a target; `fields`, `method` and `body` are the request's, others the route's."""

    def build(target, *, fields=(), method="GET", body=b"", credential=CREDENTIAL, **changes):
        route = route_of(**{"lists": LISTS, "defaults": DEFAULTS, **changes})
        rules = Rules([provider_of(route, credential=credential, personal=["X-Who"])])
        return plan(Request(method, HOST, target, tuple(fields), body), rules)

    return build


@pytest.fixture(scope="module")
def canonical(planned):
    def build(target, **changes):
        found = planned(target, **changes)
        assert isinstance(found, Cacheable), found
        return found.canonical

    return build


SPELLINGS = [
    f"{PATH}?regions=us,uk&markets=h2h,spreads&commenceTimeFrom=2026-01-01T00:00:00Z",
    f"{PATH}?regions=us%2Cuk&markets=h2h%2Cspreads&commenceTimeFrom=2026-01-01T00%3A00%3A00Z",
    f"{PATH}?regions=us%2cuk&markets=h2h%2cspreads&commenceTimeFrom=2026-01-01T00%3a00%3a00Z",
    f"{PATH}/?markets=spreads,h2h&commenceTimeFrom=2026-01-01T00:00:00Z&regions=uk,us",
    f"{PATH}?regions=us,uk,us&markets=h2h,spreads&commenceTimeFrom=2026-01-01T00:00:00Z&oddsFormat=decimal",
    f"{PATH}?&regions=us,uk&&markets=h2h,spreads&commenceTimeFrom=2026-01-01T00:00:00Z&dateFormat=iso&",
    f"{PATH}?apiKey=K1&regions=us,uk&markets=h2h,spreads&commenceTimeFrom=2026-01-01T00:00:00Z",
    f"{PATH}?regions=us,uk&markets=h2h,spreads&api_key=K2&commenceTimeFrom=2026-01-01T00:00:00Z",
    "/v4/sports/%65pl/odds?%72egions=u%73,uk&markets=h2h,spreads&commenceTimeFrom=2026%2D01-01T00:00:00Z",
]  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS[1:])
def test_all_byte_spellings_of_one_request_share_one_key_and_one_target(canonical, spelling):
    first, second = canonical(SPELLINGS[0]), canonical(spelling)
    assert (first.key, first.target) == (second.key, second.target)


def test_any_order_of_parameters_is_one_request(canonical):
    parts = ["regions=us", "markets=h2h", "apiKey=K", "x=1"]
    assert len({canonical(f"{PATH}?{'&'.join(order)}").key for order in permutations(parts)}) == 1


def test_the_key_is_stable_across_versions(canonical):
    """It names rows on disk: a change of it empties every cache, so it is made knowingly."""
    request = CanonicalRequest("p", "r", "/a%2Fb", (("x", "1"),), (("accept", "a/b"),))
    assert request.key == KEY
    assert canonical(SPELLINGS[0]).target == (
        f"{PATH}?commenceTimeFrom=2026-01-01T00%3A00%3A00Z&dateFormat=iso&markets=h2h%2Cspreads"
        "&oddsFormat=decimal&regions=uk%2Cus"
    )


KEY = "4dd1b59a02db5940737a19d29a716f66"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("?x=1", "?x=2"),
        ("?x=1", "?X=1"),
        ("?x=1", "?y=1"),
        ("?x=a", "?x=A"),
        ("?x=1", "?x=1&x=1"),
        ("?x=1&x=2", "?x=2&x=1"),
        ("?x=", "?"),
        ("?oddsFormat=american", "?oddsFormat=decimal"),
        ("?oddsFormat=", "?oddsFormat=decimal"),
        ("?regions=us", "?regions=us&regions=us"),
        ("?regions=us,", "?regions=us"),
        ("?x=b,a", "?x=a,b"),
        ("?x=1%26y=2", "?x=1&y=2"),
        ("?x=1%3Dy", "?x%3D1=y"),
        ("?x=a%2Bb", "?x=a+b"),
        ("?x=%25", "?x=%2525"),
    ],
)
def test_what_may_differ_at_the_provider_has_its_own_key(canonical, one, other):
    assert canonical(PATH + one).key != canonical(PATH + other).key


def test_a_space_has_two_spellings(canonical):
    assert canonical(f"{PATH}?x=a+b") == canonical(f"{PATH}?x=a%20b")


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=6)
PAIRS = st.lists(st.tuples(TEXT, TEXT), max_size=4).map(tuple)
REQUESTS = st.builds(CanonicalRequest, TEXT, TEXT, TEXT, PAIRS, PAIRS, TEXT, TEXT)


@given(REQUESTS, REQUESTS)
def test_keys_are_equal_exactly_when_requests_are(one, other):
    assert (one.key == other.key) == (one == other)


@given(st.lists(st.sampled_from(["a", "b", "=", "&", ",", "/", "\x1f"]), min_size=2, max_size=5), st.data())
def test_moving_a_boundary_moves_the_key(letters, data):
    """The same letters in the same order, cut at two different places."""
    cuts = st.integers(0, len(letters))
    first, second = data.draw(st.tuples(cuts, cuts).filter(lambda pair: pair[0] != pair[1]))
    text = "".join(letters)
    one, other = ((text[:cut], text[cut:]) for cut in (first, second))

    def keys(a: str, b: str) -> list[str]:
        requests = (
            CanonicalRequest(a, b, ""),
            CanonicalRequest("", a, b),
            CanonicalRequest("", "", "", ((a, b),)),
            CanonicalRequest("", "", "", (("", a), (b, ""))),
            CanonicalRequest("", "", "", ((a, ""),), ((b, ""),)),
            CanonicalRequest("", a, "", partition=b),
            CanonicalRequest("", "", b, partition=a),
            CanonicalRequest("", "", a, body=b),
            CanonicalRequest("", "", "", ((b, ""),), body=a),
        )
        return [request.key for request in requests]

    assert all(mine != theirs for mine, theirs in zip(keys(*one), keys(*other), strict=True))


def test_a_tenant_does_not_pass_for_a_body():
    assert CanonicalRequest("", "", "", body="a").key != CanonicalRequest("", "", "", partition="a").key


def test_a_parameter_does_not_pass_for_a_header():
    assert CanonicalRequest("", "", "", (("a", "b"),)).key != CanonicalRequest("", "", "", (), (("a", "b"),)).key


NAMES = st.sampled_from(["x", "y", "regions", "sportsBook"])
VALUES = st.text(st.sampled_from("ab,=&+%/ \u00e9"), max_size=5)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=4), st.lists(st.tuples(NAMES, VALUES), max_size=4))
def test_requests_that_differ_in_a_kept_parameter_never_share_a_key(canonical, one, other):
    def meaning(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
        kept = [(n, ",".join(sorted(set(v.split(",")))) if n == "regions" else v) for n, v in pairs]
        return sorted(kept, key=lambda pair: pair[0])

    def key(pairs: list[tuple[str, str]]) -> Any:
        return canonical(f"{PATH}?{'&'.join(f'{quote(n)}={quote(v)}' for n, v in pairs)}").key

    assert (key(one) == key(other)) == (meaning(one) == meaning(other))


@given(st.lists(st.tuples(NAMES, VALUES), max_size=4))
def test_the_target_is_its_own_canonical_form(canonical, pairs):
    """What goes upstream means what the client meant: planning it again changes nothing."""
    first = canonical(f"{PATH}?{'&'.join(f'{quote(n)}={quote(v)}' for n, v in pairs)}")
    assert canonical(first.target) == first


SECRET = "s3cr3t-of-a-client"


@pytest.mark.parametrize(
    "name", ["apiKey", "apikey", "APIKEY", "api_key", "API_Key", "x-client-key", "api%4Bey", "%61piKey"]
)
def test_a_declared_credential_in_the_query_leaves_no_trace(canonical, name):
    without = canonical(f"{PATH}?regions=us")
    for query in (f"{name}={SECRET}&regions=us", f"regions=us&{name}={SECRET}", f"{name}=&regions=us"):
        found = canonical(f"{PATH}?{query}")
        assert found == without
        assert found.key == without.key
        assert SECRET not in repr(found) + found.target


@pytest.mark.parametrize("name", ["X-Client-Key", "x-client-key", "APIKEY", "Api_Key"])
def test_a_declared_credential_in_a_header_leaves_no_trace(canonical, name):
    assert canonical(PATH, fields=[(name, SECRET), ("User-Agent", "x")]) == canonical(PATH)


def test_a_declared_credential_is_removed_whatever_the_route_says_of_its_name(canonical):
    for changes in ({"unknown": "bypass"}, {"drop": ["apiKey"]}):
        assert SECRET not in repr(canonical(f"{PATH}?apiKey={SECRET}", **changes))


@pytest.mark.parametrize("unknown", ["key", "drop", "bypass"])
@pytest.mark.parametrize(
    "name",
    [
        "token",
        "Access_Token",
        "KEY",
        "sig",
        "password",
        "x-api-key",
        "sess%69on",
        "apiKey[]",
        "api_key%5B%5D",
        "+apiKey",
    ],
)
def test_an_undeclared_credential_goes_past_the_cache(planned, name, unknown):
    found = planned(f"{PATH}?{name}={SECRET}", unknown=unknown)
    assert isinstance(found, Bypass)
    assert SECRET not in found.reason


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        (f"apiKey=1&apiKey={SECRET}", ()),
        (f"apiKey=1&api_key={SECRET}", ()),
        (f"apiKey={SECRET}", [("X-Client-Key", "h")]),
        ("", [("X-Client-Key", "h"), ("x-client-key", SECRET)]),
    ],
)
def test_more_than_one_credential_goes_past_the_cache(planned, query, fields):
    """Which of them counts is the provider's affair, whoever's is sent in the end."""
    for credential in (CREDENTIAL, {"borrow": True, "query": "apiKey", "also": CREDENTIAL["also"]}):
        found = planned(f"{PATH}?{query}", fields=fields, credential=credential)
        assert isinstance(found, Bypass)
        assert found.reason == "more than one credential"


def test_what_the_client_sent_of_its_own_is_kept_beside_the_key_alone(planned):
    nobody = planned(f"{PATH}?regions=us")
    in_query = planned(f"{PATH}?API_Key={SECRET}&regions=us", fields=[("Accept", "*/*")])
    in_field = planned(f"{PATH}?regions=us", fields=[("X-client-KEY", SECRET), ("Accept", "*/*")])
    sent = NOBODY, Credential((("API_Key", SECRET),)), Credential((), (("X-client-KEY", SECRET),))
    for found, credential in zip((nobody, in_query, in_field), sent, strict=True):
        assert isinstance(found, Cacheable)
        assert found.credential == credential
        assert found.canonical == nobody.canonical
        assert SECRET not in repr(found)


def test_repeated_parameters_of_a_list_are_that_list(canonical):
    changes = {"repeated": ["eventIds"], "lists": []}
    spellings = ["eventIds=2,1", "eventIds=1&eventIds=2", "eventIds[]=1&eventIds%5B%5D=2", "eventIds=2&eventIds=2,1"]
    found = {canonical(f"{PATH}?{query}", **changes) for query in spellings}
    assert {one.query[1] for one in found} == {("eventIds", "1,2")}
    assert len(found) == 1
    assert canonical(f"{PATH}?eventIds=1&eventIds=3", **changes) not in found
    assert (
        len({canonical(f"{PATH}?x=1&x=2").key, canonical(f"{PATH}?x=1,2").key, canonical(f"{PATH}?x[]=1").key}) == 3
    )


def test_the_spellings_of_a_truth_value_are_one_where_the_route_says_so(canonical):
    changes = {"booleans": ["links"]}
    for spellings in (("true", "True", "TRUE"), ("false", "False", "FALSE")):
        assert len({canonical(f"{PATH}?links={one}", **changes).key for one in spellings}) == 1
        assert len({canonical(f"{PATH}?links={one}").key for one in spellings}) == 3
    distinct = {canonical(f"{PATH}?links={one}", **changes).key for one in ("true", "false", "1", "tRUE", "", "0")}
    assert len(distinct) == 6


def test_a_credential_like_parameter_that_the_route_declares_is_an_ordinary_one(canonical):
    assert ("key", "goals") in canonical(f"{PATH}?key=goals", parameters=["key"]).query
    assert canonical(f"{PATH}?session=1", drop=["session"]) == canonical(PATH)


UNLISTED = ("cookie", "x-apisports-key", "x-rapidapi-key", "x-app-key", "x-session-token", "x-user-id", "x-who")


@pytest.mark.parametrize("name", sorted({*CREDENTIAL_LIKE, *UNLISTED} - {"api_key", "apikey"}))
def test_a_personal_header_goes_past_the_cache(planned, name):
    found = planned(PATH, fields=[(name.title(), SECRET)])
    assert isinstance(found, Bypass)
    assert found.reason == f"the {name} field may make the answer personal"


def test_a_personal_header_that_is_declared_is_part_of_the_key_or_a_credential(planned):
    fields = [("X-Who", "anna"), ("X-App-Key", "one")]
    found = planned(PATH, fields=fields, headers=["X-App-Key", "X-Who"])
    assert found.canonical.headers == (("x-app-key", "one"), ("x-who", "anna"))
    declared = {**CREDENTIAL, "also": ["X-App-Key"]}
    assert planned(PATH, fields=fields[1:], credential=declared).canonical == planned(PATH).canonical


def test_what_is_said_to_a_proxy_ends_here(planned):
    assert planned(PATH, fields=[("Proxy-Authorization", SECRET)]) == planned(PATH)


@pytest.mark.parametrize(
    ("unknown", "expected"),
    [
        ("key", (("a", "1"), ("known", "2"))),
        ("drop", (("known", "2"),)),
        ("bypass", "parameter a is not known to the route"),
    ],
)
def test_unknown_parameters(planned, unknown, expected):
    found = planned(f"{PATH}?a=1&known=2", unknown=unknown, parameters=["known"], defaults={}, lists=[])
    assert (found.canonical.query if isinstance(found, Cacheable) else found.reason) == expected


def test_drop_wins_over_everything_but_defaults_stay(canonical):
    assert canonical(f"{PATH}?_=17&utm=x", drop=["_", "utm"], unknown="bypass") == canonical(PATH)


def test_defaults_stand_in_for_absent_parameters_alone(canonical):
    assert canonical(PATH).query == (("dateFormat", "iso"), ("oddsFormat", "decimal"))
    assert canonical(f"{PATH}?oddsFormat=american").query == (("dateFormat", "iso"), ("oddsFormat", "american"))


def test_a_default_that_is_a_list_equals_any_order_of_it(canonical):
    changes = {"defaults": {"markets": "spreads,h2h"}}
    assert canonical(PATH, **changes).key == canonical(f"{PATH}?markets=h2h,spreads", **changes).key


@pytest.mark.parametrize(
    "query",
    ["x=%zz", "x=%", "x=%f", "%zz=1", "x=%ff", "%c3=1", "x=%c0%af", "x=%00", "x=%0d%0aSet-Cookie", "x=1;y=2", ";x=1",
     "bare", "x=1&bare", "x=1#frag", "%ed%a0%80=1"],
)  # fmt: skip
def test_a_query_without_one_meaning_goes_past_the_cache(planned, query):
    found = planned(f"{PATH}?{query}")
    assert isinstance(found, Bypass)
    assert found.route is not None


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get", "PURGE"])
def test_other_methods_go_past_the_cache(planned, method):
    assert planned(PATH, method=method).reason == f"method {method} is not cached"


def test_a_body_goes_past_the_cache(planned):
    assert planned(PATH, body=b"x").reason == "the request has a body"


def test_a_body_that_is_too_long_goes_past_the_cache(route_of, provider_of):
    """It would be held with each note of the key, and be longer than what goes to the sidecar."""
    route = route_of(methods=["POST"])
    rules = Rules([provider_of(route, profile="betfair")])
    call = (
        b'{"jsonrpc":"2.0","id":1,"method":"SportsAPING/v1.0/listEventTypes","params":{"filter":{"textQuery":"%b"}}}'
    )
    for length, kept in ((MAX_BODY_BYTES - len(call), True), (MAX_BODY_BYTES, False)):
        found = plan(Request("POST", HOST, PATH, (), call % (b"x" * length)), rules)
        assert isinstance(found, Cacheable) is kept
    assert isinstance(found, Bypass)
    assert (found.reason, found.kind) == ("the body is too long to be part of a key", "body")


def test_what_is_too_long_for_a_key_is_not_read_for_its_route(route_of, provider_of):
    call = b'{"jsonrpc":"2.0","id":1,"method":"SportsAPING/v1.0/listEventTypes","params":{"filter":{}}}'
    rules = Rules([provider_of(route_of(methods=["POST"], calls=["listEventTypes"]), profile="betfair")])
    at_most = call.ljust(MAX_BODY_BYTES)
    assert isinstance(plan(Request("POST", HOST, PATH, (), at_most), rules), Cacheable)
    found = plan(Request("POST", HOST, PATH, (), at_most + b" "), rules)
    assert isinstance(found, Bypass)
    assert found.route is None


def test_head_shares_the_key_of_get(canonical):
    assert canonical(PATH, method="HEAD").key == canonical(PATH).key


def test_no_provider_and_no_route(provider_of):
    rules = Rules([provider_of()])
    assert plan(Request("GET", "else.test", PATH), rules) is None
    found = plan(Request("GET", HOST, "/nothing"), rules)
    assert isinstance(found, Bypass)
    assert (found.route, found.reason) == (None, "no route matches")


def test_only_header_fields_that_the_route_names_are_part_of_the_key(canonical):
    plain = canonical(PATH, fields=[("User-Agent", "a"), ("Accept-Language", "en")])
    assert plain == canonical(PATH)
    keyed = {"headers": ["Accept-Language", "accept"]}
    english = canonical(PATH, fields=[("accept-LANGUAGE", "en"), ("Accept", "a/b")], **keyed)
    assert english.headers == (("accept", "a/b"), ("accept-language", "en"))
    assert english.key != canonical(PATH, fields=[("Accept-Language", "fr"), ("Accept", "a/b")], **keyed).key
    assert english.key != canonical(PATH, fields=[("Accept", "a/b")], **keyed).key


def test_a_repeated_header_field_counts_whole(canonical):
    keyed = {"headers": ["Accept-Language"]}
    one = canonical(PATH, fields=[("Accept-Language", "en"), ("Accept-Language", "fr")], **keyed)
    assert one.headers == (("accept-language", "en, fr"),)


def test_a_header_field_that_is_not_utf_8_can_be_planned(planned):
    """The adapters hand over undecodable bytes as lone surrogates."""
    found = planned(PATH, fields=[("Accept-Language", "caf\udce9")], headers=["Accept-Language"])
    assert isinstance(found, Bypass) or len(found.canonical.key) == 32
