"""What the commands share: how they fail, and which configuration they are about."""

import argparse
import os

from holdover.config import Config, load


class CommandError(Exception):
    """What the user asked for cannot be done; the message is the sentence to print."""


def configured(options: argparse.Namespace) -> Config:
    """Raises ConfigError."""
    return load(options.config, os.environ)
