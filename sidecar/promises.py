"""What a route promises, in words: how old an answer may get, by what the board holds, and what a call costs."""

from collections.abc import Iterator

from holdover.entry import Entry
from holdover.phase import phase
from holdover.policy import limits
from holdover.promo_settings import PromoRouteSettings
from holdover.route_settings import RouteSettings

_PHASES = {"in_play": "in play", "near": "near", "far": "far", "empty": "empty"}
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def seconds(value: float) -> str:
    """Exact, in the greatest unit of which it is a multiple: 300 s is "5 min", 90 s stay "90 s"."""
    unit = next(((size, name) for size, name in _UNITS if value and value % size == 0), None)
    return f"{value:g} s" if unit is None else f"{value / unit[0]:g} {unit[1]}"


def credit(amount: float) -> str:
    return f"{amount:g} {'credit' if amount == 1 else 'credits'}"


def cost(route: RouteSettings, amount: float) -> str:
    """Of a call that is expected to take `amount`."""
    per_item = f", or {route.cost_per_item:g} for each item" if route.cost_per_item else ""
    return f"{credit(amount)} for a call{per_item}"


def shape(old: PromoRouteSettings) -> str:
    """Of the answer to an old URL of promos."""
    which = f"slot {old.slot}" if old.slot else "all slots"
    place = f" in {old.wrap}" if old.wrap else ""
    form = f"as a list{place}" if old.answer == "list" else "as /v1/promos has them"
    named = f", with {', '.join(f'{path} as {name}' for name, path in old.fields.items())}" if old.fields else ""
    return f"{which}, {form}{named}"


def of_route(route: RouteSettings) -> str:
    """Windows and hard limits as configured, with those of phases that have others."""
    if route.freshness == "origin":
        more = seconds(route.max_stale_s)
        return f"as each answer says; while there is none, served up to {more} more where nothing forbids it"
    windows = ", ".join([seconds(route.window_s), *_windows(route)])
    stale = ", ".join([seconds(route.max_stale_s), *_limits(route)])
    return f"{windows}; served up to {stale}"


def of_entry(route: RouteSettings, entry: Entry, now: float) -> str:
    """The window and the hard limit under which a stored answer stands now."""
    window_s, max_stale_s = limits(route, entry, now)
    if entry.status != 200:
        return f"{seconds(window_s)}, for an absence ({entry.status}), and never served past it"
    name = _PHASES.get(phase(entry.board, now, route.pace.near_from_s), "")
    untold = "the board does not tell when events begin: " if [*_windows(route), *_limits(route)] else ""
    told = f"{name}: " if name else untold
    told_by = ", by the provider's max-age" if window_s == entry.floor_s else ""
    return f"{told}{seconds(window_s)}{told_by}, served up to {seconds(max_stale_s)}"


def _windows(route: RouteSettings) -> Iterator[str]:
    for key, name in _PHASES.items():
        window_s: float | None = getattr(route.pace, f"{key}_s")
        if window_s is not None and window_s != route.window_s:
            yield f"{name} {seconds(window_s)}"


def _limits(route: RouteSettings) -> Iterator[str]:
    pace = route.pace
    in_play_s, empty_s = pace.max_stale_in_play_s, max(route.max_stale_s, 2 * (pace.empty_s or 0.0))
    if in_play_s is not None and in_play_s != route.max_stale_s:
        yield f"in play {seconds(in_play_s)}"
    if empty_s != route.max_stale_s:
        yield f"empty {seconds(empty_s)}"
