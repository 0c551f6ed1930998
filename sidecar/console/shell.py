"""What all pages share: their names, the audience's pickers, and what is wrong with the files. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..promos.standing import Live, Status
from .audience import Asked
from .words import clock, counted, duration


@dataclass(frozen=True, slots=True)
class Page:
    name: str
    title: str

    @property
    def path(self) -> str:
        return f"/console/{self.name}"


PAGES = (
    Page("now", "Now"),
    Page("timeline", "Timeline"),
    Page("preview", "Preview"),
    Page("edit", "Edit"),
    Page("history", "History"),
    Page("kill", "Kill"),
)
HOME = PAGES[0].path
KINDS = {"banner": "Banner", "carousel-item": "Carousel", "boosted-odds": "Boosted odds", "notice": "Notice"}
_MEANING = {
    "kept": ("Kept as it was", "The file has mistakes. What it said before stays live."),
    "held": ("Waits for you", "The change would take away much. What was live stays until it is confirmed."),
    "waiting": ("Waits for approval", "What it said before stays live until somebody else has approved it."),
    "refused": ("Not live", "The file has mistakes, and nothing of it is live."),
}


@dataclass(frozen=True, slots=True)
class Scene:
    """All that a page is made of. `event` names what is shown; `hidden`, by id, is what odds hide now,
    `prices` what is offered without the boost; `waiting` are the files that wait for approval."""

    live: Live
    event: str
    hidden: Mapping[str, str]
    prices: Mapping[str, float]
    statuses: tuple[Status, ...]
    waiting: frozenset[str]
    who: Asked
    now: float


@dataclass(frozen=True, slots=True)
class Trouble:
    """`command` settles it, "" where the file has to be mended."""

    status: Status
    title: str
    meaning: str
    command: str


def shell(name: str, scene: Scene) -> dict[str, Any]:
    """For every template."""
    words, who = scene.live.vocabulary, scene.who.visitor
    troubles = [_trouble(each, scene.waiting) for each in scene.statuses if each.state in _MEANING]
    return {
        "pages": PAGES,
        "this": next(page for page in PAGES if page.name == name),
        "scene": scene,
        "who": scene.who,
        "choices": {
            "jurisdiction": _choices(words.jurisdictions, who.jurisdiction),
            "language": _choices(words.languages, who.language),
            "device": _choices(words.devices, who.device),
        },
        "segments": sorted(words.segments | who.segments),
        "troubles": troubles,
        "kinds": KINDS,
        "clock": clock,
        "counted": counted,
        "duration": duration,
    }


def _trouble(status: Status, waiting: frozenset[str]) -> Trouble:
    if status.state != "held":
        return Trouble(status, *_MEANING[status.state], "")
    state, verb = ("waiting", "approve") if status.file in waiting else ("held", "confirm")
    return Trouble(status, *_MEANING[state], f"holdover promos {verb} {status.file}")


def _choices(known: frozenset[str], chosen: str) -> list[str]:
    """With what is chosen, also where the vocabulary does not know it."""
    return sorted(known | {chosen} - {""})
