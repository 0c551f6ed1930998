"""Answers made of stored responses, and those that go past them."""

import re

from holdover.answer import NAME, Answer, encoded, head_of
from holdover.caching.freshness import age_now
from holdover.caching.ranges import part
from holdover.caching.stored import Stored
from holdover.caching.storing import forwarded
from holdover.caching.validation import in_304, not_modified
from holdover.exchange import Headers, Request, Response, header

_WITHOUT_BODY = frozenset((204, 304))
# RFC 8297 section 3: a client that takes the first response for the final one has the next one answer another of its
# requests, so it is told only if it is known not to. Python's http.client takes them so, and all that is built on it;
# what is in browsers' names may be anything.
_KNOW_INTERIM = re.compile(r"(?:^| )(?:aiohttp|axios|curl|Go-http-client|node|python-httpx|undici)(?:[/ ]|$)")


def of_stored(stored: Stored, request: Request, cache_status: str, now: float | None) -> Answer:
    """A hit, with its Age at `now`; without `now`, the answer to who had the origin asked, with the Age that was told
    if any (RFC 9111 section 5.1)."""
    also: Headers = (("Cache-Status", f"{NAME}; {cache_status}"),)
    if now is not None:
        also = (("Age", str(int(age_now(stored, now)))), *also)
    if not_modified(stored, request.headers):
        return Answer(304, encoded((*in_304(stored.headers), *also)), b"")
    head = request.method == "HEAD"
    found = part(stored, request.headers) if not head else None
    if found is not None:
        return Answer(found.status, encoded((*found.headers, _length(found.body), *also)), found.body)
    return _whole(stored.status, (*stored.headers, *also), stored.body, head=head)


def of_origin(response: Response, request: Request, cache_status: str) -> Answer:
    """What the origin said, as it said it."""
    also = ("Cache-Status", f"{NAME}; {cache_status}")
    fields = (*forwarded(response.headers), also)
    if request.method == "HEAD":
        # Its length is that of another body, which did not come.
        return Answer(response.status, encoded(fields), b"")
    return _whole(response.status, fields, response.body, head=False)


def before(response: Response, request: Request) -> bytes:
    """The interim responses as they go on (RFC 9110 section 15.2). None has a body, whatever it tells."""
    about_a_body, told = ("content-length", "trailer"), b""
    if not _KNOW_INTERIM.search(header(request.headers, "user-agent") or ""):
        return told
    for status, headers in response.interim:
        fields = tuple(item for item in forwarded(headers) if item[0].lower() not in about_a_body)
        told += head_of(Answer(status, encoded(fields), b""))
    return told


def _whole(status: int, fields: Headers, body: bytes, *, head: bool) -> Answer:
    fields = tuple(item for item in fields if item[0].lower() != "content-length")
    if status not in _WITHOUT_BODY:
        fields = (*fields, _length(body))
    return Answer(status, encoded(fields), b"" if head else body)


def _length(body: bytes) -> tuple[str, str]:
    return "Content-Length", str(len(body))
