"""The quota runs out while clients poll: what do they see, what is still paid, when does serving stop?"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from scripts.emulator.ledger import fingerprint
from scripts.rig import CREDENTIAL, Emulator, House, emulator, fetch_json, running, write_house

from .client import KeepAlive
from .fleet import Fleet, Sample
from .houses import folder
from .odds_house import house_of, place
from .odds_shapes import SPORTS, WHOLE, spelled
from .outcome import Record
from .poll import watching

TARGET = "quota, real"
IN_PLAY, AHEAD = SPORTS[:2]
WINDOW_S, LEFT = 1.0, 24
LIMITS = {IN_PLAY: 3.0, AHEAD: 6.0}
"""Greatest age at which odds are served, by sport: in play and before."""
AFTER_S = 1.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer, with when the odds stored for its sport were asked for last (monotonic seconds)."""

    sample: Sample
    limit_s: float
    stored_at: float


@dataclass(frozen=True, slots=True)
class Ended:
    """What a run showed. `own_words` is what the provider says to a key without credits."""

    seen: Sequence[Seen]
    own_words: bytes
    paid_until_out: int
    paid_after: int


def measure(record: Record) -> None:
    pace = dict.fromkeys(("in_play_s", "near_s", "far_s"), WINDOW_S) | {"cadence_s": 0.0}
    limits = {"max_stale_s": f"{LIMITS[AHEAD]!r}", "max_stale_in_play_s": f"{LIMITS[IN_PLAY]!r}"}
    # The other routes of the profile need limits that hold their windows.
    windows = {"empty_s": "1"}
    with folder() as root, emulator(latency_p50_ms=10, latency_p95_ms=20, rate=0, events=0, quota=10**9) as provider:
        place(provider, [IN_PLAY], [AHEAD])
        house = house_of(write_house(root, provider.url), (), pace, limits | windows)
        with running(house):
            ended = asyncio.run(_run(house, provider))
    _judge(record, ended)


async def _run(house: House, provider: Emulator) -> Ended:
    shown = spelled(WHOLE, IN_PLAY, 1, CREDENTIAL)
    asked = [spelled(WHOLE, sport, client, CREDENTIAL) for client in range(6) for sport in LIMITS]
    fleet = Fleet(house.ports["reverse"], asked, len(asked), 0.1)
    async with watching(house) as fetches, fleet.polling():
        await asyncio.sleep(3 * WINDOW_S)
        used = await asyncio.to_thread(_spent, provider)
        await asyncio.to_thread(fetch_json, f"{provider.url}/_keys", {"key": CREDENTIAL, "quota": used + LEFT})
        async with asyncio.timeout(30):
            while (await asyncio.to_thread(_spent, provider)) < used + LEFT:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        out = await asyncio.to_thread(_spent, provider)
        await asyncio.sleep(max(LIMITS.values()) + AFTER_S)
        after = await asyncio.to_thread(_spent, provider)
    client = KeepAlive(int(provider.url.rpartition(":")[2]))
    own_words = (await client.get(shown)).body
    client.close()
    return Ended(list(_seen(fleet, _asked_at(fetches))), own_words, out - used, after - out)


def _spent(provider: Emulator) -> int:
    return int(provider.stats()["credits"].get(fingerprint(CREDENTIAL), 0))


def _asked_at(fetches: Mapping[tuple[str, float], tuple[str, float]]) -> dict[str, float]:
    """By sport, when the newest stored odds were asked for, in monotonic seconds."""
    offset = time.time() - time.monotonic()
    newest: dict[str, float] = {}
    for (_, requested_at), (path, _) in fetches.items():
        sport = path.split("/")[3]
        newest[sport] = max(newest.get(sport, 0.0), requested_at - offset)
    return newest


def _seen(fleet: Fleet, newest: Mapping[str, float]) -> Iterator[Seen]:
    for target, sample in fleet.by_target:
        sport = target.split("/")[3]
        yield Seen(sample, LIMITS[sport], newest[sport])


def _judge(record: Record, ended: Ended) -> None:
    """An answer is given between asking and reading; so it is too old when that was so already as the client asked,
    and refused too early when it was not yet too old as the client had read the refusal."""
    good = [seen for seen in ended.seen if not seen.sample.failure]
    refused = [seen for seen in ended.seen if seen.sample.failure]
    invented = [seen for seen in refused if seen.sample.body != ended.own_words]
    late = [seen for seen in good if seen.sample.started > seen.stored_at + seen.limit_s]
    early = [seen for seen in refused if seen.sample.ended < seen.stored_at + seen.limit_s]
    record.result(TARGET, "answers with odds", "answers", len(good))
    record.result(TARGET, "answers with the provider's refusal", "answers", len(refused) - len(invented))
    for sport, limit_s in LIMITS.items():
        # Only what came after the last fetch tells when serving stopped.
        own = [seen for seen in good if seen.limit_s == limit_s]
        stopped = max((seen.sample.ended - seen.stored_at for seen in own), default=0.0)
        begun = min((s.sample.ended - s.stored_at for s in refused if s.limit_s == limit_s), default=0.0)
        record.result(f"{TARGET}, {sport}", "max_stale_s", "s", limit_s)
        record.result(f"{TARGET}, {sport}", "last odds read, after their fetch began", "s", stopped)
        record.result(f"{TARGET}, {sport}", "first refusal read, after that", "s", begun)
    record.result(TARGET, "credits spent until there were none", "credits", ended.paid_until_out)
    record.at_least("refusals seen when the odds were too old", 1, len(refused))
    record.exactly("answers that the provider did not give", 0, len(invented))
    record.exactly("credits spent after the quota was used up", 0, ended.paid_after)
    record.exactly("odds served past max_stale_s", 0, len(late))
    record.exactly("refusals before max_stale_s", 0, len(early))
