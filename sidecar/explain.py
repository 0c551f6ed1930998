"""`holdover explain`: what would happen to a request, and why. Reads the store, changes nothing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from holdover.canonical import CanonicalRequest
from holdover.config import Config
from holdover.entry import Entry
from holdover.exchange import Headers, Request
from holdover.key import Bypass, Cacheable, plan
from holdover.policy import Expired, Fresh, Stale, age, decide
from holdover.projection import Projections
from holdover.provider_settings import RouteSettings
from holdover.rules import Provider


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store holds, by key, and the installation's salt."""

    entries: Mapping[str, Entry]
    salt: bytes


def summary(provider: Provider) -> str:
    """One provider in a few lines, for `holdover check`."""
    settings = provider.settings
    kinds = ", ".join(sorted(settings.projection.kinds)) or "none"
    lines = [f"  {provider.name}: profile {settings.profile}, clients {settings.clients}, projections {kinds}"]
    for route in provider.routes:
        of = route.settings
        methods = "/".join(of.methods)
        group = f", group {of.group}" if of.group else ""
        lines.append(
            f"    {methods} {of.path}  {of.window_s:g} s, served up to {of.max_stale_s:g} s{group}  ({route.name})"
        )
    return "\n".join(lines)


def explain(config: Config, url: str, headers: Headers, stored: Stored, now: float) -> dict[str, str]:
    """Facts in the order in which people read them. `url` is absolute. Shows no credential: what it prints derives
    from the canonical request, which has none."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    request = Request("GET", parts.hostname or "", target, headers)
    match plan(request, config.rules, stored.salt):
        case Cacheable(provider, route, canonical):
            entry = stored.entries.get(canonical.key)
            facts = {
                "route": f"{provider.name}/{route.name}",
                "canonical": f"{canonical.method} {provider.settings.origin}{canonical.target}",
                "key": canonical.key,
                "cost": f"{provider.profile.cost(route.settings, canonical, None):g} credits for a call",
                "window": f"{route.settings.window_s:g} s, served up to {route.settings.max_stale_s:g} s",
            }
            if canonical.partition:
                facts["partition"] = f"{canonical.partition}: shared by those of the same plan, key or tenant alone"
            if provider.asks_for_credentials and provider.own(canonical.partition) is not None:
                facts["credential"] = "holdover's own is added; the client's is left out"
            facts |= _superset(config, provider, canonical, stored, now)
            return facts | _stored(entry, route.settings.window_s, now) | _decision(entry, route.settings, now)
        case Bypass(provider, None, reason):
            return {"provider": provider.name, "decision": f"passed to the provider untouched: {reason}"}
        case Bypass(provider, route, reason):
            return {
                "route": f"{provider.name}/{route.name}" if route else provider.name,
                "decision": f"passed to the provider untouched: {reason}",
            }
        case None:
            return {
                "host": parts.hostname or "(none)",
                "decision": "no provider has this host: refused with 421 in reverse mode, passed on in regular mode",
            }


def _superset(
    config: Config, provider: Provider, canonical: CanonicalRequest, stored: Stored, now: float
) -> dict[str, str]:
    """The wider request that this one is answered from: the cheapest that is stored, or the one that is fetched."""
    projections = Projections(config.rules)
    found = [
        entry.request
        for entry in stored.entries.values()
        if entry.request.path == canonical.path and projections.allowed(provider, entry.request, canonical, now)
    ]
    routes = {route.name: route.settings for route in provider.routes}
    cost = provider.profile.cost
    found.sort(key=lambda request: (cost(routes[request.route], request, None), request.target))
    carrier = projections.carrier(canonical, now)
    if found:
        return {"superset": f"{found[0].target} is stored and can answer it"}
    if carrier.key != canonical.key:
        return {"superset": f"{carrier.target} is fetched for it, at the same cost"}
    return {"superset": "none: it is asked for itself"}


def _stored(entry: Entry | None, window_s: float, now: float) -> dict[str, str]:
    if entry is None:
        return {"stored": "nothing"}
    kind = f"{len(entry.identity)} bytes, {len(entry.gzip)} as gzip, revision {entry.revision}"
    return {"stored": f"{age(entry, now):.1f} s old ({window_s:g} s window), {kind}"}


def _decision(entry: Entry | None, route: RouteSettings, now: float) -> dict[str, str]:
    if entry is None:
        return {"decision": "miss: one request goes to the provider; whoever asks meanwhile shares the answer"}
    match decide(route, entry, now, refreshing=False):
        case Fresh(ttl):
            text = f"hit: served from the cache, within the window for another {ttl:.1f} s"
        case Stale(ttl):
            text = f"hit: served {-ttl:.1f} s past the window while a refresh is under way"
        case Expired(True):
            text = (
                "past its window: served at once if clients keep it in demand, else fetched first; kept for failures"
            )
        case Expired():
            text = "past its limit: fetched; never served, whatever happens"
    return {"decision": text}


def as_text(facts: dict[str, str]) -> str:
    width = max(map(len, facts))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in facts.items())


def as_json(facts: dict[str, str]) -> str:
    return json.dumps(facts, indent=2)
