"""Programs that are measured beside holdover or that make load. The benchmark installs none of them."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable

PACKAGES = {"nginx": "nginx", "varnishd": "varnish", "wrk": "wrk"}
"""Debian's packages by program."""
_VERSION = {"nginx": "-v", "varnishd": "-V", "wrk": "-v"}
# Debian has nginx and varnishd where only root's PATH looks.
_SEARCHED = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"


def find(program: str) -> str | None:
    return shutil.which(program, path=_SEARCHED)


def path(program: str) -> str:
    """Raises FileNotFoundError."""
    if (found := find(program)) is None:
        raise FileNotFoundError(f"{program} is missing; {remedy([program])}")
    return found


def missing(programs: Iterable[str]) -> list[str]:
    return [program for program in programs if find(program) is None]


def remedy(programs: Iterable[str]) -> str:
    """What installs them."""
    return f"on Debian: apt-get install {' '.join(PACKAGES[program] for program in programs)}"


def versions() -> dict[str, str]:
    """Of those that are there."""
    return {
        program: _version([found, _VERSION[program]]) for program in PACKAGES if (found := find(program)) is not None
    }


def _version(command: list[str]) -> str:
    # wrk says its version together with how it is used, and then fails.
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"\d+(\.\d+)+", told.stdout + told.stderr)
    return found[0] if found else "?"
