"""A flood of distinct query strings against small limits, as `scripts/bench memory`, of any length: `python -m
scripts.flood --queries 1000000`. Exit status 1: something grew beyond its limit."""

import argparse
import sys
from collections.abc import Sequence

from scripts.benchmarks import machine, memory, table


def main(arguments: Sequence[str] | None = None) -> int:
    made = argparse.ArgumentParser(prog="python -m scripts.flood", description=__doc__)
    made.add_argument(
        "--queries", type=int, default=1_000_000, help="default: a million, which takes half an hour or more"
    )
    outcome = memory.measure(memory.Size(made.parse_args(arguments).queries, store_mib=16))
    table.show(machine.describe(), outcome)
    return 0 if outcome.ok else 1


if __name__ == "__main__":
    sys.exit(main())
