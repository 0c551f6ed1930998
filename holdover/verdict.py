"""What a provider's answer means: by what its body says first, then by its status. Quota that is used up arrives as
401 from one vendor and inside a 200 from another."""

from collections.abc import Sequence
from typing import Literal, get_args

from holdover.content import select
from holdover.exchange import Response, header
from holdover.provider_settings import ErrorSettings

type Meaning = Literal["quota", "credential", "rate", "absent", "error"]

MEANINGS: tuple[Meaning, ...] = get_args(Meaning.__value__)
_ABSENT = frozenset((404, 410, 422))


def meaning(rules: Sequence[ErrorSettings], response: Response, body: bytes) -> Meaning | None:
    """What the answer says instead of odds; None when it is an answer, or no rule knows. `body` is the decoded
    one."""
    for rule in rules:
        if _holds(rule, response, body):
            return rule.means
    match response.status:
        case 429:
            return "rate"
        case status if status in _ABSENT:
            return "absent"
    return None


def meaning_of(name: object) -> Meaning | None:
    """The meaning of that name; None for any other value."""
    return next((known for known in MEANINGS if known == name), None)


def reads_bodies(rules: Sequence[ErrorSettings], status: int) -> bool:
    """Whether a rule for answers of this status looks into the body."""
    return any(rule.pointer is not None and (not rule.status or status in rule.status) for rule in rules)


def _holds(rule: ErrorSettings, response: Response, body: bytes) -> bool:
    if rule.status and response.status not in rule.status:
        return False
    if rule.header is not None:
        told = header(response.headers, rule.header)
        if told is None or (rule.pointer is None and not _begins(told, rule.values)):
            return False
    if rule.pointer is not None:
        return any(_tells(value, rule.values) for value in select(body, rule.pointer))
    return rule.header is not None or bool(rule.status)


def _begins(told: str, values: Sequence[str]) -> bool:
    return not values or told.startswith(tuple(values))


def _tells(value: object, values: Sequence[str]) -> bool:
    """An empty list, text or object and a `null` or `false` say nothing; vendors send them with good answers."""
    if values:
        return (str(value).lower() if isinstance(value, bool) else str(value)) in values
    return value not in (None, False, "", [], {}, 0)
