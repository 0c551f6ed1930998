"""HTTP dates (RFC 9110 section 5.6.7), strictly: what is nearly a date is none, and makes nothing fresh. Capitals and
small letters are the same: caches should read them so (RFC 9111 section 4.2)."""

import re
from datetime import UTC, datetime
from types import MappingProxyType

_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_DAYS = "Mon Tue Wed Thu Fri Sat Sun".split()
_LONG_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_NUMBER = MappingProxyType({name: number for number, name in enumerate(_MONTHS, 1)})
_MONTH = f"(?P<month>{'|'.join(_MONTHS)})"
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_FORMS = (
    rf"(?:{'|'.join(_DAYS)}), (?P<day>\d\d) {_MONTH} (?P<year>\d{{4}}) {_TIME} GMT",
    # The obsolete forms, which a recipient must accept: RFC 850 and asctime.
    rf"(?:{'|'.join(_LONG_DAYS)}), (?P<day>\d\d)-{_MONTH}-(?P<year>\d\d) {_TIME} GMT",
    rf"(?:{'|'.join(_DAYS)}) {_MONTH} (?P<day>\d\d| \d) {_TIME} (?P<year>\d{{4}})",
)
_PATTERNS = tuple(re.compile(form, re.ASCII | re.IGNORECASE) for form in _FORMS)
_FUTURE_YEARS = 50


def parsed(text: str | None, now: float) -> float | None:
    """Unix seconds; None for anything that is not exactly one of the three forms. `now` decides the century of a
    year of two digits."""
    found = next((match for pattern in _PATTERNS if (match := pattern.fullmatch(text or ""))), None)
    if found is None:
        return None
    year = int(found["year"])
    if len(found["year"]) == 2:
        this = datetime.fromtimestamp(now, UTC).year
        year += this - this % 100
        # More than 50 years in the future means the last one that ended so.
        year -= 100 if year > this + _FUTURE_YEARS else 0
    clock = int(found["hour"]), int(found["minute"]), int(found["second"])
    leap = clock[2] == 60
    try:
        day = datetime(year, _NUMBER[found["month"].title()], int(found["day"]), tzinfo=UTC)
        moment = day.replace(hour=clock[0], minute=clock[1], second=59 if leap else clock[2])
    except ValueError:
        return None
    return moment.timestamp() + leap


def formatted(moment: float) -> str:
    """IMF-fixdate of Unix seconds."""
    when = datetime.fromtimestamp(moment, UTC)
    return f"{_DAYS[when.weekday()]}, {when.day:02} {_MONTHS[when.month - 1]} {when.year} {when:%H:%M:%S} GMT"
