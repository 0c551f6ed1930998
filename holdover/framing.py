"""Where the body of a request ends whose head `holdover.hygiene` has let pass: what is behind it is another request.

Read piece by piece, however the bytes are cut. What goes on of a body of chunks has no chunk extensions and no
trailer fields: recipients ignore the ones (RFC 9112 section 7.1.1) and may discard the others (section 7.1.2), and
mitmproxy cannot read them."""

import re
from collections.abc import Callable
from typing import Protocol

MAX_LINE_BYTES = 4_096
MAX_BESIDE_BYTES = 16_384
"""Of extensions and trailer fields together, which nobody needs."""

_FRAMING = re.compile(rb"\n(?:content-length:[ \t]*([0-9]+)|transfer-encoding:)", re.IGNORECASE)
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})((?:[ \t]*;[\t -~\x80-\xff]*)?)\r\n")
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*\r\n")


class Body(Protocol):
    """One request's. `done`: it is whole; `broken`: where it ends is not to be known, nothing of it is taken any
    more."""

    done: bool
    broken: bool

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """What of it goes on, and what belongs to it no more."""


class Passed:
    """A request that is passed on, whose head is this: its `body`, and whether it is `answered`."""

    def __init__(self, head: bytes) -> None:
        self.body = body_of(head)
        self.answered = False
        self._connects = head.startswith(b"CONNECT ")

    def ends_http(self, answer: bytes) -> bool:
        """Whether this piece of the answer, with a whole head if it is the first, makes a tunnel or another protocol
        of the connection (RFC 9110 sections 7.8 and 9.3.6)."""
        if self.answered or (answer[9:10] == b"1" and answer[9:12] != b"101"):
            return False
        self.answered = True
        return answer[9:12] == b"101" or (self._connects and answer[9:10] == b"2")


def body_of(head: bytes) -> Body:
    """The body behind a head that is in order."""
    found = _FRAMING.search(head)
    if found is None:
        return Sized(0)
    return Chunked() if found[1] is None else Sized(int(found[1]))


class Sized:
    """So many bytes."""

    broken = False

    def __init__(self, size: int) -> None:
        self._left = size
        self.done = not size

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        part, rest = data[: self._left], data[self._left :]
        self._left -= len(part)
        self.done = not self._left
        return part, rest


class Chunked:
    """Chunks, each behind a line that tells its size, until one of none (RFC 9112 section 7.1)."""

    def __init__(self) -> None:
        self.done = self.broken = False
        self._left = 0
        self._line = b""
        self._spare = MAX_BESIDE_BYTES
        # What the next line says; what it sends on, or None when it says something else.
        self._read: Callable[[bytes], bytes | None] = self._size

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        out, at = list[bytes](), 0
        while at < len(data) and not self.done and not self.broken:
            if self._left:
                part = data[at : at + self._left]
                self._left -= len(part)
                at += len(part)
                out.append(part)
                continue
            end = data.find(b"\n", at, at + MAX_LINE_BYTES) + 1 or min(len(data), at + MAX_LINE_BYTES)
            self._line += data[at:end]
            at = end
            if len(self._line) > MAX_LINE_BYTES or self._is_wrong():
                self.broken = True
            elif self._line.endswith(b"\n"):
                line, self._line = self._line, b""
                said = self._read(line)
                self.broken = said is None or self._spare < 0
                out.append(b"" if self.broken else said or b"")
        return b"".join(out), data[at:]

    def _is_wrong(self) -> bool:
        """Behind a chunk nothing but the end of its line is waited for."""
        return self._read == self._end and not b"\r\n".startswith(self._line)

    def _size(self, line: bytes) -> bytes | None:
        if (found := _SIZE.fullmatch(line)) is None:
            return None
        self._spare -= len(found[2])
        self._left = int(found[1], 16)
        self._read = self._end if self._left else self._trailer
        return b"%x\r\n" % self._left if self._left else b""

    def _end(self, line: bytes) -> bytes:
        self._read = self._size
        return line

    def _trailer(self, line: bytes) -> bytes | None:
        if line == b"\r\n":
            # Only now: whoever reads on has a whole request, or none.
            self.done = True
            return b"0\r\n\r\n"
        self._spare -= len(line)
        return b"" if _TRAILER.fullmatch(line) else None
