"""A page, its reader, and what a form of it has sent."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aiohttp import web
from jinja2 import Environment

from ..promos.access import COOKIE, Access, Denied
from ..promos.api import Promotions
from .audience import Query, asked
from .files import Static, environment, statics
from .shell import PAGES, Scene, shell

LOGIN = "/console/login"
type Facts = Mapping[str, Any]
type Fill = Callable[[Scene, Query], Facts]


@dataclass(frozen=True, slots=True)
class Viewer:
    """`token`: what this reader's forms carry. `open`: whoever can reach the address may write. `signed_in`: with a
    token, and so may sign out."""

    name: str
    token: str
    open: bool
    signed_in: bool


@dataclass(frozen=True, slots=True)
class Posted:
    """What `who` has sent: the fields that were filled in."""

    who: str
    fields: Mapping[str, str]

    def get(self, name: str) -> str:
        return self.fields.get(name, "").strip()

    @property
    def why(self) -> str:
        return self.get("why")


@dataclass(frozen=True, slots=True)
class Frame:
    promotions: Promotions
    access: Access
    files: Mapping[str, Static]
    templates: Environment

    def viewer(self, request: web.Request) -> Viewer | None:
        """None: the reader is not known."""
        name = self.access.named(request)
        if isinstance(name, Denied):
            return None
        return Viewer(name, self.access.form_token(name), self.access.open, COOKIE in request.cookies)

    async def page(
        self, request: web.Request, name: str, facts: Fill, *, template: str = "", status: int = 200
    ) -> web.Response:
        """`name` of the tab; `template` where it is another one than the tab's own."""
        made = self.templates.get_template(f"{template or name}.html")
        (scene, query), viewer = self.scene(request), self.viewer(request)

        def rendered() -> str:
            return made.render(**shell(name, scene), viewer=viewer, **facts(scene, query))

        # Hundreds of promos take a tenth of a second: off the event loop.
        text = await asyncio.to_thread(rendered)
        return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")

    def scene(self, request: web.Request) -> tuple[Scene, Query]:
        """On the event loop: all of one moment."""
        told, query = self.promotions, {key: tuple(request.query.getall(key)) for key in request.query}
        scene = Scene(
            live=told.live,
            event=told.event,
            hidden=told.hidden,
            prices=told.prices,
            statuses=told.statuses,
            waiting=frozenset(told.waiting()),
            who=asked(query, told.live),
            now=time.time(),
        )
        return scene, query

    async def said(
        self, request: web.Request, status: int, title: str, sentence: str, *, back: str = ""
    ) -> web.Response:
        """A page that says what is not done, and leads back."""
        told = {"title": title, "sentence": sentence, "back": back or request.path_qs}

        def facts(*_: object) -> Facts:
            return told

        name = next((each.name for each in PAGES if request.path.startswith(each.path)), PAGES[0].name)
        return await self.page(request, name, facts, template="said", status=status)

    async def posted(self, request: web.Request) -> Posted | web.Response:
        """A form of a page of ours, by somebody who may write; or the answer that says why it is not taken."""
        who = self.access.who(request)
        if isinstance(who, Denied):
            if who.status == 401:
                return to_login(request.path_qs, ended=True)
            return await self.said(request, who.status, "Not from here", f"Nothing was done: {who.sentence}.")
        fields = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
        if not self.access.is_form_token(who, fields.get("token", "")):
            again = "Nothing was done: the form was made before the sidecar was started, or for somebody else."
            return await self.said(request, 403, "Load the page anew", f"{again} Open the page and send it again.")
        return Posted(who, fields)


def framed(promotions: Promotions, access: Access) -> Frame:
    files = statics()
    return Frame(promotions, access, files, environment(files))


def to_login(back: str, *, ended: bool = False) -> web.Response:
    where = f"{LOGIN}?next={quote(back, safe='')}" + ("&ended=yes" if ended else "")
    return web.Response(status=303, headers={"Location": where})


def to(path: str) -> web.Response:
    """What a form leads to, so that loading it anew sends nothing again."""
    return web.Response(status=303, headers={"Location": path})
