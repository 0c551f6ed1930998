"""What was learnt about a provider, as the ledger keeps it: regions, outrights, and what comparisons found."""

from holdover.providers.profile import Knowledge
from holdover.store.ledger import Ledger

_COMPARED = "region-compared"


def read(ledger: Ledger, provider: str) -> Knowledge:
    """All that is kept. Raises StoreError."""
    records, compared = ledger.learnt(provider, "projection"), ledger.learnt(provider, _COMPARED)
    return Knowledge(
        regions={region: frozenset(books) for region, books in ledger.learnt(provider, "region").items() if books},
        outrights=ledger.learnt(provider, "outrights"),
        switched_off=frozenset(kind for kind, record in records.items() if record.get("state") == "off"),
        verified=frozenset(kind for kind, record in records.items() if record.get("state") == "verified"),
        apart={
            region: frozenset(record["apart"])
            for region, record in compared.items()
            if record.get("state") == "verified"
        },
    )


def write(ledger: Ledger, provider: str, known: Knowledge) -> None:
    """What answers told; what comparisons found is written where it is found. Raises StoreError."""
    for region, books in known.regions.items():
        ledger.learn(provider, "region", region, sorted(books))
    for sport, has in known.outrights.items():
        ledger.learn(provider, "outrights", sport, has)


def found_right(
    ledger: Ledger, provider: str, region: str, left_out: frozenset[str], enough: int, now: float
) -> None:
    """A comparison that depended on the bookmakers of the region was equal, without those `left_out`. The region is
    verified after `enough` of them, and a bookmaker is apart from it after as many without that one. Raises
    StoreError."""
    record = ledger.learnt(provider, _COMPARED).get(region, {})
    equal, times = record.get("equal", 0) + 1, dict(record.get("times", {}))
    times |= {book: times.get(book, 0) + 1 for book in left_out}
    apart = sorted(book for book, found in times.items() if found >= enough)
    state = "verified" if equal >= enough else ""
    fact = {"state": state, "equal": equal, "times": times, "apart": apart, "at": now}
    ledger.learn(provider, _COMPARED, region, fact)


def forget_regions(ledger: Ledger, provider: str) -> None:
    """Which bookmakers a region has, and what comparisons found of that. Raises StoreError."""
    for region in ledger.learnt(provider, "region"):
        ledger.learn(provider, "region", region, [])
    for region in ledger.learnt(provider, _COMPARED):
        ledger.learn(provider, _COMPARED, region, {})
