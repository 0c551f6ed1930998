"""The only HTTP client towards providers: one logical fetch, conditional where that is possible.

aiohttp, not mitmproxy's own upstream path: that one takes a 103 for the final response and pools nothing."""

import asyncio
import gzip
import random
import ssl
import time
import zlib
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from urllib.parse import quote

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from holdover.entry import Entry, revision_of
from holdover.exchange import Headers, Response, elements, end_to_end, header
from holdover.gate import Breaker, Rate, retry_after
from holdover.key import CanonicalRequest
from holdover.metrics import Effect, Trigger, UpstreamMetrics
from holdover.policy import content_refusal, provider_trouble, refusal
from holdover.rules import Provider, Route
from holdover.settings import RouteSettings

# Not kept: what describes one message or one connection, and cookies, which are for one client.
_NOT_STORED = frozenset("content-length content-encoding age set-cookie set-cookie2 accept-ranges".split())
_RETRIED = frozenset((502, 503, 504))
_THREAD_FROM_BYTES = 32_768


@dataclass(frozen=True, slots=True)
class Fetched:
    """A storable answer, or the stored one confirmed."""

    entry: Entry
    effect: Effect


@dataclass(frozen=True, slots=True)
class Refused:
    """A complete answer of the provider that must not be stored. With `trouble` it says nothing about what was
    asked for, so a good stored answer is better; otherwise clients who wait get it verbatim."""

    response: Response
    reason: str
    trouble: bool


@dataclass(frozen=True, slots=True)
class Failed:
    """No answer. `reason` is a phrase without URL or credential; `retry_after` in seconds, if known."""

    reason: str
    timed_out: bool = False
    retry_after: float | None = None


type FetchResult = Fetched | Refused | Failed


class _FixedAddress(AbstractResolver):
    """Resolves every name to the configured address, so that interposed DNS cannot lead back to holdover."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:  # noqa: ARG002
        ip, fixed_port = self._address
        return [ResolveResult(hostname=host, host=ip, port=fixed_port, family=family or 2, proto=6, flags=0)]

    async def close(self) -> None:
        pass


class Fetcher:
    """Calls one provider, within its limits. Make and close it inside the event loop that uses it."""

    def __init__(
        self, provider: Provider, metrics: UpstreamMetrics, *, user_agent: str, ca_file: Path | None = None
    ) -> None:
        limits = provider.settings.limits
        self.provider = provider
        self._metrics = metrics
        self._limits = limits
        self._rate = Rate(limits.rate_per_s, limits.burst)
        self._breaker = Breaker(limits.breaker_failures, limits.breaker_open_s)
        self._slots = asyncio.Semaphore(limits.concurrency)
        self._held_until = 0.0
        self._held_with: Response | None = None
        self._clock_offset: float | None = None
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                resolver=_FixedAddress(provider.address) if provider.settings.address else None,
                ssl=ssl.create_default_context(cafile=str(ca_file)) if ca_file else True,
            ),
            timeout=aiohttp.ClientTimeout(total=limits.timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"User-Agent": user_agent, "Accept": "*/*", "Accept-Encoding": "gzip"},
        )

    async def close(self) -> None:
        await self._session.close()

    def ready(self) -> bool:
        """Whether a refresh may start now: nothing that a client waits for would be delayed by it."""
        now = time.monotonic()
        return (
            now >= self._held_until
            and self._breaker.wait(now) == 0
            and self._rate.available(now)
            and not self._slots.locked()
        )

    @property
    def longest(self) -> float:
        """The longest that one fetch with its retries takes, in seconds."""
        return self._limits.timeout_s * (self._limits.retries + 1) + 1.0

    async def fetch(
        self, route: Route, canonical: CanonicalRequest, previous: Entry | None, trigger: Trigger
    ) -> FetchResult:
        """One logical fetch. `previous` is the stored entry: its validators are sent, and it is what a 304 confirms.

        Answers every outcome with a value; raises only when cancelled."""
        for attempt in range(self._limits.retries + 1):
            if (refused := self._refusal_to_call()) is not None:
                return refused
            await asyncio.sleep(self._rate.take(time.monotonic()))
            async with self._slots:
                result = await self._call(route, canonical, previous, "retry" if attempt else trigger)
            if attempt == self._limits.retries or not _worth_retrying(result):
                return result
            await asyncio.sleep(random.uniform(0.05, 0.15) * 2**attempt)  # noqa: S311
        raise AssertionError("unreachable")

    def _refusal_to_call(self) -> FetchResult | None:
        """Why the provider is not called now: it asked for a pause, or it fails and is left alone."""
        now = time.monotonic()
        if (left := self._held_until - now) > 0:
            if self._held_with is not None:
                kept = [(n, v) for n, v in self._held_with.headers if n.lower() != "retry-after"]
                headers = (*kept, ("Retry-After", str(max(1, round(left)))))
                return Refused(
                    replace(self._held_with, headers=headers), "the provider asked for a pause", trouble=True
                )
            return Failed("the provider asked for a pause", retry_after=left)
        if (left := self._rate.wait(now)) > self._limits.timeout_s:
            return Failed("more is asked than the provider's rate limit allows", retry_after=left)
        if (left := self._breaker.wait(now)) > 0:
            return Failed("the provider fails and is left alone for a moment", retry_after=left)
        return None

    async def _call(
        self, route: Route, canonical: CanonicalRequest, previous: Entry | None, trigger: Trigger
    ) -> FetchResult:
        name, metrics = self.provider.name, self._metrics
        self._breaker.start(time.monotonic())
        requested_at, started = time.time(), time.perf_counter()
        code = "error"
        result: FetchResult = Failed("cancelled")
        metrics.active.labels(name).inc()
        try:
            response = await self._send(canonical, previous)
            seconds = time.perf_counter() - started
            code = f"{response.status // 100}xx"
            self._told(response, requested_at + seconds)
            result = await self._judge(route, canonical, previous, response, requested_at, seconds)
        except TimeoutError:
            result = Failed(f"no answer within {self._limits.timeout_s:g} s", timed_out=True)
        except (aiohttp.ClientError, OSError, _UnusableBody) as error:
            result = Failed(_phrase(error))
        except asyncio.CancelledError:
            self._breaker.abandoned()
            raise
        finally:
            metrics.active.labels(name).dec()
            metrics.requests.labels(name, route.name, trigger, code).inc()
            metrics.duration.labels(name, trigger).observe(time.perf_counter() - started)
        self._count(result)
        return result

    async def _send(self, canonical: CanonicalRequest, previous: Entry | None) -> Response:
        headers = dict(canonical.headers)
        if previous is not None and previous.etag:
            headers["If-None-Match"] = previous.etag
        if previous is not None and previous.last_modified:
            headers["If-Modified-Since"] = previous.last_modified
        target = canonical.target
        named, secret = self.provider.settings.credential, self.provider.secret
        if named is not None and secret is not None:
            if named.header is not None:
                headers[named.header] = secret.value
            else:
                separator = "&" if "?" in target else "?"
                target += f"{separator}{quote(named.query or '')}={quote(secret.value, safe='')}"
        url = URL(self.provider.settings.origin + target, encoded=True)
        async with self._session.get(url, headers=headers, allow_redirects=False) as answer:
            body = bytearray()
            async for chunk in answer.content.iter_any():
                body += chunk
                if len(body) > self._limits.max_body_bytes:
                    raise _UnusableBody(f"a body larger than {self._limits.max_body_bytes} bytes")
            self._metrics.bytes.labels(self.provider.name).inc(len(body))
            fields = tuple((_text(name), _text(value)) for name, value in answer.raw_headers)
            return Response(answer.status, fields, bytes(body))

    async def _judge(
        self,
        route: Route,
        canonical: CanonicalRequest,
        previous: Entry | None,
        response: Response,
        requested_at: float,
        seconds: float,
    ) -> FetchResult:
        moment = (requested_at, requested_at + seconds, _age(response), seconds)
        if response.status == 304 and previous is not None:
            return Fetched(_confirmed(previous, response, moment), "not_modified")
        if (reason := refusal(route.settings, response)) is not None:
            return Refused(response, reason, trouble=provider_trouble(response.status))
        read = partial(_read, route.settings, response, self._limits.max_body_bytes)
        # Off the loop, which a large board would hold up for milliseconds.
        codings = await asyncio.to_thread(read) if len(response.body) > _THREAD_FROM_BYTES else read()
        if isinstance(codings, str):
            return Refused(response, codings, trouble=True)
        entry = _entry(canonical, response, codings, moment)
        if previous is not None and previous.revision == entry.revision:
            same = replace(entry, identity=previous.identity, gzip=previous.gzip)
            return Fetched(same, "unchanged")
        return Fetched(entry, "changed")

    def _told(self, response: Response, received_at: float) -> None:
        """What every answer tells besides its content: quota, clock, and whether to pause."""
        name, quota = self.provider.name, self.provider.settings.quota
        for field_name, gauge in (
            (quota.remaining, self._metrics.quota_remaining),
            (quota.used, self._metrics.quota_used),
        ):
            if field_name and (value := header(response.headers, field_name)) is not None:
                try:
                    gauge.labels(name).set(float(value))
                except ValueError:
                    continue
        if (date := _date(header(response.headers, "date"))) is not None:
            # Date has whole seconds: half of one is the best guess at the rest.
            seen = date + 0.5 - received_at
            smoothed = seen if self._clock_offset is None else 0.9 * self._clock_offset + 0.1 * seen
            self._clock_offset = smoothed
            self._metrics.clock_offset.labels(name).set(smoothed)
        if response.status in (429, 503):
            pause = retry_after(header(response.headers, "retry-after"), received_at)
            if pause is None and response.status == 429:
                pause = random.uniform(1.0, 2.0)  # noqa: S311
            if pause is not None:
                self._held_until = time.monotonic() + pause
                self._held_with = response

    def _count(self, result: FetchResult) -> None:
        now = time.monotonic()
        failed = isinstance(result, Failed) or (isinstance(result, Refused) and result.response.status >= 500)
        if failed:
            self._breaker.failure(now)
        else:
            self._breaker.success()
        self._metrics.show_circuit(self.provider.name, self._breaker.state(now))
        effect: Effect = result.effect if isinstance(result, Fetched) else "error"
        self._metrics.responses.labels(self.provider.name, effect).inc()


class _UnusableBody(Exception):
    """The body is too large or not what its headers say."""


def _worth_retrying(result: FetchResult) -> bool:
    match result:
        case Failed(timed_out=timed_out):
            return not timed_out
        case Refused(response):
            return response.status in _RETRIED and header(response.headers, "retry-after") is None
        case _:
            return False


def _phrase(error: Exception) -> str:
    """What went wrong, from the kind of error alone: messages of HTTP libraries can quote the URL with its key."""
    match error:
        case _UnusableBody():
            return str(error)
        case aiohttp.ClientConnectorCertificateError() | ssl.SSLError():
            return "the provider's certificate is not trusted"
        case aiohttp.ClientConnectorError() | ConnectionRefusedError():
            return "no connection to the provider"
        case aiohttp.ClientPayloadError():
            return "the provider's answer broke off"
        case aiohttp.ServerDisconnectedError() | ConnectionResetError():
            return "the provider closed the connection"
        case aiohttp.ClientResponseError():
            return "the provider's answer is not valid HTTP"
    return f"the call failed ({type(error).__name__})"


def _confirmed(previous: Entry, response: Response, moment: tuple[float, float, float, float]) -> Entry:
    """RFC 9111 section 4.3.4: the fields of a 304 replace the stored ones of the same name."""
    fresh = _stored_fields(response.headers)
    names = {name.lower() for name, _ in fresh}
    kept = tuple(field for field in previous.headers if field[0].lower() not in names)
    requested_at, received_at, initial_age, seconds = moment
    return replace(
        previous,
        headers=kept + fresh,
        requested_at=requested_at,
        received_at=received_at,
        initial_age=initial_age,
        fetch_s=seconds,
    )


def _entry(
    canonical: CanonicalRequest,
    response: Response,
    codings: tuple[bytes, bytes],
    moment: tuple[float, float, float, float],
) -> Entry:
    identity, zipped = codings
    revision = revision_of(response.status, identity)
    return Entry(canonical, response.status, _stored_fields(response.headers), identity, zipped, revision, *moment)


def _stored_fields(headers: Headers) -> Headers:
    return tuple(field for field in end_to_end(headers) if field[0].lower() not in _NOT_STORED)


def _read(route: RouteSettings, response: Response, limit: int) -> tuple[bytes, bytes] | str:
    """The body in both codings, or why its content must not be stored."""
    codings = _codings(response, limit)
    return content_refusal(route, header(response.headers, "content-type"), codings[0]) or codings


def _codings(response: Response, limit: int) -> tuple[bytes, bytes]:
    """The body as (identity, gzip)."""
    coding = elements(header(response.headers, "content-encoding"))
    if not coding or coding == ["identity"]:
        return response.body, gzip.compress(response.body, 6, mtime=0)
    if coding not in (["gzip"], ["x-gzip"]):
        raise _UnusableBody(f"a content coding that was not asked for ({coding[0][:20]})")
    inflater = zlib.decompressobj(31)
    try:
        identity = inflater.decompress(response.body, limit + 1)
    except zlib.error:
        raise _UnusableBody("a body that is not the gzip it says it is") from None
    if len(identity) > limit:
        raise _UnusableBody(f"a body larger than {limit} bytes")
    if not inflater.eof or inflater.unused_data:
        raise _UnusableBody("a gzip body that broke off")
    return identity, response.body


def _age(response: Response) -> float:
    """The provider side's Age in seconds; a list counts by its first member (RFC 9111 section 5.1)."""
    first = (header(response.headers, "age") or "").partition(",")[0].strip()
    return float(min(int(first[:10]), 2**31)) if first.isascii() and first.isdigit() else 0.0


def _date(value: str | None) -> float | None:
    try:
        return parsedate_to_datetime(value).timestamp() if value else None
    except ValueError:
        return None


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
