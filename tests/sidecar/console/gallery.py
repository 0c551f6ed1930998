"""A folder of promos as operations have it in a busy week: all slots and kinds, images, losers, gaps, roll-outs."""

import json
import shutil
import struct
import zlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("America/New_York")
EVERYWHERE = ["US-NJ", "US-PA", "US-NY"]
HELP = "21+. Gambling problem? 1-800-GAMBLER, NY: 1-877-8-HOPENY, GB: 18+, 0808 8020 133"
TERMS = {"short": {"en": f"{HELP}. Terms apply.", "es": f"{HELP}. Se aplican términos."}, "link": "/terms"}
SCENES = {
    "stadium": ("#0b2a6b", "#1fa2c4", '<path d="M0 300Q320 190 640 300V360H0z" fill="#1d8a4c"/>'),
    "court": ("#6b1d0b", "#f08a3c", '<circle cx="480" cy="170" r="74" fill="#e2711d"/>'),
    "goal": ("#0a4d3c", "#7ac74f", '<path d="M180 320V120H460V320" fill="none" stroke="#fff" stroke-width="10"/>'),
    "rink": ("#274c77", "#a3cef1", '<ellipse cx="430" cy="280" rx="90" ry="30" fill="#111827"/>'),
    "ring": ("#3c1053", "#ad5389", '<path d="M60 210H580M60 250H580M60 290H580" stroke="#fff" stroke-width="6"/>'),
}
_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 360" width="640" height="360"><defs>'
    '<linearGradient id="g" x1="0" y1="0" x2="1" y2="1"><stop offset="0" stop-color="{0}"/>'
    '<stop offset="1" stop-color="{1}"/></linearGradient></defs><rect width="640" height="360" fill="url(#g)"/>'
    '<circle cx="120" cy="60" r="150" fill="#fff" opacity=".09"/><circle cx="560" cy="20" r="210" fill="#fff" '
    'opacity=".07"/>{2}</svg>'
)


def write(folder: Path, vocabulary: Path, now: float) -> None:
    """Into `folder`, with the words of `vocabulary`, around `now`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("slots.json", "audiences.json", "kill.json"):
        shutil.copy(vocabulary / name, folder / name)
    shutil.copytree(vocabulary / "compliance", folder / "compliance", dirs_exist_ok=True)
    for name, colours in SCENES.items():
        (folder / f"{name}.svg").write_text(_SVG.format(*colours))
    (folder / "dawn.png").write_bytes(png(320, 180))
    start = datetime.fromtimestamp(now, ZONE).replace(minute=0, second=0, microsecond=0)
    for campaign, promos in campaigns(start).items():
        save(folder / f"{campaign}.json", promos)


def save(path: Path, promos: list[dict[str, Any]]) -> None:
    """As editors do: beside, then over it."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(json.dumps({"$schema": "../schema/promo.schema.json", "promos": promos}, indent=2))
    beside.replace(path)


def campaigns(start: datetime) -> dict[str, list[dict[str, Any]]]:
    """Times in hours from `start`."""

    def promo(name: str, kind: str, slot: str, title: str, hours: tuple[float, float], **more: Any) -> dict[str, Any]:
        text = {"title": title, "text": more.pop("text", ""), "action": more.pop("action", "")}
        image = more.pop("image", None)
        english = {member: words for member, words in text.items() if words}
        return {
            "id": name,
            "kind": kind,
            "slot": slot,
            "content": {"en": english, "es": {"title": f"{title} (es)"}},
            **({"image": {"src": image, "alt": {"en": f"Picture of {title}", "es": title}}} if image else {}),
            **({"link": "/sports", "terms": TERMS} if image else {}),
            "start": _local(start, hours[0]),
            "end": _local(start, hours[1]),
            "timezone": str(ZONE),
            "audience": {"jurisdictions": EVERYWHERE},
            **more,
        }

    def boost(name: str, title: str, selection: str, price: float, hours: tuple[float, float], priority: int) -> Any:
        odds = {"provider": "odds", "event": name, "market": "match winner", "selection": selection, "price": price}
        more = {"priority": priority, "odds": odds, "terms": TERMS, "action": "Add to slip"}
        return promo(name, "boosted-odds", "boosts", title, hours, **more)

    sunday = {"text": "Three games, one bet slip. All the action from noon to midnight.", "action": "See the games"}
    parlay = {
        "text": "Add a leg, get a little more back.",
        "rollout": 25,
        "variants": [
            {"id": "calm", "weight": 2},
            {"id": "loud", "weight": 1, "content": {"en": {"title": "Parlays, insured!"}}},
        ],
    }
    return {
        "football": [
            promo("big-sunday", "banner", "hero", "Big Sunday of football", (-5, 8.2), image="stadium.svg", **sunday)
            | {"priority": 900},
            promo("house-hero", "banner", "hero", "Every game, every night", (-90, 30), image="goal.svg")
            | {"priority": 300},
            promo("monday-hero", "banner", "hero", "Monday night lights", (54, 78), image="ring.svg", priority=700),
        ],
        "carousel": [
            promo(
                "hoops", "carousel-item", "carousel", "Hoops week", (-30, 60), image="court.svg", text="Nine games."
            ),
            promo("ice", "carousel-item", "carousel", "On the ice", (-8, 40), image="rink.svg", action="To the rink"),
            promo("parlay", "carousel-item", "carousel", "Parlay insurance", (-2, 100), image="dawn.png", **parlay),
            promo("uk-cup", "carousel-item", "carousel", "Cup weekend", (-20, 50), image="goal.svg")
            | {"audience": {"jurisdictions": ["GB"]}},
        ],
        "boosts": [
            boost("owls-win", "Owls to win", "Owls", 2.4, (-3, 2.4), 800),
            boost("rivers-draw", "Rivers and Hills to draw", "Draw", 4.2, (-3, 5), 700),
            boost("late-goal", "A goal after minute 80", "Yes", 3.1, (-1, 5), 650),
            boost("home-five", "Five home wins", "All five", 9.5, (-4, 20), 600),
            boost("tenth-corner", "Ten corners or more", "Over 9.5", 2.05, (-4, 20), 400),
        ],
        "notices": [
            promo("limits", "notice", "notices", "Betting should be fun. Set your limits.", (-800, 900))
            | {"priority": 100},
            promo("works", "notice", "notices", "Withdrawals pause for maintenance tonight.", (4, 9)),
        ],
    }


def _local(start: datetime, hours: float) -> str:
    """Real hours, also over a change of clocks; none of them is in one."""
    at = datetime.fromtimestamp(start.timestamp() + timedelta(hours=hours).total_seconds(), ZONE)
    return at.replace(tzinfo=None).isoformat(timespec="minutes")


def png(width: int, height: int) -> bytes:
    """A sunrise."""
    rows = (
        b"\0" + bytes(v for x in range(width) for v in (255 - y // 2, 120 + x * 90 // width, 60 + y // 2))
        for y in range(height)
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*each) for each in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
