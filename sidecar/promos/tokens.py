"""Tokens of those who may edit promos over HTTP: told once, kept as their hash."""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from pathlib import Path

from .durable import replace

TOKENS = "tokens.json"


def tokens(state: Path) -> Mapping[str, str]:
    """SHA-256 of each token, by the name of its owner. One that cannot be read lets nobody in."""
    try:
        return _read(state)
    except OSError:
        return {"": ""}


def new_token(state: Path, name: str) -> str:
    """Replaces the one that `name` has. It is told once, and kept as its hash. Raises OSError."""
    token = secrets.token_urlsafe(32)
    _write(state, {**_read(state), name: hashlib.sha256(token.encode()).hexdigest()})
    return token


def remove_token(state: Path, name: str) -> bool:
    """False when there is none. Raises OSError."""
    known = _read(state)
    if name not in known:
        return False
    _write(state, {owner: told for owner, told in known.items() if owner != name})
    return True


def _read(state: Path) -> Mapping[str, str]:
    """Raises OSError: what cannot be read is not written over."""
    try:
        told = json.loads((state / TOKENS).read_bytes())
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError):
        return {"": ""}
    return told if isinstance(told, dict) else {"": ""}


def _write(state: Path, told: Mapping[str, str]) -> None:
    state.mkdir(parents=True, exist_ok=True)
    replace(state / TOKENS, json.dumps(told, indent=2).encode())


def owner(known: Mapping[str, str], token: str) -> str | None:
    """The hash is compared, so no time tells how much of a token is right."""
    hashed = hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
    return next((name for name, told in known.items() if name and _is(told, hashed)), None)


def _is(told: object, hashed: str) -> bool:
    return hmac.compare_digest(str(told).encode("utf-8", "surrogatepass"), hashed.encode())
