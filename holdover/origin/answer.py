"""Answers made of stored responses, and those that go past them."""

from holdover.answer import NAME, Answer, encoded
from holdover.caching.freshness import age_now
from holdover.caching.ranges import part
from holdover.caching.stored import Stored
from holdover.caching.storing import forwarded
from holdover.caching.validation import in_304, not_modified
from holdover.exchange import Headers, Request, Response

_WITHOUT_BODY = frozenset((204, 304))


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


def _whole(status: int, fields: Headers, body: bytes, *, head: bool) -> Answer:
    fields = tuple(item for item in fields if item[0].lower() != "content-length")
    if status not in _WITHOUT_BODY:
        fields = (*fields, _length(body))
    return Answer(status, encoded(fields), b"" if head else body)


def _length(body: bytes) -> tuple[str, str]:
    return "Content-Length", str(len(body))
