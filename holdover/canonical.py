"""The canonical request: what is hashed into the key and what is sent upstream derive from this one form."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Literal
from urllib.parse import quote, urlencode

from holdover.exchange import Headers

type Query = tuple[tuple[str, str], ...]
"""Decoded pairs sorted by name; repetitions keep their order."""


@dataclass(frozen=True)
class CanonicalRequest:
    """A request in canonical form. `path` is percent-encoded, `query` holds decoded pairs sorted by name, `headers`
    the fields that the route made part of the key. `body` is the canonical text of a POST and empty for a GET.
    `partition` keeps apart who must not share answers: a plan's class or a tenant; empty for everybody.
    Nothing in it reveals a credential."""

    provider: str
    route: str
    path: str
    query: Query = ()
    headers: Headers = ()
    body: str = ""
    partition: str = ""

    @property
    def method(self) -> Literal["GET", "POST"]:
        return "POST" if self.body else "GET"

    @property
    def length(self) -> int:
        """Characters of what clients chose."""
        chosen = (*self.query, *self.headers)
        return len(self.path) + len(self.body) + sum(len(name) + len(value) for name, value in chosen)

    @cached_property
    def target(self) -> str:
        """The request target as sent upstream, without credential."""
        return f"{self.path}?{urlencode(self.query, quote_via=quote, safe='')}" if self.query else self.path

    @cached_property
    def resource(self) -> str:
        """32 hex digits, the same for all requests with this target, whatever their fields and whoever asks."""
        digest = hashlib.blake2b(digest_size=16)
        for part in ("resource", self.provider, self.target):
            _update(digest, part)
        return digest.hexdigest()

    @cached_property
    def key(self) -> str:
        """32 hex digits. Every part is hashed with its length before it, so no value can imitate a separator."""
        digest = hashlib.blake2b(digest_size=16)
        for part in (self.provider, self.route, self.partition, self.path, self.body, str(len(self.query))):
            _update(digest, part)
        for name, value in (*self.query, *self.headers):
            _update(digest, name)
            _update(digest, value)
        return digest.hexdigest()


def _update(digest: hashlib.blake2b, part: str) -> None:
    data = part.encode("utf-8", "surrogateescape")
    digest.update(len(data).to_bytes(4, "big") + data)
