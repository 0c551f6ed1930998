"""Command line: python -m scripts.emulator.vendors VENDOR"""

from __future__ import annotations

import argparse
import asyncio
import signal

from aiohttp import web

from .api_sports import ApiSports
from .betfair import Betfair
from .clock import Clock
from .generic import Generic
from .pinnacle import Pinnacle
from .server import Server
from .sportradar import Sportradar
from .sports_game_odds import SportsGameOdds
from .vendor import Vendor

VENDORS: dict[str, type[Vendor]] = {
    "api-sports": ApiSports,
    "betfair": Betfair,
    "generic": Generic,
    "pinnacle": Pinnacle,
    "sportradar": Sportradar,
    "sports-game-odds": SportsGameOdds,
}
STOP_S = 0.2


def parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--host", default="127.0.0.1")
    shared.add_argument("--port", type=int, default=0, help="0 takes a free port")
    shared.add_argument("--seed", type=int, default=1)
    shared.add_argument("--credential", action="append", default=[], metavar="KEY", help="valid one; none: any")
    shared.add_argument("--latency-ms", type=float, default=0.0)
    shared.add_argument("--tick-s", type=float, default=0.0, help="a price moves each N s; 0: by /_control only")
    made = argparse.ArgumentParser(prog="python -m scripts.emulator.vendors", description="An emulated odds vendor.")
    commands = made.add_subparsers(dest="vendor", required=True, metavar="VENDOR")
    for name, vendor in VENDORS.items():
        vendor.options(commands.add_parser(name, parents=[shared], help=vendor.__doc__))
    return made


async def serve(args: argparse.Namespace) -> None:
    """Serves until SIGTERM or SIGINT; handlers are cancelled when their client leaves."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = Server(VENDORS[args.vendor].start(Clock(), args), args.latency_ms / 1000)
    runner = web.AppRunner(server.application(), access_log=None, handler_cancellation=True, shutdown_timeout=STOP_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, args.host, args.port).start()
        host = f"[{args.host}]" if ":" in args.host else args.host
        print(f"listening http://{host}:{runner.addresses[0][1]}", flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()


def main() -> None:
    asyncio.run(serve(parser().parse_args()))


if __name__ == "__main__":
    main()
