"""What goes over the Unix socket between proxy and sidecar, both ways. Bodies travel as they are stored."""

import json
import math
from collections.abc import Iterable
from dataclasses import astuple, dataclass

from holdover.canonical import CanonicalRequest
from holdover.credential import Credential
from holdover.entry import decode, encode, request_from
from holdover.exchange import Headers, Response, as_headers
from holdover.fill import Filled
from holdover.intake import Failed, Fetched, FetchResult, Refused
from holdover.promo_answer import ToldPromos
from holdover.quota import Told
from holdover.verdict import meaning_of


class WireError(Exception):
    """The other side sent something that is not of this version."""


def decode_request(data: object) -> CanonicalRequest:
    """What `holdover.entry.request_facts` made. Raises WireError."""
    if (request := request_from(data)) is None:
        raise WireError("not a canonical request")
    return request


def decode_credential(data: object) -> Credential:
    """Raises WireError."""
    match data:
        case [list(query), list(headers)]:
            return Credential(_pairs(query), _pairs(headers))
    raise WireError("not a credential")


@dataclass(frozen=True, slots=True)
class Report:
    """The sidecar's answer to a report of demand: the keys that it will not keep fresh, and what providers told of
    their quotas."""

    declined: frozenset[str]
    told: tuple[Told, ...]


def encode_report(declined: Iterable[str], told: Iterable[Told]) -> dict[str, object]:
    return {"declined": [*declined], "told": [astuple(each) for each in told]}


def decode_report(data: object) -> Report:
    """Raises WireError."""
    match data:
        case {"declined": list(declined), "told": list(told)}:
            return Report(frozenset(map(str, declined)), tuple(map(_told, told)))
    raise WireError("not a report's answer of this version")


def _told(data: object) -> Told:
    match data:
        case [str(provider), str(partition), float() | int() as at, float() | int() | None as remaining, used]:
            if used is None or isinstance(used, float | int):
                return Told(provider, partition, at, remaining, used)
    raise WireError("not what a provider told")


def decode_promos(data: object, cache_control: str) -> ToldPromos:
    """What the sidecar says as `GET /v1/promos` does. Raises WireError."""
    slots = data.get("slots") if isinstance(data, dict) else None
    if isinstance(data, dict) and isinstance(slots, dict) and all(map(_is_list_of_objects, slots.values())):
        return ToldPromos(data, cache_control)
    raise WireError("not what promos are told as in this version")


def _is_list_of_objects(promos: object) -> bool:
    return isinstance(promos, list) and all(isinstance(promo, dict) for promo in promos)


def encode_filled(filled: Filled) -> bytes:
    """A line of JSON facts, then the entry or the body."""
    facts: dict[str, object]
    match filled.result:
        case Fetched(entry, effect):
            facts, body = {"kind": "fetched", "effect": effect}, encode(entry)
        case Refused(response, reason, trouble, means, alone):
            facts = {"kind": "refused", "reason": reason, "trouble": trouble, "means": means, "alone": alone}
            facts |= {"status": response.status, "headers": response.headers}
            body = response.body
        case Failed(reason, timed_out, retry_after):
            facts = {"kind": "failed", "reason": reason, "timed_out": timed_out, "retry_after": retry_after}
            body = b""
    return json.dumps({**facts, "led": filled.led}).encode() + b"\n" + body


def decode_filled(data: bytes) -> Filled:
    """Raises WireError."""
    line, newline, body = data.partition(b"\n")
    try:
        facts = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise WireError("not an answer of this version") from error
    match facts:
        case {"led": bool(led)} if newline:
            return Filled(_result(facts, body), led)
    raise WireError("not an answer of this version")


def _result(facts: dict[str, object], body: bytes) -> FetchResult:
    match facts:
        case {"kind": "fetched", "effect": ("changed" | "unchanged" | "not_modified" | None) as effect}:
            if (entry := decode(body)) is None:
                raise WireError("an entry of another version")
            return Fetched(entry, effect)
        case {"kind": "refused", "reason": str(reason), "trouble": bool(trouble), "alone": bool(alone)}:
            match facts:
                case {"status": int(status), "headers": list(headers)}:
                    means = meaning_of(facts.get("means"))
                    return Refused(Response(status, _pairs(headers), body), reason, trouble, means, alone)
        case {
            "kind": "failed",
            "reason": str(reason),
            "timed_out": bool(timed_out),
            "retry_after": retry_after,
        }:
            if retry_after is None or (isinstance(retry_after, float) and math.isfinite(retry_after)):
                return Failed(reason, timed_out, retry_after)
    raise WireError("not an answer of this version")


def _pairs(items: object) -> Headers:
    pairs = as_headers(items)
    if pairs is None:
        raise WireError("not a list of pairs")
    return pairs
