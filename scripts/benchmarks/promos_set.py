"""A folder of campaigns as operations keep them, one promo in each file."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

from scripts.rig import ROOT

KINDS = (("banner", "carousel"), ("carousel-item", "carousel"), ("notice", "notices"), ("banner", "hero"))
SEGMENTS = ("vip", "casino", "sports")
TERMS = "21+. Call 1-800-GAMBLER, in New York 1-877-8-HOPENY."
SEED = 4


def write_promos(folder: Path, count: int) -> None:
    """The shipped rules, and `count` campaigns, always the same."""
    shutil.copytree(ROOT / "config" / "promos", folder)
    for number in range(count):
        (folder / name_of(number)).write_text(campaign(number, "the first version"))


def name_of(number: int) -> str:
    return f"campaign-{number:03}.json"


def campaign(number: int, version: str) -> str:
    """Its file."""
    promo = {**_promo(number), "content": {"en": _content(number, version)}}
    return json.dumps({"$schema": "../schema/promo.schema.json", "promos": [promo]}, indent=1) + "\n"


def _content(number: int, version: str) -> dict[str, str]:
    return {"title": f"Campaign {number}", "text": f"This is {version}.", "action": "See the offer"}


def _promo(number: int) -> dict[str, Any]:
    """A third is over or to come, half of them ask for segments or devices, some are rolled out in part."""
    draw = random.Random(SEED * 1000 + number)
    kind, slot = KINDS[number % len(KINDS)]
    year = draw.choice((2026, 2026, 2027, 2028, 2029, 2031)) - (number % 3 == 0)
    audience: dict[str, Any] = {"jurisdictions": draw.sample(("US-NJ", "US-PA", "US-NY"), draw.randint(1, 3))}
    if number % 2:
        audience["segments"] = draw.sample(SEGMENTS, 2)
    if number % 4 == 1:
        audience["devices"] = ["phone", "tablet"]
    offered = {
        "image": {"src": f"https://images.example/{number}.png", "alt": {"en": "A full stadium"}},
        "link": f"/offers/{number}",
        "terms": {"short": {"en": TERMS}, "link": f"/terms/{number}"},
    }
    return {
        "id": f"campaign-{number:03}",
        "kind": kind,
        "slot": slot,
        "priority": draw.randrange(1001),
        **({} if kind == "notice" else offered),
        "start": f"{year - 1}-03-01T09:00",
        "end": f"{year}-12-31T23:00",
        "timezone": "America/New_York",
        "audience": audience,
        **({"rollout": 30} if number % 5 == 0 else {}),
    }
