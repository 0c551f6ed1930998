"""Who asks, by the credential of a request: what `holdover.admission` decides, and why. Pure.

Not known here is whom a running proxy has in memory alone, because the ledger could not be written."""

from dataclasses import dataclass
from datetime import UTC, datetime

from holdover.credential import Credential
from holdover.rules import Provider

from .budget_text import span
from .promises import seconds


@dataclass(frozen=True, slots=True)
class Client:
    """`admitted`: gets stored answers; any other one's request is forwarded with what came along. `text` has no
    credential in it."""

    admitted: bool
    text: str


@dataclass(frozen=True, slots=True)
class Acceptance:
    """When the provider last accepted a credential, in Unix seconds, by the ledger; `unknown` says why that tells
    nothing."""

    at: float | None = None
    unknown: str = ""


def client_of(provider: Provider, credential: Credential, accepted: Acceptance, now: float) -> Client:
    """`credential` is what the client sent, NOBODY for none."""
    clients = provider.settings.clients
    if not provider.asks_for_credentials:
        return Client(True, "anybody: the provider asks for no credential")
    if not credential.values and (clients == "known" or provider.own() is None):
        return Client(False, "not known: no credential was sent")
    if clients == "own":
        return Client(True, "a tenant: asked for with its own credential, and kept for it alone (clients = 'own')")
    name = provider.class_of(credential)
    if clients == "open":
        who = "anybody" if provider.own() is not None else "whoever sends a credential"
        return Client(True, f"{f'of class {name}' if name else who}, known or not (clients = 'open')")
    if provider.recognises(credential):
        return Client(True, f"known: {_recognised(provider, credential, name)}")
    return _by_acceptance(provider, accepted, now)


def _recognised(provider: Provider, credential: Credential, class_name: str) -> str:
    if class_name:
        return f"its credential is listed by SHA-256 in class {class_name}"
    listed = credential.sha256 in provider.settings.known
    return "its credential is listed by SHA-256" if listed else "it sends holdover's own credential"


def _by_acceptance(provider: Provider, accepted: Acceptance, now: float) -> Client:
    known_for_s, at = provider.settings.known_for_s, accepted.at
    if at is None:
        reason = accepted.unknown or "the provider has not accepted it so far"
        return Client(False, f"not known: its credential is neither holdover's own nor listed, and {reason}")
    if at > now:
        return Client(False, "not known: the provider accepted its credential before the clock was set back")
    until, ago = at + known_for_s, f"the provider accepted its credential {span(now - at)} ago"
    if now >= until:
        return Client(False, f"not known any more: {ago}, which counts for {seconds(known_for_s)}")
    moment = datetime.fromtimestamp(until, UTC)
    return Client(True, f"known: {ago}; good for another {span(until - now)}, until {moment:%Y-%m-%d %H:%M:%S} UTC")
