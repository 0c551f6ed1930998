"""The `holdover` command: what it prints, how it ends, and what happens to a running house."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from scripts.rig import HOST, Emulator, House, fetch_json, running, write_house
from tests.e2e.wire import arrivals, ask, calm_window, dial, fresh_target, reconfigure
from tests.here import run


@pytest.fixture
def written(tmp_path: Path, shared_provider: Emulator) -> House:
    return write_house(tmp_path, shared_provider.url)


@pytest.fixture(scope="module")
def own(shared_provider: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house whose configuration these tests change."""
    window = calm_window()
    house = write_house(tmp_path_factory.mktemp("own"), shared_provider.url, window_s=window, max_stale_s=2 * window)
    with running(house):
        yield house


def sentence(done: subprocess.CompletedProcess[str], status: int) -> str:
    """What a command that could not do it says, which is never a traceback."""
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("holdover: ")
    return done.stderr


def line_of(path: Path, text: str) -> int:
    [number] = [n for n, line in enumerate(path.read_text().splitlines(), 1) if line == text]
    return number


def test_check_of_a_good_configuration(written: House, tmp_path: Path):
    elsewhere = House(tmp_path / "elsewhere", {}, {})
    done = run(elsewhere, "check", str(written.config))
    assert (done.returncode, done.stderr) == (0, "")
    first, provider, *lines = done.stdout.splitlines()
    assert first == f"{written.config}: good (1 provider, 2 routes)"
    assert provider == "  odds: profile generic"
    told = {line.split()[0]: line for line in lines}
    assert "open" in told["clients"]
    assert "none" in told["projections"]
    assert {"odds:", "sports:"} < told.keys()


@pytest.mark.parametrize(
    ("extra", "warnings"),
    [
        ("min_interval_s = 20", []),
        (
            "min_interval_s = 21",
            ["min_interval_s: is longer than the window; odds are renewed that often at best"],
        ),
        (
            "min_interval_s = 20\ngroup = 'board'\n[[routes]]\nname = 'scores'\npath = '/v4/scores'\nwindow_s = 10\n"
            "max_stale_s = 60\ngroup = 'board'",
            ["min_interval_s: is longer than the 10 s in which scores renews group board; this route cannot keep up"],
        ),
    ],
)
def test_check_warns_of_windows_that_cannot_be_kept(written: House, extra: str, warnings: list[str]):
    written.write_provider(window_s=20, max_stale_s=60, route_extra=extra)
    done = run(written, "check")
    assert (done.returncode, done.stderr) == (0, "")
    provider = written.config / "providers" / "odds.toml"
    number = line_of(provider, extra.partition("\n")[0])
    assert [line for line in done.stdout.splitlines() if "warning" in line] == [
        f"warning: {provider}:{number}: routes[0].{each}" for each in warnings
    ]


def test_check_tells_every_problem_with_file_and_line(written: House):
    written.write_provider(window_s='"soon"', timeout_s=-1)
    top = written.config / "holdover.toml"
    top.write_text(top.read_text() + "\n[store]\nfoldr = 'x'\n")
    said = sentence(run(written, "check"), 2)
    provider = written.config / "providers" / "odds.toml"
    number = line_of(provider, 'window_s = "soon"')
    assert f"{provider}:{number}: routes[0].window_s: must be a valid number" in said
    number = line_of(provider, "timeout_s = -1")
    assert f"{provider}:{number}: limits.timeout_s: " in said
    number = line_of(top, "foldr = 'x'")
    assert f"{top}:{number}: store.foldr: unknown key; did you mean 'folder'?" in said


def test_check_of_what_is_no_toml_and_of_no_folder(written: House, tmp_path: Path):
    provider = written.config / "providers" / "odds.toml"
    provider.write_text('name = "odds"\nhosts = [\n')
    assert f"{provider}:" in sentence(run(written, "check"), 2)
    assert f"{tmp_path}/none: no holdover.toml here" in sentence(run(written, "check", f"{tmp_path}/none"), 2)


@pytest.mark.parametrize("command", [("up",), ("explain", "https://x/y")])
def test_every_command_refuses_a_bad_configuration_alike(written: House, command: tuple[str, ...]):
    written.write_provider(window_s=0)
    assert "routes[0].window_s" in sentence(run(written, *command), 2)


def test_a_credential_that_is_not_set_is_told(written: House):
    environment = {k: v for k, v in written.environment().items() if k != "RIG_CREDENTIAL"}
    done = subprocess.run(
        written.command("check"), env=environment, capture_output=True, text=True, cwd=Path.cwd(), timeout=60
    )
    assert "export RIG_CREDENTIAL=" in sentence(done, 2)


def test_explain_as_text_and_as_json(own: House):
    url = f"https://{HOST}{fresh_target(regions='uk,eu')}"
    text = run(own, "explain", url)
    facts = json.loads(run(own, "explain", url, "--json").stdout)
    assert text.returncode == 0
    assert facts["route"] == "odds/odds"
    assert "regions=eu%2Cuk" in facts["canonical"]
    assert "apiKey" not in facts["canonical"]
    assert facts["stored"] == "nothing"
    assert facts["decision"].startswith("miss: ")
    assert len(facts["key"]) == 32
    assert [line.split(maxsplit=1) for line in text.stdout.splitlines()] == [[*item] for item in facts.items()]


def test_explain_tells_of_a_stored_answer(own: House):
    target = fresh_target()
    body = ask(own.ports["reverse"], target).body
    facts = json.loads(run(own, "explain", f"http://{HOST}{target}", "--json").stdout)
    assert facts["decision"].startswith("hit: ")
    assert f"{len(body)} bytes" in facts["stored"]


@pytest.mark.parametrize(
    ("url", "headers", "decision"),
    [
        (f"https://{HOST}/v4/sports", ["Cookie: a=b"], "passed to the provider untouched: the cookie field"),
        ("https://api.unknown.example/v4/sports", [], "no provider has this host: refused with 421"),
    ],
)
def test_explain_tells_why_something_is_not_cached(own: House, url: str, headers: list[str], decision: str):
    fields = [word for header in headers for word in ("-H", header)]
    done = run(own, "explain", "--json", *fields, url)
    assert json.loads(done.stdout)["decision"].startswith(decision)


@pytest.mark.parametrize("url", ["api.example.com/x?apiKey=secret", "https://[::1/x?apiKey=secret"])
def test_explain_of_what_is_no_url(own: House, url: str):
    said = sentence(run(own, "explain", url), 1)
    assert said.count("\n") == 1
    assert "secret" not in said


def test_purge_of_a_key(own: House, provider: Emulator):
    target, kept = fresh_target(), fresh_target()
    for asked in (target, kept):
        assert ask(own.ports["reverse"], asked).way == "fwd=uri-miss; stored"
    key = json.loads(run(own, "explain", f"http://{HOST}{target}", "--json").stdout)["key"]
    done = run(own, "purge", key)
    assert (done.returncode, done.stdout, done.stderr) == (0, "purged 1 answer\n", "")
    assert ask(own.ports["reverse"], target).way == "fwd=uri-miss; stored"
    assert ask(own.ports["reverse"], kept).cache.startswith("hit")
    assert (arrivals(provider, target), arrivals(provider, kept)) == (2, 1)


def test_purge_of_a_route(own: House, provider: Emulator):
    targets = [fresh_target() for _ in range(3)]
    for target in (*targets, *targets):
        ask(own.ports["reverse"], target)
    sports = fresh_target("/v4/sports")
    ask(own.ports["reverse"], sports)
    done = run(own, "purge", "odds/odds")
    assert done.returncode == 0
    assert int(done.stdout.split()[1]) >= 3
    for target in targets:
        assert ask(own.ports["reverse"], target).way == "fwd=uri-miss; stored"
        assert arrivals(provider, target) == 2
    assert ask(own.ports["reverse"], sports).cache.startswith("hit")


def test_purge_of_nothing(own: House):
    assert "nothing is stored for 0000" in sentence(run(own, "purge", "0" * 32), 1)
    assert "there are: odds/odds, odds/sports" in sentence(run(own, "purge", "odds/oods"), 1)


def test_version_help_and_wrong_usage(written: House):
    version = run(written, "version")
    assert version.returncode == 0
    assert version.stdout.startswith("holdover ")
    helped = run(written, "--help")
    assert helped.returncode == 0
    for command in ("up", "proxy", "sidecar", "check", "explain", "purge", "version"):
        assert f"\n    {command} " in helped.stdout
    for arguments in ((), ("purge",)):
        done = run(written, *arguments)
        assert done.returncode == 2
        assert done.stdout == ""
        assert "usage: holdover" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("role", ["reverse", "admin", "metrics"])
def test_a_port_in_use_is_told(own: House, written: House, role: str):
    top = written.config / "holdover.toml"
    taken = own.ports[role]
    top.write_text(top.read_text().replace(str(written.ports[role]), str(taken)))
    done = written.run("up")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"127.0.0.1:{taken}" in done.stderr
    assert "in use" in done.stderr
    assert "ready" not in done.stdout


def test_a_second_sidecar_on_the_socket_is_refused(own: House, written: House):
    top = written.config / "holdover.toml"
    socket = own.folder / "var" / "run" / "sidecar.sock"
    top.write_text(top.read_text().replace("[sidecar]", f"[sidecar]\nsocket = '{socket}'"))
    said = sentence(written.run("sidecar"), 1)
    assert f"another sidecar answers on {socket}" in said
    assert ask(own.ports["reverse"], fresh_target()).way == "fwd=uri-miss; stored"


def test_configuration_is_taken_over_while_it_runs(own: House):
    def promised() -> int:
        """The window in force, as a fresh answer tells it."""
        target = fresh_target()
        ask(own.ports["reverse"], target)
        return int(ask(own.ports["reverse"], target).cache.rpartition("ttl=")[2])

    def digests() -> set[str]:
        names = [
            name for role in ("metrics", "admin") for name in own.metrics(role) if "holdover_config_info" in name
        ]
        return {*names, fetch_json(f"{own.url('admin')}/healthz")["config"]}

    long = own.settings["window_s"]
    assert isinstance(long, int)
    assert promised() > long - 60
    known = digests()

    reconfigure(own, window_s=long + 1000)
    assert promised() > long + 900
    changed = digests()
    assert not known & changed

    reconfigure(own, result="error", window_s='"soon"')
    assert promised() > long + 900
    assert digests() == changed
    said = own.log.read_text()
    assert said.count("the configuration was changed but is not usable; the last good one stays:") == 2
    number = line_of(own.config / "providers" / "odds.toml", 'window_s = "soon"')
    assert f"odds.toml:{number}: routes[0].window_s: must be a valid number" in said
    assert "Traceback" not in said

    reconfigure(own, window_s=long)
    assert long - 60 < promised() <= long
    assert digests() == known


def test_up_ends_cleanly_and_goes_on_where_it_was(written: House, provider: Emulator):
    """A client that keeps its connection open does not keep the house from ending."""
    window = calm_window()
    written.write_provider(window_s=window, max_stale_s=2 * window)
    target = fresh_target()
    with running(written), closing(dial(written.ports["reverse"])):
        assert written.pid("proxy") != written.pid("sidecar")
        assert ask(written.ports["reverse"], target).way == "fwd=uri-miss; stored"
    assert written.process is not None
    assert written.process.returncode == 0
    assert not list((written.folder / "var" / "run").glob("*.pid"))
    for role in ("reverse", "regular", "metrics", "admin"):
        with pytest.raises(ConnectionRefusedError):
            dial(written.ports[role])
    log = written.log.read_text()
    assert not [word for word in ("Traceback", "ERROR", "killed") if word in log], log
    with running(written):
        assert ask(written.ports["reverse"], target).cache.startswith("hit")
    assert arrivals(provider, target) == 1
