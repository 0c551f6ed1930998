"""What the clients of the fleet ask for, how each of them spells it, and the model that the figures are held against.

The model: direct = clients x sports x (seconds / polling) x credits; holdover = sports x (seconds / window) x
credits. In its day two of six sports are in play for six hours, near for six and far for twelve; the others
are far."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from scripts.emulator.query import endpoint, parse, target

SPORTS = (
    "soccer_epl",
    "basketball_nba",
    "americanfootball_nfl",
    "baseball_mlb",
    "icehockey_nhl",
    "tennis_atp",
)
LIVE = SPORTS[:2]
HOUR = 3600.0

type Shape = tuple[str, str]
"""Markets and regions."""

WHOLE: Shape = ("h2h,spreads,totals", "us,uk")
FIVE: tuple[Shape, ...] = (("h2h", "us"), ("h2h,spreads", "us"), WHOLE, ("h2h", "uk"), ("totals", "us"))
COUNTER: tuple[Shape, ...] = (("h2h", "us,uk,eu,au"), ("h2h,spreads,totals", "us"))

NEAR_FROM_H, IN_PLAY_FROM_H, IN_PLAY_TO_H = 6.0, 12.0, 18.0
NEAR_S, IN_PLAY_S, FAR_S = 60.0, 40.0, 300.0
"""Seconds between fetches in each tier."""


def spelled(shape: Shape, sport: str, client: int, credential: str) -> str:
    """The request target of a client: each writes it in its own way, all mean the same."""
    markets, regions = (",".join(_turned(text.split(","), client)) for text in shape)
    pairs = [("apiKey" if client % 3 else "api_key", credential), ("regions", regions), ("markets", markets)]
    if client % 2:
        pairs += [("oddsFormat", "decimal"), ("dateFormat", "iso")]
    safe = ",:" if client % 4 < 2 else ""
    query = "&".join(f"{name}={quote(value, safe=safe)}" for name, value in _turned(pairs, client))
    return f"/v4/sports/{sport}/odds{'/' if client % 5 == 0 else ''}?{query}"


def price(spelled_target: str) -> int:
    """Credits that the provider takes for it, by the emulator's own cost function; for a board with events."""
    path, _, query = spelled_target.partition("?")
    where = endpoint(path)
    if where is None:
        raise ValueError(f"no endpoint: {path}")
    return parse(where, target(path, query).pairs).highest_cost


def saving(spent: float, direct: float) -> float:
    """In percent."""
    return 100 * (1 - spent / direct) if direct else 0.0


def sweeps(sport: str, begin_h: float, end_h: float) -> float:
    """Fetches of a sport between two hours of the model's day."""

    def within(low: float, high: float) -> float:
        return max(0.0, min(end_h, high) - max(begin_h, low))

    near = within(NEAR_FROM_H, IN_PLAY_FROM_H) if sport in LIVE else 0.0
    in_play = within(IN_PLAY_FROM_H, IN_PLAY_TO_H) if sport in LIVE else 0.0
    far = end_h - begin_h - near - in_play
    return HOUR * (near / NEAR_S + in_play / IN_PLAY_S + far / FAR_S)


def model_saving(per_sweep: float, direct_per_sweep: float, fetches: Mapping[str, float], polls: float) -> float:
    """`fetches` by sport; `polls`: of each sport by all clients, each `direct_per_sweep` credits."""
    return saving(per_sweep * sum(fetches.values()), direct_per_sweep * polls * len(fetches))


def day_model(per_sweep: float, direct_per_sweep: float, begin_h: float, end_h: float, polls_per_s: float) -> float:
    """The model between two hours of its day; `polls_per_s`: of each sport by all clients."""
    fetches = {sport: sweeps(sport, begin_h, end_h) for sport in SPORTS}
    return model_saving(per_sweep, direct_per_sweep, fetches, polls_per_s * HOUR * (end_h - begin_h))


def _turned[T](items: Sequence[T], by: int) -> list[T]:
    cut = by % len(items)
    return [*items[cut:], *items[:cut]]
