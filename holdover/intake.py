"""What becomes of a provider's response: a new entry, the old one confirmed, or an answer that is not stored."""

from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime

from holdover.coding import codings
from holdover.entry import Entry, revision_of
from holdover.exchange import Headers, Response, end_to_end, header
from holdover.key import CanonicalRequest
from holdover.metrics import Effect
from holdover.policy import content_refusal, provider_trouble, refusal
from holdover.settings import RouteSettings

# Not kept: what describes one message or one connection, and cookies, which are for one client.
_NOT_STORED = frozenset("content-length content-encoding age set-cookie set-cookie2 accept-ranges".split())


@dataclass(frozen=True, slots=True)
class Fetched:
    """A storable answer, or the stored one confirmed; `effect` is None when the stored one was new enough and the
    provider was not asked."""

    entry: Entry
    effect: Effect | None


@dataclass(frozen=True, slots=True)
class Refused:
    """A complete answer of the provider that must not be stored. With `trouble` it says nothing about what was
    asked for, so a good stored answer is better; otherwise clients who wait get it verbatim."""

    response: Response
    reason: str
    trouble: bool


@dataclass(frozen=True, slots=True)
class Failed:
    """No answer. `reason` is a phrase without URL or credential; `retry_after` in seconds, if known; `connection`
    when it was the connection that failed, so that another try may work."""

    reason: str
    timed_out: bool = False
    retry_after: float | None = None
    connection: bool = False


type FetchResult = Fetched | Refused | Failed


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, when (Unix seconds), and the stored entry whose validators went along."""

    route: RouteSettings
    canonical: CanonicalRequest
    previous: Entry | None
    requested_at: float


def judge(question: Question, response: Response, seconds: float, limit: int) -> Fetched | Refused:
    """What a complete final response becomes; it took `seconds`. Takes milliseconds of CPU for a large body.

    Raises UnusableBodyError when the body is broken or longer than `limit` bytes decoded."""
    previous = question.previous
    fields = _stored_fields(response.headers)
    if response.status == 304 and previous is not None:
        confirmed = replace(previous, headers=_freshened(previous.headers, fields))
        return Fetched(_timed(confirmed, question, response, seconds), "not_modified")
    if (reason := refusal(question.route, response)) is not None:
        return Refused(response, reason, trouble=provider_trouble(response.status))
    identity, zipped = codings(response, limit)
    if (reason := content_refusal(question.route, header(response.headers, "content-type"), identity)) is not None:
        return Refused(response, reason, trouble=True)
    revision = revision_of(response.status, identity)
    if previous is not None and previous.revision == revision:
        return Fetched(_timed(replace(previous, headers=fields), question, response, seconds), "unchanged")
    entry = Entry(question.canonical, response.status, fields, identity, zipped, revision)
    return Fetched(_timed(entry, question, response, seconds), "changed")


def told_age(response: Response) -> float:
    """The provider side's Age in seconds; a list counts by its first member (RFC 9111 section 5.1)."""
    first = (header(response.headers, "age") or "").partition(",")[0].strip()
    return float(min(int(first[:10]), 2**31)) if first.isascii() and first.isdigit() else 0.0


def told_date(response: Response) -> float | None:
    """The Date field as Unix seconds; None when absent or malformed."""
    value = header(response.headers, "date")
    try:
        return parsedate_to_datetime(value).timestamp() if value else None
    except (ValueError, OverflowError):
        return None


def _timed(entry: Entry, question: Question, response: Response, seconds: float) -> Entry:
    return replace(
        entry,
        requested_at=question.requested_at,
        received_at=question.requested_at + seconds,
        initial_age=told_age(response),
        fetch_s=seconds,
    )


def _freshened(stored: Headers, fresh: Headers) -> Headers:
    """RFC 9111 section 4.3.4: the fields of a 304 replace the stored ones of the same name."""
    names = {name.lower() for name, _ in fresh}
    return tuple(field for field in stored if field[0].lower() not in names) + fresh


def _stored_fields(headers: Headers) -> Headers:
    return tuple(field for field in end_to_end(headers) if field[0].lower() not in _NOT_STORED)
