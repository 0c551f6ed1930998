"""The values at the seam between HTTP libraries and holdover: one request, one response, no behaviour."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

type Headers = tuple[tuple[str, str], ...]
"""Header fields in their order; names keep the case they came with, comparison ignores it."""

# RFC 9110 section 7.6.1 and RFC 9112: these end at the next hop, whether or not Connection names them.
HOP_BY_HOP = frozenset(
    "connection keep-alive proxy-authenticate proxy-authentication-info proxy-authorization proxy-connection "
    "te trailer transfer-encoding upgrade".split()
)

UNSENDABLE = re.compile(r"[\0-\x08\n-\x1f\x7f\ud800-\udfff]")
"""What values of fields may hold when they come and no HTTP client here sends: controls, and bytes that are no
UTF-8."""


@dataclass(frozen=True, slots=True)
class Request:
    """A client's request after the target was taken apart: `host` is lower case without port, `target` is the
    origin-form request target exactly as sent, `client` the address that it came from."""

    method: str
    host: str
    target: str
    headers: Headers = ()
    body: bytes = field(default=b"", repr=False)
    client: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """A complete final response; `body` is as on the wire, in the coding its Content-Encoding names. `interim`:
    status and fields of the 1xx responses that came before it."""

    status: int
    headers: Headers = ()
    body: bytes = field(default=b"", repr=False)
    interim: tuple[tuple[int, Headers], ...] = ()


def as_headers(items: object) -> Headers | None:
    """Pairs of text from parsed JSON, or None for anything else."""
    if not isinstance(items, list):
        return None
    pairs: list[tuple[str, str]] = []
    for item in items:
        match item:
            case [str(name), str(value)]:
                pairs.append((name, value))
            case _:
                return None
    return tuple(pairs)


def header(headers: Iterable[tuple[str, str]], name: str) -> str | None:
    """All values of the field joined with ", " (RFC 9110 section 5.3), or None."""
    wanted = name.lower()
    values = [value for key, value in headers if key.lower() == wanted]
    return ", ".join(values) if values else None


def date_of(headers: Headers) -> float | None:
    """The Date field as Unix seconds; None when absent or malformed."""
    value = header(headers, "date")
    try:
        return parsedate_to_datetime(value).timestamp() if value else None
    except (ValueError, OverflowError):
        return None


def elements(value: str | None) -> list[str]:
    """The members of a comma-separated field value, lower case, without parameters and empty ones."""
    return [item for part in (value or "").split(",") if (item := part.partition(";")[0].strip().lower())]


def accepts_gzip(accept_encoding: str | None) -> bool:
    """Whether the client asks for gzip (RFC 9110 section 12.5.3); without the field the answer is no, because
    clients that send none do not decode (curl, Java, urllib)."""
    weights: dict[str, bool] = {}
    for part in (accept_encoding or "").lower().split(","):
        coding, _, parameters = part.partition(";")
        quality = parameters.strip().removeprefix("q=") if parameters else "1"
        try:
            weights[coding.strip()] = float(quality) > 0
        except ValueError:
            weights[coding.strip()] = False
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", False)))
