"""`python -m sidecar` in the tree, `holdover` once installed."""

import sys

from .cli import main as run


def main() -> None:
    """The console script."""
    sys.exit(run())


if __name__ == "__main__":
    main()
