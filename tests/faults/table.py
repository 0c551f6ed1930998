"""Each fault, and what must come of it: what the tests hold to, and what docs/reliability.md is made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

NOTHING = frozenset[int]()
BACK_S = 10.0


@dataclass(frozen=True, slots=True)
class Row:
    """`what` happens; what is `stored`; what a `client` gets. `statuses`: honest errors that clients may see while it
    lasts, past the limit of what is stored. `back_s`: seconds after its end within which clients have odds that are
    newer. Not under `load`: nothing runs yet."""

    name: str
    what: str
    stored: str
    client: str
    statuses: frozenset[int] = NOTHING
    back_s: float = BACK_S
    load: bool = True


KEPT = "nothing; the good answer from before stays"
FORGOTTEN = "nothing; the answer from before is forgotten"
STALE = "the good answer from before within its limit, then "
BROKE = Row("", "", KEPT, STALE + "502", frozenset({502}), 8)
SILENT = Row("", "", KEPT, STALE + "504 after `timeout_s`", frozenset({504}), 8)
HARMLESS = Row("", "", "the good answer", "the good answer", NOTHING, 3)
WORDS = Row("", "", KEPT, STALE + "the provider's own words, and `Cache-Status` says why", NOTHING, 8)


def _like(row: Row, **rows: str) -> list[Row]:
    named = ((name.replace("_", "-"), what) for name, what in rows.items())
    return [Row(name, what, row.stored, row.client, row.statuses, row.back_s) for name, what in named]


PROVIDER = [
    *_like(
        BROKE,
        truncated_by_length="the connection ends before the announced length",
        truncated_chunks="the connection ends within a chunk",
        missing_last_chunk="the connection ends before the last chunk",
        reset_before_head="the connection is reset before an answer",
        reset_in_head="the connection is reset within the head",
        reset_in_body="the connection is reset within the body",
        garbage="no HTTP at all",
        empty="the connection is closed without an answer",
        length_too_short="more bytes than were announced",
        bad_chunk_size="a chunk size that is no number",
        huge_chunk_size="a chunk size that no memory holds",
        bad_chunk_size_later="a chunk size that is no number, a moment after the head",
        huge_chunk_size_later="a chunk size that no memory holds, a moment after a good chunk",
        overlong_chunk="a chunk that is longer than its size, which shows a moment later",
        bad_trailer="a field name with a blank and a control byte behind the last chunk, a moment after that",
        endless_headers="header fields without end",
        huge_header="a header field of a megabyte",
        close_delimited_and_cut="a body that ends with the connection, half way",
        two_lengths="two lengths that differ",
        length_and_chunks="a length and chunks at once",
        bad_field_name="a field name with a blank and a control byte",
        nul_in_field="NUL in a header field",
        broken_gzip="half of a gzip body under its own length",
        gzip_bomb="64 MB in a body of 64 KB",
    ),
    *_like(
        SILENT,
        stalled_before_head="silence instead of an answer",
        stalled_in_head="silence within the head",
        stalled_in_body="silence within the body",
        length_too_long="fewer bytes than were announced, then silence",
        endless_hints="103 Early Hints without end",
        slow_drip="a body that takes longer than `timeout_s`",
    ),
    *_like(
        HARMLESS,
        early_hints="103 Early Hints before the answer",
        continued="100 Continue before the answer",
        smuggled="a second answer right behind the body",
        smuggled_late="a second answer behind the body, when nobody asked",
    ),
    Row(
        "close-delimited",
        "a body that ends with the connection",
        FORGOTTEN,
        "the provider's own answer, each time",
        back_s=3,
    ),
    *_like(
        WORDS,
        wrong_type="a page of HTML with status 200",
        not_json="no JSON, said to be JSON, with status 200",
        error_in_200="what `[[errors]]` call an error, with status 200",
    ),
]

CARRIED_ON = "what comes while it lasts, too"
PROCESSES = [
    Row("sidecar-killed", "the sidecar is killed", CARRIED_ON, "odds; proxies fetch until it is back"),
    Row(
        "sidecar-stopped",
        "the sidecar is stopped (SIGSTOP) and continued",
        CARRIED_ON,
        "odds; proxies fetch after 3 s, and leave that to it again when it goes on",
    ),
    Row(
        "sidecar-stopped-for-long",
        "the sidecar is stopped for longer than any answer lives",
        CARRIED_ON,
        "odds within their limit",
        frozenset({502, 503, 504}),
    ),
    Row(
        "proxy-killed", "the only proxy is killed", "all that was", "a lost connection; new ones wait for its return"
    ),
    Row(
        "worker-stopped",
        "one proxy of two is stopped for 5 s and continued",
        CARRIED_ON,
        "odds; who was at the stopped one waits until it goes on",
    ),
    Row(
        "worker-killed",
        "one proxy of two is killed",
        CARRIED_ON,
        "a lost connection, of those that it had; odds on new ones",
    ),
    Row(
        "both-killed", "sidecar and proxy are killed, in either order", "all that was", "odds as soon as one is back"
    ),
    Row("proxy-first", "the proxy is started before the sidecar", CARRIED_ON, "odds from the start"),
    Row("sidecar-first", "the sidecar is started before the proxy", CARRIED_ON, "odds as soon as the proxy is there"),
    Row(
        "supervisor-killed",
        "the parent of all is killed",
        "all that was",
        "a lost connection, and none from then on: no process stays behind",
        back_s=0,
    ),
    Row(
        "restarted",
        "everything is stopped and started again",
        "all that was",
        "no connection meanwhile; then what was stored, without a new call",
        back_s=0,
    ),
    Row(
        "demand-forgotten",
        "the sidecar that knew the demand is gone",
        "all that was",
        "odds: the new one goes on, with what nobody asks for meanwhile, too",
        back_s=0,
    ),
]

WITHOUT = "nothing; answers live in the memory of each process"
FILES = [
    Row("cache-corrupted", "the cache file is overwritten", "a new file; the damaged one is set aside", "odds"),
    Row("cache-folder-deleted", "the cache folder is deleted", "a new folder", "odds"),
    Row("cache-file-deleted", "the cache file is deleted while it is open", "a new file", "odds"),
    Row("disk-full", "the disk is full", WITHOUT, "odds"),
    Row("disk-read-only", "no file can be written any more (read-only, I/O errors)", WITHOUT, "odds"),
    Row("cache-locked", "another process holds SQLite's lock", WITHOUT, "odds"),
    Row("changes-locked", "a process that holds the writers' lock stops", WITHOUT, "odds"),
    Row(
        "folder-unusable",
        "the cache folder cannot be made or written at the start",
        "",
        "nothing: no start, and a sentence that says why",
        back_s=0,
        load=False,
    ),
    Row(
        "port-taken",
        "an address is taken by a house that serves",
        "",
        "odds of that house; of the other there is no start, and a sentence that says why",
        back_s=0,
    ),
]

WAITERS = [
    Row(
        "leader-killed",
        "the sidecar is killed while 500 wait for one answer",
        "the answer",
        "odds, all of them",
        back_s=0,
    ),
    Row(
        "leader-timed-out",
        "the provider is silent while 500 wait",
        "nothing",
        "504 after `timeout_s`, all of them; who came later waits for one more call as long as he has waited less",
        frozenset({504}),
        back_s=0,
    ),
    Row(
        "leader-refused",
        "500 wait for an answer that must not be stored",
        "nothing",
        "the provider's answer, each one of its own, or 503 where the provider's rate does not allow it",
        frozenset({503}),
        back_s=0,
    ),
    Row(
        "leader-broke-off",
        "the provider breaks every connection while 500 wait",
        "nothing",
        "502, or 503",
        frozenset({502, 503}),
        back_s=0,
    ),
]

CLOCKS = [
    Row(
        name, f"the clock steps {how}", "answers of the new time", "odds; what was stored counts as too old", back_s=8
    )
    for name, how in (
        ("clock-5-min-ahead", "5 minutes ahead"),
        ("clock-5-min-back", "5 minutes back"),
        ("clock-1-h-ahead", "an hour ahead"),
        ("clock-1-h-back", "an hour back"),
    )
]

LOADS = [
    Row(
        "provider-down",
        "the provider answers 503, 401, or not at all",
        KEPT,
        STALE + "its own error, 502 or 504",
        frozenset({401, 502, 503, 504}),
        20,
    ),
    Row(
        "pause-asked-for",
        "the provider asks for a pause",
        KEPT,
        STALE + "its own 429, without a call",
        frozenset({429}),
        back_s=0,
    ),
    Row(
        "rate-below-demand",
        "more is demanded than the rate limit allows",
        "what the limit allows",
        "odds, later; a new key gets its turn",
        back_s=0,
    ),
    Row(
        "cold-start",
        "5,000 keys are demanded at once of a slow provider with a rate limit",
        "what the limit allows",
        "odds, or 503 with `Retry-After`; the provider's limit is kept, and every key is fetched in the end",
        frozenset({503}),
        back_s=0,
    ),
    Row("scraped", "metrics are read 20 times a second", "what comes", "odds"),
]

SECTIONS: Mapping[str, list[Row]] = MappingProxyType(
    {
        "The provider answers wrongly": PROVIDER,
        "The provider is down, or asked for too much": LOADS,
        "Processes end or stop": PROCESSES,
        "Files and disks": FILES,
        "Many wait for one answer": WAITERS,
        "The clock steps": CLOCKS,
    }
)
ROWS: Mapping[str, Row] = MappingProxyType({row.name: row for rows in SECTIONS.values() for row in rows})


def proves[**P, T](*names: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Marks a test as that of these rows."""
    for name in names:
        assert name in ROWS, name
    return lambda test: test
