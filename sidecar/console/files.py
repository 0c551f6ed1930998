"""Templates and static files of the pages, read once."""

import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_HERE = Path(__file__).parent
STATIC = "/console/static/"


@dataclass(frozen=True, slots=True)
class Static:
    """`tag` names the contents."""

    body: bytes
    kind: str
    tag: str


def statics() -> Mapping[str, Static]:
    """By file name."""
    return {path.name: _read(path) for path in sorted((_HERE / "static").iterdir()) if path.is_file()}


def library(path: Path) -> Static | None:
    """None where it was not installed, or cannot be read."""
    try:
        return _read(path)
    except OSError:
        return None


def _read(path: Path) -> Static:
    body = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or ""
    return Static(body, kind, hashlib.blake2b(body, digest_size=8).hexdigest())


def environment(files: Mapping[str, Static]) -> Environment:
    """Every value is escaped, and a name that is none is an error."""
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals["static"] = lambda name: f"{STATIC}{name}?v={files[name].tag}"
    return made
