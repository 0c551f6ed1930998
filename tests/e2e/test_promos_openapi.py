"""The API of promos is what its OpenAPI document says, whatever is sent to it."""

import gzip
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from holdover.config import load
from holdover.metrics import Metrics
from holdover.store.disk import DiskStore
from holdover.store.ledger import Ledger
from scripts.rig import CREDENTIAL, DIRECT, ROOT, House, write_house
from sidecar.app import Sidecar, admin_app
from tests.e2e.test_promos_writing import asked, campaign, heard, published, shown, started

DOCUMENT = ROOT / "sidecar" / "promos" / "openapi.json"
METHODS = ("get", "put", "post", "delete", "patch")
STREAM = "/v1/promos/events"
CASES = 15
"""Of each operation that are made up, besides its examples and all ways to be just within and beyond its bounds."""
SETTINGS = """
[parameters]
"header.Prefer" = "wait=0"

[checks]
positive_data_acceptance.expected-statuses = ["2xx", 304, 401, 403, 404, 409, 412, 422, 428]
negative_data_rejection.expected-statuses = ["4xx"]
"""
JSON = "Content-Type: application/json"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with started(tmp_path_factory.mktemp("described")) as house:
        yield house


async def test_the_document_is_valid_and_tells_of_every_route_and_of_no_other(tmp_path: Path):
    config = load(write_house(tmp_path, "http://127.0.0.1:9").config, {"RIG_CREDENTIAL": CREDENTIAL})
    store, ledger = DiskStore(config.store_folder, 1 << 20, print), Ledger(config.store_folder, print)
    sidecar = Sidecar(config, store, ledger, Metrics())
    served = {
        (route.resource.canonical, route.method.lower())
        for route in admin_app(sidecar).router.routes()
        if route.resource and route.resource.canonical.startswith("/v1/promos") and route.method != "HEAD"
    }
    await sidecar.close()
    store.close()
    ledger.close()
    document = json.loads(DOCUMENT.read_bytes())
    OPENAPI_31_VALIDATOR.validate(document)
    paths = document["paths"]
    assert {(path, method) for path, item in paths.items() for method in METHODS if method in item} == served


def test_whatever_is_sent_the_answer_is_as_the_document_says(house: House, tmp_path: Path):
    settings = tmp_path / "schemathesis.toml"
    settings.write_text(SETTINGS)
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        f"--config-file={settings}",
        "run",
        str(DOCUMENT),
        f"--url={house.url('admin')}",
        "--phases=examples,coverage,fuzzing",
        f"--max-examples={CASES}",
        "--generation-deterministic",
        f"--exclude-path={STREAM}",
        "--request-timeout=20",
        "--continue-on-failure",
        "--no-shrink",
        "--no-color",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    paths = json.loads(DOCUMENT.read_bytes())["paths"]
    operations = sum(method in item for path, item in paths.items() if path != STREAM for method in METHODS)
    assert f"Tested: {operations}\n" in done.stdout
    assert "Traceback" not in (house.folder / "holdover.log").read_text()


def test_the_document_and_its_schemas_are_served_and_the_stream_is_as_it_says(house: House):
    status, headers, told = asked(house, "GET", "/openapi.json")
    assert (status, told, headers["Content-Type"]) == (200, json.loads(DOCUMENT.read_bytes()), "application/json")
    assert asked(house, "GET", "/openapi.json", If_None_Match=headers["ETag"])[0] == 304
    schema = asked(house, "GET", "/schema/promo.schema.json")[2]
    assert schema == json.loads((ROOT / "config" / "schema" / "promo.schema.json").read_bytes())
    assert asked(house, "GET", "/schema/none.schema.json")[0] == 404
    with DIRECT.open(f"{house.url('admin')}{STREAM}?instance=%1b%5d0;web-1", timeout=60) as stream:
        assert stream.headers["Content-Type"] in told["paths"][STREAM]["get"]["responses"]["200"]["content"]
        assert set(heard(stream)) == {"revision", "stream"}
        # It is shown in terminals.
        assert "]0;web-1" in asked(house, "GET", "/status")[2]["spread"]["instances"]
        assert asked(house, "HEAD", "/events")[0] == 405
        assert asked(house, "GET", "/status")[2]["spread"]["streams"] == 1


@pytest.mark.parametrize(
    ("method", "target", "status", "says"),
    [
        ("GET", "/nothing", 404, "/v1/promos/openapi.json"),
        ("PATCH", "", 405, "is for GET"),
        ("OPTIONS", "/kill", 405, "is for POST"),
        ("GET", "?jurisdiction=GB&jurisdiction=US-NJ", 400, "stands twice"),
        ("GET", "?stream=%D9%A1", 400, "stream is the number"),
        ("GET", "?at=%D9%A2026-01-01", 400, "is no time"),
        ("GET", "/history?limit=%D9%A1", 400, "limit is a number"),
        ("GET", "/history/%00", 404, "no number"),
        ("GET", "/files/%00.json", 404, "no name of a file"),
        ("GET", "/files/..%2f..%2fholdover.json", 404, "no name of a file"),
        ("GET", "/images/..%2fholdover.toml", 404, "No live promo"),
    ],
)
def test_what_cannot_be_answered_is_told_as_json(house: House, method: str, target: str, status: int, says: str):
    got, headers, told = asked(house, method, target)
    assert (got, headers["Content-Type"]) == (status, "application/json; charset=utf-8")
    assert says in told["message"]


@pytest.mark.parametrize(
    ("target", "body", "fields", "status"),
    [
        ("/kill", b'{"promo": "a", "why": "\\ud800"}', "", 400),
        ("/kill", b'{"promo": "' + b"a" * 2_000_000 + b'"}', "", 422),
        ("/kill", b'{"promo": "a", "slot": "hero"}', "", 400),
        ("/release", b'{"everything": true, "slot": "hero"}', "", 400),
        ("/confirm", b'{"files": [["welcome.json"]]}', "", 400),
        ("/rollback", b'{"to": "1", "files": [1]}', "", 400),
        ("/validate", b"[" * 1_000_000, "", 400),
        ("/validate", b'{"files": {"a.json": ' + b"9" * 5_000 + b"}}", "", 400),
        ("/validate", b'{"files": {"a.json": ' + b"[" * 900 + b"0," * 50_000 + b"0" + b"]" * 900 + b"}}", "", 200),
        ("/validate", b'{"files": {"": "", "\\u0000": null, "slots.json": null, "kill.json": "["}}', "", 200),
        ("/validate", b"x" * 4_200_000, "", 413),
        ("/kill", b"no gzip", "Content-Encoding: gzip", 400),
        ("/kill", gzip.compress(b" " * 50_000_000), "Content-Encoding: gzip", 413),
        ("/kill", b'{"everything": true}', "Origin: null", 403),
    ],
)
def test_no_body_makes_it_fail(house: House, target: str, body: bytes, fields: str, status: int):
    lines = [f"POST /v1/promos{target} HTTP/1.1", "Host: localhost", "Connection: close", JSON]
    lines += [f"Content-Length: {len(body)}", *filter(None, [fields]), "", ""]
    got, told = raw(house, "\r\n".join(lines).encode() + body)
    assert got == status, told
    assert set(json.loads(told)) & {"message", "problems"}
    assert shown(house)


def test_of_a_draft_that_is_nested_deep_no_indentation_is_made(house: House):
    body = b'{"files": {"a.json": ' + b"[" * 900 + b"]" * 900 + b"}}"
    [problem] = asked(house, "POST", "/validate", body)[2]["problems"]
    assert (problem["message"], problem["line"]) == ("is nested more than 64 deep", 1)


def test_the_examples_of_the_document_work(house: House):
    paths = json.loads(DOCUMENT.read_bytes())["paths"]

    def example(target: str, name: str, method: str = "post") -> Any:
        body = paths[f"/v1/promos/{target}"][method]["requestBody"]["content"]["application/json"]
        return body["examples"][name]["value"]

    assert asked(house, "POST", "/validate", example("validate", "campaign"))[2]["good"] is True
    assert asked(house, "POST", "/validate", example("validate", "text"))[2]["good"] is False
    made = example("files/{name}", "campaign", "put")
    assert asked(house, "PUT", "/files/thanksgiving.json", made, If_None_Match="*")[2]["state"] == "good"
    for what in ("promo", "slot"):
        for done in ("kill", "release"):
            assert asked(house, "POST", f"/{done}", example(done, what))[0] == 200


def test_what_is_no_http_is_a_line_in_the_log(house: House):
    for head in (b"GET /v1/promos?visitor=\xff HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x16\x03\x01\r\n\r\n"):
        assert raw(house, head)[0] == 400
    with connected(house) as broken:
        broken.sendall(f"POST /v1/promos/kill HTTP/1.1\r\nHost: a\r\n{JSON}\r\nContent-Length: 9\r\n\r\n{{".encode())
    assert raw(house, b"GET /v1/promos HTTP/1.0\r\n\r\n")[0] == 200
    log = (house.folder / "holdover.log").read_text()
    assert "Error handling request from 127.0.0.1: InvalidURLError" in log
    assert "Traceback" not in log


@pytest.mark.parametrize("target", ["/explain", "/status", "/files", "/files/welcome.json", "/history"])
def test_what_is_not_for_all_is_read_by_no_page_of_another_site(house: House, target: str):
    assert asked(house, "GET", target)[0] == 200
    assert asked(house, "GET", target, Host="rebound.example:9102")[0] == 421
    assert asked(house, "GET", target, Sec_Fetch_Site="cross-site")[0] == 403
    assert raw(house, f"GET /v1/promos{target} HTTP/1.0\r\n\r\n".encode())[0] == 421
    assert asked(house, "GET", "", Host="sidecar.internal:9102")[0] == 200


def test_to_kill_again_is_no_mistake_and_what_cannot_be_read_is_not_written_over(house: House):
    published(house, "twice", campaign("twice"))
    assert [asked(house, "POST", "/kill", {"promo": "twice", "why": "now"})[0] for _ in range(2)] == [200, 200]
    assert asked(house, "POST", "/release", {"promo": "twice"})[0] == 200
    there = house.config / "promos" / "linked.json"
    there.symlink_to(house.config / "elsewhere.json")
    status, _, told = asked(house, "PUT", "/files/linked.json", campaign("linked"), If_None_Match="*")
    assert (status, "cannot be read" in told["message"]) == (409, True)
    assert not (house.config / "elsewhere.json").exists()
    there.unlink()


def connected(house: House) -> socket.socket:
    return socket.create_connection(("127.0.0.1", house.ports["admin"]), timeout=60)


def raw(house: House, data: bytes) -> tuple[int, bytes]:
    """Status and body of what is answered to these bytes."""
    with connected(house) as connection:
        connection.sendall(data)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    status = re.match(rb"HTTP/1\.[01] ([0-9]{3})", head)
    assert status, answer[:200]
    return int(status[1]), body
