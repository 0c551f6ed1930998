"""Starts real processes for the demo, the benchmarks and the end-to-end tests: the emulated provider and holdover.

Everything listens on free loopback ports and lives in a folder that the caller gives."""

import json
import math
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HOST = "api.the-odds-api.com"
CREDENTIAL = "rig-credential"
START_S = 60.0
PORTS, BLOCK = range(20_000, 32_000), 100
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Opens URLs without heeding proxy variables."""


def _ports() -> Iterator[int]:
    """Round and round a block of ports that is this process's own as long as it keeps the first of them. Below those
    that the kernel gives to outgoing connections and to port 0, or one of these could take a port before its house
    listens on it."""
    for first in random.sample(PORTS[::BLOCK], len(PORTS) // BLOCK):
        with socket.socket() as kept:
            try:
                kept.bind(("127.0.0.1", first))
            except OSError:
                continue
            while True:
                yield from range(first + 1, first + BLOCK)
    raise RuntimeError("every block of ports is in use")


_own_ports = _ports()


def free_ports(count: int) -> list[int]:
    """Ports that are free now, and that no other process of the rig is given."""
    return list(islice(filter(_is_free, _own_ports), count))


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def fetch_json(url: str, body: object = None) -> Any:
    """GET, or POST when there is a body. Goes around any proxy variable."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})  # noqa: S310
    with DIRECT.open(request, timeout=30) as answer:
        return json.load(answer)


@dataclass
class Emulator:
    """A running emulated provider."""

    url: str
    process: subprocess.Popen[str]

    def stats(self) -> dict[str, Any]:
        return dict(fetch_json(f"{self.url}/_stats"))

    def reset(self) -> None:
        fetch_json(f"{self.url}/_stats/reset", {})

    def control(self, **settings: object) -> None:
        """Changes settings at run time, for example `control(fault={"kind": "status", "status": 503})`."""
        fetch_json(f"{self.url}/_control", settings)

    def truth(self, sport: str) -> dict[str, Any]:
        return dict(fetch_json(f"{self.url}/_truth?sport={sport}"))

    def odds_requests(self) -> int:
        return sum(n for path, n in self.stats()["by_path"].items() if path.rstrip("/").endswith("/odds"))


@contextmanager
def listening(module: str, *arguments: str, **options: object) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server of this project as a process, and where it listens, as it tells itself. Options by their command-line
    names, `latency_p50_ms=0` for `--latency-p50-ms 0`; a list repeats its option, True is one without a value."""
    command = [sys.executable, "-m", module, *arguments]
    for name, value in options.items():
        for each in value if isinstance(value, list) else [value]:
            command.append(f"--{name.replace('_', '-')}")
            if each is not True:
                command.append(str(each))
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line.startswith("listening "):
            raise RuntimeError(f"{' '.join(command[2:])} did not start: {line!r}")
        yield line.split()[1], process
    finally:
        stop(process)
        process.stdout.close()


@contextmanager
def emulator(**options: object) -> Iterator[Emulator]:
    """The emulated provider; options as `listening` has them."""
    with listening("scripts.emulator", **options) as (url, process):
        yield Emulator(url, process)


def stop(process: subprocess.Popen[Any], seconds: float = 15.0) -> int:
    """SIGTERM, then SIGKILL; the exit status."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


PROVIDER = """
name = "odds"
hosts = ["{host}"]
origin = "{origin}"
clients = "{clients}"
{extra}

[credential]
env = "RIG_CREDENTIAL"
query = "apiKey"
also = ["api_key"]

[limits]
rate_per_s = {rate_per_s}
burst = {burst}
concurrency = 16
timeout_s = {timeout_s}
retries = {retries}
breaker_open_s = 1

[quota]
remaining = "x-requests-remaining"
used = "x-requests-used"
last = "x-requests-last"

[[routes]]
name = "odds"
path = "/v4/sports/{{sport}}/odds"
window_s = {window_s}
max_stale_s = {max_stale_s}
idle_after_s = {idle_after_s}
lists = ["regions", "markets", "bookmakers", "eventIds"]
defaults = {{ dateFormat = "iso", oddsFormat = "decimal" }}
{route_extra}

[[routes]]
name = "sports"
path = "/v4/sports"
window_s = 60
max_stale_s = 600
"""

PROVIDER_DEFAULTS: dict[str, object] = {
    "host": HOST,
    "clients": "open",
    "extra": "",
    "route_extra": "",
    "rate_per_s": 100,
    "burst": 100,
    "timeout_s": 5,
    "retries": 1,
    "window_s": 1,
    "max_stale_s": 30,
    "idle_after_s": 30,
}


@dataclass
class House:
    """holdover on a configuration of its own; `ports` by role."""

    folder: Path
    ports: dict[str, int]
    settings: dict[str, object]
    process: subprocess.Popen[str] | None = None
    program: tuple[str, ...] = (sys.executable, "-m", "sidecar")
    extra_environment: Mapping[str, str] = field(default_factory=dict)
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.folder / "holdover.log"

    @property
    def config(self) -> Path:
        return self.folder / "config"

    @property
    def ca(self) -> Path:
        return self.folder / "var" / "ca" / "mitmproxy-ca-cert.pem"

    def url(self, role: str) -> str:
        """`reverse`, `regular`, `metrics` or `admin`."""
        return f"http://127.0.0.1:{self.ports[role]}"

    def pid(self, name: str) -> int:
        """Of the supervised `proxy` or `sidecar`."""
        return int((self.folder / "var" / "run" / f"{name}.pid").read_text())

    def environment(self) -> dict[str, str]:
        return {**os.environ, "RIG_CREDENTIAL": CREDENTIAL, **self.extra_environment}

    def command(self, *arguments: str) -> list[str]:
        return [*self.program, "--config", str(self.config), *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A `holdover` command on this configuration, to its end."""
        return subprocess.run(
            self.command(*arguments),
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=60,
        )

    def write_provider(self, **changes: object) -> None:
        self.settings.update(changes)
        text = PROVIDER.format(**{**PROVIDER_DEFAULTS, **self.settings})
        (self.config / "providers" / "odds.toml").write_text(text)

    def write_profile(
        self,
        name: str,
        *,
        top: str = "",
        tables: str = "",
        routes: Mapping[str, Mapping[str, str | None]] | None = None,
        **replaced: str | None,
    ) -> None:
        """The shipped profile `name` as provider file, instead of what `write_provider` wrote. Any `key = value` line
        is replaced: keys as in the file, values as TOML text, None for none; `routes` by their names, where a key may
        also be new. `top` stands before the first table, `tables` after the last. Credentials come from the rig's
        environment."""
        shipped = ROOT / "config" / "providers"
        source = next(p for p in (shipped / f"{name}.toml", shipped / "examples" / f"{name}.toml") if p.exists())
        text = source.read_text()
        origin = f'"{self.settings["origin"]}"'
        changes: dict[str, str | None] = {"hosts": f'["{HOST}"]', "origin": origin}
        if "\nenv = " in text:
            changes["env"] = '"RIG_CREDENTIAL"'
        for key, value in {**changes, **replaced}.items():
            line = "" if value is None else f"{key} = {value}".replace("\\", "\\\\")
            text, count = re.subn(rf"^{key} = .*$", line, text, flags=re.MULTILINE)
            if not count:
                raise ValueError(f"{source.name} has no {key!r}")
        head, *sections = text.split("\n[[routes]]\n")
        for route, lines in (routes or {}).items():
            index = next(i for i, section in enumerate(sections) if section.startswith(f'name = "{route}"\n'))
            sections[index] = _with_lines(sections[index], lines)
        head = re.sub(r"^\[", lambda _: f"{top}\n\n[", head, count=1, flags=re.MULTILINE)
        (self.config / "providers" / "odds.toml").unlink(missing_ok=True)
        written = "\n[[routes]]\n".join([head, *sections])
        (self.config / "providers" / f"{name}.toml").write_text(f"{written}\n{tables}\n")

    def metrics(self, role: str) -> dict[str, float]:
        """Samples by name with labels, as in the exposition."""
        with DIRECT.open(f"{self.url(role)}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        return {name: float(value) for name, _, value in (x.rpartition(" ") for x in lines if not x.startswith("#"))}


def _with_lines(section: str, lines: Mapping[str, str | None]) -> str:
    """A route's own table with these `key = value` lines instead of those of the same keys."""
    name, _, rest = section.partition("\n")
    for key in lines:
        rest = re.sub(rf"^{key} = .*\n", "", rest, count=1, flags=re.MULTILINE)
    added = [f"{key} = {value}" for key, value in lines.items() if value is not None]
    return "\n".join([name, *added, rest])


def write_house(folder: Path, origin: str, top: str = "", *, proxy: str = "workers = 1", **settings: object) -> House:
    """The configuration of a house; `top` is added to holdover.toml, `proxy` to its [proxy] table; `settings` fill
    the provider's template. With RIG_LANE=off in the environment, the lane is off."""
    roles = ("reverse", "regular", "metrics", "admin")
    house = House(folder, dict(zip(roles, free_ports(len(roles)), strict=True)), {"origin": origin, **settings})
    (house.config / "providers").mkdir(parents=True)
    ports = house.ports
    if os.environ.get("RIG_LANE") == "off" and "[lane]" not in top:
        top += "\n\n[lane]\nenabled = false"
    (house.config / "holdover.toml").write_text(
        f"[proxy]\nreverse = ['127.0.0.1:{ports['reverse']}']\nregular = ['127.0.0.1:{ports['regular']}']\n"
        f"metrics = '127.0.0.1:{ports['metrics']}'\n{proxy}\n\n"
        f"[sidecar]\nadmin = '127.0.0.1:{ports['admin']}'\n\n{top}\n"
    )
    house.write_provider()
    return house


@contextmanager
def running(house: House, *arguments: str, ready: str = " is ready") -> Iterator[House]:
    """`holdover up` (or what `arguments` say) on the house, until the block ends."""
    arguments = arguments or ("up",)
    with house.log.open("w") as log:
        process = subprocess.Popen(
            house.command(*arguments),
            cwd=ROOT,
            env=house.environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )
        house.process = process
        try:
            wait_for(lambda: ready in house.log.read_text() or process.poll() is not None, START_S)
            if process.poll() is not None:
                raise RuntimeError(f"holdover did not start:\n{house.log.read_text()}")
            yield house
        finally:
            stop(process)


def wait_for(condition: Any, seconds: float = 60.0, every: float = 0.02) -> None:
    """Until `condition()` is true; by default as long as a busy machine may need. What takes long is looked for less
    often than `every` so many seconds. Raises TimeoutError."""
    began = time.monotonic()
    while not condition():
        if (waited := time.monotonic() - began) > seconds:
            raise TimeoutError(f"not within {seconds:g} s")
        time.sleep(max(every, min(waited / 20, 0.2)))


def busy() -> float:
    """How many share a processor lately, 1 at least: so many times as long as it is promised anything may take."""
    return max(1.0, os.getloadavg()[0] / len(os.sched_getaffinity(0)))


def client_environment(house: House, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Environment in which common clients use holdover as explicit proxy and trust its authority."""
    ca = str(house.ca)
    proxy = house.url("regular")
    return {
        **os.environ,
        **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), proxy),
        **dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"), ca),
        "NO_PROXY": "",
        "no_proxy": "",
        **(extra or {}),
    }


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest-rank percentile; 0 for no values."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0
