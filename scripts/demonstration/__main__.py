"""Command line: python -m scripts.demonstration. Exit status: 0 it ran, 1 it could not, 2 wrong usage, 130 Ctrl-C."""

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from .phases import WINDOW_S, Plan, demonstrate
from .report import as_document, as_text
from .screen import screen_for


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="scripts/demo",
        description="Shows holdover at work: a fleet of legacy clients polls an emulated odds provider, first "
        "directly, then through holdover. Everything runs on this machine, on free loopback ports.",
        epilog="The fleet asks one question for every four clients, six at most.",
    )
    made.add_argument(
        "--seconds", type=_at_least(1, float), default=15.0, metavar="N", help="length of each phase (default: 15)"
    )
    made.add_argument(
        "--clients", type=_at_least(1, int), default=24, metavar="N", help="size of the fleet (default: 24)"
    )
    made.add_argument("--seed", type=int, default=1, metavar="N", help="other clients, other prices (default: 1)")
    made.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to FILE as well")
    made.add_argument("--plain", action="store_true", help="lines instead of a live table, also in a terminal")
    made.add_argument("--keep", action="store_true", help="keep the files that holdover made, and say where they are")
    return made


def _at_least[N: (int, float)](low: N, kind: Callable[[str], N]) -> Callable[[str], N]:
    def number(text: str) -> N:
        value = kind(text)
        # Written so that "nan" is refused.
        if not low <= value < 1_000_000:
            raise argparse.ArgumentTypeError(f"must be a number of at least {low}")
        return value

    return number


def run(options: argparse.Namespace) -> None:
    if options.json and not options.json.parent.is_dir():
        raise NotADirectoryError(f"there is no folder {options.json.parent} to write {options.json.name} to")
    plan = Plan(options.seconds, options.clients, options.seed)
    screen = screen_for(plan.seconds, WINDOW_S, plain=options.plain)
    with tempfile.TemporaryDirectory(prefix="holdover-demo-", delete=not options.keep) as folder:
        with screen:
            outcome = demonstrate(plan, Path(folder), screen)
            screen.finish(outcome.promised_age_s)
        print(f"\n{as_text(outcome)}")
        if options.keep:
            print(f"\nThe files of holdover (configuration, log, store) are in {folder}")
    if options.json:
        options.json.write_text(json.dumps(as_document(outcome), indent=2) + "\n")


def main() -> int:
    options = parser().parse_args()
    # A parent that runs this in the background may have it ignore SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        run(options)
    except KeyboardInterrupt:
        print("demo: stopped", file=sys.stderr)
        return 130
    except (OSError, RuntimeError) as error:
        print(f"demo: {_sentence(error)}", file=sys.stderr)
        return 1
    return 0


def _sentence(error: Exception) -> str:
    """The first line of the message and the last, which is what a log says at its end."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[0] if len(lines) == 1 else f"{lines[0]} {lines[-1]}"


if __name__ == "__main__":
    sys.exit(main())
