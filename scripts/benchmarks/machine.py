"""The machine that measures: what it is, what its processes use, which core they run on."""

import os
import platform
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any


def describe() -> dict[str, Any]:
    """What figures depend on; nothing that names the host."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "mitmproxy": version("mitmproxy"),
        "load_average": [round(value, 2) for value in os.getloadavg()],
    }


def cpu_seconds(pid: int) -> float:
    """User and system time that the process has used; its children are not counted."""
    # The name, in parentheses, may hold spaces; what follows starts with the third field of proc(5).
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """The process and all that descend from it."""
    children = Path(f"/proc/{pid}/task").glob("*/children")
    return [pid, *(one for path in children for child in path.read_text().split() for one in tree(int(child)))]


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def allow_files(count: int) -> None:
    """Raises this process's limit of open files, which its children inherit. Raises OSError if that is too low."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= count:
        return
    if hard != resource.RLIM_INFINITY and hard < count:
        raise OSError(f"{count} open files are needed and the hard limit is {hard}; raise it with ulimit -Hn")
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


@contextmanager
def apart(servers: list[int], others: list[int], cores: int = 1) -> Iterator[bool]:
    """Runs `servers` on the first cores, `others` and this process on the one after them; False where there is none.
    What any of them starts meanwhile runs where it does."""
    mine = os.sched_getaffinity(0)
    first = sorted(mine)[: cores + 1]
    if len(first) <= cores:
        yield False
        return
    for pid in servers:
        _pin(pid, set(first[:-1]))
    for pid in (*others, os.getpid()):
        _pin(pid, {first[-1]})
    try:
        yield True
    finally:
        os.sched_setaffinity(0, mine)


def _pin(pid: int, cores: set[int]) -> None:
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
