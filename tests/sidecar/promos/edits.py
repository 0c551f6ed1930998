"""Twelve promos in six files, all live, and what goes wrong when people edit files."""

import json
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any

from scripts.rig import ROOT
from sidecar.promos.document import Picture
from sidecar.promos.folder import is_campaign, is_rule
from sidecar.promos.scan import MOST_BYTES
from sidecar.promos.standing import Change, Standing
from sidecar.promos.sweep import Found, Seen, Unread
from sidecar.promos.validate import judge, rulebook

PROMOS = ROOT / "config" / "promos"
NOW = 1_775_000_000.0
"""2026-03-31."""
PICTURES = {"top.png": Picture(1200, 400, 90_000), "in/side.png": Picture(800, 400, 9_000)}
ENGLISH, SPANISH = "21+. Gambling problem? 1-800-GAMBLER.", "21+. ¿Problemas con el juego? 1-800-GAMBLER."


def promo(name: str, kind: str, slot: str, **other: Any) -> dict[str, Any]:
    return {
        "id": name,
        "kind": kind,
        "slot": slot,
        "content": {"en": {"title": f"Of {name}", "text": "What it says"}, "es": {"title": f"De {name}"}},
        "link": "/here",
        "start": "2026-01-01T00:00",
        "end": "2027-01-01T00:00",
        "timezone": "America/New_York",
        "audience": {"jurisdictions": ["US-NJ", "US-PA"], "languages": ["en", "es"], "devices": ["phone", "desktop"]},
        **other,
    }


def offer(name: str, kind: str, slot: str, image: str = "", **other: Any) -> dict[str, Any]:
    shown = {"image": {"src": image, "alt": {"en": "A field", "es": "Un campo"}}} if image else {}
    terms = {"short": {"en": ENGLISH, "es": SPANISH}, "link": "/terms"}
    return promo(name, kind, slot, **shown, terms=terms, **other)


def told(*promos: dict[str, Any]) -> bytes:
    return json.dumps({"$schema": "../schema/promo.schema.json", "promos": promos}, indent=2).encode()


ODDS = {"provider": "odds", "event": "e1", "market": "h2h", "selection": "Home", "price": 2.5}
BOTH = [{"id": "a", "weight": 1}, {"id": "b", "weight": 2.5, "content": {"en": {"title": "The other"}}}]
GB = {"jurisdictions": ["GB"]}
GOOD: Mapping[str, bytes] = {
    **{str(path.relative_to(PROMOS)): path.read_bytes() for path in PROMOS.rglob("*.json")},
    "boosts.json": told(
        offer("boost-1", "boosted-odds", "boosts", odds=ODDS),
        offer("boost-2", "boosted-odds", "boosts", odds={**ODDS, "max_age_s": 60}),
    ),
    "britain.json": told(
        promo("limits", "notice", "notices", audience=GB, timezone="Europe/London"),
        promo("new", "notice", "notices", audience={**GB, "visitors": "new"}, rollout=12.5),
    ),
    "carousel.json": told(
        offer("side", "banner", "carousel", "in/side.png"), offer("item", "carousel-item", "carousel", "top.png")
    ),
    "notices.json": told(
        promo("line", "notice", "notices", priority=900), promo("vip", "notice", "notices", priority=0)
    ),
    "top.json": told(offer("top", "banner", "hero", "top.png"), offer("also", "boosted-odds", "boosts", odds=ODDS)),
    "variants.json": told(
        offer("tried", "banner", "carousel", "https://cdn.example/a.png", variants=BOTH, priority=10)
    ),
}
CAMPAIGNS = sorted(filter(is_campaign, GOOD))
RULES = rulebook({name: data for name, data in GOOD.items() if is_rule(name)})


def ids(name: str, data: Found, pictures: Mapping[str, Picture], moving: Iterable[str] = ()) -> frozenset[str] | None:
    """Of the promos of a file that is good; None: it is not, or claims what is another's. `moving`: files that may
    give theirs away."""
    if not isinstance(data, bytes):
        return None
    judged = judge(name, data, RULES, pictures)
    named = [each for each, _, _ in judged.ids]
    others = {each for other in {*CAMPAIGNS} - {name, *moving} for each in OWN.get(other, ())}
    return None if judged.problems or others & set(named) else frozenset(named)


OWN: dict[str, frozenset[str]] = {}
OWN |= {name: ids(name, GOOD[name], PICTURES) or frozenset() for name in CAMPAIGNS}


class Page:
    """What is live, while the files are read again and again."""

    def __init__(self) -> None:
        self.standing, self.now, self.change = Standing(), NOW, Change.__new__(Change)
        for _ in range(2):
            self.read()
        self.first = self.change
        assert len(self.first.live.promos) == 12
        assert self.is_good()

    def read(
        self, files: Mapping[str, Found] = GOOD, pictures: Mapping[str, Picture] = PICTURES, fault: str = ""
    ) -> None:
        self.now += 0.25
        here = {name: found for name, found in files.items() if found is not None}
        seen = Seen(fault=fault) if fault else Seen(here, frozenset(pictures.items()))
        self.step(seen)

    def step(self, seen: Seen) -> None:
        change = self.standing.step(seen, self.now)
        if change is None:
            return
        self.change = change
        for status in change.statuses:
            for problem in status.problems:
                assert problem.file == status.file
                assert problem.place.line >= 1
                assert problem.place.column >= 1
                assert problem.message

    def is_good(self) -> bool:
        return {status.state for status in self.change.statuses} == {"good"} and not any(
            status.problems for status in self.change.statuses
        )

    def keeps_all_but(self, may_end: frozenset[str]) -> None:
        """Of the promos of the beginning; and of them three in ten at most have gone."""
        live = {each.id for each in self.change.live.promos}
        assert len(live) == len(self.change.live.promos)
        gone = {each.id for each in self.first.live.promos} - live
        assert gone <= may_end
        assert len(gone) <= 0.3 * (len(live) + len(gone))

    def is_as_it_was(self) -> None:
        """Once the good files are back: what is left of good edits may have to be confirmed."""
        for _ in range(2):
            self.read()
        if self.standing.confirm(GOOD.keys() | self.change.files.keys()):
            self.read()
        assert self.is_good(), [str(p) for status in self.change.statuses for p in status.problems]
        assert self.change.live == self.first.live
        # What was removed counts together for a while.
        self.now += 3600


class Edited:
    """Files as an edit leaves them, and what that may end."""

    def __init__(self, files: Mapping[str, Found], pictures: Mapping[str, Picture] = PICTURES) -> None:
        self.files, self.pictures = {**GOOD, **files}, pictures
        self.refused, self.may_end = set[str](), set[str]()
        for name in files:
            if not is_campaign(name) or files[name] == GOOD.get(name):
                continue
            left = ids(name, files[name], pictures, files)
            own = OWN.get(name, frozenset())
            if left is None and files[name] is not None:
                self.refused.add(name)
            elif "top" not in (gone := own - (left or frozenset())):
                self.may_end |= gone

    def read_by(self, page: Page, times: int = 1) -> None:
        for _ in range(times):
            page.read(self.files, self.pictures)
            page.keeps_all_but(frozenset(self.may_end))


def survived(page: Page, edited: Edited) -> None:
    """What is wrong is told, and takes nothing away."""
    edited.read_by(page, 2)
    states = {status.file: status for status in page.change.statuses}
    for name in edited.refused:
        assert states[name].state == ("kept" if name in GOOD else "refused")
        assert states[name].problems
        assert page.change.files.get(name) == GOOD.get(name)
    page.is_as_it_was()


type Mutation = Callable[[random.Random, bytes], bytes]


def cut(chance: random.Random, data: bytes) -> bytes:
    return data[: chance.randrange(len(data))]


def flipped(chance: random.Random, data: bytes) -> bytes:
    mutable = bytearray(data)
    for _ in range(chance.randrange(1, 4)):
        mutable[chance.randrange(len(mutable))] ^= 1 << chance.randrange(8)
    return bytes(mutable)


def without_some(chance: random.Random, data: bytes) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + data[at + chance.randrange(1, 40) :]


def doubled_part(chance: random.Random, data: bytes) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + data[at : at + chance.randrange(1, 200)] + data[at:]


def doubled_key(chance: random.Random, data: bytes) -> bytes:
    found = chance.choice(list(re.finditer(rb'"[^"]+"\s*:', data)))
    value = chance.choice([b"null", b'"x"', b"[]", b"{}", b"1"])
    return data[: found.start()] + found[0] + value + b"," + data[found.start() :]


def encoded(chance: random.Random, data: bytes) -> bytes:
    return data.decode().encode(chance.choice(["utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf-7"]))


def stranger(chance: random.Random, data: bytes) -> bytes:
    words = [
        b"NaN",
        b"Infinity",
        b"1e999",
        b"01",
        b"'a'",
        b"True",
        b'"\\ud800"',
        b'"\xff"',
        b"[" * 9999,
        b"\0",
        b"//x",
    ]
    found = chance.choice(list(re.finditer(rb':\s*("[^"]*"|[0-9.]+)', data)))
    return data[: found.start(1)] + chance.choice(words) + data[found.end(1) :]


def grown(chance: random.Random, data: bytes) -> bytes:
    filler = chance.choice([b" ", b"\n", b"["]) * (MOST_BYTES + 1)
    return data + filler if chance.random() < 0.5 else filler + data


def another(chance: random.Random, data: bytes) -> bytes:
    return GOOD[chance.choice(sorted(GOOD))]


def fewer(chance: random.Random, data: bytes) -> bytes:
    """What is good, and may end something."""
    document = json.loads(data)
    if isinstance(promos := document.get("promos"), list):
        document["promos"] = [each for each in promos if chance.random() < 0.5]
        if document["promos"] and chance.random() < 0.3:
            document["promos"][0]["id"] += "-2"
    return json.dumps(document).encode()


BYTES: tuple[Mutation, ...] = (
    fewer,
    *(cut, flipped, without_some, doubled_part, doubled_key, encoded, stranger, another),
    lambda chance, data: data[::-1],
    lambda chance, data: chance.randbytes(chance.randrange(60)),
    lambda chance, data: flipped(chance, without_some(chance, data)),
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.0, 2.5, 10**18, 1e300, float("nan"), float("inf"), "", " ", "x", "é" * 700, "\0"),
    *([], {}, [[]], [None], {"": None}, {"a/b": {"~": 1}}, ["US-NJ", "US-NJ"], ["GB"], ["US-NY"], {"en": {}}),
    *("US-NJ", "2026-13-45T99:99", "2026-03-08T02:30", "2026-11-01T01:30", "0001-01-01T00:00", "2027-01-01T00:00"),
    *(
        "Europe/London",
        "America/",
        "../../etc/passwd",
        "Foo\0/x",
        "hero",
        "line",
        "banner",
        "en",
        "risk-free",
        "a/b~c",
    ),
    *("1" * 5000, "\u202e\u200b", "\ud800", "https://", "//evil", "-1e-400", [{"id": "x"}], {"promos": []}),
)


def nodes(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each container with each of its keys."""
    pairs = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    for key, inner in pairs:
        yield value, key
        yield from nodes(inner)


def restructured(chance: random.Random, data: bytes) -> bytes:
    """A document of which some values were changed, that is well-formed most of the time."""
    document = json.loads(data)
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        places = list(nodes(document))
        if not places:
            break
        _change(chance, *chance.choice(places), *chance.choice(places))
    return json.dumps(document, indent=chance.choice([None, 2]), ensure_ascii=chance.random() < 0.9).encode(
        errors="surrogatepass"
    )


def _change(chance: random.Random, inside: Any, key: Any, other: Any, key_there: Any) -> None:
    what = chance.randrange(8)
    if what == 0:
        del inside[key]
    elif what == 1:
        inside[key] = deepcopy(other[key_there])
    elif what == 2 and isinstance(inside, dict):
        renamed = chance.choice([f"{key}s", f"{key[:-1]}", "a/b", "~", "", "fr", "en-GB", "$schema", "id"])
        inside[renamed] = inside.pop(key)
    elif what == 3 and isinstance(inside, list):
        inside.append(deepcopy(inside[key]))
    elif what == 4 and isinstance(inside, dict):
        inside[chance.choice(["link", "odds", "terms", "image", "rollout", "xx"])] = deepcopy(chance.choice(VALUES))
    elif what == 5:
        deep: Any = 0
        for _ in range(chance.choice([3, 66, 100])):
            deep = [deep]
        inside[key] = deep
    elif what == 6 and isinstance(inside[key], str):
        inside[key] += chance.choice(["x", " ", "\n", "-", "é", "\u200b", "/", "0"])
    else:
        inside[key] = deepcopy(chance.choice(VALUES))


UNREAD = (Unread("cannot be read: Permission denied"), Unread("is no regular file"))


def changed(chance: random.Random, name: str) -> bytes:
    how: Mutation = chance.choice(
        [restructured, restructured, *BYTES, lambda _, data: data, lambda _, data: data + b"\n"]
    )
    return how(chance, GOOD[name])
