"""What does not yet come of the corpus as it must: the last status (0: none) and what became of the request.

`hit`: answered from the cache. `forwarded`: passed to the provider, in a form that is beyond doubt. `unclean`: passed
to it so that another reader may find another request in it. `twice`: it got more than one request. `silent`: no
answer, and the connection stays open. `out of step`: the client takes a part of this answer for the next. One that
is no longer true fails its test and is to be removed."""

from typing import Literal

from tests.security.corpus import Case

type Fate = Literal["answered", "hit", "forwarded", "unclean", "twice", "silent", "closed", "out of step"]
type Known = dict[str, tuple[int, Fate]]

EVERYWHERE: dict[tuple[int, Fate], tuple[str, ...]] = {
    (200, "twice"): ("coding with vertical tab, POST", "coding with vertical tab, GET"),
    (200, "unclean"): (
        "coding behind a bare CR, POST",
        "NUL in the method",
        "method of symbols",
        "NUL in front",
        "folded field, passed",
        "folded by tab, passed",
        "folded Host of another, passed",
        "bare CR in a value, passed",
        "bare CR and a field, passed",
        "NUL in a value, passed",
        "bell in a value, passed",
        "DEL in a value, passed",
        "target with a control byte",
        "target with a control byte in the path",
        "target with NUL",
        "target with DEL",
        "target with UTF-8",
    ),
    (200, "forwarded"): (
        "preface of HTTP/2",
        "TRACE",
        "GET *",
        "CR at the end of a value, passed",
        "vertical tab before a value, passed",
        "target with a fragment",
        "target with 64 KiB",
    ),
    (200, "hit"): (
        "HTTP/1.2",
        "HTTP/2.0",
        "two spaces",
        "two spaces behind",
        "tabs for spaces",
        "space at the end",
        "space in front",
        "target with a tab",
        "method get",
        "method Get",
        "a field behind LF",
        "folded field",
        "folded by tab",
        "folded Host of another",
        "bare CR in a value",
        "bare CR and a field",
        "CR at the end of a value",
        "NUL in a value",
        "bell in a value",
        "DEL in a value",
        "vertical tab before a value",
        "a name of 64 KiB",
        "5,000 fields",
        "5,000 times the same field",
        "a Host with brackets",
    ),
    (400, "hit"): ("coding behind a bare CR, GET",),
    (0, "silent"): (
        "trailers",
        "lines ended by CR",
        "lines ended by CR CR LF",
        "empty line in front",
        "three empty lines in front",
        "LF in front",
        "version 2 of the PROXY protocol",
    ),
    (200, "silent"): ("cached, then CR LF too many", "passed, then CR LF too many"),
}
WITHOUT_LANE: Known = {"a field of 256 KiB": (200, "hit")}
REVERSE: Known = {
    "Host with an empty port": (421, "answered"),
    "target with a byte above 0x7f": (200, "unclean"),
    "HEAD to another Host": (421, "out of step"),
}
TUNNEL: Known = {"Upgrade: h2c and a request in HTTP/2": (200, "unclean")}
EXPLICIT: Known = {"space in front of a name": (200, "hit"), "space in front of a name, passed": (200, "forwarded")}


def known(cases: list[Case], mode: str, *, lane: bool) -> Known:
    """Of `reverse`, `explicit`, `tunnel` or `tls`, by the names of cases. Where only the Host field is wrong, whoever
    named the server before is answered all the same: RFC 9112 section 3.2.2 wants it so for the absolute form."""
    found: Known = {name: fate for fate, names in EVERYWHERE.items() for name in names}
    if not lane:
        found |= WITHOUT_LANE
    if mode in ("reverse", "tls"):
        return found | REVERSE
    found |= EXPLICIT | {case.name: (200, "hit") for case in cases if case.host}
    return found | TUNNEL if mode == "tunnel" else found
