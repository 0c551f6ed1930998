"""Betfair Exchange API-NG: JSON-RPC calls in POST bodies.

Only reads whose answer is the same for every account are shared, and of those only parameters that the provider
documents: what is not listed here goes to the provider untouched. A call without `currencyCode` or `locale` is
answered in those of the account [inferred]; accounts with an application key of their own share nothing, because the
key decides what is answered (`class_from`)."""

import json
import re
from collections.abc import Collection, Iterator
from typing import NoReturn

from holdover.canonical import CanonicalRequest
from holdover.content import parsed
from holdover.providers import betfair_quotes
from holdover.providers.profile import Offer, Profile
from holdover.route_settings import RouteSettings

_PREFIX = "SportsAPING/v1.0/"
_PARAMETERS = {
    **dict.fromkeys(
        "listEventTypes listCompetitions listEvents listMarketTypes listCountries listVenues".split(),
        frozenset("filter locale".split()),
    ),
    "listMarketCatalogue": frozenset("filter marketProjection sort maxResults locale".split()),
    "listMarketBook": frozenset("marketIds priceProjection currencyCode locale".split()),
    "listRunnerBook": frozenset("marketId selectionId handicap priceProjection currencyCode locale".split()),
}
"""By method; orders, matches, bets and strategies are an account's own and not among them."""
_FILTER_SETS = frozenset(
    "exchangeIds eventTypeIds eventIds competitionIds marketIds venues marketBettingTypes marketCountries "
    "marketTypeCodes raceTypes".split()
)
_FILTER = _FILTER_SETS.union("textQuery bspOnly turnInPlayEnabled inPlayOnly marketStartTime betDelayModels".split())
"""Of a market filter; `withOrders` is an account's own."""

_CALL = frozenset("jsonrpc method params id".split())

_ID_AT_END = re.compile(rb'[{,]\s*"id"\s*:\s*(-?[0-9][0-9.eE+-]*|"[^"\\]*"|null)\s*\}\s*\Z')
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)
_ID_VALUE = re.compile(rb'\s*:\s*("(?:[^"\\]|\\.)*"|[^\s,}\]]+)', re.DOTALL)


class _Number(str):
    """The text of a number: 1 and 1.0 may mean different things to the provider, and both stay what they are."""

    __slots__ = ()


type _Json = bool | str | _Number | list["_Json"] | dict[str, "_Json"] | None


class Betfair(Profile):
    """The JSON-RPC endpoint; each HTTP request is one call."""

    reads_bodies = True
    tells_offers = True
    logins = ("identitysso",)

    def called(self, body: bytes) -> str:
        call = parsed(body)
        method = call.get("method") if isinstance(call, dict) else None
        return method.removeprefix(_PREFIX) if isinstance(method, str) else ""

    def canonical_body(self, route: RouteSettings, body: bytes) -> tuple[str, str] | str:  # noqa: ARG002
        """The call with members sorted, sets sorted and unique, without `null` members, as call number 1; and the
        text of the client's own `id`."""
        try:
            call = _parsed(body)
            span = _id_span(body)
            echo = _text(call["id"]) if span is None else body[slice(*span)].decode()
            return _text({**_checked(call), "id": _Number("1")}), echo
        except (ValueError, RecursionError) as error:
            return str(error) if isinstance(error, _Refusal) else "the body is not one JSON-RPC call"

    def offers(self, canonical: CanonicalRequest, body: bytes, events: Collection[str]) -> Iterator[Offer]:
        return betfair_quotes.offers(canonical, body, events)

    def echoed(self, body: bytes, echo: str) -> bytes:
        span = _id_span(body)
        return body if span is None else body[: span[0]] + echo.encode() + body[span[1] :]


class _Refusal(ValueError):
    """Says for people why a call is not shared."""


def _parsed(body: bytes) -> dict[str, _Json]:
    call = json.loads(
        body.decode(),
        parse_int=_Number,
        parse_float=_Number,
        parse_constant=_no_number,
        object_pairs_hook=_distinct,
    )
    if isinstance(call, list):
        raise _Refusal("a batch of calls is not cached")
    if not isinstance(call, dict) or not call.keys() <= _CALL or _text(call.get("jsonrpc")) != '"2.0"':
        raise _Refusal("the body is not a JSON-RPC 2.0 call")
    if "id" not in call or not (call["id"] is None or isinstance(call["id"], str)):
        raise _Refusal("the call has no id that can be echoed")
    return call


def _no_number(text: str) -> NoReturn:
    raise _Refusal(f"{text} is not JSON")


def _distinct(pairs: list[tuple[str, _Json]]) -> dict[str, _Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Refusal("a member stands twice")
    return members


def _checked(call: dict[str, _Json]) -> dict[str, _Json]:
    """The call in canonical form when everyone may share its answer."""
    method, params = call.get("method"), call.get("params")
    operation = method.removeprefix(_PREFIX) if isinstance(method, str) and method.startswith(_PREFIX) else ""
    if operation not in _PARAMETERS:
        raise _Refusal("the method is not one whose answers are shared")
    if not isinstance(params, dict):
        raise _Refusal("the call has no named parameters")
    given = _without_nulls(params)
    _only(given, _PARAMETERS[operation])
    if isinstance(chosen := given.get("filter"), dict):
        _only(chosen, _FILTER)
        given["filter"] = {name: _set(value) if name in _FILTER_SETS else value for name, value in chosen.items()}
    if isinstance(prices := given.get("priceProjection"), dict) and "priceData" in prices:
        given["priceProjection"] = {**prices, "priceData": _set(prices["priceData"])}
    if "marketProjection" in given:
        given["marketProjection"] = _set(given["marketProjection"])
    return {"jsonrpc": "2.0", "method": method, "params": given}


def _only(given: dict[str, _Json], known: frozenset[str]) -> None:
    for name in given.keys() - known:
        raise _Refusal(f"{name} may make the answer an account's own")


def _without_nulls(members: dict[str, _Json]) -> dict[str, _Json]:
    """Without members that are `null`, at any depth: clients write one for what is not given."""
    return {
        name: _without_nulls(value) if isinstance(value, dict) else value
        for name, value in members.items()
        if value is not None
    }


def _set(value: _Json) -> _Json:
    """A list that the provider documents as a set, sorted and unique; anything else as it is."""
    return [one[1] for one in sorted({_text(v): v for v in value}.items())] if isinstance(value, list) else value


def _text(value: _Json) -> str:
    match value:
        case dict():
            return "{" + ",".join(f"{json.dumps(name)}:{_text(value[name])}" for name in sorted(value)) + "}"
        case list():
            return "[" + ",".join(map(_text, value)) + "]"
        case _Number():
            return str(value)
    return json.dumps(value)


def _id_span(body: bytes) -> tuple[int, int] | None:
    """Where the value of the outermost object's `id` stands; None when it has none."""
    # The last brace closes the outermost object, so a member right before it is one of that.
    if found := _ID_AT_END.search(body, max(0, len(body) - 256)):
        return found.span(1)
    depth = 0
    for token in _TOKEN.finditer(body):
        match token[0]:
            case b"{" | b"[":
                depth += 1
            case b"}" | b"]":
                depth -= 1
            case b'"id"' if depth == 1 and (value := _ID_VALUE.match(body, token.end())):
                return value.span(1)
    return None
