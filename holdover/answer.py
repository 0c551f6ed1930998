"""Answers ready to send: everything that does not depend on the moment is made once per entry, not per hit."""

import http
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from holdover.cache_status import detail
from holdover.caching.storing import forwarded
from holdover.entry import Entry
from holdover.exchange import Headers, Response, date_of, elements, header
from holdover.policy import age
from holdover.provider_settings import QuotaSettings
from holdover.quota import Told, figure

type Fields = tuple[tuple[bytes, bytes], ...]
type Reading = Callable[[], Headers]

NAME = "holdover"
_OPAQUE_TAG = re.compile(r'"[^"]*"')
_ETAG_LIST = re.compile(r'(W/)?"[^"]*"(\s*,\s*(W/)?"[^"]*")*')
REASONS = MappingProxyType({status.value: status.phrase.encode() for status in http.HTTPStatus})
"""The reason phrases that are known."""

_NOT_IN_304 = frozenset((b"content-encoding", b"content-length", b"content-type", b"content-language"))


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer: header fields as bytes, Content-Length included, and the body as it goes on the wire.
    `before`: the 1xx answers of the same request, as HTTP/1.1 has them on the wire."""

    status: int
    fields: Fields
    body: bytes = field(repr=False)
    before: bytes = field(default=b"", repr=False)


def head_of(answer: Answer) -> bytes:
    """Status line and fields as HTTP/1.1 has them on the wire, the empty line included."""
    lines = b"".join(b"%b: %b\r\n" % field for field in answer.fields)
    return b"HTTP/1.1 %d %b\r\n%b\r\n" % (answer.status, REASONS.get(answer.status, b""), lines)


def closing(answer: Answer) -> Answer:
    """The last one on its connection, and saying so (RFC 9112 section 9.6)."""
    return replace(answer, fields=(*answer.fields, (b"Connection", b"close")))


@dataclass(frozen=True, slots=True)
class Wants:
    """What of a client's request shapes the answer to it; `client` is who asks, for the accounts. `fields` reads all
    that it has: which of them count is told by answers, and where none does they are not held."""

    gzip: bool = False
    if_none_match: str | None = None
    head: bool = False
    client: str = ""
    fields: Reading = field(default=tuple, compare=False, repr=False)


class Ready:
    """One entry made ready, with the notes of the process that holds it: whether it was `served`, whether the store
    has another or it is not held any more (`outdated`), when the sidecar was last told of the demand for it
    (`reported_at`, Unix seconds), and which connection to the sidecar accepted that (`kept`, 0 for none). `varying`
    are the fields of requests that select it, beside those of its key."""

    __slots__ = (
        "_as_told",
        "_gzip",
        "_identity",
        "_quota",
        "_told",
        "dated_at",
        "entry",
        "etag",
        "kept",
        "outdated",
        "reported_at",
        "served",
        "varying",
    )

    def __init__(self, entry: Entry, quota: QuotaSettings, varying: frozenset[str] = frozenset()) -> None:
        self.entry = entry
        self.varying = varying
        self.dated_at = date_of(entry.headers)
        self.etag = _weak_etag(entry)
        self._told: Told | None = None
        self._quota = _quota_fields(entry, quota)
        self._as_told: Fields = tuple((name, value) for name, value, _ in self._quota)
        names = {name for name, _, _ in self._quota}
        common = tuple(item for item in _common_fields(entry, self.etag) if item[0] not in names)
        self._identity = (*common, (b"Content-Length", b"%d" % len(entry.identity)))
        self._gzip = (*common, (b"Content-Encoding", b"gzip"), (b"Content-Length", b"%d" % len(entry.gzip)))
        self.served = False
        self.outdated = False
        self.kept = 0
        self.reported_at = 0.0

    @property
    def size(self) -> int:
        """Bytes held, about: of both bodies, and of what else may be long."""
        entry = self.entry
        fields = sum(len(name) + len(value) for name, value in entry.headers)
        # The fields as they came, and made ready for either coding.
        return len(entry.identity) + len(entry.gzip) + entry.request.length + 3 * fields

    def answer(self, wants: Wants, now: float, cache_status: str, told: Told | None = None) -> Answer:
        """The answer to a client whose request cost the provider nothing; `told` is what the provider said last of
        the account."""
        self.served = True
        entry = self.entry
        if told is not None and told is not self._told and told.at > entry.received_at:
            self._told, self._as_told = told, tuple(_as_told(self._quota, told))
        moment = (
            *self._as_told,
            (b"Age", b"%d" % age(entry, now)),
            (b"Cache-Status", b"holdover; " + cache_status.encode()),
        )
        if wants.if_none_match is not None and entry.status == 200 and etag_matches(wants.if_none_match, self.etag):
            return _not_modified(self._identity + moment)
        fields, body = (self._gzip, entry.gzip) if wants.gzip else (self._identity, entry.identity)
        return Answer(entry.status, fields + moment, b"" if wants.head else body)


def paid_answer(entry: Entry, wants: Wants, cache_status: str) -> Answer:
    """The answer to the client whose request caused the fetch: with the cost that the provider told, and an Age only
    if the provider's side told one."""
    etag = _weak_etag(entry)
    told = ((b"Age", b"%d" % entry.initial_age),) if entry.initial_age else ()
    moment = (*told, (b"Cache-Status", f"{NAME}; {cache_status}".encode()))
    common = _common_fields(entry, etag)
    if wants.if_none_match is not None and entry.status == 200 and etag_matches(wants.if_none_match, etag):
        return _not_modified((*common, *moment))
    body = entry.gzip if wants.gzip else entry.identity
    coding = ((b"Content-Encoding", b"gzip"),) if wants.gzip else ()
    fields = (
        *common,
        *coding,
        (b"Content-Length", b"%d" % len(body)),
        *moment,
    )
    return Answer(entry.status, fields, b"" if wants.head else body)


def verbatim(response: Response, cache_status: str, wants: Wants) -> Answer:
    """A provider's answer that is passed on as it is, error or not."""
    # Cookies were meant for holdover, not for whoever shares its answer.
    left_out = {"content-length", "set-cookie", "set-cookie2"}
    fields = [item for item in forwarded(response.headers) if item[0].lower() not in left_out]
    fields.append(("Content-Length", str(len(response.body))))
    fields.append(("Cache-Status", f"{NAME}; {cache_status}"))
    return Answer(response.status, encoded(tuple(fields)), b"" if wants.head else response.body)


def local(
    status: int,
    message: str,
    *,
    retry_after: float | None = None,
    cache_status: str | None = None,
    head: bool = False,
) -> Answer:
    """An answer of holdover's own. JSON, because the clients of these APIs parse whatever they get. `head`: to a HEAD
    request, without the body."""
    body = json.dumps({"message": f"{NAME}: {message}"}).encode()
    fields = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("Cache-Status", f"{NAME}; {cache_status or detail(message)}"),
    ]
    if retry_after is not None:
        fields.append(("Retry-After", str(max(1, round(retry_after)))))
    return Answer(status, encoded(tuple(fields)), b"" if head else body)


def etag_matches(if_none_match: str, etag: str) -> bool:
    """Weak comparison with each member of the list (RFC 9110 sections 8.8.3.2 and 13.1.2); a field that is no such
    list matches nothing."""
    value = if_none_match.strip()
    if value == "*":
        return True
    return bool(_ETAG_LIST.fullmatch(value)) and etag.removeprefix("W/") in _OPAQUE_TAG.findall(value)


def _not_modified(fields: Fields) -> Answer:
    return Answer(304, tuple(item for item in fields if item[0].lower() not in _NOT_IN_304), b"")


def _weak_etag(entry: Entry) -> str:
    """Always weak: the same tag stands for both codings, and for odds that differ in nothing but timestamps."""
    return f'W/"{entry.revision}"'


type _Quota = tuple[tuple[bytes, bytes, str], ...]
"""Name, value, and which setting names the field."""


def _quota_fields(entry: Entry, quota: QuotaSettings) -> _Quota:
    """Real clients read the quota fields of every answer and crash without them; a hit cost nothing."""
    settings = {"last": quota.last, "remaining": quota.remaining, "used": quota.used}
    which = {name.lower(): setting for setting, name in settings.items() if name is not None}
    named = [(name, value, which[name.lower()]) for name, value in entry.headers if name.lower() in which]
    plain = encoded(tuple((name, "0" if setting == "last" else value) for name, value, setting in named))
    return tuple((*field, setting) for field, (_, _, setting) in zip(plain, named, strict=True))


def _as_told(fields: _Quota, told: Told) -> Iterator[tuple[bytes, bytes]]:
    latest = {"remaining": told.remaining, "used": told.used}
    for name, value, setting in fields:
        now = latest.get(setting)
        yield name, value if now is None else figure(now)


def _common_fields(entry: Entry, etag: str) -> Fields:
    fields = [(name, value) for name, value in entry.headers if name.lower() != "etag"]
    if entry.status == 200:
        fields.append(("ETag", etag))
    if "accept-encoding" not in elements(header(entry.headers, "vary")):
        fields.append(("Vary", "Accept-Encoding"))
    return encoded(tuple(fields))


def encoded(headers: Headers) -> Fields:
    """Field lines as they go on the wire."""
    return tuple(
        (name.encode("utf-8", "surrogateescape"), value.encode("utf-8", "surrogateescape")) for name, value in headers
    )
