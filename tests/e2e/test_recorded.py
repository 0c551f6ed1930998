"""Recorded provider payloads, served by a plain server, reach clients byte for byte, fetched once each."""

import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from scripts.rig import ROOT, House, running, write_house
from tests.e2e.wire import ask, calm_window

RECORDED = ROOT.parent / "shared" / "fixtures"
FILES = sorted(RECORDED.rglob("*.json")) if RECORDED.is_dir() else []
pytestmark = pytest.mark.skipif(
    not FILES, reason=f"the recorded payloads are not beside the checkout ({RECORDED.name})"
)


class _Recordings(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    asked: list[str]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Recordings

    def do_GET(self) -> None:
        name = self.path.split("/")[3]
        self.server.asked.append(name)
        body = FILES[int(name.removeprefix("file"))].read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("x-requests-last", "3")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def recordings() -> Iterator[_Recordings]:
    server = _Recordings(("127.0.0.1", 0), _Handler)
    server.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def recorded_house(recordings: _Recordings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    origin = f"http://127.0.0.1:{recordings.server_port}"
    window = calm_window()
    house = write_house(tmp_path_factory.mktemp("recorded"), origin, window_s=window, max_stale_s=2 * window)
    with running(house):
        yield house


@pytest.mark.parametrize("number", range(len(FILES)), ids=lambda number: FILES[number].name)
def test_a_recorded_payload(recorded_house: House, recordings: _Recordings, number: int) -> None:
    body = FILES[number].read_bytes()
    json.loads(body)
    target = f"/v4/sports/file{number}/odds?apiKey=client"
    first, second, zipped = (
        ask(recorded_house.ports["reverse"], target, headers=headers)
        for headers in ({}, {}, {"Accept-Encoding": "gzip"})
    )
    assert first.body == second.body == body
    assert gzip.decompress(zipped.body) == body
    assert second.cache.startswith("hit")
    assert (first["x-requests-last"], second["x-requests-last"]) == ("3", "0")
    assert recordings.asked.count(f"file{number}") == 1
