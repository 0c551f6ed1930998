"""What the tables of this folder are about."""

from holdover.caching.dates import formatted
from holdover.caching.directives import control
from holdover.caching.stored import Stored
from holdover.caching.storing import Exchanged, stored
from holdover.exchange import Headers, Response

NOW = 1_800_000_000.0


def http(text: str, body: bytes = b"0123456789") -> Headers:
    """Fields, one a line; `@-60` as a value is the date a minute ago. With a Content-Length."""
    lines = (line.partition(":") for line in text.splitlines() if line)
    pairs = [(name.strip(), value.strip()) for name, _, value in lines]
    dated = [(n, formatted(NOW + float(v[1:])) if v.startswith("@") else v) for n, v in pairs]
    return (*dated, ("Content-Length", str(len(body))))


def exchanged(
    says: str,
    *,
    status: int = 200,
    asked: str = "",
    method: str = "GET",
    body: bytes = b"0123456789",
    took: float = 0.0,
    targeted: tuple[str, ...] = ("CDN-Cache-Control",),
) -> Exchanged:
    headers = http(says, body)
    request = http(asked)[:-1]
    return Exchanged(method, request, Response(status, headers, body), control(headers, targeted), NOW - took, NOW)


def one(says: str, **more: object) -> Stored:
    return stored(exchanged(says, **more))  # type: ignore[arg-type]
