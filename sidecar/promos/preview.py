"""`holdover promos preview`: what a visitor would be shown at a time, and why not the rest."""

import argparse
import json
import time
from datetime import UTC, datetime

from ..command import CommandError
from .document import Promo
from .explain import Explained, explain
from .lint import read
from .moment import Unclear, absolute
from .resolve import Resolution, Visitor, resolve


def preview(options: argparse.Namespace) -> str:
    """Of the files that are good. Raises CommandError."""
    found = read(options)
    now, visitor = moment_of(options), visitor_of(options)
    withheld = found.kills.withheld(found.promos)
    shown = resolve(found.promos, found.vocabulary, visitor, now, withheld)
    told = list(explain(found.promos, found.vocabulary, visitor, now, withheld))
    if options.json:
        return _as_json(shown, told, now)
    many = f"{len(found.problems)} {'problem' if len(found.problems) == 1 else 'problems'}"
    wrong = f"{many}: see `holdover promos lint`; only good files are shown"
    return "\n".join([*([wrong] if found.problems else []), *_lines(shown, told, now)])


def visitor_of(options: argparse.Namespace) -> Visitor:
    return Visitor(
        jurisdiction=options.jurisdiction,
        language=options.language,
        device=options.device,
        segments=frozenset(options.segment),
        id=options.visitor,
        returning={"new": False, "returning": True}.get(options.visits),
    )


def moment_of(options: argparse.Namespace) -> float:
    """Of --at, or now. Raises CommandError."""
    at = time.time() if options.at is None else absolute(options.at)
    if isinstance(at, Unclear):
        raise CommandError(f"--at {options.at!r} {at.message}; {at.remedy}")
    return at


def _lines(shown: Resolution, told: list[Explained], now: float) -> list[str]:
    lines = [
        f"at {_utc(now)}, the same until {'edited' if shown.next_change_at is None else _utc(shown.next_change_at)}"
    ]
    for slot, promos in shown.slots.items():
        lines += (
            [f"{slot}:", *(f"  {each.promo.id}: {each.text.title}" for each in promos)]
            if promos
            else [f"{slot}: empty"]
        )
    hidden = [each for each in told if not each.shown]
    lines += ["not shown:"] if hidden else []
    lines += [f"  {each.promo.id}: {'; '.join(_why(each))}" for each in hidden]
    return lines


def _why(told: Explained) -> list[str]:
    return [outcome.sentence for outcome in told.outcomes if not outcome.passed]


def _as_json(shown: Resolution, told: list[Explained], now: float) -> str:
    facts = {
        "at": now,
        "next_change_at": shown.next_change_at,
        "slots": {slot: [_facts(each.promo) for each in promos] for slot, promos in shown.slots.items()},
        "hidden": [{"id": each.promo.id, "why": _why(each)} for each in told if not each.shown],
    }
    return json.dumps(facts, indent=2, ensure_ascii=False)


def _facts(promo: Promo) -> dict[str, object]:
    return {"id": promo.id, "kind": promo.kind, "priority": promo.priority, "start": promo.start, "end": promo.end}


def _utc(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
