"""What every emulated vendor has: credentials, a board that moves, controls."""

from __future__ import annotations

import argparse
import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Self

from .clock import MONTH, Clock, Ledger
from .exchange import Answer, Asked, of

Control = Callable[[Any], None]


class Vendor(ABC):
    """One vendor. Without credentials any that is not empty is valid.

    `secret_parameters` are the query parameters that may hold a credential. `settings` are numbers and texts that
    the command line sets and /_control changes under the same names. `period` is that of the quota.
    """

    secret_parameters: ClassVar[frozenset[str]] = frozenset()
    methods: ClassVar[frozenset[str]] = frozenset({"GET"})
    compression_needs_user_agent: ClassVar[bool] = False
    period: ClassVar[str] = MONTH

    def __init__(self, clock: Clock, args: argparse.Namespace) -> None:
        self.clock = clock
        self.rng = random.Random(args.seed)
        self.credentials = frozenset(args.credential)
        self.settings: dict[str, Any] = {"tick_s": args.tick_s}
        self.ledger = Ledger(self.period)
        self._ticked = clock.now()

    @classmethod
    @abstractmethod
    def options(cls, parser: argparse.ArgumentParser) -> None:
        """Adds the vendor's own options."""

    @classmethod
    def start(cls, clock: Clock, args: argparse.Namespace) -> Self:
        return cls(clock, args)

    @abstractmethod
    def answer(self, asked: Asked) -> Answer:
        """May raise Refused."""

    @abstractmethod
    def credential(self, asked: Asked) -> str:
        """The name under which the caller is counted; empty when there is none."""

    @abstractmethod
    def move(self, count: int) -> None:
        """Moves `count` prices that the seed draws."""

    @abstractmethod
    def truth(self) -> dict[str, Any]:
        """The present board, whole."""

    def endpoint(self, asked: Asked) -> str:
        return asked.path.rstrip("/") or "/"

    def counts(self) -> dict[str, Any]:
        """Figures for /_stats besides the tally; what the present period cost, by credential, among them."""
        return {"spent": self.ledger.document(), "spent_total": self.ledger.total}

    def reset_counts(self) -> None:
        """Called with /_stats/reset: the quota is whole again."""
        self.ledger.reset()

    def controls(self) -> dict[str, Control]:
        """Entries of /_control besides `settings`."""
        return {}

    def valid(self, credential: str) -> bool:
        return bool(credential) and (not self.credentials or credential in self.credentials)

    def keep_time(self) -> None:
        """Makes the moves that are due: one price each `tick_s`, none when that is 0."""
        tick_s, now = self.settings["tick_s"], self.clock.now()
        if not tick_s:
            self._ticked = now
            return
        due = int((now - self._ticked) / tick_s)
        self._ticked += due * tick_s
        self.move(due)

    def all_controls(self) -> dict[str, Control]:
        settings = {name: self._setting(name) for name in self.settings}
        shared: dict[str, Control] = {
            "advance_s": lambda value: self.clock.advance(of(float, "advance_s", value)),
            "freeze": lambda value: self.clock.freeze(of(bool, "freeze", value)),
            "move": lambda value: self.move(of(int, "move", value)),
        }
        return {**settings, **shared, **self.controls()}

    def _setting(self, name: str) -> Control:
        kind = type(self.settings[name])

        def change(value: Any) -> None:
            self.settings[name] = kind(of(kind, name, value))

        return change
