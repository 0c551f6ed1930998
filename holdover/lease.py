"""An answer that may be given again as it is: what a hit is made of when there is no time to make it anew."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from holdover.answer import Answer, Ready
from holdover.key import Cacheable
from holdover.metrics import Outcome


class AnonymousFile:
    """Bytes in memory that the system sends without a copy of its own, sendfile(2); gone with the last reference.
    What is on its way to a client by then stays. Raises OSError where there is none to be had."""

    __slots__ = ("__weakref__", "descriptor")

    def __init__(self, parts: Sequence[bytes]) -> None:
        self.descriptor = os.memfd_create("answer")
        if os.writev(self.descriptor, parts) != sum(map(len, parts)):
            raise OSError("an answer was not written as a whole")

    def __del__(self) -> None:
        # Nothing was made where `memfd_create` failed.
        if (descriptor := getattr(self, "descriptor", None)) is not None:
            os.close(descriptor)


@dataclass(slots=True, eq=False)
class Lease:
    """`answer` may be given from `since` on and before `until` (Unix seconds), as long as `ready` is not outdated and
    the stand-in is still of this `epoch`; `together` when the store has to be asked each time.

    Whoever gives it notes so: how often to each client, the `seconds` that all of it took, and when last. `parts` are
    the answer as it goes on the wire, `size` bytes, which are in `file`, too, if there is one; `close` when the
    connection ends with it. `pieced` is how often it was sent in pieces."""

    cacheable: Cacheable
    answer: Answer
    outcome: Outcome
    ready: Ready
    since: float
    until: float
    epoch: int
    together: bool
    parts: tuple[bytes, ...] = ()
    size: int = 0
    file: AnonymousFile | None = None
    close: bool = False
    clients: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    last: float = 0.0
    pieced: int = 0
