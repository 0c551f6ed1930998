"""The supervisor on programs of a few lines, in a process of its own."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.rig import ROOT, stop, wait_for

SCRIPT = """
import logging, signal, sys, time
from pathlib import Path
from sidecar.supervise import Supervisor

logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
folder = Path(sys.argv[1])

def serve(ready):
    if (folder / "broken").exists():
        sys.exit(3)
    while (folder / "starting").exists():
        time.sleep(0.01)
    ending = []
    signal.signal(signal.SIGTERM, lambda *_: ending.append(1))
    ready()
    while not ending or (folder / "slow").exists():
        time.sleep(0.01)

workers = {"proxy": serve, "proxy-1": serve}
supervisor = Supervisor(
    folder,
    alone={"sidecar": serve},
    workers=workers,
    before_replacing=lambda: print("before they are replaced"),
    before_end=lambda: print("before the end"),
)
sys.exit(supervisor.run("all serve"))
"""


class Running:
    """What it has said so far, and its processes' ids."""

    def __init__(self, folder: Path, process: subprocess.Popen[str], log: Path) -> None:
        self.folder, self.process, self._log = folder, process, log

    @property
    def said(self) -> str:
        return self._log.read_text()

    def pid(self, name: str) -> int:
        return int((self.folder / f"{name}.pid").read_text())

    def pids(self) -> list[int]:
        return [self.pid(name) for name in ("proxy", "proxy-1")]


@contextmanager
def supervised(folder: Path) -> Iterator[Running]:
    log = folder / "log"
    with log.open("w") as file:
        command = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(folder)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=file, text=True)
    try:
        one = Running(folder, process, log)
        wait_for(lambda: "all serve" in one.said or process.poll() is not None)
        yield one
    finally:
        stop(process)


def test_workers_are_replaced_and_what_is_alone_stays(tmp_path: Path):
    with supervised(tmp_path) as one:
        old, sidecar = one.pids(), one.pid("sidecar")
        one.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "all workers are new" in one.said)
        assert not set(one.pids()) & set(old)
        assert one.pid("sidecar") == sidecar
        assert one.said.count("before they are replaced") == 1


def test_the_old_serves_until_the_new_does(tmp_path: Path):
    with supervised(tmp_path) as one:
        old = one.pids()
        (tmp_path / "starting").touch()
        one.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        assert one.pids() == old
        assert all(Path(f"/proc/{pid}/environ").read_bytes() for pid in old)
        (tmp_path / "starting").unlink()
        wait_for(lambda: "all workers are new" in one.said)


def test_a_successor_that_cannot_serve_leaves_the_old_in_place(tmp_path: Path):
    with supervised(tmp_path) as one:
        old = one.pids()
        (tmp_path / "broken").touch()
        one.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "the new proxy cannot serve (exit status 3); the old stays" in one.said)
        assert one.pids() == old
        assert one.process.poll() is None
        (tmp_path / "broken").unlink()
        one.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "all workers are new" in one.said)


def test_a_worker_that_could_serve_once_is_tried_again_and_again(tmp_path: Path):
    with supervised(tmp_path) as one:
        (tmp_path / "broken").touch()
        old = one.pid("proxy-1")
        killed_at = time.monotonic()
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: one.said.count("the proxy-1 ended (exit status 3)") >= 3)
        assert time.monotonic() - killed_at >= 0.1 + 0.2 + 0.4
        assert "back in 0.80 s" in one.said
        (tmp_path / "broken").unlink()
        last = one.pid("proxy-1")
        wait_for(lambda: one.pid("proxy-1") != last)
        assert one.process.poll() is None


def test_one_that_never_served_ends_everything(tmp_path: Path):
    (tmp_path / "broken").touch()
    with supervised(tmp_path) as one:
        assert one.process.wait(30) == 1
        assert "cannot start (exit status 3)" in one.said
        assert "before the end" in one.said


def test_all_ends_in_order_and_leaves_no_file(tmp_path: Path):
    with supervised(tmp_path) as one:
        assert stop(one.process) == 0
        assert "before the end" in one.said
        assert list(tmp_path.glob("*.pid")) == []


def test_one_that_does_not_stop_is_killed(tmp_path: Path):
    with supervised(tmp_path) as one:
        (tmp_path / "slow").touch()
        one.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "all workers are new" in one.said or "was killed" in one.said)
        assert "the proxy did not stop within 10 s and was killed" in one.said
        (tmp_path / "slow").unlink()
