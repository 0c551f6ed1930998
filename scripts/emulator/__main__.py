"""Command line: python -m scripts.emulator"""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import Callable

from aiohttp import web

from .app import Emulator, steady_clock
from .control import Settings
from .inspection import application
from .schedule import World

BACKLOG = 4096
STOP_S = 0.2


def at_least(low: float, kind: Callable[[str], float], above: bool = False) -> Callable[[str], float]:
    """An argument type: a number of at least `low`, or above it."""

    def number(text: str) -> float:
        value = kind(text)
        if value < low or (above and value == low):
            raise argparse.ArgumentTypeError(f"must be {'above' if above else 'at least'} {low:g}")
        return value

    return number


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m scripts.emulator", description="An emulated odds provider.")
    made.add_argument("--host", default="127.0.0.1")
    made.add_argument("--port", type=int, default=0, help="0 takes a free port")
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--latency-p50-ms", type=at_least(0, float), default=150.0, help="0 adds no latency")
    made.add_argument("--latency-p95-ms", type=at_least(0, float), default=700.0)
    made.add_argument("--rate", type=at_least(0, int), default=30, help="requests per second and key; 0: no limit")
    made.add_argument("--quota", type=at_least(0, int), default=500_000, help="credits per key")
    made.add_argument("--tick-s", type=at_least(0, float, above=True), default=1.0)
    made.add_argument("--events", type=at_least(0, int), default=12, help="events per sport")
    made.add_argument("--refresh-s", type=at_least(0, float, above=True), default=10.0, help="reading of a book")
    made.add_argument("--volatility", type=at_least(0, float), default=1.0, help="multiplies every price move")
    made.add_argument("--credential", action="append", default=[], metavar="KEY", help="valid key; none: any")
    made.add_argument("--etag", action="store_true", help="ETag and 304, which the real provider lacks")
    made.add_argument("--max-age", type=at_least(0, int), metavar="N", help="adds Cache-Control: public, max-age=N")
    return made


def emulator(args: argparse.Namespace) -> Emulator:
    now = steady_clock()
    world = World(args.seed, int(now()), args.tick_s, args.events, args.refresh_s, args.volatility)
    settings = Settings(
        latency_p50_ms=args.latency_p50_ms,
        latency_p95_ms=args.latency_p95_ms,
        rate=args.rate,
        quota=args.quota,
        etag=args.etag,
        cache_control=None if args.max_age is None else f"public, max-age={args.max_age}",
    )
    return Emulator(world, settings, frozenset(args.credential), now)


async def serve(args: argparse.Namespace) -> None:
    """Serves until SIGTERM or SIGINT; handlers are cancelled when their client leaves."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    app = application(emulator(args))
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=STOP_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, args.host, args.port, backlog=BACKLOG).start()
        host = f"[{args.host}]" if ":" in args.host else args.host
        print(f"listening http://{host}:{runner.addresses[0][1]}", flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()


def main() -> None:
    asyncio.run(serve(parser().parse_args()))


if __name__ == "__main__":
    main()
