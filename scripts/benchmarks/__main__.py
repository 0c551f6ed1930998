"""The command: scripts/bench SCENARIO... [--quick] [--json FILE]. Exit status 0: every promise was kept; 1: one was
broken; 2: wrong usage; 3: what was measured kept its promises, but a program that other scenarios need is missing."""

import argparse
import json
import signal
import sys
from pathlib import Path

from . import machine, registry, table, tools
from .outcome import document


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measures holdover on real processes and says which promises hold.",
    )
    made.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="default: all; see --list")
    made.add_argument("--quick", action="store_true", help=f"smaller sizes, without {' and '.join(registry.LONG)}")
    made.add_argument("--json", type=Path, metavar="FILE", help="also write the report as JSON")
    made.add_argument("--list", action="store_true", help="list the scenarios and exit")
    return made


def main(arguments: list[str] | None = None) -> int:
    made = parser()
    options = made.parse_args(arguments)
    if options.list:
        rows = [(name, text) for name, (text, _) in registry.SCENARIOS.items()]
        print(table.plain(("scenario", "what it does"), rows))
        return 0
    if unknown := sorted(set(options.scenarios) - set(registry.SCENARIOS)):
        made.error(f"no scenario {', '.join(unknown)}; there are: {', '.join(registry.SCENARIOS)}")
    if options.json is not None and not options.json.absolute().parent.is_dir():
        made.error(f"the folder of {options.json} does not exist")
    names = registry.chosen(options.scenarios, quick=options.quick)
    unable = registry.unable(names)
    for name, programs in unable.items():
        _say(f"{name} is left out without {' and '.join(programs)}; {tools.remedy(programs)}")
    described = {**machine.describe(), "programs": tools.versions()}
    outcome = registry.run([name for name in names if name not in unable], quick=options.quick, say=_say)
    if options.json is not None:
        options.json.write_text(json.dumps(document(described, outcome), indent=2) + "\n")
    table.show(described, outcome)
    if not outcome.ok:
        return 1
    return 3 if unable else 0


def _say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    # Ends by way of the exceptions that stop the processes which a scenario started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
