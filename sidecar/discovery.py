"""The file that tells Prometheus, and the sidecar, where the processes of holdover answer `/metrics`."""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from holdover.config import Config

SIDECAR = "sidecar"


@dataclass(frozen=True, slots=True)
class Target:
    """An address, and the number of the worker or SIDECAR: the same when the process behind it is another."""

    address: str
    worker: str


def file_of(config: Config) -> Path:
    return config.socket.parent / "prometheus.json"


def write(config: Config, workers: tuple[str, ...]) -> None:
    """`workers`: their addresses. Readers find the old file or the new, never a part."""
    targets = [Target(address, str(worker)) for worker, address in enumerate(workers)]
    targets.append(Target(config.settings.sidecar.admin, SIDECAR))
    groups = [{"targets": [one.address], "labels": {"worker": one.worker}} for one in targets]
    path = file_of(config)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.with_suffix(".new").write_text(json.dumps(groups, indent=1) + "\n")
    path.with_suffix(".new").replace(path)


def proxies(config: Config) -> list[Target]:
    """Those of the workers. Without a file that can be read, the one that is configured: mitmdump writes none."""
    with suppress(OSError, ValueError, LookupError, TypeError, AttributeError):
        groups = json.loads(file_of(config).read_text())
        targets = [Target(str(group["targets"][0]), str(group["labels"]["worker"])) for group in groups]
        return [one for one in targets if one.worker != SIDECAR]
    return [Target(config.settings.proxy.metrics, "0")]
