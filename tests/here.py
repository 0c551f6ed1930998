"""A `holdover` command to its end in this process: a process of its own takes a second to start."""

import os
import subprocess
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from unittest.mock import patch

from scripts.rig import House
from sidecar.cli import main


def run(house: House, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As `House.run` does, but for what goes to the log."""
    return command("--config", str(house.config), *arguments, environment=house.environment())


def command(*arguments: str, environment: Mapping[str, str] = os.environ) -> subprocess.CompletedProcess[str]:
    out, err, mask = StringIO(), StringIO(), os.umask(0o077)
    try:
        with patch.dict(os.environ, environment, clear=True), redirect_stdout(out), redirect_stderr(err):
            status = main(list(arguments))
    except SystemExit as wrong_usage:
        status = int(str(wrong_usage.code))
    finally:
        os.umask(mask)
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())
