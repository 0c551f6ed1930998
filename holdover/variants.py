"""Routes with a window whose answers vary by what clients send (RFC 9111 section 4.1).

holdover's own request has none of a client's fields. What it brings is given to who has none of those either that the
answer names in Vary. For who has some the request is another: these fields are part of its key and reach the
provider, as those that the route names do. So each variant is an entry of its own, and nothing else knows of them."""

import re
from collections.abc import Callable, Collection
from dataclasses import replace

from holdover.answer import Reading, Ready
from holdover.caching.vary import normal
from holdover.canonical import CanonicalRequest
from holdover.exchange import UNSENDABLE, Headers, header
from holdover.intake import Fetched, FetchResult
from holdover.key import Cacheable
from holdover.policy import varying
from holdover.route_settings import RouteSettings


def variant(cacheable: Cacheable, names: Collection[str], fields: Reading) -> Cacheable | None:
    """The request with those of the client's `fields` that `names` tells of; None where it has none of them beside
    those of its key, so that holdover's own request is this client's too."""
    if not (more := set(names).difference(name for name, _ in cacheable.canonical.headers)):
        return None
    sent = fields()
    told = [(name, value) for name in more if (value := _told(name, sent)) is not None]
    if not told:
        return None
    headers = tuple(sorted((*cacheable.canonical.headers, *told)))
    return replace(cacheable, canonical=replace(cacheable.canonical, headers=headers))


def is_variant(route: RouteSettings, request: CanonicalRequest) -> bool:
    """Whether fields are in its key that the route does not name."""
    own = {name.lower() for name in route.headers}
    return any(name not in own for name, _ in request.headers)


def selected(
    cacheable: Cacheable, fields: Reading, guess: Collection[str], look: Callable[[str], Ready | None]
) -> tuple[Cacheable, Ready | None]:
    """The request as far as what is stored tells which fields count, and what is stored of it. `guess`: those that
    may count where nothing is; one too many makes a variant of what is none, one too few a second call."""
    ready = look(cacheable.canonical.key)
    names = guess if ready is None else ready.varying
    while names and (other := variant(cacheable, names, fields)) is not None:
        cacheable, ready = other, look(other.canonical.key)
        names = ready.varying if ready is not None else ()
    return cacheable, ready


def nominated(cacheable: Cacheable, result: FetchResult, ready: Ready | None = None) -> frozenset[str]:
    """The fields of requests by which what came, or what is stored, varies beside those of its key."""
    names = ready.varying if ready is not None else frozenset[str]()
    if not isinstance(result, Fetched):
        return names
    return names | varying(cacheable.route.settings, result.entry.headers, cacheable.provider.credentials)


def _told(name: str, fields: Headers) -> str | None:
    """A field's value as it can be sent."""
    if (value := header(fields, name)) is None:
        return None
    # Lists (RFC 9110 section 12.5). In others a comma may be part of the text, as in what browsers call themselves.
    value = normal(name, value) if name.startswith("accept") else value.strip(" \t")
    # To accept anything is what the absence of the field means, and what holdover says.
    return None if (name, value) == ("accept", "*/*") else UNSENDABLE.sub(_escaped, value)


def _escaped(found: re.Match[str]) -> str:
    return f"%{ord(found[0]):02X}"
