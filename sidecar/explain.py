"""`holdover explain`: what would happen to a request, and why. Pure: what is stored is passed in."""

import json
import shlex
from dataclasses import dataclass
from urllib.parse import urlsplit

from holdover.caching.stored import key_of
from holdover.canonical import CanonicalRequest
from holdover.config import Config
from holdover.exchange import Headers, Request
from holdover.key import Bypass, Cacheable, ForOrigin, ForPromos, plan
from holdover.projection import Projections
from holdover.promo_audience import UNKNOWN
from holdover.providers.profile import Knowledge
from holdover.rules import Provider
from holdover.store.balance import Balance

from . import outcome, promises
from .call import Call, call
from .client import Acceptance, Client, client_of
from .sources import Found, Sources
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
    request, which has none, and from what is known of the credential that came along."""
    parts = urlsplit(asked.url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    request = Request(asked.method, parts.hostname or "", target, asked.headers, asked.body)
    match plan(request, config.rules, stored.salt):
        case Cacheable() as cacheable:
            sources = Sources(Projections(config.rules, dict(stored.learnt)), stored.entries, now)
            client = _client(cacheable, stored, now)
            facts = (
                _request(cacheable, stored) | _credentials(cacheable, client) | _learnt(cacheable.provider, stored)
            )
            return facts | _answer(cacheable, client, stored, sources)
        case ForPromos() as homepage:
            return _promos(homepage)
        case ForOrigin(provider, by_origin, whole):
            return {
                "route": f"{provider.name}/{by_origin.name}",
                "key": key_of(provider.name, whole, provider.personal),
                "decision": "answered by the rules of HTTP: what the provider says of each answer decides",
            }
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


def _promos(asked: ForPromos) -> Facts:
    """Whom a homepage's request is from, and what it gets."""
    provider, settings = asked.provider, asked.route.settings
    known = {name for name, _ in asked.audience}
    unknown = [name for name in ("jurisdiction", "language") if name not in known]
    nothing = f"{' and '.join(unknown)} {'is' if len(unknown) == 1 else 'are'} not known: nothing is shown"
    if not unknown and ("segment", UNKNOWN) in asked.audience:
        nothing = "a segment is not known, which may be an excluded one: nothing is shown"
        unknown = ["segment"]
    return {
        "route": f"{provider.name}/{asked.route.name}",
        "audience": ([nothing] if unknown else []) + [f"{name} {value}" for name, value in asked.audience],
        "promos": shlex.join(
            ["holdover", "promos", "preview", *(f"--{name}={value}" for name, value in asked.audience)]
        ),
        "answer": promises.shape(settings),
        "decision": f"answered with promos; while the sidecar does not answer, {provider.settings.origin} does",
    }


def _request(cacheable: Cacheable, stored: Stored) -> Facts:
    """What is asked of the provider, and who else is given the answer."""
    provider, settings, canonical = cacheable.provider, cacheable.route.settings, cacheable.canonical
    facts: Facts = {
        "route": f"{provider.name}/{cacheable.route.name}",
        "canonical": outcome.spelled(provider, canonical),
    }
    if canonical.body:
        facts["body"] = canonical.body
    if cacheable.echo:
        facts["echo"] = f"{cacheable.echo} is what this client finds in its answer"
    amount = provider.profile.cost(settings, canonical, None)
    facts |= {"key": canonical.key, "cost": promises.cost(settings, amount)}
    if canonical.partition:
        salted = canonical.partition != provider.class_of(cacheable.credential)
        name = (
            canonical.partition if stored.salt or not salted else "named, and the key with it, once there is a ledger"
        )
        facts["partition"] = f"{name}: shared by those of the same plan, key or tenant alone"
    return facts


def _client(cacheable: Cacheable, stored: Stored, now: float) -> Client:
    provider, credential = cacheable.provider, cacheable.credential
    unknown = f"nothing tells whether the provider accepted it: {stored.no_ledger}" if stored.no_ledger else ""
    at = stored.accepted.get(provider.name, {}).get(credential.fingerprint(stored.salt))
    return client_of(provider, credential, Acceptance(at, unknown), now)


def _credentials(cacheable: Cacheable, client: Client) -> Facts:
    """Who asks, and with whose credential the provider would be."""
    provider, sent = cacheable.provider, bool(cacheable.credential.values)
    facts: Facts = {"client": client.text}
    if not client.admitted:
        facts["credential"] = "the client's own goes along" if sent else "none goes along"
    elif outcome.lent(cacheable):
        own = provider.settings.clients == "own"
        refreshes = "in refreshes too" if own else "in refreshes the last one that the provider accepted"
        facts["credential"] = f"the client's own goes along, {refreshes}"
    elif provider.asks_for_credentials:
        facts["credential"] = "holdover's own is added" + ("; the client's is left out" if sent else "")
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
    used, on_trial = [r for r in regions if r in known.apart], [r for r in regions if r not in known.apart]
    sports = f"{len(known.outrights)} {'sport has' if len(known.outrights) == 1 else 'sports have'}"
    told = [
        f"{', '.join(sorted(known.switched_off))} switched off by a comparison" if known.switched_off else "",
        f"{', '.join(sorted(known.verified))} verified by comparisons" if known.verified else "",
        f"bookmakers of {', '.join(used)}" if used else "",
        f"bookmakers of {', '.join(on_trial)}, on trial" if on_trial else "",
        f"which of {sports} outrights" if known.outrights else "",
    ]
    return {"learnt": "; ".join(filter(None, told)) or "nothing yet"}


def _answer(cacheable: Cacheable, client: Client, stored: Stored, sources: Sources) -> Facts:
    """What is promised and stored, what is asked, and what comes of it."""
    provider, settings, canonical = cacheable.provider, cacheable.route.settings, cacheable.canonical
    found, entry, now = _found(cacheable, stored, sources), sources.stored(canonical), sources.now
    standing = found.answer if isinstance(found, Found) else entry
    promised = promises.of_route(settings) if standing is None else promises.of_entry(settings, standing, now)
    facts: Facts = {"window": promised}
    if provider.settings.projection.kinds and provider.profile.projects(canonical):
        used = found.source if isinstance(found, Found) and client.admitted else None
        supersets = sources.supersets(canonical)
        facts["superset"] = [outcome.superset(provider, each, used, settings, now) for each in supersets]
    facts["stored"] = f"unknown: {stored.no_entries}" if stored.no_entries else outcome.stored(entry, settings, now)
    decision = outcome.decision(entry, settings, found, now)
    if client.admitted:
        return facts | {"upstream": outcome.upstream(cacheable, found), "decision": decision}
    return facts | outcome.forwarded(cacheable, decision)


def _found(cacheable: Cacheable, stored: Stored, sources: Sources) -> Found | Call:
    provider, canonical = cacheable.provider, cacheable.canonical
    match sources.fill(canonical):
        case CanonicalRequest() as request:
            known = None if outcome.lent(cacheable) else _balance(stored, provider.name, canonical.partition)
            return call(provider, request, sources.stored(request), known, sources.now)
        case found:
            return found


def _balance(stored: Stored, provider: str, partition: str) -> Balance | None:
    return stored.balances.get(provider, {}).get(partition)


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
