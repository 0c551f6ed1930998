"""The HTTP client of routes whose freshness is the origin's: what the client sent goes on, and what comes back.

mitmproxy takes an interim response for the final one."""

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import aiohttp
from yarl import URL

from holdover.caching.storing import forwarded
from holdover.coding import UnusableBodyError
from holdover.exchange import Headers, Request, Response
from holdover.fetch import Connector, FixedAddress, phrase, text
from holdover.origin.framed import Final, Framed
from holdover.outspoken import speaking
from holdover.rules import TURNING, Provider

KEPT_S = 1.5
"""How long an unused connection is kept: less than servers do."""
MOST_FIELD_BYTES = 65_536
MOST_FIELDS = 1_024
"""What an answer may have. aiohttp's own limits, 8,190 and 128, are less than what other caches pass on."""
_NOT_SENT = frozenset("host content-length expect".split())
_AS_SENT = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Why there is none, without URL. `unheld`: there is one, but too large to be held, or with `timed_out` too slow.
    `retry_after`: the origin was not asked, and may be in so many seconds."""

    reason: str
    timed_out: bool = False
    unheld: bool = False
    retry_after: float | None = None


class Unsendable(Exception):
    """A field that this client cannot send as it came."""


class OriginClient:
    """Calls one provider. Make and close it inside the event loop that uses it."""

    def __init__(self, provider: Provider, ca_file: Path | None) -> None:
        self.provider = provider
        limits = provider.settings.limits
        self._timeout_s, self._most = limits.timeout_s, limits.max_body_bytes
        reuse = aiohttp.TraceConfig()
        reuse.on_connection_reuseconn.append(_reused)
        connector = Connector(
            limit=0,
            keepalive_timeout=KEPT_S,
            resolver=FixedAddress(provider.address) if provider.settings.address else None,
            ssl=ssl.create_default_context(cafile=str(ca_file)) if ca_file else True,
        )
        self._session = aiohttp.ClientSession(
            connector=speaking(Framed, connector),
            response_class=Final,
            timeout=aiohttp.ClientTimeout(),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=_AS_SENT,
            max_field_size=MOST_FIELD_BYTES,
            max_headers=MOST_FIELDS,
            trace_configs=[reuse],
        )
        self._session._retry_connection = False  # noqa: SLF001
        self.calls = 0
        """That are under way."""

    async def close(self) -> None:
        await self._session.close()

    async def send(
        self, method: str, target: str, headers: Headers, body: bytes, within_s: float
    ) -> Response | NoAnswer:
        """The complete final answer to a GET or HEAD: its head comes within the provider's `timeout_s`, no pause in
        its body is longer, and that is whole within `within_s` seconds. A request on a kept connection that had been
        closed meanwhile is sent again. Raises Unsendable."""
        must_be_sendable(headers)
        used, until = SimpleNamespace(again=False), asyncio.get_running_loop().time() + within_s
        self.calls += 1
        try:
            try:
                return await self._sent(method, target, headers, body, used, until)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                if not used.again:
                    raise
                return await self._sent(method, target, headers, body, used, until)
        except UnusableBodyError as error:
            return NoAnswer(str(error), unheld=True)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            # Whatever a call to a stranger leads to is a value.
            return NoAnswer(phrase(error))
        finally:
            self.calls -= 1

    async def _sent(
        self, method: str, target: str, headers: Headers, body: bytes, used: SimpleNamespace, until: float
    ) -> Response | NoAnswer:
        """`until` by the loop's clock."""
        url, now = URL(self.provider.settings.origin + target, encoded=True), asyncio.get_running_loop().time
        received = bytearray()
        try:
            async with (
                asyncio.timeout(self._timeout_s) as silence,
                self._session.request(
                    method, url, headers=headers, data=body or None, allow_redirects=False, trace_request_ctx=used
                ) as answer,
            ):
                if answer.status < 200:
                    # As 101, behind which what a client sends would go to the origin unread.
                    return NoAnswer("an answer that is none to what was asked")
                fields = tuple((text(name), text(value)) for name, value in answer.raw_headers)
                silence.reschedule(now() + self._timeout_s)
                async for chunk in answer.content.iter_any():
                    received += chunk
                    if len(received) > self._most:
                        raise UnusableBodyError(f"a body larger than {self._most} bytes")
                    silence.reschedule(min(now() + self._timeout_s, until))
                interim = answer.interim if isinstance(answer, Final) else ()
                return Response(answer.status, fields, bytes(received), interim)
        except TimeoutError:
            if received and silence.when() == until:
                return NoAnswer("the answer takes too long", timed_out=True, unheld=True)
            return NoAnswer(f"no answer within {self._timeout_s:g} s", timed_out=True)


def must_be_sendable(headers: Headers) -> None:
    """Raises Unsendable for bytes that are no UTF-8."""
    try:
        for name, value in headers:
            (name + value).encode()
    except UnicodeEncodeError:
        raise Unsendable from None


async def _reused(_: object, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx.again = True


def outgoing(request: Request) -> Headers:
    """The client's fields as the next hop gets them (RFC 9110 section 7.6). What asks for another thing than the
    target names would have its answer stored under the target, so it ends here."""
    dropped = _NOT_SENT | TURNING
    fields = tuple(item for item in forwarded(request.headers, asked=True) if item[0].lower() not in dropped)
    if len(cookies := [value for name, value in fields if name.lower() == "cookie"]) > 1:
        # HTTP/2 may send them one by one (RFC 9113 section 8.2.3).
        fields = (*(item for item in fields if item[0].lower() != "cookie"), ("Cookie", "; ".join(cookies)))
    return (*fields, ("Via", "1.1 holdover"))
