"""`holdover explain`: what would happen to a request, and why. Reads the store, changes nothing."""

import json
from collections.abc import Callable
from urllib.parse import urlsplit

from holdover.config import Config
from holdover.entry import Entry
from holdover.exchange import Headers, Request
from holdover.key import Bypass, Cacheable, plan
from holdover.policy import Expired, Fresh, Stale, age, decide
from holdover.settings import RouteSettings


def explain(
    config: Config, url: str, headers: Headers, stored: Callable[[str], Entry | None], now: float
) -> dict[str, str]:
    """Facts in the order in which people read them. `url` is absolute. Shows no credential: what it prints derives
    from the canonical request, which has none."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    request = Request("GET", parts.hostname or "", target, headers)
    match plan(request, config.rules):
        case Cacheable(provider, route, canonical):
            facts = {
                "route": f"{provider.name}/{route.name}",
                "canonical": f"GET {provider.settings.origin}{canonical.target}",
                "key": canonical.key,
                "window": f"{route.settings.window_s:g} s, served up to {route.settings.max_stale_s:g} s",
            }
            if provider.secret is not None:
                facts["credential"] = "holdover's own is added; the client's is left out"
            return (
                facts
                | _stored(stored(canonical.key), route.settings.window_s, now)
                | _decision(stored(canonical.key), route.settings, now)
            )
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
