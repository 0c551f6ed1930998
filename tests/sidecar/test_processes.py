import resource
import sys
from pathlib import Path

import pytest

from scripts.rig import running, write_house


@pytest.mark.parametrize("arguments", [("up",), ("proxy",), ("sidecar",)], ids=" ".join)
def test_there_is_room_for_as_many_connections_as_the_system_allows(tmp_path: Path, arguments: tuple[str, ...]):
    """Not for those 1,024 alone that a service or a shell begins with."""
    house = write_house(tmp_path, "http://127.0.0.1:9")
    house.program = ("/bin/sh", "-c", f'ulimit -Sn 256; exec {sys.executable} -m sidecar "$@"', "sh")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with running(house, *arguments, ready=" ready"):
        assert house.process is not None
        pids = [house.pid("proxy"), house.pid("sidecar")] if arguments == ("up",) else [house.process.pid]
        assert [resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in pids] == [(most, most)] * len(pids)
