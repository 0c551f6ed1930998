"""Who may have a stored answer: clients whose credential the provider is known to accept.

A proxy that answers anybody would turn one leaked address into free odds, and would hide from a client that its own
key is dead. Credentials are kept in memory alone; the ledger has keyed hashes."""

import logging
import math
from dataclasses import dataclass, field

from holdover.credential import Credential
from holdover.rules import Provider
from holdover.store.base import StoreError
from holdover.store.ledger import Ledger

MAX_REMEMBERED = 10_000

logger = logging.getLogger("holdover.admission")


@dataclass(slots=True)
class Admission:
    """Remembers for how long each credential counts as good (Unix seconds). For one thread."""

    ledger: Ledger
    salt: bytes = field(repr=False)
    _good_until: dict[tuple[str, Credential], float] = field(default_factory=dict, repr=False)

    def forget(self) -> None:
        """After a change of the configuration: what it lists may have changed."""
        self._good_until.clear()

    def remembers(self, provider: Provider, credential: Credential, now: float) -> bool:
        """Whether this client is known to get stored answers, by what is in memory and in the configuration."""
        return now < self.remembered_until(provider, credential, now)

    def remembered_until(self, provider: Provider, credential: Credential, now: float) -> float:
        """Until when it is known, in Unix seconds; 0 when it is not."""
        if not provider.asks_for_credentials:
            return math.inf
        if provider.own() is None and not credential.values:
            return 0.0
        if provider.settings.clients != "known":
            return math.inf
        until = self._good_until.get((provider.name, credential))
        if until is not None and now < until:
            return until
        if credential.values and provider.recognises(credential):
            self._remember(provider, credential, now)
            return self._good_until[provider.name, credential]
        return 0.0

    def admits(self, provider: Provider, credential: Credential, now: float) -> bool:
        """The same by what any process wrote into the ledger, too. Blocks for as long as a disk does."""
        if self.remembers(provider, credential, now):
            return True
        return bool(credential.values) and self._seen_good(provider, credential, now)

    def accepted(self, provider: Provider, credential: Credential, now: float) -> None:
        """The provider gave this client an answer. Blocks for as long as a disk does."""
        if not credential.values:
            return
        self._remember(provider, credential, now)
        try:
            self.ledger.good(provider.name, credential.fingerprint(self.salt), now)
        except StoreError as error:
            logger.warning("%s", error)

    def refused(self, provider: Provider, credential: Credential) -> None:
        """The provider does not accept it, or no longer."""
        self._good_until.pop((provider.name, credential), None)
        try:
            self.ledger.forget(provider.name, credential.fingerprint(self.salt))
        except StoreError as error:
            logger.warning("%s", error)

    def _seen_good(self, provider: Provider, credential: Credential, now: float) -> bool:
        try:
            seen = self.ledger.known_at(provider.name, credential.fingerprint(self.salt))
        except StoreError as error:
            logger.warning("%s", error)
            return False
        if seen is None or not seen <= now < seen + provider.settings.known_for_s:
            return False
        self._remember(provider, credential, seen)
        return True

    def _remember(self, provider: Provider, credential: Credential, seen: float) -> None:
        if len(self._good_until) >= MAX_REMEMBERED:
            self._good_until.clear()
        self._good_until[provider.name, credential] = seen + provider.settings.known_for_s
