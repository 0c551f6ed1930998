"""S15 and S24: what passes to the provider and back, without what was meant for holdover alone."""

from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from itertools import count

import pytest

from holdover.exchange import HOP_BY_HOP
from scripts.rig import House
from tests.e2e.scripted import HOST, Scripted, Step, house_of, script_of, scripted
from tests.e2e.wire import Reply, ask

OF_THE_HOP = {
    "Connection": "X-Own, Cookie",
    "X-Own": "a",
    "Keep-Alive": "timeout=5",
    "TE": "trailers",
    "Trailer": "X-Own",
    "Proxy-Connection": "keep-alive",
    "Proxy-Authorization": "Basic c2VjcmV0",
    "Upgrade": "websocket",
}
END_TO_END = {
    "Cookie": "b=c",
    "Authorization": "d",
    "X-HTTP-Method-Override": "DELETE",
    "X-Other": "e",
    "Via": "1.1 f",
}
GONE = HOP_BY_HOP | {"x-own"}

_numbers = count(1)


@pytest.fixture(scope="module")
def origin() -> Iterator[Scripted]:
    with scripted() as running:
        yield running


@pytest.fixture(scope="module")
def house(origin: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house_of(
        tmp_path_factory.mktemp("house"), origin, "window_s = 60\nmax_stale_s = 600", path="/{name}"
    ) as running:
        yield running


@pytest.fixture(params=["reverse", "regular"])
def role(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def asked(house: House, origin: Scripted, role: str, step: Step) -> tuple[dict[str, str], Reply]:
    """The fields that the origin saw, by lower-case names, and what the client got."""
    target = f"/not/a/route{next(_numbers)}"
    origin.scripts[target] = script_of(step)
    prefix = f"http://{HOST}" if role == "regular" else ""
    headers, body = dict(step.sends), b"hello" if step.method == "POST" else b""
    reply = ask(house.ports[role], prefix + target, method=step.method, host=HOST, headers=headers, body=body)
    [seen] = origin.of(target)
    assert seen.body == body
    return {name.lower(): value for name, value in seen.fields}, reply


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_to_the_provider(house: House, origin: Scripted, role: str, method: str):
    saw, _ = asked(house, origin, role, Step({**OF_THE_HOP, **END_TO_END}, method=method))
    assert not GONE & set(saw)
    assert {name: saw.get(name.lower()) for name in END_TO_END} == END_TO_END


def test_and_back(house: House, origin: Scripted, role: str):
    says = [("Connection", "X-Own, Upgrade"), ("X-Own", "a"), ("Keep-Alive", "timeout=5"), ("Upgrade", "h2, h2c")]
    says += [("Proxy-Authenticate", "Basic"), ("Trailer", "X-Own"), ("X-Other", "b"), ("Set-Cookie", "c=d")]
    _, reply = asked(house, origin, role, Step(says=says, body="whole"))
    assert not GONE & reply.names
    assert (reply["x-other"], reply["set-cookie"], reply.body) == ("b", "c=d", b"whole")


def test_that_a_connection_ends_is_told(house: House, origin: Scripted, role: str):
    saw, reply = asked(
        house, origin, role, Step({"Connection": "close, X-Own", "X-Own": "a"}, [("Connection", "close")])
    )
    assert (saw["connection"], reply["connection"]) == ("close", "close")
    assert "x-own" not in saw


def test_another_protocol_can_be_agreed_on(house: House, origin: Scripted, role: str):
    offer = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "a"}
    says = [("Connection", "upgrade"), ("Upgrade", "websocket")]
    saw, reply = asked(house, origin, role, Step(offer, says, status=426))
    assert (saw["connection"], saw["upgrade"], saw["sec-websocket-key"]) == ("Upgrade", "websocket", "a")
    assert (reply["connection"], reply["upgrade"]) == ("Upgrade", "websocket")


HINTS = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
INTERIM = {
    "a hint": HINTS,
    "to go on": "HTTP/1.1 100 Continue\r\n\r\n",
    "several": f"HTTP/1.1 102\r\n\r\n{HINTS}HTTP/1.0 199 x\nContent-Length: 5\n\n",
}


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
@pytest.mark.parametrize("kind", INTERIM)
def test_an_interim_answer_is_not_the_answer(house: House, origin: Scripted, role: str, kind: str, method: str):
    """Nor is the answer that of the next request on the connection."""
    one, other = (f"/not/a/route{next(_numbers)}" for _ in range(2))
    origin.scripts[one] = script_of(Step(interim=INTERIM[kind], body="one"))
    origin.scripts[other] = script_of(Step(body="other"))
    prefix = f"http://{HOST}" if role == "regular" else ""
    with closing(HTTPConnection("127.0.0.1", house.ports[role], timeout=20)) as line:
        for target, body in ((one, b"one"), (other, b"other"), (one, b"one")):
            line.request(method, prefix + target, b"hello" if method == "POST" else None, {"Host": HOST})
            answer = line.getresponse()
            assert (answer.status, answer.read()) == (200, b"" if method == "HEAD" else body)


def test_interim_answers_without_end_are_none(house: House, origin: Scripted, role: str):
    _, reply = asked(house, origin, role, Step(interim=HINTS * 1_000, body="whole"))
    assert reply.status == 502
