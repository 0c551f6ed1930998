"""The yardstick of the `hook` scenario: mitmproxy that answers from a dict, with the addons that holdover's own
runner takes from mitmproxy, its options, and its cheap way to build a response.

python -m scripts.benchmarks.dict_proxy PORT FILE   (FILE: JSON by request target: [status, [[name, value]...], body])
"""

import asyncio
import gc
import json
import logging
import signal
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from mitmproxy import options
from mitmproxy.addons import core, errorcheck, next_layer, proxyserver, tlsconfig
from mitmproxy.http import Headers, HTTPFlow, Response
from mitmproxy.master import Master

type Prepared = tuple[int, tuple[tuple[bytes, bytes], ...], bytes]


class FromDict:
    """Answers by request target; all else is 404."""

    def __init__(self, answers: dict[str, Prepared]) -> None:
        self._answers = answers

    def request(self, flow: HTTPFlow) -> None:
        missing: Prepared = (404, ((b"Content-Length", b"0"),), b"")
        status, fields, body = self._answers.get(flow.request.path, missing)
        now = time.time()
        flow.response = Response(b"HTTP/1.1", status, b"OK", Headers(fields), body, None, now, now)


def read(path: Path) -> dict[str, Prepared]:
    return {
        target: (status, tuple((name.encode(), value.encode()) for name, value in fields), body.encode())
        for target, (status, fields, body) in json.loads(path.read_text()).items()
    }


async def serve(port: int, answers: dict[str, Prepared], confdir: str) -> None:
    logging.getLogger("mitmproxy").setLevel(logging.WARNING)
    master = Master(options.Options(confdir=confdir))
    master.addons.add(
        core.Core(),
        errorcheck.ErrorCheck(repeat_errors_on_stderr=False),
        FromDict(answers),
        proxyserver.Proxyserver(),
        next_layer.NextLayer(),
        tlsconfig.TlsConfig(),
    )
    master.options.update(
        mode=[f"reverse:http://no-provider.invalid@127.0.0.1:{port}"],
        connection_strategy="lazy",
        keep_host_header=True,
        body_size_limit="16777216",
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, master.shutdown)
    gc.collect()
    gc.freeze()
    await master.run()


def main() -> None:
    port, path = sys.argv[1:]
    with TemporaryDirectory() as confdir:
        asyncio.run(serve(int(port), read(Path(path)), confdir))


if __name__ == "__main__":
    main()
