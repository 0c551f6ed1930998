"""What the commands share: how they fail, and which configuration they are about."""

import argparse
import os
from collections.abc import Callable

from holdover.config import Config, load, load_without_providers


class CommandError(Exception):
    """What the user asked for cannot be done; the message is the sentence to print."""


def configured(options: argparse.Namespace) -> Config:
    """Raises ConfigError."""
    return load(options.config, os.environ)


def configured_alone(options: argparse.Namespace) -> Config:
    """Without providers. Raises ConfigError."""
    return load_without_providers(options.config)


def said(command: Callable[[argparse.Namespace], str]) -> Callable[[argparse.Namespace], int]:
    """Prints what a command returns."""

    def run(options: argparse.Namespace) -> int:
        print(command(options))
        return 0

    return run
