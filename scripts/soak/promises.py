"""What is promised to clients, judged by what they saw. Pure; each function returns what broke the promise."""

from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise

from .clients import Seen

SLACK_S = 1.0
"""What a loaded machine may add between the moment an answer is chosen and the moment it is given."""


def hung(seen: Iterable[Seen]) -> list[Seen]:
    """Never heard anything."""
    return [one for one in seen if one.error == "hang"]


def broken(seen: Iterable[Seen]) -> list[Seen]:
    """Took a part or a mixture for an answer, or could not read what came."""
    return [one for one in seen if not one.whole or "without a length" in one.error or "more than one" in one.error]


def backwards(seen: Iterable[Seen]) -> list[Seen]:
    """Saw an older revision after a newer one."""
    good = sorted((one for one in seen if one.good), key=lambda one: (one.client, one.asked_at))
    steps = [pairwise(mine) for _, mine in groupby(good, key=lambda one: one.client)]
    return [later for pairs in steps for earlier, later in pairs if later.revision < earlier.revision]


def too_old(seen: Iterable[Seen], max_stale_s: float) -> list[Seen]:
    return [one for one in seen if one.good and one.age_s > max_stale_s + SLACK_S]


def errors(seen: Iterable[Seen], allowed: frozenset[int] = frozenset()) -> list[Seen]:
    """Got neither odds nor one of these honest statuses. A connection that ended is an error too."""
    return [one for one in seen if not (one.status == 200 or one.status in allowed)]


def recovered_after(seen: Sequence[Seen], since: float) -> float | None:
    """Seconds from `since` until an answer was made that is newer than that; None when none was seen."""
    fresh = [one.at for one in seen if one.good and one.generated_at > since]
    return min(fresh) - since if fresh else None
