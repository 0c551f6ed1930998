"""The mitmproxy addon: flows in, answers out. All decisions are made in `holdover`; this file knows mitmproxy.

Embedded by `holdover proxy`, or loaded by `mitmdump -s addons/odds_cache.py --set holdover_config=config`. A script
loaded so has no package, hence only absolute imports; mitmproxy runs it anew when it changes, hence no state at
module level; and it takes the module's own names for hooks, hence none here is called like an event (`load`)."""

import asyncio
import errno
import logging
import os
import re
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler

from mitmproxy import ctx
from mitmproxy.addonmanager import Loader
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Client
from mitmproxy.http import Headers, HTTPFlow
from mitmproxy.http import Request as HTTPRequest
from mitmproxy.http import Response as HTTPResponse
from mitmproxy.net.http.url import parse_authority
from mitmproxy.net.tls import starts_like_tls_record
from mitmproxy.proxy.layer import NextLayer
from mitmproxy.proxy.layers import ClientTLSLayer, HttpLayer, TCPLayer
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.proxy.mode_servers import AsyncioServerInstance
from mitmproxy.proxy.mode_specs import ProxyMode, RegularMode, ReverseMode, Socks5Mode, UpstreamMode
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.tcp import TCPFlow
from mitmproxy.tls import ClientHelloData
from prometheus_client import start_http_server

from holdover import config as configuration
from holdover.answer import REASONS, Answer, closing, encoded, local
from holdover.caching.invalidation import SAFE
from holdover.config import Config, ConfigError
from holdover.exchange import Headers as Fields
from holdover.exchange import Request, Response, elements
from holdover.hygiene import NO_TRACE, Fault
from holdover.key import Bypass, Cacheable, ForOrigin, ForPromos
from holdover.lane import Lane
from holdover.metrics import OTHER, Metrics, Outcome, status_class
from holdover.passing import passed_on
from holdover.rules import Provider
from holdover.settings import split_address
from holdover.standin import StandIn, wants_of
from holdover.store.base import StoreError
from holdover.store.disk import DiskStore
from holdover.store.ledger import Ledger
from holdover.watch import cancel, config_changes, observe_loop, start, took_over

if not __name__.startswith("__mitmproxy_script__"):
    from .certificates import Certificates, for_hosts
    from .fast_lane import FastLane
    from .foreign import foreign
    from .heads import read_carefully
    from .lane_layer import LaneLayer
    from .reach import Reach, Unreachable
    from .sockets import BACKLOG
    from .ways_out import let_go
else:
    # What mitmdump loads by its path has no package of its own.
    from holdover.addons.certificates import Certificates, for_hosts  # type: ignore[no-redef]
    from holdover.addons.fast_lane import FastLane  # type: ignore[no-redef]
    from holdover.addons.foreign import foreign  # type: ignore[no-redef]
    from holdover.addons.heads import read_carefully  # type: ignore[no-redef]
    from holdover.addons.lane_layer import LaneLayer  # type: ignore[no-redef]
    from holdover.addons.reach import Reach, Unreachable  # type: ignore[no-redef]
    from holdover.addons.sockets import BACKLOG  # type: ignore[no-redef]
    from holdover.addons.ways_out import let_go  # type: ignore[no-redef]

_PASSED = "holdover.passed"
_HTTP = re.compile(rb"(GET|HEAD|POST) /")
_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(rb"/[!-~]*|\*")
_SPLITTING = re.compile(rb"[\0\r\n]")
_VALIDATES = (
    "without it one client's malformed request can become another's answer. Take `validate_inbound_headers=false` "
    "out of where it was set: `--set` on the command line, or config.yaml in mitmproxy's confdir"
)
METRICS_RETRY_S = 0.1

logger = logging.getLogger("holdover.proxy")


@dataclass(slots=True)
class _Passed:
    """What to count when a flow that went to the provider ends. `host`: what the client called, where mitmproxy's
    flow has that of the origin."""

    host: str
    upstream: str
    route: str
    outcome: Outcome
    started: float


class _Impatient(WSGIRequestHandler):
    """With who asks for metrics, or is to read them: each has a thread of its own."""

    timeout = 5.0

    def log_message(self, *_: object) -> None:
        """Tells nobody of each request."""


class OddsCache:
    """Answers what routes cover from the shared cache, passes the rest on, refuses what is nobody's."""

    def __init__(
        self,
        config: Config | None = None,
        metrics: Metrics | None = None,
        doors: Iterable[tuple[str, socket.socket]] | None = None,
        certificates: Certificates | None = None,
    ) -> None:
        """`doors`: sockets to listen on, each with mitmproxy's specification of what it is for; None when those of
        mitmproxy's own servers are to be taken over. `certificates`: None when they come from mitmproxy's store."""
        self._config = config
        self._doors = doors
        self._certificates = certificates
        self.metrics_address: str | None = None
        """Of one of several workers. It is waited for: the worker before this one holds it until it has drained."""
        self.reach: Reach | None = None
        """None where mitmproxy is somebody else's, who decides where it connects to."""
        self._lane: Lane | None = None
        self.fast: FastLane | None = None
        self._metrics = metrics or Metrics()
        self._overhead = self._metrics.client.overhead.labels("request")
        self._standin: StandIn | None = None
        self._tasks: list[asyncio.Task[None]] = []
        # What is being asked for on each connection in mitmproxy's hands, by its id.
        self._asking: dict[str, set[asyncio.Task[Any]]] = {}
        self._stop_metrics: Callable[[], object] = lambda: None
        self.closed: asyncio.Task[None] | None = None
        self.serving = False

    # Life cycle. The hooks that mitmproxy calls on a reloaded script must be synchronous. All is made before
    # mitmproxy listens: a request that came between would be forwarded.

    def load(self, loader: Loader) -> None:
        read_carefully()
        if self._config is None:
            loader.add_option("holdover_config", str, "config", "Folder of holdover's configuration.")
        else:
            self._start(self._config)

    def configure(self, updated: set[str]) -> None:
        if "validate_inbound_headers" in updated and not ctx.options.validate_inbound_headers:
            # Without it mitmproxy passes on heads that it takes for one request and the provider for two.
            ctx.options.update(validate_inbound_headers=True)
            # During start-up an error ends mitmproxy with status 1.
            logger.error("mitmproxy's option validate_inbound_headers must stay on, and is on again: %s", _VALIDATES)
        if "holdover_config" not in updated:
            return
        try:
            config = configuration.load(Path(ctx.options.holdover_config), os.environ)
        except ConfigError as error:
            # Not raised: mitmproxy would print a traceback. An error in the log ends it at start with status 1.
            logger.error("holdover's configuration cannot be used:\n%s", error)  # noqa: TRY400
            return
        if self._standin is not None:
            self._use(self._standin, config)
            return
        # eager: a hit would open a connection to the provider, and fail when that is down.
        # keep_host_header: the Host that the client called tells which provider it means.
        ctx.options.update(connection_strategy="lazy", keep_host_header=True)
        self._start(config)

    def _start(self, config: Config) -> None:
        try:
            store = DiskStore(config.cache_folder, config.settings.store.max_bytes, logger.error)
            ledger = Ledger(config.store_folder, logger.error)
        except StoreError as error:
            # Logged as an error during start-up, which ends mitmproxy with status 1.
            logger.error("%s", error)  # noqa: TRY400
            return
        self._metrics.prepare(config.rules)
        took_over(config, self._metrics.runtime)
        self._standin = standin = StandIn(config, store, ledger, self._metrics)
        self.serving = self._serve_metrics(self.metrics_address or config.settings.proxy.metrics)
        jobs = (
            standin.report_demand(),
            standin.follow_store(),
            observe_loop(self._metrics.runtime),
            self._follow_config(standin),
        )
        self._tasks = start(jobs, self._metrics.runtime)
        self._lane = Lane(standin, config.settings.lane, self._metrics.lane)

    async def running(self) -> None:
        """mitmproxy listens by now, where it does so itself."""
        if self._standin is None or self._lane is None:
            return
        manager = ctx.master.addons.get("proxyserver")
        master, config = ctx.master, self._standin.config
        certificates = self._certificates
        if certificates is None:
            store = master.addons.get("tlsconfig").certstore
            certificates = for_hosts(store, config.rules.hosts, config.certificates)
        self.fast = FastLane(
            self._lane,
            config.settings.lane,
            self._metrics,
            manager,
            lambda: foreign(master.addons.chain, self),
            certificates,
            config.certificates,
            http2=config.settings.proxy.http2,
        )
        self._metrics.registry.add_up = self.fast.add_up
        self._tasks += start([self.fast.sweep()], self._metrics.runtime)
        if self._doors is None:
            self._take_over(manager)
        for mode, listener in self._doors or ():
            self.fast.listen(listener, ProxyMode.parse(mode))

    def _take_over(self, manager: Proxyserver) -> None:
        """Accepts in the place of mitmproxy's servers, on their sockets."""
        assert self.fast is not None
        loop = asyncio.get_running_loop()
        for instance in manager.servers:
            if not (isinstance(instance, AsyncioServerInstance) and _speaks_http(instance.mode)):
                continue
            for server in instance._servers:  # noqa: SLF001
                for theirs in server.sockets if isinstance(server, asyncio.Server) else ():
                    loop.remove_reader(theirs.fileno())
                    mine = socket.socket(fileno=os.dup(theirs.fileno()))
                    mine.listen(BACKLOG)
                    self.fast.listen(mine, instance.mode)

    def done(self) -> None:
        self._stop_metrics()
        self.closed = asyncio.create_task(self._close())

    async def _close(self) -> None:
        if self.fast is not None:
            self.fast.close_listeners()
            self.fast.close()
        await cancel(self._tasks)
        if self._standin is not None:
            await self._standin.close()
        if self.reach is not None:
            self.reach.close()

    def _serve_metrics(self, address: str, *, again: bool = False) -> bool:
        host, port = split_address(address)
        try:
            server, thread = start_http_server(port, host, registry=self._metrics.registry)
        except OSError as error:
            if self.metrics_address and error.errno == errno.EADDRINUSE:
                if not again:
                    logger.info("metrics on %s: waiting until the worker before this one has ended", address)
                retry = partial(self._serve_metrics, address, again=True)
                waiting = asyncio.get_running_loop().call_later(METRICS_RETRY_S, retry)
                self._stop_metrics = waiting.cancel
                return True
            logger.error("metrics cannot be served on %s: %s", address, error.strerror)  # noqa: TRY400
            return False

        server.RequestHandlerClass = _Impatient

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        self._stop_metrics = stop
        return True

    async def _follow_config(self, standin: StandIn) -> None:
        async for config in config_changes(standin.config, os.environ, self._metrics.runtime):
            self._use(standin, config)

    def _use(self, standin: StandIn, config: Config) -> None:
        standin.use(config)
        if self.reach is not None:
            self.reach.use(config)
        if self.fast is not None:
            self.fast.use(config.settings.lane, config.rules.hosts, config.certificates)

    # Flows.

    async def request(self, flow: HTTPFlow) -> None:
        if flow.response or flow.error or not flow.live or self._standin is None:
            return
        started, client, task = time.perf_counter(), flow.client_conn.id, asyncio.current_task()
        assert task is not None
        self._metrics.client.active.inc()
        self._asking.setdefault(client, set()).add(task)
        try:
            await self._handle(flow, self._standin, started)
        except Exception:
            # In front of clients nothing of ours may fail: the provider answers instead.
            logger.exception("a request was passed to the provider because of an internal error")
            self._metrics.runtime.internal_errors.labels("request").inc()
            self._pass(flow, self._provider(flow), OTHER, "failopen", started)
        finally:
            self._metrics.client.active.dec()
            if (asking := self._asking.get(client)) is not None:
                asking.discard(task)
                if not asking:
                    del self._asking[client]

    def client_disconnected(self, client: Client) -> None:
        """Nobody waits for what was asked on it: else whoever asks and goes, again and again, would have more under
        way than connections may be open. What others wait for, or is stored for them, goes on."""
        for task in self._asking.pop(client.id, ()):
            task.cancel()

    async def _handle(self, flow: HTTPFlow, standin: StandIn, started: float) -> None:
        request = _request(flow)
        if isinstance(request, Fault):
            self._answer(flow, _refused(flow, request), started)
            return
        match standin.plan(request):
            case Cacheable() as cacheable:
                wants = wants_of(request)
                if (answer := standin.hit(cacheable, wants, started)) is not None:
                    flow.response = _response(flow, answer)
                    self._overhead.observe(time.perf_counter() - started)
                else:
                    flow.response = _response(flow, await standin.miss(cacheable, wants, started))
            case ForPromos(provider, old) as asked:
                answer = await standin.homepage.answer(asked, wants_of(request))
                if answer is None:
                    self._pass(flow, provider, old.name, "failopen", started)
                else:
                    self._answer(flow, answer, started, (provider.name, old.name, "promos"))
            case ForOrigin(provider, by_origin) as asked:
                answer = await standin.origin.answer(asked, request, started)
                if answer is None:
                    self._pass(flow, provider, by_origin.name, "bypass", started)
                else:
                    self._tell(flow, answer.before)
                    flow.response = _response(flow, answer)
            case Bypass(provider, route, reason, kind):
                logger.debug("passed to %s: %s", provider.name, reason)
                self._metrics.client.bypasses.labels(provider.name, kind).inc()
                self._pass(flow, provider, route.name if route else OTHER, "bypass", started)
            case None:
                await self._nobodys(flow, started)

    async def _nobodys(self, flow: HTTPFlow, started: float) -> None:
        """No provider has the host."""
        if _stands_in(flow):
            self._answer(flow, _refusal(flow, 421, "no provider of this name is configured"), started)
        elif (refused := await self._led(flow, self.reach)) is not None:
            self._answer(flow, _refusal(flow, 403, refused), started)
        else:
            self._pass(flow, None, OTHER, "bypass", started)

    async def responseheaders(self, flow: HTTPFlow) -> None:
        if _PASSED not in flow.metadata or flow.response is None:
            return
        flow.response.stream = True
        lines = flow.response.headers.fields
        if any(_SPLITTING.search(value) for _, value in lines):
            # RFC 9110 section 5.5. The client, or a proxy before it, could read another field or answer here.
            flow.response.headers = Headers([(name, _SPLITTING.sub(b" ", value)) for name, value in lines])
        flow.response.data.reason = _SPLITTING.sub(b" ", flow.response.data.reason)
        if self._standin is not None and _method(flow.request) not in SAFE:
            await self._changed(flow.request, flow.metadata[_PASSED].host, flow.response, self._standin)
        # RFC 9110 sections 15.2.2 and 15.5.22.
        switches = flow.response.status_code in (101, 426)
        fields = passed_on(_text(flow.response.headers), asked=False, switches=switches)
        flow.response.headers = Headers(encoded(fields))

    async def _changed(self, request: HTTPRequest, host: str, response: HTTPResponse, standin: StandIn) -> None:
        """Before the client hears of it."""
        try:
            asked = Request(_method(request), host, request.path)
            await standin.changed(asked, Response(response.status_code, _text(response.headers)))
        except Exception:
            logger.exception("what a request may have changed is still stored because of an internal error")
            self._metrics.runtime.internal_errors.labels("request").inc()

    def response(self, flow: HTTPFlow) -> None:
        self._ended(flow, flow.response.status_code if flow.response else 502)

    def error(self, flow: HTTPFlow) -> None:
        self._ended(flow, 502)

    def tcp_message(self, flow: TCPFlow) -> None:
        """Of what an upgraded connection says: mitmproxy would keep all of it as long as that lasts."""
        if self.reach is not None:
            flow.messages.clear()

    # Connections.

    async def http_connect(self, flow: HTTPFlow) -> None:
        if self._standin is None or self._provider(flow) is not None:
            return
        if (refused := await self._led(flow, self.reach)) is not None:
            flow.response = _response(flow, local(403, refused))

    @staticmethod
    async def _led(flow: HTTPFlow, reach: Reach | None) -> str | None:
        """Leads a request of nobody's provider to the address that was looked at; why it is refused if it is."""
        if reach is not None:
            try:
                # Not by `host`, which would change the Host field too.
                flow.request.data.host, _ = await reach.address((flow.request.host, flow.request.port))
            except Unreachable as error:
                return str(error) if error.refused else None
        return None

    def tls_clienthello(self, data: ClientHelloData) -> None:
        """An explicit proxy opens only what it is for; all other TLS stays between client and server."""
        if self._standin is None or isinstance(data.context.client.proxy_mode, ReverseMode):
            return
        address = data.context.server.address
        host = data.client_hello.sni or (address[0] if address else "")
        if self._standin.config.rules.provider_of(host) is None:
            data.ignore_connection = True

    def next_layer(self, data: NextLayer) -> None:
        """Puts the lane between what mitmproxy has opened and its HTTP."""
        if self._standin is None or self._lane is None or data.layer is not None:
            return
        context = data.context
        stands_in = isinstance(context.client.proxy_mode, ReverseMode)
        inside = any(isinstance(each, ClientTLSLayer | HttpLayer) for each in context.layers)
        if stands_in and not inside:
            if starts_like_tls_record(data.data_client()):
                # mitmproxy would put HTTP into it without asking what was agreed on.
                data.layer = ClientTLSLayer(context)
            return
        if isinstance(context.client.proxy_mode, RegularMode | UpstreamMode) and not inside:
            return
        if context.client.alpn not in (None, b"", b"http/1.1") or starts_like_tls_record(data.data_client()):
            return
        address = context.server.address
        provider = self._standin.config.rules.provider_of(address[0]) if address and not stands_in else None
        if not (stands_in or provider is not None):
            if self.reach is not None:
                # Between client and server. mitmproxy would read HTTP in it, of which it holds heads without end and
                # all that is sent ahead, and keep whatever is none.
                data.layer = TCPLayer(context, ignore=True)
            return
        if _HTTP.match(data.data_client()):
            name = provider.name if provider else None
            data.layer = LaneLayer(context, self._lane, name, self._metrics.runtime)
        else:
            # mitmproxy takes what begins unlike HTTP for something else, which would go round all rules.
            data.layer = HttpLayer(context, HTTPMode.transparent)

    def server_connect(self, data: ServerConnectionHookData) -> None:
        """A fixed address replaces what DNS says, which may be this very proxy."""
        if self._standin is None:
            return
        for provider in self._standin.config.rules.providers:
            if provider.settings.address and data.server.address == provider.origin:
                data.server.address = provider.address

    # What the above share.

    @staticmethod
    def _tell(flow: HTTPFlow, interim: bytes) -> None:
        """Writes 1xx answers, which mitmproxy cannot. Not to clients of HTTP/1.0 (RFC 9110 section 15.2) or HTTP/2,
        nor into TLS that mitmproxy ends: there its stream is not that of the connection."""
        client = flow.client_conn
        if not interim or flow.request.http_version != "HTTP/1.1" or client.tls:
            return
        handler = _handler(flow)
        if handler is not None and (writer := handler.transports[client].writer) is not None:
            writer.write(interim)

    def _answer(
        self,
        flow: HTTPFlow,
        answer: Answer,
        started: float,
        counted: tuple[str, str, Outcome] = (OTHER, OTHER, "local"),
    ) -> None:
        """`counted`: under which provider, route and outcome."""
        flow.response = _response(flow, answer)
        seconds = time.perf_counter() - started
        self._metrics.client.answered(*counted, answer.status, seconds, len(answer.body))

    def _pass(self, flow: HTTPFlow, provider: Provider | None, route: str, outcome: Outcome, started: float) -> None:
        """Lets mitmproxy forward the request, to the provider's origin where it is known."""
        request, called = flow.request, _called(flow)
        if self.reach is not None and (handler := _handler(flow)) is not None:
            let_go(handler)
        kept = set(provider.credentials if provider is not None else ())
        if isinstance(flow.client_conn.proxy_mode, UpstreamMode):
            # The next proxy's, by which mitmproxy authenticates there (RFC 9110 section 11.7.2).
            kept.add("proxy-authorization")
        request.headers = Headers(encoded(passed_on(_text(request.headers), kept=kept)))
        if provider is not None:
            request.scheme = provider.scheme
            host, port = provider.origin
            if (request.host, request.port) != (host, port) or request.host_header != host:
                request.host, request.port = host, port
        upstream = provider.name if provider else OTHER
        flow.metadata[_PASSED] = _Passed(called, upstream, route, outcome, started)

    def _ended(self, flow: HTTPFlow, status: int) -> None:
        if self.reach is not None:
            # Nobody looks at it any more, and the collector of garbage would leave it for long.
            flow.request.data.content = None
        passed = flow.metadata.pop(_PASSED, None)
        if not isinstance(passed, _Passed):
            return
        seconds = time.perf_counter() - passed.started
        size = int(flow.response.headers.get("content-length", 0)) if flow.response else 0
        self._metrics.client.answered(passed.upstream, passed.route, passed.outcome, status, seconds, size)
        trigger = "failopen" if passed.outcome == "failopen" else "bypass"
        code = "error" if flow.error else status_class(status)
        self._metrics.upstream.requests.labels(passed.upstream, passed.route, trigger, code).inc()
        self._metrics.upstream.duration.labels(passed.upstream, trigger).observe(seconds)

    def _provider(self, flow: HTTPFlow) -> Provider | None:
        assert self._standin is not None
        return self._standin.config.rules.provider_of(_called(flow))


def _stands_in(flow: HTTPFlow) -> bool:
    return isinstance(flow.client_conn.proxy_mode, ReverseMode)


def _handler(flow: HTTPFlow) -> ConnectionHandler | None:
    """mitmproxy's side of the client's connection."""
    handler: ConnectionHandler | None = ctx.master.addons.get("proxyserver").connections.get(flow.client_conn.id)
    return handler


def _called(flow: HTTPFlow) -> str:
    """The host that the client means, in lower case."""
    return _host(flow.request.host_header) if _stands_in(flow) else flow.request.host.lower()


def _method(request: HTTPRequest) -> str:
    """As it came: `request.method` is in capitals, and `get` is another method than `GET` (RFC 9110 section 9.1)."""
    return request.data.method.decode("ascii", "replace")


def _has_one_meaning(request: HTTPRequest) -> bool:
    """Whether what came by HTTP/2 is the same request in HTTP/1.1, where a space ends a target, and a length that is
    not that of the body takes the next request for its rest."""
    told = request.headers.get_all("content-length")
    return (
        bool(_METHOD.fullmatch(request.data.method))
        and bool(_TARGET.fullmatch(request.data.path))
        and told in ([], [str(len(request.raw_content or b""))])
    )


def _request(flow: HTTPFlow) -> Request | Fault:
    """Or why there is none: an absolute-form target may name another host than the connection or the Host field."""
    request = flow.request
    if request.is_http2 and not _has_one_meaning(request):
        return Fault(400, "the request is malformed")
    if request.method == "TRACE":
        # What comes by HTTP/1.1 was refused before.
        return NO_TRACE
    host = _called(flow)
    if not request.is_http2 and request.authority and _host(request.authority) != host:
        return Fault(400, "the request names two different hosts")
    peer = flow.client_conn.peername
    address = peer[0] if peer else ""
    return Request(_method(request), host, request.path, _text(request.headers), request.raw_content or b"", address)


def _speaks_http(mode: ProxyMode) -> bool:
    """Whether clients do, at once or in a tunnel of their own, where mitmproxy listens in this mode."""
    of_web = isinstance(mode, ReverseMode) and mode.scheme in ("http", "https")
    return of_web or isinstance(mode, RegularMode | Socks5Mode)


def _text(headers: Headers) -> Fields:
    return tuple(
        (name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape"))
        for name, value in headers.fields
    )


@lru_cache(1024)
def _host(authority: str | None) -> str:
    """The host of `host[:port]`, lower case; empty when there is none or it is malformed."""
    try:
        # A port may be empty (RFC 9110 section 4.2.3).
        return parse_authority((authority or "").removesuffix(":"), check=True)[0].lower()
    except ValueError:
        return ""


def _refusal(flow: HTTPFlow, status: int, message: str) -> Answer:
    return local(status, message, head=flow.request.method == "HEAD")


def _refused(flow: HTTPFlow, fault: Fault) -> Answer:
    answer = _refusal(flow, fault.status, fault.sentence)
    return replace(answer, fields=(*answer.fields, (b"Allow", fault.allow.encode()))) if fault.allow else answer


def _response(flow: HTTPFlow, answer: Answer) -> HTTPResponse:
    """Built directly: `Response.make` costs as much as the rest of a hit."""
    now = time.time()
    if not flow.request.is_http2 and "close" in elements(flow.request.headers.get("connection")):
        answer = closing(answer)
    reason = REASONS.get(answer.status, b"")
    return HTTPResponse(b"HTTP/1.1", answer.status, reason, Headers(answer.fields), answer.body, None, now, now)


addons: list[Any] = [OddsCache()]
