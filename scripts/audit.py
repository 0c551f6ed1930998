"""Looks the locked dependencies up in the advisories that `pip-audit` knows: `python -m scripts.audit`.

Status 1 only for an advisory that has a fix and is not listed here. Without pip-audit, without network, or when it
takes too long, it says so and that is all."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
LONGEST_S = 20
KNOWN = {
    "CVE-2025-69872": "diskcache unpickles what a row of its database says is a pickle. There is no fix. The store "
    "reads only bytes under text keys, follows no path and heeds no setting of the database (S36).",
}
"""By every name that an advisory goes by, one is enough: why it does no harm here."""


@dataclass(frozen=True, slots=True)
class Advisory:
    package: str
    names: tuple[str, ...]
    fixed_in: tuple[str, ...]

    @property
    def known(self) -> bool:
        return any(name in KNOWN for name in self.names)

    @property
    def stops(self) -> bool:
        return bool(self.fixed_in) and not self.known

    def __str__(self) -> str:
        end = f"fixed in {', '.join(self.fixed_in)}" if self.fixed_in else "no fix"
        return f"{self.package}: {', '.join(self.names)}, {end}{' (known and guarded)' if self.known else ''}"


def found(report: dict[str, Any]) -> list[Advisory]:
    """What a report of pip-audit holds."""
    return [
        Advisory(
            f"{each['name']} {each['version']}",
            (str(one["id"]), *map(str, one.get("aliases", ()))),
            tuple(map(str, one.get("fix_versions", ()))),
        )
        for each in report.get("dependencies", ())
        for one in each.get("vulns", ())
    ]


def command() -> list[str] | None:
    """None when there is no pip-audit."""
    beside = Path(sys.executable).with_name("pip-audit")
    program = str(beside) if beside.exists() else shutil.which("pip-audit")
    options = ["--disable-pip", "--no-deps", "--timeout", "4", "--progress-spinner", "off", "--format", "json"]
    return [program, *options, "-r", str(LOCK)] if program else None


def looked_up(words: Iterable[str]) -> list[Advisory] | str:
    """What there is, or why that is not known."""
    try:
        done = subprocess.run([*words], capture_output=True, text=True, timeout=LONGEST_S, cwd=ROOT)
        report = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return f"pip-audit did not end within {LONGEST_S} s"
    except ValueError:
        return "pip-audit does not reach its source"
    except OSError as error:
        return f"pip-audit does not run: {error.strerror}"
    looked = report.get("dependencies", ())
    if missed := sum("skip_reason" in each for each in looked):
        return f"the source of pip-audit does not know {missed} of {len(looked)} packages"
    return found(report)


def main() -> int:
    words = command()
    result = looked_up(words) if words else "pip-audit is not installed"
    if isinstance(result, str):
        print(f"audit: skipped, {result}")
        return 0
    for advisory in result:
        print(f"audit: {advisory}", file=sys.stderr if advisory.stops else sys.stdout)
    print(f"audit: {len(result)} advisories")
    return int(any(advisory.stops for advisory in result))


if __name__ == "__main__":
    sys.exit(main())
