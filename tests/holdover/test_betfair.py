import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdover.providers.betfair import Betfair

RECORDED = Path(__file__).parents[3] / "shared" / "fixtures"

BETFAIR = Betfair()
PREFIX = "SportsAPING/v1.0/"


@pytest.fixture(scope="session")
def route(route_of):
    return route_of(path="/exchange/betting/json-rpc/v1", methods=["POST"])


def call(method="listMarketBook", params=None, number=41) -> bytes:
    params = {"marketIds": ["1.9"]} if params is None else params
    return json.dumps({"jsonrpc": "2.0", "method": PREFIX + method, "params": params, "id": number}).encode()


def canonical(route, body: bytes) -> str:
    parsed = BETFAIR.canonical_body(route, body)
    assert isinstance(parsed, tuple), parsed
    return parsed[0]


def test_the_canonical_call_is_sorted_and_number_one(route):
    body = b' {"params": {"priceProjection": {"virtualise": true, "priceData": ["SP_TRADED", "EX_TRADED"]}, '
    body += b'"marketIds": ["1.9"], "locale": null},\n "id": 41, "method": "SportsAPING/v1.0/listMarketBook", '
    body += b'"jsonrpc": "2.0"}'
    text = (
        '{"id":1,"jsonrpc":"2.0","method":"SportsAPING/v1.0/listMarketBook","params":{"marketIds":["1.9"],'
        '"priceProjection":{"priceData":["EX_TRADED","SP_TRADED"],"virtualise":true}}}'
    )
    assert BETFAIR.canonical_body(route, body) == (text, "41")
    assert BETFAIR.canonical_body(route, text.encode()) == (text, "1")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"marketIds": ["1.9"]}, {"marketIds": ["1.9"], "orderProjection": None, "currencyCode": None}),
        (
            {"marketIds": ["1.9"], "priceProjection": {"priceData": ["A", "B"]}},
            {"priceProjection": {"priceData": ["B", "A", "B"], "virtualise": None}, "marketIds": ["1.9"]},
        ),
        ({"marketIds": ["1.9"], "locale": "é"}, {"locale": "\u00e9", "marketIds": ["1.9"]}),
    ],
)
def test_spellings_of_one_market_book_share_a_key(route, one, other):
    assert canonical(route, call(params=one)) == canonical(route, call(params=other, number="x"))


@pytest.mark.parametrize("name", ["eventTypeIds", "eventIds", "competitionIds", "marketIds", "marketTypeCodes"])
def test_sets_of_a_filter_have_no_order(route, name):
    one, other = (
        {"filter": {name: ids}, "marketProjection": p} for ids, p in ((["2", "1"], "AB"), (["1", "2"], "BA"))
    )
    for params in (one, other):
        params["marketProjection"] = list(params["marketProjection"])
    texts = {canonical(route, call("listMarketCatalogue", params)) for params in (one, other)}
    assert len(texts) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # A list is not a set: the answer may come in its order.
        ({"marketIds": ["1.9", "1.8"]}, {"marketIds": ["1.8", "1.9"]}),
        ({"marketIds": ["1.9"]}, {"marketIds": ["1.90"]}),
        ({"marketIds": [1]}, {"marketIds": [1.0]}),
        ({"marketIds": [1]}, {"marketIds": ["1"]}),
        ({"marketIds": ["1.9"]}, {"marketIds": ["1.9"], "currencyCode": "GBP"}),
        ({"marketIds": ["1.9"]}, {"marketIds": ["1.9"], "locale": "en"}),
        ({"marketIds": ["1.9"]}, {"marketIds": ["1.9"], "priceProjection": {}}),
        ({"marketIds": ["1.9"], "priceProjection": {"virtualise": True}},
         {"marketIds": ["1.9"], "priceProjection": {"virtualise": False}}),
        ({"marketIds": ["a\",\"b"]}, {"marketIds": ["a", "b"]}),
    ],
)  # fmt: skip
def test_calls_that_may_differ_have_keys_of_their_own(route, one, other):
    assert canonical(route, call(params=one)) != canonical(route, call(params=other))


def test_methods_have_keys_of_their_own(route):
    names = "listEventTypes listCompetitions listEvents listMarketTypes listCountries listVenues listMarketCatalogue"
    texts = {canonical(route, call(name, {"filter": {}})) for name in names.split()}
    assert len(texts) == 7


@pytest.mark.parametrize(
    ("params", "name"),
    [
        *(({"marketIds": ["1.9"], name: "x"}, name) for name in (
            "orderProjection", "matchProjection", "includeOverallPosition", "partitionMatchedByStrategyRef",
            "customerStrategyRefs", "customerOrderRefs", "matchedSince", "betIds", "somethingNew",
        )),
        ({"marketIds": ["1.9"], "includeOverallPosition": False}, "includeOverallPosition"),
    ],
)  # fmt: skip
def test_what_may_be_an_accounts_own_goes_to_the_provider(route, params, name):
    assert BETFAIR.canonical_body(route, call(params=params)) == f"{name} may make the answer an account's own"


def test_a_filter_by_own_orders_goes_to_the_provider(route):
    body = call("listMarketCatalogue", {"filter": {"withOrders": ["EXECUTABLE"]}, "maxResults": 1})
    assert BETFAIR.canonical_body(route, body) == "withOrders may make the answer an account's own"


@pytest.mark.parametrize(
    "method",
    ["listCurrentOrders", "placeOrders", "listMarketProfitAndLoss", "listTimeRanges", "listmarketbook", "", "x"],
)
def test_other_methods_go_to_the_provider(route, method):
    assert BETFAIR.canonical_body(route, call(method)) == "the method is not one whose answers are shared"


SHARED = call().decode()


@pytest.mark.parametrize(
    "body",
    [
        f"[{SHARED}]", "", "null", "[]", '"x"', "{", f"{SHARED}x", "\ufeff" + SHARED,
        SHARED.replace('"2.0"', '"1.0"'), SHARED.replace('"2.0"', "2.0"), SHARED.replace('"jsonrpc": "2.0", ', ""),
        SHARED.replace('"id": 41', '"id": true'), SHARED.replace('"id": 41', '"id": {}'),
        SHARED.replace(', "id": 41', ""), SHARED.replace('["1.9"]', "[-Infinity]"),
        SHARED.replace('"id": 41', '"id": 41, "id": 42'), SHARED.replace('"id": 41', '"id": 41, "auth": "x"'),
        SHARED.replace('"id": 41', '"id": NaN'), SHARED.replace('["1.9"]', "[NaN]"),
        SHARED.replace('"marketIds": ["1.9"]', '"marketIds": ["1.9"], "marketIds": ["1.8"]'),
        SHARED.replace('{"marketIds": ["1.9"]}', '["1.9"]'), SHARED.replace(', "params": {"marketIds": ["1.9"]}', ""),
        SHARED.replace('"1.9"', "[" * 100_000 + "]" * 100_000), SHARED.replace('"1.9"', "01"),
        SHARED.replace('"1.9"', '"\t"'), SHARED.replace("listMarketBook", "listMarketBook\\u0000"),
    ],
)  # fmt: skip
def test_what_is_not_one_plain_call_has_a_reason(route, body):
    reason = BETFAIR.canonical_body(route, body.encode())
    assert isinstance(reason, str)
    assert 10 < len(reason) < 100
    assert "\n" not in reason


def test_text_that_is_not_utf_8_has_a_reason(route):
    assert isinstance(BETFAIR.canonical_body(route, call().replace(b"1.9", b"\xff")), str)


@pytest.mark.parametrize(
    "token", ["41", "-7", "1e3", "1.50", '"a b"', '"\\u00e9"', '"é"', '"\\"id\\": 1}"', '""', "null"]
)
@pytest.mark.parametrize("last", [True, False])
def test_the_echo_is_the_text_that_the_client_wrote(route, token, last):
    rest = '"jsonrpc": "2.0", "method": "SportsAPING/v1.0/listEvents", "params": {"filter": {"textQuery": "id"}}'
    body = f'{{{rest}, "id": {token}}}' if last else f'{{"id":{token} ,{rest}}}'
    parsed = BETFAIR.canonical_body(route, body.encode())
    assert isinstance(parsed, tuple)
    assert parsed[1] == token
    answer = b'{"jsonrpc":"2.0","result":[{"id":1}],"id":1}'
    assert BETFAIR.echoed(answer, parsed[1]) == f'{{"jsonrpc":"2.0","result":[{{"id":1}}],"id":{token}}}'.encode()


@pytest.mark.parametrize(
    ("stored", "answered"),
    [
        ('{"jsonrpc":"2.0","result":[],"id":1}', '{"jsonrpc":"2.0","result":[],"id":"x"}'),
        ('{"id" : 1 , "result": [{"id": 1}] }\n', '{"id" : "x" , "result": [{"id": 1}] }\n'),
        ('{"result":{"id":1,"a":"}"},"id":1 } ', '{"result":{"id":1,"a":"}"},"id":"x" } '),
        ('{"result":{"id":1},"id":1,"z":{"id":1}}', '{"result":{"id":1},"id":"x","z":{"id":1}}'),
        ('{"a":"id","id":null}', '{"a":"id","id":"x"}'),
        ('{"a":"\\"id\\":1}","id":1,"b":2}', '{"a":"\\"id\\":1}","id":"x","b":2}'),
        ('{"x\\"id":1}', '{"x\\"id":1}'),
        ('{"result":{"id":1}}', '{"result":{"id":1}}'),
        ('[{"id":1}]', '[{"id":1}]'),
        ("{}", "{}"),
        ("", ""),
    ],
)
def test_only_the_outermost_id_is_replaced(stored, answered):
    assert BETFAIR.echoed(stored.encode(), '"x"') == answered.encode()


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text('id":,{}[]\\1 é')
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "a", '"id":1}', "\\"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    before=st.dictionaries(st.sampled_from(["jsonrpc", "result", 'x"id', "i"]), JSON),
    after=st.dictionaries(st.sampled_from(["z", '"id"', "error"]), JSON),
    separators=st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " : ")]),
)
def test_any_answer_differs_in_its_id_alone(before, after, separators):
    stored = json.dumps({**before, "id": 1, **after}, separators=separators)
    answered = BETFAIR.echoed(stored.encode(), '"the client"').decode()
    assert answered == json.dumps({**before, "id": "the client", **after}, separators=separators)


VALUES = st.sampled_from(
    ["a", "b", "1", 1, True, None, ["a"], ["b", "a"], ["a", "b", "a"], {"priceData": ["b", "a"]}]
)
PARAMS = st.dictionaries(st.sampled_from(["marketIds", "priceProjection", "currencyCode", "locale"]), VALUES)


def _shuffled(members: dict, draw) -> dict:
    return {name: members[name] for name in draw(st.permutations(sorted(members)))}


def _meaning(params: dict) -> str:
    """What the provider documents as the meaning: sets without order, absent like null."""
    plain = {name: value for name, value in params.items() if value is not None}
    if isinstance(prices := plain.get("priceProjection"), dict):
        plain["priceProjection"] = {**prices, "priceData": sorted(set(prices["priceData"]))}
    return json.dumps(plain, sort_keys=True)


@given(one=PARAMS, other=PARAMS, data=st.data())
def test_a_key_is_shared_exactly_by_what_means_the_same(route, one, other, data):
    texts = [
        canonical(route, call(params=_shuffled(p, data.draw), number=data.draw(st.integers()))) for p in (one, other)
    ]
    assert (texts[0] == texts[1]) == (_meaning(one) == _meaning(other))


@pytest.mark.parametrize("name", ["list_market_book", "list_market_catalogue", "list_runner_book"])
def test_recorded_answers_are_echoed_byte_for_byte(name):
    stored = (RECORDED / "betfair" / f"{name}.json").read_bytes()
    answered = BETFAIR.echoed(stored, "987654321")
    assert json.loads(answered) == {**json.loads(stored), "id": 987654321}
    assert len(answered) == len(stored) + 8


def test_the_composed_call_and_its_answer(route):
    body = (RECORDED / "composed" / "betfair_listMarketBook_req.json").read_bytes()
    answer = (RECORDED / "composed" / "betfair_listMarketBook_res.json").read_bytes()
    parsed = BETFAIR.canonical_body(route, body)
    assert isinstance(parsed, tuple)
    stored = answer.replace(b'"id":41', b'"id":1')
    assert BETFAIR.echoed(stored, parsed[1]) == answer
