"""The sidecar's two doors: a Unix socket for the proxies, a loopback port for Prometheus and people."""

import asyncio
import gc
import logging
import math
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from holdover.config import Config
from holdover.fill import Filler
from holdover.intake import Fetched
from holdover.metrics import Metrics
from holdover.origin.client import NoAnswer
from holdover.origin.fetch import Obtained
from holdover.origin.filler import Flown, OriginFiller
from holdover.origin.wire import decode_question, encode_flown
from holdover.settings import split_address
from holdover.store.base import Store, StoreError, Usage
from holdover.store.disk import DiskStore
from holdover.store.ledger import Ledger
from holdover.watch import cancel, config_changes, observe_loop, start, took_over
from holdover.wire import WireError, decode_credential, decode_request, encode_filled, encode_report

from .console.edit import edit_routes
from .console.frame import framed
from .console.guard import guard
from .console.login import known
from .console.views import console_routes
from .promos.door import brief, door
from .promos.service import PromoService
from .refresh.steward import Steward
from .refresh.worker import Refresher
from .summed import Summed

MAX_QUESTION_BYTES = 16_777_216
MAX_EDIT_BYTES = 4_194_304
SHUTDOWN_S = 3.0
IDLE_S = 75.0
"""Longest that a connection to the admin's address may be open without a whole request: each is an open file, which
calls to providers need, too."""
BACKLOG = 4096
"""Connections that wait to be accepted: one for each key that nobody has yet. Whom the system refuses one takes the
sidecar for down."""
SWEEP_S = 1.0
TOLD_AGAIN_S = 10.0

logger = logging.getLogger("holdover.sidecar")


class CannotStart(Exception):
    """The sidecar cannot run here; the message is for people."""


class Sidecar:
    """Store, filler and refresher of the one process that fetches."""

    def __init__(self, config: Config, store: Store, ledger: Ledger, metrics: Metrics) -> None:
        self.config = config
        self.metrics = metrics
        self._store = store
        upstream = config.settings.upstream
        self.filler = Filler(
            config.rules, store, ledger, metrics, user_agent=upstream.user_agent, ca_file=config.ca_file
        )
        self.origin = OriginFiller(config.rules, store, self.filler.upstream, metrics, ca_file=config.ca_file)
        self.refresher = Refresher(config.rules, self.filler, metrics, config.settings.sidecar.max_keys)

        self.promos = PromoService(config, store, metrics, self.refresher.asked)
        self.steward = Steward(config.rules, self.filler, self.refresher, ledger, metrics)

    async def carry_on(self) -> None:
        """Takes up what the store still has in demand."""
        entries = await asyncio.to_thread(lambda: list(self._store.entries()))
        for entry in entries:
            self.refresher.carry_on(entry)

    async def follow_config(self) -> None:
        async for config in config_changes(self.config, os.environ, self.metrics.runtime):
            self.config = config
            self.metrics.prepare(config.rules)
            self.filler.use(config.rules)
            self.origin.use(config.rules)
            await self.filler.recall()
            self.refresher.use(config.rules)
            self.steward.use(config.rules)
            self.promos.configure(config.rules)

    async def follow_store(self) -> None:
        """For ever: follows a store that was replaced and shows how full it is."""
        while True:
            await asyncio.sleep(SWEEP_S)
            try:
                usage = await self.filler.shelf.on_disk(self._sweep)
            except StoreError as error:
                self.metrics.runtime.degraded.labels("store").set(1)
                logger.warning("%s", error)
                continue
            self.metrics.runtime.degraded.labels("store").set(self.filler.shelf.failing)
            self.metrics.cache.objects.labels("disk").set(usage.objects)
            self.metrics.cache.bytes.labels("disk").set(usage.size)
            self.metrics.cache.max_bytes.labels("disk").set(usage.limit)

    def _sweep(self) -> Usage:
        self._store.follow()
        return self._store.usage()

    async def close(self) -> None:
        await self.refresher.close()
        await self.origin.close()
        await self.filler.close()


async def _fetch(sidecar: Sidecar, request: web.Request) -> web.Response:
    question = await request.json()
    canonical, client = decode_request(question["request"]), str(question["client"])
    credential = decode_credential(question["credential"])
    sidecar.refresher.demand(canonical)
    newer_than, alone_s = float(question["newer_than"]), question["alone_s"]
    filled = await sidecar.filler.fill(
        canonical,
        newer_than,
        "client",
        credential=credential,
        client=client,
        alone_s=None if alone_s is None else float(alone_s),
    )
    if isinstance(filled.result, Fetched):
        sidecar.refresher.seen(filled.result)
    return web.Response(body=encode_filled(filled))


async def _origin(sidecar: Sidecar, request: web.Request) -> web.Response:
    question = decode_question(await request.json())
    asked = sidecar.origin.route(question.provider, question.route, question.target)
    flown: Flown = Obtained(NoAnswer("the configuration does not allow to call the provider"))
    if asked is not None:
        within_s, alone = question.within_s, question.alone
        flown = await sidecar.origin.fly(asked, question.request, question.trigger, within_s, alone=alone)
    return web.Response(body=encode_flown(flown))


async def _demand(sidecar: Sidecar, request: web.Request) -> web.Response:
    report = await request.json()
    requests = [decode_request(item) for item in report["asked"]]
    sidecar.refresher.compare([decode_request(item) for item in report["compare"]])
    declined = [r.key for r in requests if not await sidecar.refresher.asked(r)]
    # Whom it is news for needs all; others are told again what they may have missed by a moment.
    since = -math.inf if report["new"] else time.time() - TOLD_AGAIN_S
    return web.json_response(encode_report(declined, sidecar.filler.books.told(since)))


@web.middleware
async def _refuse_foreign(request: web.Request, handler):  # type: ignore[no-untyped-def]
    try:
        return await handler(request)
    except (WireError, ValueError, KeyError, TypeError) as error:
        raise web.HTTPBadRequest(text=f"not a question of this version: {error}") from error


def control_app(sidecar: Sidecar) -> web.Application:
    """What proxies ask, on the Unix socket."""
    middlewares = [door(sidecar.promos.access), _refuse_foreign]
    app = web.Application(client_max_size=MAX_QUESTION_BYTES, middlewares=middlewares)
    questions = {"/fetch": _fetch, "/origin": _origin, "/demand": _demand}
    app.add_routes([web.post(path, partial(answer, sidecar)) for path, answer in questions.items()])
    app.add_routes(sidecar.promos.control())
    return app


def admin_app(sidecar: Sidecar) -> web.Application:
    """What Prometheus and people ask, on loopback."""

    async def metrics(_: web.Request) -> web.Response:
        # Rendering takes milliseconds to a quarter of a second: off the event loop.
        body = await asyncio.to_thread(generate_latest, sidecar.metrics.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    summed = Summed(sidecar.config)

    async def all_proxies(_: web.Request) -> web.Response:
        return web.Response(body=await summed.exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "keys": sidecar.refresher.keys, "config": sidecar.config.digest})

    settings, promos = sidecar.config.settings, sidecar.promos
    own = guard(settings.sidecar.admin, settings.promos.hosts)
    middlewares = [door(promos.access), own, known(promos.access)]
    app = web.Application(client_max_size=MAX_EDIT_BYTES, middlewares=middlewares)
    own_routes = [web.get("/metrics", metrics), web.get("/metrics/proxy", all_proxies), web.get("/healthz", healthz)]
    app.add_routes([*own_routes, *promos.routes()])
    frame, libraries = framed(promos.promotions, promos.access), sidecar.config.path(settings.promos.libraries)
    app.add_routes([*console_routes(frame, promos.desk), *edit_routes(frame, promos.desk, libraries)])
    app.on_shutdown.append(promos.promotions.stop)
    return app


async def _serve(config: Config, ready: Callable[[], None]) -> None:
    try:
        store = DiskStore(config.cache_folder, config.settings.store.max_bytes, logger.error)
        ledger = Ledger(config.store_folder, logger.error)
    except StoreError as error:
        raise CannotStart(str(error)) from error
    metrics = Metrics()
    metrics.prepare(config.rules)
    took_over(config, metrics.runtime)
    sidecar = Sidecar(config, store, ledger, metrics)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await sidecar.filler.recall()
    async with _listening(sidecar, config):
        await sidecar.carry_on()
        followed = (sidecar.follow_config(), sidecar.follow_store(), *sidecar.promos.followed())
        tasks = start((sidecar.steward.run(), *followed, observe_loop(metrics.runtime)), metrics.runtime)
        logger.info("the sidecar listens on %s", config.socket)
        # What start has made stays: collections of garbage need not look at it again and again.
        gc.freeze()
        ready()
        await stop.wait()
        await cancel(tasks)
    await sidecar.close()
    store.close()
    ledger.close()


@asynccontextmanager
async def _listening(sidecar: Sidecar, config: Config) -> AsyncIterator[None]:
    _claim(config.socket)
    log = logging.getLogger("holdover.sidecar.http")
    log.addFilter(brief)
    made = partial(web.AppRunner, access_log=None, logger=log, shutdown_timeout=SHUTDOWN_S)
    runners = [made(control_app(sidecar)), made(admin_app(sidecar), keepalive_timeout=IDLE_S)]
    host, port = split_address(config.settings.sidecar.admin)
    for runner in runners:
        await runner.setup()
    try:
        await web.UnixSite(runners[0], str(config.socket), backlog=BACKLOG).start()
        # Its folder may be there already, and open to others.
        config.socket.chmod(0o600)
        await web.TCPSite(runners[1], host, port).start()
    except OSError as error:
        raise CannotStart(f"cannot listen on {config.socket} and {host}:{port}: {error.strerror}") from error
    try:
        yield
    finally:
        for runner in runners:
            await runner.cleanup()


def _claim(path: Path) -> None:
    """Makes the socket's folder, private, and makes sure that no other sidecar answers there."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
        probe.settimeout(1.0)
        probe.connect(str(path))
        raise CannotStart(f"another sidecar answers on {path}; stop it first or configure another socket")


def main(config: Config, ready: Callable[[], None]) -> None:
    """Runs the sidecar until SIGTERM or SIGINT; calls `ready` once it listens. Raises CannotStart."""
    asyncio.run(_serve(config, ready))
