"""Parts of a stored whole (RFC 9110 section 14)."""

import re
from dataclasses import dataclass
from itertools import pairwise

from holdover.caching.dates import parsed
from holdover.caching.freshness import first
from holdover.caching.stored import Stored
from holdover.exchange import Headers, header

MOST_RANGES = 8
RANGE_FIELDS = frozenset(("range", "if-range"))
_BYTES = re.compile(r"bytes=[ \t]*(.*)", re.IGNORECASE)
_RANGE = re.compile(r"(\d{1,18})-(\d{0,18})|-(\d{1,18})", re.ASCII)
_ABOUT_THE_WHOLE = frozenset(("content-length", "content-range"))
_SEPARATOR = "holdover-part"


@dataclass(frozen=True, slots=True)
class Part:
    """A 206 or a 416 made of a stored response."""

    status: int
    headers: Headers
    body: bytes


def part(stored: Stored, request: Headers) -> Part | None:
    """None when the whole is to be sent: there is no Range, it is malformed, of another unit or of too many or
    overlapping parts (RFC 9110 section 14.2 lets them be ignored), or If-Range does not hold."""
    spans = _spans(header(request, "range"), len(stored.body))
    if stored.status != 200 or spans is None or not _if_range(stored, request):
        return None
    fields = tuple(item for item in stored.headers if item[0].lower() not in _ABOUT_THE_WHOLE)
    size = len(stored.body)
    if not spans:
        return Part(416, (*fields, ("Content-Range", f"bytes */{size}")), b"")
    if len(spans) == 1:
        [(begin, end)] = spans
        return Part(206, (*fields, ("Content-Range", f"bytes {begin}-{end - 1}/{size}")), stored.body[begin:end])
    return _several(stored, fields, spans)


def _several(stored: Stored, fields: Headers, spans: list[tuple[int, int]]) -> Part:
    """RFC 9110 section 15.3.7.2."""
    media_type, size = header(fields, "content-type"), len(stored.body)
    separator = _SEPARATOR
    while separator.encode() in stored.body:
        separator += "-"
    told = f"Content-Type: {media_type}\r\n".encode("utf-8", "surrogateescape") if media_type is not None else b""
    pieces = [
        b"--%b\r\n%bContent-Range: bytes %d-%d/%d\r\n\r\n%b\r\n"
        % (separator.encode(), told, begin, end - 1, size, stored.body[begin:end])
        for begin, end in spans
    ]
    outer = tuple(item for item in fields if item[0].lower() != "content-type")
    body = b"".join((*pieces, b"--%b--\r\n" % separator.encode()))
    return Part(206, (*outer, ("Content-Type", f"multipart/byteranges; boundary={separator}")), body)


def _spans(value: str | None, size: int) -> list[tuple[int, int]] | None:
    """Begin and end of each part that there is; empty when there is none, None when Range is to be ignored."""
    if value is None or (found := _BYTES.fullmatch(value.strip(" \t"))) is None:
        return None
    spans: list[tuple[int, int]] = []
    asked = [text.strip(" \t") for text in found[1].split(",")]
    if len(asked) > MOST_RANGES:
        return None
    for text in asked:
        if (one := _RANGE.fullmatch(text)) is None:
            return None
        if one[3] is not None:
            begin, end = max(0, size - int(one[3])), size
        else:
            begin, end = int(one[1]), min(int(one[2]) + 1, size) if one[2] else size
            if one[2] and int(one[2]) < int(one[1]):
                return None
        if begin < end:
            spans.append((begin, end))
    ordered = sorted(spans)
    overlap = any(one[1] > other[0] for one, other in pairwise(ordered))
    return None if overlap else spans


def _if_range(stored: Stored, request: Headers) -> bool:
    """RFC 9110 section 13.1.5: by strong comparison, or the very date of Last-Modified, if that is a strong validator
    (section 8.8.2.2: a minute older than Date)."""
    if (told := header(request, "if-range")) is None:
        return True
    told = told.strip(" \t")
    if told.endswith('"'):
        return told == stored.etag and not told.startswith("W/")
    moment, changed = parsed(told, stored.received_at), parsed(stored.last_modified, stored.received_at)
    dated = parsed(first(stored.headers, "date"), stored.received_at) or stored.received_at
    return moment is not None and moment == changed and dated - moment >= 60
