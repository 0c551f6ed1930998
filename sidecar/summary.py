"""A provider's configuration in a few lines, for `holdover check`: what an operator would otherwise look up."""

from collections.abc import Iterator, Sequence

from holdover.provider_settings import ClassSettings, CredentialSettings
from holdover.route_settings import RouteSettings
from holdover.rules import Provider
from holdover.verdict import MEANINGS

from . import promises
from .budget_text import number
from .promises import credit, seconds

_BY_STATUS = ("rate", "absent")
"""Meanings that `holdover.verdict` knows by the status alone where no rule tells them."""


def summary(provider: Provider) -> str:
    """Who it is, how it is called, and what each route promises. Names where credentials are, shows none."""
    settings = provider.settings
    at = f" at {settings.address}" if settings.address else ""
    facts = (
        ("hosts", f"{', '.join(settings.hosts)} -> {settings.origin}{at}"),
        ("clients", _clients(provider)),
        ("credential", _credential(provider)),
        ("errors", _errors(provider)),
        ("quota", _quota(provider)),
        ("limits", _limits(provider)),
        ("projections", _projections(provider)),
    )
    lines = [f"  {provider.name}: profile {settings.profile}", *(f"    {label:<11}  {text}" for label, text in facts)]
    for route in provider.routes:
        lines += [f"    {_asked(route.settings)}", f"      {_promised(route.settings)}"]
    for old in provider.promos:
        lines += [f"    {old.name}: GET {old.settings.path}", f"      promos: {promises.shape(old.settings)}"]
    return "\n".join(lines)


def _clients(provider: Provider) -> str:
    """Who may have answers, and where it is looked who asks."""
    settings, named = provider.settings, provider.settings.credential
    if named is None:
        return "everybody who reaches the proxy; the provider asks for no credential"
    listed = f", or listed ({len(settings.known)})" if settings.known else ""
    who = {
        "known": f"known: accepted by the provider within {seconds(settings.known_for_s)}{listed}",
        "open": "open: everybody who reaches the proxy",
        "own": "own: each credential has answers of its own",
    }[settings.clients]
    names = _listed([name for name in named.names if name != named.class_from])
    apart = f"; {named.class_from} tells who shares with whom" if named.class_from else ""
    plans = ", ".join(f"{name} ({len(plan.credentials)} listed)" for name, plan in settings.classes.items())
    classes = f"; classes {plans}" if plans else ""
    return f"{who}; looked for in {names}, query or header{apart}{classes}"


def _credential(provider: Provider) -> str:
    """What the provider is called with, and where that comes from."""
    settings, named = provider.settings, provider.settings.credential
    if named is None:
        return "none"
    place = f"query parameter {named.query}" if named.query else f"header field {named.header}"
    if settings.clients == "own":
        return f"the client's own, in {place}"
    own = "the client's own, or the last one accepted in refreshes" if named.borrow else _source(named)
    plans = "".join(f"; for class {name} {_source(plan)}" for name, plan in settings.classes.items())
    return f"{own}, in {place}{plans}"


def _source(named: CredentialSettings | ClassSettings) -> str:
    return f"${named.env}" if named.env else f"file {named.file}"


def _errors(provider: Provider) -> str:
    """Which meanings of a refusal are told apart, and by what."""
    told = {rule.means for rule in provider.settings.errors}
    by_rule = [means for means in MEANINGS if means in told]
    by_status = [means for means in _BY_STATUS if means not in told]
    never = [means for means in MEANINGS if means not in {*told, *by_status}]
    parts = [
        f"{_listed(by_rule)} by rules" if by_rule else "",
        f"{_listed(by_status)} by status" if by_status else "",
        f"no rule tells {_listed(never, 'or')}" if never else "",
    ]
    return "; ".join(filter(None, parts))


def _quota(provider: Provider) -> str:
    quota = provider.settings.quota
    fields = (("remaining", quota.remaining), ("used", quota.used), ("last", quota.last))
    told = ", ".join(f"{what} in {name}" for what, name in fields if name)
    counted = "" if quota.remaining or quota.used else ", by holdover's own count"
    limit = f"limit {number(quota.limit)}{counted}" if quota.limit is not None else ""
    if not told and not limit:
        return "neither told nor limited"
    probe = f"probe {quota.probe}" if quota.probe else "no probe"
    rest = f"resets {quota.resets}; reserve {number(quota.reserve)}; {probe}"
    return "; ".join(filter(None, (told, limit, rest)))


def _limits(provider: Provider) -> str:
    limits = provider.settings.limits
    rate = f"{limits.rate_per_s:g} a second, burst {limits.burst}, concurrency {limits.concurrency}"
    return f"{rate}, timeout {seconds(limits.timeout_s)}, retries {limits.retries}"


def _projections(provider: Provider) -> str:
    settings = provider.settings
    if not settings.projection.kinds:
        return "none"
    shadow, kinds = settings.shadow, ", ".join(sorted(settings.projection.kinds))
    learnt = "; regions are learnt" if settings.projection.learn_regions else ""
    compared = f"1 in {shadow.one_in}, at most {credit(shadow.credits_per_day)} a day" if shadow.one_in else "none"
    return f"{kinds}{learnt}; shadow: {compared}"


def _asked(route: RouteSettings) -> str:
    first, *others = route.calls or [""]
    more = f" and {len(others)} more" if others else ""
    calls = f" for {first}{more}" if first else ""
    methods = "any method" if route.freshness == "origin" else "/".join(route.methods)
    return f"{route.name}: {methods} {route.path}{calls}"


def _promised(route: RouteSettings) -> str:
    per_item = f", or {route.cost_per_item:g} an item" if route.cost_per_item else ""
    return "; ".join([f"window {promises.of_route(route)}", f"cost {route.cost:g}{per_item}", *_rhythm(route)])


def _rhythm(route: RouteSettings) -> Iterator[str]:
    """What else decides when the provider is asked, and what its answer tells."""
    if route.min_interval_s:
        by = f" by {_listed(route.interval_by)}" if route.interval_by else ""
        yield f"asked {seconds(route.min_interval_s)} apart{by}"
    if route.pace.cadence_s:
        yield f"cadence {seconds(route.pace.cadence_s)}"
    if route.honour_max_age:
        yield "max-age honoured"
    if route.change_log is not None:
        yield f"change log of {_listed(route.change_log.routes)}"
    if route.group is not None:
        yield f"group {route.group}"
    if not route.proves_credential:
        yield "proves no credential"


def _listed(names: Sequence[str], word: str = "and") -> str:
    """ "a, b and c"."""
    *others, last = names
    return f"{', '.join(others)} {word} {last}" if others else last
