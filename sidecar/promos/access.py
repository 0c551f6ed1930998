"""Who writes: told by a token, by a proxy in front that has authenticated, by the socket, or on loopback alone.

Browsers send what other sites make them send. So a write by a browser has to come from a page of this very origin
(Origin, Sec-Fetch-Site), and sessions are in cookies that other sites cannot make it send (SameSite)."""

import hashlib
import hmac
import ipaddress
import pwd
import secrets
import socket
import struct
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from holdover.settings import PromoSettings, split_address

from .tokens import TOKENS, owner, tokens

COOKIE = "holdover_session"
SESSION_S = 12 * 3600.0
MOST_SESSIONS = 1_000
LOCAL = "local"
"""Anybody on this machine."""
UNIX = "unix:"
"""Before the name of a user of this machine, whom no token or header may name."""


@dataclass(frozen=True, slots=True)
class Denied:
    """`status` 401, 403 or 421, and what to do."""

    status: int
    sentence: str


@dataclass(frozen=True, slots=True)
class _Session:
    """`hashed`: of the token that began it, which ends it when it is replaced or removed."""

    name: str
    hashed: str
    until: float


@dataclass(slots=True)
class Access:
    """`admin` is the address that the sidecar listens on, `state` the folder of the tokens."""

    settings: PromoSettings
    admin: str
    state: Path
    _sessions: dict[str, _Session] = field(default_factory=dict)
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def who(self, request: web.Request) -> str | Denied:
        """The name of who writes."""
        if (peer := _unix(request)) is not None:
            return _at_socket(peer)
        return self.foreign(request) or self.named(request)

    def foreign(self, request: web.Request) -> Denied | None:
        """What a page of another site, or a name that resolves to this machine, made a browser send."""
        if _unix(request) is not None:
            return None
        # Without the field the library asks the resolver for this machine's name, and waits.
        named = request.headers.get("Host", "")
        if not is_own(named, self.admin, self.settings.hosts):
            return Denied(421, f"{named!r} is no name of this sidecar; add it to `hosts` in `[promos]`")
        origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site", "none")
        if origin is not None and not self._is_own(origin.partition("://")[2], named):
            return Denied(403, "the request comes from a page of another site")
        return None if site in ("none", "same-origin") else Denied(403, "the request comes from another site")

    def _is_own(self, origin: str, host: str) -> bool:
        return origin == host or _without_port(origin) in self.settings.hosts

    def named(self, request: web.Request) -> str | Denied:
        """Who reads: wherever the link is that led here."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return _unreserved(owner(self._tokens(), token.strip()) or "")
        if header := self.settings.user_header:
            told = request.headers.getall(header, [])
            if len(told) == 1 and told[0] and _in(request.remote, self.settings.trusted_proxies):
                return _unreserved("".join(c if c.isprintable() else "?" for c in told[0][:200]))
        session = self._sessions.get(request.cookies.get(COOKIE, ""))
        if session is not None and session.until > time.time() and self._begun(session):
            return _unreserved(session.name)
        if self.open:
            return LOCAL
        return Denied(401, "a token is asked for; `holdover promos token NAME` makes one")

    def _begun(self, session: _Session) -> bool:
        return self._tokens().get(session.name) == session.hashed

    def encrypted(self, request: web.Request) -> bool:
        """Whether the browser has asked over https, as a trusted proxy in front says."""
        told = request.headers.get("X-Forwarded-Proto", "").lower() == "https"
        return request.secure or (told and _in(request.remote, self.settings.trusted_proxies))

    @property
    def open(self) -> bool:
        """Whoever can reach the address may write: it is this machine alone, and nothing else was configured."""
        host, _ = split_address(self.admin)
        # Who removes the last token does not mean to let everybody in.
        closed = self.settings.user_header or (self.state / TOKENS).exists()
        return _is_loopback(host) and not closed

    def login(self, token: str) -> str | None:
        """The value of the cookie; None when the token is not known."""
        known = self._tokens()
        if (name := owner(known, token)) is None:
            return None
        now = time.time()
        self._sessions = {key: each for key, each in self._sessions.items() if each.until > now}
        while len(self._sessions) >= MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        value = secrets.token_urlsafe(32)
        self._sessions[value] = _Session(name, self._tokens()[name], now + SESSION_S)
        return value

    def logout(self, value: str) -> None:
        self._sessions.pop(value, None)

    def form_token(self, who: str) -> str:
        """Forms carry it: no other site can read it."""
        return hmac.new(self._secret, who.encode(), hashlib.sha256).hexdigest()

    def is_form_token(self, who: str, told: str) -> bool:
        return hmac.compare_digest(self.form_token(who).encode(), told.encode())

    def _tokens(self) -> Mapping[str, str]:
        return tokens(self.state)


def _unreserved(name: str) -> str | Denied:
    """Who could call himself a user of this machine could approve what he wrote."""
    if not name:
        return Denied(401, "the token is not known here")
    return Denied(401, f"{name!r} is reserved") if name == LOCAL or name.startswith(UNIX) else name


def _unix(request: web.Request) -> Any | None:
    """The Unix socket that the request came over."""
    peer = request.transport.get_extra_info("socket") if request.transport is not None else None
    return peer if peer is not None and peer.family == socket.AF_UNIX else None


def _at_socket(peer: Any) -> str:
    """The user whose process asks: the kernel tells."""
    told = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", told)
    return user(uid)


def user(uid: int) -> str:
    try:
        return f"{UNIX}{pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"{UNIX}{uid}"


def is_own(host: str, admin: str, hosts: Collection[str]) -> bool:
    """Whether a Host header names loopback, at any port for the sake of tunnels, or what is configured."""
    try:
        parts = urlsplit(f"//{host}")
        name, port = (parts.hostname or ""), parts.port
    except ValueError:
        return False
    if host.lower() == admin.lower() or name in hosts or (name, port) == split_address(admin):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _in(remote: str | None, networks: list[str]) -> bool:
    try:
        return remote is not None and any(
            ipaddress.ip_address(remote) in ipaddress.ip_network(network) for network in networks
        )
    except ValueError:
        return False


def _without_port(host: str) -> str:
    return host if host.endswith("]") else host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
