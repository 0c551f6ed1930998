"""What calls cost and what answers saved since it was last written into the ledger."""

from dataclasses import dataclass, field, replace

from holdover.store.ledger import Usage


@dataclass(slots=True)
class Tally:
    """Sums by provider, route and client, in credits; for one thread."""

    _sums: dict[tuple[str, str, str], Usage] = field(default_factory=dict)

    def spent(self, provider: str, route: str, client: str, cost: float) -> None:
        """One call upstream."""
        usage = self._usage(provider, route, client)
        self._sums[provider, route, client] = replace(usage, spent=usage.spent + cost, calls=usage.calls + 1)

    def saved(self, provider: str, route: str, client: str, cost: float, times: int = 1) -> None:
        """So many client requests that caused no call, which each would have cost that much."""
        usage = self._usage(provider, route, client)
        self._sums[provider, route, client] = replace(
            usage, saved=usage.saved + cost * times, requests=usage.requests + times
        )

    def take(self) -> list[Usage]:
        """All sums, which begin anew."""
        taken, self._sums = self._sums, {}
        return list(taken.values())

    def put_back(self, rows: list[Usage]) -> None:
        """Adds sums that could not be written."""
        for row in rows:
            usage = self._usage(row.provider, row.route, row.client)
            self._sums[row.provider, row.route, row.client] = replace(
                usage,
                spent=usage.spent + row.spent,
                calls=usage.calls + row.calls,
                saved=usage.saved + row.saved,
                requests=usage.requests + row.requests,
            )

    def _usage(self, provider: str, route: str, client: str) -> Usage:
        return self._sums.get((provider, route, client)) or Usage(provider, route, client)
