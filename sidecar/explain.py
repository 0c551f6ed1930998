"""`holdover explain`: what would happen to a request, and why. Pure: what is stored is passed in."""

import json
from dataclasses import dataclass
from urllib.parse import urlsplit

from holdover.canonical import CanonicalRequest
from holdover.config import Config
from holdover.entry import Entry
from holdover.exchange import Headers, Request
from holdover.key import Bypass, Cacheable, plan
from holdover.policy import Expired, Fresh, age, decide, from_the_future, limits
from holdover.projection import Projections
from holdover.providers.profile import Knowledge
from holdover.route_settings import RouteSettings
from holdover.rules import Provider

from .sources import Found, Sources, Superset
from .stored import Stored

type Facts = dict[str, str | list[str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A client's request; `url` is absolute."""

    url: str
    method: str = "GET"
    headers: Headers = ()
    body: bytes = b""


def explain(config: Config, asked: Asked, stored: Stored, now: float) -> Facts:
    """Facts in the order in which people read them. Shows no credential: what it prints derives from the canonical
    request, which has none."""
    parts = urlsplit(asked.url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    request = Request(asked.method, parts.hostname or "", target, asked.headers, asked.body)
    match plan(request, config.rules, stored.salt):
        case Cacheable() as cacheable:
            sources = Sources(Projections(config.rules, dict(stored.learnt)), stored.entries, now)
            return _request(cacheable) | _learnt(cacheable.provider, stored) | _answer(cacheable, stored, sources)
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


def _request(cacheable: Cacheable) -> Facts:
    """What is asked of the provider, for what, and for whom."""
    provider, settings, canonical = cacheable.provider, cacheable.route.settings, cacheable.canonical
    facts: Facts = {
        "route": f"{provider.name}/{cacheable.route.name}",
        "canonical": _spelled(provider, canonical),
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


def _learnt(provider: Provider, stored: Stored) -> Facts:
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


def _answer(cacheable: Cacheable, stored: Stored, sources: Sources) -> Facts:
    """What is stored, what is asked, and what comes of it."""
    provider, settings, canonical = cacheable.provider, cacheable.route.settings, cacheable.canonical
    found, entry, now = sources.fill(canonical), sources.stored(canonical), sources.now
    facts: Facts = {}
    if provider.settings.projection.kinds:
        facts["superset"] = [_superset(each, found, settings, now) for each in sources.supersets(canonical)]
    facts["stored"] = f"unknown: {stored.no_entries}" if stored.no_entries else _stored(entry, settings, now)
    return facts | {"upstream": _upstream(cacheable, found), "decision": _decision(entry, settings, found, now)}


def _superset(superset: Superset, found: Found | CanonicalRequest, settings: RouteSettings, now: float) -> str:
    """A wider answer: how fresh it is, and whether this request is answered from it."""
    entry = superset.entry
    text = f"{entry.request.target}: {_freshness(entry, settings, now)}"
    if not isinstance(superset.decision, Fresh):
        return text
    if superset.answer is None:
        return f"{text}; what is in it does not allow to make this answer of it"
    answers = isinstance(found, Found) and found.source is entry
    return f"{text}; {'this request is answered from it' if answers else 'it would do'}"


def _freshness(entry: Entry, settings: RouteSettings, now: float) -> str:
    old, (window_s, max_stale_s) = f"{age(entry, now):.1f} s old", limits(settings, entry, now)
    match decide(settings, entry, now, refreshing=False):
        case Fresh(ttl):
            return f"fresh, {old}, within its window for another {ttl:.1f} s"
        case Expired(usable=False) if from_the_future(entry, now):
            return "of unknown age: the clock was set back since it came"
        case Expired(usable=False):
            return f"too old, {old}, never served past {max_stale_s:g} s"
    return f"stale, {old}, past its window of {window_s:g} s"


def _stored(entry: Entry | None, settings: RouteSettings, now: float) -> str:
    if entry is None:
        return "nothing"
    made = f"made from a wider answer ({entry.projected}), " if entry.projected else ""
    sizes = f"{len(entry.identity)} bytes, {len(entry.gzip)} as gzip, revision {entry.revision}"
    return f"{_freshness(entry, settings, now)}; {made}{sizes}"


def _upstream(cacheable: Cacheable, found: Found | CanonicalRequest) -> str:
    """What a client's question leads to now."""
    if isinstance(found, Found):
        own = found.source.key == cacheable.canonical.key
        return "nothing is asked" if own else f"nothing is asked: {found.source.request.target} is stored"
    provider = cacheable.provider
    routes = {route.name: route.settings for route in provider.routes}
    cost = provider.profile.cost(routes[found.route], found, None)
    text = f"{_spelled(provider, found)} is asked, for {cost:g} {'credit' if cost == 1 else 'credits'}"
    return text if found.key == cacheable.canonical.key else f"{text}; this request is answered from it"


def _decision(entry: Entry | None, settings: RouteSettings, found: Found | CanonicalRequest, now: float) -> str:
    made = isinstance(found, Found)
    if entry is None:
        how = "made from a stored wider answer" if made else "one request goes to the provider"
        return f"miss: {how}; whoever asks meanwhile shares the answer"
    match decide(settings, entry, now, refreshing=False):
        case Fresh(ttl):
            return f"hit: served from the cache, within the window for another {ttl:.1f} s"
        case Expired(usable=False):
            return f"past its limit: {'made anew from a wider answer' if made else 'fetched'}; never served"
    how = "made anew from a wider answer" if made else "fetched first; kept for failures"
    return f"past its window: served at once if clients keep it in demand, else {how}"


def _spelled(provider: Provider, request: CanonicalRequest) -> str:
    return f"{request.method} {provider.settings.origin}{request.target}"


def as_text(facts: Facts) -> str:
    """A line for each fact, or for each item of one that is a list."""
    width = max(map(len, facts))
    lines = []
    for name, value in facts.items():
        items = [value] if isinstance(value, str) else value or ["none is stored"]
        lines += [f"{label:<{width}}  {item}" for label, item in zip([name, *[""] * len(items)], items, strict=False)]
    return "\n".join(lines)


def as_json(facts: Facts) -> str:
    return json.dumps(facts, indent=2)
