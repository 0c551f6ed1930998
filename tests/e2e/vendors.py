"""Shipped profiles in front of emulated vendors: what tests of several vendors share."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scripts.rig import Emulator, House, fetch_json, running, wait_for, write_house
from tests.e2e.wire import calm_window, total

OPEN = 'clients = "open"'


def port_of(url: str) -> int:
    found = urlsplit(url).port
    assert found is not None
    return found


def calm(*keys: str) -> dict[str, Any]:
    """Settings of a profile under which only clients, and starts of events, cause calls."""
    window = calm_window()
    limits = {"max_stale_s", "max_stale_in_play_s"}
    return {key: str(2 * window if key in limits else window) for key in ("window_s", "max_stale_s", *keys)}


CALM_PACE = ("in_play_s", "near_s", "far_s", "empty_s", "max_stale_in_play_s")
"""The further keys of The Odds API's profile."""


def joined(house: House) -> bool:
    """Whether the proxy has heard of the sidecar; before that it calls vendors, and counts calls, by itself. It shows
    the size of its memory a second after its first report to the sidecar."""
    known = count(house, "metrics", "holdover_cache_max_bytes", 'tier="memory"') > 0
    return known and count(house, "metrics", "holdover_degraded", 'dependency="sidecar"') == 0


@contextmanager
def stood_in(
    folder: Path, origin: str, profile: str, *, verbose: bool = False, holdover: str = "", **changes: Any
) -> Iterator[House]:
    """holdover with a shipped profile changed as `House.write_profile` does, once the sidecar is asked; `holdover` is
    added to holdover.toml."""
    house = write_house(folder, origin, holdover)
    house.write_profile(profile, **changes)
    with running(house, *(("--verbose", "up") if verbose else ())):
        wait_for(lambda: joined(house))
        yield house


def shapes(provider: Emulator, part: str = "/odds") -> dict[str, int]:
    """The requests whose shape holds `part` that reached the provider."""
    found: Mapping[str, int] = provider.stats()["by_shape"]
    return {shape: times for shape, times in found.items() if part in shape}


def order(provider: Emulator, what: str, **entries: object) -> Any:
    """An order to the emulator: `order(provider, "world", advance_s=60)`."""
    return fetch_json(f"{provider.url}/_{what}", entries)


def count(house: House, role: str, family: str, *labels: str) -> float:
    return total(house.metrics(role), family, *labels)
