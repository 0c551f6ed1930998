"""A provider's own list of what changed: who needs it, and what it tells."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from urllib.parse import unquote

from holdover.canonical import CanonicalRequest
from holdover.content import moment, select
from holdover.exchange import Request
from holdover.key import Cacheable, plan
from holdover.route_settings import ChangeLogSettings
from holdover.rules import Rules


def logs_of(rules: Rules, request: CanonicalRequest) -> Iterator[CanonicalRequest]:
    """What has to be kept fresh for `request`, though no client asks for it: the change logs that may name it."""
    provider, route = rules.provider(request.provider), rules.route(request.provider, request.route)
    if provider is None or route is None:
        return
    for log in provider.settings.routes:
        if log.change_log is None or request.route not in log.change_log.routes:
            continue
        target = log.path_with(route.settings.variables(request.path))
        match plan(Request("GET", provider.settings.hosts[0], target), rules):
            case Cacheable(canonical=canonical):
                yield replace(canonical, partition=request.partition)


def changes(log: ChangeLogSettings, body: bytes) -> dict[str, float]:
    """When what changed last, by id, in Unix seconds of the provider's clock. A change without an id or a time says
    nothing of the odds."""
    told: dict[str, float] = {}
    for change in select(body, log.changes):
        text = json.dumps(change).encode()
        for found, at in zip(select(text, log.id), map(moment, select(text, log.at)), strict=False):
            if at is not None:
                told[str(found)] = max(at, told.get(str(found), at))
    return told


def concerned(
    requests: Iterable[CanonicalRequest], log: ChangeLogSettings, told: Mapping[str, float]
) -> dict[str, float]:
    """When those of the requests that the log names changed, by key."""
    named: dict[str, float] = {}
    for request in requests:
        if request.route in log.routes:
            times = [told[part] for part in map(unquote, request.path.split("/")) if part in told]
            named |= {request.key: max(times)} if times else {}
    return named
