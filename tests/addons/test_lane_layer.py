"""The lane in tunnels, plain and over TLS: those that it opens itself, and those that mitmproxy has opened."""

import asyncio
import ssl

import pytest
from mitmproxy import ctx
from mitmproxy.proxy.events import DataReceived

from addons.lane_layer import LaneLayer
from holdover.standin import StandIn
from scripts.rig import HOST
from tests.addons.inside import Inside, Line, foreign, inside, odds, until, wire


async def by_connect(house: Inside, host: str, port: int) -> Line:
    """Through the explicit proxy."""
    line = await house.dial(role="regular")
    authority = f"{host}:{port}"
    assert (await line.ask(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())).status == 200
    return line


async def by_socks(house: Inside, host: str, port: int) -> Line:
    """RFC 1928, without authentication."""
    line = await house.dial(role="socks5")
    await line.send(b"\x05\x01\x00")
    assert await line.reader.readexactly(2) == b"\x05\x00"
    await line.send(b"\x05\x01\x00\x03" + bytes([len(host)]) + host.encode() + port.to_bytes(2))
    assert (await line.reader.readexactly(10))[1] == 0
    return line


@pytest.fixture(params=[by_connect, by_socks], ids=["connect", "socks"])
def way(request):
    """The first is the connection's own affair, the second that of the layer in mitmproxy, which ends TLS there."""
    return request.param


async def tunnelled(house: Inside, way, host: str = HOST, *, tls: bool = True, port: int | None = None) -> Line:
    line: Line = await way(house, host, port or (443 if tls else 80))
    if tls:
        await line.writer.start_tls(house.trusting, server_hostname=host)
    return line


async def test_hits_misses_and_others_in_a_tunnel(house, way):
    for tls in (True, False):
        line = await tunnelled(house, way, tls=tls)
        assert (await line.ask(odds(f"a{tls}"))).way == "fwd=uri-miss"
        assert [(await line.ask(odds(f"a{tls}"))).way for _ in range(3)] == ["hit"] * 3
        assert b"/foreign/1" in (await line.ask(foreign("1"))).body
        assert (await line.ask(odds(f"a{tls}", "Accept-Encoding: gzip"))).fields["content-encoding"] == "gzip"
        assert (await line.ask(odds(f"a{tls}", method="HEAD"), head=True)).way == "hit"
    assert house.ways()["hit"] == 10


async def test_a_connection_that_only_hits_opens_none_to_the_provider(house, way):
    await house.fill("a")
    connected = []

    class Watching:
        def server_connect(self, data):
            connected.append(data.server.address)

    ctx.master.addons.add(Watching())
    line = await tunnelled(house, way)
    assert [(await line.ask(odds("a"))).way for _ in range(5)] == ["hit"] * 5
    assert connected == []
    assert (await line.ask(foreign("1"))).status == 200
    assert len(connected) == 1


async def test_plain_hits_in_a_tunnel_of_mitmproxys_do_not_get_there(house, monkeypatch):
    await house.fill("a")
    original, heard = LaneLayer.handle_event, []

    def hear(layer, event):
        heard.append(type(event))
        return original(layer, event)

    monkeypatch.setattr(LaneLayer, "handle_event", hear)
    line = await tunnelled(house, by_socks, tls=False)
    assert (await line.ask(odds("a"))).way == "hit"
    assert DataReceived in heard
    heard.clear()
    assert [(await line.ask(odds("a"))).way for _ in range(5)] == ["hit"] * 5
    assert heard == []
    assert b"/foreign/1" in (await line.ask(foreign("1"))).body
    assert (await line.ask(odds("new"))).way == "fwd=uri-miss"
    assert heard.count(DataReceived) >= 3
    heard.clear()
    assert [(await line.ask(odds(sport))).way for sport in ("a", "new")] == ["hit"] * 2
    assert heard == []
    assert (house.ways()["hit"], house.ways()["passed"]) == (8, 2)


async def test_order_in_a_tunnel(house, way):
    await house.fill("a")
    line = await tunnelled(house, way)
    house.vendor.open.clear()
    await line.send(odds("new"))
    await until(lambda: len(house.vendor.asked) == 2)
    await line.send(odds("a"))
    await asyncio.sleep(0.05)
    house.vendor.open.set()
    assert [b"/new/" in (await line.reply()).body, b"/a/" in (await line.reply()).body] == [True, True]
    await line.send(odds("a") + odds("newer") + odds("a") + foreign("1") + odds("a"))
    marks = [b"/a/", b"/newer/", b"/a/", b"/foreign/1", b"/a/"]
    assert [mark in (await line.reply()).body for mark in marks] == [True] * 5


async def test_a_request_in_pieces_in_a_tunnel(house, way):
    await house.fill("a")
    line = await tunnelled(house, way)
    for data in (odds("a"), foreign("1"), odds("a")):
        # By fewer bytes mitmproxy does not know HTTP.
        line.writer.write(data[:5])
        await asyncio.sleep(0.01)
        for byte in data[5:-1]:
            line.writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert (await line.ask(data[-1:])).status == 200
    before = house.ways().get("hit", 0)
    assert (await line.ask(odds("a"))).way == "hit"
    assert house.ways()["hit"] == before + 1


async def test_the_last_request_in_a_tunnel_ends_it(house, way):
    await house.fill("a")
    line = await tunnelled(house, way)
    assert (await line.ask(odds("a", "Connection: close"))).way == "hit"
    assert await line.rest() == b""


async def test_a_host_that_the_connection_is_not_for_is_no_hit(house, way):
    await house.fill("a")
    line = await tunnelled(house, way)
    assert (await line.ask(wire("/v4/sports/a/odds?regions=us", host="other.test"))).status == (
        421 if way is by_connect else 200
    )
    other = await tunnelled(house, way, "127.0.0.1", tls=False, port=house.vendor.port)
    # Its address is no provider's, whatever its Host field says.
    assert (await other.ask(odds("a"))).way != "hit"
    assert "hit" not in house.ways()


async def test_one_in_so_many_is_observed_in_a_tunnel(tmp_path, ca_folder, way):
    async with inside(tmp_path, ca_folder, "observe = 4") as house:
        await house.fill("a")
        seen = []

        class Watching:
            def request(self, flow):
                seen.append(flow.request.path)

        line = await tunnelled(house, way)
        ctx.master.addons.add(Watching())
        assert [(await line.ask(odds("a"))).way for _ in range(20)] == ["hit"] * 20
        assert len(seen) == 5
        assert (house.ways()["hit"], house.ways()["observed"]) == (15, 5)


async def test_an_error_of_the_lane_in_a_tunnel_leaves_the_request_to_mitmproxy(house, monkeypatch, caplog, way):
    await house.fill("a")
    line = await tunnelled(house, way)
    assert (await line.ask(odds("a"))).way == "hit"

    def broken(*_):
        raise RuntimeError("broken")

    with monkeypatch.context() as patched:
        patched.setattr(StandIn, "lease", broken)
        house.addon._standin.epoch += 1
        assert (await line.ask(odds("a"))).way == ""
    assert (await line.ask(odds("a"))).way == "hit"
    assert house.value("internal_errors_total", where="lane") == 1
    caplog.clear()


async def test_many_changes_of_hands_in_a_tunnel(house, way):
    await house.fill("a")
    line = await tunnelled(house, way)
    for number in range(25):
        assert (await line.ask(odds("a"))).way == "hit"
        assert (await line.ask(foreign(str(number)))).status == 200
    assert house.ways()["hit"] == 25
    assert isinstance(line.writer.get_extra_info("ssl_object"), ssl.SSLObject)
