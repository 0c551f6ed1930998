"""What comes of a request, in the words of `holdover explain`: from what is stored, and from what is asked. Pure."""

from holdover.canonical import CanonicalRequest
from holdover.entry import Entry
from holdover.key import Cacheable
from holdover.policy import Expired, Fresh, age, decide, from_the_future, limits
from holdover.route_settings import RouteSettings
from holdover.rules import Provider

from .call import Call, Hindrance
from .promises import credit, seconds
from .sources import Found, Superset


def spelled(provider: Provider, request: CanonicalRequest) -> str:
    return f"{request.method} {provider.settings.origin}{request.target}"


def lent(cacheable: Cacheable) -> bool:
    """Whether the provider is called with the client's own credential, whoever it is."""
    return cacheable.provider.own(cacheable.canonical.partition) is None


def superset(provider: Provider, wider: Superset, used: Entry | None, settings: RouteSettings, now: float) -> str:
    """A wider answer: how fresh it is, and whether this request is answered from it, which is from `used`."""
    entry = wider.entry
    text = f"{_target(provider, entry.request)}: {_freshness(entry, settings, now)}"
    if not isinstance(wider.decision, Fresh):
        return text
    if wider.answer is None:
        return f"{text}; what is in it does not allow to make this answer of it"
    return f"{text}; {'this request is answered from it' if used is entry else 'it would do'}"


def stored(entry: Entry | None, settings: RouteSettings, now: float) -> str:
    if entry is None:
        return "nothing"
    made = f"made from a wider answer ({entry.projected}), " if entry.projected else ""
    sizes = f"{len(entry.identity)} bytes, {len(entry.gzip)} as gzip, revision {entry.revision}"
    return f"{_freshness(entry, settings, now)}; {made}{sizes}"


def upstream(cacheable: Cacheable, found: Found | Call) -> str:
    """What the question of a client that gets stored answers leads to now."""
    provider = cacheable.provider
    if isinstance(found, Found):
        own = found.source.key == cacheable.canonical.key
        return "nothing is asked" if own else f"nothing is asked: {_target(provider, found.source.request)} is stored"
    request, previous, hindrance = found.request, found.previous, found.hindrance
    sent = provider.profile.ask(request, previous.identity if previous is not None else None)
    but = hindrance.but if hindrance is not None else ""
    if hindrance is not None and hindrance.suspended:
        return f"{spelled(provider, sent)}, for {credit(found.cost)}, is suspended{but}"
    whose = " of the client's own" if lent(cacheable) else ""
    text = f"{spelled(provider, sent)} is asked, for {credit(found.cost)}{whose}{but}"
    if sent != _whole(provider, request):
        text += ": what changed since what is stored"
    return text if request.key == cacheable.canonical.key else f"{text}; this request is answered from it"


def forwarded(cacheable: Cacheable, decision: str) -> dict[str, str]:
    """Of a client that gets no stored answer; `decision` is what it would get if it did."""
    provider, settings, canonical = cacheable.provider, cacheable.route.settings, cacheable.canonical
    asked = f"{spelled(provider, canonical)} is asked"
    if not cacheable.credential.values:
        facts = {
            "upstream": f"{asked}, without a credential",
            "decision": "forwarded, as nobody is known without a credential: the provider's own answer is passed on, "
            "good or bad, and is not stored",
        }
        return facts if lent(cacheable) else facts | {"otherwise": f"a client that is known gets: {decision}"}
    cost = credit(provider.profile.cost(settings, canonical, None))
    good_for = seconds(provider.settings.known_for_s)
    if settings.proves_credential:
        when = f"a 200 makes the client known for {good_for}, and then it gets, as things are"
    else:
        when = "answers of this route prove no credential; once another one does, the client gets, as things are"
    return {
        "upstream": f"{asked}, for {cost} of the client's own",
        "decision": "forwarded, as the client is not known: the provider's own answer to its credential is passed "
        "on, good or bad, and is not stored",
        "otherwise": f"{when}: {decision}",
    }


def decision(entry: Entry | None, settings: RouteSettings, found: Found | Call, now: float) -> str:
    """What a client gets that gets stored answers."""
    made, turn = isinstance(found, Found), ""
    if isinstance(found, Call):
        if found.hindrance is not None:
            return _hindered(entry, settings, found.hindrance, now)
        turn = found.turn(entry, settings, now)
    if entry is None:
        how = "made from a stored wider answer" if made else "one request goes to the provider"
        return f"miss: {how}; whoever asks meanwhile shares the answer{turn}"
    match decide(settings, entry, now, refreshing=False):
        case Fresh(ttl):
            return f"hit: served from the cache, within the window for another {ttl:.1f} s"
        case Expired(usable=False):
            return f"past its limit: {'made anew from a wider answer' if made else 'fetched'}; never served{turn}"
    how = "made anew from a wider answer" if made else f"fetched first; kept for failures{turn}"
    return f"past its window: served at once if clients keep it in demand, else {how}"


def _hindered(entry: Entry | None, settings: RouteSettings, hindrance: Hindrance, now: float) -> str:
    if entry is None:
        return f"miss: {hindrance.instead}; {hindrance.why}"
    if decide(settings, entry, now, refreshing=False) == Expired(usable=False):
        return f"past its limit: never served, {hindrance.instead} is; {hindrance.why}"
    _, max_stale_s = limits(settings, entry, now)
    return f"past its window: served up to {seconds(max_stale_s)}, then {hindrance.instead}; {hindrance.why}"


def _freshness(entry: Entry, settings: RouteSettings, now: float) -> str:
    old, (window_s, max_stale_s) = f"{age(entry, now):.1f} s old", limits(settings, entry, now)
    match decide(settings, entry, now, refreshing=False):
        case Fresh(ttl):
            return f"fresh, {old}, within its window for another {ttl:.1f} s"
        case Expired(usable=False) if from_the_future(entry, now):
            return "of unknown age: the clock was set back since it came"
        case Expired(usable=False):
            return f"too old, {old}, never served past {seconds(max_stale_s)}"
    if now - entry.requested_at < window_s:
        return f"stale, {old}: an event has begun since"
    return f"stale, {old}, past its window of {seconds(window_s)}"


def _whole(provider: Provider, request: CanonicalRequest) -> CanonicalRequest:
    """What is sent for it when nothing is stored."""
    return provider.profile.ask(request, None)


def _target(provider: Provider, request: CanonicalRequest) -> str:
    return _whole(provider, request).target
