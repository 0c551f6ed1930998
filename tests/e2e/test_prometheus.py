"""A real Prometheus server scrapes both processes, and its numbers are those of clients and provider."""

import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from scripts.rig import (
    CREDENTIAL,
    Emulator,
    House,
    emulator,
    fetch_json,
    free_ports,
    running,
    stop,
    wait_for,
    write_house,
)
from tests.e2e.wire import STILL, ask, fresh_target

ROLES = {"metrics": "proxy", "admin": "sidecar"}
CLIENT_KEY = "key-of-a-client"
COUNTED = 'outcome=~"fresh|stale|coalesced|fetched|failed"'
CAUSED = 'trigger!~"bypass|failopen"'
LABEL = re.compile(r'([a-zA-Z_]+)="((?:[^"\\]|\\.)*)"')


@dataclass
class Watched:
    """A house under a Prometheus server, after some traffic. `statuses` has every answer but those of `passed`."""

    house: House
    provider: Emulator
    url: str
    statuses: list[int] = field(default_factory=list)
    passed: int = 0

    def query(self, expression: str) -> dict[str, float]:
        """Values by the labels of their series, at a moment at which both were scraped in time: to a server whose
        scrape failed, on a busy machine, there is nothing to tell of that process."""
        moments: list[float] = []

        def both_up() -> bool:
            moments.append(time.time())
            return sum(self.at(moments[-1], "up").values()) == len(ROLES)

        wait_for(both_up, every=0.2)
        return self.at(moments[-1], expression)

    def at(self, moment: float, expression: str) -> dict[str, float]:
        """As `query`, at a moment in Unix seconds."""
        answer = fetch_json(f"{self.url}/api/v1/query?time={moment}&query={urllib.parse.quote(expression)}")
        assert answer["status"] == "success"
        return {
            ",".join(
                f"{name}={value}" for name, value in sorted(found["metric"].items()) if name != "__name__"
            ): float(found["value"][1])
            for found in answer["data"]["result"]
        }

    def value(self, expression: str) -> float:
        return next(iter(self.query(expression).values()), -1.0)


def configuration(house: House) -> str:
    """JSON is YAML."""
    jobs = [
        {"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{house.ports[role]}"]}]}
        for role, name in ROLES.items()
    ]
    return json.dumps({"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": jobs})


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed (Debian package `prometheus`)")
    folder = tmp_path_factory.mktemp("watched")
    [port] = free_ports(1)
    with emulator(**STILL) as provider:
        house = write_house(folder, provider.url, window_s=1, max_stale_s=60, idle_after_s=1)
        (folder / "prometheus.yml").write_text(configuration(house))
        command = [
            program,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        with (folder / "prometheus.log").open("w") as log:
            server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            with running(house):
                watched = Watched(house, provider, f"http://127.0.0.1:{port}")
                wait_for(lambda: ready(watched), 60, 0.2)
                traffic(watched)
                yield watched
        finally:
            stop(server)


def ready(watched: Watched) -> bool:
    with suppress(OSError):
        return sum(watched.at(time.time(), "up").values()) == len(ROLES)
    return False


def traffic(watched: Watched) -> None:
    """Clients who ask at once and again, over some windows; then errors; then what passes. Ends when all is quiet."""
    port, provider = watched.house.ports["reverse"], watched.provider
    targets = [fresh_target(apiKey=CLIENT_KEY) for _ in range(4)]

    def poll(target: str) -> int:
        return ask(port, target).status

    provider.control(latency_p50_ms=300, latency_p95_ms=300)
    with ThreadPoolExecutor(8) as pool:
        watched.statuses += pool.map(poll, targets * 4)
        provider.control(latency_p50_ms=0)
        before = provider.stats()["requests"]
        while provider.stats()["requests"] < before + 2 * len(targets):
            watched.statuses += pool.map(poll, targets)
    watched.statuses.append(poll(fresh_target(regions="moon", apiKey=CLIENT_KEY)))
    watched.passed = sum(poll(f"/v4/no/route?apiKey={CLIENT_KEY}") == 404 for _ in range(3))
    settled: list[int] = []

    def quiet() -> bool:
        settled.append(provider.stats()["requests"])
        return len(settled) > 3 and len(set(settled[-4:])) == 1

    wait_for(quiet, 60, 0.7)


def agrees(watched: Watched, expression: str, expected: Callable[[], float]) -> None:
    """Prometheus is as far behind as its last scrape."""
    try:
        wait_for(lambda: watched.value(expression) == pytest.approx(expected()), every=0.2)
    except TimeoutError:
        assert watched.value(expression) == pytest.approx(expected()), expression


def test_both_processes_are_up(scraped: Watched):
    assert {name.rpartition("job=")[2]: up for name, up in scraped.query("up").items()} == {"proxy": 1, "sidecar": 1}


def test_client_and_upstream_requests_are_those_that_were_made(scraped: Watched):
    agrees(scraped, f"sum(holdover_client_requests_total{{{COUNTED}}})", lambda: len(scraped.statuses))
    agrees(scraped, 'sum(holdover_client_requests_total{outcome="bypass"})', lambda: scraped.passed)
    agrees(scraped, "sum(holdover_upstream_requests_total)", lambda: scraped.provider.stats()["requests"])
    agrees(scraped, 'sum(holdover_upstream_requests_total{trigger="bypass"})', lambda: scraped.passed)


def test_the_dedup_ratio_is_that_of_clients_and_provider(scraped: Watched):
    ratio = (
        f"1 - sum(holdover_upstream_requests_total{{{CAUSED}}}) / sum(holdover_client_requests_total{{{COUNTED}}})"
    )

    def expected() -> float:
        caused = int(scraped.provider.stats()["requests"]) - scraped.passed
        return 1 - caused / len(scraped.statuses)

    agrees(scraped, ratio, expected)
    assert 0.3 < expected() < 1


def test_every_kind_of_answer_is_counted_under_its_outcome(scraped: Watched):
    found = scraped.query("sum by (outcome) (holdover_client_requests_total)")
    counts = {name.removeprefix("outcome="): count for name, count in found.items()}
    # "promos" is counted by tests of old URLs of homepages.
    assert set(counts) == {*"fresh stale coalesced fetched bypass local promos failopen failed".split()}
    assert counts["fetched"] >= 5
    assert counts["coalesced"] >= 1
    assert counts["fresh"] >= 1
    assert (counts["failopen"], counts["failed"]) == (0, 0)
    codes = scraped.query('sum by (code) (holdover_client_requests_total{outcome!="bypass"})')
    assert codes["code=4xx"] == scraped.statuses.count(422) == 1
    assert codes["code=2xx"] == scraped.statuses.count(200)


def test_every_request_to_the_provider_is_counted_under_its_trigger(scraped: Watched):
    found = scraped.query("sum by (trigger, job) (holdover_upstream_requests_total) > 0")
    assert {name.split(",")[0] for name in found} == {"job=proxy", "job=sidecar"}
    assert found["job=sidecar,trigger=client"] >= 5
    assert found["job=sidecar,trigger=refresh"] >= 4
    assert found["job=proxy,trigger=bypass"] == scraped.passed
    assert len(found) == 3


def test_ages_and_durations_are_observed(scraped: Watched):
    for served in ('count{basis="fetch"}', 'bucket{basis="fetch",le="10.0"}'):
        agrees(scraped, f"sum(holdover_served_age_seconds_{served})", lambda: scraped.statuses.count(200))
    slow = 'holdover_upstream_request_duration_seconds_bucket{trigger="client",le="0.25"}'
    assert scraped.value(f"sum({slow})") < scraped.value("sum(holdover_upstream_request_duration_seconds_count)")
    assert scraped.value("sum(holdover_client_latency_saved_seconds_total)") > 0
    assert scraped.value("holdover_upstream_quota_remaining") > 0
    agrees(scraped, "sum(holdover_degraded)", lambda: 0)


def exposition(house: House, role: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{house.url(role)}/metrics", timeout=30) as answer:
        return str(answer.read().decode())


@pytest.mark.parametrize("role", ROLES)
def test_promtool_has_nothing_to_say(scraped: Watched, role: str):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian package `prometheus`)")
    done = subprocess.run(
        [promtool, "check", "metrics"],
        input=exposition(scraped.house, role),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("role", ROLES)
def test_no_label_tells_a_credential_or_what_was_asked_for(scraped: Watched, role: str):
    text = exposition(scraped.house, role)
    values = {value for line in text.splitlines() if line[:1] != "#" for _, value in LABEL.findall(line)}
    assert {"odds", "fresh", "refresh"} <= values
    for forbidden in (CREDENTIAL, CLIENT_KEY, "://", "?", "/v4", "soccer_epl", "127.0.0.1", "the-odds-api.com"):
        assert not [value for value in values if forbidden in value], forbidden
    assert not [value for value in values if re.fullmatch(r"[0-9a-f]{32}", value)]
