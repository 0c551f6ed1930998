"""Whether a request's head may go on to those who read it loosely. `holdover.head` accepts what the lane answers.
What it does not accept is in order all the same, or is refused here: nobody behind may take it for another request.

Left to others are lines that all end with LF alone, methods that are unknown or in small letters, and bytes above
0x7f in the values of fields. Sections without a name are those of RFC 9112."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from holdover.head import MAX_FIELDS, MAX_TARGET_BYTES

_END = re.compile(rb"\n\r?\n")
_EMPTY_LINES = re.compile(rb"(?:\r?\n)+")
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_NAME = re.compile(_TOKEN)
# A CR is a part of a line's end or forbidden (section 2.2), as all controls but the tab are (RFC 9110 section 5.5).
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?=[^\n])")
_BEGIN = re.compile(rb"(?:%b(?: |\Z)|\r\Z)" % _TOKEN)
_LINE = re.compile(rb"(%b) ([!-~]+) HTTP/([0-9])\.([0-9])" % _TOKEN)
_HOST = rb"(?:[0-9A-Za-z_-]+(?:\.[0-9A-Za-z_-]+)*\.?|\[[0-9A-Fa-f:.]+\])"
_AUTHORITY = re.compile(rb"%b(?::([0-9]{0,5}))?" % _HOST)
_TARGET = re.compile(rb"(?:(?i:https?)://%b(?::[0-9]{0,5})?(?=[/?]|\Z)|/)[^#]*" % _HOST)
_TUNNEL = re.compile(rb"%b:[0-9]{1,5}" % _HOST)
_LENGTH = re.compile(rb"[0-9]{1,15}")
_CODINGS = frozenset((b"compress", b"deflate", b"gzip", b"x-compress", b"x-gzip"))


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a request is refused, and by which status; `allow`: which methods may be used (RFC 9110 section 15.5.6);
    `retry_after`: in how many seconds it may be sent again."""

    status: int
    sentence: str
    allow: str = ""
    retry_after: float | None = None


NO_TRACE = Fault(405, "TRACE is not for clients of this proxy", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
_FORBIDDEN = Fault(400, "the request's head has a control character in it")
_NO_REQUEST = Fault(400, "the first line is not a method, a target and a version, with one space between them")


def skip(data: bytes) -> bytes:
    """Without empty lines in front, which old clients send behind a body (section 2.2)."""
    return data[found.end() :] if (found := _EMPTY_LINES.match(data)) else data


def end_of_head(data: bytes, start: int = 0) -> int:
    """Where the head ends that `data` begins with, its empty line included; -1 when that is not to be found behind
    `start`."""
    return found.end() if (found := _END.search(data, start)) else -1


def early(data: bytes, start: int) -> Fault | None:
    """What is wrong with a head of which no more than this has come; `start`: how much of it was judged before. What
    it says is what `fault` says of the whole, however that is cut: the first line's fault comes before all others."""
    if not _BEGIN.match(data):
        return _NO_REQUEST
    end = data.find(b"\n")
    if end >= start and (wrong := _line_fault(data[:end].removesuffix(b"\r"))) is not None:
        return wrong
    return _FORBIDDEN if _CONTROL.search(data, max(0, start - 1)) else None


def fault(head: bytes) -> Fault | None:
    """What is wrong with a whole head."""
    line, *fields = head.replace(b"\r\n", b"\n")[:-2].split(b"\n")
    if (wrong := _line_fault(line)) is not None:
        return wrong
    if _CONTROL.search(head):
        return _FORBIDDEN
    lines = head.count(b"\n")
    if b"\r" in head and head.count(b"\r") != lines:
        return Fault(400, "some lines of the request's head end with CR LF, others with LF")
    if lines - 2 > MAX_FIELDS:
        return Fault(431, f"the request has more than {MAX_FIELDS} fields")
    return _fields_fault(fields, old=line.endswith(b"0"), tunnel=line.startswith(b"CONNECT "))


def _line_fault(line: bytes) -> Fault | None:
    """The request line (section 3)."""
    if not _BEGIN.match(line):
        return _NO_REQUEST
    if _CONTROL.search(line):
        return _FORBIDDEN
    if len(line) > MAX_TARGET_BYTES and len(max(line.split(b" "), key=len)) > MAX_TARGET_BYTES:
        return Fault(414, f"the request's target is longer than {MAX_TARGET_BYTES} bytes")
    if (found := _LINE.fullmatch(line)) is None:
        return _NO_REQUEST
    method, target, major, minor = found.groups()
    if major != b"1":
        return Fault(505, "the request is in another version of HTTP than 1.0 and 1.1")
    if minor not in b"01":
        return Fault(400, "the request is in another version of HTTP than 1.0 and 1.1")
    # Some take methods for the same whatever their case, though they are not (RFC 9110 section 9.1).
    if method.upper() == b"TRACE":
        return NO_TRACE
    return None if _fits(method, target) else Fault(400, "the request's target has none of the forms for its method")


def _fits(method: bytes, target: bytes) -> bool:
    """Whether the target has a form that the method may have (section 3.2). No user (RFC 9110 section 4.2.4), and no
    fragment: that is the client's own."""
    if method.upper() == b"CONNECT":
        return method == b"CONNECT" and _TUNNEL.fullmatch(target) is not None
    return method == b"OPTIONS" if target == b"*" else _TARGET.fullmatch(target) is not None


def _fields_fault(lines: Iterable[bytes], *, old: bool, tunnel: bool) -> Fault | None:
    """Field lines, the Host, and where the body ends. `old`: of HTTP/1.0; `tunnel`: of a CONNECT."""
    told: dict[bytes, list[bytes]] = {b"host": [], b"content-length": [], b"transfer-encoding": []}
    for line in lines:
        name, colon, value = line.partition(b":")
        # Neither a blank in front of the colon nor a folded line (sections 5.1 and 5.2).
        if not colon or _NAME.fullmatch(name) is None:
            return Fault(400, "a field of the request has no name, a malformed one, or goes on in a second line")
        if (values := told.get(name.lower())) is not None:
            values.append(value.strip(b" \t"))
    hosts, lengths, codings = told.values()
    if len(hosts) > 1 or not (hosts or old) or not all(map(_is_authority, hosts)):
        return Fault(400, "the request needs one Host field, with a name and at most a port (section 3.2)")
    if tunnel and (codings or lengths not in ([], [b"0"])):
        return Fault(400, "a CONNECT has no body (RFC 9110 section 9.3.6)")
    if len(lengths) > 1 or not all(map(_LENGTH.fullmatch, lengths)):
        return Fault(400, "the request needs one Content-Length at most, of digits (section 6.2)")
    return _coding_fault(codings, old=old, length=bool(lengths)) if codings else None


def _is_authority(host: bytes) -> bool:
    found = _AUTHORITY.fullmatch(host)
    return found is not None and int(found[1] or 0) <= 65_535


def _coding_fault(told: list[bytes], *, old: bool, length: bool) -> Fault | None:
    """Transfer codings (section 6.1)."""
    codings = [coding.strip(b" \t").lower() for coding in told[0].split(b",")]
    if old or length or len(told) > 1:
        return Fault(400, "the request tells twice, or in a way of another version, where its body ends")
    if codings == [b"chunked"]:
        return None
    if b"chunked" in codings[:-1] or codings[-1] in _CODINGS or not all(map(_NAME.fullmatch, codings)):
        return Fault(400, "the request's last transfer coding has to be chunked, which it can be once")
    return Fault(501, "the request has a transfer coding other than chunked")
