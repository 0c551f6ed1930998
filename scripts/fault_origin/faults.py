"""The faults by name. Each is played on a connection with the answer that would have been good; the connection is
closed afterwards, unless the fault says that it stays open."""

import asyncio
import gzip
import zlib
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from types import MappingProxyType

from .wire import END, Good, Wire, chunk

BOMB_BYTES = 64 * 1_048_576
HUGE_FIELD_BYTES = 1_048_576
DRIP_S = 20.0
DRIPS = 200
LATE_S = 0.02
APART_S = 0.25
SMUGGLED = b'[{"smuggled": true}]'
PAGE = b"<html><head><title>Maintenance</title></head><body>We will be back soon.</body></html>"
NOT_JSON = b'[{"id":"\xff\xfe", unfinished'
ERROR = b'{"error_code": "INTERNAL", "message": "something went wrong"}'

type Play = Callable[[Wire, Good], Awaitable[bool | None]]
"""True: the connection stays open for the next request."""


async def truncated_by_length(wire: Wire, good: Good) -> None:
    await wire.send(good.sized() + good.half)


async def truncated_chunks(wire: Wire, good: Good) -> None:
    half = len(good.body) // 2
    await wire.send(good.chunked() + chunk(good.half) + chunk(good.body[half:])[:-20])


async def missing_last_chunk(wire: Wire, good: Good) -> None:
    await wire.send(good.chunked() + chunk(good.half) + chunk(good.body[len(good.half) :]))


async def reset_before_head(wire: Wire, _: Good) -> None:
    await wire.reset()


async def reset_in_head(wire: Wire, good: Good) -> None:
    await wire.send(good.sized()[:40])
    await wire.reset()


async def reset_in_body(wire: Wire, good: Good) -> None:
    await wire.send(good.sized() + good.half)
    await wire.reset()


async def stalled_before_head(wire: Wire, _: Good) -> None:
    await wire.silence()


async def stalled_in_head(wire: Wire, good: Good) -> None:
    await wire.send(good.sized()[:40])
    await wire.silence()


async def stalled_in_body(wire: Wire, good: Good) -> None:
    await wire.send(good.sized() + good.half)
    await wire.silence()


async def garbage(wire: Wire, _: Good) -> None:
    await wire.send(b"\x15\x03\x01\x00\x02\x02\x16 this is no HTTP \xff\x00\r\n\r\n" * 10)


async def empty(_: Wire, __: Good) -> None:
    pass


async def length_too_long(wire: Wire, good: Good) -> None:
    await wire.send(good.sized(len(good.body) + 100) + good.body)
    await wire.silence()


async def length_too_short(wire: Wire, good: Good) -> bool:
    await wire.send(good.sized(len(good.half)) + good.body)
    return True


async def bad_chunk_size(wire: Wire, good: Good) -> None:
    await wire.send(good.chunked() + b"0x3g\r\n" + good.body + b"\r\n" + END)


async def huge_chunk_size(wire: Wire, good: Good) -> None:
    await wire.send(good.chunked() + b"fffffffffffffffff\r\n" + good.body + b"\r\n" + END)


async def bad_chunk_size_later(wire: Wire, good: Good) -> None:
    await _in_two(wire, good.chunked(), b"0x3g\r\n" + good.body + b"\r\n" + END)


async def huge_chunk_size_later(wire: Wire, good: Good) -> None:
    await _in_two(wire, good.chunked() + chunk(good.half), b"fffffffffffffffff\r\n")


async def overlong_chunk(wire: Wire, good: Good) -> None:
    rest = good.body[len(good.half) :]
    await _in_two(wire, good.chunked() + chunk(good.half)[:-2], rest + b"\r\n" + END)


async def bad_trailer(wire: Wire, good: Good) -> None:
    await _in_two(wire, good.chunked() + chunk(good.body), b"0\r\nX Bad\x01Name: 1\r\n\r\n")


async def _in_two(wire: Wire, first: bytes, bad: bytes) -> None:
    """The bad part in a packet of its own. Then silence: an end would show it as broken off, if nothing else did."""
    await wire.send(first)
    await asyncio.sleep(APART_S)
    await wire.send(bad)
    await wire.silence()


async def early_hints(wire: Wire, good: Good) -> bool:
    await wire.send(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")
    await asyncio.sleep(LATE_S)
    await wire.send(good.sized() + good.body)
    return True


async def continued(wire: Wire, good: Good) -> bool:
    await wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    await asyncio.sleep(LATE_S)
    await wire.send(good.sized() + good.body)
    return True


async def endless_hints(wire: Wire, _: Good) -> None:
    while True:
        await wire.send(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")
        await asyncio.sleep(0.001)


async def endless_headers(wire: Wire, good: Good) -> None:
    await wire.send(good.sized()[:-2])
    number = 0
    while True:
        await wire.send(b"".join(b"X-Field-%d: value\r\n" % n for n in range(number, number + 50)))
        number += 50
        await asyncio.sleep(0.001)


async def huge_header(wire: Wire, good: Good) -> None:
    await wire.send(
        good.head(("X-Huge", "a" * HUGE_FIELD_BYTES), ("Content-Length", str(len(good.body)))) + good.body
    )


async def slow_drip(wire: Wire, good: Good) -> None:
    await wire.send(good.sized())
    size = max(1, len(good.body) // DRIPS)
    for first in range(0, len(good.body), size):
        await asyncio.sleep(DRIP_S / DRIPS)
        await wire.send(good.body[first : first + size])


async def close_delimited(wire: Wire, good: Good) -> None:
    await wire.send(good.head(("Connection", "close")) + good.body)


async def close_delimited_and_cut(wire: Wire, good: Good) -> None:
    await wire.send(good.head(("Connection", "close")) + good.half)


async def smuggled(wire: Wire, good: Good) -> bool:
    other = good.saying(SMUGGLED)
    await wire.send(good.sized() + good.body + other.sized() + other.body)
    return True


async def smuggled_late(wire: Wire, good: Good) -> bool:
    other = good.saying(SMUGGLED)
    await wire.send(good.sized() + good.body)
    await asyncio.sleep(LATE_S)
    # To a request that has come meanwhile it would be the answer.
    if not wire.asked:
        await wire.send(other.sized() + other.body)
    return True


async def two_lengths(wire: Wire, good: Good) -> None:
    lengths = [("Content-Length", str(size)) for size in (len(good.half), len(good.body))]
    await wire.send(good.head(*lengths) + good.body)


async def length_and_chunks(wire: Wire, good: Good) -> None:
    framing = ("Content-Length", str(len(good.half))), ("Transfer-Encoding", "chunked")
    await wire.send(good.head(*framing) + chunk(good.body) + END)


async def bad_field_name(wire: Wire, good: Good) -> None:
    await wire.send(good.head(("X Bad\x01Name", "1"), ("Content-Length", str(len(good.body)))) + good.body)


async def nul_in_field(wire: Wire, good: Good) -> None:
    await wire.send(good.head(("X-Nul", "a\x00b"), ("Content-Length", str(len(good.body)))) + good.body)


async def broken_gzip(wire: Wire, good: Good) -> bool:
    packed = gzip.compress(good.body)
    packed = packed[: len(packed) // 2]
    framing = ("Content-Encoding", "gzip"), ("Content-Length", str(len(packed)))
    await wire.send(good.head(*framing) + packed)
    return True


async def gzip_bomb(wire: Wire, good: Good) -> bool:
    framing = ("Content-Encoding", "gzip"), ("Content-Length", str(len(bomb())))
    await wire.send(good.head(*framing) + bomb())
    return True


async def wrong_type(wire: Wire, good: Good) -> bool:
    page = good.saying(PAGE, "text/html")
    await wire.send(page.sized() + page.body)
    return True


async def not_json(wire: Wire, good: Good) -> bool:
    wrong = good.saying(NOT_JSON)
    await wire.send(wrong.sized() + wrong.body)
    return True


async def error_in_200(wire: Wire, good: Good) -> bool:
    told = good.saying(ERROR)
    await wire.send(told.sized() + told.body)
    return True


@cache
def bomb() -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    piece = b" " * 1_048_576
    return b"".join([packer.compress(piece) for _ in range(BOMB_BYTES // len(piece))] + [packer.flush()])


_ALL: tuple[Play, ...] = (
    truncated_by_length,
    truncated_chunks,
    missing_last_chunk,
    reset_before_head,
    reset_in_head,
    reset_in_body,
    stalled_before_head,
    stalled_in_head,
    stalled_in_body,
    garbage,
    empty,
    length_too_long,
    length_too_short,
    bad_chunk_size,
    huge_chunk_size,
    bad_chunk_size_later,
    huge_chunk_size_later,
    overlong_chunk,
    bad_trailer,
    early_hints,
    continued,
    endless_hints,
    endless_headers,
    huge_header,
    slow_drip,
    close_delimited,
    close_delimited_and_cut,
    smuggled,
    smuggled_late,
    two_lengths,
    length_and_chunks,
    bad_field_name,
    nul_in_field,
    broken_gzip,
    gzip_bomb,
    wrong_type,
    not_json,
    error_in_200,
)
FAULTS: Mapping[str, Play] = MappingProxyType({play.__name__.replace("_", "-"): play for play in _ALL})
