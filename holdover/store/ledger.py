"""The small memory that outlives restarts: credits, balances, credentials seen good, facts learnt.

It stands beside the cache in a file of its own: odds may be lost at any time, a ledger should not be. The sidecar
writes, proxies write little, the CLI reads; all of them at once. Credits are in the provider's unit, times are Unix
seconds, days are those of UTC as "2026-11-23"."""

import json
import logging
import math
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from holdover.store import counterexamples
from holdover.store.balance import Balance, finite
from holdover.store.database import Database, recognize
from holdover.store.readonly import ReadOnly

FILE = "ledger.db"
OTHER = "_other"
DAYS_KEPT = 400
MAX_CLIENTS = 1_000
MAX_CREDENTIALS = 10_000
MAX_PARTITIONS = 10_000
_DAY_S = 86_400
_VERSION = 1
_SCHEMA = (
    "CREATE TABLE usage (day TEXT, provider TEXT, client TEXT, route TEXT, spent REAL NOT NULL, "
    "calls INTEGER NOT NULL, saved REAL NOT NULL, requests INTEGER NOT NULL, "
    "PRIMARY KEY (day, provider, client, route)) WITHOUT ROWID",
    "CREATE TABLE balance (provider TEXT, partition TEXT, remaining REAL, used REAL, told_at REAL NOT NULL, "
    "period_spent REAL NOT NULL, period TEXT NOT NULL, frozen_until REAL, decided_at REAL NOT NULL, "
    "dead INTEGER NOT NULL, "
    "PRIMARY KEY (provider, partition)) WITHOUT ROWID",
    "CREATE TABLE credential (provider TEXT, fingerprint TEXT, seen REAL NOT NULL, "
    "PRIMARY KEY (provider, fingerprint)) WITHOUT ROWID",
    "CREATE TABLE fact (provider TEXT, kind TEXT, name TEXT, value TEXT NOT NULL, "
    "PRIMARY KEY (provider, kind, name)) WITHOUT ROWID",
    "CREATE TABLE own (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID",
)
_BALANCE = (
    "SELECT partition, remaining, used, told_at, period_spent, period, frozen_until, decided_at, dead FROM balance "
    "WHERE provider = ?"
)
_ADD = (
    "INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET spent = spent + excluded.spent, "
    "calls = calls + excluded.calls, saved = saved + excluded.saved, requests = requests + excluded.requests"
)

logger = logging.getLogger("holdover.store")


@dataclass(frozen=True, slots=True)
class Usage:
    """What to add up. `spent`: credits that `calls` upstream took. `saved`: credits that `requests` of this client
    would have cost had it made the calls itself, of those that caused no call. `client` is a short name that reveals
    no credential; empty for refreshes."""

    provider: str
    route: str
    client: str = ""
    spent: float = 0.0
    calls: int = 0
    saved: float = 0.0
    requests: int = 0


@dataclass(frozen=True, slots=True)
class DayUsage:
    """The sums of one UTC day, as in Usage."""

    day: str
    provider: str
    route: str
    client: str
    spent: float
    calls: int
    saved: float
    requests: int


class Ledger:
    """The ledger in the store's `folder`, made if need be, readable by its owner alone. Safe from several threads and
    processes.

    Every method blocks as long as a disk does and may raise StoreError; then it did nothing. `on_trouble` is told, in
    a sentence, when the file was damaged and begun anew. `read_only`: the file has to be there, no file is made or
    changed, damage is a StoreError, and so is every method that writes."""

    def __init__(
        self, folder: Path, on_trouble: Callable[[str], None] = logger.error, *, read_only: bool = False
    ) -> None:
        self.folder = folder
        path = folder / FILE
        self._database: Database | ReadOnly
        if read_only:
            self._database = ReadOnly(path, lambda found: recognize(found, path, _SCHEMA, _VERSION))
        else:
            self._database = Database(path, _SCHEMA, _VERSION, on_trouble)
        self._dropped_on = ""

    def close(self) -> None:
        self._database.close()

    def record(self, rows: Iterable[Usage], now: float) -> None:
        """Adds all of `rows` to the day of `now`, or none. Clients beyond MAX_CLIENTS of a provider and day count as
        OTHER; days older than DAYS_KEPT go."""
        day, sums = utc_day(now), _summed(rows)
        oldest = utc_day(now - DAYS_KEPT * _DAY_S)

        def add(database: sqlite3.Connection) -> None:
            if self._dropped_on != day:
                database.execute("DELETE FROM usage WHERE day < ?", (oldest,))
                database.execute("INSERT OR IGNORE INTO own VALUES ('begun', ?)", (now,))
            clients = _Clients(database, day)
            for (provider, client, route), numbers in sums.items():
                database.execute(_ADD, (day, provider, clients.admit(provider, client), route, *numbers))

        if sums:
            self._database.write(add)
            self._dropped_on = day

    def spend(self, provider: str, route: str, client: str, credits_: float, calls: int, now: float) -> None:
        """Adds `credits_` that `calls` upstream took; `client` is empty for refreshes."""
        self.record((Usage(provider, route, client, spent=credits_, calls=calls),), now)

    def saved(self, provider: str, route: str, client: str, credits_: float, requests: int, now: float) -> None:
        """Adds `credits_` that `requests` of a client would have cost and did not."""
        self.record((Usage(provider, route, client, saved=credits_, requests=requests),), now)

    def usage(self, since_day: str | None = None, provider: str | None = None) -> list[DayUsage]:
        """By day, provider, client and route, from `since_day` on."""
        rows = self._database.read(
            "SELECT day, provider, route, client, spent, calls, saved, requests FROM usage "
            "WHERE day >= ? AND (? IS NULL OR provider = ?) ORDER BY day, provider, client, route",
            (since_day or "", provider, provider),
        )
        return [DayUsage(*row) for row in rows]

    def begun(self) -> float | None:
        """Since when this ledger adds up, in Unix seconds; None when nothing was recorded."""
        rows = self._database.read("SELECT value FROM own WHERE name = 'begun'")
        return float(rows[0][0]) if rows else None

    def balance(self, provider: str, partition: str) -> Balance | None:
        return self.balances(provider, partition).get(partition)

    def balances(self, provider: str, partition: str | None = None) -> dict[str, Balance]:
        """By partition: all of the provider's, or the one named."""
        rows = self._database.read(
            f"{_BALANCE} AND (? IS NULL OR partition = ?) ORDER BY partition",
            (provider, partition, partition),
        )
        return {name: _balance(told) for name, *told in rows}

    def tell(
        self, provider: str, partition: str, balance: Balance, spent: float | None = None, now: float = math.inf
    ) -> Balance:
        """Takes over what `balance` knows and returns what stands: of what the provider said the latest, whoever
        heard it. Of more than MAX_PARTITIONS of a provider those told of longest ago go.

        `spent`: how much of `balance.period_spent` the caller has not told of before. It is added to what others have
        counted in that period; without it all that was known is replaced."""
        return self.tell_all({(provider, partition): (balance, spent)}, now)[0]

    def tell_all(
        self, told: Mapping[tuple[str, str], tuple[Balance, float | None]], now: float = math.inf
    ) -> list[Balance]:
        """The same of several, by provider and partition, or of none: a transaction for each takes milliseconds."""

        def write(database: sqlite3.Connection) -> list[Balance]:
            stand, new = [], set[str]()
            for (provider, partition), (balance, spent) in told.items():
                row = database.execute(f"{_BALANCE} AND partition = ?", (provider, partition)).fetchone()
                stands = balance.sound()
                if row is None:
                    new.add(provider)
                elif spent is not None:
                    before = _balance(row[1:])
                    counted = stands.counted(finite(spent) or 0.0, before.period_spent, before.period)
                    stands = counted.knowing(before, now)
                figures = (stands.remaining, stands.used, stands.told_at, stands.period_spent, stands.period)
                values = (provider, partition, *figures, stands.frozen_until, stands.decided_at, stands.dead)
                database.execute("INSERT OR REPLACE INTO balance VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
                stand.append(stands)
            for provider in new:
                _trim(database, "balance", "partition", "told_at", provider, MAX_PARTITIONS)
            return stand

        return self._database.write(write)

    def good(self, provider: str, fingerprint: str, now: float) -> None:
        """The provider accepted the credential with this keyed hash. Of more than MAX_CREDENTIALS of a provider
        those seen longest ago go."""

        def see(database: sqlite3.Connection) -> None:
            update = "UPDATE credential SET seen = ? WHERE provider = ? AND fingerprint = ?"
            if not database.execute(update, (now, provider, fingerprint)).rowcount:
                database.execute("INSERT INTO credential VALUES (?, ?, ?)", (provider, fingerprint, now))
                _trim(database, "credential", "fingerprint", "seen", provider, MAX_CREDENTIALS)

        self._database.write(see)

    def known_at(self, provider: str, fingerprint: str) -> float | None:
        """When the credential was last seen good."""
        rows = self._database.read(
            "SELECT seen FROM credential WHERE provider = ? AND fingerprint = ?", (provider, fingerprint)
        )
        return float(rows[0][0]) if rows else None

    def accepted(self, provider: str) -> dict[str, float]:
        """When each credential was last seen good, by its keyed hash."""
        rows = self._database.read("SELECT fingerprint, seen FROM credential WHERE provider = ?", (provider,))
        return {fingerprint: float(seen) for fingerprint, seen in rows}

    def forget(self, provider: str, fingerprint: str) -> None:
        """The credential is no longer known as good."""
        statement = "DELETE FROM credential WHERE provider = ? AND fingerprint = ?"
        self._database.write(lambda database: database.execute(statement, (provider, fingerprint)))

    def salt(self) -> bytes:
        """32 random bytes, the same for every process as long as the file lives, for keyed hashes of credentials.
        None while nobody has needed them and the ledger is open for reading alone."""
        select = "SELECT value FROM own WHERE name = 'salt'"
        rows = self._database.read(select)
        if not rows and isinstance(self._database, ReadOnly):
            return b""
        if not rows:
            # Whichever process is first has its way.
            insert, proposed = "INSERT OR IGNORE INTO own VALUES ('salt', ?)", os.urandom(32)
            self._database.write(lambda database: database.execute(insert, (proposed,)))
            rows = self._database.read(select)
        return bytes(rows[0][0])

    def learn(self, provider: str, kind: str, name: str, value: object) -> None:
        """Replaces a fact; `value` is what JSON can hold. Names come from closed sets: facts are not trimmed."""
        row = (provider, kind, name, json.dumps(value, allow_nan=False))
        statement = "INSERT OR REPLACE INTO fact VALUES (?, ?, ?, ?)"
        self._database.write(lambda database: database.execute(statement, row))

    def learnt(self, provider: str, kind: str) -> dict[str, Any]:
        """The facts of one kind, by name."""
        rows = self._database.read(
            "SELECT name, value FROM fact WHERE provider = ? AND kind = ? ORDER BY name", (provider, kind)
        )
        return {name: json.loads(value) for name, value in rows}

    def keep(self, provider: str, name: str, files: Mapping[str, bytes], now: float) -> Path:
        """Keeps a counter-example for people, in a folder of its own beside the ledger; the latest few stay."""
        return counterexamples.keep(self.folder / "counterexamples", f"{provider}-{name}", files, now)


class _Clients:
    """Which clients of a day have rows of their own, asked inside one transaction."""

    def __init__(self, database: sqlite3.Connection, day: str) -> None:
        self._database = database
        self._day = day
        self._counts: dict[str, int] = {}

    def admit(self, provider: str, client: str) -> str:
        """The name to count under."""
        if client in ("", OTHER):
            return client
        at = (self._day, provider)
        seen = "SELECT 1 FROM usage WHERE day = ? AND provider = ? AND client = ? LIMIT 1"
        if self._database.execute(seen, (*at, client)).fetchone():
            return client
        if provider not in self._counts:
            count = (
                "SELECT count(DISTINCT client) FROM usage WHERE day = ? AND provider = ? AND client NOT IN ('', ?)"
            )
            (self._counts[provider],) = self._database.execute(count, (*at, OTHER)).fetchone()
        if self._counts[provider] >= MAX_CLIENTS:
            return OTHER
        self._counts[provider] += 1
        return client


def utc_day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()


def _balance(told: Sequence[Any]) -> Balance:
    *figures, decided_at, dead = told
    return replace(Balance(*figures), dead=bool(dead), decided_at=decided_at)


def _summed(rows: Iterable[Usage]) -> dict[tuple[str, str, str], list[float]]:
    """By provider, client and route. Credits that are no finite number count as 0: they were read from an answer."""
    sums: dict[tuple[str, str, str], list[float]] = {}
    for row in rows:
        client = row.client.encode("utf-8", "replace").decode()
        numbers = sums.setdefault((row.provider, client, row.route), [0.0, 0, 0.0, 0])
        for place, number in enumerate((row.spent, row.calls, row.saved, row.requests)):
            numbers[place] += finite(number) or 0
    return sums


def _trim(database: sqlite3.Connection, table: str, key: str, age: str, provider: str, most: int) -> None:
    """Deletes the oldest rows of a provider beyond `most`. Names of tables and columns are this module's own."""
    (count,) = database.execute(f"SELECT count(*) FROM {table} WHERE provider = ?", (provider,)).fetchone()  # noqa: S608
    if count > most:
        oldest = f"SELECT {key} FROM {table} WHERE provider = ? ORDER BY {age} LIMIT ?"  # noqa: S608
        delete = f"DELETE FROM {table} WHERE provider = ? AND {key} IN ({oldest})"  # noqa: S608
        database.execute(delete, (provider, provider, count - most))
