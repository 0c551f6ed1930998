"""The listening socket, which a blackout takes away for a while."""

from __future__ import annotations

import asyncio

from aiohttp import web

BACKLOG = 4096
# The answer to the order itself still has to leave.
GRACE_S = 0.05


class Door:
    """Listens on one port. While it is shut, connections are refused and those that were open are reset."""

    def __init__(self) -> None:
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._host, self._port = "", 0
        self._task: asyncio.Task[None] | None = None

    async def open(self, runner: web.AppRunner, host: str, port: int) -> int:
        """Begins to listen and returns the port: for 0, the one that was free."""
        self._runner, self._host = runner, host
        await self._listen(port)
        self._port = int(runner.addresses[0][1])
        return self._port

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def shut(self, seconds: float) -> None:
        """Begins a blackout that ends by itself; another one takes its place."""
        if self._task is not None:
            self._task.cancel()
        self._task = asyncio.create_task(self._blackout(seconds))

    async def _blackout(self, seconds: float) -> None:
        await asyncio.sleep(GRACE_S)
        assert self._runner is not None
        if self._site is not None:
            await self._site.stop()
            self._site = None
        for handler in self._runner.server.connections if self._runner.server else ():
            if handler.transport is not None:
                handler.transport.abort()
        await asyncio.sleep(seconds)
        await self._listen(self._port)

    async def _listen(self, port: int) -> None:
        assert self._runner is not None
        self._site = web.TCPSite(self._runner, self._host, port, backlog=BACKLOG, reuse_address=True)
        await self._site.start()
