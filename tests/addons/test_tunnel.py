"""The lane in tunnels to a provider through the explicit proxy, plain and over TLS."""

import asyncio
import ssl

from mitmproxy import ctx

from holdover.standin import StandIn
from scripts.rig import HOST
from tests.addons.inside import Inside, Line, foreign, inside, odds, until, wire


async def tunnelled(house: Inside, host: str = HOST, *, tls: bool = True) -> Line:
    """A connection to the provider through the explicit proxy."""
    line = await house.dial(role="regular")
    authority = f"{host}:{443 if tls else 80}"
    assert (await line.ask(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())).status == 200
    if tls:
        await line.writer.start_tls(house.trusting, server_hostname=host)
    return line


async def test_hits_misses_and_others_in_a_tunnel(house):
    for tls in (True, False):
        line = await tunnelled(house, tls=tls)
        assert (await line.ask(odds(f"a{tls}"))).way == "fwd=uri-miss"
        assert [(await line.ask(odds(f"a{tls}"))).way for _ in range(3)] == ["hit"] * 3
        assert b"/foreign/1" in (await line.ask(foreign("1"))).body
        assert (await line.ask(odds(f"a{tls}", "Accept-Encoding: gzip"))).fields["content-encoding"] == "gzip"
        assert (await line.ask(odds(f"a{tls}", method="HEAD"), head=True)).way == "hit"
    assert house.ways()["hit"] == 10


async def test_a_connection_that_only_hits_opens_none_to_the_provider(house):
    await house.fill("a")
    connected = []

    class Watching:
        def server_connect(self, data):
            connected.append(data.server.address)

    ctx.master.addons.add(Watching())
    line = await tunnelled(house)
    assert [(await line.ask(odds("a"))).way for _ in range(5)] == ["hit"] * 5
    assert connected == []
    assert (await line.ask(foreign("1"))).status == 200
    assert len(connected) == 1


async def test_order_in_a_tunnel(house):
    await house.fill("a")
    line = await tunnelled(house)
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


async def test_a_request_in_pieces_in_a_tunnel(house):
    await house.fill("a")
    line = await tunnelled(house)
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


async def test_the_last_request_in_a_tunnel_ends_it(house):
    await house.fill("a")
    line = await tunnelled(house)
    assert (await line.ask(odds("a", "Connection: close"))).way == "hit"
    assert await line.rest() == b""


async def test_a_host_that_the_connection_is_not_for_is_no_hit(house):
    await house.fill("a")
    line = await tunnelled(house)
    assert (await line.ask(wire("/v4/sports/a/odds?regions=us", host="other.test"))).status == 421
    other = await house.dial(role="regular")
    authority = f"127.0.0.1:{house.vendor.port}"
    assert (await other.ask(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())).status == 200
    # Its address is no provider's, whatever its Host field says.
    assert (await other.ask(odds("a"))).way != "hit"
    assert "hit" not in house.ways()


async def test_one_in_so_many_is_observed_in_a_tunnel(tmp_path, ca_folder):
    async with inside(tmp_path, ca_folder, "observe = 4") as house:
        await house.fill("a")
        seen = []

        class Watching:
            def request(self, flow):
                seen.append(flow.request.path)

        line = await tunnelled(house)
        ctx.master.addons.add(Watching())
        assert [(await line.ask(odds("a"))).way for _ in range(20)] == ["hit"] * 20
        assert len(seen) == 5
        assert (house.ways()["hit"], house.ways()["observed"]) == (15, 5)


async def test_an_error_of_the_lane_in_a_tunnel_leaves_the_request_to_mitmproxy(house, monkeypatch, caplog):
    await house.fill("a")
    line = await tunnelled(house)
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


async def test_many_changes_of_hands_in_a_tunnel(house):
    await house.fill("a")
    line = await tunnelled(house)
    for number in range(25):
        assert (await line.ask(odds("a"))).way == "hit"
        assert (await line.ask(foreign(str(number)))).status == 200
    assert house.ways()["hit"] == 25
    assert isinstance(line.writer.get_extra_info("ssl_object"), ssl.SSLObject)
