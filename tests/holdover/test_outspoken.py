import asyncio

import pytest
from aiohttp import ClientPayloadError, ClientSession, TCPConnector
from aiohttp.http import HttpProcessingError

from holdover.origin.framed import Framed
from holdover.outspoken import Outspoken, speaking

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
MALFORMED = (HttpProcessingError,)
LATER: dict[str, tuple[bytes, bool, tuple[type[Exception], ...]]] = {
    "no size": (b"zz\r\n[]", False, MALFORMED),
    "a size without end": (b"f" * 17 + b"\r\n[]", False, MALFORMED),
    "more than its size": (b"2\r\n[] 0\r\n\r\n", False, MALFORMED),
    "a bad trailer": (b"2\r\n[]\r\n0\r\nX Bad: 1\r\n\r\n", False, MALFORMED),
    "a bad size, then the end": (b"zz\r\n[]", True, (*MALFORMED, ClientPayloadError)),
    "the end": (b"2\r\n[]\r\n", True, (ClientPayloadError,)),
}


@pytest.mark.parametrize("protocol", [Outspoken, Framed])
@pytest.mark.parametrize("kind", LATER)
async def test_who_reads_a_body_hears_what_is_wrong_with_it(protocol, kind):
    bad, ends, errors = LATER[kind]
    read = asyncio.Event()

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD)
        await read.wait()
        writer.write(bad)
        if not ends:
            await reader.read()
        writer.close()

    async with (
        await asyncio.start_server(answer, "127.0.0.1", 0) as server,
        asyncio.timeout(20),
        ClientSession(connector=speaking(protocol, TCPConnector()), auto_decompress=False) as session,
        session.get(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/") as response,
    ):
        read.set()
        with pytest.raises(errors):
            await response.read()
