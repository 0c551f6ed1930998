from dataclasses import replace

import pytest

from holdover.exchange import Response
from holdover.origin.client import NoAnswer
from holdover.origin.fetch import Obtained
from holdover.origin.filler import Flown, Joined
from holdover.origin.wire import OriginQuestion, decode_flown, decode_question, encode_flown
from holdover.wire import WireError
from tests.holdover.caching.builders import one

STORED = replace(one("Vary: A", asked="A: 1"), body=b"stored\n\x00")
ANSWER = Response(200, (("A", "\udcff"), ("A", "2")), b"stored\n\x00")
FLOWN: dict[str, Flown] = {
    "stored": Obtained(ANSWER, STORED),
    "after others": Obtained(Response(200, interim=((103, (("Link", "</a>"),)), (102, ())))),
    "confirmed": Obtained(Response(304, ANSWER.headers), STORED, confirmed=True),
    "for one alone": Obtained(replace(ANSWER, body=b"\nother")),
    "empty": Obtained(Response(204)),
    "failed": Obtained(NoAnswer("no luck", timed_out=True)),
    "not asked": Obtained(NoAnswer("too much", retry_after=0.5)),
    "in memory alone": Obtained(ANSWER, STORED, loose=True),
    "joined": Joined(503),
    "joined, in memory alone": Joined(200, loose=STORED),
    "joined a failure": Joined(failed=NoAnswer("too large", unheld=True)),
    "nothing to do": Joined(),
}


@pytest.mark.parametrize("name", FLOWN)
def test_what_came_of_a_flight_comes_through_as_it_is(name):
    assert decode_flown(encode_flown(FLOWN[name])) == FLOWN[name]


@pytest.mark.parametrize("name", FLOWN)
def test_what_is_of_another_version_is_refused(name):
    line, _, rest = encode_flown(FLOWN[name]).partition(b"\n")
    for data in (b"", b"{}\n", b"[]\n", b"\xff\n", line.replace(b'"kind": "', b'"kind": "x') + b"\n" + rest):
        with pytest.raises(WireError):
            decode_flown(data)


def test_interim_responses_of_another_version_are_refused():
    good = encode_flown(FLOWN["after others"])
    for before, after in ((b"[102, []]", b"[102]"), (b'"</a>"', b"1"), (b"[[103", b'[["103"')):
        assert before in good
        with pytest.raises(WireError):
            decode_flown(good.replace(before, after))


def test_a_stored_response_that_is_damaged_is_refused():
    data = bytearray(encode_flown(FLOWN["stored"]))
    data[-1] ^= 1
    with pytest.raises(WireError):
        decode_flown(bytes(data))


QUESTION: dict[str, object] = {
    "provider": "p",
    "route": "r",
    "target": "/t",
    "headers": [["A", "1"]],
    "trigger": "refresh",
    "within_s": 1.5,
    "alone": True,
}


def test_a_question():
    assert decode_question(QUESTION) == OriginQuestion("p", "r", "/t", (("A", "1"),), "refresh", 1.5, True)
    for changed in (
        {"within_s": "1"},
        {"alone": 1},
        {"trigger": "probe"},
        {"headers": [["A"]]},
        {"headers": None},
        {"target": 1},
    ):
        with pytest.raises(WireError):
            decode_question(QUESTION | changed)
    with pytest.raises(WireError):
        decode_question([])
