"""Requests to an emulated vendor with exactly the header fields a test gives."""

import base64
import gzip
import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from scripts.rig import ROOT

FIXTURES = ROOT.parent / "shared" / "fixtures"


@dataclass(frozen=True)
class Reply:
    """Header names are lower case; the body is not compressed any more."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(url: str, headers: dict[str, str] | None = None, body: object = None, source: str = "127.0.0.1") -> Reply:
    """GET, or POST when there is a body, on a connection of its own from the address `source`."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30, source_address=(source, 0))
    try:
        return exchange(connection, url.partition(parts.netloc)[2], headers or {}, body)
    finally:
        connection.close()


def exchange(connection: http.client.HTTPConnection, target: str, headers: dict[str, str], body: object) -> Reply:
    data = b"" if body is None else json.dumps(body).encode()
    connection.putrequest("GET" if body is None else "POST", target, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    if data:
        connection.putheader("Content-Length", str(len(data)))
    connection.endheaders(data or None)
    answer = connection.getresponse()
    names = {name.lower(): value for name, value in answer.getheaders()}
    content = answer.read()
    packed = names.get("content-encoding") == "gzip"
    return Reply(answer.status, names, gzip.decompress(content) if packed else content)


def basic(user: str, password: str = "pw") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def fixture(name: str) -> Any:
    return json.loads((FIXTURES / name).read_text())


def names(document: Any) -> Any:
    """The shape of a document: member names and kinds, the first item of a list for all."""
    if isinstance(document, dict):
        return {name: names(value) for name, value in document.items()}
    if isinstance(document, list):
        return [names(document[0])] if document else []
    return "number" if isinstance(document, int | float) else type(document).__name__


def wider(whole: Any, part: Any) -> bool:
    """Whether `whole` has every member that `part` has, with the same kinds."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(name in whole and wider(whole[name], value) for name, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return not part or (bool(whole) and wider(whole[0], part[0]))
    return bool(whole == part)
