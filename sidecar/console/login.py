"""Who reads the console, and the session that a token opens."""

import re
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

from ..promos.access import COOKIE, SESSION_S, Access, Denied
from .files import STATIC
from .frame import LOGIN, Frame, to, to_login
from .shell import HOME

LOGOUT = "/console/logout"
_PATH = re.compile(r"/console(/[A-Za-z0-9._~-]+)+(\?[!-\[\]-~]*)?")
type _Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def back_to(told: str) -> str:
    """A page of the console, whatever somebody made the address say. Backslashes and control characters are no part
    of it: browsers take some for slashes, and leave others out."""
    if not _PATH.fullmatch(told) or ".." in told or urlsplit(told).path in (LOGIN, LOGOUT):
        return HOME
    return told


def known(access: Access) -> Callable[..., Awaitable[web.StreamResponse]]:
    """Middleware: pages are for whoever is known; on loopback, where nothing else is configured, for all. Without a
    session it leads to where one is opened."""

    @web.middleware
    async def asked(request: web.Request, handler: _Handler) -> web.StreamResponse:
        page = request.path.startswith("/console") and not request.path.startswith(STATIC)
        if not page or request.method not in ("GET", "HEAD") or request.path == LOGIN:
            return await handler(request)
        if isinstance(access.named(request), Denied):
            return to_login(request.path_qs)
        return await handler(request)

    return asked


def login_routes(frame: Frame) -> list[web.RouteDef]:
    access = frame.access

    def form(request: web.Request, back: str, wrong: str = "", status: int = 200) -> web.Response:
        text = frame.templates.get_template("login.html").render(
            back=back,
            wrong=wrong,
            # Of a link on another site browsers send no session; of a page of ours they do.
            again=not wrong and request.headers.get("Sec-Fetch-Site") == "cross-site",
            ended=request.query.get("ended") == "yes",
            token=access.form_token(""),
        )
        return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")

    async def shown(request: web.Request) -> web.Response:
        back = back_to(request.query.get("next", ""))
        return form(request, back) if isinstance(access.named(request), Denied) else to(back)

    async def opened(request: web.Request) -> web.Response:
        fields = await request.post()
        back = back_to(str(fields.get("next", "")))
        if denied := access.foreign(request):
            return form(request, back, f"Nothing was done: {denied.sentence}.", denied.status)
        if not access.is_form_token("", str(fields.get("form", ""))):
            return form(request, back, "The page was older than the sidecar. Try again.", 403)
        if (value := access.login(str(fields.get("token", "")).strip())) is None:
            return form(request, back, "That token is not known here. Copy all of it, or have a new one made.", 401)
        access.logout(request.cookies.get(COOKIE, ""))
        answer = to(back)
        answer.set_cookie(
            COOKIE,
            value,
            max_age=int(SESSION_S),
            path="/",
            secure=access.encrypted(request),
            httponly=True,
            samesite="Strict",
        )
        return answer

    async def closed(request: web.Request) -> web.Response:
        posted = await frame.posted(request)
        if isinstance(posted, web.Response):
            return posted
        access.logout(request.cookies.get(COOKIE, ""))
        answer = to(LOGIN)
        answer.del_cookie(COOKIE, path="/")
        return answer

    return [web.get(LOGIN, shown), web.post(LOGIN, opened), web.post(LOGOUT, closed)]
