"""Recorded market streams of Betfair, folded into the books that their markets had at a time.

A recording has one message of the stream in JSON a line: {"op": "mcm", "pt": 1650392673420, "mc": [...]}. A change in
`mc` is of one market and tells what is new; with `img` it is all there is. Messages of other kinds are passed over.
"""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Message = dict[str, Any]
DELAY_MS = 60_000
"""By how much a delayed application key is behind."""
OFFERS = {"back": ("atb", "batb", "bdatb"), "lay": ("atl", "batl", "bdatl")}
"""Entries are a price and its size, or a level, price and size. Shown are the first that a recording has."""
TRADED = "trd"
LADDERS = frozenset((*OFFERS["back"], *OFFERS["lay"], TRADED))
OF_MARKET = {
    *("status", "betDelay", "bspReconciled", "complete", "numberOfWinners", "numberOfActiveRunners"),
    *("crossMatching", "runnersVoidable", "version"),
}
OF_RUNNER = ("status", "adjustmentFactor", "removalDate")


@dataclass
class Runner:
    """`ladders` by name, each by price or by level."""

    ladders: dict[str, dict[float, dict[str, float]]] = field(default_factory=dict)
    traded: dict[str, float] = field(default_factory=dict)

    def change(self, told: dict[str, Any]) -> None:
        """A size of 0 takes a price or level away."""
        for name in LADDERS & told.keys():
            ladder = self.ladders.setdefault(name, {})
            for entry in told[name]:
                if entry[-1]:
                    ladder[entry[0]] = {"price": entry[-2], "size": entry[-1]}
                else:
                    ladder.pop(entry[0], None)
        for name, member in (("ltp", "lastPriceTraded"), ("tv", "totalMatched")):
            if name in told:
                self.traded[member] = told[name]

    def ladder(self, *names: str) -> list[dict[str, float]]:
        name = next((each for each in names if each in self.ladders), names[0])
        return [level for _, level in sorted(self.ladders.get(name, {}).items(), reverse=name == "atb")]

    def prices(self, data: set[str], depth: int) -> dict[str, Any]:
        levels = None if "EX_ALL_OFFERS" in data else depth if "EX_BEST_OFFERS" in data else 0
        back, lay = (self.ladder(*names)[:levels] for names in OFFERS.values())
        traded = self.ladder(TRADED) if "EX_TRADED" in data else []
        return {"availableToBack": back, "availableToLay": lay, "tradedVolume": traded}


@dataclass
class StreamedMarket:
    """Runners by selection and handicap. Without a definition there is no book."""

    id: str
    definition: dict[str, Any] = field(default_factory=dict)
    matched: float = 0.0
    runners: dict[tuple[int, float], Runner] = field(default_factory=dict)

    def change(self, told: dict[str, Any]) -> None:
        if told.get("img"):
            self.runners, self.matched = {}, 0.0
        self.definition = told.get("marketDefinition", self.definition)
        self.matched = told.get("tv", self.matched)
        for each in told.get("rc", ()):
            self.runners.setdefault((each["id"], each.get("hc", 0)), Runner()).change(each)

    def book(self, delayed: bool, data: set[str], depth: int) -> dict[str, Any]:
        told = self.definition
        offered = [
            level["size"]
            for each in self.runners.values()
            for names in OFFERS.values()
            for level in each.ladder(*names)
        ]
        return {
            "marketId": self.id,
            "isMarketDataDelayed": delayed,
            **{name: value for name, value in told.items() if name in OF_MARKET},
            "inplay": told.get("inPlay", False),
            "numberOfRunners": len(told["runners"]),
            "totalMatched": self.matched,
            "totalAvailable": round(sum(offered), 2),
            "runners": [self._runner(each, data, depth) for each in told["runners"]],
        }

    def _runner(self, told: dict[str, Any], data: set[str], depth: int) -> dict[str, Any]:
        runner = self.runners.get((told["id"], told.get("hc", 0)), Runner())
        head = {"selectionId": told["id"], "handicap": float(told.get("hc", 0))}
        state = {name: told[name] for name in OF_RUNNER if name in told}
        shown = data & {"EX_BEST_OFFERS", "EX_ALL_OFFERS", "EX_TRADED"}
        return {**head, **state, **runner.traded, **({"ex": runner.prices(data, depth)} if shown else {})}


class Fold:
    """The markets as of the messages up to a time, which does not go back."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self._messages = messages
        self._folded = 0
        self._markets: dict[str, StreamedMarket] = {}

    def at(self, published_ms: int) -> dict[str, StreamedMarket]:
        while self._folded < len(self._messages) and self._messages[self._folded]["pt"] <= published_ms:
            for told in self._messages[self._folded]["mc"]:
                self._markets.setdefault(told["id"], StreamedMarket(told["id"])).change(told)
            self._folded += 1
        return {number: market for number, market in self._markets.items() if market.definition}


class Replay:
    """A recording whose first message comes at `start` of the vendor's clock, the others as far apart as recorded."""

    def __init__(self, messages: Sequence[Message], start: float) -> None:
        self._began, self._start = messages[0]["pt"], start
        self._live, self._late = Fold(messages), Fold(messages)

    def published_ms(self, now: float) -> int:
        """The recording's own time."""
        return int(self._began + (now - self._start) * 1000)

    def markets(self, now: float, delayed: bool) -> dict[str, StreamedMarket]:
        published = self.published_ms(now)
        return self._late.at(max(self._began, published - DELAY_MS)) if delayed else self._live.at(published)


def messages(name: str) -> list[Message]:
    """An argument type: the market changes that a file holds."""
    try:
        lines = Path(name).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as problem:
        raise ArgumentTypeError(str(problem)) from None
    found = [message(line, f"{name}, line {number}") for number, line in enumerate(lines, 1)]
    changes = [each for each in found if each["mc"]]
    if not changes:
        raise ArgumentTypeError(f"{name} has no market changes")
    return changes


def message(line: str, place: str) -> Message:
    """Without market changes unless it is of their kind."""
    try:
        told = json.loads(line)
        return {"pt": int(told["pt"]), "mc": told.get("mc", [])} if told["op"] == "mcm" else {"pt": 0, "mc": []}
    except (ValueError, KeyError, TypeError) as problem:
        raise ArgumentTypeError(f"{place}: no message of a stream ({problem!r})") from None
