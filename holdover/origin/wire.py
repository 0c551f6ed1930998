"""What proxy and sidecar tell each other of routes whose freshness is the origin's."""

import json
from dataclasses import dataclass

from holdover.caching.stored import Stored, Variants, decode, encode
from holdover.exchange import Headers, Request, Response, as_headers
from holdover.key import ForOrigin
from holdover.metrics import Trigger
from holdover.origin.client import NoAnswer
from holdover.origin.fetch import Obtained
from holdover.origin.filler import Flown, Joined
from holdover.wire import WireError


@dataclass(frozen=True, slots=True)
class OriginQuestion:
    """A GET that may be made for others too; routes by their names."""

    provider: str
    route: str
    target: str
    headers: Headers
    trigger: Trigger
    within_s: float
    alone: bool

    @property
    def request(self) -> Request:
        return Request("GET", "", self.target, self.headers)


def encode_question(
    asked: ForOrigin, request: Request, trigger: Trigger, within_s: float, *, alone: bool
) -> dict[str, object]:
    names = {"provider": asked.provider.name, "route": asked.route.name, "target": asked.target}
    return {**names, "headers": request.headers, "trigger": trigger, "within_s": within_s, "alone": alone}


def decode_question(data: object) -> OriginQuestion:
    """Raises WireError."""
    match data:
        case {
            "provider": str(provider),
            "route": str(route),
            "target": str(target),
            "headers": list(fields),
            "trigger": ("client" | "refresh") as trigger,
            "within_s": float(within_s),
            "alone": bool(alone),
        } if (headers := as_headers(fields)) is not None:
            return OriginQuestion(provider, route, target, headers, trigger, within_s, alone)
    raise WireError("not a question of this version")


def encode_flown(flown: Flown) -> bytes:
    """A line of JSON facts, what is stored, and the answer's body where that is another."""
    match flown:
        case Joined(status, failed, loose):
            line = json.dumps({"kind": "joined", "status": status, "failed": _failure(failed)}).encode()
            return b"".join((line, b"\n", _kept(loose)))
        case Obtained(NoAnswer() as failed):
            return json.dumps({"kind": "failed", "failed": _failure(failed)}).encode() + b"\n"
        case Obtained(Response() as answer, stored, confirmed, loose):
            kept = _kept(stored)
            same = stored is not None and not confirmed
            facts = {"status": answer.status, "headers": answer.headers, "confirmed": confirmed, "kept": len(kept)}
            facts |= {"interim": answer.interim, "loose": loose}
            line = json.dumps({"kind": "answered", "same": same, **facts}).encode()
            return b"".join((line, b"\n", kept, b"" if same else answer.body))
    raise AssertionError("unreachable")


def decode_flown(data: bytes) -> Flown:
    """Raises WireError."""
    line, _, rest = data.partition(b"\n")
    try:
        facts = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise WireError("not an answer of this version") from error
    match facts:
        case {"kind": "joined", "status": int(status), "failed": failed}:
            return Joined(status, _failed(failed) if failed is not None else None, _stored(rest))
        case {"kind": "failed", "failed": failed}:
            return Obtained(_failed(failed))
        case {
            "kind": "answered",
            "same": bool(same),
            "status": int(status),
            "headers": list(fields),
            "confirmed": bool(confirmed),
            "kept": int(kept),
            "interim": list(before),
            "loose": bool(loose),
        } if (headers := as_headers(fields)) is not None:
            stored = _stored(rest[:kept])
            body = stored.body if same and stored is not None else rest[kept:]
            return Obtained(Response(status, headers, body, _interim(before)), stored, confirmed, loose)
    raise WireError("not an answer of this version")


def _kept(stored: Stored | None) -> bytes:
    return encode(Variants("", "", "", (stored,))) if stored is not None else b""


def _stored(data: bytes) -> Stored | None:
    if not data:
        return None
    variants = decode(data)
    if variants is None or len(variants.stored) != 1:
        raise WireError("what is stored is of another version")
    return variants.stored[0]


def _interim(data: list[object]) -> tuple[tuple[int, Headers], ...]:
    told: list[tuple[int, Headers]] = []
    for one in data:
        match one:
            case [int(status), list(fields)] if (headers := as_headers(fields)) is not None:
                told.append((status, headers))
            case _:
                raise WireError("not an interim response of this version")
    return tuple(told)


def _failure(failed: NoAnswer | None) -> list[object] | None:
    return None if failed is None else [failed.reason, failed.timed_out, failed.unheld, failed.retry_after]


def _failed(data: object) -> NoAnswer:
    match data:
        case [str(reason), bool(timed_out), bool(unheld), None | float() as retry_after]:
            return NoAnswer(reason, timed_out, unheld, retry_after)
    raise WireError("not a failure of this version")
