"""How soon an edit of promos is everywhere, and what the promos cost. Figures that are not `in process` are of a
running sidecar and of streams in another process."""

from dataclasses import dataclass

from . import promos_cpu, promos_saves
from .outcome import Outcome, Record
from .promos_saves import SETTINGS, Saves

NAME = "promos"


@dataclass(frozen=True, slots=True)
class Size:
    """`saves` of each setting; `rest_s`: how long a watcher is looked at while nobody edits."""

    saves: Saves
    rest_s: float
    edits: int
    visitors: int


FULL = Size(Saves(saves=120, streams=500, rest_s=10.0, requests=1000), rest_s=10.0, edits=20, visitors=5000)
QUICK = Size(Saves(saves=6, streams=500, rest_s=1.0, requests=200), rest_s=1.0, edits=2, visitors=1000)


def run(*, quick: bool) -> Outcome:
    return measure(QUICK if quick else FULL)


def measure(size: Size) -> Outcome:
    record = Record(NAME)
    for setting in SETTINGS:
        promos_saves.measure(record, setting, size.saves)
    for promos in sorted({setting.promos for setting in SETTINGS}):
        promos_cpu.measure(record, promos, rest_s=size.rest_s, edits=size.edits, visitors=size.visitors)
    return record.outcome()
