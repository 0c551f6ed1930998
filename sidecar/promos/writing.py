"""Writes of promos over HTTP: who writes is known (`door`), what was edited is told, and everything is in the
history."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from aiohttp import web

from .decide import digest
from .desk import Desk, Refused, Target, Written, pretty
from .diff import differences, facts
from .door import WHO, bad
from .history import History, Unfound
from .objects import HistoryError
from .problem import excerpt
from .scan import NotJson, scan
from .standing import Status
from .sweep import Unread
from .validate import Checked

MOST_DRAFTS = 100


@dataclass(slots=True)
class Writing:
    """`statuses` tells what of each file is live."""

    desk: Desk
    statuses: Callable[[], tuple[Status, ...]]
    _judging: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))
    """Drafts take turns, so that many of them leave a processor for what is asked besides."""

    def routes(self) -> list[web.RouteDef]:
        file = "/v1/promos/files/{name:.+}"
        return [
            web.get("/v1/promos/files", self._files),
            web.get(file, self._file),
            web.put(file, self._put),
            web.delete(file, self._delete),
            web.post("/v1/promos/validate", self._validate),
            web.post("/v1/promos/kill", self._kill),
            web.post("/v1/promos/release", self._release),
            web.post("/v1/promos/confirm", self._confirm),
            web.post("/v1/promos/approve", self._approve),
            web.post("/v1/promos/rollback", self._roll_back),
            web.get("/v1/promos/history", self._history),
            web.get("/v1/promos/history/{record}", self._record),
        ]

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

    async def _put(self, request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return _said(415, {"message": "a file of promos is application/json"})
        return await self._publish(request, await request.read())

    async def _delete(self, request: web.Request) -> web.Response:
        return await self._publish(request, None)

    async def _publish(self, request: web.Request, data: bytes | None) -> web.Response:
        name = request.match_info["name"]
        written = await self.desk.publish(name, data, _edited(request), request[WHO], request.query.get("why", ""))
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
            raise bad('files is an object of at most 100 names, each with text, a document, or null: {"a.json": "…"}')
        async with self._judging:
            files = await asyncio.to_thread(lambda: {name: _draft(draft) for name, draft in drafts.items()})
            found = await self.desk.judged(files)
            return _said(200, await asyncio.to_thread(validated, found, drafts.keys()))

    async def _kill(self, request: web.Request) -> web.Response:
        target, why = _target(await _document(request))
        return self._done(await self.desk.kill(target, request[WHO], why))

    async def _release(self, request: web.Request) -> web.Response:
        target, why = _target(await _document(request))
        return self._done(await self.desk.release(target, request[WHO], why))

    async def _confirm(self, request: web.Request) -> web.Response:
        names = _names(await _document(request), None)
        return _said(200, {"confirmed": sorted(await self.desk.confirm(names, request[WHO]))})

    async def _approve(self, request: web.Request) -> web.Response:
        file, content, why = _texts(await _document(request), "file", "content", why="")
        return self._done(await self.desk.approve(file, content, request[WHO], why))

    async def _roll_back(self, request: web.Request) -> web.Response:
        document = await _document(request)
        files = _names(document, [])
        to, why = _texts(document, "to", why="")
        try:
            return self._done(await self.desk.roll_back(to, files, request[WHO], why))
        except HistoryError as error:
            return _said(409, {"message": str(error)})

    async def _history(self, request: web.Request) -> web.Response:
        limit = request.query.get("limit", "50")
        if not limit.isascii() or not limit.isdigit() or len(limit) > 6:
            raise bad("limit is a number")
        records = await asyncio.to_thread(self.desk.chronicle.history.records)
        return _said(200, {"records": [asdict(record) for record in records[::-1][: int(limit)]]})

    async def _record(self, request: web.Request) -> web.Response:
        return await asyncio.to_thread(recorded, self.desk.chronicle.history, request.match_info["record"])

    def _done(self, done: Written | Refused) -> web.Response:
        return refusal(done) if isinstance(done, Refused) else _said(200, asdict(done))


_NO_STORE = {"Cache-Control": "no-store"}


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
    if isinstance(told, str):
        return told.encode()
    compact = json.dumps(told, ensure_ascii=False).encode()
    try:
        scan(compact)
    except NotJson:
        # Indentation of what is nested deep has no end.
        return compact
    return pretty(told)


def _edited(request: web.Request) -> str | None:
    """The tag of what was edited; "" for a file that was not there; None: not told."""
    if request.headers.get("If-None-Match", "").strip() == "*":
        return ""
    told = request.headers.get("If-Match")
    return told.strip().removeprefix("W/").strip('"') if told else None


def _target(told: Mapping[str, Any]) -> tuple[Target, str]:
    [why] = _texts(told, why="")
    match {name: told[name] for name in ("everything", "slot", "promo") if name in told}:
        case {"everything": True, **others} if not others:
            return ("everything", ""), why
        case {"slot": str(name), **others} if name and not others:
            return ("slot", name), why
        case {"promo": str(name), **others} if name and not others:
            return ("promo", name), why
    raise bad('tell one of {"everything": true}, {"slot": "hero"} and {"promo": "id"}, and "why"')


def _names(told: Mapping[str, Any], otherwise: list[str] | None) -> frozenset[str]:
    names = told.get("files", otherwise)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise bad('files is a list of names: {"files": ["a.json"]}')
    return frozenset(names)


def _texts(told: Mapping[str, Any], *names: str, **optional: str) -> list[str]:
    found = [told.get(name) for name in names] + [told.get(name, default) for name, default in optional.items()]
    if not all(isinstance(text, str) for text in found):
        raise bad(f"text is asked for: {', '.join((*names, *optional))}")
    return [str(text) for text in found]


async def _document(request: web.Request) -> dict[str, Any]:
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="the body is application/json")
    try:
        told = json.loads(await request.read())
        # Half a character in an escape is none that can be written.
        json.dumps(told, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise bad(f"the body is no JSON: {error}") from error
    if not isinstance(told, dict):
        raise bad("the body is an object")
    return told


def _said(status: int, told: Mapping[str, Any], **fields: str) -> web.Response:
    return web.json_response(told, status=status, headers={**_NO_STORE, **fields})
