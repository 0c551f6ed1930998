"""What was accepted last, on disk for the next start."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .durable import replace
from .problem import Problem
from .scan import Place

REMEMBERED = "promos-live.json"


@dataclass(frozen=True, slots=True)
class Recalled:
    files: Mapping[str, bytes] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def remember(state_folder: Path, live_files: Mapping[str, bytes]) -> None:
    """All in one file: of a vocabulary and its campaigns, written one by one, a stop leaves some of either age.
    Raises OSError."""
    state_folder.mkdir(parents=True, exist_ok=True)
    files = json.dumps({name: base64.b64encode(data).decode() for name, data in sorted(live_files.items())})
    text = json.dumps({"digest": _digest(files), "files": files})
    replace(state_folder / REMEMBERED, text.encode())


def recalled(state_folder: Path) -> Recalled:
    try:
        told = json.loads((state_folder / REMEMBERED).read_bytes())
        if told["digest"] != _digest(told["files"]):
            raise ValueError("its digest does not match")
        return Recalled({name: base64.b64decode(data) for name, data in json.loads(told["files"]).items()})
    except FileNotFoundError:
        return Recalled()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        message = f"cannot be used: {error}"
        return Recalled(
            problems=(Problem(REMEMBERED, Place(1, 1), "", message, "what was live before is not known"),)
        )


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
