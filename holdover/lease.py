"""An answer that may be given again as it is: what a hit is made of when there is no time to make it anew."""

from dataclasses import dataclass, field

from holdover.answer import Answer, Ready
from holdover.key import Cacheable
from holdover.metrics import Outcome


@dataclass(slots=True, eq=False)
class Lease:
    """`answer` may be given from `since` on and before `until` (Unix seconds), as long as `ready` is not outdated and
    the stand-in is still of this `epoch`; `together` when the store has to be asked each time.

    Whoever gives it notes so: how often to each client, the `seconds` that all of it took, and when last. `parts` are
    the answer as it goes on the wire, `size` bytes; `close` when the connection ends with it."""

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
    close: bool = False
    clients: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    last: float = 0.0
