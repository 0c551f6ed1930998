"""The only HTTP client towards providers: one logical fetch, conditional where that is possible.

aiohttp, not mitmproxy's own upstream path: that one takes a 103 for the final response and pools nothing."""

import asyncio
import random
import ssl
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from pathlib import Path

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError
from aiohttp.tracing import Trace
from yarl import URL

from holdover.account import LISTEN_S, kept
from holdover.caching.validation import conditions
from holdover.call import Bookkeeping, Call
from holdover.coding import UnusableBodyError, without
from holdover.credential import MIN_CREDENTIAL, Credential
from holdover.exchange import Response, header
from holdover.intake import Failed, Fetched, FetchResult, Question, Refused, judge
from holdover.limits import Limits
from holdover.metrics import Effect, UpstreamMetrics
from holdover.outspoken import Outspoken, speaking
from holdover.rules import Provider
from holdover.tally import Tally

MOST_SAID = 16
_RETRIED = frozenset((502, 503, 504))
_THREAD_FROM_BYTES = 32_768


class FixedAddress(AbstractResolver):
    """Resolves every name to the configured address, so that interposed DNS cannot lead back to holdover."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:  # noqa: ARG002
        ip, fixed_port = self._address
        return [ResolveResult(hostname=host, host=ip, port=fixed_port, family=family or 2, proto=6, flags=0)]

    async def close(self) -> None:
        pass


class Connector(aiohttp.TCPConnector):
    """Uses no kept connection on which something came that nobody had asked for: aiohttp takes that for the answer to
    the next request, and every later answer for that of a request too late."""

    async def _get(self, key: ConnectionKey, traces: list[Trace]) -> Connection | None:
        while (kept := await super()._get(key, traces)) is not None and kept.protocol is not None:
            if not kept.protocol.should_close:
                return kept
            kept.close()
        return None


class Fetcher:
    """Calls one provider, within its limits. Make and close it inside the event loop that uses it."""

    def __init__(
        self,
        provider: Provider,
        metrics: UpstreamMetrics,
        tally: Tally,
        *,
        user_agent: str,
        ca_file: Path | None = None,
    ) -> None:
        limits = provider.settings.limits
        self.provider = provider
        self._metrics = metrics
        self._limits = limits
        self.limits = Limits(provider, metrics)
        # By key, since it fails; the latest last.
        self._said: dict[str, Refused] = {}
        self._books = Bookkeeping(provider, metrics, tally)
        connector = Connector(
            limit=0,
            resolver=FixedAddress(provider.address) if provider.settings.address else None,
            ssl=ssl.create_default_context(cafile=str(ca_file)) if ca_file else True,
        )
        self._session = aiohttp.ClientSession(
            connector=speaking(Outspoken, connector),
            timeout=aiohttp.ClientTimeout(total=limits.timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"User-Agent": user_agent, "Accept": "*/*", "Accept-Encoding": "gzip"},
        )
        # aiohttp would send a GET again by itself when a kept connection turns out closed: calls that nobody counts.
        self._session._retry_connection = False  # noqa: SLF001

    async def close(self) -> None:
        await self._session.close()

    @property
    def longest(self) -> float:
        """The longest that one fetch with its retries and its waits for the rate takes, in seconds."""
        return 3 * self._limits.timeout_s * (self._limits.retries + 1) + 1.0

    async def fetch(self, call: Call) -> FetchResult:
        """One logical fetch. `call.previous` is the stored entry: its validators are sent, and a 304 confirms it.

        Answers every outcome with a value; raises only when cancelled."""
        call.account.calls += 1
        try:
            return await self._heard(call)
        finally:
            call.account.calls -= 1

    async def _heard(self, call: Call) -> FetchResult:
        if call.trigger == "client" and self._refusal_is_unknown(call):
            # Who comes meanwhile gets what the first one hears.
            async with call.account.hearing:
                return await self._fetch(call)
        return await self._fetch(call)

    async def _fetch(self, call: Call) -> FetchResult:
        result: FetchResult | None = None
        for attempt in range(self._limits.retries + 1):
            refusal, stranger = partial(self._refusal_to_call, call), call.trigger == "forward"
            async with self.limits.turn(call.account, refusal, stranger=stranger) as refused:
                if refused is not None:
                    # What the last try led to tells more than why there is no further one.
                    return result or refused
                result = await self._call(replace(call, trigger="retry") if attempt else call)
            if attempt == self._limits.retries or not _worth_retrying(result):
                return result
            await asyncio.sleep(random.uniform(0.05, 0.15) * 2**attempt)  # noqa: S311
        raise AssertionError("unreachable")

    def _refusal_is_unknown(self, call: Call) -> bool:
        account = call.account
        return account.last_refusal is None and account.suspended(time.time(), self._cost(call)) is not None

    def _cost(self, call: Call) -> float:
        """As it is known before there is an answer."""
        return self.provider.profile.cost(call.route.settings, call.canonical, None)

    def _refusal_to_call(self, call: Call) -> Refused | Failed | None:
        """Why the provider is not called now: it asked for a pause, the account is used up, or it fails and is left
        alone."""
        account, now = call.account, time.time()
        if (reason := account.suspended(now, self._cost(call))) is not None:
            if account.last_refusal is not None:
                return Refused(account.last_refusal, reason, trouble=True)
            # Clients get the provider's own words, not ours. A restart forgot them: one call a minute may hear them
            # again, and being refused costs nothing. By our own count there is nothing to hear.
            if call.trigger != "client" or not account.may_hear(now):
                return Failed(reason, retry_after=LISTEN_S, unheard=True)
        if (left := account.pause_until - now) > 0:
            if account.paused_with is not None:
                kept = [(n, v) for n, v in account.paused_with.headers if n.lower() != "retry-after"]
                headers = (*kept, ("Retry-After", str(max(1, round(left)))))
                return Refused(
                    replace(account.paused_with, headers=headers), "the provider asked for a pause", trouble=True
                )
            return Failed("the provider asked for a pause", retry_after=left)
        if call.turn is not None and (left := call.turn.left()) > 0:
            return Failed("the provider was asked too recently", retry_after=left)
        failing = self.limits.left_alone()
        # What was said of one question may hold what is not for who asks another.
        if failing is not None and (said := self._said.get(call.canonical.key)) is not None:
            return replace(said, reason=failing.reason, trouble=True)
        return failing

    async def _call(self, call: Call) -> FetchResult:
        name, metrics = self.provider.name, self._metrics
        requested_at, started = time.time(), time.perf_counter()
        if call.turn is not None:
            call.turn.taken()
        if call.account.suspended(requested_at, self._cost(call)) is not None:
            call.account.heard_at = requested_at
        code = "error"
        result: FetchResult = Failed("cancelled")
        heard: list[Response] = []
        metrics.active.labels(name).inc()
        try:
            response = await self._send(call, heard)
            seconds = time.perf_counter() - started
            code = f"{response.status // 100}xx"
            heard[:] = [response := await self._without_credential(response, call.credential)]
            question = Question(self.provider, call.route.settings, call.canonical, call.previous, requested_at)
            judging = partial(judge, question, response, seconds, self._limits.max_body_bytes)
            result = await off_loop(decoded_size(response), judging)
        except TimeoutError:
            result = Failed(f"no answer within {self._limits.timeout_s:g} s", timed_out=True)
        except Exception as error:
            # Whatever a call to a stranger leads to is a value.
            broken = isinstance(error, aiohttp.ClientConnectionError | aiohttp.ClientPayloadError | OSError)
            result = Failed(phrase(error), connection=broken)
        finally:
            metrics.active.labels(name).dec()
            metrics.requests.labels(name, call.route.name, call.trigger, code).inc()
            metrics.duration.labels(name, call.trigger).observe(time.perf_counter() - started)
            for answer in heard:
                self._books.settle(call, answer, result, requested_at)
        self._count(result, call.canonical.key)
        return result

    async def _send(self, call: Call, heard: list[Response]) -> Response:
        """`heard` gets the head of the answer as soon as that is there: it tells the cost also of a body that breaks
        off."""
        previous = call.previous
        asked = self.provider.profile.ask(call.canonical, previous.identity if previous else None)
        headers = dict((*asked.headers, *call.credential.headers))
        # A projection carries the wide answer's validators; a 304 to them would confirm what was never sent so.
        if previous is not None and not previous.projected and asked is call.canonical:
            headers.update(conditions(previous))
        if asked.body:
            headers["Content-Type"] = "application/json"
        asked_at = time.time()
        url = URL(self.provider.settings.origin + call.credential.on(asked.target), encoded=True)
        async with self._session.request(
            asked.method, url, headers=headers, data=asked.body.encode() or None, allow_redirects=False
        ) as answer:
            fields = tuple((text(name), text(value)) for name, value in answer.raw_headers)
            if answer.status < 200:
                raise UnusableBodyError("a change of protocol that was not asked for")
            heard.append(Response(answer.status, fields))
            self._books.told(call, heard[-1], asked_at, time.time())
            body = bytearray()
            async for chunk in answer.content.iter_any():
                body += chunk
                if len(body) > self._limits.max_body_bytes:
                    raise UnusableBodyError(f"a body larger than {self._limits.max_body_bytes} bytes")
            self._metrics.bytes.labels(self.provider.name).inc(len(body))
            return Response(answer.status, fields, bytes(body))

    async def _without_credential(self, response: Response, credential: Credential) -> Response:
        secrets = [value for value in credential.values if len(value) >= MIN_CREDENTIAL]
        for secret in secrets:
            blank = partial(without, response, secret, self._limits.max_body_bytes)
            response = await off_loop(decoded_size(response), blank)
        return response

    def _count(self, result: FetchResult, key: str) -> None:
        trouble = _tells_of_trouble(result)
        self.limits.heard(trouble=trouble)
        if trouble:
            self._said.pop(key, None)
            if isinstance(result, Refused) and kept(result.response) is not None:
                self._said[key] = result
            if len(self._said) > MOST_SAID:
                del self._said[next(iter(self._said))]
        else:
            self._said.clear()
        effect: Effect = (result.effect or "unchanged") if isinstance(result, Fetched) else "error"
        self._metrics.responses.labels(self.provider.name, effect).inc()


def _tells_of_trouble(result: FetchResult) -> bool:
    """Whether the provider as a whole seems to fail. A 200 that is no JSON comes from a gateway in front of it; what
    the provider itself calls an error may be about one request."""
    match result:
        case Refused(response, _, trouble, means):
            return response.status >= 500 or (response.status == 200 and trouble and means is None)
        case Failed():
            return True
    return False


def decoded_size(response: Response) -> int:
    """About how many bytes there will be: odds are compressed to a twentieth."""
    coded = header(response.headers, "content-encoding") is not None
    return len(response.body) * (20 if coded else 1)


async def off_loop[T](size: int, work: Callable[[], T], executor: Executor | None = None) -> T:
    """Runs `work` on a body of `size` bytes; in a thread when it would hold up the event loop for milliseconds."""
    return await asyncio.get_running_loop().run_in_executor(executor, work) if size > _THREAD_FROM_BYTES else work()


def _worth_retrying(result: FetchResult) -> bool:
    match result:
        case Failed(connection=connection):
            return connection
        case Refused(response):
            return response.status in _RETRIED and header(response.headers, "retry-after") is None
        case _:
            return False


def phrase(error: Exception) -> str:
    """What went wrong, from the kind of error alone: messages of HTTP libraries can quote the URL with its key."""
    match error:
        case UnusableBodyError():
            return str(error)
        case aiohttp.ClientConnectorCertificateError() | ssl.SSLError():
            return "the provider's certificate is not trusted"
        case aiohttp.ClientConnectorError() | ConnectionRefusedError():
            return "no connection to the provider"
        case aiohttp.ClientPayloadError():
            return "the provider's answer broke off"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() | ConnectionResetError():
            return "the provider closed the connection"
        case aiohttp.ClientResponseError() | HttpProcessingError():
            return "the provider's answer is not valid HTTP"
    return f"the call failed ({type(error).__name__})"


def text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
