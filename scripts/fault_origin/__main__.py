"""`python -m scripts.fault_origin`: prints `listening URL` and serves until SIGTERM."""

import argparse
import asyncio
import signal

from .faults import FAULTS
from .server import FaultOrigin, listen
from .sources import Relay, Rising


async def serve(options: argparse.Namespace) -> None:
    source = Relay(options.relay) if options.relay else Rising(options.tick_s)
    server = await listen(FaultOrigin(source), options.port)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    host, port = server.sockets[0].getsockname()[:2]
    print(f"listening http://{host}:{port}", flush=True)
    await stop.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, epilog=f"Faults: {', '.join(FAULTS)}.")
    parser.add_argument("--port", type=int, default=0, help="0, the default: a free one")
    parser.add_argument("--tick-s", type=float, default=0.25, help="after how long the revision goes up")
    parser.add_argument("--relay", metavar="URL", help="take good answers from this provider, http://host:port")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
