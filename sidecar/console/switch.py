"""Handlers of the page Kill. It works whatever else is wrong: what is not needed to kill may be missing."""

import asyncio
from collections.abc import Awaitable, Sequence

from aiohttp import web

from ..promos.desk import Desk, Refused, Target, Written
from ..promos.folder import KILL
from ..promos.kill import NOT_UNDERSTOOD, Kills, kills_of
from ..promos.objects import HistoryError
from ..promos.record import Record
from .archive import Archive
from .audience import Query, first
from .frame import Facts, Frame, Posted, to
from .killing import choice, is_killed, kill_page, known, spread, taken, target_of
from .shell import Scene

KILLS = "/console/kill"
MOST_BACK = 50
"""Sets that are looked through for one of a kill switch that was understood."""
_DONE = {
    "killed": "It is off the homepage.",
    "released": "It is released: it is shown again when its time and its audience are right.",
    "anew": "kill.json is good again.",
}


def kill_routes(frame: Frame, desk: Desk, archive: Archive) -> list[web.RouteDef]:
    room = _Room(frame, desk, archive)
    return [
        web.get(KILLS, room.all_of),
        web.get(f"{KILLS}/spread", room.spread),
        web.get(f"{KILLS}/confirm", room.kill),
        web.post(f"{KILLS}/confirm", room.killed),
        web.get(f"{KILLS}/release", room.release),
        web.post(f"{KILLS}/release", room.released),
        web.get(f"{KILLS}/anew", room.anew),
        web.post(f"{KILLS}/anew", room.made_anew),
    ]


class _Room:
    def __init__(self, frame: Frame, desk: Desk, archive: Archive) -> None:
        self.frame, self.desk, self.archive = frame, desk, archive

    async def all_of(self, request: web.Request) -> web.Response:
        told = spread(self.frame.promotions.changes.facts())

        def facts(scene: Scene, query: Query) -> Facts:
            search, language = first(query, "q")[:100], scene.who.visitor.language
            records = self._records()
            last = next((record for record in reversed(records) if record.set), None)
            return {
                "page": kill_page(scene.live, scene.statuses, records, search, language, scene.now),
                "spread": told,
                "last": last,
                "search": search,
                "done": _DONE.get(first(query, "done"), ""),
                "pinned": bool(self.desk.standing.pinned),
            }

        return await self.frame.page(request, "kill", facts)

    async def spread(self, _: web.Request) -> web.Response:
        """That part of the page alone."""
        told = spread(self.frame.promotions.changes.facts())
        text = self.frame.templates.get_template("_spread.html").render(spread=told)
        return web.Response(text=text, content_type="text/html", charset="utf-8")

    async def kill(self, request: web.Request) -> web.Response:
        target = _target(request)
        if target is None or not known(target, self.frame.promotions.live):
            return await self._unknown(request, target)
        return await self._asked(request, target, "kill-confirm")

    async def killed(self, request: web.Request) -> web.Response:
        posted, target = await self.frame.posted(request), _target(request)
        if isinstance(posted, web.Response):
            return posted
        if target is None or not known(target, self.frame.promotions.live):
            return await self._unknown(request, target)
        return await self._done(request, posted, target, "kill-confirm", "killed")

    async def release(self, request: web.Request) -> web.Response:
        target = _target(request)
        if target is None or not is_killed(target, self.frame.promotions.live):
            return await self._unknown(request, target, "It is not killed, or somebody has released it already.")
        return await self._asked(request, target, "kill-release")

    async def released(self, request: web.Request) -> web.Response:
        posted, target = await self.frame.posted(request), _target(request)
        if isinstance(posted, web.Response):
            return posted
        if target is None:
            return await self._unknown(request, target)
        return await self._done(request, posted, target, "kill-release", "released")

    async def anew(self, request: web.Request) -> web.Response:
        return await self._anew(request)

    async def made_anew(self, request: web.Request) -> web.Response:
        posted = await self.frame.posted(request)
        if isinstance(posted, web.Response):
            return posted
        if not posted.why:
            return await self._anew(request, "Tell why: others will read it in the history.", 422)
        before = await asyncio.to_thread(self._before)
        kills = Kills() if posted.get("as") == "nothing" or before is None else before
        done = await _written(self.desk.kill_anew(kills, posted.who, posted.why))
        if isinstance(done, str):
            return await self._anew(request, done, 409)
        return to(f"{KILLS}?done=anew")

    async def _done(
        self, request: web.Request, posted: Posted, target: Target, template: str, done: str
    ) -> web.Response:
        if not posted.why:
            return await self._asked(request, target, template, "Tell why: others will read it in the history.", 422)
        write = self.desk.kill if done == "killed" else self.desk.release
        written = await _written(write(target, posted.who, posted.why))
        if isinstance(written, str):
            return await self._asked(request, target, template, written, 409)
        return to(f"{KILLS}?done={done}")

    async def _asked(
        self, request: web.Request, target: Target, template: str, wrong: str = "", status: int = 200
    ) -> web.Response:
        def facts(scene: Scene, _: Query) -> Facts:
            live, language = scene.live, scene.who.visitor.language
            all_of = [choice(promo, live, language, scene.now) for promo in taken(target, live)]
            slot = live.vocabulary.slots.get(target[1])
            kills = live.kills
            return {
                "target": target,
                "slot": slot.title if slot else target[1],
                "taken": sorted(all_of, key=lambda each: (each.state != "running", each.promo.slot, each.promo.id)),
                "running": sum(each.state == "running" and not each.withheld for each in all_of),
                "reason": kills.everything or kills.slots.get(target[1], "") or kills.promos.get(target[1], ""),
                "understood": kills.everything != NOT_UNDERSTOOD,
                "wrong": wrong,
                "action": request.path_qs,
            }

        return await self.frame.page(request, "kill", facts, template=template, status=status)

    async def _unknown(self, request: web.Request, target: Target | None, sentence: str = "") -> web.Response:
        name = f"There is no {target[0]} {target[1]!r} among what is live." if target else "Nothing was chosen."
        return await self.frame.said(request, 404, "Nothing was done", sentence or name, back=KILLS)

    async def _anew(self, request: web.Request, wrong: str = "", status: int = 200) -> web.Response:
        def facts(scene: Scene, _: Query) -> Facts:
            problems = next((each.problems for each in scene.statuses if each.file == KILL), ())
            return {"before": self._before(), "problems": problems, "wrong": wrong}

        return await self.frame.page(request, "kill", facts, template="kill-anew", status=status)

    def _before(self) -> Kills | None:
        """What was killed when the file was understood last. Blocks."""
        sets = [record for record in reversed(self._records()) if record.set]
        for record in sets[:MOST_BACK]:
            try:
                kills = kills_of(self.archive.history.files(record).get(KILL, b"{}"))
            except (HistoryError, OSError):
                continue
            if kills.everything != NOT_UNDERSTOOD:
                return kills
        return None

    def _records(self) -> Sequence[Record]:
        """Who killed is worth telling; it is not needed to kill."""
        try:
            return self.archive.history.records()
        except OSError:
            return ()


async def _written(doing: Awaitable[Written | Refused]) -> Written | str:
    """The sentence that says why not."""
    try:
        done = await doing
    except OSError as error:
        wrong = error.strerror or str(error)
        return f"It could not be written: {wrong}. Write it into kill.json with an editor on the machine itself."
    return f"Nothing was done: {done.sentence}." if isinstance(done, Refused) else done


def _target(request: web.Request) -> Target | None:
    return target_of({key: tuple(request.query.getall(key)) for key in request.query})
