"""The commands that change what is stored: `trust` and `purge`. Each returns what it did."""

import argparse
import re
import time
from contextlib import closing

from holdover.caching.stored import decode as decode_variants
from holdover.entry import decode
from holdover.store.disk import DiskStore
from holdover.store.ledger import Ledger

from . import stored
from .command import CommandError, configured


def trust(options: argparse.Namespace) -> str:
    """Switches a kind of projection on again. Raises CommandError, StoreError."""
    config = configured(options)
    name, _, kind = options.what.partition("/")
    records = stored.ledger(config).learnt(name, "projection")
    off = {k for k, record in records.items() if record.get("state") == "off"}
    if kind not in off:
        raise CommandError(f"{options.what!r} is not switched off; there are: {', '.join(sorted(off)) or 'none'}")
    with closing(Ledger(config.store_folder)) as ledger:
        ledger.learn(name, "projection", kind, {"state": "", "equal": 0, "different": 0, "at": time.time()})
    return f"{options.what} is trusted again from the next start of the sidecar on"


def purge(options: argparse.Namespace) -> str:
    """Forgets stored answers. Raises CommandError, StoreError."""
    config = configured(options)
    what: str = options.what
    provider, slash, route = what.partition("/")
    if slash and config.rules.route(provider, route) is None:
        known = ", ".join(f"{p.name}/{r.name}" for p in config.rules.providers for r in p.routes)
        raise CommandError(f"there is no route {what!r}; there are: {known}")
    if not slash and not re.fullmatch(r"[0-9a-f]{32}", what):
        raise CommandError(f"{what!r} is neither a key (32 hex digits, see `holdover explain`) nor PROVIDER/ROUTE")
    if not (config.cache_folder / "cache.db").exists():
        raise CommandError(f"nothing is stored in {config.cache_folder}")
    store = DiskStore(config.cache_folder, config.settings.store.max_bytes)
    keys = [key for key in store.all_keys() if _route_of(store.read(key)) == (provider, route)] if slash else [what]
    purged = sum(store.delete(key) for key in keys)
    store.close()
    if not purged:
        raise CommandError(f"nothing is stored for {what}")
    return f"purged {purged} {'answer' if purged == 1 else 'answers'}"


def _route_of(data: bytes | None) -> tuple[str, str] | None:
    """Whose answer is stored; None for what is not of this version."""
    if data is None:
        return None
    if (entry := decode(data)) is not None:
        return entry.request.provider, entry.request.route
    variants = decode_variants(data)
    return (variants.provider, variants.route) if variants is not None else None
