"""Times and durations as people read them. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from itertools import pairwise

from ..promos.moment import zone_of

_FAR_S = 300 * 86_400
_FIRST, _LAST = -62_135_000_000, 253_402_214_400
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


@dataclass(frozen=True, slots=True)
class Moment:
    """`iso` and `utc` in UTC; `there` in the zone it was written in, whose place is `place`."""

    at: float
    iso: str
    utc: str
    there: str
    place: str


def moment(at: float, zone: str, near: float) -> Moment:
    """As read at the time `near`."""
    when = date(at, UTC)
    place = zone.rpartition("/")[2].replace("_", " ")
    there = clock(at, zone_of(zone) or UTC, near)
    return Moment(at, when.isoformat(timespec="seconds"), f"{clock(at, UTC, near)} UTC", there, place)


def clock(at: float, zone: tzinfo, near: float) -> str:
    """Such as "Thu 26 Nov 12:00", with the year where it is not near."""
    when = date(at, zone)
    year = f" {when.year}" if abs(at - near) > _FAR_S else ""
    return f"{when:%a} {when.day} {when:%b}{year} {when:%H:%M}"


def date(at: float, zone: tzinfo) -> datetime:
    """The calendar ends in every zone at another instant."""
    return datetime.fromtimestamp(min(max(at, _FIRST), _LAST), zone)


def duration(seconds: float) -> str:
    """Its two largest units, the smaller rounded down: "2 h 13 min"."""
    left = max(0, int(seconds))
    for (size, unit), (lesser, small) in pairwise(_UNITS):
        if left >= size:
            many, rest = divmod(left, size)
            return f"{many} {unit}" + (f" {rest // lesser} {small}" if rest >= lesser else "")
    return f"{left} s"


def counted(many: int, one: str, more: str = "") -> str:
    """ "1 promo", "2 promos"."""
    return f"{many} {one if many == 1 else more or f'{one}s'}"
