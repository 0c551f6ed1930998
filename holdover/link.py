"""The proxy's line to the sidecar: questions and hints over a Unix socket. It may be down at any time."""

import asyncio
from collections.abc import Coroutine, Iterable
from pathlib import Path

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.tracing import Trace

from holdover.canonical import CanonicalRequest, Query
from holdover.credential import Credential
from holdover.entry import request_facts
from holdover.exchange import Request
from holdover.fill import Filled
from holdover.key import ForOrigin
from holdover.metrics import Trigger
from holdover.origin.filler import Flown
from holdover.origin.wire import decode_flown, encode_question
from holdover.promo_answer import ToldPromos
from holdover.wire import Report, WireError, decode_filled, decode_promos, decode_report

DEMAND_TIMEOUT_S = 2.0
LOOKS = 8
OPENING = 64
PROMOS_TIMEOUT_S = 1.0


class _Connector(aiohttp.UnixConnector):
    """Opens few connections at a time: a Unix socket refuses those for which its backlog has no room."""

    def __init__(self, path: str) -> None:
        super().__init__(path, limit=0)
        self._opening = asyncio.Semaphore(OPENING)

    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109
    ) -> ResponseHandler:
        async with self._opening:
            return await super()._create_connection(req, traces, timeout)


class LinkDown(Exception):
    """The sidecar does not answer; the caller does the work itself."""


class Link:
    """Make and close it inside the event loop that uses it. `up` tells whether the last exchange worked;
    `generation` counts how often it came up: what an earlier sidecar was told, a later one may not know."""

    def __init__(self, socket: Path) -> None:
        self._session = aiohttp.ClientSession(
            "http://sidecar",
            connector=_Connector(str(socket)),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self._down = asyncio.Event()
        self._down.set()
        self.generation = 0
        self._answers = 0

    @property
    def up(self) -> bool:
        return not self._down.is_set()

    async def close(self) -> None:
        await self._session.close()

    async def fill(
        self,
        canonical: CanonicalRequest,
        newer_than: float,
        credential: Credential,
        client: str,
        *,
        alone_s: float | None = None,
    ) -> Filled:
        """What `Filler.fill` says, in the sidecar. Raises LinkDown.

        A stopped sidecar accepts questions and never answers; the demand report notices within three seconds and
        releases everybody who waits here."""
        return await self._while_up(self._ask(canonical, newer_than, credential, client, alone_s=alone_s))

    async def fly(
        self, asked: ForOrigin, request: Request, trigger: Trigger, within_s: float, *, alone: bool = False
    ) -> Flown:
        """What `OriginFiller.fly` says, in the sidecar. Raises LinkDown."""
        return await self._while_up(self._flown(encode_question(asked, request, trigger, within_s, alone=alone)))

    async def _while_up[T](self, question: Coroutine[object, object, T]) -> T:
        if not self.up:
            question.close()
            raise LinkDown
        asking = asyncio.ensure_future(question)
        falling = asyncio.ensure_future(self._down.wait())
        try:
            await asyncio.wait((asking, falling), return_when=asyncio.FIRST_COMPLETED)
            if asking.done():
                return asking.result()
            raise LinkDown
        except (aiohttp.ClientError, OSError, WireError) as error:
            self._down.set()
            raise LinkDown from error
        finally:
            for task in (asking, falling):
                task.cancel()

    async def demand(self, requests: Iterable[CanonicalRequest], compare: Iterable[CanonicalRequest] = ()) -> Report:
        """Tells which keys clients asked for, and of which the projections should be compared; an empty report is a
        sign of life. Raises LinkDown."""
        body = {
            "asked": [*map(request_facts, requests)],
            "compare": [*map(request_facts, compare)],
            "new": not self.up,
        }
        try:
            report = await self._while_it_answers(self._report(body))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, WireError) as error:
            self._down.set()
            raise LinkDown from error
        if not self.up:
            self.generation += 1
            self._down.clear()
        return report

    async def _while_it_answers[T](self, question: Coroutine[object, object, T]) -> T:
        """Raises TimeoutError when the sidecar is silent. One that answers others is not: it has much to do. Nor is
        one whose answer this process has not come to read: so much as that took counts once."""
        asking = asyncio.ensure_future(question)
        try:
            looks, answers = 0, self._answers
            while not asking.done() and looks < LOOKS:
                await asyncio.wait((asking,), timeout=DEMAND_TIMEOUT_S / LOOKS)
                looks, answers = looks + 1 if answers == self._answers else 0, self._answers
            if not asking.done():
                raise TimeoutError
            return asking.result()
        finally:
            asking.cancel()

    async def _report(self, body: object) -> Report:
        async with self._session.post("/demand", json=body, timeout=aiohttp.ClientTimeout()) as answer:
            answer.raise_for_status()
            return decode_report(await answer.json())

    async def promos(self, audience: Query) -> ToldPromos:
        """What an audience is shown now. Raises LinkDown, with a message where the sidecar itself says no."""
        if not self.up:
            raise LinkDown
        timeout = aiohttp.ClientTimeout(total=PROMOS_TIMEOUT_S)
        try:
            async with self._session.get("/promos/shown", params=audience, timeout=timeout) as answer:
                if answer.status != 200:
                    raise LinkDown(f"the sidecar says {answer.status}: {await answer.text()}")
                return decode_promos(await answer.json(), answer.headers.get("Cache-Control", "no-store"))
        except (aiohttp.ClientError, OSError, ValueError, WireError) as error:
            raise LinkDown from error

    async def _ask(
        self,
        canonical: CanonicalRequest,
        newer_than: float,
        credential: Credential,
        client: str,
        *,
        alone_s: float | None,
    ) -> Filled:
        body = {"request": request_facts(canonical), "newer_than": newer_than, "client": client, "alone_s": alone_s}
        body["credential"] = [credential.query, credential.headers]
        async with self._session.post("/fetch", json=body, timeout=aiohttp.ClientTimeout()) as answer:
            answer.raise_for_status()
            self._answers += 1
            return decode_filled(await answer.read())

    async def _flown(self, question: dict[str, object]) -> Flown:
        async with self._session.post("/origin", json=question, timeout=aiohttp.ClientTimeout()) as answer:
            answer.raise_for_status()
            return decode_flown(await answer.read())
