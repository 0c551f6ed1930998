"""The fast lane in real processes: who sees what it answers, and that it counts as everything else does."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from scripts.rig import HOST, Emulator, House, running, wait_for, write_house
from tests.e2e.test_script_mode import dumping
from tests.e2e.wire import ask, calm_window, dial, fresh_target, total

COUNTED = (
    "holdover_client_requests_total",
    "holdover_client_response_bytes_total",
    "holdover_client_credits_saved_total",
)
FOREIGN = """
class Sees:
    def response(self, flow):
        with open({path!r}, "a") as file:
            file.write(flow.request.path + "\\n")


addons = [Sees()]
"""


def written(folder: Path, provider: Emulator, top: str = "", **settings: object) -> House:
    window = calm_window()
    chosen = {"window_s": window, "max_stale_s": 2 * window, "rate_per_s": 10_000, "burst": 10_000, **settings}
    house = write_house(folder, provider.url, top)
    house.write_provider(**chosen)
    return house


def ways(samples: Mapping[str, float]) -> dict[str, float]:
    ways = ("hit", "waited", "observed", "passed")
    return {way: total(samples, "holdover_lane_requests_total", f'way="{way}"') for way in ways}


def counts(samples: Mapping[str, float]) -> dict[str, float]:
    """What clients were given."""
    kept = {name: value for name, value in samples.items() if name.partition("{")[0] in COUNTED}
    ages = {name: v for name, v in samples.items() if name.startswith("holdover_served_age_seconds_count")}
    return {name: value for name, value in (kept | ages).items() if value}


def round_of_requests(port: int, target: str, other: str) -> list[tuple[int, bytes]]:
    """Everything that clients ask for, on new connections and on one that stays."""
    tag = ask(port, target)["etag"]
    kinds = [
        lambda where: ask(where, target),
        lambda where: ask(where, target, headers={"Accept-Encoding": "gzip"}),
        lambda where: ask(where, target, headers={"If-None-Match": tag}),
        lambda where: ask(where, target, method="HEAD"),
        lambda where: ask(where, other),
        lambda where: ask(where, "/v4/sports?apiKey=k"),
        lambda where: ask(where, "/v4/no/route?apiKey=k"),
        lambda where: ask(where, target, host="api.unknown.example"),
    ]
    replies = [kind(where) for _ in range(7) for kind in kinds for where in (port, dial(port))]
    return [(reply.status, reply.body) for reply in replies]


def test_what_the_lane_answers_counts_as_everything_else(shared_provider: Emulator, tmp_path: Path):
    target, other = fresh_target(), fresh_target(markets="h2h,spreads")
    given, counted, went = [], [], []
    for name, lane in (("on", ""), ("observing", "observe = 3"), ("off", "enabled = false")):
        folder = tmp_path / name
        folder.mkdir()
        with running(written(folder, shared_provider, f"[lane]\n{lane}")) as house:
            given.append(round_of_requests(house.ports["reverse"], target, other))
            samples = house.metrics("metrics")
            counted.append(counts(samples))
            went.append(ways(samples))
    assert given[0] == given[1] == given[2]
    assert counted[0] == counted[1] == counted[2]
    assert any("credits_saved" in name for name in counted[0]), sorted(counted[0])
    on, observing, off = went
    # 7 rounds of 6 kinds that are cached, twice; the first for the tag; three of them had to be fetched.
    assert on == {"hit": 7 * 6 * 2 + 1 - 3, "waited": 3, "observed": 0, "passed": 28}
    assert observing["hit"] + observing["observed"] == on["hit"]
    assert observing["observed"] == on["hit"] // 3
    assert off == {"hit": 0, "waited": 0, "observed": 0, "passed": 7 * 8 * 2 + 1}


def test_a_route_for_flows_is_never_answered_by_the_lane(shared_provider: Emulator, tmp_path: Path):
    with running(written(tmp_path, shared_provider, "[lane]\nobserve = 0", route_extra='lane = "full"')) as house:
        target, port = fresh_target(), house.ports["reverse"]
        assert [ask(port, target).way.partition(";")[0] for _ in range(5)] == ["fwd=uri-miss", *["hit"] * 4]
        assert [ask(port, "/v4/sports?apiKey=k").status for _ in range(5)] == [200] * 5
        assert ways(house.metrics("metrics")) == {"hit": 4, "waited": 1, "observed": 0, "passed": 5}


@pytest.mark.parametrize("strict", [True, False])
def test_a_foreign_addon_sees_all_when_that_is_wanted(shared_provider: Emulator, tmp_path: Path, strict: bool):
    seen, script = tmp_path / "seen", tmp_path / "theirs.py"
    script.write_text(FOREIGN.format(path=str(seen)))
    seen.touch()
    lane = f"[lane]\nstrict = {str(strict).lower()}\nobserve = 0"
    house = written(tmp_path, shared_provider, lane)
    target, port = fresh_target(), house.ports["reverse"]
    with dumping(house, script) as log:
        # mitmproxy listens a moment before the lane does.
        wait_for(lambda: ask(port, fresh_target()) and any(ways(house.metrics("metrics")).values()))
        before = house.metrics("metrics")
        for _ in range(6):
            assert ask(port, target).status == 200
        after = house.metrics("metrics")
        assert seen.read_text().count(target) == (6 if strict else 0)
        assert ways(after)["hit"] == (0 if strict else 5)
        family = "holdover_client_requests_total"
        assert total(after, family, 'route="odds"') - total(before, family, 'route="odds"') == 6
        said = "the fast lane is off: Sees would not see every request"
        assert (said in log.read_text()) is strict


def test_tls_and_tunnels_count_too(shared_provider: Emulator, tmp_path: Path):
    """By a client that checks the certificate."""
    program = (
        "import json, sys, urllib.request\n"
        "with urllib.request.urlopen(sys.argv[1]) as answer: print(answer.headers['Cache-Status'])"
    )
    with running(written(tmp_path, shared_provider, "[lane]\nobserve = 0")) as house:
        target = fresh_target()
        environment = {
            **house.environment(),
            "https_proxy": house.url("regular"),
            "no_proxy": "",
            "SSL_CERT_FILE": str(house.ca),
        }
        for number in range(3):
            done = subprocess.run(
                [sys.executable, "-c", program, f"https://{HOST}{target}"],
                env=environment,
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert done.stdout.startswith("holdover; fwd=" if not number else "holdover; hit"), done.stderr
        assert total(house.metrics("metrics"), "holdover_client_requests_total", 'route="odds"') == 3
