"""A `holdover` command to its end in this process: a process of its own takes a second to start."""

import os
import subprocess
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from unittest.mock import patch

from scripts.rig import House
from sidecar.cli import main


def run(house: House, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As `House.run` does, but for what goes to the log."""
    out, err, mask = StringIO(), StringIO(), os.umask(0o077)
    try:
        with patch.dict(os.environ, house.environment()), redirect_stdout(out), redirect_stderr(err):
            status = main(["--config", str(house.config), *arguments])
    finally:
        os.umask(mask)
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())
