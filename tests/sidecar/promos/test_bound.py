"""Boosted odds and a real store in which answers change."""

import asyncio
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from holdover.canonical import CanonicalRequest
from holdover.content import board_of, revision_of
from holdover.entry import Entry
from holdover.metrics import Metrics
from holdover.provider_settings import ProviderSettings
from holdover.providers.profile import Offer
from holdover.providers.registry import PROFILES
from holdover.rules import Rules, compile_provider
from holdover.store.base import Changes, StoreError
from holdover.store.disk import DiskStore
from sidecar.promos import answers, bound
from sidecar.promos.api import Promotions
from sidecar.promos.boost import Reading, Refusal, judged
from sidecar.promos.bound import DEMAND_S, Bound
from sidecar.promos.document import Audience, Boost, Promo, Text
from tests.sidecar.scene import until

NOW = 1_795_471_200.0
LIVE = Promo(
    id="boost",
    kind="boosted-odds",
    slot="boosts",
    priority=500,
    content={"en": Text("Boost")},
    start=NOW - 60,
    end=NOW + 86_400,
    timezone="UTC",
    audience=Audience(frozenset(["US-NJ"])),
    odds=Boost("vendor", "match", "h2h", "Home", 2.5),
)
EPL = CanonicalRequest("vendor", "odds", "/v4/sports/epl/odds", (("markets", "h2h"), ("regions", "eu")))
OTHER = replace(EPL, query=(("regions", "uk"),))
HOUR = "2026-11-23T23:00:00Z"


def board(*prices: float, event: str = "match", **more: Any) -> list[dict[str, Any]]:
    """One event; each price is that of another bookmaker. None: it has no odds."""
    books = [
        {"key": f"book-{n}", "last_update": "2026-11-23T21:59:00Z", "markets": [_market(price)]}
        for n, price in enumerate(prices)
    ]
    return [{"id": event, "commence_time": HOUR, "bookmakers": books, **more}]


def _market(price: float) -> dict[str, Any]:
    return {"key": "h2h", "outcomes": [{"name": "Home", "price": price}, {"name": "Away", "price": 1.5}]}


@dataclass
class Scene:
    bound: Bound
    promotions: Promotions
    store: DiskStore
    metrics: Metrics
    asked: list[CanonicalRequest] = field(default_factory=list)
    now: float = NOW

    def put(
        self,
        document: object,
        request: CanonicalRequest = EPL,
        *,
        at: float | None = None,
        status: int = 200,
        **more: Any,
    ) -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        when = self.now if at is None else at
        revision = revision_of(status, body, ("last_update",))
        told = {"board": board_of(body, starts="commence_time"), **more}
        self.store.put(Entry(request, status, (), body, b"", revision, when, when, **told), when)

    @property
    def hidden(self) -> dict[str, str]:
        return dict(self.promotions.hidden)

    def counted(self, reason: str) -> float | None:
        return self.metrics.registry.get_sample_value("holdover_promos_hidden", {"reason": reason})


def rules(profile: str = "the-odds-api", max_stale_s: float = 60) -> Rules:
    route = {"name": "odds", "path": "/v4/sports/{sport}/odds", "window_s": 10, "max_stale_s": max_stale_s}
    told = {"name": "vendor", "hosts": ["x.test"], "origin": "http://x.test", "clients": "open", "profile": profile}
    settings = ProviderSettings.model_validate({**told, "routes": [{**route, "updated": ["last_update"]}]})
    return Rules([compile_provider(settings, {})])


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    metrics, store = Metrics(), DiskStore(tmp_path / "store", 1 << 24)
    promotions, asked = Promotions(metrics.promos), list[CanonicalRequest]()

    async def ask(request: CanonicalRequest) -> bool:
        asked.append(request)
        return True

    made_of = Bound(store, rules(), promotions, metrics, ask, clock=lambda: made.now)
    made = Scene(made_of, promotions, store, metrics, asked)
    made_of.use([LIVE])
    return made


async def test_hidden_until_the_odds_were_read_and_from_then_on_as_they_say(scene: Scene):
    scene.put(board(2.1))
    assert scene.hidden == {"boost": "the odds were not read yet"}
    assert scene.counted("unreadable") == 1
    await scene.bound.step()
    assert scene.hidden == {}
    assert scene.promotions.prices == {"boost": 2.1}
    assert scene.counted("unreadable") == 0

    scene.now += 5
    scene.put(board())
    waiting = scene.promotions.changes.next
    await scene.bound.step()
    assert scene.hidden == {"boost": "the market is suspended, since 2026-11-23 22:00 UTC"}
    assert (scene.counted("suspended"), scene.promotions.prices) == (1, {})
    assert waiting.is_set(), "streams are told"

    scene.now += 5
    scene.put(board(2.2, 2.6))
    await scene.bound.step()
    assert scene.hidden == {
        "boost": "the price is already as good as the boost (2.5), since 2026-11-23 22:00 UTC: 2.6 at book-1"
    }
    scene.now += 5
    scene.put(board(2.2, 2.4))
    await scene.bound.step()
    assert (scene.hidden, scene.promotions.prices) == ({}, {"boost": 2.4})

    scene.now += 61
    await scene.bound.step()
    assert scene.hidden == {"boost": "the price is older than 60 s, since 2026-11-23 22:01 UTC"}
    scene.put(board(2.2, 2.4))
    await scene.bound.step()
    assert scene.hidden == {}, "the same odds, confirmed"

    scene.now = NOW + 3600
    await scene.bound.step()
    assert scene.hidden == {"boost": "the event is past its start, since 2026-11-23 23:00 UTC"}


async def test_streams_are_told_once_of_what_lasts(scene: Scene):
    scene.put(board(2.6))
    await scene.bound.step()
    waiting, told = scene.promotions.changes.next, scene.hidden
    for price in (2.7, 2.8, 2.9):
        scene.now += 61
        scene.put(board(price))
        await scene.bound.step()
    assert (scene.promotions.changes.next, scene.hidden) == (waiting, told)


async def test_an_edited_boost_is_judged_at_once_and_a_new_event_is_read_first(scene: Scene):
    scene.put([*board(2.1), *board(3.0, event="other")])
    await scene.bound.step()
    assert scene.hidden == {}
    assert LIVE.odds is not None
    lower, other = replace(LIVE.odds, price=2.0), replace(LIVE.odds, event="other", price=4.0)
    scene.bound.use([replace(LIVE, odds=lower), replace(LIVE, id="new", odds=other)])
    assert scene.hidden.keys() == {"boost", "new"}
    assert scene.hidden["new"] == "the odds were not read yet"
    await scene.bound.step()
    assert scene.hidden.keys() == {"boost"}
    assert scene.promotions.prices == {"new": 3.0}
    scene.bound.use([])
    await scene.bound.step()
    assert (scene.hidden, scene.promotions.prices, scene.counted("better")) == ({}, {}, 0)


async def test_an_event_that_leaves_its_board_is_gone_and_comes_back(scene: Scene):
    scene.put(board(2.1))
    await scene.bound.step()
    scene.now += 5
    scene.put(board(2.1, event="other"))
    await scene.bound.step()
    assert scene.hidden["boost"].startswith('event "match" is in no cached answer of vendor')
    scene.put(board(2.1), at=scene.now + 1)
    await scene.bound.step()
    assert scene.hidden == {}


@pytest.mark.parametrize(("document", "status"), [(board(2.1, event="other"), 200), ({"message": "no event"}, 404)])
async def test_an_answer_that_lost_the_event_counts_until_another_is_newer(scene: Scene, document: Any, status: int):
    scene.put(board(2.1))
    scene.put(board(2.1), OTHER)
    await scene.bound.step()
    assert scene.hidden == {}
    scene.now += 5
    scene.put(document, status=status)
    await scene.bound.step()
    assert scene.hidden.keys() == {"boost"}, "the other answer is older"
    scene.now += 5
    scene.put(board(2.1), OTHER)
    scene.now += 1
    scene.put(document, status=status)
    await scene.bound.step()
    assert scene.hidden == {}, "that it is gone was told before the other answer"
    scene.store.delete(OTHER.key)
    await scene.bound.step()
    assert scene.counted("gone") == 1


async def test_how_old_an_answer_was_when_it_came_counts(scene: Scene):
    scene.put(board(2.1), initial_age=50.0)
    await scene.bound.step()
    assert scene.hidden == {}
    scene.now += 11
    await scene.bound.step()
    assert scene.counted("stale") == 1


async def test_what_cannot_be_read_hides_nothing_that_another_answer_tells(scene: Scene):
    scene.put(board(2.1))
    scene.put(b"{}", OTHER)
    await scene.bound.step()
    assert scene.hidden == {}


async def test_more_changes_than_are_told_by_keys(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    scene.put(board(2.1))
    await scene.bound.step()
    monkeypatch.setattr(scene.store, "changes", lambda _: Changes(scene.store.position(), None))
    scene.store.delete(EPL.key)
    await scene.bound.step()
    assert scene.counted("gone") == 1
    scene.now += 5
    scene.put(board(2.2))
    await scene.bound.step()
    assert scene.promotions.prices == {"boost": 2.2}


async def test_what_cannot_be_judged_is_hidden_and_told_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def broken(boost: Boost, readings: Sequence[Reading], now: float) -> Refusal | float:
        if boost.selection == "Home":
            raise RuntimeError("broken")
        return judged(boost, readings, now)

    assert LIVE.odds is not None
    scene.bound.use([LIVE, replace(LIVE, id="away", odds=replace(LIVE.odds, selection="Away"))])
    scene.put(board(2.1))
    with monkeypatch.context() as patch:
        patch.setattr(bound, "judged", broken)
        for _ in range(3):
            await scene.bound.step()
            assert scene.hidden == {"boost": "the odds cannot be judged; see the log of the sidecar"}
    assert len(caplog.records) == 1
    await scene.bound.step()
    assert scene.hidden == {}


async def test_what_cannot_be_read_at_all_hides_until_it_can(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    def broken(_: object) -> NoReturn:
        raise RuntimeError("broken")

    monkeypatch.setattr(bound, "INTERVAL_S", 0.01)
    monkeypatch.setattr(bound, "TROUBLE_S", 0.01)
    scene.put(board(2.1))
    await scene.bound.step()
    task = asyncio.create_task(scene.bound.follow())
    try:
        with monkeypatch.context() as patch:
            patch.setattr(scene.store, "changes", broken)
            await until(lambda: scene.hidden == {"boost": "the odds were not read yet"})
            scene.bound.use([LIVE, replace(LIVE, id="two")])
            assert scene.hidden.keys() == {"boost", "two"}
        await until(lambda: scene.hidden == {})
    finally:
        task.cancel()


async def test_what_is_purged_is_gone(scene: Scene):
    scene.put(board(2.1))
    await scene.bound.step()
    scene.store.delete(EPL.key)
    await scene.bound.step()
    assert scene.counted("gone") == 1


@pytest.mark.parametrize(
    "body", [b"{", b'{"message": "maintenance"}', b"[[1]]", b'[{"id": "match", "bookmakers": 7}]']
)
async def test_what_cannot_be_read_hides(scene: Scene, body: bytes):
    scene.put(board(2.1))
    await scene.bound.step()
    scene.now += 5
    scene.put(body)
    await scene.bound.step()
    assert scene.hidden == {"boost": "an answer of vendor/odds is not what such answers are"}
    scene.now += 5
    scene.put(board(2.1))
    await scene.bound.step()
    assert scene.hidden == {}


async def test_other_answers_do_not_matter(scene: Scene):
    scene.put(board(2.1))
    scene.put(board(9.0), replace(EPL, provider="elsewhere"))
    scene.put(board(9.0), replace(EPL, route="historical-odds"))
    await scene.bound.step()
    assert scene.promotions.prices == {"boost": 2.1}


async def test_a_provider_that_is_not_there_or_cannot_be_read_is_told(scene: Scene):
    assert LIVE.odds is not None
    scene.bound.use([replace(LIVE, odds=replace(LIVE.odds, provider="typo"))])
    await scene.bound.step()
    assert scene.hidden == {"boost": 'provider "typo" is not configured'}
    scene.bound.configure(rules("generic"))
    scene.bound.use([LIVE])
    await scene.bound.step()
    assert scene.hidden == {"boost": 'prices of provider "vendor" cannot be read (profile "generic")'}


async def test_limits_follow_a_changed_configuration(scene: Scene):
    scene.put(board(2.1))
    await scene.bound.step()
    scene.now += 70
    await scene.bound.step()
    assert scene.counted("stale") == 1
    scene.bound.configure(rules(max_stale_s=100))
    await scene.bound.step()
    assert scene.hidden == {}


async def test_a_store_that_does_not_answer_makes_prices_stale(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    scene.put(board(2.1))
    await scene.bound.step()

    def locked(_: object) -> None:
        raise StoreError("locked")

    with monkeypatch.context() as patch:
        patch.setattr(scene.store, "changes", locked)
        scene.now += 30
        await scene.bound.step()
        assert scene.hidden == {}
        scene.put(board())
        scene.now += 31
        await scene.bound.step()
        assert scene.counted("stale") == 1
    await scene.bound.step()
    assert scene.counted("suspended") == 1, "what changed meanwhile was not lost"


async def test_odds_are_looked_into_once_while_they_are_the_same(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    read, profile = list[bytes](), PROFILES["the-odds-api"]
    offers = profile.offers

    def counted(request: CanonicalRequest, body: bytes, events: Collection[str]) -> Iterator[Offer]:
        read.append(body)
        return offers(request, body, events)

    monkeypatch.setattr(profile, "offers", counted)
    for _ in range(3):
        scene.put(board(2.1))
        await scene.bound.step()
        await scene.bound.step()
        scene.now += 5
    assert len(read) == 1
    scene.put(board(2.2))
    await scene.bound.step()
    assert len(read) == 2


async def test_one_request_is_kept_fresh_while_the_promo_may_be_shown(scene: Scene):
    def requests() -> list[CanonicalRequest]:
        found, scene.asked[:] = list(scene.asked), []
        return found

    totals = replace(EPL, query=(("markets", "totals"),))
    scene.put(board(2.1))
    await scene.bound.step()
    await scene.bound.demand()
    await scene.bound.demand()
    assert requests() == [EPL], "every few seconds"
    scene.now += DEMAND_S
    scene.put(board(2.1), OTHER)
    scene.put([{**board()[0], "bookmakers": [{"key": "book-0", "markets": []}]}], totals)
    await scene.bound.step()
    await scene.bound.demand()
    assert requests() == [EPL], "the same as before, though there is a newer one"
    scene.store.delete(EPL.key)
    scene.now += DEMAND_S
    await scene.bound.step()
    await scene.bound.demand()
    assert requests() == [OTHER]
    scene.now = NOW + 3600
    await scene.bound.step()
    await scene.bound.demand()
    assert requests() == [], "past the start"


async def test_a_request_without_the_bookmaker_is_not_kept_fresh_for_its_price(scene: Scene):
    assert LIVE.odds is not None
    scene.bound.use([replace(LIVE, odds=replace(LIVE.odds, bookmaker="book-1"))])
    scene.put(board(2.1, 2.2))
    scene.put(board(2.1), OTHER, at=NOW + 1)
    await scene.bound.step()
    await scene.bound.demand()
    assert scene.asked == [EPL]
    assert scene.promotions.prices == {"boost": 2.2}


async def test_a_promo_of_the_past_or_of_next_week_asks_for_nothing(scene: Scene):
    scene.put(board(2.1))
    scene.bound.use([replace(LIVE, start=NOW + 7200), replace(LIVE, id="over", end=NOW)])
    await scene.bound.step()
    await scene.bound.demand()
    assert scene.asked == []
    assert scene.promotions.prices == {"boost": 2.1}
    scene.put(board(3.1), at=NOW + 1)
    await scene.bound.step()
    assert scene.hidden.keys() == {"boost"}
    assert scene.counted("better") == 0, "of those whose time it is"


async def test_ever_new_requests_of_clients_do_not_fill_the_memory(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(answers, "MOST_ANSWERS", 30)
    for number in range(100):
        scene.put(board(2.1), replace(EPL, query=(("commenceTimeTo", str(number)),)), at=NOW + number)
        if number % 10 == 9:
            await scene.bound.step()
    assert len(scene.bound._answers._answers) <= 30
    [readings] = scene.bound._known.readings.values()
    assert [each.at for each in readings] == [NOW + 99 - n for n in range(answers.MOST_READINGS)]
