"""A house under load: clients that poll all the time and note every error and every step back."""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

from scripts.rig import HOST, busy, wait_for
from tests.faults.table import BACK_S

TARGET = "/v4/sports/soccer_epl/odds?regions=us&apiKey=client"


@dataclass
class Seen:
    """One answer, or why there was none. What came of it was decided after `asked_at`; `at` may be much later, where
    others keep this client from the processor."""

    asked_at: float
    at: float
    status: int = 0
    revision: int = 0
    cache: str = ""
    error: str = ""
    generated_at: float = 0.0
    message: bytes = b""

    @property
    def age_s(self) -> float:
        """How old its content was at least when it was given; 0 where it does not tell."""
        return self.asked_at - self.generated_at if self.generated_at else 0.0


def ask(port: int, target: str = TARGET, timeout: float = 20.0) -> Seen:
    connection, asked_at = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout), time.time()
    try:
        connection.request("GET", target, headers={"Host": HOST})
        answer = connection.getresponse()
        body = answer.read()
        return Seen(
            asked_at,
            time.time(),
            answer.status,
            int(answer.headers.get("X-Emulator-Revision", 0)),
            answer.headers.get("Cache-Status", ""),
            generated_at=float(answer.headers.get("X-Emulator-Generated-At", 0)),
            message=body if answer.status != 200 else b"",
        )
    except (ConnectionResetError, http.client.IncompleteRead) as error:
        return Seen(asked_at, time.time(), error=f"lost: {error!r}")
    except OSError as error:
        return Seen(asked_at, time.time(), error=repr(error))
    except http.client.HTTPException as error:
        return Seen(asked_at, time.time(), error=repr(error))
    finally:
        connection.close()


@dataclass
class Load:
    """Clients polling one key, a connection per request, as most legacy clients do."""

    port: int
    clients: int = 4
    target: str = TARGET
    seen: list[list[Seen]] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def _poll(self, mine: list[Seen]) -> None:
        while not self._stop.wait(0.05):
            mine.append(ask(self.port, self.target))

    @contextmanager
    def on(self) -> Iterator["Load"]:
        self.seen = [[] for _ in range(self.clients)]
        threads = [threading.Thread(target=self._poll, args=(mine,)) for mine in self.seen]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    @property
    def answers(self) -> list[Seen]:
        return sorted((one for mine in self.seen for one in list(mine)), key=lambda one: one.at)

    def failures(self, since: float = 0.0) -> list[Seen]:
        """Of what was asked since then."""
        return [one for one in self.answers if one.asked_at >= since and one.status != 200]

    def ages(self) -> list[float]:
        return [one.age_s for one in self.answers if one.status == 200 and one.generated_at]

    def backwards(self) -> int:
        """Times that a client saw an older revision after a newer one."""
        revisions = [[one.revision for one in mine if one.status == 200] for mine in self.seen]
        return sum(later < earlier for mine in revisions for earlier, later in pairwise(mine))

    def until_newer(self, seconds: float = BACK_S) -> None:
        """Waits until clients get odds that the provider generated after this call; `seconds` on a machine that has
        nothing else to do."""
        now = time.time()
        wait_for(lambda: any(one.generated_at > now for mine in self.seen for one in mine[-9:]), seconds * busy())
