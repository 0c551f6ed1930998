"""Starts what the commands `up`, `proxy` and `sidecar` run."""

import importlib
import os
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from holdover import workers
from holdover.config import Config, ConfigError, load
from holdover.store.base import StoreError

from . import app, discovery
from .child import Program
from .supervise import Supervisor

type Main = Callable[[Config, Callable[[], None]], None]
"""Runs one process in the foreground; calls its second argument once it serves."""


class Prepared(Protocol):
    """What workers share: see `addons.runner`."""

    @property
    def metrics(self) -> tuple[str, ...]: ...

    def renew(self) -> None: ...

    def close(self) -> None: ...


class Runner(Protocol):
    """The module `addons.runner`."""

    def prepare(self, config: Config) -> Prepared: ...

    def main(self, config: Config, prepared: Prepared, ready: Callable[[], None], worker: int) -> None: ...


def _take_all_room() -> None:
    """Each connection of a client is an open file. Services and shells begin with room for 1,024, though the system
    lets them have more: fewer slow clients would shut out all others than `[lane]` allows one address."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def os_sentence(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)


def up(config: Config) -> int:
    """Sidecar and workers, supervised. Returns the exit status. Raises OSError."""
    _take_all_room()
    runner, prepared = _prepared(config)

    def sidecar(current: Config, ready: Callable[[], None]) -> None:
        # What it held open would still take connections when no worker is left.
        prepared.close()
        app.main(current, ready)

    supervisor = Supervisor(
        config.socket.parent,
        alone={"sidecar": _program(sidecar, config)},
        workers=_workers(runner, prepared, config),
        before_replacing=prepared.renew,
        before_end=prepared.close,
    )
    return supervisor.run(f"holdover is ready: {_addresses(config)}")


def proxy(config: Config) -> int:
    """The proxy alone: one worker in the foreground, several supervised. Returns the exit status. Raises OSError."""
    _take_all_room()
    runner, prepared = _prepared(config)
    if len(prepared.metrics) == 1:
        runner.main(config, prepared, lambda: print("the proxy is ready", flush=True), 0)  # noqa: T201
        return 0
    supervisor = Supervisor(
        config.socket.parent,
        alone={},
        workers=_workers(runner, prepared, config),
        before_replacing=prepared.renew,
        before_end=prepared.close,
    )
    return supervisor.run(f"the proxy is ready: {_addresses(config)}")


def sidecar(config: Config) -> int:
    _take_all_room()
    app.main(config, lambda: print("the sidecar is ready", flush=True))  # noqa: T201
    return 0


def _prepared(config: Config) -> tuple[Runner, Prepared]:
    """By name: the two process folders do not import one another, and `addons` is `holdover.addons` once
    installed."""
    package = (__package__ or "").removesuffix("sidecar")
    runner: Runner = importlib.import_module(f"{package}addons.runner")
    prepared = runner.prepare(config)
    discovery.write(config, prepared.metrics)
    return runner, prepared


def _addresses(config: Config) -> str:
    settings = config.settings.proxy
    return ", ".join([*(f"reverse {a}" for a in settings.reverse), *(f"regular {a}" for a in settings.regular)])


def _workers(runner: Runner, prepared: Prepared, config: Config) -> dict[str, Program]:
    def one(worker: int) -> Program:
        return _program(lambda current, ready: runner.main(current, prepared, ready, worker), config)

    return {workers.name(worker): one(worker) for worker in range(len(prepared.metrics))}


def _program(run: Main, config: Config) -> Program:
    """For the supervisor: a failure to start is a sentence and status 1 here too."""

    def program(ready: Callable[[], None]) -> None:
        # A process that comes back later takes the configuration as it is then, if it is good.
        current = config
        with suppress(ConfigError):
            current = load(config.folder, os.environ)
        try:
            run(current, ready)
        except (StoreError, app.CannotStart) as error:
            print(f"holdover: {error}", file=sys.stderr)  # noqa: T201
            sys.exit(1)
        except OSError as error:
            print(f"holdover: {os_sentence(error)}", file=sys.stderr)  # noqa: T201
            sys.exit(1)

    return program
