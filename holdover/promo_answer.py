"""What `GET /v1/promos` says, in the shape that an old homepage expects. Pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from holdover.answer import Answer, Wants, etag_matches
from holdover.promo_settings import PromoRouteSettings


class ShapeError(Exception):
    """There is no such answer; the message is for people."""


@dataclass(frozen=True, slots=True)
class ToldPromos:
    """What the sidecar told: `facts` as `GET /v1/promos` has them, lists under `slots`, and its Cache-Control."""

    facts: Mapping[str, Any]
    cache_control: str


@dataclass(frozen=True, slots=True)
class Shaped:
    """Ready but for the moment. `fields` without Content-Length."""

    etag: str
    fields: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)

    def answer(self, wants: Wants, *, again: bool) -> Answer:
        """`again`: it was made for an earlier request, less than a second ago. Its Age is rounded up, so that nobody
        keeps it past the next change."""
        moment = (
            (("Age", "1"), ("Cache-Status", "holdover; hit")) if again else (("Cache-Status", "holdover; fwd=miss"),)
        )
        if wants.if_none_match is not None and etag_matches(wants.if_none_match, self.etag):
            return Answer(304, _encoded(*self.fields, *moment), b"")
        about = (("Content-Type", "application/json; charset=utf-8"), ("Content-Length", str(len(self.body))))
        return Answer(200, _encoded(*about, *self.fields, *moment), b"" if wants.head else self.body)


def shaped(settings: PromoRouteSettings, told: ToldPromos) -> Shaped:
    """Raises ShapeError."""
    lasting = {name: value for name, value in told.facts.items() if name != "generated_at"}
    document = _document(settings, lasting)
    tag = hashlib.blake2b(json.dumps(document).encode(), digest_size=12).hexdigest()
    body = _document(settings, told.facts)
    seen = [source.header for _, source in settings.audience.sources() if source.header is not None]
    fields = [("ETag", f'W/"{tag}"'), ("Cache-Control", told.cache_control)]
    fields += [("Vary", ", ".join(sorted(set(seen))))] if seen else []
    return Shaped(f'W/"{tag}"', (*fields, *settings.headers.items()), json.dumps(body).encode())


def _document(settings: PromoRouteSettings, facts: Mapping[str, Any]) -> object:
    slots = facts["slots"]
    if settings.slot is not None:
        if settings.slot not in slots:
            raise ShapeError(f"slots.json has no slot {settings.slot!r}; name one of {', '.join(sorted(slots))}")
        slots = {settings.slot: slots[settings.slot]}
    named = {slot: [_named(promo, settings.fields) for promo in promos] for slot, promos in slots.items()}
    if settings.answer == "promos":
        return {**facts, "slots": named}
    document: object = [promo for promos in named.values() for promo in promos]
    for member in reversed(settings.wrap.split(".") if settings.wrap else []):
        document = {member: document}
    return document


def _named(promo: Mapping[str, Any], fields: Mapping[str, str]) -> Mapping[str, Any]:
    return {name: _at(promo, path.split(".")) for name, path in fields.items()} if fields else promo


def _at(value: Any, path: list[str]) -> Any:
    for member in path:
        value = value.get(member) if isinstance(value, dict) else None
    return value


def _encoded(*fields: tuple[str, str]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name.encode(), value.encode()) for name, value in fields)
