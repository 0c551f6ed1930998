"""Local times in a time zone, as absolute instants. What a clock change makes unclear is refused, not guessed."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

YEARS = range(1970, 3000)
"""At the ends of what can be a date, its time in another zone is none."""


@dataclass(frozen=True, slots=True)
class Unclear:
    """A time that is none, or two. `remedy` names what to write instead."""

    message: str
    remedy: str


def zone_of(name: str) -> ZoneInfo | None:
    """The time zone of an IANA name such as Europe/London; None for what is none."""
    # "EST" and the like are in the data, and know of no summer time.
    if ("/" not in name and name != "UTC") or name.startswith(("posix/", "right/")):
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


@lru_cache(maxsize=1)
def zones() -> tuple[str, ...]:
    """All names that `zone_of` takes."""
    return tuple(sorted(filter(zone_of, available_timezones())))


def absolute(text: str) -> float | Unclear:
    """Unix seconds of an ISO 8601 time that tells its offset."""
    remedy = "write it as 2026-11-26T12:00-05:00"
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return Unclear("is no time", remedy)
    if at.year not in YEARS:
        return _far()
    return at.timestamp() if at.tzinfo is not None else Unclear("has no offset", f"{remedy}, or end it with Z")


def instant(text: str, zone: ZoneInfo) -> float | Unclear:
    """Unix seconds of an ISO 8601 local time, with or without its offset."""
    try:
        told = datetime.fromisoformat(text)
    except ValueError as error:
        return Unclear(f"is no time: {error}", "write it as 2026-11-26T12:00")
    if told.year not in YEARS:
        return _far()
    local = told.replace(tzinfo=None)
    readings = {fold: local.replace(tzinfo=zone, fold=fold) for fold in (0, 1)}
    real = [each for each in readings.values() if _local(each.timestamp(), zone) == local]
    if told.tzinfo is not None:
        return _with_offset(told, real, zone)
    if not real:
        before, after = (_local(readings[fold].timestamp(), zone) for fold in (1, 0))
        return Unclear(
            f"does not exist in {zone.key}: clocks are set forward then",
            f"write {before.isoformat(timespec='minutes')} or {after.isoformat(timespec='minutes')}",
        )
    first, last = real[0].timestamp(), real[-1].timestamp()
    if first != last:
        one, other = (each.isoformat(timespec="minutes") for each in (real[0], real[-1]))
        return Unclear(
            f"comes twice in {zone.key}: clocks are set back then",
            f"write {one} for the first or {other} for the second",
        )
    return first


def _far() -> Unclear:
    return Unclear("is too far away", f"write a year from {YEARS[0]} to {YEARS[-1]}")


def _with_offset(told: datetime, real: list[datetime], zone: ZoneInfo) -> float | Unclear:
    at = told.timestamp()
    if any(each.timestamp() == at for each in real):
        return at
    there = datetime.fromtimestamp(at, zone).isoformat(timespec="minutes")
    return Unclear(f"has another offset than {zone.key} has then", f"write {there}, or leave the offset out")


def _local(at: float, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(at, zone).replace(tzinfo=None, fold=0)
