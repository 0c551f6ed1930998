"""What goes wrong on the way to the client."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import time
from collections.abc import Callable

import pytest

from .conftest import QUICK, Server

EPL = "/v4/sports/soccer_epl"
US = f"{EPL}/odds?regions=us&apiKey=k"


def place(address: str) -> tuple[str, int]:
    host, _, port = address.partition(":")
    return host, int(port)


def broken(connection: http.client.HTTPConnection) -> bool:
    try:
        connection.request("GET", US)
        connection.getresponse()
    except ConnectionError:
        return True
    return False


def used(server: Server) -> str:
    server.control(fault=None)
    return server.get("/v4/sports?apiKey=k").headers["x-requests-used"]


def test_a_stall_sends_headers_and_then_nothing(server: Server) -> None:
    server.control(fault={"kind": "stall"})
    connection = http.client.HTTPConnection(server.address, timeout=0.5)
    connection.request("GET", US)
    answer = connection.getresponse()
    assert answer.status == 200
    assert int(answer.headers["content-length"]) > 1000
    with pytest.raises(TimeoutError):
        answer.read(1)
    connection.close()
    assert used(server) == "1"


def test_a_drip_sends_the_whole_body_slowly(server: Server) -> None:
    began = time.monotonic()
    whole = server.get(US)
    quick = time.monotonic() - began
    server.control(fault={"kind": "drip", "seconds": 0.6})
    began = time.monotonic()
    slow = server.get(US)
    assert len(slow.json) == len(whole.json)
    assert time.monotonic() - began >= 0.55 > quick / 10


def test_a_cut_resets_the_connection_within_the_body(server: Server) -> None:
    server.control(fault={"kind": "cut"})
    connection = http.client.HTTPConnection(server.address, timeout=30)
    connection.request("GET", US)
    answer = connection.getresponse()
    assert answer.status == 200
    with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
        answer.read()
    connection.close()
    assert server.get("/_stats").json["by_status"] == {"cut": 1}


def test_a_truncated_gzip_body_has_its_own_length(server: Server) -> None:
    server.control(fault={"kind": "truncate_gzip"})
    packed = server.get(US, Accept_Encoding="gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert len(packed.body) == int(packed.headers["content-length"])
    with pytest.raises(EOFError):
        gzip.decompress(packed.body)
    with pytest.raises(ValueError):
        server.get(US).json  # noqa: B018


def test_a_wrong_length_is_shorter_than_the_body(server: Server) -> None:
    server.control(fault={"kind": "wrong_length"})
    with socket.create_connection(place(server.address), timeout=30) as raw:
        raw.sendall(f"GET {US} HTTP/1.1\r\nHost: {server.address}\r\n\r\n".encode())
        received = b""
        while piece := raw.recv(65536):
            received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    (length,) = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-le")]
    assert len(body) in (2 * length, 2 * length + 1)
    assert len(json.loads(body)) == 12


def test_maintenance_is_a_page_with_status_200(server: Server) -> None:
    server.control(fault={"kind": "maintenance"})
    reply = server.get(US)
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html")
    assert b"503 Service Temporarily Unavailable" in reply.body
    assert not any(name.startswith("x-requests") for name in reply.headers)
    assert used(server) == "0"


def test_a_burst_of_errors_ends_after_so_many_requests(server: Server) -> None:
    burst = {"kind": "status", "status": 502, "next": 3}
    server.control(fault=burst)
    assert [server.get(US).status for _ in range(5)] == [502, 502, 502, 200, 200]
    server.control(rate=0)
    assert server.get(US).status == 200
    server.control(fault=burst)
    assert server.get(US).status == 502
    assert server.get("/_stats").json["by_fault"] == {"status": 4}


def test_a_burst_of_errors_ends_after_so_many_seconds(server: Server) -> None:
    server.control(fault={"kind": "status", "status": 500, "for_s": 1.5})
    assert server.get(US).status == 500
    deadline = time.monotonic() + 20
    while server.get(US).status == 500:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_429_below_the_rate(server: Server) -> None:
    server.control(fault={"kind": "frequency", "next": 1}, retry_after="seconds", retry_after_s=3)
    reply = server.get(US)
    assert (reply.status, reply.json["error_code"]) == (429, "EXCEEDED_FREQ_LIMIT")
    assert reply.headers["retry-after"] == "3"
    assert server.get(US).status == 200


def test_bodies_come_chunked_or_sized(server: Server) -> None:
    sized = server.get(US).headers
    server.control(framing="chunked")
    chunked = server.get(US, Accept_Encoding="gzip")
    assert "transfer-encoding" not in sized
    assert chunked.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in chunked.headers
    assert len(json.loads(gzip.decompress(chunked.body))) == 12


def test_sending_takes_as_long_as_the_body_is_large(server: Server) -> None:
    size = len(server.get(US).body)
    server.control(bytes_per_s=size * 2.0)
    began = time.monotonic()
    server.get(US)
    assert time.monotonic() - began >= 0.45
    before = server.get("/_world").json["now"]
    assert float(server.get(US).headers["x-emulator-generated-at"]) >= before + 0.45


def refused(address: str) -> bool:
    try:
        socket.create_connection(place(address), timeout=30).close()
    except ConnectionRefusedError:
        return True
    return False


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_blackout_refuses_connections_and_ends(starting: Callable[..., Server]) -> None:
    server = starting(*QUICK)
    kept = http.client.HTTPConnection(server.address, timeout=30)
    kept.request("GET", US)
    kept.getresponse().read()
    assert server.order("/_blackout", for_s=1.5).json == {"mode": "refuse", "for_s": 1.5}
    until(lambda: refused(server.address))
    assert broken(kept)
    until(lambda: not refused(server.address))
    assert server.get(US).status == 200


def answered(server: Server) -> bool:
    """Whether an answer comes within a moment."""
    connection = http.client.HTTPConnection(server.address, timeout=1.0)
    try:
        connection.request("GET", US)
        return connection.getresponse().status == 200
    except TimeoutError:
        return False
    finally:
        connection.close()


def test_a_silent_blackout_never_answers(server: Server) -> None:
    server.order("/_blackout", for_s=1.5, mode="silent")
    assert not answered(server)
    assert server.get("/_world").status == 200
    until(lambda: server.get("/_stats").json["active"] == 0)
    until(lambda: answered(server))


def test_stats_count_endpoints_and_faults(server: Server) -> None:
    server.get(US)
    server.get(f"{EPL}/events?apiKey=k")
    server.get("/v4/nothing?apiKey=k")
    server.control(fault={"kind": "garbage"})
    server.get(US)
    stats = server.get("/_stats").json
    assert stats["by_endpoint"] == {"odds": 2, "events": 1, "unknown": 1}
    assert stats["by_fault"] == {"garbage": 1}
    assert list(stats["credits"].values()) == [2]


def test_idle_connections_are_closed(starting: Callable[..., Server]) -> None:
    server = starting(*QUICK, "--idle-close-s", "0.2")
    with socket.create_connection(place(server.address), timeout=20) as raw:
        raw.sendall(f"GET /v4/sports?apiKey=k HTTP/1.1\r\nHost: {server.address}\r\n\r\n".encode())
        while raw.recv(65536):
            pass
