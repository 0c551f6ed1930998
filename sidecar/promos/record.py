"""A line of the audit log, and whether lines are as they were written. Pure."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Literal, get_args

type What = Literal["accepted", "approved", "confirmed", "published", "rolled-back", "hidden", "shown", "note"]
DIGEST = re.compile(r"[0-9a-f]{64}")
_AT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Record:
    """`set`: the digest of the list of files that is in force from here on, "" where that did not change. `detail`
    depends on `what`: of "approved" and what was written the `decide.digest` of each file by name; of "hidden" and
    "shown" `promo` and `reason`. `previous`: the hash of the line before."""

    number: int
    at: str
    what: What
    who: str
    why: str
    revision: str
    set: str
    detail: Mapping[str, str]
    previous: str
    hash: str = ""

    def line(self) -> bytes:
        return canonical(asdict(self)) + b"\n"

    def sealed(self) -> "Record":
        return replace(self, hash=self._digest())

    @property
    def whole(self) -> bool:
        return self.hash == self._digest()

    def _digest(self) -> str:
        said = asdict(self)
        del said["hash"]
        return digest(canonical(said))


@dataclass(frozen=True, slots=True)
class Head:
    """Which line was written last, kept beside the log: a chain does not tell that its end is missing."""

    number: int = 0
    hash: str = "0" * 64


def canonical(value: object) -> bytes:
    """JSON in ASCII with sorted names and no space: equal values are equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def stamp(at: float) -> str:
    """ISO 8601, UTC, whole milliseconds that have passed: as text in the order of time. Raises ValueError or
    OverflowError for what is in no year of four digits."""
    seconds, thousandths = divmod(round(at * 1e6) // 1000, 1000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    return f"{moment.isoformat(timespec='seconds')}.{thousandths:03d}Z"


def parsed(line: bytes) -> Record | None:
    """None for what is no record. Whether it is as it was written is not asked here."""
    try:
        record = Record(**json.loads(line))
    except (ValueError, TypeError, RecursionError):
        return None
    texts = (record.at, record.who, record.why, record.revision, record.set, record.previous, record.hash)
    if not all(isinstance(text, str) for text in texts) or type(record.number) is not int:
        return None
    detail = record.detail
    good = (
        isinstance(detail, dict)
        and all(isinstance(value, str) for value in detail.values())
        and record.what in get_args(What.__value__)
        and _AT.fullmatch(record.at)
        # They are made into names of files.
        and all(DIGEST.fullmatch(text) for text in (record.previous, record.hash, *filter(None, [record.set])))
    )
    return record if good else None


def broken(lines: Iterable[bytes], head: Head | None) -> Iterator[str]:
    """What is not as it was written, a sentence for each; `lines` without their ends. `head`: None if it is lost.
    A stop between a line and its head leaves the head one behind."""
    last, hashes = Head(), {0: Head().hash}
    for place, line in enumerate(lines, 1):
        record = parsed(line)
        if record is None:
            yield f"line {place} is no record"
            continue
        if not record.whole or record.line() != line + b"\n":
            yield f"line {place} was changed: it is not what its hash was made of"
        if (record.number, record.previous) != (last.number + 1, last.hash):
            yield f"line {place} does not follow the one before: lines were removed, added, or put in another order"
        last = Head(record.number, record.hash)
        hashes[record.number] = record.hash
    if head is None:
        if last.number > 1:
            yield "the file head is missing or damaged: whether lines at the end are missing cannot be told"
    elif last.number < head.number:
        yield f"the last record is number {last.number}, and {head.number} were written: the end was removed"
    elif hashes.get(head.number) != head.hash:
        yield f"record {head.number} is another than was written: lines were written anew"
    elif last.number > head.number + 1:
        yield f"records after {head.number} were not written by holdover"
