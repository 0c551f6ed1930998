"""The list of files: what of each is live, what it holds, and what is wrong. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..promos.folder import AUDIENCES, KILL, SLOTS, is_campaign, is_pack, jurisdiction_of
from ..promos.problem import Problem
from ..promos.scan import NotJson, scan
from ..promos.standing import Live, Status
from ..promos.sweep import Unread
from .words import counted

type Group = Literal["campaigns", "rules"]
_RULES = {SLOTS: "Places on the homepage", AUDIENCES: "Whom promos can be for"}
LABELS = {
    "good": "Live",
    "kept": "Kept as it was",
    "held": "Waits to be confirmed",
    "waits": "Waits for approval",
    "refused": "Not live",
    "unread": "Not read yet",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """`title`: of its first promos, or what such a file is for. `told`: how many promos it holds, and of which time.
    `gone`: it is not in the folder any more."""

    file: str
    group: Group
    title: str
    told: str
    state: str
    label: str
    problems: tuple[Problem, ...]
    gone: bool = False


def shelf(
    files: Mapping[str, bytes | Unread],
    statuses: Iterable[Status],
    waiting: Iterable[str],
    live: Live,
    now: float,
) -> tuple[Entry, ...]:
    """By name; all but the file of what is killed, which has a page of its own."""
    known, held = {each.file: each for each in statuses if each.file.endswith(".json")}, {*waiting}
    names = (files.keys() | known.keys()) - {KILL}
    # What was remembered from before the start is no file of the folder.
    names = {name for name in names if name in files or known[name].state == "held"}
    return tuple(_entry(name, files.get(name), known.get(name), name in held, live, now) for name in sorted(names))


def promos_in(data: bytes | Unread | None) -> list[dict[str, Any]]:
    """What a campaign holds, good or not."""
    try:
        value = scan(data).value if isinstance(data, bytes) else None
    except NotJson:
        return []
    promos = value.get("promos") if isinstance(value, dict) else None
    return [each for each in promos if isinstance(each, dict)] if isinstance(promos, list) else []


def file_of(promo: str, files: Mapping[str, bytes | Unread]) -> str | None:
    """The campaign with that promo."""
    campaigns = sorted(filter(is_campaign, files))
    return next((name for name in campaigns if any(each.get("id") == promo for each in promos_in(files[name]))), None)


def _entry(
    name: str, found: bytes | Unread | None, status: Status | None, waits: bool, live: Live, now: float
) -> Entry:
    state = "waits" if waits else status.state if status else "unread"
    group: Group = "campaigns" if is_campaign(name) else "rules"
    promos = promos_in(found) if group == "campaigns" else []
    title = _titles(promos) if group == "campaigns" else _RULES.get(name, "")
    if is_pack(name):
        title = f"What may be advertised in {jurisdiction_of(name)}"
    told = _counts(promos, live, now) if group == "campaigns" and found is not None else ""
    if found is None:
        told = "removed from the folder"
    problems = status.problems if status else ()
    return Entry(name, group, title, told, state, LABELS[state], problems, found is None)


def _titles(promos: list[dict[str, Any]]) -> str:
    found = [title for promo in promos if (title := title_in(promo))]
    more = f" and {len(found) - 2} more" if len(found) > 2 else ""
    return " · ".join(found[:2]) + more


def title_in(promo: Mapping[str, Any]) -> str:
    """ "" for what has none."""
    content = promo.get("content")
    texts = [content] if not isinstance(content, dict) else [content.get("en"), *content.values()]
    titles = (text.get("title") for text in texts if isinstance(text, dict))
    return next((title for title in titles if isinstance(title, str) and title), str(promo.get("id", "")))


def _counts(promos: list[dict[str, Any]], live: Live, now: float) -> str:
    """As "3 promos: 1 running, 2 to come"."""
    mine = {str(promo.get("id")) for promo in promos}
    of = [promo for promo in live.promos if promo.id in mine]
    running = sum(promo.start <= now < promo.end for promo in of)
    coming = sum(promo.start > now for promo in of)
    over = sum(promo.end <= now for promo in of)
    parts = [f"{many} {what}" for many, what in ((running, "running"), (coming, "to come"), (over, "over")) if many]
    return counted(len(promos), "promo") + (f": {', '.join(parts)}" if parts else "")
