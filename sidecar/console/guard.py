"""Who may have pages and writes answered, and what browsers may do with the answers."""

from collections.abc import Awaitable, Callable, Collection

from aiohttp import web

from ..promos.access import is_own

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    # With "no-referrer" browsers send forms with the origin "null", as if they came from nowhere.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def guard(admin: str, hosts: Collection[str]) -> Callable[..., Awaitable[web.StreamResponse]]:
    """Middleware. A page of another site can give its own name this address (DNS rebinding) and then read and write
    here as if it were ours; the Host header still tells its name. Metrics and answers to homepages are for everybody
    who can connect; writes outside of the console are looked at by `Access`. `hosts`: other names of ours."""

    @web.middleware
    async def guarded(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path != "/" and not request.path.startswith("/console"):
            return await handler(request)
        try:
            if not is_own(request.host, admin, hosts):
                raise _refused(admin)
            response = await handler(request)
        except web.HTTPException as error:
            _protect(error)
            raise
        _protect(response)
        return response

    return guarded


def _refused(admin: str) -> web.HTTPException:
    text = f"The console answers to localhost, {admin} and `hosts` in `[promos]` alone; add the name there.\n"
    return web.HTTPMisdirectedRequest(text=text)


def _protect(response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
