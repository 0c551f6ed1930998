"""Projections compared with the vendor's own answers: one that is wrong is used no more, and people are told."""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from scripts.rig import emulator, running, stop, wait_for
from tests.e2e.vendors import OPEN, count, port_of, stood_in
from tests.e2e.wire import STILL, Reply, ask
from tests.here import run

WIDE = "/v4/sports/soccer_epl/odds?apiKey=k&regions=uk&markets=h2h,totals"
CHEATED = "/v4/sports/soccer_epl/odds?apiKey=k&regions=uk&markets=h2h"
HONEST = f"{WIDE}&dateFormat=unix"
BRISK: dict[str, Any] = dict.fromkeys(("window_s", "in_play_s", "near_s", "far_s", "empty_s", "cadence_s"), "2")
SHADOW = "[shadow]\none_in = 1\ncredits_per_day = 1_000_000"


class Cheat(ThreadingHTTPServer):
    """The emulator, but with another price in what is asked for h2h alone while `cheating`."""

    daemon_threads = True
    block_on_close = False
    origin: int
    cheating: bool

    def fetched(self, target: str) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.origin, timeout=60)
        try:
            connection.request("GET", target)
            answer = connection.getresponse()
            fields = [(name, value) for name, value in answer.getheaders() if name.lower() != "content-length"]
            return answer.status, fields, self.told(target, answer.read())
        finally:
            connection.close()

    def told(self, target: str, body: bytes) -> bytes:
        alone = "markets=h2h&" in f"{target}&"
        return body.replace(b'"price":', b'"price":1', 1) if self.cheating and alone else body


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Cheat

    def do_GET(self) -> None:
        status, fields, body = self.server.fetched(self.path)
        self.send_response_only(status)
        for name, value in (*fields, ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def cheat(origin: int) -> Iterator[Cheat]:
    with Cheat(("127.0.0.1", 0), _Handler) as server:
        server.origin, server.cheating = origin, True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Asked:
    port: int
    vendor: int

    def both(self, target: str) -> tuple[Reply, Reply]:
        """Through holdover, and the vendor's own."""
        return ask(self.port, target), ask(self.vendor, target)


def counterexamples(folder: Path) -> list[Path]:
    return sorted(path.parent for path in (folder / "var").rglob("direct.json"))


def test_a_projection_that_differs_is_switched_off_until_somebody_trusts_it(tmp_path: Path):
    with (
        emulator(**STILL) as provider,
        cheat(port_of(provider.url)) as vendor,
        stood_in(
            tmp_path, f"http://127.0.0.1:{vendor.server_port}", "the-odds-api", top=OPEN, tables=SHADOW, **BRISK
        ) as house,
    ):
        asked = Asked(house.ports["reverse"], vendor.server_port)

        def off(kind: str) -> float:
            return count(house, "admin", "holdover_projection_switched_off", f'kind="{kind}"')

        def switched_off() -> bool:
            for target in (WIDE, CHEATED, HONEST):
                assert ask(asked.port, target).status == 200
            return off("markets") == 1

        ask(asked.port, WIDE)
        wrong, true = asked.both(CHEATED)
        assert 'projected=markets"' in wrong.cache
        assert wrong.body != true.body
        wait_for(switched_off, 60, 0.2)
        through, own = asked.both(CHEATED)
        assert through.body == own.body, "not even until its window ends"

        [kept] = counterexamples(tmp_path)
        projected, direct = (json.loads((kept / f"{name}.json").read_text()) for name in ("projected", "direct"))
        assert projected == wrong.json
        assert direct == true.json
        assert "markets=h2h%2Ctotals" in (kept / "requests.txt").read_text()
        compared = "holdover_shadow_comparisons_total"
        assert count(house, "admin", compared, 'result="different"') == 1
        wait_for(lambda: switched_off() and count(house, "admin", compared, 'result="equal"') >= 1, 60, 0.2)
        assert off("dates") == 0
        [line] = [line for line in house.log.read_text().splitlines() if " ERROR " in line]
        assert "projections of the-odds-api by markets differ" in line
        assert str(kept) in line

        assert 'projected=dates"' in ask(asked.port, HONEST).cache

        refused = run(house, "trust", "the-odds-api/dates")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "is not switched off; there are: markets" in refused.stderr
        assert run(house, "trust", "the-odds-api/markets").returncode == 0
        vendor.cheating = False
        assert house.process is not None
        stop(house.process)
        with running(house):
            assert off("markets") == 0

            def projected_again() -> bool:
                through, own = asked.both(WIDE), asked.both(CHEATED)
                assert through[0].body == through[1].body
                return 'projected=markets"' in own[0].cache and own[0].body == own[1].body

            wait_for(projected_again, 60, 0.2)
