"""The credits of a virtual day: the emulated provider's account of a key, and holdover's own of the same."""

import json
from dataclasses import replace

from holdover.account import Account
from holdover.canonical import CanonicalRequest
from holdover.exchange import Response
from holdover.intake import Fetched, FetchResult, Refused
from holdover.rules import Rules
from scripts.emulator import ledger
from scripts.emulator.answers import Answer
from scripts.emulator.errors import RefusedError

from .odds_vendor import as_response

PLENTY = 10**9


class Till:
    """Of one provider, with `credits_` until the reset."""

    def __init__(self, rules: Rules, credits_: int = PLENTY) -> None:
        self._rules, self._provider, self._credits = rules, rules.providers[0], credits_
        self._vendor = ledger.Account()
        self.account = Account(self._provider.settings.quota, self._provider.settings.limits)

    @property
    def left(self) -> int:
        """By the provider's own count."""
        return self._vendor.remaining(self._credits)

    @property
    def spent(self) -> int:
        return self._vendor.spent

    def affords(self, request: CanonicalRequest, now: float) -> bool:
        """Whether a refresh by this call leaves the reserve to clients, as the refresher asks."""
        cost, reserve = self._cost(request), self._provider.settings.quota.reserve
        return self.account.leaves(reserve, request.key, cost, now)

    def may_ask(self, request: CanonicalRequest, now: float) -> bool:
        """Whether a client's question leads to this call, as the fetcher decides: none does that cannot be paid, but
        for one a minute that hears how the provider refuses, as long as that is not known."""
        if self.account.suspended(now, self._cost(request)) is None:
            return True
        if self.account.last_refusal is not None or not self.account.may_hear(now):
            return False
        self.account.heard_at = now
        return True

    def begun(self, request: CanonicalRequest) -> None:
        self.account.promised[request.key] = self._cost(request)

    def answered(self, answer: Answer, asked_at: float, now: float) -> Response:
        """What the provider makes of its answer: it is paid, or refused when there is nothing to pay it with."""
        if answer.cost and self.left <= 0:
            error = RefusedError(401, "OUT_OF_USAGE_CREDITS", "Usage quota has been reached")
            body, cost = json.dumps(error.document()).encode(), 0
            response = Response(error.status, (("Content-Type", "application/json"),), body)
        else:
            response, cost = as_response(answer), answer.cost
        told = self._vendor.charge(cost, self._credits)
        fields = [field for field in response.headers if field[0] not in told]
        response = replace(response, headers=(*fields, *told.items()))
        self.account.told(response.headers, now, asked_at)
        return response

    def settled(self, request: CanonicalRequest, result: FetchResult, asked_at: float, now: float) -> None:
        """What the answer means for further calls."""
        self.account.promised.pop(request.key, None)
        match result:
            case Fetched(entry):
                self.account.accepted(now, asked_at, paid=entry.cost > 0)
                self.account.spent(entry.cost, now)
            case Refused(response, means=means):
                self.account.refused(means, response, now)

    def _cost(self, request: CanonicalRequest) -> float:
        route = self._rules.route(request.provider, request.route)
        if route is None:
            raise ValueError("no such route")
        return self._provider.profile.cost(route.settings, request, None)
