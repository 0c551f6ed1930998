"""What waits for a person: removals that are held, and edits that nobody else has looked at."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from ..promos.decide import digest
from ..promos.desk import Desk, Refused
from ..promos.diff import ABSENT
from ..promos.objects import HistoryError
from ..promos.resolve import Withheld
from ..promos.sweep import Found
from .archive import Archive
from .audience import Query, first
from .consequence import WEEKS, Consequence, consequence
from .frame import Facts, Frame, Posted, to
from .shell import Scene

WAITING = "/console/waiting"
_DONE = {
    "approved": "Approved: it goes live.",
    "noted": "Noted. Its author may be the same person under another name: one more has to approve it.",
    "confirmed": "Confirmed: it is gone.",
}


@dataclass(frozen=True, slots=True)
class Item:
    """`content`: the digest that a decision is bound to. `author`: of what waits for approval."""

    file: str
    content: str
    approval: bool
    author: str
    removal: bool
    told: Consequence


def waiting_routes(frame: Frame, desk: Desk, archive: Archive) -> list[web.RouteDef]:
    room = _Room(frame, desk, archive)
    return [web.get(WAITING, room.all_of), web.post(WAITING, room.decided)]


class _Room:
    def __init__(self, frame: Frame, desk: Desk, archive: Archive) -> None:
        self.frame, self.desk, self.archive = frame, desk, archive

    async def all_of(self, request: web.Request) -> web.Response:
        return await self._shown(request)

    async def decided(self, request: web.Request) -> web.Response:
        posted = await self.frame.posted(request)
        if isinstance(posted, web.Response):
            return posted
        try:
            done, (status, wrong) = await self._decide(posted)
        except (HistoryError, OSError) as error:
            done, status, wrong = "", 409, f"Nothing was done: {error}."
        if not done:
            return await self._shown(request, wrong, status)
        self.desk.written.set()
        return to(f"{WAITING}?done={done}")

    async def _decide(self, posted: Posted) -> tuple[str, tuple[int, str]]:
        """What was done, or "" with a status and why not."""
        name, content = posted.get("file"), posted.get("content")
        if posted.get("what") == "confirm":
            live = await asyncio.to_thread(self.archive.now)
            # Nothing is awaited from here until it is confirmed: it is what was looked at.
            if digest(self.desk.standing.settled(name), live.get(name)) != content:
                return "", (412, f"{name} was changed meanwhile: look at it again.")
            taken = await self.desk.confirm(frozenset([name]), posted.who)
            return ("confirmed" if taken else ""), (404, f"{name} does not wait any more.")
        if not posted.why:
            return "", (422, "Tell why: others will read it in the history.")
        done = await self.desk.approve(name, content, posted.who, posted.why)
        if isinstance(done, Refused):
            return "", (done.status, f"Nothing was done: {done.sentence}.")
        return "noted" if done.note else "approved", (200, "")

    async def _shown(self, request: web.Request, wrong: str = "", status: int = 200) -> web.Response:
        waiting, hidden = self.desk.standing.waiting(), self.frame.promotions.hidden
        names = [each.file for each in self.frame.promotions.statuses if each.state == "held"]
        held = {name: self.desk.standing.settled(name) for name in names}

        def facts(scene: Scene, query: Query) -> Facts:
            unreadable, items = "", list[Item]()
            try:
                items = self._items(held, waiting, hidden, scene.now)
            except (HistoryError, OSError) as error:
                unreadable = f"What waits cannot be told: {error}."
            return {
                "items": items,
                "unreadable": unreadable,
                "wrong": wrong,
                "absent": ABSENT,
                "weeks": WEEKS,
                "done": _DONE.get(first(query, "done"), ""),
            }

        return await self.frame.page(request, "now", facts, template="waiting", status=status)

    def _items(
        self, held: Mapping[str, Found], waiting: Mapping[str, str], hidden: Withheld, now: float
    ) -> list[Item]:
        live, items = self.archive.now(), list[Item]()
        for name, data in held.items():
            after = {other: each for other, each in live.items() if other != name}
            if isinstance(data, bytes):
                after[name] = data
            content, approval = waiting.get(name) or digest(data, live.get(name)), name in waiting
            author = self.desk.chronicle.author(name, content) if approval else ""
            told = consequence(live, after, hidden, now)
            items.append(Item(name, content, approval, author, not isinstance(data, bytes), told))
        return items
