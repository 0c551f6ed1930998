"""Pinnacle: one board per sport, asked whole or since a change, once in two minutes."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Any, ClassVar

from . import pinnacle_feed as feed
from . import pinnacle_specials as specials
from .clock import Clock, Window
from .exchange import Answer, Asked
from .pinnacle_board import LEAGUES, SPORTS, Board
from .pinnacle_control import Hands
from .vendor import Control, Vendor

BET_TYPES = {"MONEYLINE": "moneyline", "SPREAD": "spreads", "TOTAL_POINTS": "totals"}
SIDES = {"Team1": "home", "Team2": "away", "Draw": "draw", "OVER": "over", "UNDER": "under"}


class Pinnacle(Vendor):
    """Basic authentication; snapshot and delta share one request per endpoint and sport in two minutes."""

    compression_needs_user_agent: ClassVar[bool] = True

    def __init__(self, clock: Clock, args: argparse.Namespace) -> None:
        super().__init__(clock, args)
        self.boards = {sport: Board(sport, self.rng, clock.now()) for sport in SPORTS}
        for name in ("spacing_s", "snapshot_cache_s", "max_ips"):
            self.settings[name] = getattr(args, name)
        self._spacing = Window(args.spacing_s)
        self._snapshots: dict[int, tuple[float, Board]] = {}
        self._addresses: dict[str, set[str]] = {}
        self._counts: Counter[str] = Counter()

    @classmethod
    def options(cls, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--spacing-s", type=float, default=120.0, help="between requests; 0: no limit")
        parser.add_argument("--snapshot-cache-s", type=float, default=60.0, help="age of a snapshot; 0: none")
        parser.add_argument("--max-ips", type=int, default=0, help="client addresses per account; 0: no limit")

    def credential(self, asked: Asked) -> str:
        """USER:PASSWORD is checked, USER is counted."""
        return feed.basic(asked).partition(":")[0]

    def answer(self, asked: Asked) -> Answer:
        self._admit(asked)
        match asked.parts:
            case ["v1", "sports"]:
                return Answer({"sports": named(SPORTS)})
            case ["v1", "leagues"]:
                return Answer({"leagues": named(LEAGUES[self._sport(asked)])})
            case ["v2", "sports"]:
                return Answer(feed.sports(self.boards.values()))
            case ["v2", "leagues"]:
                return Answer(feed.leagues(self.boards[self._sport(asked)]))
            case ["v1" | "v2", "odds" as kind] | ["v1", "fixtures" as kind] | ["v1", "odds" as kind, "parlay"]:
                return self._feed(asked, kind)
            case ["v1", "odds" | "fixtures", "special", *_] | ["v1", "fixtures", "settled"]:
                return self._apart(asked)
            case ["v1", "line"]:
                return self._line(asked)
        raise feed.refused(404, "NOT_FOUND", f"Unknown path: {asked.path}")

    def _admit(self, asked: Asked) -> None:
        if not self.valid(feed.basic(asked)):
            raise feed.refused(401, "INVALID_CREDENTIALS", "Invalid credentials")
        addresses, limit = self._addresses.setdefault(self.credential(asked), set()), self.settings["max_ips"]
        if limit and asked.peer not in addresses and len(addresses) >= limit:
            raise feed.refused(403, "ACCESS_BLOCKED", "Too many client addresses")
        addresses.add(asked.peer)

    def _sport(self, asked: Asked) -> int:
        sport = feed.whole(asked, "sportId")
        if sport not in self.boards:
            raise feed.invalid("sportId")
        return sport

    def _space(self, asked: Asked, sport: int) -> None:
        """Whatever the other parameters, snapshot or delta."""
        self._spacing.seconds = self.settings["spacing_s"]
        name = (feed.basic(asked), self.endpoint(asked), sport)
        if self._spacing.seconds and self._spacing.admit(name, self.clock.now(), 1):
            self._counts["too_many"] += 1
            raise feed.refused(429, "TOO_MANY_REQUESTS", "Notice of Excessive Request Activity")

    def _feed(self, asked: Asked, kind: str) -> Answer:
        sport, last = self._sport(asked), feed.since(asked)
        wanted, form = feed.selection(asked), feed.form_of(asked)
        self._space(asked, sport)
        snapshot = last == feed.NO_CHANGE
        self._counts[f"{kind}_{'snapshots' if snapshot else 'deltas'}"] += 1
        board = self._snapshot(sport) if snapshot else self.boards[sport]
        events = filter(wanted, board.events.values())
        if kind == "odds":
            return Answer(feed.odds(board, events, last, form))
        return Answer(feed.fixtures(board, events, last))

    def _snapshot(self, sport: int) -> Board:
        """The board as it was when the vendor's own cache took it."""
        now = self.clock.now()
        taken, board = self._snapshots.get(sport, (0.0, None))
        if board is None or now - taken >= self.settings["snapshot_cache_s"]:
            board = self.boards[sport].copy()
            self._snapshots[sport] = (now, board)
        return board

    def _apart(self, asked: Asked) -> Answer:
        """What is no part of the boards of events, never from the vendor's cache."""
        sport, last, form = self._sport(asked), feed.since(asked), feed.form_of(asked)
        self._space(asked, sport)
        board = self.boards[sport]
        match asked.parts[1:]:
            case ["odds", "special"]:
                return Answer(specials.odds(board, last, form))
            case ["fixtures", "special"]:
                return Answer(specials.fixtures(board, last))
            case ["fixtures", "special", "settled"]:
                return Answer(specials.settled(board, last))
        return Answer(feed.settled(board, last))

    def _line(self, asked: Asked) -> Answer:
        sport, form = self._sport(asked), feed.form_of(asked)
        event = self.boards[sport].events.get(feed.whole(asked, "eventId"))
        number, market = feed.whole(asked, "periodNumber"), BET_TYPES.get(asked.first("betType"))
        if market is None:
            raise feed.invalid("betType")
        self._space(asked, sport)
        period = event.periods.get(number, {}) if event else {}
        side = SIDES.get(asked.first("team") or asked.first("side"), "")
        quote = feed.quoted(form.written(period), market, asked.first("handicap"))
        if side not in quote:
            return Answer({"status": "NOT_EXISTS"})
        return Answer({"status": "SUCCESS", "price": quote[side], "lineId": period["lineId"]})

    def move(self, count: int) -> None:
        for _ in range(count):
            self.rng.choice(list(self.boards.values())).move()

    def controls(self) -> dict[str, Control]:
        return Hands(self.boards, self.clock.now).controls()

    def truth(self) -> dict[str, Any]:
        """Version 2 of the decimal snapshot of each sport, never from the vendor's cache."""
        return {
            str(sport): feed.odds(board, board.events.values(), feed.NO_CHANGE, feed.Form())
            for sport, board in self.boards.items()
        }

    def counts(self) -> dict[str, Any]:
        addresses = {name: len(seen) for name, seen in self._addresses.items()}
        return {**super().counts(), "pinnacle": dict(self._counts), "addresses": addresses}

    def reset_counts(self) -> None:
        super().reset_counts()
        self._counts.clear()


def named(names: dict[int, str]) -> list[dict[str, Any]]:
    return [{"id": number, "name": name} for number, name in names.items()]
