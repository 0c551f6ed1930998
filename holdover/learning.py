"""What was learnt about a provider, as the ledger keeps it: regions, outrights, and what comparisons found."""

from holdover.providers.profile import Knowledge
from holdover.store.ledger import Ledger


def read(ledger: Ledger, provider: str) -> Knowledge:
    """All that is kept. Raises StoreError."""
    records = ledger.learnt(provider, "projection")
    return Knowledge(
        regions={region: frozenset(books) for region, books in ledger.learnt(provider, "region").items()},
        outrights=ledger.learnt(provider, "outrights"),
        switched_off=frozenset(kind for kind, record in records.items() if record.get("state") == "off"),
        verified=frozenset(kind for kind, record in records.items() if record.get("state") == "verified"),
    )


def write(ledger: Ledger, provider: str, known: Knowledge) -> None:
    """What answers told; what comparisons found is written where it is found. Raises StoreError."""
    for region, books in known.regions.items():
        ledger.learn(provider, "region", region, sorted(books))
    for sport, has in known.outrights.items():
        ledger.learn(provider, "outrights", sport, has)
