"""Commands about promos that ask the running sidecar, over its Unix socket: it knows whose process asks."""

import argparse
import http.client
import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..command import CommandError, configured_alone
from .folder import KILL

TIMEOUT_S = 10.0
REACHED_S = 3.0
"""So long a kill is watched on its way to those who listen."""


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("sidecar", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _said(text: Callable[[argparse.Namespace, Any], str]) -> Callable[[argparse.Namespace, Any], str]:
    """As text, or the facts themselves."""

    def said(options: argparse.Namespace, facts: Any) -> str:
        return json.dumps(facts, indent=2, ensure_ascii=False) if options.json else text(options, facts)

    return said


def status(options: argparse.Namespace) -> str:
    """What of each file is live, what is killed, and whom the last change has reached. Raises CommandError."""
    return _status(options, _asked(options, "GET", "/v1/promos/status"))


@_said
def _status(_: argparse.Namespace, facts: Any) -> str:
    lines = [f"revision {facts['revision'] or 'none'}"]
    for file in facts["files"]:
        since = f", since {file['accepted_at']}" if file["accepted_at"] else ""
        word = "not understood" if (file["file"], file["state"]) == (KILL, "refused") else _WORDS[file["state"]]
        lines.append(f"{file['file']}: {word}{since}")
        for each in file["problems"]:
            remedy = f"; {each['remedy']}" if each["remedy"] else ""
            pointer = f"{each['pointer']}: " if each["pointer"] else ""
            lines.append(f"  {each['line']}:{each['column']}: {pointer}{each['message']}{remedy}")
    lines += [f"{each['id']}: {each['why']}" for each in facts["killed"]]
    lines += [f"{each['id']}: hidden: {each['reason']}" for each in facts["hidden"]]
    return "\n".join([*lines, *_spread(facts["spread"])])


_WORDS = {
    "good": "live",
    "kept": "kept as it was before",
    "held": "held as it was before, until somebody says that it is meant",
    "refused": "not live",
}


def _spread(spread: Any) -> list[str]:
    """Whom the last change has reached."""
    if not spread["event"]:
        return []
    done = f", the last at {spread['all_told_at']}" if spread["all_told_at"] else ""
    lines = [
        f"the last change, noticed at {spread['noticed_at']}, was told to {spread['told']} of {spread['streams']}"
    ]
    lines[0] += f" clients that listen{done}"
    lines += [
        f"  {name or 'without a name'}: told {one['told']} of {one['streams']}, fetched by {one['fetched']}"
        for name, one in spread["instances"].items()
    ]
    return lines


def confirm(options: argparse.Namespace) -> str:
    """Lets removals happen that are held. Raises CommandError."""
    facts = _asked(options, "POST", "/v1/promos/confirm", {"files": options.files})
    if missing := sorted(set(options.files) - set(facts["confirmed"])):
        raise CommandError(f"{', '.join(missing)}: nothing is held there; see `holdover promos status`")
    return _said(lambda _, told: f"confirmed: {', '.join(told['confirmed'])}")(options, facts)


def kill(options: argparse.Namespace) -> str:
    """Takes promos off the homepage, and tells whom that has reached. Raises CommandError."""
    _known(options)
    done = _asked(options, "POST", "/v1/promos/kill", {**_target(options), "why": options.why})
    deadline = time.monotonic() + REACHED_S
    while not (facts := _asked(options, "GET", "/v1/promos/status"))["spread"]["all_told_at"]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)

    def text(_: argparse.Namespace, told: Any) -> str:
        killed = [each["id"] for each in told["killed"]]
        said = f"killed now: {', '.join(killed) or 'nothing that is live'}"
        return "\n".join([said, *filter(None, [done["note"]]), *_spread(told["spread"])])

    return _said(text)(options, facts)


def release(options: argparse.Namespace) -> str:
    """Raises CommandError."""
    facts = _asked(options, "POST", "/v1/promos/release", {**_target(options), "why": options.why})
    return _said(lambda *_: "released")(options, facts)


def _target(options: argparse.Namespace) -> dict[str, Any]:
    if options.everything:
        return {"everything": True}
    return {"slot": options.slot} if options.slot else {"promo": options.promo}


def _known(options: argparse.Namespace) -> None:
    """A slip of the hand would kill nothing, and look as if it did."""
    if options.everything or options.anyway:
        return
    if options.slot:
        what, given = "slot", options.slot
        there = set(_asked(options, "GET", "/v1/promos")["slots"])
    else:
        what, given = "promo", options.promo
        there = {each["id"] for each in _asked(options, "GET", "/v1/promos/explain")["promos"]}
    if given not in there:
        known = ", ".join(sorted(there)) or "none"
        raise CommandError(f"no live {what} is named {given!r}; there are {known} (--anyway kills it all the same)")


def approve(options: argparse.Namespace) -> str:
    """Lets go live what somebody else wrote. Raises CommandError."""
    facts = _asked(options, "GET", "/v1/promos/status")
    if (content := facts["waiting"].get(options.file)) is None:
        raise CommandError(f"{options.file} does not wait for approval; see `holdover promos status`")
    if options.content and not content.startswith(options.content):
        raise CommandError(f"{options.file} was changed: {content} waits for approval now")
    document = {"file": options.file, "content": content, "why": options.why}
    done = _asked(options, "POST", "/v1/promos/approve", document)
    return _said(lambda _, told: f"approved: {options.file}, {content}" + (told["note"] and f"; {told['note']}"))(
        options, done
    )


def rollback(options: argparse.Namespace) -> str:
    """Back to a set that was accepted before, as a new revision. Raises CommandError."""
    document = {"to": options.to, "files": options.files, "why": options.why}
    facts = _asked(options, "POST", "/v1/promos/rollback", document)
    return _said(lambda _, told: f"written: {told['file']}; see `holdover promos status`")(options, facts)


def _asked(options: argparse.Namespace, method: str, target: str, body: object = None) -> Any:
    path = configured_alone(options).socket
    connection = _Connection(path)
    try:
        data = None if body is None else json.dumps(body)
        connection.request(method, quote(target), data, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        said = answer.read()
    except OSError as error:
        raise CommandError(f"no sidecar answers on {path}: {error.strerror or error}; is holdover up?") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise CommandError(_refusal(answer.status, said))
    return json.loads(said)


def _refusal(status: int, said: bytes) -> str:
    try:
        told = json.loads(said)
        problems = [f"  {p['file']}:{p['line']}:{p['column']}: {p['message']}" for p in told.get("problems", [])]
        return "\n".join([told["message"], *problems])
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"the sidecar says {status}: {said.decode(errors='replace')}"
