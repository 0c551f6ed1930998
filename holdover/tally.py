"""What calls cost and what answers saved since it was last written into the ledger."""

from dataclasses import dataclass, field, replace

from holdover.store.ledger import OTHER, Usage

MAX_SUMS = 10_000
"""While the ledger cannot be written, clients that are new beyond these count as OTHER, as they would there."""


@dataclass(slots=True)
class Tally:
    """Sums by provider, route and client, in credits; for one thread."""

    _sums: dict[tuple[str, str, str], Usage] = field(default_factory=dict)

    def spent(self, provider: str, route: str, client: str, cost: float) -> None:
        """One call upstream."""
        usage = self._usage(provider, route, client)
        self._note(replace(usage, spent=usage.spent + cost, calls=usage.calls + 1))

    def saved(self, provider: str, route: str, client: str, cost: float, times: int = 1) -> None:
        """So many client requests that caused no call, which each would have cost that much."""
        usage = self._usage(provider, route, client)
        self._note(replace(usage, saved=usage.saved + cost * times, requests=usage.requests + times))

    def take(self) -> list[Usage]:
        """All sums, which begin anew."""
        taken, self._sums = self._sums, {}
        return list(taken.values())

    def put_back(self, rows: list[Usage]) -> None:
        """Adds sums that could not be written."""
        for row in rows:
            usage = self._usage(row.provider, row.route, row.client)
            self._note(
                replace(
                    usage,
                    spent=usage.spent + row.spent,
                    calls=usage.calls + row.calls,
                    saved=usage.saved + row.saved,
                    requests=usage.requests + row.requests,
                )
            )

    def _usage(self, provider: str, route: str, client: str) -> Usage:
        """What there is of the client, or of those of whom none is known by name."""
        if client and len(self._sums) >= MAX_SUMS and (provider, route, client) not in self._sums:
            client = OTHER
        return self._sums.get((provider, route, client)) or Usage(provider, route, client)

    def _note(self, usage: Usage) -> None:
        self._sums[usage.provider, usage.route, usage.client] = usage
