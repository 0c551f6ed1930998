import asyncio
import gc
import resource
import socket
from contextlib import suppress
from functools import partial

import pytest
from mitmproxy import ctx

from addons.doors import Farewell
from tests.addons.inside import Line, foreign, inside, odds, until


async def test_no_more_connections_than_the_limit(house):
    await house.fill("a")
    await until(lambda: not house.fast._connections)
    house.change(max_connections=3)
    kept = [await house.dial() for _ in range(3)]
    assert [(await line.ask(odds("a"))).way for line in kept] == ["hit"] * 3
    beyond = await house.dial()
    assert await beyond.rest() == b""
    assert house.closed("max_connections") == 1
    await kept.pop().close()
    await until(lambda: len(house.fast._connections) == 2)
    assert (await (await house.dial()).ask(odds("a"))).way == "hit"


async def test_no_more_connections_of_one_address_than_the_limit(house):
    await house.fill("a")
    await until(lambda: not house.fast._connections)
    house.change(max_per_address=2)
    kept = [await house.dial() for _ in range(2)]
    assert [(await line.ask(odds("a"))).way for line in kept] == ["hit"] * 2
    assert await (await house.dial()).rest() == b""
    assert house.closed("max_per_address") == 1
    # Of another address.
    sock = socket.socket()
    sock.bind(("127.0.0.2", 0))
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", house.ports["reverse"]))
    line = Line(*await asyncio.open_connection(sock=sock))
    assert (await line.ask(odds("a"))).way == "hit"
    assert house.fast._addresses == {"127.0.0.1": 2, "127.0.0.2": 1}
    await line.close()


async def test_who_breaks_off_counts_until_his_answer_is_there(house):
    """Else whoever asks and goes, again and again, would have more under way than connections may be open."""
    house.change(max_per_address=3)
    house.vendor.open.clear()

    def asked(count: int) -> bool:
        return len(house.vendor.asked) == count

    for number in range(3):
        line = await house.dial()
        await line.send(odds(f"slow-{number}"))
        await until(partial(asked, number + 1))
        line.break_off()
    await until(lambda: not house.fast._connections)
    assert await (await house.dial()).rest() == b""
    assert house.closed("max_per_address") == 1
    house.vendor.open.set()
    await until(lambda: not house.fast._addresses)
    assert (await (await house.dial()).ask(odds("slow-0"))).way == "hit"


async def test_what_is_asked_in_flows_by_who_breaks_off_is_waited_for_no_longer(house):
    house.vendor.open.clear()
    house.change(enabled=False)
    await until(lambda: not house.fast.lane.on)
    theirs = ctx.master.addons.get("proxyserver").connections

    def asked(count: int) -> bool:
        return len(house.vendor.asked) == count

    for number in range(3):
        line = await house.dial()
        await line.send(odds(f"slow-{number}"))
        await until(partial(asked, number + 1))
        assert len(house.addon._asking) == 1
        line.break_off()
        await until(lambda: not (house.addon._asking or house.fast._connections or theirs))
    house.vendor.open.set()
    assert (await (await house.dial()).ask(odds("slow-0"))).status == 200
    assert len(house.vendor.asked) == 3, "the call goes on for others"


async def test_a_thousand_half_open_connections_hold_up_nobody(house):
    await house.fill("a")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 2300:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    loop = asyncio.get_running_loop()
    half = [await house.connected() for _ in range(1000)]
    for number, sock in enumerate(half):
        await loop.sock_sendall(sock, [b"", odds("a")[:40], b"\x16\x03", foreign("1")[:-2]][number % 4])
    await until(lambda: len(house.fast._connections) == 1000)
    line = await house.dial()
    assert [(await line.ask(odds("a"))).way for _ in range(100)] == ["hit"] * 100
    house.change(head_timeout_s=0.1, idle_timeout_s=0.3)
    await line.close()
    await until(lambda: not house.fast._connections, 30)
    for sock in half:
        sock.close()
    assert not house.fast.watch._watched
    assert not house.fast._addresses
    assert house.closed("head_timeout") == 750
    assert house.closed("idle_timeout") == 250
    assert (await (await house.dial()).ask(odds("a"))).way == "hit"


async def test_no_file_left_for_a_connection_is_waited_out(house, monkeypatch, caplog):
    await house.fill("a")
    monkeypatch.setattr("addons.fast_lane._PAUSE_S", 1.5)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    kept = await house.dial()
    assert (await kept.ask(odds("a"))).way == "hit"
    gc.collect()
    client = house.raw()
    hoard = []
    try:
        lowest = socket.socket()
        hoard.append(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest.fileno() + 1, hard))
        with suppress(OSError):
            while True:
                hoard.append(socket.socket())
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", house.ports["reverse"]))
        await until(lambda: "no connection can be accepted for a second" in caplog.text)
        assert (await kept.ask(odds("a"))).way == "hit"
        await asyncio.sleep(0.1)
        assert caplog.text.count("no connection can be accepted") == 1
    finally:
        for sock in hoard:
            sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    line = Line(*await asyncio.open_connection(sock=client))
    assert (await line.ask(odds("a"))).way == "hit"
    await line.close()
    caplog.clear()


async def test_a_connection_that_is_gone_before_it_is_accepted(house):
    await house.fill("a")
    for _ in range(20):
        sock = await house.connected()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        sock.close()
    assert (await (await house.dial()).ask(odds("a"))).way == "hit"
    await until(lambda: len(house.fast._connections) == 1)


async def test_drained_clients_get_what_they_asked_for_and_are_told_to_go(house):
    await house.fill("a")
    house.vendor.open.clear()
    idle, used, waits, theirs = [await house.dial() for _ in range(4)]
    assert [(await line.ask(odds("a"))).way for line in (idle, used)] == ["hit"] * 2
    await waits.send(odds("new"))
    await theirs.send(foreign("slow"))
    await until(lambda: len(house.vendor.asked) == 3)
    house.fast.close_listeners()
    ctx.master.addons.add(Farewell())
    draining = asyncio.ensure_future(house.fast.drain(20))
    await asyncio.sleep(0.05)
    reply = await used.ask(odds("a"))
    assert (reply.way, reply.fields["connection"]) == ("hit", "close")
    assert await used.rest() == b""
    with pytest.raises(OSError, match="Connect"):
        await house.dial()
    assert await idle.rest() == b""
    assert not draining.done()
    house.vendor.open.set()
    assert [(await line.reply()).status for line in (waits, theirs)] == [200, 200]
    await asyncio.wait_for(draining, 30)
    assert not house.fast._connections


async def test_certificates_are_followed(house, tmp_path, caplog):
    path, config = tmp_path / "own.pem", house.addon._standin.config
    house.fast.use(config.settings.lane, config.rules.hosts, [path])
    assert caplog.messages[-1].startswith(f"{path}: cannot be read")
    path.write_bytes(b"half of")
    await until(lambda: caplog.messages[-1].startswith(f"{path}: not PEM"))


async def test_a_reload_while_it_drains_does_not_switch_the_lane_on(house):
    await house.fill("a")
    line = await house.dial()
    assert (await line.ask(odds("a"))).way == "hit"
    before = house.ways()["hit"]
    house.fast.close_listeners()
    draining = asyncio.ensure_future(house.fast.drain(3))
    await asyncio.sleep(0.05)
    config = house.addon._standin.config
    house.fast.use(config.settings.lane, config.rules.hosts)
    assert (await line.ask(odds("a"))).way == "hit"
    assert house.ways()["hit"] == before, "it went through mitmproxy's flows, which tell it to go"
    await line.close()
    await draining


class Watching:
    """Somebody's addon."""

    def __init__(self):
        self.seen = []

    def request(self, flow):
        self.seen.append(flow.request.path)


async def test_the_lane_is_off_while_an_addon_needs_to_see_all(house, caplog):
    await house.fill("a")
    line, watching = await house.dial(), Watching()
    house.change(strict=True)
    assert (await line.ask(odds("a"))).way == "hit"
    ctx.master.addons.add(watching)
    await until(lambda: "the fast lane is off: Watching" in caplog.text)
    for number in range(5):
        assert (await line.ask(odds("a"))).way == "hit"
        assert len(watching.seen) == number + 1
    # A reload forgets nothing of that.
    settings = house.fast.settings
    house.fast.use(settings, [])
    assert (await line.ask(odds("a"))).way == "hit"
    assert len(watching.seen) == 6
    ctx.master.addons.remove(watching)
    await until(lambda: "the fast lane is on again" in caplog.text)
    before = house.ways()["hit"]
    assert (await line.ask(odds("a"))).way == "hit"
    assert (house.ways()["hit"] - before, len(watching.seen)) == (1, 6)
    caplog.clear()


@pytest.mark.parametrize("observe", [1, 3])
async def test_one_in_so_many_hits_is_seen_by_others(tmp_path, ca_folder, observe):
    async with inside(tmp_path, ca_folder, f"observe = {observe}") as house:
        await house.fill("a")
        watching = Watching()
        ctx.master.addons.add(watching)
        line, tls = await house.dial(), await house.dial(tls=True)
        for number in range(9 * observe):
            one = odds("a", "X-Number: 1") if number % 2 else odds("a")
            assert (await (tls if number % 3 else line).ask(one)).way == "hit"
        assert len(watching.seen) == 9
        await line.send(odds("a") * 6 * observe)
        assert {(await line.reply()).way for _ in range(6 * observe)} == {"hit"}
        assert house.ways()["observed"] >= 10
        counted = sum(
            sample.value
            for family in house.addon._metrics.registry.collect()
            for sample in family.samples
            if sample.name == "holdover_client_requests_total" and sample.labels["outcome"] == "fresh"
        )
        assert counted == 15 * observe


async def test_another_folder_of_configuration_is_taken_over_by_the_lane_too(house, monkeypatch):
    """As `mitmdump -s` is told by its option."""
    await house.fill("a")
    line = await house.dial()
    assert (await line.ask(odds("a"))).way == "hit"
    folder = house.addon._standin.config.folder
    monkeypatch.setenv("RIG_CREDENTIAL", "rig-credential")
    file = folder / "providers" / "odds.toml"
    file.write_text(file.read_text().replace("idle_after_s", 'lane = "full"\nidle_after_s'))
    ctx.options.add_option("holdover_config", str, str(folder), "")
    house.addon.configure({"holdover_config"})
    before = house.ways()["hit"]
    assert (await line.ask(odds("a"))).way == "hit"
    assert house.ways()["hit"] == before
