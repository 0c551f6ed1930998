"""Writes of promos over HTTP: who writes is known, what was edited is told, and everything is in the history."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from aiohttp import web

from .access import Access, Denied
from .decide import digest
from .desk import Desk, Refused, Target, Written, pretty
from .diff import differences, facts
from .history import History, Unfound
from .objects import HistoryError
from .problem import excerpt
from .standing import Status
from .sweep import Unread
from .validate import Checked

MOST_DRAFTS = 100

logger = logging.getLogger("holdover.promos")

type _Answering = Callable[[web.Request], Awaitable[web.Response]]
type _Handler = Callable[[web.Request, str], Awaitable[web.Response]]


@dataclass(slots=True)
class Writing:
    """`statuses` tells what of each file is live."""

    desk: Desk
    access: Access
    statuses: Callable[[], tuple[Status, ...]]

    def routes(self) -> list[web.RouteDef]:
        file = "/v1/promos/files/{name:.+}"
        return [
            web.get("/v1/promos/files", _told(self._files)),
            web.get(file, _told(self._file)),
            web.put(file, self._known(self._put)),
            web.delete(file, self._known(self._delete)),
            web.post("/v1/promos/validate", _told(self._validate)),
            web.post("/v1/promos/kill", self._known(self._kill)),
            web.post("/v1/promos/release", self._known(self._release)),
            web.post("/v1/promos/confirm", self._known(self._confirm)),
            web.post("/v1/promos/approve", self._known(self._approve)),
            web.post("/v1/promos/rollback", self._known(self._roll_back)),
            web.get("/v1/promos/history", _told(self._history)),
            web.get("/v1/promos/history/{record}", _told(self._record)),
        ]

    def _known(self, handler: _Handler) -> _Answering:
        async def known(request: web.Request) -> web.Response:
            who = self.access.who(request)
            if isinstance(who, Denied):
                fields = {"WWW-Authenticate": "Bearer"} if who.status == 401 else {}
                return _said(who.status, {"message": who.sentence}, **fields)
            return await handler(request, who)

        return _told(known)

    async def _files(self, _: web.Request) -> web.Response:
        states = {each.file: each.state for each in self.statuses()}
        files = [
            {
                "file": name,
                "tag": digest(found),
                "state": states.get(name, "unread"),
                "unread": found.sentence if isinstance(found, Unread) else "",
            }
            for name, found in sorted((await self.desk.files()).items())
        ]
        return _said(200, {"files": files})

    async def _file(self, request: web.Request) -> web.Response:
        found = await self.desk.read(request.match_info["name"])
        if isinstance(found, Refused):
            return refusal(found)
        tag = f'"{digest(found)}"'
        return web.Response(body=found, content_type="application/json", headers={"ETag": tag, **_NO_STORE})

    async def _put(self, request: web.Request, who: str) -> web.Response:
        if request.content_type != "application/json":
            return _said(415, {"message": "a file of promos is application/json"})
        return await self._publish(request, who, await _body(request))

    async def _delete(self, request: web.Request, who: str) -> web.Response:
        return await self._publish(request, who, None)

    async def _publish(self, request: web.Request, who: str, data: bytes | None) -> web.Response:
        name = request.match_info["name"]
        written = await self.desk.publish(name, data, _edited(request), who, request.query.get("why", "")[:500])
        if isinstance(written, Refused):
            return refusal(written)
        status = next((each for each in self.statuses() if each.file == name), None)
        told = {"state": status.state, "problems": [p.facts() for p in status.problems]} if status else {}
        tag = {"ETag": f'"{written.tag}"'} if written.tag else {}
        return _said(200, {"file": name, "tag": written.tag, "state": "removed", "problems": [], **told}, **tag)

    async def _validate(self, request: web.Request) -> web.Response:
        told = await _document(request)
        drafts = told.get("files")
        if not isinstance(drafts, dict) or len(drafts) > MOST_DRAFTS:
            raise _bad(
                'files is an object of at most 100 names, each with text, a document, or null: {"a.json": "…"}'
            )
        found = await self.desk.judged({name: _draft(draft) for name, draft in drafts.items()})
        return _said(200, validated(found, drafts.keys()))

    async def _kill(self, request: web.Request, who: str) -> web.Response:
        target, why = _target(await _document(request))
        return self._done(await self.desk.kill(target, who, why))

    async def _release(self, request: web.Request, who: str) -> web.Response:
        target, why = _target(await _document(request))
        return self._done(await self.desk.release(target, who, why))

    async def _confirm(self, request: web.Request, who: str) -> web.Response:
        names = (await _document(request)).get("files")
        if not isinstance(names, list):
            raise _bad('files is a list of names: {"files": ["a.json"]}')
        return _said(200, {"confirmed": sorted(await self.desk.confirm(frozenset(map(str, names)), who))})

    async def _approve(self, request: web.Request, who: str) -> web.Response:
        file, content, why = _texts(await _document(request), "file", "content", why="")
        return self._done(await self.desk.approve(file, content, who, why))

    async def _roll_back(self, request: web.Request, who: str) -> web.Response:
        document = await _document(request)
        files = document.get("files", [])
        if not isinstance(files, list):
            raise _bad("files is a list of names; without it all are meant")
        to, why = _texts(document, "to", why="")
        try:
            return self._done(await self.desk.roll_back(to, frozenset(map(str, files)), who, why))
        except HistoryError as error:
            return _said(409, {"message": str(error)})

    async def _history(self, request: web.Request) -> web.Response:
        limit = request.query.get("limit", "50")
        if not limit.isascii() or not limit.isdigit() or len(limit) > 6:
            raise _bad("limit is a number")
        records = await asyncio.to_thread(self.desk.history.records)
        return _said(200, {"records": [asdict(record) for record in records[::-1][: int(limit)]]})

    async def _record(self, request: web.Request) -> web.Response:
        return await asyncio.to_thread(recorded, self.desk.history, request.match_info["record"])

    def _done(self, done: Written | Refused) -> web.Response:
        return refusal(done) if isinstance(done, Refused) else _said(200, {"file": done.file, "tag": done.tag})


_NO_STORE = {"Cache-Control": "no-store"}


def _told(handler: _Answering) -> _Answering:
    """What the disk does not let be done is told."""

    async def told(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except OSError as error:
            logger.warning("%s %s: %s", request.method, request.path, error)
            where = f"{error.filename}: " if error.filename else ""
            return _said(503, {"message": f"{where}{error.strerror or error}; see to the disk, and try again"})

    return told


def recorded(history: History, text: str) -> web.Response:
    """A record, and what it made different."""
    record = history.find(text)
    if isinstance(record, Unfound):
        return _said(404, {"message": record.sentence})
    try:
        after, before = history.files(record), history.before(record)
    except HistoryError as error:
        return _said(409, {"message": str(error)})
    changed = facts(differences(before, after))
    return _said(200, {"record": asdict(record), "files": sorted(after), "differences": changed})


def refusal(refused: Refused) -> web.Response:
    told: dict[str, Any] = {"message": refused.sentence, "problems": [p.facts() for p in refused.problems]}
    if refused.current is not None:
        told["current"] = {"tag": digest(refused.current), "text": refused.current.decode(errors="replace")}
    return _said(refused.status, told)


def validated(found: Checked, names: Any) -> dict[str, Any]:
    """Of all files; `names` are those that were asked about."""
    return {
        "good": not any(problem.file in names for problem in found.problems),
        "promos": sum(len(found.campaigns.get(name, ())) for name in names),
        "problems": [
            {**problem.facts(), "excerpt": excerpt(problem, found.texts.get(problem.file, ""))}
            for problem in found.problems
        ],
    }


def _draft(told: Any) -> bytes | None:
    if told is None:
        return None
    return told.encode("utf-8", "surrogatepass") if isinstance(told, str) else pretty(told)


def _edited(request: web.Request) -> str | None:
    """The tag of what was edited; "" for a file that was not there; None: not told."""
    if request.headers.get("If-None-Match", "").strip() == "*":
        return ""
    told = request.headers.get("If-Match")
    return told.strip().removeprefix("W/").strip('"') if told else None


def _target(told: Mapping[str, Any]) -> tuple[Target, str]:
    why = str(told.get("why", ""))[:500]
    if told.get("everything") is True:
        return ("everything", ""), why
    for what in ("slot", "promo"):
        if isinstance(name := told.get(what), str) and name:
            return (what, name), why
    raise _bad('tell what: {"everything": true}, {"slot": "hero"} or {"promo": "id"}, and "why"')


def _texts(told: Mapping[str, Any], *names: str, **optional: str) -> list[str]:
    found = [told.get(name) for name in names] + [told.get(name, default) for name, default in optional.items()]
    if not all(isinstance(text, str) for text in found):
        raise _bad(f"text is asked for: {', '.join((*names, *optional))}")
    return [str(text)[:500] for text in found]


async def _document(request: web.Request) -> dict[str, Any]:
    try:
        told = json.loads(await _body(request))
    except (ValueError, RecursionError) as error:
        raise _bad(f"the body is no JSON: {error}") from error
    if request.content_type != "application/json" or not isinstance(told, dict):
        raise _bad("the body is an object, as application/json")
    return told


async def _body(request: web.Request) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        error.text, error.content_type = json.dumps({"message": "the body is too large"}), "application/json"
        raise


def _bad(message: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(text=json.dumps({"message": message}), content_type="application/json")


def _said(status: int, told: Mapping[str, Any], **fields: str) -> web.Response:
    return web.json_response(told, status=status, headers={**_NO_STORE, **fields})
