"""Fields of messages that mitmproxy passes on. It goes by them itself: it frames bodies by Transfer-Encoding, and
keeps or ends connections, on either side, as Connection says."""

from collections.abc import Collection

from holdover.caching.storing import by_hop
from holdover.exchange import Headers, elements, header


def passed_on(headers: Headers, *, asked: bool = True, switches: bool = True, kept: Collection[str] = ()) -> Headers:
    """The fields that go on to the next hop (RFC 9110 section 7.6.1), and those that mitmproxy needs. `asked`: of a
    request; `switches`: another protocol may be agreed on by this message (section 7.8); `kept`: names, in lower
    case, that go on in any case."""
    told = set(elements(header(headers, "connection")))
    options: list[str] = [option for option in ("close", "keep-alive") if option in told]
    dropped = (by_hop(headers, asked=asked) | {"http2-settings"}) - {"transfer-encoding", *kept}
    fields = tuple(item for item in headers if item[0].lower() not in dropped)
    if switches and "upgrade" in told and (protocols := _protocols(headers)):
        options.append("Upgrade")
        fields += (("Upgrade", protocols),)
    return (*fields, ("Connection", ", ".join(options))) if options else fields


def _protocols(headers: Headers) -> str:
    """Those that mitmproxy lets be switched to: it does not speak h2c, offering that would break the connection."""
    told = (part.strip() for part in (header(headers, "upgrade") or "").split(","))
    return ", ".join(protocol for protocol in told if protocol.lower() not in ("", "h2c"))
