"""Where the proxy connects to, with a resolver that the test is."""

import asyncio
import os
import socket
import threading
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from addons import reach as module
from addons.reach import Reach, Unreachable
from holdover import config as configuration
from scripts.rig import CREDENTIAL, House, write_house

PUBLIC, PRIVATE = "93.184.216.34", "192.168.7.7"
NAMES: dict[str, list[str]] = {
    "public.example": [PUBLIC],
    "private.example": [PRIVATE],
    "here.example": ["127.0.0.1"],
    "both.example": [PUBLIC, PRIVATE],
    "vendor.example": [PRIVATE],
}


@pytest.fixture
def resolved(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names that were asked for."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def find(host: str, port: int, *rest: Any, **named: Any) -> Any:
        if host.replace(".", "").isdigit():
            return real(host, port, *rest, **named)
        asked.append(host)
        if host not in NAMES:
            raise socket.gaierror(socket.EAI_NONAME, "not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in NAMES[host]]

    monkeypatch.setattr(socket, "getaddrinfo", find)
    return asked


@pytest.fixture
async def house(tmp_path: Path) -> House:
    return write_house(tmp_path, "http://vendor.example:8000", proxy="workers = 2")


@pytest.fixture
async def reach(house: House, resolved: list[str]) -> AsyncIterator[Reach]:
    made = reach_of(house)
    yield made
    made.close()


def reach_of(house: House) -> Reach:
    return Reach(configuration.load(house.config, {**os.environ, "RIG_CREDENTIAL": CREDENTIAL}))


async def refused(reach: Reach, host: str, port: int = 80) -> str:
    with pytest.raises(Unreachable) as caught:
        await reach.address((host, port))
    assert caught.value.refused
    return str(caught.value)


async def test_a_foreign_name_is_led_to_the_address_that_was_looked_at(reach: Reach):
    assert await reach.address(("public.example", 443)) == (PUBLIC, 443)
    assert await reach.address(("both.example", 80)) == (PUBLIC, 80)


@pytest.mark.parametrize("host", ["private.example", "here.example", "169.254.169.254", "127.0.0.1", "::1", "[::1]"])
async def test_a_foreign_name_without_a_public_address_is_refused(reach: Reach, host: str):
    assert "`[proxy] foreign`" in await refused(reach, host.strip("[]"))


async def test_what_the_resolver_reads_as_an_address_is_one(reach: Reach, monkeypatch: pytest.MonkeyPatch):
    """As `getaddrinfo` does with 127.1, 2130706433 and 0x7f.1."""
    for host in ("127.1", "2130706433", "0x7f.1"):
        monkeypatch.setitem(NAMES, host, ["127.0.0.1"])
        assert "no public address" in await refused(reach, host)


async def test_a_providers_origin_may_be_anywhere(reach: Reach):
    assert await reach.address(("vendor.example", 8000)) == ("vendor.example", 8000)
    assert "no public address" in await refused(reach, "vendor.example", 22)


async def test_a_name_without_an_address_is_no_refusal(reach: Reach):
    for host in ("unknown.example", "a" * 70 + ".example"):
        with pytest.raises(Unreachable) as caught:
            await reach.address((host, 80))
        assert not caught.value.refused


async def test_none_asks_no_resolver(house: House, resolved: list[str]):
    path = house.config / "holdover.toml"
    path.write_text(path.read_text().replace("workers = 2", "foreign = 'none'"))
    reach = reach_of(house)
    assert "no provider's host" in await refused(reach, "public.example")
    assert await reach.address(("vendor.example", 8000)) == ("vendor.example", 8000)
    assert resolved == ["vendor.example"]
    reach.close()


@pytest.mark.parametrize("role", ["reverse", "regular", "metrics", "metrics of the second", "admin"])
async def test_holdover_itself_is_refused_even_where_any_host_is_allowed(
    house: House, resolved: list[str], role: str
):
    path = house.config / "holdover.toml"
    path.write_text(path.read_text().replace("workers = 2", "workers = 2\nforeign = 'any'"))
    reach = reach_of(house)
    port = house.ports[role.partition(" ")[0]] + (2 if "second" in role else 0)
    for host in ("127.0.0.1", "here.example", "0.0.0.0", "::ffff:127.0.0.1"):
        assert await refused(reach, host, port) == "the request names holdover itself"
    assert await reach.address(("127.0.0.1", 9)) == ("127.0.0.1", 9)
    reach.close()


async def test_where_holdover_listens_everywhere_each_address_of_this_machine_is_its_own(
    house: House, resolved: list[str]
):
    path = house.config / "holdover.toml"
    text = path.read_text().replace("workers = 2", "foreign = 'any'")
    path.write_text(text.replace(f"127.0.0.1:{house.ports['reverse']}", f"0.0.0.0:{house.ports['reverse']}"))
    reach = reach_of(house)
    assert await refused(reach, "127.0.0.3", house.ports["reverse"]) == "the request names holdover itself"
    assert await reach.address((PRIVATE, house.ports["reverse"])) == (PRIVATE, house.ports["reverse"])
    reach.close()


async def test_a_changed_configuration_is_followed(reach: Reach, house: House):
    assert "no public address" in await refused(reach, "private.example")
    path = house.config / "holdover.toml"
    path.write_text(path.read_text().replace("workers = 2", "foreign = 'any'"))
    reach.use(configuration.load(house.config, {**os.environ, "RIG_CREDENTIAL": CREDENTIAL}))
    assert await reach.address(("private.example", 80)) == (PRIVATE, 80)


async def test_names_that_nobody_answers_for_hold_up_no_provider(reach: Reach, monkeypatch: pytest.MonkeyPatch):
    """Anybody can make up any number of them."""
    monkeypatch.setattr(module, "_RESOLVE_S", 0.5)
    monkeypatch.setattr(module, "_MOST_ASKED", 20)
    answered, find = threading.Event(), socket.getaddrinfo

    def slow(host: str, *rest: Any, **named: Any) -> Any:
        if host.startswith("slow"):
            answered.wait(20)
        return find(host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    asking = [asyncio.create_task(reach.address((f"slow-{number}.example", 80))) for number in range(50)]
    await asyncio.sleep(0.1)
    assert await reach.address(("vendor.example", 8000)) == ("vendor.example", 8000)
    told = await asyncio.gather(*asking, return_exceptions=True)
    answered.set()
    assert Counter(str(each).partition(" slow")[0] for each in told) == {
        "nobody tells in time what address": 20,
        "too many names of hosts are being asked for; try again later": 30,
    }
