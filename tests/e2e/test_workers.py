"""Several proxy processes on the same addresses: they share the work, and none that goes takes a request with it."""

import http.client
import json
import os
import select
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from scripts.rig import DIRECT, HOST, ROOT, Emulator, House, emulator, free_ports, running, wait_for, write_house
from tests.e2e.wire import STILL, calm_window
from tests.faults.load import TARGET, Load, Seen, ask

WORKERS = 2
REQUESTS = "holdover_client_requests_total"


class Staying(Load):
    """Clients that keep their connections. They open others when told so, or when one ends between two requests."""

    def _poll(self, mine: list[Seen]) -> None:
        connection, opened_at = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20), 0.0
        while not self._stop.wait(0.01):
            if connection.sock and select.select([connection.sock], [], [], 0)[0]:
                connection.close()
            asked_at = time.time()
            if not connection.sock:
                opened_at = asked_at
            try:
                connection.request("GET", self.target, headers={"Host": HOST})
                answer = connection.getresponse()
                answer.read()
                mine.append(Seen(asked_at, time.time(), answer.status))
            except (OSError, http.client.HTTPException) as error:
                # It befell the connection.
                mine.append(Seen(opened_at, time.time(), error=repr(error)))
                connection.close()
        connection.close()


def several(folder: Path, origin: str, workers: int = WORKERS) -> House:
    """A house whose workers' metrics have free ports too: `metrics`, `metrics-1`, ..."""
    while True:
        ports = free_ports(workers + 3)
        if all(later == earlier + 1 for earlier, later in pairwise(ports)):
            break
    house = write_house(folder, origin, proxy=f"workers = {workers}", window_s=calm_window(), max_stale_s=20_000)
    written = (house.config / "holdover.toml").read_text()
    written = written.replace(str(house.ports["metrics"]), str(ports[0]))
    (house.config / "holdover.toml").write_text(written)
    house.ports["metrics"] = ports[0]
    house.ports |= {f"metrics-{worker}": ports[0] + 1 + worker for worker in range(1, workers)}
    return house


@pytest.fixture(scope="module")
def vendor() -> Iterator[Emulator]:
    with emulator(**STILL) as provider:
        yield provider


@pytest.fixture(scope="module")
def crew(vendor: Emulator, tmp_path_factory) -> Iterator[House]:
    """Two workers. Every test leaves them serving."""
    with running(several(tmp_path_factory.mktemp("crew"), vendor.url)) as house:
        assert ask(house.ports["reverse"]).status == 200
        yield house


def roles(house: House) -> list[str]:
    return [role for role in house.ports if role.startswith("metrics")]


def counted(reading: dict[str, float]) -> float:
    """Requests of clients."""
    return sum(value for name, value in reading.items() if name.startswith(REQUESTS))


def served(house: House) -> list[float]:
    """Requests by worker."""
    return [counted(house.metrics(role)) for role in roles(house)]


def samples(url: str) -> dict[str, float]:
    with DIRECT.open(url, timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, _, value in (x.rpartition(" ") for x in lines if not x.startswith("#"))}


def summed(house: House) -> dict[str, float]:
    return samples(f"{house.url('admin')}/metrics/proxy")


def pids(house: House) -> list[int]:
    return [house.pid("proxy"), *(house.pid(f"proxy-{worker}") for worker in range(1, WORKERS))]


@contextmanager
def loads(house: House) -> Iterator[list[Load]]:
    with Load(house.ports["reverse"], clients=3).on() as new, Staying(house.ports["reverse"], clients=3).on() as kept:
        yield [new, kept]


def go_on(load: list[Load], seconds: float = 1.0) -> None:
    """Until every kind of client has had answers for a while."""
    before = [len(one.answers) for one in load]
    time.sleep(seconds)
    wait_for(lambda: all(len(one.answers) > count + 5 for one, count in zip(load, before, strict=True)))


def test_all_workers_serve(crew: House):
    before, asked = served(crew), 0

    def shares() -> list[float]:
        return [after - earlier for after, earlier in zip(served(crew), before, strict=True)]

    with ThreadPoolExecutor(4) as pool:
        # One that others keep from the processor has little of the first ones.
        while min(shares()) < 20 and asked < 2000:
            statuses = list(pool.map(lambda _: ask(crew.ports["reverse"]).status, range(200)))
            assert statuses == [200] * 200
            asked += 200
    assert sum(shares()) == asked
    assert min(shares()) >= 20


def test_the_view_of_all_workers_is_their_sum(crew: House):
    up = [f'holdover_proxy_workers{{state="up",worker="{worker}"}}' for worker in range(WORKERS)]
    wait_for(lambda: all(summed(crew)[name] for name in up))
    wanted = [samples(f"{crew.url(role)}/metrics") for role in roles(crew)]
    found = summed(crew)
    for name in (x for reading in wanted for x in reading):
        if name.startswith((REQUESTS, "holdover_served_age_seconds", "holdover_client_request_duration_seconds")):
            assert found[name] == pytest.approx(sum(reading.get(name, 0.0) for reading in wanted)), name
    for worker in range(WORKERS):
        states = {s: found[f'holdover_proxy_workers{{state="{s}",worker="{worker}"}}'] for s in ("up", "stale")}
        assert states == {"up": 1, "stale": 0}
    with DIRECT.open(f"{crew.url('admin')}/metrics/proxy", timeout=30) as answer:
        list(text_string_to_metric_families(answer.read().decode()))


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian package: prometheus)")
def test_promtool_has_nothing_to_say_to_the_view_of_all_workers(crew: House):
    with DIRECT.open(f"{crew.url('admin')}/metrics/proxy", timeout=30) as answer:
        done = subprocess.run(["promtool", "check", "metrics"], input=answer.read(), capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_worker_that_does_not_answer_is_named_and_its_counts_stay(crew: House):
    before = summed(crew)
    [_, second] = pids(crew)
    os.kill(second, signal.SIGSTOP)
    try:
        found = summed(crew)
    finally:
        os.kill(second, signal.SIGCONT)
    assert found['holdover_proxy_workers{state="stale",worker="1"}'] == 1
    assert found['holdover_proxy_workers{state="up",worker="0"}'] == 1
    counts = {name for name in before if name.startswith(REQUESTS)}
    assert {name: found[name] for name in counts} == {name: before[name] for name in counts}


def test_a_killed_worker_takes_only_its_own_connections(crew: House):
    with loads(crew) as load:
        go_on(load)
        total = counted(summed(crew))
        victim = crew.pid("proxy-1")
        os.kill(victim, signal.SIGKILL)
        killed_at = time.time()
        wait_for(lambda: crew.pid("proxy-1") != victim)
        go_on(load)
        wait_for(lambda: summed(crew)['holdover_proxy_workers{state="up",worker="1"}'] == 1)
    for one in load:
        assert one.failures(since=killed_at) == []
        assert not [seen for seen in one.failures() if "Refused" in seen.error]
    # The new process counts from 0, the sum does not. Lost is what the old one had counted since it was read.
    since = sum(seen.status == 200 and seen.asked_at > killed_at for one in load for seen in one.answers)
    assert counted(summed(crew)) >= total + since


def test_workers_are_replaced_without_a_failed_request(crew: House):
    old, served_before = pids(crew), counted(summed(crew))
    started = [crew.metrics(role)["process_start_time_seconds"] for role in roles(crew)]
    with loads(crew) as load:
        go_on(load)
        assert crew.process is not None
        for _ in range(2):
            before = pids(crew)
            crew.process.send_signal(signal.SIGHUP)
            wait_for(lambda before=before: not set(pids(crew)) & set(before), 60)
            go_on(load)
    assert not set(pids(crew)) & set(old)
    assert [one.failures() for one in load] == [[], []]

    def new() -> bool:
        now = [crew.metrics(role)["process_start_time_seconds"] for role in roles(crew)]
        return all(later > earlier for later, earlier in zip(now, started, strict=True))

    wait_for(new)
    assert counted(summed(crew)) >= served_before
    assert " were cut" not in crew.log.read_text()


def test_workers_share_the_keys_of_tickets_and_replacing_them_renews_these(crew: House):
    context = ssl.create_default_context(cafile=str(crew.ca))
    # Its tickets are there when the handshake is done.
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    def opened(session: ssl.SSLSession | None) -> tuple[bool | None, ssl.SSLSession | None]:
        plain = socket.create_connection(("127.0.0.1", crew.ports["reverse"]), timeout=20)
        with context.wrap_socket(plain, server_hostname=HOST, session=session) as line:
            line.sendall(f"GET {TARGET} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
            assert line.recv(12) == b"HTTP/1.1 200"
            return line.session_reused, line.session

    # By one of two workers, which a client does not choose.
    _, session = opened(None)
    assert [opened(session)[0] for _ in range(16)] == [True] * 16
    before = pids(crew)
    assert crew.process is not None
    crew.process.send_signal(signal.SIGHUP)
    wait_for(lambda: not set(pids(crew)) & set(before), 60)
    resumed, session = opened(session)
    assert not resumed
    assert [opened(session)[0] for _ in range(16)] == [True] * 16


def test_what_is_in_flight_is_answered_before_a_worker_ends(crew: House, vendor: Emulator):
    vendor.control(latency_p50_ms=3000, latency_p95_ms=3000)
    try:
        with ThreadPoolExecutor(8) as pool:
            target = "/v4/no/route?apiKey=client&n={}"
            waiting = [pool.submit(ask, crew.ports["reverse"], target.format(n)) for n in range(8)]
            wait_for(lambda: vendor.stats()["active"] == 8)
            old = pids(crew)
            for pid in old:
                os.kill(pid, signal.SIGTERM)
            assert not any(one.done() for one in waiting)
            assert [one.result().status for one in waiting] == [404] * 8
    finally:
        vendor.control(latency_p50_ms=0, latency_p95_ms=0)
    wait_for(lambda: not set(pids(crew)) & set(old))
    assert ask(crew.ports["reverse"]).status == 200


@contextmanager
def idle_connections(house: House) -> Iterator[list[socket.socket]]:
    """One that never asked, one that was answered, one over TLS through the explicit proxy."""
    context = ssl.create_default_context(cafile=str(house.ca))
    silent = socket.create_connection(("127.0.0.1", house.ports["reverse"]))
    answered = http.client.HTTPConnection("127.0.0.1", house.ports["reverse"], timeout=30)
    answered.request("GET", TARGET, headers={"Host": HOST})
    answered.getresponse().read()
    inside = http.client.HTTPSConnection("127.0.0.1", house.ports["regular"], timeout=30, context=context)
    inside.set_tunnel(HOST, 443)
    inside.request("GET", TARGET)
    inside.getresponse().read()
    try:
        assert answered.sock
        assert inside.sock
        yield [silent, answered.sock, inside.sock]
    finally:
        for one in (silent, answered, inside):
            one.close()


def test_idle_connections_are_closed_and_do_not_hold_a_worker(vendor: Emulator, tmp_path: Path):
    house = several(tmp_path, vendor.url, workers=1)
    with running(house, "proxy"), idle_connections(house) as connections:
        assert house.process is not None
        house.process.send_signal(signal.SIGTERM)
        for one in connections:
            one.settimeout(30)
            assert one.recv(1) == b""
        house.process.wait(30)
    assert house.process.returncode == 0
    assert "were cut" not in house.log.read_text()


def test_answers_of_a_worker_that_ends_say_that_they_are_the_last(vendor: Emulator, tmp_path: Path):
    house = several(tmp_path, vendor.url, workers=1)
    with running(house, "proxy"):
        connection = http.client.HTTPConnection("127.0.0.1", house.ports["reverse"], timeout=30)
        connection.request("GET", TARGET, headers={"Host": HOST})
        first = connection.getresponse()
        first.read()
        assert first.headers["Connection"] is None
        assert house.process is not None
        house.process.send_signal(signal.SIGTERM)

        def is_the_last() -> bool:
            connection.request("GET", TARGET, headers={"Host": HOST})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
            return answer.headers["Connection"] == "close"

        # Until the signal has come; by itself the client would open another connection afterwards.
        connection.auto_open = 0
        wait_for(is_the_last)
        connection.close()


@pytest.mark.parametrize("command", ["proxy", "up"])
def test_the_address_is_free_while_a_proxy_drains(vendor: Emulator, tmp_path: Path, command: str):
    """Another can take it over at once: who drains listens no more."""
    house = several(tmp_path, vendor.url)
    with running(house, command), socket.create_connection(("127.0.0.1", house.ports["reverse"])) as open_:
        open_.sendall(b"GET ")
        wait_for(lambda: sum(house.metrics(role)["holdover_lane_connections"] for role in roles(house)) == 1)
        assert house.process is not None
        house.process.send_signal(signal.SIGTERM)

        def bound() -> bool:
            with socket.socket() as other:
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    other.bind(("127.0.0.1", house.ports["reverse"]))
                    other.listen()
                except OSError:
                    return False
                return True

        wait_for(bound)
        assert house.process.poll() is None


@pytest.mark.parametrize("role", ["reverse", "regular"])
def test_a_proxy_that_is_asked_for_itself_does_not_ask_itself(crew: House, role: str):
    own = f"127.0.0.1:{crew.ports[role]}"
    connection = http.client.HTTPConnection("127.0.0.1", crew.ports["regular"], timeout=30)
    connection.request("GET", f"http://{own}/", headers={"Host": own})
    answer = connection.getresponse()
    assert (answer.status, b"names holdover itself" in answer.read()) == (403, True)
    connection.close()


def test_workers_on_an_empty_folder_have_one_authority(vendor: Emulator, tmp_path: Path):
    house = several(tmp_path, vendor.url, workers=3)
    assert not house.ca.exists()
    with running(house, "proxy"):
        # Not by chance: it was there before there was a worker.
        assert house.ca.stat().st_mtime_ns < (house.folder / "var" / "run" / "proxy.pid").stat().st_mtime_ns
        context = ssl.create_default_context(cafile=str(house.ca))

        def shaken(_: int) -> None:
            with socket.create_connection(("127.0.0.1", house.ports["reverse"]), timeout=20) as raw:
                context.wrap_socket(raw, server_hostname=HOST).close()

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(shaken, range(60)))
    assert "cannot" not in house.log.read_text()


@pytest.mark.parametrize(("role", "setting"), [("reverse", "[proxy] reverse"), ("metrics-1", "worker 1")])
def test_an_address_in_use_is_told_before_anything_starts(vendor: Emulator, tmp_path: Path, role: str, setting: str):
    house = several(tmp_path, vendor.url)
    with socket.create_server(("127.0.0.1", house.ports[role])):
        done = house.run("up")
    assert done.returncode == 1
    assert f"the proxy cannot start: 127.0.0.1:{house.ports[role]} (" in done.stderr
    assert setting in done.stderr
    assert "stop what listens there" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (house.folder / "var").exists()


def test_an_unreadable_authority_is_a_sentence(vendor: Emulator, tmp_path: Path):
    house = several(tmp_path, vendor.url)
    house.ca.parent.mkdir(parents=True)
    (house.ca.parent / "mitmproxy-ca.pem").write_text("no certificate\n")
    done = house.run("up")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert f"{house.ca.parent}/mitmproxy-ca.pem: no certificate authority can be used or made here" in done.stderr


def test_the_number_on_the_command_line_counts(vendor: Emulator, tmp_path: Path):
    house = several(tmp_path, vendor.url)
    with running(house, "proxy", "--workers", "1"):
        groups = json.loads((house.folder / "var" / "run" / "prometheus.json").read_text())
        assert [group["labels"]["worker"] for group in groups] == ["0", "sidecar"]
    assert house.run("proxy", "--workers", "many").returncode == 2


def test_prometheus_is_told_where_all_processes_answer(crew: House):
    groups = json.loads((crew.folder / "var" / "run" / "prometheus.json").read_text())
    expected = {"0": "metrics", "1": "metrics-1", "sidecar": "admin"}
    assert groups == [
        {"targets": [f"127.0.0.1:{crew.ports[role]}"], "labels": {"worker": worker}}
        for worker, role in expected.items()
    ]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian package: prometheus)")
def test_the_shipped_configuration_of_prometheus_finds_them(crew: House):
    folder = crew.config / "prometheus"
    shutil.copytree(ROOT / "config" / "prometheus", folder)
    done = subprocess.run(
        ["promtool", "check", "config", str(folder / "prometheus.yml")], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "does not exist" not in done.stdout + done.stderr
