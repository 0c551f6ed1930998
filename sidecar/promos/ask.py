"""`holdover promos status` and `confirm`: asked of the running sidecar, over its Unix socket."""

import argparse
import http.client
import json
import socket
from pathlib import Path
from typing import Any

from ..command import CommandError, configured

TIMEOUT_S = 10.0


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("sidecar", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def status(options: argparse.Namespace) -> str:
    """What of each file is live. Raises CommandError."""
    facts = _asked(options, "GET", "/promos/status")
    if options.json:
        return json.dumps(facts, indent=2, ensure_ascii=False)
    lines = [f"revision {facts['revision'] or 'none'}"]
    for file in facts["files"]:
        since = f", since {file['accepted_at']}" if file["accepted_at"] else ""
        lines.append(f"{file['file']}: {_WORDS[file['state']]}{since}")
        for each in file["problems"]:
            remedy = f"; {each['remedy']}" if each["remedy"] else ""
            pointer = f"{each['pointer']}: " if each["pointer"] else ""
            lines.append(f"  {each['line']}:{each['column']}: {pointer}{each['message']}{remedy}")
    lines += [f"{each['id']}: hidden: {each['reason']}" for each in facts["hidden"]]
    return "\n".join(lines)


_WORDS = {
    "good": "live",
    "kept": "kept as it was before",
    "held": "held as it was before, until `holdover promos confirm`",
    "refused": "not live",
}


def confirm(options: argparse.Namespace) -> str:
    """Lets removals happen that are held. Raises CommandError."""
    facts = _asked(options, "POST", "/promos/confirm", {"files": options.files})
    if missing := sorted(set(options.files) - set(facts["confirmed"])):
        raise CommandError(f"{', '.join(missing)}: nothing is held there; see `holdover promos status`")
    return f"confirmed: {', '.join(sorted(facts['confirmed']))}"


def _asked(options: argparse.Namespace, method: str, target: str, body: object = None) -> Any:
    path = configured(options).socket
    connection = _Connection(path)
    try:
        data = None if body is None else json.dumps(body)
        connection.request(method, target, data, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        said = answer.read()
    except OSError as error:
        raise CommandError(f"no sidecar answers on {path}: {error.strerror or error}; is holdover up?") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise CommandError(f"the sidecar says {answer.status}: {said.decode(errors='replace')}")
    return json.loads(said)
