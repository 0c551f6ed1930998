"""The demonstration as people run it, and its arithmetic."""

import json
import random
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from holdover.config import load
from holdover.exchange import Request
from holdover.key import Cacheable, plan
from scripts.demonstration import fleet, report, screen, tally
from scripts.demonstration.__main__ import parser
from scripts.demonstration.fleet import Notes, Sample
from scripts.demonstration.tally import Outcome, Tally, Upstream
from scripts.rig import HOST, wait_for, write_house

ROOT = Path(__file__).parents[2]
SECONDS = 4


class Demo:
    """A running demonstration, its output so far and every process that it was seen to have started."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "scripts.demonstration", *arguments]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True)
        self.lines: list[str] = []
        self.children: set[psutil.Process] = set()

    def read_until(self, start: str) -> None:
        """Up to a line that begins so, or to the end."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if self.process.poll() is None:
                self.children.update(psutil.Process(self.process.pid).children(recursive=True))
            if line.startswith(start):
                return

    def end(self) -> str:
        """Waits for the end; what was on stderr."""
        _, stderr = self.process.communicate(timeout=60)
        return stderr

    def left(self) -> list[psutil.Process]:
        return [child for child in self.children if child.is_running()]


@pytest.fixture
def demo():
    started = []

    def start(*arguments: str) -> Demo:
        started.append(Demo(*arguments))
        return started[-1]

    yield start
    for one in started:
        one.process.terminate()
        one.process.communicate(timeout=60)


@pytest.fixture
def temporary(monkeypatch):
    """What the demonstration takes for the system's temporary folder. pytest's own is too deep for a Unix socket."""
    with tempfile.TemporaryDirectory(prefix="demo-") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


def test_it_runs_writes_plausible_numbers_and_keeps_its_files_when_told_to(demo, temporary, tmp_path):
    file = tmp_path / "demo.json"
    run = demo("--seconds", str(SECONDS), "--clients", "8", "--json", str(file), "--plain", "--keep")
    run.read_until("no such line")
    assert run.end() == ""
    assert run.process.returncode == 0
    (folder,) = temporary.iterdir()
    assert str(folder) in run.lines[-1]
    assert "holdover is ready" in (folder / "holdover.log").read_text()
    numbers = json.loads(file.read_text())
    direct, through = numbers["direct"], numbers["through"]
    assert numbers["questions"] == 2
    assert numbers["errors"] == numbers["backwards"] == 0
    assert direct["errors"] == direct["backwards"] == 0
    assert direct["upstream_requests"] == direct["requests"]
    assert direct["dedup_ratio"] == 0
    assert numbers["dedup_ratio"] == 1 - numbers["upstream_requests"] / numbers["client_requests"] > 0.5
    # The first answers come before the seconds begin, and holdover refreshes what is there meanwhile.
    first_s = numbers["first_answer_max_ms"] / 1000
    assert 0 < numbers["upstream_requests"] <= numbers["questions"] * (SECONDS + first_s + 3)
    assert 0 < through["credits"] < direct["credits"]
    assert through["p50_ms"] <= through["p95_ms"] <= through["p99_ms"]
    assert numbers["window_s"] == 1
    assert direct["served_age_max_s"] < numbers["served_age_max_s"] == through["served_age_max_s"]
    assert through["requests"] == numbers["client_requests"]


def test_it_shows_both_phases_and_leaves_nothing_behind(demo, temporary):
    run = demo("--seconds", "2", "--clients", "4")
    run.read_until("no such line")
    assert run.end() == ""
    for start in ("direct  ", "through holdover  ", " latency P95", "What happened", "What it saved", "What it cost"):
        assert any(line.startswith(start) for line in run.lines), start
    assert max(map(len, run.lines[run.lines.index("What happened") :])) <= 80
    # The emulated provider, the supervisor, the sidecar and the proxy.
    assert len(run.children) >= 4
    assert run.left() == []
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("at", ["direct", "starting holdover", "through holdover"])
def test_an_interrupt_ends_all_of_it(demo, at):
    run = demo("--seconds", "5", "--clients", "4")
    run.read_until(at)
    run.process.send_signal(signal.SIGINT)
    assert run.end() == "demo: stopped\n"
    assert run.process.returncode == 130
    assert run.children
    wait_for(lambda: run.left() == [])


def test_a_file_that_cannot_be_written_is_one_sentence(demo, tmp_path):
    run = demo("--json", str(tmp_path / "none" / "demo.json"))
    run.read_until("no such line")
    assert run.end() == f"demo: there is no folder {tmp_path / 'none'} to write demo.json to\n"
    assert run.process.returncode == 1
    assert run.lines == []


@pytest.mark.parametrize(
    "arguments", [("--seconds", "0"), ("--seconds", "nan"), ("--clients", "0"), ("--clients", "x")]
)
def test_wrong_usage_has_status_2(capsys, arguments):
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(arguments)
    assert ended.value.code == 2
    assert f"argument {arguments[0]}: " in capsys.readouterr().err


def test_a_fleet_is_the_same_for_the_same_seed():
    assert fleet.fleet(40, 7) == fleet.fleet(40, 7)
    assert fleet.fleet(40, 7) != fleet.fleet(40, 8)


@pytest.mark.parametrize(("clients", "questions"), [(1, 1), (8, 2), (24, 6), (500, 6)])
def test_clients_share_questions(clients, questions):
    assert {client.question for client in fleet.fleet(clients, 1)} == set(range(questions))
    assert fleet.questions(clients) == questions


def test_every_spelling_of_a_question_has_one_key(temporary):
    house = write_house(temporary, "http://127.0.0.1:1")
    rules = load(house.config, house.environment()).rules
    for question in range(len(fleet.QUESTIONS)):
        targets = {fleet.spelled(question, random.Random(number)) for number in range(50)}
        plans = [plan(Request("GET", HOST, target, ()), rules) for target in targets]
        assert len(targets) > 20
        assert len({found.canonical.key for found in plans if isinstance(found, Cacheable)}) == 1
        assert all(isinstance(found, Cacheable) for found in plans)


def noted(*samples: Sample, waiting: int = 0) -> Notes:
    return Notes(len(samples) + waiting, list(samples))


def seen(latency_ms: float, client: int = 0, revision: int = 1, age_s: float = 0.0, **more) -> Sample:
    return Sample(client, 0, latency_ms / 1000, revision=revision, age_s=age_s, **more)


def test_tally_of_nothing():
    numbers = tally.tally(noted(), 1.0, Upstream(0, 0))
    assert numbers == Tally(1.0, 0, 0.0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, {})
    assert numbers.dedup_ratio == 0
    assert numbers.errors == 0


def test_tally_counts_and_ranks():
    samples = [seen(ms, age_s=ms / 100) for ms in range(1, 101)]
    numbers = tally.tally(noted(*reversed(samples)), 10.0, Upstream(25, 75))
    assert (numbers.requests, numbers.requests_per_s, numbers.upstream_requests, numbers.credits) == (
        100,
        10.0,
        25,
        75,
    )
    assert (numbers.p50_ms, numbers.p95_ms, numbers.p99_ms) == pytest.approx((50, 95, 99))
    assert (numbers.served_age_p50_s, numbers.served_age_p95_s, numbers.served_age_max_s) == (0.5, 0.95, 1.0)
    assert numbers.dedup_ratio == 0.75


def test_tally_leaves_errors_out_of_latencies_and_ages_and_counts_them_by_kind():
    failed = Sample(0, 0, 9.0, "status 429", age_s=99.0)
    numbers = tally.tally(
        noted(seen(5, age_s=0.5), failed, failed, Sample(0, 0, 10.0, "TimeoutError")), 1.0, Upstream(4, 1)
    )
    assert (numbers.p99_ms, numbers.served_age_max_s) == (5, 0.5)
    assert numbers.error_kinds == {"status 429": 2, "TimeoutError": 1}
    assert (numbers.errors, numbers.requests) == (3, 4)


def test_tally_counts_first_requests_but_not_in_latencies():
    numbers = tally.tally(noted(seen(900, first=True, age_s=2.0), seen(5), seen(5), waiting=1), 2.0, Upstream(1, 3))
    assert (numbers.requests, numbers.requests_per_s) == (4, 1.5)
    assert (numbers.first_ms, numbers.p99_ms) == (900, 5)
    assert numbers.served_age_max_s == 2.0
    assert numbers.dedup_ratio == 0.75


@pytest.mark.parametrize(
    ("revisions", "times"), [((), 0), ((1, 2, 2, 3), 0), ((3, 2), 1), ((3, 1, 2, 3), 2), ((3, 1, 4, 1), 2)]
)
def test_backwards_compares_with_the_newest_seen(revisions, times):
    assert tally.backwards([seen(1, revision=revision) for revision in revisions]) == times


def test_backwards_is_of_one_client_and_one_question():
    samples = [seen(1, client=1, revision=9), seen(1, client=2, revision=8)]
    assert tally.backwards(samples) == 0
    assert tally.backwards([samples[0], replace(samples[0], question=1, revision=8)]) == 0


def test_the_slowest_answer_is_the_bound_of_the_fullest_bucket_of_any_trigger():
    name = 'holdover_upstream_request_duration_seconds_bucket{{le="{}",trigger="{}",upstream="odds"}}'
    counts = {("0.5", "client"): 3, ("1.0", "client"): 3, ("+Inf", "client"): 3}
    counts |= {("0.5", "refresh"): 3, ("1.0", "refresh"): 4, ("2.5", "refresh"): 5, ("+Inf", "refresh"): 5}
    metrics = {name.format(*labels): float(count) for labels, count in counts.items()}
    assert tally.slowest_answer_s(metrics) == 2.5
    assert tally.slowest_answer_s({"holdover_upstream_requests_total": 1.0}) == 0.0


def outcome(**changes) -> Outcome:
    samples = [seen(ms, age_s=0.5) for ms in range(101, 201)]
    direct = tally.tally(noted(*samples), 10.0, Upstream(100, 200))
    quick = [seen(2, age_s=1.2) for _ in range(100)]
    through = replace(tally.tally(noted(*quick), 10.0, Upstream(25, 50)), **changes)
    return Outcome(1, 24, 6, 24, 1.0, 0.5, direct, through)


def test_the_report_tells_what_was_saved():
    wrapped = report.as_text(outcome())
    text = " ".join(wrapped.split())
    assert "24 legacy clients" in text
    assert "75 % fewer" in text
    assert "75 times faster" in text
    assert "dedup ratio 0.75" in text
    assert "It kept that promise" in text
    assert "no errors" in text
    assert text.isascii()
    assert max(map(len, wrapped.splitlines())) <= 80


def test_the_report_hides_no_trouble():
    troubled = outcome(served_age_max_s=1.6, backwards=1, error_kinds={"status 503": 2})
    text = " ".join(report.as_text(troubled).split())
    assert "It did not keep that promise" in text
    assert "through holdover: 2 errors (2 x status 503); 1 time a client saw older odds" in text
    assert "direct:" not in text


def test_comparisons_in_words():
    assert screen.fewer(200, 50) == "75 % fewer"
    assert screen.fewer(100, 150) == "50 % more"
    assert screen.fewer(0, 5) == ""
    assert screen.faster(100, 4) == "25 times faster"
    assert screen.faster(4, 10) == "2.5 times slower"
    assert screen.faster(0, 10) == ""
