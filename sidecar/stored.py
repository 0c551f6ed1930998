"""What the commands that only read find in the store's folder; they change no file in it."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from holdover import learning
from holdover.config import Config
from holdover.entry import Entry
from holdover.providers.profile import Knowledge
from holdover.store import listing
from holdover.store.balance import Balance
from holdover.store.base import StoreError
from holdover.store.ledger import FILE, Ledger

from .command import CommandError

logger = logging.getLogger("holdover.stored")


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store holds, by key, in the order in which it first came; from the ledger, the installation's salt,
    what was learnt, by provider, when each client credential was last accepted (Unix seconds), by provider and keyed
    hash, and what each credential may still spend, by provider and partition. `no_entries` and `no_ledger` say why
    there is nothing."""

    entries: Mapping[str, Entry] = field(default_factory=dict)
    no_entries: str = ""
    salt: bytes = b""
    learnt: Mapping[str, Knowledge] = field(default_factory=dict)
    accepted: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    balances: Mapping[str, Mapping[str, Balance]] = field(default_factory=dict)
    no_ledger: str = ""


def ledger(config: Config) -> Ledger:
    """For reading. Raises CommandError, and StoreError when it is damaged."""
    if not (config.store_folder / FILE).exists():
        raise CommandError(f"there is no ledger in {config.store_folder} yet; the first call to a provider begins it")
    return Ledger(config.store_folder, read_only=True)


def read(config: Config) -> Stored:
    """As much as can be read; what cannot is left out, with a warning."""
    entries, no_entries = _entries(config)
    if not (config.store_folder / FILE).exists():
        return Stored(entries, no_entries, no_ledger="there is no ledger yet")
    try:
        opened = ledger(config)
        names = [provider.name for provider in config.rules.providers]
        learnt = {name: learning.read(opened, name) for name in names}
        accepted = {name: opened.accepted(name) for name in names}
        balances = {name: opened.balances(name) for name in names}
        return Stored(entries, no_entries, opened.salt(), learnt, accepted, balances)
    except StoreError as error:
        logger.warning("%s; going on without what was learnt", error)
        return Stored(entries, no_entries, no_ledger="the ledger cannot be read")


def _entries(config: Config) -> tuple[dict[str, Entry], str]:
    if not (config.cache_folder / listing.FILE).exists():
        return {}, ""
    try:
        return {entry.key: entry for entry in listing.entries(config.cache_folder)}, ""
    except StoreError as error:
        logger.warning("%s; going on without what is stored", error)
        return {}, "the store cannot be read"
