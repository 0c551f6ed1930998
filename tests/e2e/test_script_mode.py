"""The addon as a script of a stock mitmdump, with and without a sidecar."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts.rig import ROOT, Emulator, House, running, stop, wait_for, write_house
from tests.e2e.wire import arrivals, ask, calm_window, dial, fresh_target, total

MITMDUMP = Path(sys.executable).with_name("mitmdump")


def command(house: House) -> list[str]:
    mode = f"reverse:http://no-provider.invalid@127.0.0.1:{house.ports['reverse']}"
    settings = (
        f"holdover_config={house.config}",
        f"confdir={house.folder / 'ca'}",
        "termlog_verbosity=warn",
        "flow_detail=0",
    )
    options = [word for setting in settings for word in ("--set", setting)]
    return [str(MITMDUMP), "-s", "addons/odds_cache.py", "--mode", mode, *options]


@contextmanager
def dumping(house: House, *scripts: Path) -> Iterator[Path]:
    """mitmdump with the addon and these scripts, until the block ends; gives its log."""
    log = house.folder / "mitmdump.log"
    words = command(house) + [word for script in scripts for word in ("-s", str(script))]

    def listens() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"mitmdump did not start:\n{log.read_text()}")
        try:
            dial(house.ports["reverse"]).close()
        except OSError:
            return False
        return True

    with log.open("w") as out:
        process = subprocess.Popen(words, cwd=ROOT, env=house.environment(), stdout=out, stderr=subprocess.STDOUT)
        try:
            wait_for(listens, 60)
            yield log
        finally:
            stop(process)


@pytest.fixture
def written(shared_provider: Emulator, tmp_path: Path) -> House:
    window = calm_window()
    return write_house(tmp_path, shared_provider.url, window_s=window, max_stale_s=2 * window)


def degraded(house: House) -> bool | None:
    """Whether the addon does without a sidecar; None before it tells anything."""
    try:
        samples = house.metrics("metrics")
    except OSError:
        return None
    return total(samples, "holdover_degraded", 'dependency="sidecar"') == 1


def fetches(house: House, role: str) -> float:
    return total(house.metrics(role), "holdover_upstream_requests_total", 'trigger="client"')


def serves(house: House, provider: Emulator) -> None:
    """A miss, then hits, one request at the provider; and what is nobody's is refused."""
    target = fresh_target()
    first, second = (ask(house.ports["reverse"], target) for _ in range(2))
    assert first.way == "fwd=uri-miss; stored"
    assert second.cache.startswith("hit; ttl=")
    assert first.body == second.body
    assert first.json[0]["bookmakers"]
    assert arrivals(provider, target) == 1
    assert ask(house.ports["reverse"], target, host="api.unknown.example").status == 421
    assert ask(house.ports["reverse"], "/v4/no/route?apiKey=k").status == 404


def test_without_a_sidecar_the_addon_fetches_itself(written: House, provider: Emulator):
    target = fresh_target()
    with dumping(written):
        serves(written, provider)
        ask(written.ports["reverse"], target)
        wait_for(lambda: degraded(written))
        assert fetches(written, "metrics") == 2
    with dumping(written):  # what was stored outlives the process
        assert ask(written.ports["reverse"], target).cache.startswith("hit")
    assert arrivals(provider, target) == 1


def test_with_a_sidecar_the_sidecar_fetches(written: House, provider: Emulator):
    with running(written, "sidecar", ready="the sidecar is ready"), dumping(written) as log:
        wait_for(lambda: degraded(written) is False)
        wait_for(lambda: asked_the_sidecar(written))
        before = fetches(written, "admin")
        serves(written, provider)
        assert fetches(written, "admin") - before == 1
        assert log.read_text() == ""


def asked_the_sidecar(house: House) -> bool:
    """Whether a fetch went by the sidecar; the addon knows of it from its first report on."""
    before = fetches(house, "admin")
    ask(house.ports["reverse"], fresh_target())
    return fetches(house, "admin") > before


def test_a_configuration_that_cannot_be_used_ends_mitmdump(written: House):
    written.write_provider(window_s='"soon"')
    done = subprocess.run(
        command(written), cwd=ROOT, env=written.environment(), capture_output=True, text=True, timeout=120
    )
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "holdover's configuration cannot be used" in said
    file = written.config / "providers" / "odds.toml"
    [line] = [n for n, text in enumerate(file.read_text().splitlines(), 1) if text == 'window_s = "soon"']
    assert f"{file}:{line}: routes[0].window_s: must be a valid number" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("place", ["command line", "config.yaml"])
def test_a_mitmdump_that_would_pass_malformed_requests_on_does_not_start(written: House, place: str):
    """S23."""
    words = command(written)
    if place == "command line":
        words += ["--set", "validate_inbound_headers=false"]
    else:
        (written.folder / "ca").mkdir()
        (written.folder / "ca" / "config.yaml").write_text("validate_inbound_headers: false\n")
    done = subprocess.run(words, cwd=ROOT, env=written.environment(), capture_output=True, text=True, timeout=120)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "validate_inbound_headers must stay on" in said
    assert "--set" in said
    assert "config.yaml" in said
    assert "Traceback" not in said
