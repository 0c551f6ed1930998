"""The page Edit: the list of files, one file as a form and as text, and what is said of a draft while it is typed."""

import asyncio
import json
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web

from ..promos import images
from ..promos.access import Denied
from ..promos.decide import digest
from ..promos.desk import Desk, Refused, is_edited, pretty
from ..promos.document import Vocabulary
from ..promos.folder import WORDS, is_campaign
from ..promos.new import template
from ..promos.standing import Live
from .audience import Query
from .draft import ahead, drafted, foreseen, told, wrong
from .files import Static, library
from .frame import Facts, Frame
from .shelf import LABELS, file_of, shelf
from .shell import KINDS, Scene
from .views import preview_facts, served

_NEW_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
MOST_IMAGES = 500
LIST, LIBRARY, MIRROR = "/console/edit", "/console/library/", "codemirror.js"


def edit_routes(frame: Frame, desk: Desk, libraries: Path) -> list[web.RouteDef]:
    """`libraries`: folder of MIRROR, which may be there or not."""
    pages = _Pages(frame, desk, library(libraries / MIRROR))
    return [
        web.get(LIST, pages.list),
        web.get(f"{LIST}/new", pages.new),
        web.post(f"{LIST}/check", pages.check),
        web.get(f"{LIST}/{{name:.+}}", pages.file),
        web.post("/console/preview", pages.preview),
        web.get(f"{LIBRARY}{MIRROR}", pages.library),
    ]


class _Pages:
    def __init__(self, frame: Frame, desk: Desk, mirror: Static | None) -> None:
        self._frame = frame
        self._promotions = frame.promotions
        self._desk = desk
        self._mirror = mirror
        # Looking ahead takes long where much is planned: who types fast must not keep all threads at it.
        self._one = asyncio.Semaphore(1)

    async def list(self, request: web.Request) -> web.Response:
        files = await self._desk.files()
        if promo := request.query.get("promo"):
            if (name := await asyncio.to_thread(file_of, promo, files)) is None:
                raise web.HTTPNotFound(text=f"no file has a promo {promo!r}\n")
            raise web.HTTPFound(f"{LIST}/{quote(name)}#promo-{quote(promo)}")
        told = self._promotions
        entries = await asyncio.to_thread(lambda: shelf(files, told.statuses, told.waiting(), told.live, time.time()))
        return await self._page(request, "files", {"entries": entries})

    async def new(self, request: web.Request) -> web.Response:
        """Asks for a name and a place; once they are good, the file is opened, which is nowhere but there yet."""
        name, place, fault = request.query.get("name", "").strip(), request.query.get("place", ""), ""
        known = self._promotions.live.vocabulary
        if name or place:
            slot, _, kind = place.partition("/")
            fault = _doubt(name, slot, kind, known)
            if not fault and f"{name}.json" in await self._desk.files():
                fault = f"There is a {name}.json already; choose another name, or open it."
            if not fault:
                raise web.HTTPFound(f"{LIST}/{name}.json?{urlencode({'slot': slot, 'kind': kind})}")
        return await self._page(request, "new", {"name": name, "place": place, "fault": fault, "slots": known.slots})

    async def file(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if not is_edited(name):
            raise web.HTTPNotFound(text=f"{name!r} is no file that is edited here\n")
        found = await self._desk.read(name)
        known = self._promotions.live.vocabulary
        if isinstance(found, Refused):
            # Without both, where it is a draft in this browser that leads here.
            slot, kind = request.query.get("slot", ""), request.query.get("kind", "")
            if not slot and known.slots:
                slot = next(iter(known.slots))
                kind = min(known.slots[slot].kinds)
            if found.status != 404 or _doubt(name.removesuffix(".json"), slot, kind, known):
                raise web.HTTPNotFound(text=f"{found.sentence}\n")
            made = template(name.removesuffix(".json"), kind, slot, known, datetime.now(UTC))
            text, tag = pretty(made).decode(), ""
        else:
            text, tag = found.decode("utf-8-sig", errors="replace"), digest(found)
        who = self._frame.access.named(request)
        facts = {
            "file": name,
            "text": text,
            "tag": tag,
            "campaign": is_campaign(name),
            "removable": name not in WORDS,
            "words": _words(known),
            "kinds": KINDS,
            "mirror": f"{LIBRARY}{MIRROR}?v={self._mirror.tag}" if self._mirror else "",
            "images": await asyncio.to_thread(_images, self._desk.folder),
        }
        state = next((each.state for each in self._promotions.statuses if each.file == name), "new")
        state = "waits" if name in self._promotions.waiting() else state
        user = {
            "editor": "" if isinstance(who, Denied) else who,
            "unknown": isinstance(who, Denied) and who.status == 401,
        }
        more = {"file": name, "facts": facts, "state": state, "label": LABELS.get(state, "New"), **user}
        return await self._page(request, "edit", more)

    async def check(self, request: web.Request) -> web.Response:
        name, text = await self._draft(request)
        if text is None and name in WORDS:
            raise _refused(400, f"without {name} nothing can be judged")
        data = None if text is None else text.encode("utf-8", "surrogatepass")
        async with self._one:
            current = (await self._desk.files()).get(name)
            found = await self._desk.judged({name: data})
            said = await asyncio.to_thread(
                told, found, name, current if isinstance(current, bytes) else None, data, self._promotions.statuses
            )
            if not said["count"]:
                live, accepted = self._promotions.live, self._desk.standing.accepted
                said |= await asyncio.to_thread(
                    lambda: foreseen(ahead(live, drafted(accepted, name, data), time.time()))
                )
        return web.json_response({"tag": digest(current), **said})

    async def preview(self, request: web.Request) -> web.Response:
        """What is live beside the draft, which is in the browser alone. Nothing is written."""
        name, text = await self._draft(request)
        live: Live | None = None
        said = f"There is no draft of {name} in this browser; it was published or discarded, or is in another one."
        if text is not None:
            data = text.encode("utf-8", "surrogatepass")
            found = await self._desk.judged({name: data})
            if many := sum(map(len, wrong(found, name, self._promotions.statuses))):
                said = f"The draft of {name} is not good yet ({many} wrong), so this is what is live; see it on Edit."
            else:
                live = await asyncio.to_thread(drafted, self._desk.standing.accepted, name, data)

        def facts(scene: Scene, query: Query) -> Facts:
            return {**preview_facts(scene, query, live), "draft_said": said}

        return await self._frame.page(request, "preview", facts)

    async def library(self, request: web.Request) -> web.Response:
        if self._mirror is None:
            raise web.HTTPNotFound(text=f"{MIRROR} is not there; scripts/codemirror makes it\n")
        return served(request, self._mirror)

    async def _draft(self, request: web.Request) -> tuple[str, str | None]:
        # What others have written and is not live yet is for those who may write.
        if isinstance(who := self._frame.access.who(request), Denied):
            raise _refused(who.status, who.sentence)
        try:
            told = json.loads(await request.read())
        except (ValueError, RecursionError) as error:
            raise _refused(400, f"the body is no JSON: {error}") from error
        name, text = (told.get("file"), told.get("text")) if isinstance(told, dict) else (None, None)
        if not isinstance(name, str) or not is_edited(name) or not isinstance(text, str | None):
            raise _refused(400, 'tell a file and its text: {"file": "a.json", "text": "…"}')
        return name, text

    async def _page(self, request: web.Request, template: str, facts: Mapping[str, Any]) -> web.Response:
        return await self._frame.page(request, "edit", lambda *_: facts, template=template)


def _doubt(name: str, slot: str, kind: str, known: Vocabulary) -> str:
    if not _NEW_NAME.fullmatch(name):
        return "A name is small letters, digits and hyphens, such as spring-offer."
    if slot not in known.slots or kind not in known.slots[slot].kinds:
        return "Choose where it appears."
    return ""


def _words(known: Vocabulary) -> dict[str, Any]:
    return {
        "slots": {
            name: {"title": slot.title, "capacity": slot.capacity, "kinds": sorted(slot.kinds)}
            for name, slot in known.slots.items()
        },
        "jurisdictions": sorted(known.jurisdictions),
        "languages": sorted(known.languages),
        "devices": sorted(known.devices),
        "segments": sorted(known.segments - known.excluded),
    }


def _images(folder: Path) -> list[str]:
    """Names of images beside the campaigns; none where the folder cannot be read."""
    try:
        names = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in images.KINDS)
    except OSError:
        return []
    return names[:MOST_IMAGES]


def _refused(status: int, sentence: str) -> web.HTTPException:
    kinds = {401: web.HTTPUnauthorized, 403: web.HTTPForbidden, 421: web.HTTPMisdirectedRequest}
    return kinds.get(status, web.HTTPBadRequest)(
        text=json.dumps({"message": sentence}), content_type="application/json"
    )
