"""`holdover budget`: what is left, what was spent and by whom, what the cache saved, and how long it will last.

Reads the ledger, changes nothing. `report` says it in values that JSON can hold, None for what is not known;
`sidecar.budget_text` says it for people. Credits are the provider's own unit, spans are seconds."""

import json
import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from holdover.account import seconds_to_reset
from holdover.config import Config
from holdover.provider_settings import QuotaSettings
from holdover.rules import Provider
from holdover.store.balance import Balance
from holdover.store.ledger import DayUsage, Ledger, utc_day

TOP = 10
LEAST_SPAN_S = 600.0
"""Shortest observation from which a rate is told."""
_DAY_S = 86_400.0

type Facts = dict[str, Any]


def report(config: Config, ledger: Ledger, now: float) -> Facts:
    """Of every provider in the configuration. Raises StoreError."""
    return {"at": now, "providers": [_provider(provider, ledger, now) for provider in config.rules.providers]}


def as_json(facts: Facts) -> str:
    return json.dumps(facts, indent=2, allow_nan=False)


def _provider(provider: Provider, ledger: Ledger, now: float) -> Facts:
    quota = provider.settings.quota
    began = _period_began(quota, now)
    rows = ledger.usage(None if began is None else utc_day(min(began, now - _DAY_S)), provider.name)
    balances = ledger.balances(provider.name)
    accounts = sorted((_account(p, b, quota, now) for p, b in balances.items()), key=_by_interest)
    alone = accounts[0]["remaining"] if len(accounts) == 1 and not accounts[0]["told_before_reset"] else None
    left_s = seconds_to_reset(quota.resets, now)
    in_period = [row for row in rows if began is None or row.day >= utc_day(began)]
    shown = [one["name"] for one in _ranked(in_period, "client")[:TOP]]
    return {
        "provider": provider.name,
        "resets": quota.resets,
        "seconds_to_reset": left_s,
        "limit": quota.limit,
        "reserve": quota.reserve,
        "accounts": accounts[:TOP],
        "further_accounts": max(0, len(accounts) - TOP),
        "today": _sums([row for row in rows if row.day >= utc_day(now)], shown),
        "period": _sums(in_period, shown),
        "forecast": _forecast(rows, ledger.begun(), now, alone, left_s),
        "governor": _governor(ledger, provider.name),
    }


def _period_began(quota: QuotaSettings, now: float) -> float | None:
    midnight = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    match quota.resets:
        case "daily":
            return midnight.timestamp()
        case "monthly":
            return midnight.replace(day=1).timestamp()
        case "never":
            return None


def _account(partition: str, balance: Balance, quota: QuotaSettings, now: float) -> Facts:
    remaining, source = _remaining(balance, quota, now)
    frozen = balance.frozen_until is not None and balance.frozen_until > now
    began = _period_began(quota, now)
    told = balance.remaining is not None or balance.used is not None
    return {
        "partition": partition,
        "remaining": remaining,
        "remaining_from": source,
        "used": balance.used,
        "told_s_ago": max(0.0, now - balance.told_at) if told else None,
        "told_before_reset": told and began is not None and balance.told_at < began,
        "state": "dead" if balance.dead else "frozen" if frozen else "normal",
        "frozen_for_s": _finite((balance.frozen_until or 0.0) - now) if frozen else None,
    }


def _remaining(balance: Balance, quota: QuotaSettings, now: float) -> tuple[float | None, str | None]:
    """What is left, and who says so: the provider, or holdover's own count against the configured limit."""
    if balance.remaining is not None:
        return balance.remaining, "provider"
    if quota.limit is None:
        return None, None
    if balance.used is not None:
        return quota.limit - balance.used, "provider"
    over = quota.resets != "never" and not utc_day(now).startswith(balance.period)
    return quota.limit - (0.0 if over else balance.period_spent), "count"


def _by_interest(account: Facts) -> tuple[bool, float]:
    """What is amiss first, then what was told last."""
    told_s_ago = account["told_s_ago"]
    return account["state"] == "normal", math.inf if told_s_ago is None else told_s_ago


def _sums(rows: Sequence[DayUsage], shown: Sequence[str]) -> Facts:
    """Of all clients; those `shown` by name too. `direct`: what the clients' own calls would have cost, that is the
    calls that their requests caused and those they were spared. `saved`: how much less was spent, refreshes included;
    negative when the cache cost more."""
    spent = sum(row.spent for row in rows)
    direct = sum(row.saved + (row.spent if row.client else 0.0) for row in rows)
    clients = _ranked(rows, "client")
    others = [client for client in clients if client["name"] not in shown]
    return {
        "spent": spent,
        "calls": sum(row.calls for row in rows),
        "requests": sum(row.requests + (row.calls if row.client else 0) for row in rows),
        "direct": direct,
        "saved": direct - spent,
        "saved_percent": 100 * (direct - spent) / direct if direct > 0 else None,
        "routes": _ranked(rows, "route"),
        "clients": [client for client in clients if client["name"] in shown],
        "further_clients": len(others),
        "further_clients_spent": sum(client["spent"] for client in others),
    }


def _ranked(rows: Iterable[DayUsage], column: str) -> list[Facts]:
    """Sums by the values of a column, the greatest spender first."""
    sums: dict[str, Facts] = {}
    for row in rows:
        name = getattr(row, column)
        one = sums.setdefault(name, {"name": name, "spent": 0.0, "calls": 0, "spared": 0.0})
        one["spent"] += row.spent
        one["calls"] += row.calls
        one["spared"] += row.saved
    return sorted(sums.values(), key=lambda one: (-one["spent"], -one["spared"], one["name"]))


def _forecast(
    rows: Iterable[DayUsage], begun: float | None, now: float, remaining: float | None, left_s: float | None
) -> Facts | None:
    """At the rate of today and yesterday; None when it was not observed for long enough."""
    midnight = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    yesterday = (midnight - timedelta(days=1)).timestamp()
    span = now - max(yesterday, begun or now)
    if span < LEAST_SPAN_S:
        return None
    rate = sum(row.spent for row in rows if row.day >= utc_day(yesterday)) / span
    until_reset = None if left_s is None else rate * left_s
    lasts = None if remaining is None or rate <= 0 else max(0.0, remaining) / rate
    return {
        "per_day": rate * _DAY_S,
        "spent_until_reset": until_reset,
        "left_at_reset": None if remaining is None or until_reset is None else remaining - until_reset,
        "lasts_s": lasts,
    }


def _governor(ledger: Ledger, provider: str) -> Facts | None:
    """What the sidecar left last: by how much windows are stretched, by phase, and whether the credits last so."""
    facts = [fact for fact in ledger.learnt(provider, "governor").values() if isinstance(fact, dict)]
    return max(facts, key=lambda fact: fact.get("at", 0.0), default=None)


def _finite(seconds: float) -> float | None:
    return seconds if math.isfinite(seconds) else None
