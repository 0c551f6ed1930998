"""What a provider's settings say that cannot be meant, and what of them has no effect or promises too much. Pure."""

from collections.abc import Iterator

from holdover.lines import Finding, KeyPath
from holdover.promo_settings import PromoRouteSettings
from holdover.provider_settings import ProviderSettings
from holdover.providers.registry import PROFILES
from holdover.route_settings import RouteSettings

_KEPT = ("parameters", "lists", "repeated", "booleans")
"""Settings that make the parameters they name part of the key."""
_WINDOWS = ("in_play_s", "near_s", "far_s", "empty_s")
_BY_STARTS = ("in_play_s", "near_s", "far_s", "max_stale_in_play_s")


def contradictions(provider: ProviderSettings) -> Iterator[Finding]:
    """What can never be kept or meant."""
    for index, route in enumerate(provider.routes):
        for key, text in (*_too_old(route), *_unseen(route), *_dropped(route)):
            yield ("routes", index, *key), text
    for index, old in enumerate(provider.promos):
        for key, text in _untold(old):
            yield ("promos", index, "audience", *key), text


def doubts(provider: ProviderSettings) -> Iterator[Finding]:
    """What is taken as it stands and is most likely a mistake."""
    yield from _unasked(provider)
    yield from _unknown_kinds(provider)
    yield from _never_trusted(provider)
    yield from PROFILES[provider.profile].doubts(provider.routes, provider.projection.kinds)
    for index, route in enumerate(provider.routes):
        for key, text in (
            *_too_soon(provider, route),
            *_never_near(route),
            *_together(provider, route),
            *_spelled_twice(route),
        ):
            yield ("routes", index, *key), text


def _untold(old: PromoRouteSettings) -> Iterator[Finding]:
    """What no request can tell, or what would be guessed."""
    words = {part[1:-1] for part in old.path.split("/") if part.startswith("{")}
    for name, source in old.audience.sources():
        if source.path is not None and source.path not in words:
            known = f"it has {', '.join(sorted(words))}" if words else f"write {{{source.path}}} there"
            yield (name, "path"), f"the path {old.path} has no {{{source.path}}}; {known}"
    if old.audience.jurisdiction.absent:
        yield (
            ("jurisdiction", "absent"),
            "would show promos to those of whom no jurisdiction is known; remove it, or say constant if the homepage "
            "is for that one alone",
        )
    visits = old.audience.visits
    told = {visits.constant, visits.absent, *visits.values.values()} if visits else set[str | None]()
    if wrong := sorted(each for each in told if each not in (None, "", "new", "returning")):
        yield ("visits",), f"{wrong[0]!r} is neither new nor returning, which is all there is"


def _too_old(route: RouteSettings) -> Iterator[Finding]:
    """Answers that are too old to be given before the next can be there."""
    pace, least = route.pace, route.min_interval_s
    for key, limit in (
        (("max_stale_s",), route.max_stale_s),
        (("pace", "max_stale_in_play_s"), pace.max_stale_in_play_s),
    ):
        if limit is not None and limit < least:
            yield (
                key,
                f"is below min_interval_s = {least:g}: past it nothing can be served until the provider may be asked "
                f"again; raise it to {least:g} or more",
            )
    if pace.in_play_s is not None and pace.max_stale_in_play_s is None and pace.in_play_s > route.max_stale_s:
        yield (
            ("pace", "in_play_s"),
            f"is above max_stale_s = {route.max_stale_s:g}; an answer would be too old before its refresh: lower it, "
            "or give max_stale_in_play_s",
        )


def _unseen(route: RouteSettings) -> Iterator[Finding]:
    """Promises for phases of which no answer tells."""
    for name in (*_BY_STARTS, "empty_s"):
        if getattr(route.pace, name) is None:
            continue
        if route.content != "json":
            yield ("pace", name), f"content = {route.content!r} is not looked into, so no phase is known; remove it"
        elif route.starts is None and name in _BY_STARTS:
            yield (
                ("pace", name),
                "needs `starts`: without it nothing is known to be in play, near or far; give it, or remove this",
            )


def _dropped(route: RouteSettings) -> Iterator[Finding]:
    for name in dict.fromkeys(route.drop):
        if kept := [key for key in _KEPT if name in getattr(route, key)]:
            yield (
                ("drop",),
                f"{name!r} is in {' and '.join(kept)} too; what is left out tells no answers apart: decide which",
            )


def _too_soon(provider: ProviderSettings, route: RouteSettings) -> Iterator[Finding]:
    """Windows that cannot be kept, because calls have to be further apart."""
    least = route.min_interval_s
    together = [other for other in provider.routes if route.group and other.group == route.group]
    quickest = min([route, *together], key=lambda each: each.window_s)
    if least > route.window_s:
        yield ("min_interval_s",), "is longer than the window; odds are renewed that often at best"
    elif least > quickest.window_s:
        yield (
            ("min_interval_s",),
            f"is longer than the {quickest.window_s:g} s in which {quickest.name} renews group {route.group}; "
            "this route cannot keep up",
        )
    for name in _WINDOWS:
        window: float | None = getattr(route.pace, name)
        if window is not None and window < least:
            yield (
                ("pace", name),
                f"is below min_interval_s = {least:g}; odds are renewed that often at best: raise it to {least:g}",
            )


def _never_near(route: RouteSettings) -> Iterator[Finding]:
    if "near_from_s" in route.pace.model_fields_set and (route.starts is None or route.content != "json"):
        text = "has no effect where answers do not tell by `starts` when events begin; remove it"
        yield ("pace", "near_from_s"), text


def _together(provider: ProviderSettings, route: RouteSettings) -> Iterator[Finding]:
    """Parameters that are to tell calls apart and do not."""
    if route.interval_by and not route.min_interval_s:
        yield ("interval_by",), "has no effect without min_interval_s; give it, or remove this"
        return
    kept = {*route.defaults, *(name for key in _KEPT for name in getattr(route, key))}
    secret = {name.lower() for name in provider.credential.names} if provider.credential else set[str]()
    for name in route.interval_by:
        if name in route.drop or name.lower() in secret or (route.unknown != "key" and name not in kept):
            yield (
                ("interval_by",),
                f"{name!r} is no part of the key and so tells no calls apart; make it one, or remove it here",
            )


def _spelled_twice(route: RouteSettings) -> Iterator[Finding]:
    """Parameters for which one setting undoes another."""
    for name, value in route.defaults.items():
        if name in route.drop:
            yield (
                ("defaults", name),
                f"is in drop too: {value!r} is asked for whatever a client sends; remove it from one of the two",
            )
    for name in dict.fromkeys(route.booleans):
        for key in ("lists", "repeated"):
            if name in getattr(route, key):
                yield ("booleans",), f"{name!r} is in {key} too and spelled as that; remove it from one of the two"


def _unasked(provider: ProviderSettings) -> Iterator[Finding]:
    """What tells clients apart where nobody looks at it."""
    if provider.credential is None:
        why, remedy = "without [credential] no client is known to send any", "add that"
    elif provider.clients == "own":
        why, remedy = "with clients = 'own' each credential has answers of its own, fetched with it", "choose another"
    elif provider.clients == "open":
        why, remedy = "with clients = 'open' everybody gets stored answers", "choose another"
    else:
        return
    keys: list[KeyPath] = [("known",)] if provider.known else []
    keys += [("known_for_s",)] if "known_for_s" in provider.model_fields_set else []
    if provider.credential is None or provider.clients == "own":
        keys += [("classes", name) for name in provider.classes]
    for key in keys:
        yield key, f"has no effect: {why}; remove it, or {remedy}"


def _unknown_kinds(provider: ProviderSettings) -> Iterator[Finding]:
    """Kinds of projection that are on and never used."""
    known = PROFILES[provider.profile].known_kinds
    names = ", ".join(sorted(known)) or "none"
    for kind in dict.fromkeys(provider.projection.kinds):
        if kind not in known:
            text = f"{kind!r} has no effect: profile {provider.profile!r} knows {names}; remove it"
            yield ("projection", "kinds"), text


def _never_trusted(provider: ProviderSettings) -> Iterator[Finding]:
    """What is used only after comparisons went well, without any comparison."""
    if provider.shadow.one_in == 0:
        for kind in sorted(PROFILES[provider.profile].to_be_verified.intersection(provider.projection.kinds)):
            text = f"{kind!r} is used only after comparisons went well; without [shadow] one_in it never is"
            yield ("projection", "kinds"), text
        if provider.projection.learn_regions:
            text = "is used only after comparisons went well; without [shadow] one_in it never is"
            yield ("projection", "learn_regions"), text
