import asyncio
from contextlib import asynccontextmanager

import pytest

from holdover.exchange import Request, Response
from holdover.origin.client import OriginClient, outgoing

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n0\r\n\r\n"
PLANTED = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nplanted"
WANTED = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nwanted"
FIRST: dict[str, tuple[str, bytes]] = {
    "whole": ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n0123"),
    "in chunks": ("GET", CHUNKED),
    "nothing new, with a length": ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 90\r\n\r\n"),
    "nothing, with a length": ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 90\r\n\r\n"),
    "to a HEAD": ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n"),
}


@asynccontextmanager
async def calling(provider_of, answer):
    """A client of an origin whose connections `answer` has."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    client = OriginClient(provider_of(origin=f"http://{host}:{port}"), None)
    try:
        yield client
    finally:
        await client.close()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("name", FIRST)
async def test_what_comes_on_a_kept_connection_is_not_the_next_answer(provider_of, name):
    """It was for nobody, and would be everybody's who asks for something else."""
    method, first = FIRST[name]
    came, connections = asyncio.Event(), 0

    async def answer(reader, writer):
        nonlocal connections
        connections += 1
        last = connections > 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(WANTED if last else first)
        await writer.drain()
        if not last:
            await came.wait()
            writer.write(PLANTED)
            await writer.drain()
        await reader.read()
        writer.close()

    async with asyncio.timeout(20), calling(provider_of, answer) as client:
        assert isinstance(await client.send(method, "/a", (), b"", 9.0), Response)
        came.set()
        await asyncio.sleep(0.1)
        again = await client.send("GET", "/b", (), b"", 9.0)
    assert isinstance(again, Response)
    assert (again.body, connections) == (b"wanted", 2)


@pytest.mark.parametrize(
    ("cookies", "sent"), [([], []), (["a=1"], ["a=1"]), (["a=1", "b=2; c=3"], ["a=1; b=2; c=3"])]
)
def test_cookies_that_came_one_by_one_go_on_together(cookies, sent):
    request = Request("GET", "api.test", "/", (("A", "1"), *(("cookie", value) for value in cookies), ("B", "2")))
    fields = outgoing(request)
    assert [value for name, value in fields if name.lower() == "cookie"] == sent
    assert {"A", "B", "Via"} <= {name for name, _ in fields}
