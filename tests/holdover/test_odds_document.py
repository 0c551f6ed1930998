import json
from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdover.providers.odds_document import (
    Cut,
    OddsDocument,
    Unprojectable,
    decimal_price,
    returned_markets,
    unix_time,
)

T1, T2 = "2026-11-23T18:00:00Z", "2026-11-23T19:30:00Z"
S1, S2 = 1795456800, 1795462200


def market(key, price="1.50", updated=T1):
    return f'{{"key":"{key}","last_update":"{updated}","outcomes":[{{"name":"A","price":{price},"point":-0.50}}]}}'


def bookmaker(key, *markets):
    return f'{{"key":"{key}","title":"T \\u0041","last_update":"{T2}","sid":null,"markets":[{",".join(markets)}]}}'


def event(identity, starts, *bookmakers):
    return f'{{"id":"{identity}","x":1e2,"commence_time":"{starts}","bookmakers":[{",".join(bookmakers)}]}}'


def listed(*events):
    return f"[{','.join(events)}]".encode()


BOARD = listed(
    event("one", T1, bookmaker("a", market("h2h"), market("totals", "4.0")), bookmaker("b", market("totals"))),
    event("two", T2, bookmaker("a", market("h2h"), market("h2h_lay"))),
)


def cut(body=BOARD, **what):
    what = {name: frozenset(value) if isinstance(value, set) else value for name, value in what.items()}
    return OddsDocument(body).cut(Cut(**what))


def test_what_is_kept_keeps_its_text():
    """Numbers with needless zeros, escapes, null and unknown members come out as they went in."""
    assert cut() == BOARD
    assert cut(markets={"h2h", "h2h_lay", "totals"}) == BOARD


def test_markets_and_the_bookmakers_that_lose_all():
    one, two = event("one", T1, bookmaker("a", market("h2h"))), event("two", T2, bookmaker("a", market("h2h")))
    assert cut(markets={"h2h"}) == listed(one, two)


def test_bookmakers():
    two = event("two", T2, bookmaker("a", market("h2h"), market("h2h_lay")))
    one = event("one", T1, bookmaker("a", market("h2h"), market("totals", "4.0")))
    assert cut(bookmakers={"a", "never-seen"}) == listed(one, two)


def test_an_event_that_loses_all_its_bookmakers():
    one = event("one", T1, bookmaker("b", market("totals")))
    assert cut(bookmakers={"b"}, emptied="keep") == listed(one, event("two", T2))
    assert cut(bookmakers={"b"}, emptied="omit") == listed(one)
    with pytest.raises(Unprojectable):
        cut(bookmakers={"b"}, emptied="refuse")
    assert cut(bookmakers={"b"}, events={"one"}, emptied="refuse") == listed(one)


@pytest.mark.parametrize("emptied", ["keep", "omit", "refuse"])
@pytest.mark.parametrize("bare", ['{"id":"i","commence_time":"' + T1 + '"}', event("i", T1)])
def test_an_event_that_came_without_bookmakers_stays(bare, emptied):
    assert cut(listed(bare), markets={"h2h"}, emptied=emptied) == listed(bare)


@pytest.mark.parametrize(
    ("what", "left"),
    [
        ({"events": {"two", "unknown"}}, ["two"]),
        ({"events": {"unknown"}}, []),
        ({"after": S1, "before": S2}, ["one", "two"]),
        ({"after": S1 + 1}, ["two"]),
        ({"before": S2 - 1}, ["one"]),
        ({"after": S1 + 1, "before": S2 - 1}, []),
    ],
)
def test_events_and_times_are_inclusive_filters(what, left):
    assert [found["id"] for found in json.loads(cut(**what))] == left


def test_times_of_a_document_in_unix_seconds():
    body = BOARD.replace(f'"{T1}"'.encode(), str(S1).encode()).replace(f'"{T2}"'.encode(), str(S2).encode())
    assert [found["id"] for found in json.loads(cut(body, after=S2))] == ["two"]
    assert cut(to_unix=True) == body


def test_a_market_without_a_time_of_its_own_gets_none():
    body = b'[{"id":"i","commence_time":"%s","bookmakers":[{"key":"a","markets":[{"key":"h2h"}]}]}]' % T1.encode()
    assert cut(body, to_unix=True) == body.replace(b'"%s"' % T1.encode(), b"%d" % S1)


@pytest.mark.parametrize(
    "time",
    ["2026-11-23T18:00:00.5Z", "2026-11-23T18:00:00+00:00", "2026-11-23 18:00:00Z", "2026-02-30T00:00:00Z", "x", ""],
)
def test_a_time_that_would_lose_something_is_refused(time):
    with pytest.raises(Unprojectable):
        unix_time(json.dumps(time).encode())


@pytest.mark.parametrize("name", ["commence_time", "id"])
def test_an_event_without_what_is_filtered_by_is_refused(name):
    body = BOARD.replace(f'"{name}"'.encode(), b'"other"')
    with pytest.raises(Unprojectable):
        cut(body, events={"one"}, after=S1)


@pytest.mark.parametrize("null", ["last_update", "commence_time"])
def test_null_is_no_time(null):
    body = BOARD.replace(f'"{null}":"{T1}"'.encode(), f'"{null}":null'.encode())
    with pytest.raises(Unprojectable):
        cut(body, to_unix=True)


@pytest.mark.parametrize(
    ("american", "price"),
    [("100", "2.0"), ("-100", "2.0"), ("300", "4.0"), ("-117", "1.85"), ("150", "2.5"), ("-200", "1.5"),
     ("105", "2.05"), ("-10000", "1.01"), ("10001", "101.01"), ("-800", "1.13"), ("-19999", "1.01")],
)  # fmt: skip
def test_american_to_decimal(american, price):
    assert bytes(decimal_price(american.encode())) == price.encode()
    converted = cut(listed(event("i", T1, bookmaker("a", market("h2h", american)))), to_decimal=True)
    assert converted == listed(event("i", T1, bookmaker("a", market("h2h", price))))


@given(st.integers(100, 100_000), st.booleans())
def test_rounding_is_half_up_and_exact(line, favourite):
    exact = 1 + (Fraction(100, line) if favourite else Fraction(line, 100))
    cents = floor(exact * 100 + Fraction(1, 2))
    text = f"{cents // 100}.{cents % 100:02}"
    if cents == 100:
        with pytest.raises(Unprojectable):
            decimal_price(b"-%d" % line)
    else:
        assert bytes(decimal_price(b"-%d" % line if favourite else b"%d" % line)) == text.removesuffix("0").encode()


@pytest.mark.parametrize("price", ["1.85", "150.0", "99", "-99", "0", "null", '"150"', "-100000", "1e3", "+150"])
def test_what_is_no_american_price_or_has_no_decimal_one_is_refused(price):
    with pytest.raises(Unprojectable):
        decimal_price(price.encode())


def test_conversions_do_not_leak_into_other_projections_of_the_same_document():
    body = listed(event("i", T1, bookmaker("a", market("h2h", "300"))))
    document = OddsDocument(body)
    cuts = [
        Cut(to_decimal=True),
        Cut(to_unix=True),
        Cut(to_unix=True, to_decimal=True),
        Cut(markets=frozenset({"h2h"})),
    ]
    first, second = [document.cut(one) for one in cuts], [document.cut(one) for one in cuts]
    assert first == second == [OddsDocument(body).cut(one) for one in cuts]
    assert first[3] == body
    assert b"4.0" in first[0]
    assert b"4.0" not in first[1]


@pytest.mark.parametrize("body", [b"", b"{}", b"[", b"null", b"[1]", b'["a"]', b"[[]]", b'{"message":"x"}', b"[{}]x"])
def test_what_is_no_list_of_objects_is_no_document(body):
    with pytest.raises(ValueError):
        OddsDocument(body)


@pytest.mark.parametrize("wrong", [b'"bookmakers":{}', b'"bookmakers":[1]', b'"bookmakers":[{"markets":[]}]'])
def test_another_form_is_refused_when_it_is_needed(wrong):
    document = OddsDocument(b'[{"id":"i",%s}]' % wrong)
    assert document.cut(Cut(events=frozenset({"i"}))) == b'[{"id":"i",%s}]' % wrong
    with pytest.raises(ValueError):
        document.cut(Cut(markets=frozenset({"h2h"})))


def test_the_bookmakers_of_a_document():
    assert OddsDocument(BOARD).bookmakers == {"a", "b"}
    assert OddsDocument(b"[]").bookmakers == frozenset()


def test_the_markets_of_one_event():
    body = BOARD.removeprefix(b"[").removesuffix(b"]")
    one = json.dumps(json.loads(BOARD)[0]).encode()
    assert returned_markets(one) == {"h2h", "totals"}
    assert returned_markets(b'{"timestamp":"t","data":%s}' % one, "data") == {"h2h", "totals"}
    assert returned_markets(b"{}") == returned_markets(b"{}", "data") == frozenset()
    with pytest.raises(ValueError):
        returned_markets(body)
