"""`holdover explain`: what would happen to a request, and why. Reads the store, changes nothing."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from holdover.canonical import CanonicalRequest
from holdover.config import Config
from holdover.entry import Entry
from holdover.exchange import Headers, Request
from holdover.key import Bypass, Cacheable, plan
from holdover.policy import Expired, Fresh, Stale, age, decide
from holdover.projection import Projections
from holdover.provider_settings import RouteSettings
from holdover.providers.profile import Knowledge
from holdover.rules import Provider


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store holds, by key; from the ledger, the installation's salt and what was learnt, by provider.
    `no_ledger` says why there is nothing from the ledger."""

    entries: Mapping[str, Entry] = field(default_factory=dict)
    salt: bytes = b""
    learnt: Mapping[str, Knowledge] = field(default_factory=dict)
    no_ledger: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A client's request; `url` is absolute."""

    url: str
    method: str = "GET"
    headers: Headers = ()
    body: bytes = b""


def summary(provider: Provider) -> str:
    """One provider in a few lines, for `holdover check`."""
    settings = provider.settings
    kinds = ", ".join(sorted(settings.projection.kinds)) or "none"
    lines = [f"  {provider.name}: profile {settings.profile}, clients {settings.clients}, projections {kinds}"]
    for route in provider.routes:
        of = route.settings
        methods = "/".join(of.methods)
        group = f", group {of.group}" if of.group else ""
        times = f"window {of.window_s:g} s, served up to {of.max_stale_s:g} s"
        lines.append(f"    {methods} {of.path}  {times}{group}  ({route.name})")
        lines += [f"      warning: {sentence}" for sentence in _too_soon(provider, of)]
    return "\n".join(lines)


def _too_soon(provider: Provider, of: RouteSettings) -> Iterator[str]:
    """A window that is promised and cannot be kept, because calls have to be further apart."""
    together = [route.settings for route in provider.routes if of.group and route.settings.group == of.group]
    quickest = min([of, *together], key=lambda each: each.window_s)
    if of.min_interval_s > of.window_s:
        yield f"min_interval_s = {of.min_interval_s:g} is longer than the window; odds are renewed that often at best"
    elif of.min_interval_s > quickest.window_s:
        yield (
            f"min_interval_s = {of.min_interval_s:g} is longer than the {quickest.window_s:g} s in which "
            f"{quickest.name} renews group {of.group}; this route cannot keep up"
        )


def explain(config: Config, asked: Asked, stored: Stored, now: float) -> dict[str, str]:
    """Facts in the order in which people read them. Shows no credential: what it prints derives from the canonical
    request, which has none."""
    parts = urlsplit(asked.url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    request = Request(asked.method, parts.hostname or "", target, asked.headers, asked.body)
    match plan(request, config.rules, stored.salt):
        case Cacheable(provider, route, canonical) as cacheable:
            entry = stored.entries.get(canonical.key)
            facts = (
                _request(cacheable) | _learnt(provider, stored) | _superset(config, provider, canonical, stored, now)
            )
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


def _request(cacheable: Cacheable) -> dict[str, str]:
    """What is asked of the provider, for what, and for whom."""
    provider, settings, canonical = cacheable.provider, cacheable.route.settings, cacheable.canonical
    facts = {
        "route": f"{provider.name}/{cacheable.route.name}",
        "canonical": f"{canonical.method} {provider.settings.origin}{canonical.target}",
    }
    if canonical.body:
        facts["body"] = canonical.body
    if cacheable.echo:
        facts["echo"] = f"{cacheable.echo} is what this client finds in its answer"
    facts |= {
        "key": canonical.key,
        "cost": f"{provider.profile.cost(settings, canonical, None):g} credits for a call",
        "window": f"{settings.window_s:g} s, served up to {settings.max_stale_s:g} s",
    }
    if canonical.partition:
        facts["partition"] = f"{canonical.partition}: shared by those of the same plan, key or tenant alone"
    if provider.asks_for_credentials and provider.own(canonical.partition) is not None:
        facts["credential"] = "holdover's own is added; the client's is left out"
    return facts


def _learnt(provider: Provider, stored: Stored) -> dict[str, str]:
    """What the ledger says about projections; nothing for a provider that has none."""
    projection = provider.settings.projection
    if not projection.kinds:
        return {}
    if stored.no_ledger:
        return {"learnt": f"nothing: {stored.no_ledger}"}
    known = stored.learnt.get(provider.name, Knowledge())
    regions = sorted(known.regions) if projection.learn_regions else []
    told = [
        f"{', '.join(sorted(known.switched_off))} switched off by a comparison" if known.switched_off else "",
        f"{', '.join(sorted(known.verified))} verified by comparisons" if known.verified else "",
        f"bookmakers of {', '.join(regions)}" if regions else "",
        f"which of {len(known.outrights)} sports have outrights" if known.outrights else "",
    ]
    return {"learnt": "; ".join(filter(None, told)) or "nothing yet"}


def _superset(
    config: Config, provider: Provider, canonical: CanonicalRequest, stored: Stored, now: float
) -> dict[str, str]:
    """The wider request that this one is answered from: the cheapest that is stored, or the one that is fetched."""
    projections = Projections(config.rules, dict(stored.learnt))
    found = [
        entry.request
        for entry in stored.entries.values()
        if entry.status == 200
        and not entry.projected
        and entry.request.path == canonical.path
        and projections.allowed(provider, entry.request, canonical, now)
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
