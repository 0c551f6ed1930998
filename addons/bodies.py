"""What of requests' bodies is held for providers: mitmproxy passes a request on once it is whole, so that no provider
ever gets a part of one."""

from typing import Protocol

PIECE_BYTES = 64
"""What each piece takes besides its bytes."""


class Sender(Protocol):
    """A connection. `gives_way`: more of its body is to come, or of what is none; `crowd_out` has its request refused
    and frees what is held of it."""

    def gives_way(self) -> bool: ...

    def crowd_out(self) -> None: ...


class Bodies:
    """Of one process, in bytes by connection: from the first on until mitmproxy has done with the request."""

    def __init__(self) -> None:
        self.total = 0
        self._sizes: dict[Sender, int] = {}

    def add(self, sender: Sender, size: int, most: int) -> None:
        """A piece that has come and is not passed on yet. Beyond `most` the largest that is not whole gives way, be
        it this one: small ones find room whoever sends large ones."""
        self._sizes[sender] = self._sizes.get(sender, 0) + size + PIECE_BYTES
        self.total += size + PIECE_BYTES
        while self.total > most and sender in self._sizes:
            unfinished = [each for each in self._sizes if each is sender or each.gives_way()]
            largest = max(unfinished, key=self._sizes.__getitem__)
            self.drop(largest)
            largest.crowd_out()

    def drop(self, sender: Sender) -> None:
        """Nothing is held for it any more."""
        self.total -= self._sizes.pop(sender, 0)
