"""Handlers of the pages: they read the question, and let pure functions answer it."""

from aiohttp import web

from holdover.answer import etag_matches

from ..promos.desk import Desk
from ..promos.moment import Unclear, zone_of
from ..promos.standing import Live
from .archive import Archive
from .audience import Query, first
from .files import STATIC, Static
from .frame import Facts, Fill, Frame
from .login import login_routes
from .now import now_page
from .preview import MOST_GATES, iso, moment_of, preview_page
from .records import history_routes
from .shell import HOME, Scene
from .stretch import RANGES, stretch, usual_zone, zones_of
from .switch import kill_routes
from .timeline import timeline_page
from .waiting import waiting_routes

_FOR_EVER = "public, max-age=31536000, immutable"


def console_routes(frame: Frame, desk: Desk) -> list[web.RouteDef]:
    """All pages but Edit, and what they are made of."""
    archive = Archive(desk.chronicle.history)

    def page(name: str, facts: Fill) -> web.RouteDef:
        async def handler(request: web.Request) -> web.Response:
            return await frame.page(request, name, facts)

        return web.get(f"/console/{name}", handler)

    async def static(request: web.Request) -> web.Response:
        file = frame.files.get(request.match_info["name"])
        if file is None:
            raise web.HTTPNotFound
        return served(request, file)

    async def home(_: web.Request) -> web.Response:
        raise web.HTTPFound(HOME)

    facts = {"now": _now, "timeline": _timeline, "preview": preview_facts}
    return [
        *(web.get(path, home) for path in ("/", "/console", "/console/")),
        *(page(name, fill) for name, fill in facts.items()),
        *history_routes(frame, desk, archive),
        *kill_routes(frame, desk, archive),
        *waiting_routes(frame, desk, archive),
        *login_routes(frame),
        web.get(f"{STATIC}{{name}}", static),
    ]


def served(request: web.Request, file: Static) -> web.Response:
    """For ever to who names the contents."""
    tag = f'"{file.tag}"'
    headers = {"ETag": tag, "Cache-Control": _FOR_EVER if request.query.get("v") == file.tag else "no-cache"}
    if (told := request.headers.get("If-None-Match")) is not None and etag_matches(told, tag):
        return web.Response(status=304, headers=headers)
    return web.Response(body=file.body, headers={**headers, "Content-Type": file.kind})


def _now(scene: Scene, _: Query) -> Facts:
    return {"page": now_page(scene.live, {**scene.hidden, **scene.live.withheld}, scene.who, scene.now)}


def _timeline(scene: Scene, query: Query) -> Facts:
    over = stretch(query, scene.live, scene.now)
    alone = first(query, "others") == "no"
    page = timeline_page(scene.live, scene.hidden, scene.who, over, scene.now, alone=alone)
    return {"page": page, "over": over, "alone": alone, "ranges": RANGES, "zones": zones_of(scene.live)}


def preview_facts(scene: Scene, query: Query, draft: Live | None = None) -> Facts:
    """`draft`: beside what is live."""
    zone_name = first(query, "zone") or usual_zone(scene.live)
    zone = zone_of(zone_name)
    faults = [] if zone else [f'"{zone_name}" is no time zone; write a name such as America/New_York.']
    zone_name, zone = (zone_name, zone) if zone else ("UTC", zone_of("UTC"))
    assert zone is not None
    moments: dict[str, float] = {}
    for name in ("at", "versus"):
        if asked_for := first(query, name):
            moment = moment_of(asked_for, zone_name)
            if isinstance(moment, Unclear):
                faults.append(f"{asked_for} {moment.message}; {moment.remedy}.")
            else:
                moments[name] = moment
    versus = (moments["versus"], scene.live) if "versus" in moments else None
    at = moments.get("at", scene.now)
    # What odds hide now says nothing of other times.
    hidden = {} if moments else scene.hidden
    withheld = {**hidden, **scene.live.withheld}
    if draft is not None:
        page = preview_page(draft, {**withheld, **draft.withheld}, scene.who, at, (at, scene.live), zone)
    else:
        page = preview_page(scene.live, withheld, scene.who, at, versus, zone)
    phone = (first(query, "frame") or scene.who.visitor.device) == "phone"
    return {
        "page": page,
        "zone": zone_name,
        "zones": zones_of(scene.live),
        "now_iso": iso(scene.now),
        "iso": iso,
        "most_gates": MOST_GATES,
        "faults": faults,
        "asked_at": page.view.iso if "at" in moments else None,
        "frame": "phone" if phone else "desktop",
        "draft": first(query, "draft"),
        "drafted": draft is not None,
        "draft_said": "The draft is in your browser; it takes JavaScript to show it.",
    }
