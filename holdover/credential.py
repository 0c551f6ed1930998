"""Credentials: holdover's own, and those that clients send. A value never shows in `repr`, a log or a key."""

import hashlib
import hmac
from dataclasses import dataclass, field
from urllib.parse import quote

from holdover.exchange import Headers

MIN_CREDENTIAL = 8
"""Characters. A shorter one would be found by chance in odds, where `holdover.coding.without` blanks it."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What goes along with a request to prove who asks: query parameters and header fields, names as sent."""

    query: Headers = field(default=(), repr=False)
    headers: Headers = field(default=(), repr=False)

    @property
    def values(self) -> tuple[str, ...]:
        """Every secret value."""
        return tuple(value for _, value in (*self.query, *self.headers))

    @property
    def sha256(self) -> str:
        """As people list it: of the value, or of the values with a line feed between when there are several."""
        return hashlib.sha256("\n".join(self.values).encode("utf-8", "surrogateescape")).hexdigest()

    def fingerprint(self, salt: bytes) -> str:
        """32 hex digits that tell credentials apart and tell nothing else to whoever lacks the salt."""
        text = "\n".join(self.values).encode("utf-8", "surrogateescape")
        return hmac.new(salt, text, hashlib.sha256).hexdigest()[:32]

    def on(self, target: str) -> str:
        """The request target with the query parameters added."""
        for name, value in self.query:
            separator = "&" if "?" in target else "?"
            target += f"{separator}{quote(name)}={quote(value, safe='')}"
        return target


NOBODY = Credential()
"""For a provider that asks for none, and for a client that sent none."""
