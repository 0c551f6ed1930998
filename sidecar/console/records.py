"""Handlers of the page History: all records, one of them, what was shown then, and the way back."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from holdover import __version__

from ..promos.desk import Desk, Refused
from ..promos.diff import ABSENT, differences
from ..promos.folder import KILL
from ..promos.history import Unfound
from ..promos.moment import Unclear, zone_of
from ..promos.objects import HistoryError
from ..promos.past import withheld_at
from ..promos.record import Record, stamp
from ..promos.standing import live_of
from .archive import Archive
from .audience import Query, first
from .consequence import WEEKS, Files, changed, consequence, texts
from .frame import Facts, Frame, to
from .mockup import mockup
from .past import SHOW, at_of, days, found_in, moment_of, title, wanted
from .preview import View, iso
from .preview import moment_of as time_of
from .shell import Page, Scene
from .stretch import usual_zone, zones_of
from .words import clock, date, moment

HISTORY = "/console/history"
SETTLED_S = 2.0
type _Handler = Callable[[web.Request], Awaitable[web.Response]]


def history_routes(frame: Frame, desk: Desk, archive: Archive) -> list[web.RouteDef]:
    room = _Room(frame, desk, archive)
    one = f"{HISTORY}/{{number:[0-9]{{1,9}}}}"
    return [
        web.get(HISTORY, room.guarded(room.all_of)),
        web.get(f"{HISTORY}/shown", room.guarded(room.shown)),
        web.get(one, room.guarded(room.one)),
        web.get(f"{one}/restore", room.guarded(room.restore)),
        web.post(f"{one}/restore", room.guarded(room.restored)),
    ]


class _Room:
    def __init__(self, frame: Frame, desk: Desk, archive: Archive) -> None:
        self.frame, self.desk, self.archive = frame, desk, archive

    def guarded(self, handler: _Handler) -> _Handler:
        """What was kept may be damaged: that is told, and the rest of the console goes on."""

        async def guarded(request: web.Request) -> web.Response:
            try:
                return await handler(request)
            except HistoryError as error:
                sentence = f"{error}; a copy of the folder {self.archive.history.folder.name} may still have it."
                return await self.frame.said(request, 409, "Not as it was written", sentence)
            except OSError as error:
                sentence = f"The history cannot be read or written: {error.strerror or error}. Look at its folder."
                return await self.frame.said(request, 500, "No history", sentence)

        return guarded

    async def all_of(self, request: web.Request) -> web.Response:
        checked = await self.archive.verified()

        def facts(scene: Scene, query: Query) -> Facts:
            asked = wanted(query)
            listing = self.archive.listing(asked, scene.now)
            files, people = found_in(self.archive.history.records())
            return {
                "asked": asked,
                "listing": listing,
                "days": days(listing.entries),
                "files": sorted({*files, asked.file} - {""}),
                "people": sorted({*people, asked.person} - {""}),
                "show": SHOW,
                "checked": checked,
                "done": first(query, "done") == "restored",
            }

        return await self.frame.page(request, "history", facts)

    async def one(self, request: web.Request) -> web.Response:
        record = await self._record(request)
        if isinstance(record, web.Response):
            return record

        def facts(scene: Scene, _: Query) -> Facts:
            records = self.archive.history.records()
            before, after = self._sets(record)
            now = self.archive.now()
            place = next(n for n, each in enumerate(records) if each.number == record.number)
            sets = [each for each in records if each.set]
            return {
                "record": record,
                "at": moment_of(record, scene.now),
                "title": title(record, self.archive.summary(record)),
                "summary": self.archive.summary(record),
                "differences": differences(*changed(before, after)),
                "texts": texts(before, after),
                "after": after,
                "touched": set(changed(before, after)[0]) | set(changed(before, after)[1]),
                "absent": ABSENT,
                "other": {name for name in after if now.get(name) != after[name] and name != KILL},
                "gone": sorted(now.keys() - after.keys() - {KILL}),
                "newer": records[place + 1] if place + 1 < len(records) else None,
                "older": records[place - 1] if place else None,
                "latest": bool(sets) and sets[-1].number <= record.number,
                "iso": iso(at_of(record)),
            }

        return await self.frame.page(request, "history", facts, template="record")

    async def shown(self, request: web.Request) -> web.Response:
        def facts(scene: Scene, query: Query) -> Facts:
            zone_name = first(query, "zone") or usual_zone(scene.live)
            zone, faults = zone_of(zone_name), list[str]()
            if zone is None:
                faults.append(f'"{zone_name}" is no time zone; write a name such as America/New_York.')
                zone_name, zone = "UTC", zone_of("UTC")
            assert zone is not None
            told = first(query, "at")
            at = time_of(told, zone_name) if told else scene.now
            if isinstance(at, Unclear):
                faults.append(f"{told} {at.message}; {at.remedy}.")
                at = scene.now
            if at > scene.now:
                faults.append(f"{told} is still to come: see Preview. This is now.")
                at = scene.now
            record, records = self.archive.history.at(at), self.archive.history.records()
            then = live_of(self.archive.history.files(record)) if record else None
            withheld = {**withheld_at(records, stamp(at)), **then.withheld} if then else {}
            blocks = mockup(then, withheld, scene.who, at) if then else ()
            there = date(at, zone).isoformat(timespec="seconds" if at % 60 else "minutes")
            hidden = {p.id: withheld[p.id] for p in then.promos if p.id in withheld} if then else {}
            return {
                "here": Page("history/shown", "Shown then"),
                "view": View(at, iso(at), there, clock(at, zone, scene.now), blocks),
                "utc": moment(at, "UTC", scene.now),
                "record": record,
                "begins": records[0].at if records else "",
                "hidden": hidden,
                "faults": faults,
                "zone": zone_name,
                "zones": zones_of(scene.live),
                "version": __version__,
                "frame": "phone" if (first(query, "frame") or scene.who.visitor.device) == "phone" else "desktop",
            }

        return await self.frame.page(request, "history", facts, template="shown")

    async def restore(self, request: web.Request) -> web.Response:
        record = await self._record(request)
        return record if isinstance(record, web.Response) else await self._restore(request, record)

    async def restored(self, request: web.Request) -> web.Response:
        posted = await self.frame.posted(request)
        if isinstance(posted, web.Response):
            return posted
        record = await self._record(request)
        if isinstance(record, web.Response):
            return record
        if not posted.why:
            return await self._restore(request, record, "Tell why: others will read it in the history.", 422)
        name = request.query.get("file", "")
        files = frozenset([name] if name else [])
        done = await self.desk.roll_back(str(record.number), files, posted.who, posted.why)
        if isinstance(done, Refused):
            sentence = f"Nothing was done: {done.sentence}."
            return await self._restore(request, record, sentence, done.status, done)
        await self._kept()
        return to(f"{HISTORY}?done=restored")

    async def _restore(
        self, request: web.Request, record: Record, wrong: str = "", status: int = 200, refused: Refused | None = None
    ) -> web.Response:
        name, hidden = request.query.get("file", ""), self.frame.promotions.hidden

        def facts(scene: Scene, _: Query) -> Facts:
            then, now = self._sets(record)[1], self.archive.now()
            after = _put(now, then, name)
            return {
                "record": record,
                "at": moment_of(record, scene.now),
                "file": name,
                "told": consequence(now, after, hidden, scene.now),
                "absent": ABSENT,
                "weeks": WEEKS,
                "wrong": wrong,
                "problems": refused.problems if refused else (),
            }

        return await self.frame.page(request, "history", facts, template="restore", status=status)

    async def _record(self, request: web.Request) -> Record | web.Response:
        found = await asyncio.to_thread(self.archive.history.find, request.match_info["number"])
        if isinstance(found, Unfound):
            return await self.frame.said(request, 404, "No such record", f"{found.sentence}.")
        return found

    def _sets(self, record: Record) -> tuple[Files, Files]:
        after = self.archive.history.files(record)
        return (self.archive.history.before(record) if record.set else after), after

    async def _kept(self) -> None:
        """What went live is in the history a moment later."""
        deadline, revision = time.monotonic() + SETTLED_S, self.frame.promotions.live.revision
        while time.monotonic() < deadline:
            records = await asyncio.to_thread(self.archive.history.records)
            if next((each.revision for each in reversed(records) if each.set), "") == revision:
                return
            await asyncio.sleep(0.02)


def _put(now: Files, then: Files, name: str) -> Files:
    """`now`, with all or one of the files as they were; what is killed stays."""
    if not name:
        return {**{n: d for n, d in then.items() if n != KILL}, **{n: d for n, d in now.items() if n == KILL}}
    without = {n: d for n, d in now.items() if n != name}
    return {**without, name: then[name]} if name in then else without
