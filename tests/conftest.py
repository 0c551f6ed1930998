"""How the whole suite runs: by file on several workers, since most of what it does is wait for processes."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

WORKERS = 5
WAITING = ("faults", "scripts", "e2e", "security", "addons", "emulator")
"""The folders of tests that start processes and wait for them; those with the longest files first."""
WAITING_ENDS = 0.8
"""By then all of those have begun: one begun last would keep a single worker busy."""

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
    """In turn a file that waits and one that computes: the processors are neither idle nor fought for."""
    files = list(dict.fromkeys(item.path for item in items))
    waiting = sorted(
        (file for file in files if _folder(file) in WAITING), key=lambda file: WAITING.index(_folder(file))
    )
    computing = [file for file in files if file not in waiting]
    turns = {file: WAITING_ENDS * turn / len(waiting) for turn, file in enumerate(waiting)}
    turns |= {file: turn / len(computing) for turn, file in enumerate(computing)}
    items.sort(key=lambda item: turns[item.path])


def _folder(file: Path) -> str:
    return file.parent.name
