"""`holdover promos new`: a campaign to start from, and `token`: who may edit over HTTP."""

import argparse
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from ..command import CommandError, configured_alone
from .desk import pretty
from .document import Pack, Vocabulary
from .durable import replace
from .lint import read
from .pen import MODE
from .tokens import new_token, remove_token

_IMAGE = ("banner", "carousel-item")


def new(options: argparse.Namespace) -> str:
    """Writes a file that is good but for its image, its odds, and its dates, and starts in a week. Raises
    CommandError."""
    found = read(options)
    known = found.vocabulary
    if not known.slots or not known.jurisdictions:
        raise CommandError("slots.json and audiences.json are not good; see `holdover promos lint`")
    folder = options.folder or options.config / "promos"
    path = folder / f"{options.name}.json"
    if path.exists():
        raise CommandError(f"{path} is there already; choose another name")
    if any(promo.id == options.name for promo in found.promos):
        raise CommandError(f"{options.name} is the id of a promo already; choose another name")
    slot = options.slot or next((n for n, one in known.slots.items() if options.kind in one.kinds), "")
    if slot not in known.slots or options.kind not in known.slots[slot].kinds:
        raise CommandError(f"no slot {options.slot or ''} takes {options.kind}; see {folder}/slots.json")
    document = template(options.name, options.kind, slot, known, datetime.now(UTC))
    try:
        replace(path, pretty(document), MODE)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from error
    said = {"file": str(path), "document": document}
    return json.dumps(said, indent=2) if options.json else f"{path} is written; edit it, then `holdover promos lint`"


def template(name: str, kind: str, slot: str, known: Vocabulary, now: datetime) -> dict[str, Any]:
    """A document. Its times are of the week after `now`; it says what the packs of its jurisdictions ask for."""
    languages = sorted(known.languages)[:1] or ["en"]
    places = sorted(known.packs.keys() & known.jurisdictions)[:1]
    start = (now + timedelta(days=7)).replace(hour=12, minute=0, second=0, microsecond=0, tzinfo=None)
    promo: dict[str, Any] = {
        "id": name,
        "kind": kind,
        "slot": slot,
        "content": {
            language: {
                "title": "What it is",
                "text": " ".join(
                    ["What it says.", *_asked(kind, language, [known.packs[place] for place in places])]
                ),
                "action": "See it",
            }
            for language in languages
        },
    }
    if kind in _IMAGE:
        promo["image"] = {"src": f"{name}.png", "alt": dict.fromkeys(languages, "What the image shows")}
    promo |= {
        "link": "/here",
        "start": start.isoformat(timespec="minutes"),
        "end": (start + timedelta(days=1)).isoformat(timespec="minutes"),
        "timezone": "UTC",
        "audience": {"jurisdictions": places},
    }
    if any(kind in known.packs[place].offers for place in places) or kind == "boosted-odds":
        short = " ".join(_owed(known.packs[place]) for place in places) or "Terms apply."
        promo["terms"] = {"short": dict.fromkeys(languages, short), "link": "/terms"}
    if kind == "boosted-odds":
        promo["odds"] = {
            "provider": "name-of-the-provider",
            "event": "id of the event",
            "market": "h2h",
            "selection": "who wins",
            "price": 2.5,
        }
    return {"$schema": "../schema/promo.schema.json", "promos": [promo]}


def _asked(kind: str, language: str, packs: list[Pack]) -> Iterator[str]:
    """One phrase of each that is required."""
    for rule in (rule for pack in packs for rule in pack.required if not rule.kinds or kind in rule.kinds):
        yield from rule.texts.get(language, ())[:1]


def _owed(pack: Pack) -> str:
    return f"{pack.minimum_age}+. Terms apply. Gambling problem? {pack.helpline}"


def token(options: argparse.Namespace) -> str:
    """Raises CommandError."""
    config = configured_alone(options)
    state = config.path(config.settings.promos.state)
    try:
        if options.remove:
            if not remove_token(state, options.name):
                raise CommandError(f"{options.name} has no token")
            return json.dumps({"removed": options.name}) if options.json else f"{options.name} has no token any more"
        told = new_token(state, options.name)
    except OSError as error:
        raise CommandError(f"{state}: {error.strerror}") from error
    if options.json:
        return json.dumps({"name": options.name, "token": told})
    return f"{told}\nof {options.name}; it is told this once, and the one before is void"
