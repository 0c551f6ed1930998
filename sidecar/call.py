"""The call that an answer would take, and what stands in its way, by the ledger and the route's settings. Pure.

Not known here is what running processes have in mind alone: the provider's last refusal, a pause that it asked for,
that it goes on answering when nothing is left, and when it was last called."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from holdover.account import Account
from holdover.canonical import CanonicalRequest
from holdover.entry import Entry
from holdover.policy import Expired, decide
from holdover.route_settings import RouteSettings
from holdover.rules import Provider
from holdover.store.balance import Balance

from .promises import seconds


@dataclass(frozen=True, slots=True)
class Hindrance:
    """`suspended`: no such call is made, else fewer are; `but` follows on what would be asked; `instead` is what
    clients get when nothing usable is stored."""

    why: str
    suspended: bool
    but: str = ""
    instead: str = "the provider's own refusal"


@dataclass(frozen=True, slots=True)
class Call:
    """`previous` is what is stored of `request`; `cost` is what it takes, as known before there is an answer."""

    request: CanonicalRequest
    route: RouteSettings
    previous: Entry | None
    cost: float
    hindrance: Hindrance | None

    def turn(self, entry: Entry | None, settings: RouteSettings, now: float) -> str:
        """What a client gets until the call has its turn; "" where calls keep no distance. `entry` is what is stored
        of what the client asks for, under the `settings` of its route."""
        if not self.route.min_interval_s:
            return ""
        by = f" for each {', '.join(self.route.interval_by)}" if self.route.interval_by else ""
        usable = _usable(self.previous, self.route, now) or _usable(entry, settings, now)
        meanwhile = "what is stored" if usable else "holdover's 503 with Retry-After"
        return f"; until its turn {meanwhile}, as calls are kept {seconds(self.route.min_interval_s)} apart{by}"


def call(
    provider: Provider, request: CanonicalRequest, previous: Entry | None, known: Balance | None, now: float
) -> Call:
    """`known` is what the ledger knows of holdover's own credential; None when the call is made with another."""
    route = next(route.settings for route in provider.routes if route.name == request.route)
    cost = provider.profile.cost(route, request, None)
    return Call(request, route, previous, cost, None if known is None else hindrance(provider, known, cost, now))


def hindrance(provider: Provider, known: Balance, cost: float, now: float) -> Hindrance | None:
    """Of a call with holdover's own credential."""
    account = Account(provider.settings.quota, provider.settings.limits, balance=known)
    # A dead credential suspends nothing here: when it was last tried is in no ledger.
    if account.suspended(now, cost) is None:
        if not known.dead:
            return None
        why = "the provider did not accept holdover's credential, which one call a minute tries"
        return Hindrance(why, suspended=False, but=", once a minute at most")
    dead = ", nor did the provider accept holdover's credential" if known.dead else ""
    why = f"calls that cost are suspended {_until(known.frozen_until)}, as the quota is used up{dead}"
    if account.may_hear(now):
        hears = "; one call a minute at most goes out, to hear the provider's refusal"
        return Hindrance(why, suspended=True, but=hears)
    return Hindrance(why, suspended=True, instead="holdover's 503")


def _until(at: float | None) -> str:
    if at is None or math.isinf(at):
        return "until further notice"
    return f"until {datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _usable(entry: Entry | None, route: RouteSettings, now: float) -> bool:
    return entry is not None and decide(route, entry, now, refreshing=False) != Expired(usable=False)
