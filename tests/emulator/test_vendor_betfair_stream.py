"""Betfair: recorded market streams, replayed as the books of their markets on the vendor's clock."""

import importlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from scripts.emulator.vendors.launch import Running, running
from scripts.rig import ROOT

from .vendor_wire import FIXTURES, ask

BETTING = "/exchange/betting/rest/v1.0"
RECORDED = {"flumine-1.197931750": "1.197931750", "BASIC-1.132153978": "1.132153978"}
HAS_CLIENT = importlib.util.find_spec("betfairlightweight") is not None
MARKET, OTHER = "1.5", "1.6"
ALL = ("EX_ALL_OFFERS", "EX_TRADED")
STEPS = 60


def definition(status: str = "OPEN", second: str = "ACTIVE") -> dict[str, Any]:
    runners = [{"id": 1, "status": "ACTIVE", "sortPriority": 1}, {"id": 2, "hc": -0.5, "status": second}]
    return {"status": status, "inPlay": status != "OPEN", "betDelay": 0, "version": 7, "runners": runners}


def change(number: str = MARKET, **told: Any) -> dict[str, Any]:
    return {"id": number, **told}


# By seconds after the first message: an image, changes of prices and of levels, a heartbeat, an image, a suspension.
COMPOSED: list[tuple[int, dict[str, Any]]] = [
    (0, {"op": "connection", "connectionId": "1"}),
    (
        0,
        change(
            img=True,
            marketDefinition=definition(),
            tv=30,
            rc=[
                {"id": 1, "atb": [[2, 5], [2.5, 9], [1.01, 1]], "atl": [[3, 4], [2.6, 8]], "ltp": 2.5, "tv": 20},
                {"id": 2, "hc": -0.5, "batb": [[0, 1.5, 6], [1, 1.4, 3]], "trd": [[1.5, 10]], "ltp": 1.5, "tv": 10},
            ],
        ),
    ),
    (
        100,
        change(tv=35, rc=[{"id": 1, "atb": [[2.5, 0], [2.4, 7]], "ltp": 2.4}, {"id": 2, "hc": -0.5, "tv": 15}]),
    ),
    (100, change(OTHER, rc=[{"id": 9, "ltp": 5}])),
    (150, {"op": "mcm", "ct": "HEARTBEAT"}),
    (200, change(rc=[{"id": 2, "hc": -0.5, "batb": [[0, 1.55, 2], [1, 0, 0]], "trd": [[1.5, 12], [1.55, 3]]}])),
    (300, change(img=True, rc=[{"id": 1, "atb": [[2.2, 1]], "ltp": 2.2}])),
    (400, change(marketDefinition=definition("SUSPENDED", second="REMOVED"))),
]


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    began, lines = 1_600_000_000_000, []
    for seconds, told in COMPOSED:
        whole = told if "op" in told else {"op": "mcm", "mc": [told]}
        lines.append(json.dumps({**whole, "pt": began + 1000 * seconds}))
    path = tmp_path_factory.mktemp("streams") / "composed"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def vendor(composed: Path) -> Iterator[Running]:
    """Its clock stands shortly after the first message."""
    with running("betfair", calls_per_s=0, stream=composed, credential="live", delayed_key="late") as started:
        started.control(freeze=True)
        yield started


def call(vendor: Running, name: str, key: str = "live", data: tuple[str, ...] = ALL, **params: Any) -> Any:
    headers = {"X-Application": key, "X-Authentication": "open"}
    projection = {"priceProjection": {"priceData": data, "exBestOffersOverrides": {"bestPricesDepth": 1}}}
    return ask(f"{vendor.url}{BETTING}/{name}/", headers, {**params, **projection}).json


def book(vendor: Running, number: str = MARKET, **how: Any) -> Any:
    [found] = call(vendor, "listMarketBook", marketIds=[number], **how)
    return found


def levels(ladder: list[dict[str, float]]) -> list[tuple[float, float]]:
    return [(level["price"], level["size"]) for level in ladder]


def backs(found: Any) -> list[list[tuple[float, float]]]:
    return [levels(runner["ex"]["availableToBack"]) for runner in found["runners"]]


def test_the_first_message_is_the_book_at_the_start(vendor: Running):
    found = book(vendor)
    one, two = found["runners"]
    assert (found["status"], found["inplay"], found["version"], found["numberOfRunners"]) == ("OPEN", False, 7, 2)
    assert (found["totalMatched"], found["totalAvailable"], found["isMarketDataDelayed"]) == (30, 36, False)
    assert (one["selectionId"], one["handicap"], one["lastPriceTraded"], one["totalMatched"]) == (1, 0.0, 2.5, 20)
    assert (two["selectionId"], two["handicap"], two["lastPriceTraded"]) == (2, -0.5, 1.5)
    assert backs(found) == [[(2.5, 9), (2, 5), (1.01, 1)], [(1.5, 6), (1.4, 3)]]
    assert levels(one["ex"]["availableToLay"]) == [(2.6, 8), (3, 4)]
    assert levels(two["ex"]["tradedVolume"]) == [(1.5, 10)]


def test_the_book_changes_when_the_clock_passes_a_message(vendor: Running):
    first = book(vendor)
    vendor.control(advance_s=90)
    assert book(vendor) == first
    vendor.control(advance_s=10)
    changed = book(vendor)
    assert backs(changed) == [[(2.4, 7), (2, 5), (1.01, 1)], [(1.5, 6), (1.4, 3)]]
    assert [runner["lastPriceTraded"] for runner in changed["runners"]] == [2.4, 1.5]
    assert [runner["totalMatched"] for runner in changed["runners"]] == [20, 15]
    assert changed["totalMatched"] == 35
    vendor.control(advance_s=100)
    assert backs(book(vendor)) == [[(2.4, 7), (2, 5), (1.01, 1)], [(1.55, 2)]]
    assert levels(book(vendor)["runners"][1]["ex"]["tradedVolume"]) == [(1.5, 12), (1.55, 3)]


def test_an_image_replaces_all_prices_and_a_definition_none(vendor: Running):
    vendor.control(advance_s=300)
    imaged = book(vendor)
    assert backs(imaged) == [[(2.2, 1)], []]
    assert imaged["totalMatched"] == 0
    assert "lastPriceTraded" not in imaged["runners"][1]
    vendor.control(advance_s=100)
    suspended = book(vendor)
    assert (suspended["status"], suspended["inplay"]) == ("SUSPENDED", True)
    assert [runner["status"] for runner in suspended["runners"]] == ["ACTIVE", "REMOVED"]
    assert backs(suspended) == backs(imaged)
    vendor.control(advance_s=100_000)
    assert book(vendor) == suspended


def test_a_delayed_key_is_a_minute_behind(vendor: Running):
    first = book(vendor, key="late")
    assert first == {**book(vendor), "isMarketDataDelayed": True}
    vendor.control(advance_s=110)
    assert book(vendor, key="late") == first
    assert backs(book(vendor)) != backs(first)
    vendor.control(advance_s=50)
    assert backs(book(vendor, key="late")) == backs(book(vendor)) != backs(first)


def test_the_price_data_decide_what_is_shown(vendor: Running):
    assert all("ex" not in runner for runner in book(vendor, data=())["runners"])
    best = book(vendor, data=("EX_BEST_OFFERS",))
    assert backs(best) == [[(2.5, 9)], [(1.5, 6)]]
    assert [runner["ex"]["tradedVolume"] for runner in best["runners"]] == [[], []]
    traded = book(vendor, data=("EX_TRADED",))
    assert backs(traded) == [[], []]
    assert levels(traded["runners"][1]["ex"]["tradedVolume"]) == [(1.5, 10)]


def test_recorded_markets_stand_beside_those_of_the_board(vendor: Running):
    vendor.control(advance_s=100)
    truth = vendor.truth()
    numbers = [found["marketId"] for found in truth["live"]]
    assert numbers[-1] == MARKET
    assert len(numbers) == 9
    assert call(vendor, "listMarketBook", marketIds=[*numbers[-2:], OTHER]) == truth["live"][-2:]
    [one] = call(vendor, "listRunnerBook", marketId=MARKET, selectionId=2)
    assert one["runners"] == truth["live"][-1]["runners"][1:]
    assert truth["published_ms"][0] // 1000 - 1_600_000_000 in range(100, 150)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"op": "mcm", "pt": 1, "mc": [{}]}\nnonsense', "line 2: no message of a stream"),
        ('{"op": "mcm", "mc": [{}]}', "line 1: no message of a stream (KeyError('pt'))"),
        ('{"op": "connection"}', "has no market changes"),
        (None, "No such file"),
    ],
)
def test_a_file_that_is_no_stream_is_refused(tmp_path: Path, text: str | None, says: str):
    path = tmp_path / "stream"
    if text is not None:
        path.write_text(text)
    command = [sys.executable, "-m", "scripts.emulator.vendors", "betfair", "--stream", str(path)]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 2
    assert says in refused.stderr


def shown(found: Any) -> list[Any]:
    """What two books of a market must have in common."""
    head = [found[name] for name in ("status", "inplay", "version", "totalMatched", "numberOfActiveRunners")]
    runners = {}
    for runner in found["runners"]:
        prices = [levels(runner["ex"][name]) for name in ("availableToBack", "availableToLay", "tradedVolume")]
        state = [runner.get(name) for name in ("status", "lastPriceTraded", "adjustmentFactor")]
        runners[runner["selectionId"], float(runner["handicap"])] = [*prices, *state, runner.get("totalMatched") or 0]
    return [*head, runners]


class Client:
    """The books that a client of traders makes of the same file."""

    def __init__(self, path: Path, number: str) -> None:
        cache = importlib.import_module("betfairlightweight.streaming.cache")
        self._cache = cache.MarketBookCache(number, 0, True, False, False)
        self._messages = [json.loads(line) for line in path.read_text().splitlines()]
        self.began, self.ends = self._messages[0]["pt"], self._messages[-1]["pt"]

    def book(self, published_ms: int) -> Any:
        while self._messages and self._messages[0]["pt"] <= published_ms:
            message = self._messages.pop(0)
            for told in message["mc"]:
                self._cache.update_cache(told, message["pt"], True)
        return self._cache.create_resource(0)


@pytest.mark.skipif(not (FIXTURES / "betfair").is_dir(), reason="the recordings are not beside the checkout")
@pytest.mark.skipif(not HAS_CLIENT, reason="the client betfairlightweight is not installed")
@pytest.mark.parametrize("name", RECORDED)
def test_a_recording_has_the_books_that_a_traders_client_makes_of_it(name: str):
    path = FIXTURES / "betfair" / name
    client = Client(path, RECORDED[name])
    seen = []
    with running("betfair", calls_per_s=0, stream=path) as vendor:
        vendor.control(freeze=True)
        for _ in range(STEPS + 1):
            found = book(vendor, RECORDED[name])
            assert shown(found) == shown(client.book(vendor.truth()["published_ms"][0]))
            seen.append(shown(found))
            vendor.control(advance_s=(client.ends - client.began) / 1000 / STEPS)
    assert seen[0][0] == "OPEN"
    assert seen[-1][0] == "CLOSED"
    assert sum(one != other for one, other in pairwise(seen)) > STEPS / 3
