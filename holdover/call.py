"""One call to a provider, and what it does to the account that it is made on."""

import logging
import random
import time
from dataclasses import dataclass

from holdover.account import Account, kept
from holdover.canonical import CanonicalRequest
from holdover.credential import Credential
from holdover.entry import Entry
from holdover.exchange import Response, date_of, header
from holdover.gate import retry_after
from holdover.intake import Failed, Fetched, FetchResult, Refused, told_cost
from holdover.metrics import Trigger, UpstreamMetrics
from holdover.rules import Provider, Route
from holdover.spacing import Turn
from holdover.tally import Tally

PAUSING = frozenset((429, 503))
MAX_ILL = 1_000
"""Credentials of which it is remembered that they are dead or frozen. Of more it is not logged."""

logger = logging.getLogger("holdover.account")


@dataclass(frozen=True, slots=True)
class Call:
    """What to ask, and on whose account: `credential` goes along, `account` is what is known of it, `client` is who
    is told to have caused the cost ("" for a refresh), `turn` its place among calls that keep a distance."""

    route: Route
    canonical: CanonicalRequest
    previous: Entry | None
    trigger: Trigger
    credential: Credential
    account: Account
    client: str = ""
    turn: Turn | None = None


class Bookkeeping:
    """What the answers of one provider tell about accounts, and what they cost."""

    def __init__(self, provider: Provider, metrics: UpstreamMetrics, tally: Tally) -> None:
        self._provider = provider
        self._metrics = metrics
        self._tally = tally
        self._clock_offset: float | None = None
        self._known: dict[str, tuple[bool, bool]] = {}

    def told(self, call: Call, response: Response, asked_at: float, received_at: float) -> None:
        """What the header of every answer tells, whatever its body: quota, clock, and whether to pause."""
        name, account = self._provider.name, call.account
        account.told(response.headers, received_at, asked_at)
        if _of_holdover(call):
            self._metrics.show_balance(name, account.remaining(received_at), account.balance.used)
        if (date := date_of(response.headers)) is not None:
            # Date has whole seconds: half of one is the best guess at the rest.
            seen = date + 0.5 - received_at
            smoothed = seen if self._clock_offset is None else 0.9 * self._clock_offset + 0.1 * seen
            self._clock_offset = smoothed
            self._metrics.clock_offset.labels(name).set(smoothed)
        if response.status in PAUSING:
            self._pause(account, response, asked_at, received_at)

    def _pause(self, account: Account, response: Response, asked_at: float, received_at: float) -> None:
        pause = retry_after(header(response.headers, "retry-after"), received_at)
        if pause is None and response.status != 503:
            pause = random.uniform(2.0, 3.0)  # noqa: S311
        # Only the first of those that were under way together.
        if response.status != 503 and asked_at > account.slowed_at:
            account.slowed_at = received_at
            account.rate.halve(time.monotonic())
        if pause is not None and (until := received_at + pause) > account.pause_until:
            account.pause_until, account.paused_with = until, None

    def settle(self, call: Call, response: Response, result: FetchResult, asked_at: float) -> None:
        """What the call cost, and what its answer means for further ones."""
        account, now = call.account, time.time()
        means = result.means if isinstance(result, Refused) else None
        if means == "rate" and response.status not in PAUSING:
            self._pause(account, response, asked_at, now)
        # A head alone may hold the credential still, and is nothing that a client could be given.
        if not isinstance(result, Failed) and (means == "rate" or response.status in PAUSING):
            account.paused_with = account.paused_with or kept(response)
        cost = self._billed(call, response, result)
        account.refused(means, response, now)
        if isinstance(result, Fetched):
            account.accepted(now, asked_at, paid=cost > 0)
            account.rate.ease(time.monotonic())
        account.spent(cost, now)
        # A stranger's own credits are none of ours.
        if call.trigger != "forward":
            self._tally.spent(self._provider.name, call.route.name, call.client, cost)
            self._metrics.spent.labels(self._provider.name, call.route.name, call.trigger).inc(max(0.0, cost))
        if _of_holdover(call):
            frozen = account.frozen(now)
            self._metrics.show_account(self._provider.name, dead=account.balance.dead, frozen=frozen)
        if call.trigger != "forward" and self._provider.own(call.canonical.partition) is not None:
            self._alarm(call.canonical.partition, account, now)

    def _alarm(self, partition: str, account: Account, now: float) -> None:
        """Logs what stops the calls on a credential of holdover's own, once, and when that is over."""
        dead, frozen = account.balance.dead, account.frozen(now)
        was_dead, was_frozen = self._known.pop(partition, (False, False))
        if (dead or frozen) and len(self._known) >= MAX_ILL:
            return
        if dead or frozen:
            self._known[partition] = dead, frozen
        whose = "/".join(filter(None, (self._provider.name, partition)))
        if dead and not was_dead:
            logger.error("%s does not accept the credential; calls stop but for one a minute", whose)
        elif was_dead and not dead:
            logger.warning("%s accepts the credential again", whose)
        if frozen and not was_frozen:
            logger.error("the quota of %s is used up; calls that cost wait until it is filled again", whose)
        elif was_frozen and not frozen:
            logger.warning("the quota of %s is filled again", whose)

    def _billed(self, call: Call, response: Response, result: FetchResult) -> float:
        """What the provider says that it took, or what the profile knows."""
        if (told := told_cost(self._provider, response)) is not None:
            return told
        match result:
            case Fetched(entry):
                return entry.cost
            case Failed() | Refused(means=None) if response.status == 200:
                return self._provider.profile.cost(call.route.settings, call.canonical, None)
        return 0.0


def _of_holdover(call: Call) -> bool:
    """Whether it is holdover's main account that the gauges show."""
    return call.trigger != "forward" and not call.canonical.partition
