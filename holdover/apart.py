"""Keys that are treated apart for a while, because of what the last answer was."""

LASTS_S = 10.0
MOST = 4096


class Apart:
    """Of one process. Times are Unix seconds; a clock that was set back ends it too."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._since)

    def holds(self, key: str, now: float) -> bool:
        return 0.0 <= now - self._since.get(key, now + 1) < LASTS_S

    def begins(self, key: str, now: float) -> None:
        # Only calls to a provider lead here; to forget costs each key one call that others wait for.
        if len(self._since) >= MOST:
            self._since.clear()
        self._since[key] = now

    def ends(self, key: str) -> None:
        self._since.pop(key, None)

    def clear(self) -> None:
        self._since.clear()
