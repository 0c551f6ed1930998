"""How the whole suite runs: by file on several workers, since most of what it does is wait for processes."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

WORKERS = 4
SLOW_FIRST = ("faults", "e2e", "scripts", "emulator")
"""The folders of tests that start processes. Begun last, one of their files would keep a single worker busy."""

# Every house is three Python processes, which start in half the time with compiled modules.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# An example may wait for a processor that other tests use: its time tells nothing of the code.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """None for a single file or test: workers take longer to start than they could save."""
    named = [Path(argument.partition("::")[0]) for argument in config.args]
    return 0 if all(path.is_file() for path in named) and len(set(named)) == 1 else WORKERS


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ranks = {folder: rank for rank, folder in enumerate(SLOW_FIRST)}
    items.sort(key=lambda item: ranks.get(item.path.parent.name, len(ranks)))
